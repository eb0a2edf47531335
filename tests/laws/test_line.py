"""The line, its intervals and its tests are the textbook's, and the intervals hold the truth as often as they say."""

import numpy as np
import pytest
from scipy.stats import f as f_distribution
from scipy.stats import t

from workflow.scripts.laws.line import curvature, fit_line, lack_of_fit, points_of, t_interval

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
