"""The page on the original study says what its two tables, the fits of them and our recorded results say."""

import shutil

import numpy as np
import pytest

from tests.conftest import ROOT, command
from workflow.scripts.figures.original import picture
from workflow.scripts.findings.original_runs import fit_runs, read_runs

DOCS = ROOT / "docs"


@pytest.fixture(scope="module")
def page(tmp_path_factory):
    output = tmp_path_factory.mktemp("page") / "original-study.md"
    done = command(
        "write_original", "--facts", DOCS / "original-study", "--study", DOCS / "default-study", "--output", output
    )
    assert done.returncode == 0, done.stderr
    assert "Warning" not in done.stderr
    return output


def test_the_recorded_page_is_what_the_rule_writes(page):
    assert (DOCS / "original-study.md").read_text(encoding="utf-8") == page.read_text(encoding="utf-8")


def test_it_has_the_known_numbers(page):
    """Of the issue: exponents with and without XXL, the forecast of XXL, and the exponents of the logs."""
    text = page.read_text(encoding="utf-8")
    for number in ("0.126 [0.006, 0.246]", "0.197 [0.109, 0.286]", "1.227 [1.13, 1.40]", "0.105 [0.042, 0.169]",
                   "-0.011 [-0.034, 0.01", "**reversal**", "**flat**"):  # fmt: skip
        assert number in text
    assert "{" not in text
    assert page.with_suffix(".png").exists()


def test_test_losses_and_validation_losses_have_axes_of_their_own():
    """With the tokens of the one run that read others, and no word of bars and seeds that no mark shows."""
    runs = read_runs(DOCS / "original-study" / "runs.csv")
    fig, caption = picture(runs, fit_runs(runs, DOCS))
    for ax, kind, told_by in zip(
        fig.axes, ("Test", "Validation"), (["readme"], ["gpt logs", "lstm logs"]), strict=True
    ):
        assert ax.get_ylabel().startswith(f"{kind} loss")
        marks = [list(bars.lines[0].get_ydata()) for bars in ax.containers]
        assert marks == [pytest.approx(runs[runs["told_by"] == name]["loss"].tolist()) for name in told_by]
    assert [text.get_text() for text in fig.axes[0].texts] == ["D = 328M"]
    assert "All runs read 98.3M tokens but xxl of the README, which read 328M." in caption
    assert "Marks: runs;" in caption
    assert not any(word in caption for word in ("seeds", "resampling", "open marks"))


def test_a_stated_perplexity_is_a_loss():
    runs = read_runs(DOCS / "original-study" / "runs.csv").set_index(["told_by", "size"])
    assert runs.loc[("readme", "xxl"), "loss"] == pytest.approx(np.log(1.417))
    assert runs.loc[("lstm logs", "tiny"), "loss"] == pytest.approx(0.832)


def test_a_name_that_nothing_computes_is_one_sentence(tmp_path):
    facts = shutil.copytree(DOCS / "original-study", tmp_path / "facts")
    (facts / "claims.csv").write_text("claim,says,shown,ours,where\na,b,{nothing},d,e\n")
    done = command("write_original", "--facts", facts, "--study", DOCS / "default-study", "--output", tmp_path / "p.md")
    assert done.returncode == 1
    assert "claims.csv names 'nothing', which nothing computes" in done.stderr
    assert not (tmp_path / "p.md").exists()
