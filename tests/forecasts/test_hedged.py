"""The law that intervals are of: how runs are weighted, and that its intervals hold where a straight line's do not."""

import numpy as np
import pytest

from tests.laws.known_laws import chinchilla, grid
from workflow.scripts.forecasts.candidates import POWER
from workflow.scripts.forecasts.hedged import design_effect, hedge
from workflow.scripts.forecasts.one_more import interval_if_right
from workflow.scripts.laws.forms import CHINCHILLA, POWER_IRREDUCIBLE, data_of

N, D = grid()


def test_a_diverged_run_moves_nothing():
    rng = np.random.default_rng(0)
    loss = chinchilla(N, D) * np.exp(rng.normal(0, 0.005, 30))
    place = np.array([3e10]), np.array([6e11])
    clean, ends = data_of(N, D, loss), []
    for worse in (1.0, 3.0):
        wrong = loss.copy()
        wrong[7] *= worse
        law = hedge(CHINCHILLA, data_of(N, D, wrong), [])
        ends.append([*law.interval(clean.at(*place)), law.expected(clean.at(*place))])
        assert (law.problem.weights[:30] < 1).nonzero()[0].tolist() == ([7] if worse > 1 else [])
    assert ends[1] == pytest.approx(ends[0], abs=0.04)


def test_no_more_runs_than_parameters_have_no_law():
    assert hedge(CHINCHILLA, data_of(N[:5], D[:5], chinchilla(N, D)[:5]), []) is None


def test_runs_that_vary_together_count_for_less():
    rng = np.random.default_rng(0)
    groups = np.repeat(np.arange(12), 4)
    shared = rng.normal(0, 1, 12)[groups]
    assert design_effect(rng.normal(0, 1, 48), groups, 2) == 1
    assert design_effect(shared, groups, 2) == 1  # nothing within groups to compare with
    assert design_effect(shared + rng.normal(0, 0.1, 48), groups, 2) == pytest.approx(4, abs=0.2)
    assert design_effect(shared, np.arange(48), 2) == 1


def test_intervals_hold_where_a_straight_line_does_not():
    """Six sizes on the way to a floor, and one at eight times the largest."""
    rng = np.random.default_rng(1)
    n = np.geomspace(1e5, 3e6, 6)
    held = np.zeros(2)
    for _ in range(12):
        data = data_of(n, np.ones(6), (0.6 + 30 * n**-0.35) * np.exp(rng.normal(0, 0.01, 6)))
        observed = np.log(0.6 + 30 * (8 * n[-1]) ** -0.35) + rng.normal(0, 0.01)
        place = data.at(np.array([8 * n[-1]]), np.array([1.0]))
        law = hedge(POWER_IRREDUCIBLE, data, [])
        for i, (low, high) in enumerate((law.interval(place), interval_if_right(POWER, data, np.zeros(2), place))):
            held[i] += low <= observed <= high
    assert held[0] >= 11
    assert held[1] <= 2
