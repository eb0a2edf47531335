"""Laws of N and D by either estimator are those of their data, and the recorded ones those of the recorded runs."""

import json

import numpy as np
import pandas as pd
import pytest

from tests.conftest import ROOT
from tests.laws.known_laws import TRUE, chinchilla, grid, muennighoff, repeated
from workflow.scripts.laws.coupling import COUPLED
from workflow.scripts.laws.estimate import Settings, search
from workflow.scripts.laws.forms import CHINCHILLA, CHINCHILLA_TIED, KAPLAN, data_of
from workflow.scripts.laws.intervals import profile_interval
from workflow.scripts.laws.loss_surface import (
    data_for,
    estimated,
    fit_data,
    fit_surface,
    forecast_rows,
    quick_fit,
    rows_for,
)
from workflow.scripts.laws.problem import Problem
from workflow.scripts.laws.repetition import REPEAT
from workflow.scripts.tables.table import read_table

RECORDED = json.loads((ROOT / "docs/default-study/fit.json").read_text())["groups"]


@pytest.mark.parametrize("loss", ["huber", "mse"])
def test_either_setting_gives_all_five_and_no_doubts(loss):
    n, d = grid()
    result, notes, _ = fit_data(CHINCHILLA, data_of(n, d, chinchilla(n, d)), Settings(loss, draws=0), 0.0, None)
    assert {name: result[name] for name in TRUE} == pytest.approx(TRUE, rel=1e-6)
    assert result["converged"]
    assert result["loo_error"] < 1e-6
    assert not notes


@pytest.mark.parametrize("form", [CHINCHILLA, CHINCHILLA_TIED, KAPLAN], ids=lambda form: form.name)
@pytest.mark.parametrize("arch", ["gpt", "lstm"])
def test_the_recorded_laws_are_the_best_of_the_recorded_runs(form, arch):
    table, _ = read_table(ROOT / "docs/default-study/runs.csv")
    rows = table[table["arch"] == arch]
    data = data_of(*(rows[column].to_numpy() for column in ("params", "tokens", "loss")))
    best = search(Problem(form, data, 1e-3)).best
    recorded = RECORDED[arch][form.name]
    assert best.objective == pytest.approx(recorded["objective"], rel=1e-9)
    found = form.printed(best.theta, data)
    assert found == pytest.approx({name: recorded[name] for name in found}, rel=1e-5)


def test_the_repetition_law_with_its_base_held():
    """As its authors fitted it: E, A, B, alpha and beta are those of runs without repetition, and two are left."""
    n, d, unique = repeated()
    law = {"E": 1.87, "A": 521.0, "B": 1488.0, "alpha": 0.353, "beta": 0.353, "R_D": 15.4, "R_N": 5.3}
    exact = np.array([muennighoff(law, *row) for row in zip(n, d, unique, strict=True)])
    data = data_of(n, d, exact * np.exp(np.random.default_rng(6).normal(0, 5e-3, len(n))), unique)
    base = {name: law[name] for name in ("E", "A", "B", "alpha", "beta")}
    found, notes, _ = fit_data(REPEAT, data, Settings(draws=25, fixed=base), 0.01, None)
    assert found["fixed"] == base
    assert {name: found[name] for name in base} == base == {name: found["other_estimate"][name] for name in base}
    assert set(found["ci95"]) == set(found["bootstrap95"]) == {"R_D", "R_N"}
    assert found["at_bound"] == notes == []
    free = Problem(REPEAT, data, 1e-3)
    for name in ("R_D", "R_N"):
        low, high = found["ci95"][name]
        assert low < law[name] < high
        assert found["other_estimate"][name] == pytest.approx(found[name], rel=0.05)
    wide = profile_interval(free, search(free).best, "R_D")
    assert np.ptp(found["ci95"]["R_D"]) < 0.8 * np.ptp(wide)  # as nothing is left open that it hangs on
    squares = quick_fit(REPEAT, data, Settings("mse", fixed=base))
    assert REPEAT.printed(squares.theta, data)["R_D"] == pytest.approx(found["other_estimate"]["R_D"], rel=1e-4)


def test_what_is_held_counts_for_no_parameter():
    rows = rows_of(3, 3)
    assert rows_for(CHINCHILLA, rows.iloc[:7]).absent == "7 runs for 5 parameters"
    assert rows_for(CHINCHILLA, rows.iloc[:7], held=1).absent == ""
    law = fit_surface(CHINCHILLA, rows, Settings(draws=0, fixed={"alpha": 0.34}), 0.0, None).law
    assert law["alpha"] == 0.34
    assert law["compute_optimal"]["ci95"]["N_exponent"]
    both = Settings(draws=0, fixed={"alpha": 0.34, "beta": 0.28})
    assert fit_surface(CHINCHILLA, rows, both, 0.0, None).law["compute_optimal"]["ci95"]["N_exponent"] is None
    assert fit_surface(KAPLAN, rows, Settings(fixed={"E": 1.0}), 0.0, None).absent == "it has no E that could be held"


def rows_of(sizes: int, budgets: int, times: int = 1) -> pd.DataFrame:
    """A table as `read_table` gives it, by a known law."""
    n, d = map(np.tile, grid(sizes, budgets), (times, times))
    loss = chinchilla(n, d) * np.exp(np.random.default_rng(0).normal(0, 5e-3, len(n)))
    columns = {"params": n, "tokens": d, "unique_tokens": d, "flops": 6 * n * d, "loss": loss}
    return pd.DataFrame(columns).assign(seed="", size="")


def test_rows_that_say_nothing_have_no_law():
    rows = rows_of(4, 4)
    for table, why in (
        (rows.assign(tokens=np.nan), "tokens are not given"),
        (rows.iloc[:8], "4 sizes and 2 budgets of tokens; it needs 3 of each"),
        (rows.assign(loss=2.0), "the same loss in every run: there is nothing to fit"),
    ):
        assert fit_surface(CHINCHILLA, table, Settings(draws=0), 0.0, None) == (None, [], why)
    assert fit_surface(REPEAT, rows, Settings(draws=0), 0.0, None).absent == "no run reads its data more than once"


def test_many_rows_are_left_out_in_parts():
    """A tenth at a time, which is much the same where there are many."""
    data = data_for(rows_of(6, 5, times=20))
    assert len(data.log_n) == 600
    law, _, _ = fit_data(CHINCHILLA, data, Settings(draws=0), 0.0, None)
    assert law["loo_folds"] == 10
    few = fit_data(CHINCHILLA, data.take(np.arange(120)), Settings(draws=0), 0.0, None)[0]
    assert few["loo_folds"] == 120
    assert law["loo_error"] == pytest.approx(few["loo_error"], rel=0.15)
    assert law["loo_error"] == pytest.approx(5e-3 * np.sqrt(2 / np.pi), rel=0.1)  # mean of a normal without its sign


def test_exponents_of_the_best_size_have_intervals():
    data = data_for(rows_of(6, 5))
    true = TRUE["beta"] / (TRUE["alpha"] + TRUE["beta"])
    for form in (KAPLAN, COUPLED, CHINCHILLA_TIED):
        law, _, _ = fit_data(form, data, Settings(draws=25), 0.0, None)
        found, profile = law["compute_optimal"], law["compute_optimal"]["ci95"]["N_exponent"]
        if form is CHINCHILLA_TIED:
            assert (found["N_exponent"], profile) == (0.5, None)
            continue
        assert profile[0] < found["N_exponent"] < profile[1]
        assert found["ci95"]["D_exponent"] == [1 - profile[1], 1 - profile[0]]
        low, high = found["bootstrap95"]["N_exponent"]
        assert 0.3 < (high - low) / (profile[1] - profile[0]) < 3
        if form is not KAPLAN:
            assert profile[0] < true < profile[1]


def test_a_quick_fit_is_the_fit():
    data = data_for(rows_of(6, 5))
    for loss in ("huber", "mse"):
        best = quick_fit(COUPLED, data, Settings(loss))
        again = quick_fit(COUPLED, data, Settings(loss), best.theta + 0.05)
        assert again.objective == pytest.approx(best.objective, rel=1e-6)
        found, _ = estimated(COUPLED, data, Settings(loss))[1:]
        assert found.best.objective == pytest.approx(best.objective, rel=1e-6)
    held = quick_fit(COUPLED, data, Settings(fixed={"k": 1.0}))
    plain = quick_fit(CHINCHILLA, data, Settings())
    assert held.theta[:5] == pytest.approx(plain.theta, abs=1e-4)
    assert forecast_rows(COUPLED, data, Settings(), held, data.log_n > 1)["n_rows"] == 10
