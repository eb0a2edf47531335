"""What the pages point to is there."""

import re

import pytest

from tests.conftest import ROOT

PAGES = sorted({*ROOT.glob("*.md"), *ROOT.glob("docs/**/*.md"), ROOT / "data/README.md", ROOT / "results/README.md"})


@pytest.mark.parametrize("page", PAGES, ids=lambda page: str(page.relative_to(ROOT)))
def test_relative_links_exist(page):
    for target in re.findall(r"\]\((?!https?:|#)([^)#]+)", page.read_text(encoding="utf-8")):
        assert (page.parent / target).exists(), target


def test_the_recorded_study_is_the_default_one():
    """The figure in the README is of the suite, rates and budget that config.yaml has."""
    import pandas as pd
    import yaml

    config = yaml.safe_load((ROOT / "config.yaml").read_text())
    runs = pd.read_csv(ROOT / "docs/default-study/runs.csv")
    assert set(runs["model"]) == set(config["suite"])
    assert set(runs["seed"]) == set(config["seeds"])
    assert set(runs["tokens"]) == set(config["tokens"])
    sweep, rates = pd.read_csv(ROOT / "docs/default-study/lr_sweep.csv"), sorted(config["lr_sweep"])
    assert len(sweep) == len(rates) * len(config["suite"])
    for name in config["suite"]:
        taken = config["models"][name]["learning_rate"]
        assert set(runs[runs["model"] == name]["learning_rate"]) == {taken}
        losses = sweep[sweep["model"] == name].set_index("learning_rate")["val_loss"]
        best = losses.idxmin()
        assert rates[0] < best < rates[-1]  # a best at the end of the range would be no optimum
        assert abs(rates.index(taken) - rates.index(best)) <= 1
        assert losses[taken] - losses[best] < 0.02
