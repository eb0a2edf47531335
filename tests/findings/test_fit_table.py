"""Which rows each law is fitted to, and what is said where a table supports none."""

import json

import jsonschema
import numpy as np
import pandas as pd
import pytest

from tests.conftest import ROOT
from tests.laws.known_laws import SIZES, write_grid
from tests.test_fit_scaling import SCHEMA, fitted, valid
from workflow.scripts.findings.fit_table import UNKNOWN_NOISE, fit_group, fit_table
from workflow.scripts.laws.estimate import Settings
from workflow.scripts.tables.table import read_table

pytestmark = pytest.mark.filterwarnings("error")

RECORDED = json.loads((ROOT / "docs/default-study/fit.json").read_text())["groups"]
FAST = Settings(draws=25)


def test_our_own_table_is_fitted_by_every_law_it_can_support(tmp_path):
    """Of the LSTM all runs are fitted by the laws of N and D below, and here only those at the largest budget."""
    jsonschema.Draft202012Validator.check_schema(SCHEMA)
    table = pd.read_csv(ROOT / "docs/default-study/runs.csv", dtype=str)
    largest = table["tokens"] == "1048576"
    table[(table["arch"] == "gpt") | largest].to_csv(tmp_path / "t.csv", index=False)
    groups = valid(fitted(tmp_path / "t.csv"))
    gpt = groups["gpt"]
    for form in ("power", "power_irreducible", "chinchilla", "chinchilla_tied", "kaplan", "compute"):
        assert {"ci95", "objective", "n_rows", "n_sizes", "r2", "loo_error", "converged"} <= set(gpt[form])
    assert gpt["chinchilla"]["n_rows"] == 40
    assert set(gpt["absent"]) == {"repeat", "repeat_sms", "isoflop"}
    assert groups["lstm"]["absent"]["chinchilla"] == "5 sizes and 1 budgets of tokens; it needs 3 of each"
    for arch, forms in (("gpt", ("power", "power_irreducible", "chinchilla", "kaplan")),
                        ("lstm", ("power", "power_irreducible"))):  # fmt: skip
        assert groups[arch]["power"]["n_rows"] == 10
        assert groups[arch]["verdict"] == RECORDED[arch]["verdict"]
        for form in forms:
            assert groups[arch][form]["alpha"] == pytest.approx(RECORDED[arch][form]["alpha"], rel=1e-4)


def test_repeated_data_have_their_laws_and_leave_the_others(tmp_path):
    groups = valid(fitted(write_grid(tmp_path / "t.csv", sizes=SIZES[1:], epochs=(1, 4, 40)), "--bootstrap", 0))
    gpt = groups["gpt"]
    assert gpt["repeat"]["n_rows"] == gpt["repeat_sms"]["n_rows"] == 48
    assert gpt["chinchilla"]["n_rows"] == 16
    assert "chinchilla: 32 runs that repeat data are left out" in gpt["warnings"]
    assert gpt["power"]["n_rows"] == 4  # the largest budget, read once


def test_three_sizes_have_a_line_with_a_wide_interval_and_no_floor(tmp_path):
    (tmp_path / "t.csv").write_text("arch,params,loss\ngpt,1e4,2\ngpt,1e5,1.6\ngpt,1e6,1.3\n")
    gpt = valid(fitted(tmp_path / "t.csv"))["gpt"]
    assert gpt["power_irreducible"] is None
    assert gpt["power"]["dof"] == 1
    assert gpt["power"]["aicc"] is None
    assert gpt["verdict"] == "inconclusive"


@pytest.mark.parametrize("sizes", [5, 6])
def test_under_six_sizes_there_is_no_aicc(tmp_path, sizes):
    rng = np.random.default_rng(0)
    n = np.geomspace(1e4, 1e7, sizes)
    loss = (0.5 + 20 * n**-0.3) * np.exp(rng.normal(0, 0.005, sizes))
    pd.DataFrame({"arch": "gpt", "params": n, "loss": loss}).to_csv(tmp_path / "t.csv", index=False)
    gpt = valid(fitted(tmp_path / "t.csv"))["gpt"]
    assert (gpt["power_irreducible"]["aicc"] is None) == (sizes < 6)


@pytest.mark.parametrize(("deviation", "noise", "dof"), [(0.02, "sizes", 1), (0.0, "seeds pooled", 28)])
def test_seeds_do_not_count_as_sizes(tmp_path, deviation, noise, dof):
    """Ten seeds of the same three sizes say how far chance moves a size, as long as sizes do not deviate by more."""
    rng = np.random.default_rng(0)
    off = deviation * np.array([1, -2, 1])
    rows = [("gpt", n, 5 * n**-0.1 * np.exp(off[i] + rng.normal(0, 0.01)), k)
            for i, n in enumerate((1e4, 1e5, 1e6)) for k in range(10)]  # fmt: skip
    pd.DataFrame(rows, columns=["arch", "params", "loss", "seed"]).to_csv(tmp_path / "t.csv", index=False)
    power = fit_table(tmp_path / "t.csv", settings=FAST, form="power")[1]["groups"]["gpt"]["power"]
    assert (power["n_rows"], power["n_sizes"], power["noise"]["from"]) == (30, 3, noise)
    assert power["dof"] == dof


def test_without_a_budget_of_three_sizes_there_is_no_verdict(tmp_path):
    n = np.geomspace(1e6, 1e9, 8)
    rows = pd.DataFrame({"arch": "gpt", "params": n, "tokens": 20 * n, "loss": 1.7 + 900 * n**-0.34})
    rows.to_csv(tmp_path / "t.csv", index=False)
    group = fit_table(tmp_path / "t.csv", settings=FAST, form="power")[1]["groups"]["gpt"]
    assert group["tokens"] is None
    assert group["verdict"] == "inconclusive"
    assert any("no budget of tokens has three sizes" in warning for warning in group["warnings"])


def study(path, sizes):
    """A table of two architectures at four budgets, the LSTM of so many sizes and 0.3 nats behind."""
    table = pd.read_csv(write_grid(path))
    lstm = table[table["size"].isin([f"s{i}" for i in sizes])].assign(arch="lstm")
    pd.concat([table, lstm.assign(loss=lstm["loss"] + 0.3)]).to_csv(path, index=False)
    return path


def test_an_architecture_of_two_sizes_leaves_the_laws_of_the_others(tmp_path):
    """The other's are those it has alone; the two are compared where both were measured."""
    path = study(tmp_path / "t.csv", sizes=(1, 3))
    fit = fitted(path, "--form", "power_irreducible")
    groups = valid(fit)
    alone = fitted(write_grid(tmp_path / "alone.csv"), "--form", "power_irreducible")["groups"]["gpt"]
    assert groups["gpt"] == alone
    lstm = groups["lstm"]
    assert (lstm["power"], lstm["tokens"], lstm["n_rows"], lstm["n_sizes"]) == (None, 10**8, 8, 2)
    (pair,) = fit["comparison"]["pairs"]
    assert [gap["at"] for gap in pair["params"]["gaps"]] == pytest.approx(SIZES[[1, 3]])
    assert [gap["gap"] for gap in pair["params"]["gaps"]] == pytest.approx([-0.3, -0.3])
    assert [gap["ci95"] for gap in pair["params"]["gaps"]] == [None, None]
    assert fit["comparison"]["said"] == [
        "GPT is ahead of LSTM at the 2 sizes that both have, by 0.30 to 0.30 nats; how sure that is cannot be told, as"
        " one of them has no law."
    ]


def test_two_sizes_at_unlike_budgets_are_each_one_best_run(tmp_path):
    (tmp_path / "t.csv").write_text("arch,params,loss,tokens\na,10,2,100\na,10,1.9,200\na,20,1.8,400\n")
    group = fit_table(tmp_path / "t.csv", settings=FAST, form="power")[1]["groups"]["a"]
    assert group["tokens"] is None
    assert [point["loss"] for point in group["points"]] == pytest.approx([1.9, 1.8])
    assert not any("exponent" in warning for warning in group["warnings"])


@pytest.mark.parametrize("given", [(), (0,), range(20)], ids=["none", "some", "all"])
def test_unknown_noise_of_the_test_set_is_not_taken_for_none(tmp_path, given):
    """Of one test tune there is no error: that is null, and said; errors given for some runs are taken."""
    table = pd.read_csv(write_grid(tmp_path / "t.csv")).assign(loss_se="")
    table.loc[list(given), "loss_se"] = (0.01 * table.loc[list(given), "loss"]).astype(str)
    table.to_csv(tmp_path / "t.csv", index=False)
    gpt = valid(fitted(tmp_path / "t.csv", "--form", "power"))["gpt"]
    assert gpt["evaluation_se"] == (pytest.approx(0.01) if given else None)
    assert (UNKNOWN_NOISE in gpt["warnings"]) == (not given)


def test_errors_shared_by_all_runs_widen_coefficients_and_not_exponents(tmp_path):
    path = write_grid(tmp_path / "t.csv")
    table, _ = read_table(path)
    plain, noisy = (
        fit_group(table.assign(loss_se=share * table["loss"]), "gpt", FAST, ("power", "power_irreducible"), None)
        for share in (0.0, 0.05)
    )
    assert plain["evaluation_se"] == 0  # known to be none, which is not unknown
    assert UNKNOWN_NOISE not in plain["warnings"]
    assert noisy["evaluation_se"] == pytest.approx(0.05)
    for form in ("power", "power_irreducible"):
        assert noisy[form]["ci95"]["alpha"] == plain[form]["ci95"]["alpha"]
        assert np.ptp(noisy[form]["ci95"]["A"]) > np.ptp(plain[form]["ci95"]["A"])
    assert np.ptp(noisy["power_irreducible"]["ci95"]["E"]) > np.ptp(plain["power_irreducible"]["ci95"]["E"])


def test_published_tables(shared):
    """The original study's table and its known numbers."""
    expected = json.loads((shared / "law-data/expected_public.json").read_text())["public/seed_table.csv"]
    _, fit = fit_table(shared / "law-data/seed_table.csv", settings=FAST)
    group = valid(fit)["gpt"]
    power, forecast = group["power"], group["forecast"]["laws"]["power"]
    assert power["alpha"] == pytest.approx(expected["loglog_5"]["alpha"], abs=2e-5)
    assert power["ci95"]["alpha"] == pytest.approx(expected["loglog_5"]["ci95_t3"], abs=1e-4)
    assert power["r2"] == pytest.approx(expected["loglog_5"]["R2"], abs=1e-5)
    assert group["power_irreducible"]["E"] == pytest.approx(expected["power_plus_E_5"]["E"], abs=2e-4)
    low, high = group["power_irreducible"]["ci95"]["E"]
    cut = expected["power_plus_E_5"]["E_profileF95"]
    assert (low, min(high, min(expected["L"]))) == pytest.approx(tuple(cut), abs=5e-4)  # theirs ends at the lowest loss
    assert power["loo_error"] == pytest.approx(expected["LOO_MARE"]["pure"], abs=1e-3)
    assert np.exp(forecast["loss"]) == pytest.approx(expected["forecast_738M_from_4"]["ppl"], abs=1e-3)
    assert np.exp(forecast["pi95"]) == pytest.approx(expected["forecast_738M_from_4"]["PI95_ppl"], abs=2e-3)
    assert group["verdict"] == "reversal"
    assert any("xxl (0.349) is worse than large (0.322)" in said for said in group["said"])
