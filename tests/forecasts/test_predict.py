"""The loss at any N and D: the law that is told, its interval, and what cannot be said."""

import numpy as np
import pytest

from tests.forecasts.tables import BUDGETS, SIZES, chinchilla, runs_of
from workflow.scripts.forecasts.predict import Forecaster, choose
from workflow.scripts.forecasts.rolling import Tried
from workflow.scripts.laws.estimate import Settings

ROWS = runs_of(chinchilla, 0.003, seeds=2)


@pytest.fixture(scope="module")
def forecaster():
    return Forecaster(ROWS, Settings())


@pytest.mark.parametrize(("n", "d"), [(1e7, BUDGETS[-1]), (1e7, 4e8), (3e5, 3e7)])
def test_the_forecast_is_near_and_its_interval_holds_the_truth(forecaster, n, d):
    found = forecaster.at(n, d).law
    truth = chinchilla(n, d)
    assert found["loss"] == pytest.approx(truth, rel=0.03)
    assert found["pi95"][0] < truth < found["pi95"][1]
    assert found["pi95"][0] <= found["loss"] <= found["pi95"][1]
    assert found["loss"] == found["laws"][found["told"]]["loss"]
    assert sum(found["average"]["weights"].values()) == pytest.approx(1)


def test_farther_is_less_sure(forecaster):
    widths = [np.ptp(forecaster.at(n, BUDGETS[-1]).law["pi95"]) for n in (2e6, 6e6, 6e7)]
    assert widths == sorted(widths)
    assert widths[2] > 3 * widths[0]


def test_where_a_place_lies(forecaster):
    inside, beyond, under = (forecaster.beyond(*place) for place in ((SIZES[2], 3e7), (6e6, 1.6e8), (1e4, 3e7)))
    assert inside == {"params": 1.0, "tokens": 1.0, "flops": 1.0, "inside": True}
    assert [beyond[name] for name in ("params", "tokens", "flops")] == pytest.approx([2, 2, 4])
    assert not beyond["inside"]
    assert under["params"] == pytest.approx(0.1)
    assert Forecaster(ROWS.assign(tokens=np.nan), Settings()).beyond(6e6, None)["tokens"] is None


@pytest.mark.parametrize(
    ("rows", "d", "why"),
    [
        (
            ROWS[ROWS["tokens"] == BUDGETS[0]],
            1e9,
            "a law of N and D is needed, and there is none: 5 sizes and 1 budget",
        ),
        (ROWS[(ROWS["tokens"] == BUDGETS[0]) & (ROWS["params"] < SIZES[2])], BUDGETS[0], "2 distinct sizes"),
        (ROWS, None, "it needs the tokens of the run"),
    ],
)
def test_why_there_is_none(rows, d, why):
    outcome = Forecaster(rows, Settings()).at(1e7, d)
    assert outcome.law is None
    assert outcome.absent.startswith(why)


def test_the_law_that_is_told_misses_least_of_those_in_the_interval():
    laws = {"power": 0.1, "kaplan": 0.3, "coupled": 0.5}
    trial = Tried({"power": 0.02, "kaplan": 0.01, "coupled": 0.001}, 2)
    assert choose(laws, trial, [0.0, 0.4]) == "kaplan"
    assert choose(laws, trial, [None, None]) == "coupled"
    assert choose(laws, trial, [2.0, 3.0]) == "coupled"
    assert choose(laws, Tried({}, 0), [0.0, 0.4]) == "power"
