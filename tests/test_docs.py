"""What the pages point to is there."""

import json
import re

import pandas as pd
import pytest
import yaml

from tests import forked
from tests.conftest import ROOT

PAGES = sorted({*ROOT.glob("*.md"), *ROOT.glob("docs/**/*.md"), ROOT / "data/README.md", ROOT / "results/README.md"})


@pytest.mark.parametrize("page", PAGES, ids=lambda page: str(page.relative_to(ROOT)))
def test_relative_links_exist(page):
    for target in re.findall(r"\]\((?!https?:|#)([^)#]+)", page.read_text(encoding="utf-8")):
        assert (page.parent / target).exists(), target


def test_the_recorded_study_is_the_default_one():
    """The figure in the README is of the suite, rates and budget that config.yaml has."""
    config = yaml.safe_load((ROOT / "config.yaml").read_text())
    runs = pd.read_csv(ROOT / "docs/default-study/runs.csv")
    assert set(runs["model"]) == set(config["suite"])
    assert set(runs["seed"]) == set(config["seeds"])
    assert set(runs["tokens"]) == set(config["tokens"])
    for arch, rows in runs.groupby("arch"):
        assert set(rows["learning_rate"]) == {config["learning_rates"][arch]}


def test_the_modern_study_compares_with_the_recorded_transformers():
    """Both pages tell of the same Transformers, to the last digit, and of the suite that the study's file names."""
    study = yaml.safe_load((ROOT / "studies/modern.yaml").read_text())
    default, modern = (pd.read_csv(ROOT / f"docs/{name}-study/runs.csv") for name in ("default", "modern"))
    assert set(modern["model"]) == set(study["suite"])
    keys = ["model", "tokens", "seed"]
    both = modern.merge(default, on=keys, suffixes=("", "_default"))
    assert len(both) == (modern["arch"] == "gpt").sum() > 0
    assert (both["test_loss"] == both["test_loss_default"]).all()


def test_the_learning_rates_are_those_of_the_recorded_trials():
    """The rate in use is within a factor of 2 of the optimum at every width, and costs at most 0.02 nats there."""
    config = yaml.safe_load((ROOT / "config.yaml").read_text())
    transfer = json.loads((ROOT / "docs/default-study/lr_transfer.json").read_text())
    models = {model["model"]: model for model in transfer["models"]}
    assert set(models) == set(config["lr_transfer_models"])
    assert transfer["archs"]["gpt"]["trials"] == transfer["archs"]["lstm"]["trials"]
    for arch, moves in transfer["archs"].items():
        assert moves["rate_in_use"] == config["learning_rates"][arch]
        assert len(moves["width"]["models"]) >= 3
        assert moves["width"]["all_bracketed"]  # a best rate at the end of the range would be no optimum
        for name in moves["width"]["models"]:
            assert 1 / 2 <= models[name]["optimum"] / moves["rate_in_use"] <= 2
            assert models[name]["lost_at_rate_in_use"] < 0.02


def test_the_graph_of_the_workflow_is_the_one_on_its_page():
    said = forked.run("-m", "snakemake", "--rulegraph", "mermaid-js", cwd=ROOT).stdout
    names = dict(re.findall(r"^\s*(id\d+)\[(\w+)\]", said, re.MULTILINE))
    edges = {(names[a], names[b]) for a, b in re.findall(r"^\s*(id\d+) --> (id\d+)", said, re.MULTILINE)}
    page = (ROOT / "docs/workflow.md").read_text(encoding="utf-8")
    assert set(re.findall(r"^    (\w+) --> (\w+)$", page, re.MULTILINE)) == edges
    assert len(names) == 14
