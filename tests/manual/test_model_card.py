"""The model card and the data statement have the numbers of the recorded tables."""

from pathlib import Path

import pandas as pd

from tests.conftest import ROOT
from workflow.scripts import write_data_statement
from workflow.scripts.base.files import read_json
from workflow.scripts.manual.data_statement import over_represented
from workflow.scripts.manual.model_card import card

STUDY = ROOT / "docs/default-study"
CONFIG = {
    "training": {
        "torch": "2.13.0", "windows_per_step": 8,
        "options": {"context_size": 128, "warmup_steps": 20, "beta1": 0.8, "weight_decay": 0.01, "grad_clip": 1.0,
                    "parametrization": "mup"},
    }
}  # fmt: skip


def made(study: Path = STUDY, configs: list[dict] = [CONFIG], **columns: object) -> str:  # noqa: B006
    runs, writing = (pd.read_csv(study / f"{name}.csv") for name in ("runs", "writing"))
    return card(runs.assign(**columns), writing, read_json(study / "corpus.json"), configs, "results/models")


def test_the_recorded_card_is_of_the_recorded_tables():
    recorded = (STUDY / "model_card.md").read_text(encoding="utf-8")
    assert recorded.replace("torch 2.13.0+cpu", "torch 2.13.0") == made()
    runs = pd.read_csv(STUDY / "runs.csv").query("tokens == 1048576")
    for model, some in runs.groupby("model"):
        assert f"| {model} | {some['test_loss'].mean():.3f} [{some['test_loss_low'].mean():.3f}, " in recorded


def test_a_card_of_a_test_split_without_an_interval_has_none():
    text = made(test_loss_low=None, test_loss_high=None)
    assert "nan" not in text
    assert "| gpt_tiny | 1.663 | 48 |" in text


def test_each_model_has_the_loss_of_the_run_that_wrote_where_others_are_longer_and_none_is_here():
    study = ROOT / "docs/reference-study"
    text = made(study, [])
    runs = pd.read_csv(study / "runs.csv").query("tokens == 4194304")
    for model, some in runs.groupby("model"):
        assert f"| {model} | {some['test_loss'].mean():.3f} [" in text
    assert "--checkpoint_dir results/models/lstm_muon_790k/4194304-seed0 " in text
    assert "windows_per_step" not in text


def test_the_data_statement_is_what_its_command_writes(tmp_path):
    page = tmp_path / "page.md"
    files = {name: ROOT / f"docs/{name}-study/corpus.json" for name in ("default", "reference")}
    words = [word for name, path in files.items() for word in (f"--{name}", str(path))]
    write_data_statement.main([*words, "--output", str(page)])
    assert page.read_text(encoding="utf-8") == (ROOT / "docs/data-statement.md").read_text(encoding="utf-8")


def test_what_is_over_represented_is_counted():
    corpus = {
        "tunes": 10, "chars": 1000,
        "audit": {"sources": {"a": {"tunes": 2, "chars": 900}, "b": {"tunes": 8, "chars": 100}},
                  "voices": {"1": 9, "2": 1}, "keys": {"G": 4, "D": 6}, "meters": {"2/4": 10},
                  "length": {"50%": 20.0, "95%": 300.4}},
    }  # fmt: skip
    assert over_represented(corpus) == [
        "`a` has 90% of the characters and 20% of the tunes.",
        "90.0% of the tunes have one voice.",
        "60% are in the key D and 40% are in the key G.",
        "100% are in the meter 2/4.",
        "Half of the tunes have at most 20 characters, and 95% at most 300.",
    ]
