"""A study of which only some runs are there: what came back is not trained again, and what is missing is shown so."""

import shutil

import pandas as pd

from tests.small_study import copy_of
from workflow.scripts import study as of_study
from workflow.scripts import study_config


def test_a_run_is_missing_unless_it_has_a_loss_or_is_on_record(tmp_path):
    config = study_config.read_study(None, []) | {"suite": ["gpt_tiny"], "tokens": [9000, 99000], "seeds": [0, 1]}
    folder = tmp_path / "models/gpt_tiny/9000-seed0"
    folder.mkdir(parents=True)
    for name in ("config.json", "history.csv", "perplexity.json"):
        assert "gpt_tiny/9000-seed0" in of_study.missing(config, str(tmp_path), "models", [])
        (folder / name).touch()
    on_record = ["gpt_tiny/99000-seed1"]
    missing = ["gpt_tiny/9000-seed1", "gpt_tiny/99000-seed0"]
    assert of_study.missing(config, str(tmp_path), "models", on_record) == missing


def test_a_run_without_weights_is_judged_by_what_it_wrote_elsewhere(tmp_path):
    config = study_config.read_study(None, []) | {"prompts": {"p": "X:1\n"}}

    def can_be_judged(train_missing):
        return of_study.can_be_judged(config | {"train_missing": train_missing}, str(tmp_path), "models/m/9-seed0")

    folder = tmp_path / "models/m/9-seed0"
    assert can_be_judged(True)  # once it is trained
    assert not can_be_judged(False)
    folder.mkdir(parents=True)
    (folder / "config.json").touch()
    assert not can_be_judged(True)
    (folder / "samples").mkdir()
    (folder / "samples/m-seed0.csv").touch()
    assert not can_be_judged(False)
    (folder / "prompted/p").mkdir(parents=True)
    (folder / "prompted/p/m-seed0.csv").touch()
    assert can_be_judged(True)
    assert can_be_judged(False)


def test_a_study_is_drawn_of_what_is_there(study, tmp_path):
    copy = copy_of(study, tmp_path / "copy")
    results = copy.folder / "results"
    for run in results.glob("models/*/*"):  # as it comes back: no weights, and nothing that Snakemake knows of it
        (run / "model.safetensors").unlink()
        shutil.rmtree(run / ".kept")
    shutil.rmtree(copy.folder / ".snakemake")
    assert {"train", "evaluate"}.isdisjoint(copy.planned())
    for table in ("runs.csv", "writing.csv", "scaling_plot.pdf"):
        (results / table).unlink()
    shutil.rmtree(results / "models/gpt_b")
    shutil.rmtree(results / "models/lstm_a/8192-seed0/samples")
    assert copy.planned("--", "results/runs.csv")["train"] == 1
    partly = ("--config", "train_missing=false", "--", "results/scaling_plot.pdf")
    assert {"train", "evaluate", "sample"}.isdisjoint(copy.planned(*partly))
    copy.run(*partly)
    runs = pd.read_csv(results / "runs.csv")
    assert set(runs["model"]) == {"gpt_a", "gpt_c", "lstm_a"}
    assert set(pd.read_csv(results / "writing.csv")["writer"].dropna()) >= {"gpt_a", "gpt_c", "real"}
    assert runs.set_index(["model", "tokens"]).loc[("lstm_a", 8192), "samples"] == 0
    missing = pd.read_csv(results / "missing.csv")
    assert list(map(tuple, missing.to_numpy())) == [("models", "gpt_b", 4096, 0), ("models", "gpt_b", 8192, 0)]
    summary = (results / "summary.md").read_text()
    assert "**Not measured yet:** 2 runs of this study" in summary
    assert "- gpt_b, 8,192 tokens, seed 0" in summary
