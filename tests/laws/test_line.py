"""The line, its intervals and its tests are the textbook's, and the intervals hold the truth as often as they say."""

import numpy as np
import pytest
from scipy.stats import f as f_distribution
from scipy.stats import t

from workflow.scripts.laws.line import (
    curvature,
    fit_line,
    lack_of_fit,
    points_of,
    pooled_line,
    pooled_noise,
    t_interval,
)

N = np.geomspace(1e4, 2e5, 5)


def test_a_forecasts_half_width_is_the_textbook_one():
    loss = 5 * N**-0.1 * np.exp(0.03 * np.array([1, -2, 0.5, 1, -1]))
    line, x, new = fit_line(points_of(N, loss)), np.log(N), np.log(1e6)
    s2 = np.sum((np.log(loss) - line.log_loss(N)) ** 2) / 3
    of_mean = s2 * (1 / 5 + (new - x.mean()) ** 2 / np.sum((x - x.mean()) ** 2))
    assert line.confidence_half_width(1e6) == pytest.approx(t.ppf(0.975, 3) * np.sqrt(of_mean))
    assert line.prediction_half_width(1e6) == pytest.approx(t.ppf(0.975, 3) * np.sqrt(of_mean + s2))


def test_curvature_is_that_of_a_polynomial():
    x = np.log(N)
    y = 1 - 0.3 * x + 0.02 * x**2
    found = curvature(points_of(N, np.exp(y + 1e-9 * np.array([1, -1, 1, 0, -1]))))
    assert found["curvature"] == pytest.approx(0.02, abs=1e-6)
    assert found["slope_at_largest"] == pytest.approx(-0.3 + 0.04 * x[-1], abs=1e-6)
    assert curvature(points_of(N[:4], np.exp(y[:4]))) is None


def test_the_exponents_interval_covers():
    """400 studies of five sizes with 1% noise: the 95% interval holds the truth in 92 to 98% of them."""
    rng, held = np.random.default_rng(0), []
    for _ in range(400):
        line = fit_line(points_of(N, 6 * N**-0.12 * np.exp(rng.normal(0, 0.01, 5))))
        low, high = t_interval(line.alpha, np.sqrt(line.covariance[1, 1]), line.dof)
        held.append(low <= 0.12 <= high)
    assert 0.92 <= np.mean(held) <= 0.98


def test_seeds_of_one_size_count_once():
    """Runs of one size share a deviation: intervals of three seeds at five sizes cover, too."""
    rng, held = np.random.default_rng(1), []
    n = np.repeat(N, 3)
    for _ in range(400):
        shared = np.repeat(rng.normal(0, 0.02, 5), 3)
        line = fit_line(points_of(n, 6 * n**-0.12 * np.exp(shared + rng.normal(0, 0.002, 15))))
        low, high = t_interval(line.alpha, np.sqrt(line.covariance[1, 1]), line.dof)
        held.append(low <= 0.12 <= high)
    assert 0.92 <= np.mean(held) <= 0.98


def test_lack_of_fit_is_the_textbook_test():
    rng = np.random.default_rng(0)
    sizes = np.geomspace(1e4, 1e7, 6)
    n = np.repeat(sizes, 3)
    loss = 6 * n**-0.12 * np.exp(rng.normal(0, 0.01, 18)) * (1 + 0.02 * (n > 1e6))
    points = points_of(n, loss)
    fitted = fit_line(points).log_loss(points.n)
    found = lack_of_fit(points, fitted, 2)
    y = np.log(loss).reshape(6, 3)
    pure = ((y - y.mean(axis=1, keepdims=True)) ** 2).sum()
    total = ((y - fitted[:, None]) ** 2).sum()
    ratio = ((total - pure) / 4) / (pure / 12)
    assert found["F"] == pytest.approx(ratio)
    assert found["dof"] == [4, 12]
    assert found["p"] == pytest.approx(f_distribution.sf(ratio, 4, 12))
    assert lack_of_fit(points_of(sizes, 6 * sizes**-0.12), np.log(6 * sizes**-0.12), 2) is None


def study(effect, rng, sizes=5, seeds=3):
    """Runs of a power law whose sizes deviate by ``effect`` times the 1% noise between their seeds."""
    n = np.repeat(np.geomspace(1e4, 2e5, sizes), seeds)
    shared = np.repeat(rng.normal(0, 0.01 * effect, sizes), seeds)
    return points_of(n, 6 * n**-0.12 * np.exp(shared + rng.normal(0, 0.01, len(n))))


def test_seeds_are_pooled_with_sizes_where_they_agree():
    """Sums of squares and degrees of freedom of both are added, as for one variance."""
    points = study(0, np.random.default_rng(1))
    line, fitted = pooled_line(points), fit_line(points).log_loss(points.n)
    y = points.run_log_loss.reshape(5, 3)
    squares = 3 * np.sum((y.mean(axis=1) - fitted) ** 2) + np.sum((y - y.mean(axis=1, keepdims=True)) ** 2)
    assert (line.noise.source, line.dof) == ("seeds pooled", 3 + 10)
    assert line.noise.variance == pytest.approx(squares / 13 / 3)  # of a mean of three seeds
    assert line.noise.of_mean(1) == pytest.approx(squares / 13)
    x = np.log(points.n)
    assert line.covariance[1, 1] == pytest.approx(line.noise.variance / np.sum((x - x.mean()) ** 2))
    assert line.alpha == pytest.approx(fit_line(points).alpha, rel=1e-9)


def test_sizes_that_deviate_beyond_their_seeds_speak_alone():
    points = study(10, np.random.default_rng(0))
    pooled, alone = pooled_line(points), fit_line(points)
    assert pooled.noise.source == "sizes"
    assert pooled.dof == 3
    assert pooled.covariance == pytest.approx(alone.covariance)
    assert pooled.noise.within == pytest.approx(1e-4, rel=0.8)
    assert pooled.noise.between + pooled.noise.within / 3 == pytest.approx(pooled.noise.variance)


def test_one_degree_of_freedom_leaves_room_for_what_it_cannot_see():
    """Each size is allowed a deviation of its own, with the variance of one seed."""
    points = study(0, np.random.default_rng(0), sizes=3)
    noise = pooled_line(points).noise
    assert (noise.source, noise.dof) == ("seeds pooled", 1 + 6)
    assert noise.between == pytest.approx(noise.within)
    assert noise.variance == pytest.approx(noise.within * (1 + 1 / 3))


def test_one_run_a_size_is_judged_by_sizes():
    points = points_of(N, 6 * N**-0.12 * np.exp(0.01 * np.array([1, -2, 0, 2, -1])))
    assert pooled_noise(points, fit_line(points).log_loss(N), 2).source == "sizes"
    assert pooled_line(points).noise == fit_line(points).noise


@pytest.mark.parametrize("effect", [0, 1, 2])
def test_the_pooled_interval_covers_although_sizes_deviate(effect):
    """400 studies of three seeds: at least 91% hold the truth; without such deviations intervals are narrower."""
    rng, held, widths = np.random.default_rng(2), [], []
    for _ in range(400):
        points = study(effect, rng)
        lines = pooled_line(points), fit_line(points)
        ends = [t_interval(line.alpha, np.sqrt(line.covariance[1, 1]), line.dof) for line in lines]
        held.append(ends[0][0] <= 0.12 <= ends[0][1])
        widths.append(np.ptp(ends, axis=1))
    assert np.mean(held) >= 0.91
    pooled, alone = np.mean(widths, axis=0)
    assert pooled < 0.95 * alone or effect > 0
