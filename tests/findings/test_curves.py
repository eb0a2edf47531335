"""Gaps between curves, crossings, and the parameters one needs to equal the other, each with an interval."""

import numpy as np
import pytest

from workflow.scripts.findings.curves import crossing, fit_curve, gaps_at, sizes_to_equal
from workflow.scripts.laws.line import points_of

SIZES = np.geomspace(1e5, 1e8, 6)


def curve_of(n, loss, rng):
    return fit_curve(points_of(n, loss), rng)


def test_a_gap_interval_holds_the_truth():
    """25 pairs of tables with 1% noise: the gap at a middle size is inside its interval in at least 22.

    Intervals half as wide hold it in 17.
    """
    rng = np.random.default_rng(3)
    true = [0.5 + 30 * SIZES**-0.35, 0.6 + 25 * SIZES**-0.3]
    place = SIZES[2:3]
    truth = (0.5 + 30 * place**-0.35 - 0.6 - 25 * place**-0.3)[0]
    held = []
    for _ in range(25):
        a, b = (curve_of(SIZES, loss * np.exp(rng.normal(0, 0.01, 6)), rng) for loss in true)
        low, high = gaps_at(a, b, place)[0]["ci95"]
        held.append(low <= truth <= high)
    assert sum(held) >= 22


def test_curves_that_cross_do_so_inside_the_interval():
    rng = np.random.default_rng(0)
    a, b = 12 * SIZES**-0.15, 4 * SIZES**-0.08
    at = 3 ** (1 / 0.07)  # 12 N^-0.15 = 4 N^-0.08
    curves = [curve_of(SIZES, loss * np.exp(rng.normal(0, 0.003, 6)), rng) for loss in (a, b)]
    found = crossing(*curves)
    assert found["within_measured"]
    low, high = found["ci95"]
    assert low < at < high
    assert found["at"] == pytest.approx(at, rel=0.25)


def test_a_crossing_that_noise_hides_has_open_ends():
    """Curves a hair apart, with noise far beyond that: some draws never cross."""
    rng = np.random.default_rng(0)
    loss = 6 * SIZES**-0.1
    curves = [
        curve_of(SIZES, loss * tilt * np.exp(rng.normal(0, 0.03, 6)), rng) for tilt in (1, (SIZES / 3e6) ** 0.002)
    ]
    found = crossing(*curves)
    assert found["draws_that_cross"] < 0.95
    assert None in found["ci95"]


def test_curves_far_apart_do_not_cross():
    rng = np.random.default_rng(0)
    curves = [curve_of(SIZES, scale * SIZES**-0.1 * np.exp(rng.normal(0, 0.003, 6)), rng) for scale in (4, 8)]
    assert crossing(*curves) is None


def test_what_is_never_equalled_has_no_factor():
    """The second has a floor above the first's loss."""
    rng = np.random.default_rng(0)
    noise = np.exp(rng.normal(0, 0.001, 6))
    a, b = (
        curve_of(SIZES, (0.1 + 30 * SIZES**-0.4) * noise, rng),
        curve_of(SIZES, (1 + 30 * SIZES**-0.4) * noise, rng),
    )
    largest = points_of(SIZES[-1:], 0.1 + 30 * SIZES[-1:] ** -0.4)
    assert [size["factor"] for size in sizes_to_equal(a, b, largest)] == [None]


def test_one_degree_of_freedom_gives_wide_gaps_and_no_nan():
    """Four sizes that fit no law: some draws of their noise are beyond what a double holds."""
    rng = np.random.default_rng(0)
    n = np.geomspace(1e6, 1e8, 4)
    with np.errstate(all="raise", under="ignore"):
        curves = [
            curve_of(n, np.array(losses), rng) for losses in ((0.8, 0.9, 0.88, 0.6), (0.832, 0.839, 0.879, 0.863))
        ]
        found = gaps_at(*curves, n)
    for gap in found:
        low, high = gap["ci95"]
        assert low < gap["gap"] < high
