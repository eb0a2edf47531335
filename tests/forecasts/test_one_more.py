"""The interval of one more run: the textbook's for a straight line, and of a law at its bound."""

import numpy as np
import pytest
from scipy.stats import linregress, t

from workflow.scripts.forecasts.candidates import POWER
from workflow.scripts.forecasts.one_more import RunNoise, interval_if_right, prediction_interval
from workflow.scripts.laws.estimate import search
from workflow.scripts.laws.forms import POWER_IRREDUCIBLE, data_of
from workflow.scripts.laws.problem import Fit, Problem

N = np.geomspace(1e4, 1e7, 6)


def test_of_a_straight_line_it_is_the_textbook_prediction_interval():
    rng = np.random.default_rng(0)
    loss = 6 * N**-0.12 * np.exp(rng.normal(0, 0.02, 6))
    data = data_of(N, np.ones(6), loss)
    found = interval_if_right(POWER, data, np.array([0.1, 0.1]), data.at(np.array([4e7]), np.array([1.0])))
    x, y, at = np.log(N), np.log(loss), np.log(4e7)
    line = linregress(x, y)
    s = np.sqrt(np.sum((y - line.intercept - line.slope * x) ** 2) / 4)
    half = t.ppf(0.975, 4) * s * np.sqrt(1 + 1 / 6 + (at - x.mean()) ** 2 / np.sum((x - x.mean()) ** 2))
    expected = line.intercept + line.slope * at
    assert found == pytest.approx([expected - half, expected + half], abs=1e-6)


def test_at_the_bound_of_a_floor_the_upper_side_is_the_wider():
    """No floor is best, and none below zero is possible; one above is, and then loss falls less."""
    loss = 6 * N**-0.12 * np.exp(0.01 * np.array([-1, 1, 0.5, 0.5, 0, -1]))
    data = data_of(N, np.ones(6), loss)
    problem = Problem(POWER_IRREDUCIBLE, data)
    best = search(problem).best
    place = data.at(np.array([1e9]), np.array([1.0]))
    expected = float(POWER_IRREDUCIBLE.predict(best.theta, place)[0][0])
    low, high = prediction_interval(problem, best, place, expected, RunNoise(2 * best.objective / 3, 3))
    assert POWER_IRREDUCIBLE.printed(best.theta, data)["E"] == 0
    assert high - expected > 1.5 * (expected - low)


def test_what_nothing_bounds_has_no_end():
    data = data_of(N, np.ones(6), 6 * N**-0.12)
    problem = Problem(POWER, data)
    fit = Fit(search(problem).best.theta, 0.0, True)
    place = data.at(np.array([1e9]), np.array([1.0]))
    assert prediction_interval(problem, fit, place, 0.5, RunNoise(100.0, 1)) == [None, None]


def test_as_many_runs_as_parameters_have_no_interval():
    data = data_of(N[:2], np.ones(2), np.array([3.0, 2.0]))
    assert interval_if_right(POWER, data, np.zeros(2), data.at(np.array([1e9]), np.array([1.0]))) == [None, None]
