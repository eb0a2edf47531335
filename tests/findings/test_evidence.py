"""What a verdict rests on: each p is that of the test it is said to be, and the benchmark measures the same."""

import numpy as np
import pytest
from scipy.stats import f as f_distribution
from scipy.stats import t

from benchmarks.verdicts import TRUTHS, evidences, points_at
from workflow.scripts.findings.evidence import evidence
from workflow.scripts.laws.estimate import Settings
from workflow.scripts.laws.line import curvature, points_of
from workflow.scripts.laws.power_law import fit_power, fit_power_irreducible

N = np.geomspace(1e4, 1e6, 5)
FAST = Settings(draws=0)


def laws_of(points):
    return {
        "power": fit_power(points, FAST, 0.0),
        "power_irreducible": fit_power_irreducible(points, FAST, 0.0).law,
        "curvature": curvature(points),
    }


def found(points):
    return evidence(points, laws_of(points))


def test_a_rise_is_the_largest_above_the_line_of_the_others():
    """Of five sizes with one run each: the textbook's prediction interval; both tests of a rise share the level."""
    loss = 5 * N**-0.1 * np.exp(0.003 * np.array([1, -2, 1, 0, 20]))
    x, y = np.log(N[:-1]), np.log(loss[:-1])
    slope, level = np.polyfit(x, y, 1)
    s2 = np.sum((y - level - slope * x) ** 2) / 2
    new = np.log(N[-1])
    error = np.sqrt(s2 * (1 + 1 / 4 + (new - x.mean()) ** 2 / np.sum((x - x.mean()) ** 2)))
    loss[-1] = loss[-2] * 1.01
    p = t.sf((np.log(loss[-1]) - level - slope * new) / error, 2)
    assert found(points_of(N, loss)).rising == pytest.approx(2 * p)


def test_a_largest_that_is_better_than_the_next_smaller_has_not_risen():
    """Whatever was forecast of it."""
    loss = 5 * N**-0.1
    loss[-1] = loss[-2] * 0.999
    assert found(points_of(N, loss * np.exp(1e-4 * np.array([1, -1, 1, -1, 0])))).rising == 1


def test_a_rise_with_size_is_one_without_a_bad_largest():
    loss = 0.5 * N**0.1 * np.exp(0.003 * np.array([1, -2, 1, 0, -1]))
    law = fit_power(points_of(N, loss), FAST, 0.0)
    p = t.cdf(law["alpha"] / np.sqrt(law["covariance_log_A_alpha"][1][1]), 3)
    seen = found(points_of(N, loss)).rising
    assert seen <= 2 * p * (1 + 1e-9)
    assert seen < 1e-3


def test_loss_that_falls_early_is_no_constant():
    loss = (0.8 + 200 * N**-0.8) * np.exp(0.003 * np.array([1, -2, 1, 0, -1]))
    points = points_of(N, loss)
    law, y = laws_of(points)["power_irreducible"], np.log(loss)
    ratio = (np.sum((y - y.mean()) ** 2) - law["objective"]) / 2 / (law["objective"] / 2)
    assert found(points).early == pytest.approx(f_distribution.sf(ratio, 2, 2))


def test_shares_are_of_the_lowest_loss():
    points = points_of(N, (0.8 + 20 * N**-0.3) * np.exp(0.003 * np.array([1, -2, 1, 0, -1])))
    low, high = laws_of(points)["power_irreducible"]["ci95"]["E"]
    assert found(points).floor == pytest.approx((low / points.loss.min(), high / points.loss.min()))


@pytest.mark.parametrize("truth", ["power, α 0.3", "floor of 50%", "a bad largest"])
@pytest.mark.parametrize(("sizes", "seeds"), [(4, 3), (6, 1)])
def test_the_benchmark_measures_the_same_evidence(truth, sizes, seeds):
    rng, log_n = np.random.default_rng(0), np.linspace(np.log(1e4), np.log(1e6), sizes)
    log_loss = np.log(TRUTHS[truth][0](log_n))[:, None] + rng.normal(0, 0.01, (3, sizes, seeds))
    for one, of_many in zip(log_loss, evidences(log_n, log_loss), strict=True):
        alone = found(points_at(log_n, one))
        for name in ("rising", "saturation", "floored", "straight"):
            assert getattr(of_many, name) == pytest.approx(getattr(alone, name), rel=1e-3, abs=1e-9), name
        assert of_many.alpha == pytest.approx(alone.alpha, rel=1e-6)
        assert (of_many.floor[0] > 0, of_many.floor[1] <= 0.5) == (alone.floor[0] > 0, alone.floor[1] <= 0.5)
