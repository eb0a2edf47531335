"""A registration: what it rests on, what it says, and when it may not be made."""

import hashlib
import json
import subprocess
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from tests.conftest import ROOT
from workflow.scripts.base.errors import InputError
from workflow.scripts.forecasts.predict import Forecaster
from workflow.scripts.forecasts.registered import (
    Target,
    git,
    read_runs,
    refuse,
    registration,
    rests_on,
    was_trained,
)
from workflow.scripts.laws.estimate import Settings
from workflow.scripts.tables.table import read_table

TABLE = ROOT / "docs/default-study/runs.csv"
STEP = 1024
HUGE = Target("gpt_huge", "gpt", 3, 128, 8, 12 * 3 * 128**2, 4 << 20, 10**13, "--arch gpt")


@pytest.fixture(scope="module")
def runs():
    return read_runs(TABLE)


@pytest.fixture(scope="module")
def made(runs):
    return registration(runs, [HUGE], Settings(), {HUGE}, "another recipe")


def test_the_forecast_is_that_of_the_laws_on_the_same_table(made):
    rows = read_table(TABLE)[0]
    rows = rows[rows["arch"] == "gpt"]
    forecaster = Forecaster(rows, Settings())
    expected = forecaster.at(589824.0, 4194304.0).law
    (entry,) = made["targets"]
    assert {key: entry[key] for key in expected} == expected
    assert entry["beyond"] == forecaster.beyond(589824.0, 4194304.0)
    assert (entry["after_outcome"], made["reason"]) == (True, "another recipe")


def test_it_says_how_many_times_the_largest_run_a_target_is(made):
    (entry,) = made["targets"]
    gpt = pd.read_csv(TABLE).query("arch == 'gpt'")
    assert entry["times_params"] == HUGE.params / gpt["params_non_embedding"].max()
    assert entry["times_flops"] == HUGE.flops / gpt["flops"].max()
    assert entry["times_tokens"] == 4


def test_it_rests_on_the_runs_of_the_architecture_each_known_by_its_line(made):
    lines = [line for line in TABLE.read_text().splitlines() if ",gpt," in line]
    assert [run["sha256"] for run in made["runs"]] == [hashlib.sha256(line.encode()).hexdigest() for line in lines]
    assert made["table_sha256"] == hashlib.sha256(TABLE.read_bytes()).hexdigest()
    gpt = pd.read_csv(TABLE).query("arch == 'gpt'")
    for name in ("model", "tokens", "seed", "test_loss"):
        assert [run[name] for run in made["runs"]] == gpt[name].tolist()
    assert made["corpus"] == "2ae2fbd132dd"
    assert json.loads(json.dumps(made)) == made


def test_a_run_that_failed_or_is_there_twice_is_not_rested_on(tmp_path):
    text = TABLE.read_text().splitlines()
    cells = text[5].split(",")
    cells[text[0].split(",").index("test_loss")] = "nan"
    (tmp_path / "runs.csv").write_text("\r\n".join([*text[:5], ",".join(cells), *text[6:], text[1]]))
    found = rests_on(read_runs(tmp_path / "runs.csv"), {"gpt"})
    digests = [hashlib.sha256(line.encode()).hexdigest() for line in text if ",gpt," in line]
    assert [run["sha256"] for run in found] == digests[:4] + digests[5:]


@pytest.mark.parametrize(
    ("change", "sentence"),
    [
        ({"tokens": "131072.5"}, r"runs.csv line 4: tokens is '131072.5', not a whole number"),
        ({"seed": ""}, r"runs.csv line 4: seed is '', not a whole number"),
        ({"corpus": "feed"}, "runs.csv must be of one corpus, which its rows name; they name '2ae2fbd132dd', 'feed'"),
    ],
)
def test_a_table_that_nothing_can_rest_on_is_one_sentence(tmp_path, change, sentence):
    table = pd.read_csv(TABLE, dtype=str)
    for name, value in change.items():
        table.loc[2, name] = value
    table.to_csv(tmp_path / "runs.csv", index=False)
    with pytest.raises(InputError, match=sentence):
        read_runs(tmp_path / "runs.csv")


def test_a_table_without_a_column_is_refused(tmp_path):
    pd.read_csv(TABLE).drop(columns="corpus").to_csv(tmp_path / "runs.csv", index=False)
    with pytest.raises(InputError, match="has no column 'corpus'"):
        read_runs(tmp_path / "runs.csv")


def earlier(*targets):
    return [{"targets": [{"model": target.model, "tokens": target.tokens} for target in targets]}]


OTHER = HUGE._replace(tokens=8 << 20)


@pytest.mark.parametrize(
    ("target", "trained", "before", "reason", "sentence"),
    [
        (HUGE._replace(model="gpt_xl", tokens=1048576), False, [], "x", "gpt_xl at 1048576 tokens is among the runs"),
        (HUGE._replace(arch="modern"), False, [], "", "has no runs of modern, from which to forecast gpt_huge"),
        (HUGE, True, [], "", "it was trained already: a forecast after that is none"),
        (HUGE, True, [], "x", "it was trained already: a forecast after that is none"),
        (HUGE, True, earlier(OTHER), "x", "it was trained already: a forecast after that is none"),
        (HUGE, False, earlier(HUGE), "", "is registered in r.json already: another one needs its --reason"),
        (HUGE, False, earlier(OTHER), "", "r.json holds a registration already: a further one needs its --reason"),
        (HUGE, False, [], "", None),
        (HUGE, False, earlier(OTHER), "x", None),
        (HUGE, True, earlier(HUGE), "a corrected recipe", None),
    ],
)
def test_when_a_forecast_may_be_registered(runs, target, trained, before, reason, sentence):
    args = ([target], runs, {target} if trained else set(), before, reason, Path("r.json"))
    if sentence is None:
        refuse(*args)
        return
    with pytest.raises(InputError, match=sentence):
        refuse(*args)


def test_too_few_runs_are_said(tmp_path):
    table = pd.read_csv(TABLE)
    table[table["params_non_embedding"] < 50000].to_csv(tmp_path / "runs.csv", index=False)
    with pytest.raises(InputError, match="no forecast of gpt_huge at 4194304 tokens: a law of N and D is needed"):
        registration(read_runs(tmp_path / "runs.csv"), [HUGE], Settings())


@pytest.mark.parametrize(
    ("file", "trained"),
    [
        ("targets/gpt_huge/4194304-seed0/config.json", True),
        ("targets/gpt_huge/4194304-seed3/perplexity.json", True),
        ("targets/gpt_huge/4194000-seed0/config.json", True),  # as many steps
        ("models/gpt_huge/4194304-seed0/config.json", True),
        ("targets/gpt_huge/4193000-seed0/config.json", False),
        ("targets/gpt_huge/4194304-seed0/train.log", False),
        ("targets/gpt_huge2/4194304-seed0/config.json", False),
        ("targets/gpt_huge/last-seed0/config.json", False),
    ],
)
def test_what_shows_that_a_target_was_trained(tmp_path, file, trained):
    (tmp_path / file).parent.mkdir(parents=True)
    (tmp_path / file).touch()
    assert was_trained(HUGE, tmp_path, STEP) == trained


def test_a_table_of_targets_shows_it_too(tmp_path):
    (tmp_path / "targets").mkdir()
    (tmp_path / "targets/runs.csv").write_text("model,tokens\ngpt_huge,4194304\n")
    assert was_trained(HUGE, tmp_path, STEP)
    assert not was_trained(OTHER, tmp_path, STEP)


def test_what_git_does_not_know_is_empty(tmp_path, monkeypatch):
    head = subprocess.run(["git", "rev-parse", "HEAD"], cwd=ROOT, capture_output=True, text=True).stdout.strip()
    assert git("rev-parse", "HEAD") == head
    monkeypatch.setenv("GIT_CEILING_DIRECTORIES", str(tmp_path.parent))
    assert git("rev-parse", "HEAD", folder=tmp_path) == ""
    monkeypatch.setenv("PATH", str(tmp_path))
    assert git("rev-parse", "HEAD") == ""


def test_numbers_of_a_registration_are_plain(made):
    """No number of numpy's is left, which JSON would not take."""
    assert not any(isinstance(value, np.generic) for value in made["targets"][0].values())
