"""The best N and D for so much compute."""

import numpy as np
import pytest

from tests.forecasts.tables import BUDGETS, SIZES, chinchilla, runs_of
from workflow.scripts.forecasts.best_size import best_for, cost_of_a_token, sure
from workflow.scripts.forecasts.predict import Forecaster
from workflow.scripts.laws.estimate import Settings


def best_of(flops):
    """Where the known law is lowest at C = 6 N D, on a fine grid."""
    n = np.geomspace(1e4, 1e9, 20001)
    loss = chinchilla(n, flops / 6 / n)
    return n[loss.argmin()], loss.min()


def test_the_optimum_of_a_known_law_is_found_and_held():
    flops = 6 * SIZES[-1] * BUDGETS[-1] * 2
    found = best_for(Forecaster(runs_of(chinchilla, 0.002, seeds=2), Settings()), flops).law
    n, loss = best_of(flops)
    low, high = found["ci95"]["params"]
    assert low < n < high
    assert low <= found["params"] <= high
    assert found["params"] * found["tokens"] * 6 == pytest.approx(flops)
    assert found["loss"] == pytest.approx(loss, rel=0.02)
    assert found["pi95"][0] < loss < found["pi95"][1]
    assert not found["beyond"]["inside"]


def test_one_budget_has_no_optimum():
    outcome = best_for(Forecaster(runs_of(chinchilla, budgets=BUDGETS[:1]), Settings()), 1e15)
    assert outcome.law is None
    assert "a law of N and D is needed" in outcome.absent


def test_a_token_costs_what_it_costs_the_runs():
    rows = runs_of(chinchilla)
    rows["flops"] = (6 * rows["params"] + 1e5) * rows["tokens"]
    cost = cost_of_a_token(rows)
    assert cost(SIZES) == pytest.approx(6 * SIZES + 1e5)
    assert cost(np.array([1e9]))[0] == pytest.approx(6e9 * (1 + 1e5 / 6 / SIZES[-1]))


def test_draws_without_an_optimum_open_the_interval():
    drawn = np.concatenate((np.geomspace(1e5, 1e7, 390), np.full(10, np.nan)))
    low, high = sure(drawn, 1e6)
    assert low < 1.2e5
    assert high > 8e6
    assert sure(np.concatenate((drawn, np.full(30, np.nan))), 1e6) == [None, None]
    assert sure(drawn, 1e8)[1] == 1e8


def test_optima_that_are_given_lie_on_lines():
    flops = np.geomspace(1e13, 1e16, 6)
    n, d = 0.3 * flops**0.45, flops**0.55 / 1.8
    rows = runs_of(chinchilla, sizes=n, budgets=[1.0]).assign(tokens=d, unique_tokens=d, flops=flops)
    rows["loss"] = (0.5 + 300 * flops**-0.2) * np.exp(0.002 * np.array([1, -1, 0, 1, -1, 0]))
    found = best_for(Forecaster(rows, Settings()), 1e17).law
    assert found["told"] == "isoflop"
    assert (found["params"], found["tokens"]) == pytest.approx((0.3 * 1e17**0.45, 1e17**0.55 / 1.8))
    assert found["pi95"][0] < 0.5 + 300 * 1e17**-0.2 < found["pi95"][1]
