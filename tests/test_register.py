"""Both commands: a forecast is put on record, its runs are measured, and the outcome is put beside it."""

import datetime
import json
import os
import shutil
import subprocess

import numpy as np
import pandas as pd
import pytest

from tests.conftest import ROOT, command
from workflow.scripts import models, register, score_forecast
from workflow.scripts.base import schema
from workflow.scripts.base.errors import InputError
from workflow.scripts.base.files import read_json
from workflow.scripts.findings.words import LAWS
from workflow.scripts.forecasts.predict import Forecaster
from workflow.scripts.forecasts.registered import read_runs
from workflow.scripts.laws.estimate import Settings
from workflow.scripts.models import ModelConfig
from workflow.scripts.tables.table import read_table

TABLE = ROOT / "docs/default-study/runs.csv"
STUDY = """
models:
  gpt_huge: { arch: gpt, n_layer: 3, n_embd: 128, n_head: 8 }
  gpt_short: { arch: gpt, n_layer: 3, n_embd: 128, n_head: 8, block_size: 64, batch_size: 16, learning_rate: 0.002 }
  lstm_huge: { arch: lstm, n_layer: 1, n_embd: 272 }
  modern_huge: { arch: modern, n_layer: 3, n_embd: 128, n_head: 8 }
"""
VOCABULARY = 104
TOKENS = 4194304
ASKED = ("--target", "gpt_huge=4194304", "lstm_huge=4194000")  # the same number of steps


def registered(results, *args):
    register.main([str(results), "--study", str(results / "study.yaml"), *args])


@pytest.fixture(scope="module")
def made(tmp_path_factory):
    """A folder of results with a registration in it."""
    results = tmp_path_factory.mktemp("all") / "small"
    results.mkdir()
    shutil.copy(TABLE, results / "runs.csv")
    (results / "study.yaml").write_text(STUDY)
    registered(results, *ASKED)
    return results


@pytest.fixture
def results(made, tmp_path):
    """A copy of it that a test may change."""
    return shutil.copytree(made, tmp_path / "small")


@pytest.fixture
def bare(results):
    """The same, with nothing registered."""
    (results / "registered.json").unlink()
    return results


def measured(results, **changes):
    """A table of both targets, each of one run."""
    runs = pd.read_csv(TABLE)
    gpt, lstm = (runs[runs["model"] == f"{arch}_xl"].iloc[:1] for arch in ("gpt", "lstm"))
    gpt = gpt.assign(model="gpt_huge", params_non_embedding=589824, tokens=TOKENS, test_loss=1.3, test_loss_se=0.013)
    lstm = lstm.assign(model="lstm_huge", params_non_embedding=591872, tokens=TOKENS, test_loss=1.1)
    (results / "targets").mkdir()
    pd.concat([gpt, lstm]).assign(**changes).to_csv(results / "targets/runs.csv", index=False)


def scored(results):
    paths = results / "registered.json", results / "targets/runs.csv", results / "forecast.json"
    score_forecast.main([word for pair in zip(("--registered", "--runs", "--output"), paths, strict=True)
                         for word in map(str, pair)])  # fmt: skip
    return read_json(paths[-1])


def test_what_is_registered_is_right(made):
    document = read_json(made / "registered.json")
    schema.check(document, "registered.schema.json", "registered.json")
    (one,) = document["registrations"]
    assert (document["study"], one["reason"], len(one["runs"])) == ("small", "", 80)
    gpt, lstm = one["targets"]
    assert (gpt["params"], lstm["params"]) == (12 * 3 * 128**2, 8 * 272**2)
    assert gpt["tokens"] == lstm["tokens"] == TOKENS
    assert gpt["flops"] == TOKENS * 6 * (12 * 3 * 128**2 + VOCABULARY * 128 + 3 * 128 * 128)
    assert lstm["flops"] == TOKENS * 6 * (8 * 272**2 + VOCABULARY * 272)
    assert (gpt["n_head"], lstm["n_head"]) == (8, None)
    assert "--learning_rate 0.016" in lstm["options"]
    assert not gpt["after_outcome"]
    table = read_table(TABLE)[0]
    expected = Forecaster(table[table["arch"] == "lstm"], Settings()).at(8.0 * 272**2, float(TOKENS)).law
    assert {key: lstm[key] for key in expected} == expected
    age = datetime.datetime.now(datetime.UTC) - datetime.datetime.fromisoformat(one["made"])
    assert datetime.timedelta(0) <= age < datetime.timedelta(minutes=30)


def test_a_command_says_what_is_to_be_done(bare):
    done = command("register", bare, "--study", bare / "study.yaml", "--target", "gpt_short=4194304")
    assert done.returncode == 0, done.stderr
    line, advice = done.stdout.splitlines()
    (entry,) = read_json(bare / "registered.json")["registrations"][0]["targets"]
    times = (
        TOKENS * 6 * (589824 + VOCABULARY * 128 + 3 * 64 * 128) / pd.read_csv(TABLE).query("arch=='gpt'").flops.max()
    )
    low, high = entry["pi95"]
    assert line == (
        f"gpt_short, 4,194,304 tokens, {times:.3g} times the FLOP of the largest run: loss {entry['loss']:.4g}"
        f" [{low:.4g}, {high:.4g}] by {LAWS[entry['told']]}"
    )
    assert "--learning_rate 0.002" in entry["options"]
    assert advice.startswith(f"Commit {bare / 'registered.json'} before any of these runs is trained")


def test_the_study_may_name_the_targets_and_be_scaled(bare, capsys):
    (bare / "study.yaml").write_text(f"{STUDY}\ntargets: {{gpt_huge: [8388608, 16777216]}}\n")
    registered(bare, "--config", "scale=0.25")
    targets = read_json(bare / "registered.json")["registrations"][0]["targets"]
    assert [target["tokens"] for target in targets] == [2097152, 4194304]
    assert {target["n_embd"] for target in targets} == {64}
    assert len(capsys.readouterr().out.splitlines()) == 3


def test_a_further_registration_is_added_and_changes_none(results):
    before = (results / "registered.json").read_text()
    with pytest.raises(InputError, match=r"registered in .* already: another one needs its --reason"):
        registered(results, *ASKED)
    assert (results / "registered.json").read_text() == before
    (results / "targets/gpt_huge/4194304-seed0").mkdir(parents=True)
    (results / "targets/gpt_huge/4194304-seed0/config.json").touch()
    registered(results, *ASKED, "--reason", "a corrected rate")
    first, second = read_json(results / "registered.json")["registrations"]
    assert first == json.loads(before)["registrations"][0]
    assert (results / "registered.json").read_text().startswith(before.rsplit("\n ]", 1)[0])
    assert second["reason"] == "a corrected rate"
    assert [target["after_outcome"] for target in second["targets"]] == [True, False]
    assert second["targets"][1] == first["targets"][1]


@pytest.mark.parametrize(
    ("args", "sentence"),
    [
        (["--target", "gpt_hug=4194304"], r"no model 'gpt_hug' in the config \(did you mean 'gpt_huge'\?\)"),
        (["--target", "gpt_xl=1048500"], "gpt_xl at 1048576 tokens is among the runs of"),
        (["--target", "modern_huge=4194304"], "has no runs of modern, from which to forecast modern_huge"),
        (["--target", "gpt_huge=100"], "gpt_huge: 100 tokens are less than a step, which reads 1024"),
        (["--target", "lstm_huge=4194304"], "lstm_huge at 4194304 tokens: it was trained already"),
        (["--target", "lstm_huge=4194304", "--reason", "x"], "lstm_huge at 4194304 tokens: it was trained already"),
        ([], "nothing to forecast: give a --target, or targets in the study's file"),
        (["--target", "gpt_huge=4194304", "--study", "no.yaml"], "no.yaml: No such file"),
    ],
)
def test_what_would_be_no_forecast_is_refused(bare, args, sentence):
    (bare / "targets/lstm_huge/4194304-seed1").mkdir(parents=True)
    (bare / "targets/lstm_huge/4194304-seed1/perplexity.json").touch()
    with pytest.raises(InputError, match=sentence) as raised:
        registered(bare, *args)
    assert "\n" not in str(raised.value)
    assert not (bare / "registered.json").exists()


def test_what_the_study_has_recorded_is_gone_on_from(results, tmp_path):
    """Where the folder of results has no table and no registration, and another one was told to be taken for it."""
    empty = tmp_path / "again" / "small"
    empty.mkdir(parents=True)
    (empty / "study.yaml").write_text(f"{STUDY}\nrecorded: {results}\n")
    with pytest.raises(InputError, match=r"registered in .*registered\.json already"):
        registered(empty, *ASKED)
    registered(empty, "--target", "gpt_huge=2097152", "--reason", "a smaller one")
    first, second = read_json(empty / "registered.json")["registrations"]
    assert [first] == read_json(results / "registered.json")["registrations"]
    assert second["targets"][0]["tokens"] == 2097152
    measured(results)
    with pytest.raises(InputError, match="it was trained already"):
        registered(empty, "--target", f"gpt_huge={TOKENS}", "--output", str(tmp_path / "other.json"))


def test_a_further_forecast_may_rest_on_targets_that_are_measured(results):
    measured(results)
    table = pd.read_csv(results / "targets/runs.csv").iloc[:1]
    hidden, whole = models.module_for("gpt").count_params(ModelConfig("gpt", VOCABULARY, 128, 3, 128, 8))
    shape = {"n_layer": 3, "n_embd": 128, "n_head": 8, "params": whole, "params_non_embedding": hidden}
    table.assign(**shape, unique_tokens=TOKENS, flops=5 * 10**13).to_csv(results / "targets/runs.csv", index=False)
    longer = ("--target", f"gpt_huge={2 * TOKENS}", "--reason", "more is known")
    registered(results, *longer)
    registered(results, *longer, "--measured")
    _, alone, with_it = read_json(results / "registered.json")["registrations"]
    (new,) = [run for run in with_it["runs"] if run not in alone["runs"]]
    assert (new["model"], new["tokens"], new["test_loss"]) == ("gpt_huge", TOKENS, 1.3)
    assert len(with_it["runs"]) == len(alone["runs"]) + 1
    (before,), (after,) = alone["targets"], with_it["targets"]
    assert after["times_flops"] == after["flops"] / (5 * 10**13) < before["times_flops"]
    assert after["loss"] != before["loss"]
    with pytest.raises(InputError, match=r"targets/runs\.csv: a forecast of what is known is none"):
        registered(results, "--target", f"gpt_huge={TOKENS}", "--measured", "--reason", "again")


@pytest.mark.parametrize("word", ["=5", "gpt_huge", "gpt_huge=", "gpt_huge=5,", "gpt_huge=0", "gpt_huge=16M"])
def test_a_target_is_a_model_and_its_tokens(bare, word):
    with pytest.raises(SystemExit) as end:
        registered(bare, "--target", word)
    assert end.value.code == 2


@pytest.mark.parametrize(
    ("name", "value", "sentence"),
    [
        ("params", 16321, "line 2: 16321 parameters, 13824 of them outside the embedding, are not those of gpt with"),
        ("n_layer", 3, "are not those of gpt with n_layer 3 and n_embd 24"),
        ("params", 16344, r"runs have vocabularies of different sizes: 104 \(lstm_xl\), 105 \(gpt_tiny\)"),
    ],
)
def test_sizes_that_cannot_be_are_refused(tmp_path, name, value, sentence):
    table = pd.read_csv(TABLE)
    table.loc[0, name] = value
    table.to_csv(tmp_path / "runs.csv", index=False)
    with pytest.raises(InputError, match=sentence):
        register.vocabulary(read_runs(tmp_path / "runs.csv"))


def test_the_vocabulary_is_that_of_the_corpus():
    assert register.vocabulary(read_runs(TABLE)) == VOCABULARY
    assert json.loads((TABLE.parent / "corpus.json").read_text())["vocab_size"] == VOCABULARY


BROKEN = {
    '"registrations"': '"registrationz"',
    '"told": "kaplan"': '"tolt": "kaplan"',
    '"study": "small"': '"study": "smalm"',
    '"code": "': '"code": "g',
}


@pytest.mark.parametrize(("old", "new"), BROKEN.items())
def test_a_file_that_was_changed_is_refused_by_both_commands(results, old, new):
    measured(results)
    text = (results / "registered.json").read_text()
    assert old in text
    changed = text.replace(old, new, 1)
    (results / "registered.json").write_text(changed)
    with pytest.raises(InputError, match=r"registered\.json") as raised:
        registered(results, *ASKED, "--reason", "x")
    assert "\n" not in str(raised.value)
    assert (results / "registered.json").read_text() == changed
    if "smalm" not in new:  # what the folder is called, score_forecast does not know
        with pytest.raises(InputError, match=r"registered\.json"):
            scored(results)
        assert not (results / "forecast.json").exists()


def test_the_outcome_is_put_beside_the_forecast(results, capsys):
    measured(results)
    found = scored(results)
    schema.check(found, "forecast.schema.json", "forecast.json")
    assert capsys.readouterr().out.splitlines() == found["said"]
    assert len(found["said"]) == 3
    on_record = read_json(results / "registered.json")["registrations"][0]["targets"]
    (one,) = found["registrations"]
    gpt, lstm = one["targets"]
    assert gpt["observed"] == pytest.approx(1.3)
    assert gpt["observed_se"] == pytest.approx(0.013)
    assert gpt["error"] == pytest.approx(on_record[0]["loss"] / 1.3 - 1)
    low, high = on_record[1]["pi95"]
    assert lstm["inside"] == (low <= 1.1 <= high)
    assert gpt["rate_as_registered"]
    (pair,) = one["pairs"]
    assert pair["forecast"] == pytest.approx(on_record[0]["loss"] - on_record[1]["loss"])
    assert pair["observed"] == pytest.approx(0.2)
    assert np.isfinite(gpt["average"]["error"])


def test_a_table_of_another_corpus_is_refused(results):
    measured(results, corpus="beefbeefbeef")
    with pytest.raises(InputError, match="runs on the corpus 2ae2fbd132dd, and the runs learnt from beefbeefbeef"):
        scored(results)
    assert not (results / "forecast.json").exists()


def test_the_commit_is_that_of_the_file_as_it_is(results, monkeypatch):
    measured(results)
    monkeypatch.setenv("GIT_CEILING_DIRECTORIES", str(results.parent))
    found = scored(results)
    assert (found["commit"], found["committed"]) == ("", "")

    def git(*words):
        names = {f"GIT_{who}_{what}": "a@b.c" for who in ("AUTHOR", "COMMITTER") for what in ("NAME", "EMAIL")}
        alone = {"GIT_CONFIG_GLOBAL": os.devnull, "GIT_CONFIG_SYSTEM": os.devnull}
        line = ["git", *words]
        done = subprocess.run(line, cwd=results, env=os.environ | names | alone, capture_output=True, text=True)
        assert done.returncode == 0, done.stderr
        return done.stdout.strip()

    git("init", "-q")
    git("add", "registered.json")
    git("commit", "-qm", "a forecast", "--date", "2030-01-02T03:04:05+00:00")
    commit = git("rev-parse", "HEAD")
    git("add", "targets")
    git("commit", "-qm", "its outcome")
    found = scored(results)
    assert found["commit"] == commit
    assert found["committed"] == git("log", "-1", "--format=%cI", commit)
    (results / "registered.json").write_text((results / "registered.json").read_text() + "\n")
    assert scored(results)["commit"] == ""
