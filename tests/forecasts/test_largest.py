"""The largest size, forecast from the smaller ones alone."""

import numpy as np
import pytest

from tests.forecasts.tables import BUDGETS, SIZES, chinchilla, runs_of
from workflow.scripts.forecasts.largest import forecast_largest
from workflow.scripts.laws.estimate import Settings


def test_no_run_of_the_largest_size_takes_part():
    rows = runs_of(chinchilla, 0.003)
    wrong = rows.assign(loss=np.where(rows["params"] == SIZES[-1], 2 * rows["loss"], rows["loss"]))
    one, two = (forecast_largest(table, Settings()) for table in (rows, wrong))
    assert two["loss"] == one["loss"]
    assert two["observed"] == pytest.approx(2 * one["observed"])
    assert (one["params"], one["tokens"], one["from_sizes"]) == (SIZES[-1], round(BUDGETS[-1]), 4)
    assert one["error"] == pytest.approx(one["loss"] / one["observed"] - 1)
    assert one["pi95"][0] < one["observed"] < one["pi95"][1]
    assert two["observed"] > two["pi95"][1]


def test_three_sizes_or_no_common_budget_have_none():
    assert forecast_largest(runs_of(chinchilla, sizes=SIZES[:3]), Settings()) is None
    apart = runs_of(chinchilla, budgets=BUDGETS[:1])
    apart = apart.assign(tokens=20 * apart["params"], unique_tokens=20 * apart["params"])
    assert forecast_largest(apart, Settings()) is None
