"""Which runs and sizes count less, and that of plain noise none does."""

import numpy as np
import pytest

from workflow.scripts.laws.line import points_of, pooled_line, seed_noise
from workflow.scripts.laws.outliers import error_weights, run_weights, seed_spread

N = np.geomspace(1e4, 1e6, 5)


def table(seeds, noise, rng):
    n = np.repeat(N, seeds)
    return n, 6 * n**-0.12 * np.exp(rng.normal(0, noise, len(n)))


@pytest.mark.parametrize("seeds", [2, 3])
def test_a_run_that_diverged_counts_next_to_nothing(seeds):
    """3.37 where its size has 2.18: the laws are those of the other runs, and so is the noise between seeds."""
    n, loss = table(seeds, 0.01, np.random.default_rng(0))
    out = 2 * seeds + 1
    points = points_of(n, np.where(np.arange(len(n)) == out, 1.55, 1) * loss)
    others = points_of(np.delete(n, out), np.delete(loss, out))
    assert points.run_weight[out] < 0.01
    assert np.delete(points.run_weight, out) == pytest.approx(1)
    assert len(points.run_log_loss) == len(n)  # it is not taken out
    assert points.loss == pytest.approx(others.loss, rel=0.005)
    assert seed_noise(points) == pytest.approx(seed_noise(others), rel=1e-6)
    one, two = pooled_line(points), pooled_line(others)
    assert one.alpha == pytest.approx(two.alpha, abs=0.003)
    assert one.noise.variance == pytest.approx(two.noise.variance, rel=0.5)


def test_of_two_runs_the_one_off_the_line_is_out():
    """Also where it is the lower one."""
    n, loss = table(2, 0.005, np.random.default_rng(1))
    size = np.repeat(np.arange(5), 2)
    for factor in (1.5, 0.5):
        weights = run_weights(np.log(n), np.log(np.where(np.arange(10) == 4, factor, 1) * loss), size)
        assert np.flatnonzero(weights < 1).tolist() == [4]


@pytest.mark.parametrize("seeds", [2, 3])
def test_plain_noise_has_no_run_far_out(seeds):
    """In 1% of tables at most, also where 10% noise makes runs differ by more than seeds do."""
    rng, found = np.random.default_rng(2), 0
    for _ in range(200):
        n, loss = table(seeds, 0.1, rng)
        found += (run_weights(np.log(n), np.log(loss), np.repeat(np.arange(5), seeds)) < 1).any()
    assert found <= 4


def test_one_size_with_seeds_judges_none():
    """What is usual is not known of two sizes."""
    size = np.array([0, 0, 1, 1, 2])
    log_n = np.log(N)[size]
    assert run_weights(log_n, np.array([0.5, 0.51, 0.4, 1.4, 0.3]), size) == pytest.approx(1)


def test_small_and_large_sizes_have_their_own_noise():
    dof = np.full(6, 3)
    alike = seed_spread(3 * np.array([1, 2, 1, 1, 1, 2]) * 1e-4, dof)
    assert alike == pytest.approx(1)
    spread = seed_spread(3 * np.array([9, 10, 11, 0.9, 1, 1.1]) * 1e-4, dof)
    assert spread[0] / spread[-1] == pytest.approx(10)
    assert np.exp(np.log(spread).mean()) == pytest.approx(1)


def test_unequal_seeds_weigh_sizes():
    """A size of four runs has a quarter of the variance, and the line lies closer to it."""
    n = np.array([*np.repeat(N[:2], 4), *N[2:]])
    rng = np.random.default_rng(3)
    points = points_of(n, 6 * n**-0.12 * np.exp(rng.normal(0, 0.01, len(n))))
    assert points.weight == pytest.approx(np.array([4, 4, 1, 1, 1]) / 2.2)
    errors = []
    for _ in range(300):
        points = points_of(n, 6 * n**-0.12 * np.exp(rng.normal(0, 0.01, len(n))))
        errors.append((pooled_line(points).alpha - 0.12) / np.sqrt(pooled_line(points).covariance[1, 1]))
    assert np.std(errors) == pytest.approx(1.1, abs=0.25)


def test_errors_of_evaluation_that_differ_weigh_sizes():
    size, log_n = np.arange(5), np.log(N)
    own = np.array([0.05, 0.05, 0.004, 0.004, 0.004])
    log_loss = np.log(6) - 0.12 * log_n
    assert error_weights(log_n, log_loss, size, np.full(5, 0.01)) is None
    assert error_weights(log_n, log_loss, size, np.where(size == 0, np.nan, own)) is None
    exact = error_weights(log_n, log_loss, size, own)
    assert exact[2] / exact[0] == pytest.approx((0.05 / 0.004) ** 2)
    # Sizes that lie off the line by 10% whatever their errors are: nearly equal weights.
    equal = error_weights(log_n, log_loss + 0.1 * np.array([1, -1, 1, -1, 1]), size, own)
    assert equal[2] / equal[0] < 2
    points = points_of(N, np.exp(log_loss), own)
    assert points.weight == pytest.approx(exact)
    assert seed_noise(points) == (0.0, 0)
