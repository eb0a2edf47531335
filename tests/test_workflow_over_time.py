"""What a study goes through: sources that are away, kills, records in git, forecasts; in a copy of the repository."""

import json
import os
import shutil
import signal
import subprocess
import time

import pandas as pd
import pytest

from tests import forked
from tests.small_study import MODELS, copy_of, jobs_of

pytestmark = pytest.mark.slow


def test_a_source_that_is_away_loses_nothing(study, tmp_path):
    copy = copy_of(study, tmp_path / "copy")
    raw, away = copy.folder / "data" / "raw", copy.folder / "data" / "away"
    raw.rename(away)
    corpus = copy.folder / "data" / "corpora" / "raw" / "corpus.json"
    before = corpus.read_bytes()
    said = copy.run()
    assert "Nothing to be done" in said
    assert "warning: data/raw: no such file or folder: data/corpora/raw is used as it was prepared" in said
    assert copy.planned("--forcerun", "train", "--", "results/models/gpt_a/8192-seed0/config.json") == {"train": 1}
    done = copy.ask("--config", "min_notes=9")
    assert done.returncode != 0
    assert "data/corpora/raw was prepared with other options" in done.stdout + done.stderr
    raw.mkdir()
    assert "data/raw holds no .abc, .mid or .midi file" in copy.run()
    assert corpus.read_bytes() == before
    raw.rmdir()
    away.rename(raw)
    assert copy.planned() == {}


def test_a_preparation_that_fails_costs_neither_corpus_nor_weights(study, tmp_path):
    """It takes the declared files along, as Snakemake has it; the next run puts back what was kept."""
    copy = copy_of(study, tmp_path / "copy", symlinks=True)
    before = {path.name: path.read_bytes() for path in (copy.folder / "data/corpora/raw").glob("*.*") if path.is_file()}
    weights = copy.weights("gpt_a/8192-seed0")
    assert copy.ask("--config", "min_notes=100000", "--", "data/corpora/raw/corpus.json").returncode != 0
    assert not (copy.folder / "data" / "corpora" / "raw" / "corpus.json").exists()
    copy.run("results/models/gpt_a/8192-seed0/config.json")
    for name in ("corpus.json", "train.bin", "test.idx", "tokenizer.json", "tunes.tsv"):
        assert (copy.folder / "data" / "corpora" / "raw" / name).read_bytes() == before[name]
    assert "read, clean and measure" not in (copy.folder / "results/logs/prepare/raw.log").read_text()
    assert copy.weights("gpt_a/8192-seed0") == weights
    assert "outside the embedding" not in (copy.folder / "results/logs/train/gpt_a-seed0.log").read_text()


def test_moved_corpora_and_results_are_used_where_the_study_says_they_are(study, tmp_path):
    """Outside of the repository, with a space in the path: a run that lost a file is given it back, and not trained."""
    copy, data, group = copy_of(study, tmp_path / "copy", symlinks=True), tmp_path / "big data", tmp_path / "of a group"
    data.mkdir()
    (copy.folder / "data" / "corpora").rename(data / "corpora")
    (copy.folder / "results").rename(group)
    run = group / "models" / "gpt_a" / "8192-seed0"
    before = (run / "model.safetensors").read_bytes()
    (run / "history.csv").unlink()
    keys = (f"data_dir={data}", f"work_dir={tmp_path / 'scratch'}", f"pathvars={{results: {group}}}")
    assert jobs_of(copy.run("--config", *keys, "--", str(run / "history.csv"))) == {"train": 1}
    said = (group / "logs" / "train" / "gpt_a-seed0.log").read_text().splitlines()
    assert said == [
        f"{run.with_name(f'{n}-seed0')} already holds this run; delete it to train again" for n in (4096, 8192)
    ]
    assert (run / "model.safetensors").read_bytes() == before
    assert not (copy.folder / "data" / "corpora").exists()
    assert not (copy.folder / "results").exists()


def test_snakemake_killed_in_the_middle_loses_nothing(study, tmp_path):
    """SIGKILL to Snakemake and its jobs on the way to the first cooldown, in it, and after; the next ends the same."""
    killed = copy_of(study, tmp_path / "copy")
    shutil.rmtree(killed.folder / "results")
    text = (killed.folder / "study.yaml").read_text().replace("[4096, 8192]", "[65536, 131072]")
    (killed.folder / "study.yaml").write_text(text)
    short, long = (killed.folder / "results" / "models" / "lstm_a" / f"{n}-seed0" for n in (65536, 131072))
    target = "results/models/lstm_a/131072-seed0/model.safetensors"
    killed.run(target)
    reference = [killed.weights(f"lstm_a/{folder.name}") for folder in (short, long)]
    shutil.rmtree(killed.folder / "results")

    for state in (long / "checkpoint.pt", short / "checkpoint.pt", short / "model.safetensors"):
        process = forked.Python(
            killed.command(target), cwd=killed.folder, start_new_session=True, stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
        )  # fmt: skip
        while process.poll() is None and not state.exists():
            time.sleep(0.01)
        os.killpg(process.pid, signal.SIGKILL)
        process.wait()
        assert state.exists()
        assert not (long / "model.safetensors").exists()
    killed.run(target)
    assert "resuming from step" in (killed.folder / "results/logs/train/lstm_a-seed0.log").read_text()
    assert [killed.weights(f"lstm_a/{folder.name}") for folder in (short, long)] == reference


def test_figures_are_drawn_from_where_a_study_is_recorded(study, tmp_path):
    copy = copy_of(study, tmp_path / "copy", symlinks=True)
    results, recorded = copy.folder / "results", copy.folder / "docs" / "mine"
    refused = copy.ask("record")
    assert refused.returncode != 0
    assert "the study's config names none as recorded" in refused.stdout + refused.stderr
    assert not (copy.folder / "README.md").exists()
    copy.run("record", "--config", "recorded=docs/mine")
    assert {path.name for path in recorded.iterdir()} >= {"runs.csv", "fit.json", "README.md", "corpus.json", "samples"}
    assert len(list((recorded / "samples").glob("*.abc"))) == MODELS
    assert not list(recorded.rglob("*.safetensors"))
    before = (results / "validity.png").read_bytes()
    shutil.rmtree(results)
    shutil.rmtree(copy.folder / "data")
    copy.run("figures", "--config", "recorded=docs/mine")
    assert (results / "validity.png").read_bytes() == before


def test_a_forecast_is_registered_before_its_runs_are_trained(study, tmp_path):
    copy = copy_of(study, tmp_path / "copy", symlinks=True)
    text = (copy.folder / "study.yaml").read_text().replace("models:\n", "models:\n  gpt_d: {arch: gpt, n_layer: 1, "
            "n_embd: 24, n_head: 2, learning_rate: 0.01}\n") + "targets: {gpt_d: [8192]}\n"  # fmt: skip
    (copy.folder / "study.yaml").write_text(text)
    refused = copy.ask("--", "results/forecast.json")
    assert refused.returncode != 0
    assert "results/registered.json does not exist: a forecast is registered before" in refused.stderr + refused.stdout
    assert not (copy.folder / "results" / "targets" / "gpt_d").exists()
    register = ("-m", "workflow.scripts.register", "results", "--study", "study.yaml")
    assert (done := forked.run(*register, cwd=copy.folder)).returncode == 0, done.stderr
    registered = (copy.folder / "results" / "registered.json").read_bytes()
    wanted = ("--", "results/forecast.json")
    once = ("target", "evaluate_target", "judge", "targets_writing_table", "targets_table", "forecast")
    assert jobs_of(copy.run(*wanted)) == dict.fromkeys(once, 1)
    runs = pd.read_csv(copy.folder / "results" / "targets" / "runs.csv")
    [target] = json.loads((copy.folder / "results" / "forecast.json").read_text())["registrations"][0]["targets"]
    assert target["observed"] == pytest.approx(runs["test_loss"].iloc[0])
    assert target["error"] == pytest.approx(target["loss"] / runs["test_loss"].iloc[0] - 1)
    again = forked.run(*register, "--target", "gpt_d=8192", "--output", "results/another.json", cwd=copy.folder)
    assert again.returncode != 0
    assert "it was trained already: a forecast after that is none" in again.stderr
    assert (copy.folder / "results" / "registered.json").read_bytes() == registered
    copy.run("figures")
    for name in ("forecast.md", "forecast.png", "frontier.png", "writing.png"):
        assert (copy.folder / "results" / name).stat().st_size > 500
    assert jobs_of(copy.run()) == {"claims": 1}  # they rest on the forecast, too
    # Another machine has what is in git: it trains what is not on record, and keeps the rest.
    copy.run("record", "--config", "recorded=docs/mine")
    recorded = ("--config", "recorded=docs/mine", "keep_recorded=true")
    assert copy.each_planned([(), recorded]) == [{}, {}]
    shutil.rmtree(copy.folder / "results")
    (copy.folder / "study.yaml").write_text(text.replace("{gpt_d: [8192]}", "{gpt_d: [8192, 12288]}"))
    assert jobs_of(copy.run(*recorded, *wanted))["target"] == 1
    both = pd.read_csv(copy.folder / "results" / "targets" / "runs.csv")
    assert both["tokens"].tolist() == [8192, 12288]
    assert both["test_loss"].iloc[0] == runs["test_loss"].iloc[0]
    copy.run("record", "--config", "recorded=docs/mine")
    assert copy.planned(*recorded, *wanted) == {}
    assert {"train", "evaluate", "target"}.isdisjoint(jobs_of(copy.run(*recorded, "--", "results/runs.csv")))
    kept = copy.folder / "docs" / "mine" / "runs.csv"
    assert (copy.folder / "results" / "runs.csv").read_bytes() == kept.read_bytes()
    lines = kept.read_text().splitlines()
    kept.write_text("\n".join([line for line in lines if not line.startswith("lstm_a,")]) + "\n")
    assert copy.planned(*recorded, "--", "results/runs.csv")["train"] == 1
