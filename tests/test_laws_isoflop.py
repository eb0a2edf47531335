"""Optima at equal FLOP and their exponents, against published ones and against laws that are known."""

import numpy as np
import pandas as pd
import pytest

from workflow.scripts.laws.isoflop import fit_compute, fit_isoflop, frontier, levels
from workflow.scripts.laws.table import read_table


@pytest.mark.parametrize(
    ("name", "n", "d"),
    [("kaplan(matmul+lm_head)", 0.536, 0.489), ("all", 0.374, 0.501), ("transformer_only", 0.697, 0.406)],
)
def test_nanochats_optima(shared, name, n, d):
    table, _ = read_table(shared / "law-data/nanochat_isoflop_optima.csv", "size")
    result, notes, why = fit_isoflop(table[table["size"] == name])
    assert (notes, why) == ([], "")
    assert result["optima_given"]
    assert result["N_exponent"] == pytest.approx(n, abs=0.005)
    assert result["D_exponent"] == pytest.approx(d, abs=0.005)
    assert result["ci95"]["N_exponent"][0] < n < result["ci95"]["N_exponent"][1]


def test_porians_pairs_weighted_and_not(shared):
    table, _ = read_table(shared / "law-data/porian_pairs_public.csv", "config")
    assert fit_isoflop(table)[0]["N_exponent"] == pytest.approx(0.57149, abs=2e-5)
    assert fit_isoflop(table.assign(params_log_se=np.nan))[0]["N_exponent"] == pytest.approx(0.57142, abs=2e-5)


def test_porians_runs_give_their_optima(shared):
    """From the runs themselves: each optimum within 15% of theirs, and their exponent inside our interval."""
    table, _ = read_table(shared / "law-data/porian_isoflop_public.csv", "config")
    theirs, _ = read_table(shared / "law-data/porian_pairs_public.csv", "config")
    result, _, _ = fit_isoflop(table)
    found = pd.DataFrame(result["optima"])
    assert found["flops"].tolist() == pytest.approx(theirs["flops"].tolist())
    assert np.abs(np.log(found["params"].to_numpy() / theirs["params"].to_numpy())).max() < 0.15
    low, high = result["ci95"]["N_exponent"]
    assert low < 0.5715 < high


def slices(alpha=0.34, beta=0.28, sizes=9):
    rows = []
    for flops in (1e17, 1e18, 1e19, 1e20):
        best = 0.4 * (flops / 6) ** (beta / (alpha + beta))
        for n in best * np.geomspace(1 / 4, 4, sizes):
            d = flops / 6 / n
            rows.append(
                {"size": "", "params": n, "tokens": d, "flops": flops, "loss": 1.7 + 400 * n**-alpha + 410 * d**-beta}
            )
    return pd.DataFrame(rows)


def test_slices_of_a_known_law_have_its_exponents():
    result, notes, _ = fit_isoflop(slices())
    assert notes == []
    assert not result["optima_given"]
    assert result["N_exponent"] == pytest.approx(0.28 / 0.62, abs=0.01)
    assert result["N_exponent"] + result["D_exponent"] == pytest.approx(1, abs=1e-6)
    ratio = (0.34 * 400 / (0.28 * 410)) ** (1 / 0.62)
    for optimum in result["optima"]:
        assert optimum["params"] == pytest.approx(ratio * (optimum["flops"] / 6) ** (0.28 / 0.62), rel=0.05)


def test_a_budget_whose_optimum_is_not_bracketed_is_left_out_and_told():
    table = slices()
    best = max(optimum["params"] for optimum in fit_isoflop(table)[0]["optima"])  # of the largest budget
    cut = table[(table["flops"] != 1e20) | (table["params"] < best / 1.1)]
    result, notes, _ = fit_isoflop(cut)
    assert len(result["optima"]) == 3
    assert notes == ["isoflop: 1 of 4 budgets of FLOP do not bracket an optimum"]


def test_runs_of_one_budget_of_tokens_are_no_optima():
    n = np.geomspace(1e5, 1e8, 5)
    table = pd.DataFrame({"size": "", "params": n, "tokens": 1e8, "flops": 6e8 * n, "loss": 5 * n**-0.1})
    assert fit_isoflop(table) == (None, [], "0 budgets of FLOP have an optimum, and exponents need 3")


def test_levels_do_not_chain():
    values = np.exp(np.array([0.0, 0.06, 0.09, 0.15, 1.0, 1.05]))
    assert levels(values[::-1], 0.10)[::-1].tolist() == [0, 0, 0, 1, 2, 2]


def test_the_frontier_is_of_runs_that_none_beats():
    table = pd.DataFrame({"flops": [1, 2, 3, 3, 5, 9], "loss": [3, 3.5, 2, 2.5, 2, 1], "params": range(1, 7)})
    assert frontier(table)["params"].tolist() == [1, 3, 6]


def test_the_compute_law_is_the_line_through_the_frontier():
    flops = np.geomspace(1e15, 1e18, 6)
    table = pd.DataFrame({"size": "", "params": flops, "tokens": flops, "flops": flops, "loss": 30 * flops**-0.06})
    worse = table.assign(loss=table["loss"] * 1.2, flops=table["flops"] * 1.5)
    law, _, _ = fit_compute(pd.concat([table, worse]))
    assert law["n_rows"] == 6
    assert law["alpha"] == pytest.approx(0.06)
    assert law["A"] == pytest.approx(30, rel=1e-6)
    assert (
        fit_compute(table.assign(loss=3.0))[2] == "1 runs are on the frontier of loss against FLOP, and a law needs 3"
    )
