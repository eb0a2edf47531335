"""Which laws can say what a run will reach, and how they are fitted to the smaller runs."""

import numpy as np
import pytest

from tests.forecasts.tables import BUDGETS, SIZES, chinchilla, runs_of
from workflow.scripts.forecasts.predict import Forecaster
from workflow.scripts.laws.estimate import Settings
from workflow.scripts.laws.line import fit_line, points_of

ROWS = runs_of(chinchilla)
OF_ALL = ["chinchilla", "chinchilla_tied", "kaplan", "coupled"]


@pytest.mark.parametrize(
    ("rows", "tokens", "names"),
    [
        (ROWS, BUDGETS[-1], ["power", "power_irreducible", *OF_ALL]),
        (ROWS, 2 * BUDGETS[-1], OF_ALL),  # a law of N alone holds at its budget
        (ROWS[ROWS["tokens"] == BUDGETS[0]], BUDGETS[0], ["power", "power_irreducible"]),
        (ROWS[ROWS["params"] < SIZES[3]].query("tokens == 1e7"), BUDGETS[0], ["power"]),
        (ROWS[ROWS["tokens"] == BUDGETS[0]].assign(tokens=np.nan), None, ["power", "power_irreducible"]),
        (ROWS[ROWS["tokens"] == BUDGETS[0]].assign(tokens=np.nan), 1e7, []),
    ],
)
def test_the_laws_that_the_runs_support(rows, tokens, names):
    assert [law.name for law in Forecaster(rows, Settings()).candidates(tokens)] == names


def test_a_power_law_is_the_straight_line_that_is_told():
    rows = runs_of(chinchilla, 0.02, budgets=BUDGETS[:1])
    law = Forecaster(rows, Settings()).candidates(BUDGETS[0])[0]
    line = fit_line(points_of(rows["params"].to_numpy(), rows["loss"].to_numpy()))
    theta = law.fits(np.ones((1, 5), bool))[0]
    assert theta[1] == pytest.approx(line.alpha, abs=1e-6)
    assert law.log_loss(theta, np.array([1e7]), np.array([np.nan])) == pytest.approx(line.log_loss(1e7), abs=1e-6)


def test_some_of_the_runs_are_fitted_as_if_there_were_no_others():
    law = next(law for law in Forecaster(ROWS, Settings()).candidates(BUDGETS[-1]) if law.name == "chinchilla")
    smaller = law.n < SIZES[-1]
    both = law.fits(np.stack((smaller, law.n < SIZES[2])))
    found = law.problem.form.printed(both[0], law.problem.data)
    assert [found[name] for name in ("E", "alpha", "beta")] == pytest.approx([0.6, 0.35, 0.3], rel=0.02)
    assert np.isnan(both[1]).all()  # two sizes
