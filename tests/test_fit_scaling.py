"""The command: what it accepts and refuses, and what it writes."""

import json
from pathlib import Path

import jsonschema
import numpy as np
import pandas as pd
import pytest

from tests.conftest import ROOT, command
from tests.laws.known_laws import write_grid
from workflow.scripts.base.errors import InputError
from workflow.scripts.fit_scaling import main

pytestmark = pytest.mark.filterwarnings("error")

SCHEMA = json.loads((ROOT / "workflow" / "schemas" / "fit.schema.json").read_text())


def fitted(table, *options):
    output = Path(table).with_name("fit.json")
    main([str(word) for word in (table, "--output", output, "--bootstrap", 25, *options)])
    return json.loads(output.read_text())


def valid(fit):
    jsonschema.Draft202012Validator(SCHEMA).validate(fit)
    return fit["groups"]


def test_the_highest_losses_can_be_left_out(tmp_path):
    path = write_grid(tmp_path / "t.csv")
    table = pd.read_csv(path)
    table.loc[[3, 11], "loss"] = 40.0
    table.to_csv(path, index=False)
    assert valid(fitted(path, "--exclude-highest", 2))["gpt"]["chinchilla"]["n_rows"] == 18


def test_one_form_can_be_asked_for(tmp_path):
    gpt = valid(fitted(write_grid(tmp_path / "t.csv"), "--form", "kaplan"))["gpt"]
    assert gpt["kaplan"]
    assert gpt["power"]
    assert "chinchilla" not in gpt


def test_the_other_estimator_can_be_asked_for(tmp_path):
    path = write_grid(tmp_path / "t.csv")
    huber, mse = (valid(fitted(path, "--form", "chinchilla", "--loss", loss))["gpt"]["chinchilla"]
                  for loss in ("huber", "mse"))  # fmt: skip
    assert (huber["estimator"], mse["estimator"]) == ("huber", "mse")
    assert mse["alpha"] == pytest.approx(huber["other_estimate"]["alpha"], rel=1e-6)
    assert mse["objective"] == pytest.approx(huber["other_estimate"]["objective"], rel=1e-6)


def test_a_strangers_table_is_asked_what_a_larger_run_will_reach(tmp_path, capsys):
    """Its columns are told, and its losses are in bits; what is printed and what is written agree."""
    table = pd.read_csv(write_grid(tmp_path / "t.csv", noise=0.001))
    table["loss"] /= np.log(2)
    names = {"params": "model/size", "tokens": "seen", "loss": "eval"}
    table.rename(columns=names)[list(names.values())].to_csv(tmp_path / "t.csv", index=False, sep=";")
    fit = fitted(tmp_path / "t.csv", "--columns", "params=model/size,tokens=seen,loss=eval", "--loss-unit", "bits",
                 "--form", "kaplan", "--predict", "50M,500M", "20M", "--best-for", "1e17")  # fmt: skip
    group = valid(fit)["all"]
    truth = 0.5 + 30 * 5e7**-0.3 + 40 * 5e8**-0.3
    larger, at_budget = group["predictions"]
    assert larger["pi95"][0] < truth < larger["pi95"][1]
    assert larger["beyond"]["params"] == pytest.approx(5)
    assert at_budget["tokens"] == group["tokens"] == 10**8
    best = group["best_for"][0]
    assert 6 * best["params"] * best["tokens"] == pytest.approx(1e17)
    printed = capsys.readouterr().out
    assert f"forecast: ALL, N = 50M, D = 500M: loss {larger['loss']:.4g} [" in printed
    assert "best: ALL, 1e+17 FLOP: best N = " in printed
    assert "5 times the largest N" in printed


@pytest.mark.parametrize(
    ("options", "sentence"),
    [
        (["--predict", "big"], "'big' is not a number of at least 1, such as 6.3M or 1e18"),
        (["--predict", "1M,2M,3M"], "'1M,2M,3M' is not N,D"),
        (["--best-for", "0"], "'0' is not a number of at least 1"),
        (["--fix", "E"], "E"),
        (["--columns", "params"], "params"),
    ],
)
def test_a_question_that_is_none_is_one_sentence(tmp_path, options, sentence):
    with pytest.raises(InputError, match=sentence) as raised:
        fitted(write_grid(tmp_path / "t.csv"), *options)
    assert len(str(raised.value).splitlines()) == 1
    assert not (tmp_path / "fit.json").exists()


def test_groups_may_be_of_any_column(tmp_path):
    path = write_grid(tmp_path / "t.csv")
    pd.read_csv(path).assign(recipe="old").rename(columns={"arch": "kind"}).to_csv(path, index=False)
    assert set(fitted(path, "--group", "recipe", "--form", "power")["groups"]) == {"old"}


def test_the_same_table_gives_the_same_bytes(tmp_path):
    """Here, and in another process, which draws it, too."""
    path = write_grid(tmp_path / "t.csv")
    fitted(path, "--form", "chinchilla")
    here = (tmp_path / "fit.json").read_bytes()
    done = command("fit_scaling", path, "--output", tmp_path / "fit.json", "--bootstrap", 25, "--form", "chinchilla",
                   "--plot", tmp_path / "laws.pdf")  # fmt: skip
    assert done.returncode == 0, done.stderr
    assert "Warning" not in done.stderr
    assert (tmp_path / "fit.json").read_bytes() == here
    assert sorted(path.name for path in tmp_path.rglob("*.*")) == [
        "fit.json", "laws.md", "laws.pdf", "laws.png", "laws.tex", "laws_surface.md", "laws_surface.pdf",
        "laws_surface.png", "laws_surface.tex", "t.csv",
    ]  # fmt: skip


FEW = [
    ("gpt,1,2\ngpt,1,3\n", "one distinct size: a law needs at least 3", [(1.0, pytest.approx(6**0.5), 2)]),
    ("gpt,1,2\ngpt,2,1.5\n", "2 distinct sizes: a law needs at least 3", [(1.0, 2.0, 1), (2.0, 1.5, 1)]),
    ("gpt,1,2\ngpt,2,2\ngpt,3,2\n", "the same loss at every size: there is nothing to fit",
     [(1.0, 2.0, 1), (2.0, 2.0, 1), (3.0, 2.0, 1)]),
]  # fmt: skip


@pytest.mark.parametrize(("rows", "why", "points"), FEW, ids=["one size", "two sizes", "one loss"])
def test_without_a_law_the_points_and_the_reason_are_given(tmp_path, rows, why, points):
    (tmp_path / "t.csv").write_text(f"arch,params,loss\n{rows}")
    fit = fitted(tmp_path / "t.csv", "--plot", tmp_path / "laws.pdf")
    gpt = valid(fit)["gpt"]
    laws = ("power", "chinchilla", "chinchilla_tied", "kaplan", "coupled", "repeat", "repeat_sms", "isoflop", "compute",
            "power_irreducible")  # fmt: skip
    assert gpt["absent"] == dict.fromkeys(laws, why)
    assert [gpt[name] for name in (*laws, "curvature", "forecast")] == [None] * 12
    assert gpt["said"] == [f"GPT has {why}."]
    assert gpt["verdict"] == "inconclusive"
    assert [(point["params"], point["loss"], point["seeds"]) for point in gpt["points"]] == points
    assert (tmp_path / "laws.png").exists()


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
    done = command(
        "fit_scaling", write_grid(tmp_path / "t.csv"), "--output", tmp_path / "f.json", "--exclude-highest", 20
    )
    assert done.returncode == 1
    (line,) = done.stderr.strip().splitlines()
    assert "gpt has 20 rows, so 20 cannot be left out" in line
    assert not (tmp_path / "f.json").exists()
