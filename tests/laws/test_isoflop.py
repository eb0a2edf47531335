"""Optima at equal FLOP are found where they are, their exponents are the published ones, and no bracket gives none."""

import json

import numpy as np
import pandas as pd
import pytest
from scipy.stats import linregress

from workflow.scripts.laws.isoflop import (
    fit_compute,
    fit_isoflop,
    frontier,
    optima_given,
    optimum,
    parabola,
    weighted_slope,
)
from workflow.scripts.tables.table import read_table


@pytest.fixture(scope="module")
def expected(shared):
    return json.loads((shared / "law-data" / "expected_public.json").read_text())


def study(flops=(1e15, 4e15, 1.6e16, 6.4e16), spread: float = 6, sizes: int = 9, noise: float = 0.0, a: float = 0.55):
    """Runs at equal FLOP whose loss is a parabola in log N with the best N at 0.3 C^a."""
    rng, rows = np.random.default_rng(0), []
    for c in flops:
        best = 0.3 * c**a
        for n in np.geomspace(best / spread, best * spread * 1.3, sizes):
            loss = 9 * c**-0.03 + 0.05 * np.log(n / best) ** 2
            rows.append({"params": n, "tokens": c / (6 * n), "flops": c, "loss": loss * np.exp(rng.normal(0, noise))})
    return pd.DataFrame(rows).assign(size="", unique_tokens=lambda table: table["tokens"])


def test_nanochats_exponents(shared, expected):
    table, _ = read_table(shared / "law-data" / "nanochat_isoflop_optima.csv", "size")
    wanted = expected["public/nanochat_isoflop_optima.csv"]
    names = {"kaplan(matmul+lm_head)": "kaplan", "all": "all", "transformer_only": "transformer_only"}
    assert set(table["size"]) == set(names)
    for group, rows in table.groupby("size"):
        result, _, why = fit_isoflop(rows)
        assert why == ""
        assert result["optima_given"]
        for name, key in (("N_exponent", "N_exp"), ("D_exponent", "D_exp")):
            assert result[name] == pytest.approx(wanted[key][names[group]], abs=wanted["tol"])
            assert result["ci95"][name][0] < result[name] < result["ci95"][name][1]


def test_porians_pairs(shared, expected):
    """Weighted by their standard errors, and not; within the published interval."""
    rows, _ = read_table(shared / "law-data" / "porian_pairs_public.csv", "config")
    wanted = expected["public/porian_pairs_public.csv"]
    low, high = wanted["published_boot95"]
    for table, key in ((rows, "WLS_n_exponent"), (rows.assign(params_log_se=np.nan), "OLS")):
        result, _, _ = fit_isoflop(table)
        assert result["N_exponent"] == pytest.approx(wanted[key], abs=wanted["tol"])
        assert low < result["N_exponent"] < high


def test_porians_runs_give_nearly_their_pairs(shared):
    rows, _ = read_table(shared / "law-data" / "porian_isoflop_public.csv", "config")
    result, _, _ = fit_isoflop(rows)
    assert not result["optima_given"]
    assert 0.5598 < result["N_exponent"] < 0.5885
    low, high = result["ci95"]["N_exponent"]
    assert low < 0.5715 < high
    pairs, _ = read_table(shared / "law-data" / "porian_pairs_public.csv", "config")
    found = pd.DataFrame(result["optima"])
    assert found["flops"].tolist() == pytest.approx(pairs["flops"].tolist())
    assert np.abs(np.log(found["params"].to_numpy() / pairs["params"].to_numpy())).max() < 0.15


def test_the_vertex_of_a_parabola_is_found_exactly():
    rows = study(flops=(1e15,))
    found = optimum(rows)
    best = 0.3 * 1e15**0.55
    assert found["params"] == pytest.approx(best, rel=1e-6)
    assert found["loss"] == pytest.approx(9 * 1e15**-0.03, rel=1e-6)
    assert found["tokens"] == pytest.approx(1e15 / 6 / best, rel=1e-6)
    assert found["sizes"] == 9


def test_the_exponents_of_a_parabola_study():
    result, notes, why = fit_isoflop(study())
    assert (notes, why) == ([], "")
    assert result["N_exponent"] == pytest.approx(0.55, abs=1e-6)
    assert result["D_exponent"] == pytest.approx(0.45, abs=1e-6)
    assert result["loss_exponent"] == pytest.approx(0.03, abs=1e-6)
    assert len(result["optima"]) == 4


def test_slices_of_a_known_law_have_its_exponents():
    """Chinchilla's law is no parabola: its optima are found all the same."""
    alpha, beta, rows = 0.34, 0.28, []
    for flops in (1e17, 1e18, 1e19, 1e20):
        for n in 0.4 * (flops / 6) ** (beta / (alpha + beta)) * np.geomspace(1 / 4, 4, 9):
            d = flops / 6 / n
            loss = 1.7 + 400 * n**-alpha + 410 * d**-beta
            rows.append({"size": "", "params": n, "tokens": d, "unique_tokens": d, "flops": flops, "loss": loss})
    result, notes, _ = fit_isoflop(pd.DataFrame(rows))
    assert notes == []
    assert not result["optima_given"]
    assert result["N_exponent"] == pytest.approx(0.28 / 0.62, abs=0.01)
    assert result["N_exponent"] + result["D_exponent"] == pytest.approx(1, abs=1e-6)
    ratio = (alpha * 400 / (beta * 410)) ** (1 / 0.62)
    for found in result["optima"]:
        assert found["params"] == pytest.approx(ratio * (found["flops"] / 6) ** (0.28 / 0.62), rel=0.05)


def test_the_exponent_of_noisy_studies_lies_in_its_interval():
    result, _, _ = fit_isoflop(study(noise=1e-3, sizes=13))
    low, high = result["ci95"]["N_exponent"]
    assert low < 0.55 < high
    assert high - low < 0.3
    assert all(found["params_log_se"] > 0 for found in result["optima"])


def test_budgets_that_do_not_bracket_an_optimum_are_left_out():
    rows = study()
    cut = rows[(rows["flops"] > 1e15) | (rows["params"] < 0.3 * 1e15**0.55)]
    result, notes, _ = fit_isoflop(cut)
    assert notes == ["isoflop: 1 of 4 budgets of FLOP do not bracket an optimum"]
    assert result["N_exponent"] == pytest.approx(0.55, abs=1e-6)


def test_no_bracket_is_no_optimum():
    rows = study()
    best = 0.3 * rows["flops"] ** 0.55
    result, _, why = fit_isoflop(rows[rows["params"] < best])
    assert result is None
    assert why == "0 budgets of FLOP have an optimum, and exponents need 3"
    result, _, why = fit_isoflop(study(flops=(1e15, 4e15)))
    assert result is None
    assert why == "2 budgets of FLOP have an optimum, and exponents need 3"


def test_runs_of_one_budget_of_tokens_are_no_optima():
    n = np.geomspace(1e5, 1e8, 5)
    table = pd.DataFrame({"size": "", "params": n, "tokens": 1e8, "flops": 6e8 * n, "loss": 5 * n**-0.1})
    assert fit_isoflop(table) == (None, [], "0 budgets of FLOP have an optimum, and exponents need 3")


def test_a_hill_is_no_valley():
    rows = study(flops=(1e15,))
    assert optimum(rows.assign(loss=20 - rows["loss"])) is None


def test_tables_of_optima_are_told_from_tables_of_runs():
    rows = pd.DataFrame({"flops": [1e18, 2e18, 4e18], "params": [1e8, 1.5e8, 2e8], "tokens": [1e9, 1.4e9, 2e9]})
    assert optima_given(rows)
    assert not optima_given(rows.assign(tokens=[1e9, 1e9, 1e9]))  # a study at one budget of tokens
    assert not optima_given(rows.assign(flops=[1e18, 1e18, 4e18]))
    assert not optima_given(study())


def test_optima_whose_tokens_dip_are_optima(shared):
    """The best size is known to some percent only: tokens that fall by 4% between two budgets say nothing."""
    rows, _ = read_table(shared / "reports" / "fit" / "optima_tokens_dip.csv")
    assert optima_given(rows)
    result, notes, _ = fit_isoflop(rows)
    assert (result["optima_given"], result["corrected"], notes) == (True, None, [])
    line = linregress(np.log(rows["flops"]), np.log(rows["params"]))
    assert result["N_exponent"] == pytest.approx(line.slope)
    tokens = rows["tokens"].to_numpy()
    assert not optima_given(rows.assign(tokens=[*tokens[:2], tokens[1] / 1.3, *tokens[3:]]))  # no dip, another study
    assert not optima_given(rows.assign(tokens=tokens[1] * np.array([1, 1.02, 0.99, 1.01, 0.98])))  # one budget, nearly


def slices(law=(0.5, 1e8, 3e4, 1.1, 0.5, 0.4), width: float = 8, sizes: int = 5, budgets: int = 5, drift: float = 1):
    """Noise-free runs of a coupled law at equal FLOP, and the best N of each budget."""
    e, a, b, alpha, beta, k = law
    c = np.geomspace(1e17, 1e21, budgets)[:, None]
    best = (alpha * a / (beta * b)) ** (1 / (alpha + beta)) * (c / 6) ** (beta / (alpha + beta))
    n = best * np.geomspace(1, drift, budgets)[:, None] * np.geomspace(1 / width, width, sizes)
    d = c / 6 / n
    loss = e + (a / n**alpha + b / d**beta) ** k
    columns = {"params": n, "tokens": d, "unique_tokens": d, "flops": c + 0 * n, "loss": loss}
    return pd.DataFrame({name: values.ravel() for name, values in columns.items()}).assign(size=""), best[:, 0]


def test_parabolas_are_biased_without_any_noise_and_are_corrected():
    """By 3.2% through nine sizes from 1/8 to 8 times the best of Chinchilla's published law, as others found, too."""
    rows, best = slices((1.69, 406.4, 410.7, 0.34, 0.28, 1.0), sizes=9)
    each = [level for _, level in rows.groupby("flops")]
    whole = [np.exp(parabola(np.log(level["params"].to_numpy()), level["loss"].to_numpy()).log_n) for level in each]
    assert whole / best - 1 == pytest.approx(0.0324, abs=1e-4)
    for law, drift, bias in (
        ((1.69, 406.4, 410.7, 0.34, 0.28, 1.0), 1, 0.0109),
        ((0.5, 1e8, 3e4, 1.1, 0.5, 0.4), 1, 0.105),
        ((0.5, 1e8, 3e4, 1.1, 0.5, 0.4), 3, 0.083),
    ):
        rows, best = slices(law, drift=drift)
        result, _, _ = fit_isoflop(rows)
        found, corrected = pd.DataFrame(result["optima"]), result["corrected"]
        assert corrected["bias"]["params"] == pytest.approx(bias, rel=0.02)
        assert (found["params"] / best - 1).mean() == pytest.approx(bias, rel=0.02)
        assert found["params_corrected"].to_numpy() == pytest.approx(best, rel=1e-3)
        flops = 6 * found["params_corrected"] * found["tokens_corrected"]
        assert flops.to_numpy() == pytest.approx(found["flops"].to_numpy())
        assert corrected["N_exponent"] == pytest.approx(law[4] / (law[3] + law[4]), abs=1e-4)
        low, high = corrected["ci95"]["N_exponent"]
        assert low <= corrected["N_exponent"] <= high
        assert corrected["bias"]["N_exponent"] == pytest.approx(result["N_exponent"] - corrected["N_exponent"])


def test_a_weighted_slope_is_the_textbook_one():
    rng = np.random.default_rng(1)
    x, y, weights = np.arange(8.0), rng.normal(size=8), rng.uniform(0.5, 2, 8)
    root = np.sqrt(weights)
    design = np.stack((root, root * x), axis=1)
    values, rss, *_ = np.linalg.lstsq(design, root * y)
    variance = rss[0] / 6 * np.linalg.inv(design.T @ design)
    assert weighted_slope(x, y, weights) == pytest.approx((values[1], np.sqrt(variance[1, 1])))
    line = linregress(x, y)
    assert weighted_slope(x, y, np.ones(8)) == pytest.approx((line.slope, line.stderr))


def test_the_frontier_is_of_runs_that_no_other_beats():
    rows = pd.DataFrame({"flops": [4.0, 1, 2, 2, 3, 5], "loss": [1.0, 3, 2, 2.5, 2.2, 1.0]})
    kept = frontier(rows)
    assert list(zip(kept["flops"], kept["loss"], strict=True)) == [(1, 3), (2, 2), (4, 1)]


def test_the_envelope_is_found():
    flops = np.geomspace(1e15, 1e18, 6)
    rows = pd.DataFrame({"size": "", "params": 1e6, "tokens": flops / 6e6, "flops": flops, "loss": 40 * flops**-0.06})
    worse = rows.assign(loss=rows["loss"] * 1.4, flops=rows["flops"] * 1.01)
    result, _, _ = fit_compute(pd.concat((rows, worse)))
    assert result["alpha"] == pytest.approx(0.06)
    assert result["A"] == pytest.approx(40)
    assert len(result["frontier"]) == 6
    result, _, why = fit_compute(rows.iloc[:2])
    assert result is None
    assert why.startswith("2 runs are on the frontier")
    assert fit_compute(rows.assign(loss=3.0))[2].startswith("1 runs are on the frontier")


@pytest.mark.parametrize("fit", [fit_isoflop, fit_compute])
@pytest.mark.parametrize("column", ["flops", "tokens"])
def test_without_flop_nothing_is_said_of_compute(fit, column):
    assert fit(study().assign(**{column: np.nan})) == (None, [], "flops and tokens are not given")
