"""The command: what it accepts and refuses, what it writes, and which rows each law is fitted to."""

import json
from pathlib import Path

import jsonschema
import numpy as np
import pandas as pd
import pytest

from tests.conftest import ROOT, command
from workflow.scripts.base.errors import InputError
from workflow.scripts.fit_scaling import main
from workflow.scripts.laws.describe import Settings
from workflow.scripts.laws.estimate import search
from workflow.scripts.laws.fit_table import UNKNOWN_NOISE, fit_group, fit_table, one_budget
from workflow.scripts.laws.forms import CHINCHILLA, CHINCHILLA_TIED, KAPLAN, data_of
from workflow.scripts.laws.problem import Problem
from workflow.scripts.laws.table import read_table

pytestmark = pytest.mark.filterwarnings("error")
SCHEMA = json.loads((ROOT / "workflow" / "schemas" / "fit.schema.json").read_text())
RECORDED = json.loads((ROOT / "docs/default-study/fit.json").read_text())["groups"]
FAST = Settings(draws=25)
N, D = np.geomspace(1e5, 1e7, 5), np.geomspace(1e6, 1e8, 4)


def grid(path, rng=None, arch="gpt", sizes=N, epochs=(1,), seeds=(0,), noise=0.003):
    """A table of every size, budget, number of epochs and seed."""
    rng = rng or np.random.default_rng(0)
    rows = [
        {"arch": arch, "size": f"s{i}", "params": n, "tokens": d, "unique_tokens": d / repeats, "seed": seed,
         "loss": (0.5 + 30 * n**-0.3 + 40 * (d / repeats**0.5) ** -0.3) * np.exp(rng.normal(0, noise))}
        for i, n in enumerate(sizes) for d in D for repeats in epochs for seed in seeds
    ]  # fmt: skip
    pd.DataFrame(rows).to_csv(path, index=False)
    return path


def fitted(table, *options):
    output = Path(table).with_name("fit.json")
    main([str(word) for word in (table, "--output", output, "--bootstrap", 25, *options)])
    return json.loads(output.read_text())


def valid(fit):
    jsonschema.Draft202012Validator(SCHEMA).validate(fit)
    return fit["groups"]


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


@pytest.mark.parametrize("form", [CHINCHILLA, CHINCHILLA_TIED, KAPLAN], ids=lambda form: form.name)
@pytest.mark.parametrize("arch", ["gpt", "lstm"])
def test_the_recorded_laws_are_the_best_of_the_recorded_runs(form, arch):
    table, _ = read_table(ROOT / "docs/default-study/runs.csv")
    rows = table[table["arch"] == arch]
    data = data_of(*(rows[column].to_numpy() for column in ("params", "tokens", "loss")))
    best = search(Problem(form, data, 1e-3)).best
    recorded = RECORDED[arch][form.name]
    assert best.objective == pytest.approx(recorded["objective"], rel=1e-9)
    found = form.natural(best.theta, data)
    assert found == pytest.approx({name: recorded[name] for name in found}, rel=1e-5)


def test_repeated_data_have_their_laws_and_leave_the_others(tmp_path):
    groups = valid(fitted(grid(tmp_path / "t.csv", sizes=N[1:], epochs=(1, 4, 40)), "--bootstrap", 0))
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


def test_seeds_do_not_count_as_sizes(tmp_path):
    """Ten seeds of the same three sizes leave one degree of freedom, not 28."""
    rng = np.random.default_rng(0)
    rows = [("gpt", n, 5 * n**-0.1 * np.exp(rng.normal(0, 0.01)), k) for n in (1e4, 1e5, 1e6) for k in range(10)]
    pd.DataFrame(rows, columns=["arch", "params", "loss", "seed"]).to_csv(tmp_path / "t.csv", index=False)
    power = fit_table(tmp_path / "t.csv", settings=FAST)[1]["groups"]["gpt"]["power"]
    assert (power["n_rows"], power["n_sizes"], power["dof"]) == (30, 3, 1)


def test_the_budget_that_most_sizes_have_is_fitted(tmp_path):
    """Of equals the largest; one run at a larger budget is no reason to leave the others."""
    table, _ = read_table(grid(tmp_path / "t.csv"))
    assert one_budget(table).tokens == 10**8
    more = pd.concat([table, table[table["params"] == table["params"].max()].iloc[:1].assign(tokens=1e9)])
    assert one_budget(more).tokens == 10**8


def test_of_equal_budgets_one_that_was_not_read_too_often_is_fitted(tmp_path):
    """The largest read 60 times its million unique tokens; the one before it, 4 times."""
    table, _ = read_table(grid(tmp_path / "t.csv"))
    table = table[table["tokens"].isin(table["tokens"].unique()[[0, 1, 3]])]
    table["tokens"] = table["tokens"].map(dict(zip(sorted(table["tokens"].unique()), (1e6, 4e6, 6e7), strict=True)))
    assert one_budget(table.assign(unique_tokens=1e6)).tokens == 4_000_000
    assert one_budget(table.assign(unique_tokens=table["tokens"])).tokens == 60_000_000


def test_without_a_budget_of_three_sizes_there_is_no_verdict(tmp_path):
    n = np.geomspace(1e6, 1e9, 8)
    rows = pd.DataFrame({"arch": "gpt", "params": n, "tokens": 20 * n, "loss": 1.7 + 900 * n**-0.34})
    rows.to_csv(tmp_path / "t.csv", index=False)
    group = fit_table(tmp_path / "t.csv", settings=FAST, form="power")[1]["groups"]["gpt"]
    assert group["tokens"] is None
    assert group["verdict"] == "inconclusive"
    assert any("no budget of tokens has three sizes" in warning for warning in group["warnings"])


def test_architectures_of_different_budgets_are_not_compared(tmp_path):
    wave = 1 + 0.01 * np.array([1, -2, 0, 2, -1])
    rows = [(arch, n, d, loss) for arch, d in (("a", 1e6), ("b", 2e6))
            for n, loss in zip(N, 5 * N**-0.1 * wave, strict=True)]  # fmt: skip
    pd.DataFrame(rows, columns=["arch", "params", "tokens", "loss"]).to_csv(tmp_path / "t.csv", index=False)
    comparison = fit_table(tmp_path / "t.csv", settings=FAST, form="power")[1]["comparison"]
    assert comparison == {"pairs": [], "said": ["A and B have no budget of tokens in common."]}


def test_the_highest_losses_can_be_left_out(tmp_path):
    path = grid(tmp_path / "t.csv")
    table = pd.read_csv(path)
    table.loc[[3, 11], "loss"] = 40.0
    table.to_csv(path, index=False)
    assert valid(fitted(path, "--exclude-highest", 2))["gpt"]["chinchilla"]["n_rows"] == 18


def test_one_form_can_be_asked_for(tmp_path):
    gpt = valid(fitted(grid(tmp_path / "t.csv"), "--form", "kaplan"))["gpt"]
    assert gpt["kaplan"]
    assert gpt["power"]
    assert "chinchilla" not in gpt


def test_the_other_estimator_can_be_asked_for(tmp_path):
    path = grid(tmp_path / "t.csv")
    huber, mse = (valid(fitted(path, "--form", "chinchilla", "--loss", loss))["gpt"]["chinchilla"]
                  for loss in ("huber", "mse"))  # fmt: skip
    assert (huber["estimator"], mse["estimator"]) == ("huber", "mse")
    assert mse["alpha"] == pytest.approx(huber["other_estimate"]["alpha"], rel=1e-6)
    assert mse["objective"] == pytest.approx(huber["other_estimate"]["objective"], rel=1e-6)


def test_groups_may_be_of_any_column(tmp_path):
    path = grid(tmp_path / "t.csv")
    pd.read_csv(path).assign(recipe="old").rename(columns={"arch": "kind"}).to_csv(path, index=False)
    assert set(fitted(path, "--group", "recipe", "--form", "power")["groups"]) == {"old"}


def test_the_same_table_gives_the_same_bytes(tmp_path):
    """Here, and in another process, which draws it, too."""
    path = grid(tmp_path / "t.csv")
    fitted(path, "--form", "chinchilla")
    here = (tmp_path / "fit.json").read_bytes()
    done = command("fit_scaling", path, "--output", tmp_path / "fit.json", "--bootstrap", 25, "--form", "chinchilla",
                   "--plot", tmp_path / "laws.pdf")  # fmt: skip
    assert done.returncode == 0, done.stderr
    assert "Warning" not in done.stderr
    assert (tmp_path / "fit.json").read_bytes() == here
    assert sorted(path.name for path in tmp_path.iterdir()) == [
        "fit.json", "laws.pdf", "laws.png", "laws_surface.pdf", "laws_surface.png", "t.csv"
    ]  # fmt: skip


FEW = [
    ("gpt,1,2\ngpt,1,3\n", "one distinct size: a law needs at least 3", [(1.0, pytest.approx(6**0.5), 2)]),
    ("gpt,1,2\ngpt,2,1.5\n", "2 distinct sizes: a law needs at least 3", [(1.0, 2.0, 1), (2.0, 1.5, 1)]),
    ("gpt,1,2\ngpt,2,2\ngpt,3,2\n", "the same loss at every size: there is nothing to fit",
     [(1.0, 2.0, 1), (2.0, 2.0, 1), (3.0, 2.0, 1)]),
]  # fmt: skip


@pytest.mark.parametrize(("rows", "why", "points"), FEW, ids=["one size", "two sizes", "one loss"])
def test_without_a_law_the_points_and_the_reason_are_told(tmp_path, rows, why, points):
    (tmp_path / "t.csv").write_text(f"arch,params,loss\n{rows}")
    fit = fitted(tmp_path / "t.csv", "--plot", tmp_path / "laws.pdf")
    gpt = valid(fit)["gpt"]
    laws = ("power", "chinchilla", "chinchilla_tied", "kaplan", "repeat", "repeat_sms", "isoflop", "compute",
            "power_irreducible")  # fmt: skip
    assert gpt["absent"] == dict.fromkeys(laws, why)
    assert [gpt[name] for name in (*laws, "curvature", "forecast")] == [None] * 11
    assert gpt["said"] == [f"GPT has {why}."]
    assert gpt["verdict"] == "inconclusive"
    assert [(point["params"], point["loss"], point["seeds"]) for point in gpt["points"]] == points
    assert (tmp_path / "laws.png").exists()


def study(path, sizes):
    """A table of two architectures at four budgets, the LSTM of so many sizes and 0.3 nats behind."""
    table = pd.read_csv(grid(path))
    lstm = table[table["size"].isin([f"s{i}" for i in sizes])].assign(arch="lstm")
    pd.concat([table, lstm.assign(loss=lstm["loss"] + 0.3)]).to_csv(path, index=False)
    return path


def test_an_architecture_of_two_sizes_leaves_the_laws_of_the_others(tmp_path):
    """The other's are those it has alone; the two are compared where both were measured."""
    path = study(tmp_path / "t.csv", sizes=(1, 3))
    fit = fitted(path, "--form", "power_irreducible")
    groups = valid(fit)
    alone = fitted(grid(tmp_path / "alone.csv"), "--form", "power_irreducible")["groups"]["gpt"]
    assert groups["gpt"] == alone
    lstm = groups["lstm"]
    assert (lstm["power"], lstm["tokens"], lstm["n_rows"], lstm["n_sizes"]) == (None, 10**8, 8, 2)
    (pair,) = fit["comparison"]["pairs"]
    assert [gap["at"] for gap in pair["params"]["gaps"]] == pytest.approx(N[[1, 3]])
    assert [gap["gap"] for gap in pair["params"]["gaps"]] == pytest.approx([-0.3, -0.3])
    assert [gap["ci95"] for gap in pair["params"]["gaps"]] == [None, None]
    assert fit["comparison"]["said"] == [
        "GPT is ahead of LSTM at the 2 sizes that both have, by 0.30 to 0.30 nats; how sure that is cannot be told, as"
        " one of them has no law."
    ]


def test_what_has_no_law_and_no_size_in_common_is_not_compared(tmp_path):
    (tmp_path / "t.csv").write_text("arch,params,loss\na,10,2\na,20,1.8\nb,12,2\nb,30,1.8\n")
    comparison = fit_table(tmp_path / "t.csv", settings=FAST, form="power")[1]["comparison"]
    assert comparison["said"] == ["A and B are not compared: one of them has no law, and they have no size in common."]
    (pair,) = comparison["pairs"]
    assert pair["params"]["gaps"] == []


def test_two_sizes_at_unlike_budgets_are_each_one_best_run(tmp_path):
    (tmp_path / "t.csv").write_text("arch,params,loss,tokens\na,10,2,100\na,10,1.9,200\na,20,1.8,400\n")
    group = fit_table(tmp_path / "t.csv", settings=FAST, form="power")[1]["groups"]["a"]
    assert group["tokens"] is None
    assert [point["loss"] for point in group["points"]] == pytest.approx([1.9, 1.8])
    assert not any("exponent" in warning for warning in group["warnings"])


@pytest.mark.parametrize("told", [(), (0,), range(20)], ids=["none", "some", "all"])
def test_unknown_noise_of_the_test_set_is_not_taken_for_none(tmp_path, told):
    """Of one test tune there is no error: that is null, and said; errors told for some runs are taken."""
    table = pd.read_csv(grid(tmp_path / "t.csv")).assign(loss_se="")
    table.loc[list(told), "loss_se"] = (0.01 * table.loc[list(told), "loss"]).astype(str)
    table.to_csv(tmp_path / "t.csv", index=False)
    gpt = valid(fitted(tmp_path / "t.csv", "--form", "power"))["gpt"]
    assert gpt["evaluation_se"] == (pytest.approx(0.01) if told else None)
    assert (UNKNOWN_NOISE in gpt["warnings"]) == (not told)


BAD = [
    (
        "arch,params,loss\ngpt,1,nan\ngpt,2,-1\ngpt,x,0\ngpt,4,1\n",
        [
            "line 2: loss is 'nan', not a positive number",
            "line 3: loss is '-1', not a positive number",
            "line 4: params is 'x', not a positive number; loss is '0', not a positive number",
        ],
    ),
    ("arch,params,loss\n", ["has no rows"]),
    ("arch,params\ngpt,1\n", ["has no column 'loss'"]),
    ("arch,params,loss\n,1,2\n", ["line 2: arch is empty"]),
    ("arch,params,loss,tokens\ngpt,1,2,a\n", ["line 2: tokens is 'a', not a positive number"]),
    ("arch,params,loss,tokens\ngpt,1,2,0\n", ["line 2: tokens is '0', not a positive number"]),
    ("", ["is not readable as CSV"]),
]


@pytest.mark.parametrize(("text", "sentences"), BAD)
def test_a_bad_table_is_refused_and_nothing_is_lost(tmp_path, text, sentences):
    (tmp_path / "t.csv").write_text(text)
    (tmp_path / "fit.json").write_text("kept")
    with pytest.raises(InputError) as raised:
        fitted(tmp_path / "t.csv", "--plot", tmp_path / "p.pdf")
    assert len(str(raised.value).splitlines()) == len(sentences)
    for sentence in sentences:
        assert sentence in str(raised.value)
    assert (tmp_path / "fit.json").read_text() == "kept"
    assert not (tmp_path / "p.pdf").exists()


def test_too_much_left_out_is_one_sentence(tmp_path):
    done = command("fit_scaling", grid(tmp_path / "t.csv"), "--output", tmp_path / "f.json", "--exclude-highest", 20)
    assert done.returncode == 1
    (line,) = done.stderr.strip().splitlines()
    assert "gpt has 20 rows, so 20 cannot be left out" in line
    assert not (tmp_path / "f.json").exists()


def test_errors_shared_by_all_runs_widen_coefficients_and_not_exponents(tmp_path):
    path = grid(tmp_path / "t.csv")
    table, _ = read_table(path)
    plain, noisy = (
        fit_group(table.assign(loss_se=share * table["loss"]), "gpt", FAST, ("power", "power_irreducible"), None)
        for share in (0.0, 0.05)
    )
    assert plain["evaluation_se"] == 0  # told to be none, which is not unknown
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
    power, forecast = group["power"], group["forecast"]["power"]
    assert power["alpha"] == pytest.approx(expected["loglog_5"]["alpha"], abs=2e-5)
    assert power["ci95"]["alpha"] == pytest.approx(expected["loglog_5"]["ci95_t3"], abs=1e-4)
    assert power["r2"] == pytest.approx(expected["loglog_5"]["R2"], abs=1e-5)
    assert group["power_irreducible"]["E"] == pytest.approx(expected["power_plus_E_5"]["E"], abs=2e-4)
    assert group["power_irreducible"]["ci95"]["E"] == pytest.approx(
        expected["power_plus_E_5"]["E_profileF95"], abs=5e-4
    )
    assert power["loo_error"] == pytest.approx(expected["LOO_MARE"]["pure"], abs=1e-3)
    assert np.exp(forecast["loss"]) == pytest.approx(expected["forecast_738M_from_4"]["ppl"], abs=1e-3)
    assert np.exp(forecast["pi95"]) == pytest.approx(expected["forecast_738M_from_4"]["PI95_ppl"], abs=2e-3)
    assert group["verdict"] == "reversal"
    assert any("xxl (0.349) is worse than large (0.322)" in said for said in group["said"])
