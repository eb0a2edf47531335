"""Which law forecasts best: the cuts, the errors, and the weights."""

import numpy as np
import pytest

from tests.forecasts.tables import BUDGETS, SIZES, chinchilla, kaplan, runs_of
from workflow.scripts.forecasts.predict import Forecaster
from workflow.scripts.forecasts.rolling import MOST, Tried, origins, tried, weights
from workflow.scripts.laws.estimate import Settings

ROWS = runs_of(chinchilla)


def test_a_larger_size_at_a_measured_budget_is_asked_of_smaller_sizes():
    cuts = origins(ROWS, 1e7, BUDGETS[-1])
    assert [(cut.by, cut.below) for cut in cuts] == [("params", SIZES[3]), ("params", SIZES[4])]
    assert cuts[0].n == pytest.approx(SIZES[3:])
    assert set(cuts[0].d) == {BUDGETS[-1]}


def test_more_tokens_are_asked_of_runs_of_less_flop():
    cuts = origins(ROWS, 1e7, 1e9)
    assert {cut.by for cut in cuts} == {"flops"}
    assert 1 < len(cuts) <= MOST
    for cut in cuts:
        assert (6 * cut.n * cut.d >= cut.below * (1 - 1e-12)).all()


def test_seeds_are_one_run_to_be_predicted():
    (cut,) = origins(runs_of(chinchilla, 0.01, sizes=SIZES[:4], seeds=3), 1e7, BUDGETS[-1])
    rows = runs_of(chinchilla, 0.01, sizes=SIZES[:4], seeds=3)
    last = rows[(rows["params"] == SIZES[3]) & (rows["tokens"] == BUDGETS[-1])]
    assert cut.log_loss == pytest.approx([np.log(last["loss"]).mean()])


@pytest.mark.parametrize(("law", "name"), [(chinchilla, "chinchilla"), (kaplan, "kaplan")])
def test_the_law_that_the_runs_follow_misses_least(law, name):
    rows = runs_of(law, 1e-4)
    found = tried(Forecaster(rows, Settings()).candidates(BUDGETS[-1]), origins(rows, 1e7, BUDGETS[-1]))
    assert min((found.errors[key], key) for key in found.errors if key != "coupled")[1] == name
    assert found.errors[name] < 0.01 < found.errors["power"]


def test_what_is_predicted_takes_no_part_in_the_fit():
    rows = runs_of(chinchilla, 0.01)
    wrong = rows.assign(loss=np.where(rows["params"] == SIZES[-1], 3 * rows["loss"], rows["loss"]))
    cuts = [origins(table, 1e7, BUDGETS[-1])[-1] for table in (rows, wrong)]
    right, off = (
        tried(Forecaster(table, Settings()).candidates(BUDGETS[-1]), [cut]).errors
        for table, cut in zip((rows, wrong), cuts, strict=True)
    )
    for name in right:
        assert off[name] == pytest.approx(np.log(3) - right[name], abs=2.2 * right[name])


def test_three_sizes_leave_nothing_to_try():
    rows = runs_of(chinchilla, sizes=SIZES[:3], budgets=BUDGETS[:1])
    assert tried(Forecaster(rows, Settings()).candidates(BUDGETS[0]), origins(rows, 1e7, BUDGETS[0])) == Tried({}, 0)


def test_weights_are_the_inverse_of_mean_squares():
    found = weights({"power": 0.02, "kaplan": 0.01, "chinchilla": 1e-9})
    assert sum(found.values()) == pytest.approx(1)
    assert found["kaplan"] == pytest.approx(4 * found["power"])
    assert found["chinchilla"] == pytest.approx(100 * found["kaplan"])
    assert weights({}) == {}
