"""Laws of N and D by either estimator are those of their data, and the recorded ones those of the recorded runs."""

import json

import pytest

from tests.conftest import ROOT
from tests.laws.known_laws import TRUE, chinchilla, grid
from workflow.scripts.laws.estimate import Settings, search
from workflow.scripts.laws.forms import CHINCHILLA, CHINCHILLA_TIED, KAPLAN, data_of
from workflow.scripts.laws.loss_surface import fit_data
from workflow.scripts.laws.problem import Problem
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
