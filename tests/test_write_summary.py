"""The page has the numbers of its tables, and says what is not in them."""

import json
import math
import shutil

import pandas as pd
import pytest
from markupsafe import escape

from tests.conftest import ROOT
from workflow.scripts import fit_scaling, write_summary
from workflow.scripts.base.files import read_json, write_json
from workflow.scripts.corpus.tokenizer import CharTokenizer

STUDY = ROOT / "docs/default-study"


@pytest.fixture
def study(tmp_path):
    """The recorded tables, with what is written of them."""
    for name in ("runs.csv", "writing.csv", "fit.json", "corpus.json", "strata.csv", "baselines.csv"):
        shutil.copy(STUDY / name, tmp_path)

    def page(*flags: str) -> str:
        names = {"runs": "runs.csv", "fit": "fit.json", "writing": "writing.csv", "corpus": "corpus.json",
                 "strata": "strata.csv", "ngrams": "baselines.csv"}  # fmt: skip
        words = [word for option, name in names.items() for word in (f"--{option}", str(tmp_path / name))]
        write_summary.main([*words, *flags, "--output", str(tmp_path / "summary.md")])
        return (tmp_path / "summary.md").read_text(encoding="utf-8")

    def change(keep=lambda runs: runs, fit: bool = True, **columns) -> None:
        """Other runs, and the straight lines through them."""
        path = tmp_path / "runs.csv"
        keep(pd.read_csv(path)).assign(**columns).to_csv(path, index=False)
        if fit:
            fit_scaling.main([str(path), "--output", str(tmp_path / "fit.json"), "--form", "power", "--bootstrap", "0"])

    page.folder, page.change = tmp_path, change
    return page


def test_the_recorded_page_is_what_the_command_writes(study):
    assert study() == (STUDY / "README.md").read_text(encoding="utf-8")


def test_the_page_of_html_has_every_number_and_the_figures_with_their_captions(study):
    page = study("--html", str(study.folder / "summary.html"), "--figures",
                 str(STUDY / "scaling_plot.png"), str(STUDY / "validity.png"))  # fmt: skip
    html = (study.folder / "summary.html").read_text(encoding="utf-8")
    cells = {cell for line in page.splitlines() if line.startswith("|") for cell in line.strip("| ").split(" | ")}
    assert {cell for cell in cells - {"---"} if f">{escape(cell)}</t" not in html} == set()
    assert html.count('src="data:image/png;base64,') == 2
    for name in ("scaling_plot", "validity"):
        caption, alt = (STUDY / f"captions/{name}.md", ROOT / f"workflow/report/{name}.rst")
        assert f"<figcaption>{escape(caption.read_text(encoding='utf-8').strip())}</figcaption>" in html
        assert f'alt="{escape(" ".join(alt.read_text(encoding="utf-8").split()))}"' in html
    opening = html.split("<!-- findings -->")[1].split("<!-- end of findings -->")[0]
    assert page.splitlines()[2].removeprefix("- ") in opening
    assert opening.count("<figure") == 1
    assert max(map(len, html.splitlines())) < 10_000  # or Snakemake's report does without


def test_a_prompt_that_no_model_can_read_is_told(study):
    CharTokenizer("X:1\nK[V]wo ").save(study.folder / "tokenizer.json")
    text = study("--prompts", json.dumps({"one": "X:1\nK:\n", "two_voices": "X:1\n[V:1]é{"}))
    assert "- Nothing was written after the prompt `two_voices`: the corpus has no '{', 'é'." in text
    assert "prompt `one`" not in text


def test_a_step_that_real_tunes_fail_says_so_and_why(study):
    path = study.folder / "writing.csv"
    writing = pd.read_csv(path)
    columns = ["syntax_rate", "tools_rate", "compiles_rate", "music21_rate", "rhythm_rate"]
    for rates, sentence in (((0.97, 1, 1, 0.98, 0.9), "(rhythm 90%: people wrote bars"), ((0.97, 1, 1, 1, 1), None)):
        writing.loc[writing["writer"] == "real", columns] = rates
        writing.to_csv(path, index=False)
        text = study()
        assert ("Real tunes themselves pass some steps in less than 97% of cases" in text) == bool(sentence)
        assert not sentence or sentence in text


def test_of_one_test_tune_no_interval_is_told(study):
    study.change(lambda runs: runs[runs["arch"] == "gpt"], test_loss_se=None, test_loss_low=None, test_loss_high=None)
    corpus = read_json(study.folder / "corpus.json")
    corpus["splits"]["test"]["tunes"] = 1
    write_json(study.folder / "corpus.json", corpus)
    ngrams = pd.read_csv(study.folder / "baselines.csv").assign(loss_se=None, loss_low=None, loss_high=None)
    ngrams.to_csv(study.folder / "baselines.csv", index=False)
    text = study()
    assert "of one test tune: no interval." in text
    assert "| gpt_tiny, seed 0 | 2×24 | 13,824 | 16,320 | 131,072 | 0.008 | 2.077 | 7.98 |" in text
    assert "±" not in text
    assert "nan" not in text.lower()
    assert "- gpt: the noise of the test set is not known, so the intervals of E, A and B are too narrow." in text


def test_errors_that_some_runs_lack_are_told_of_the_others(study):
    runs = pd.read_csv(STUDY / "runs.csv")
    study.change(test_loss_se=runs["test_loss_se"].where(runs.index > 0), fit=False)
    text = study()
    assert "of 575 test tunes: no interval for some runs." in text
    assert text.split("## Runs")[1].count(" ± ") == 79
    assert "nan" not in text.lower()


def test_an_architecture_without_a_law_has_its_sentence(study):
    study.change(lambda runs: runs[(runs["arch"] == "gpt") | (runs["model"] == "lstm_tiny")])
    text = study()
    assert "- LSTM has one distinct size: a law needs at least 3." in text
    assert "- LSTM is ahead of GPT at the one size that both have, by 0.16 nats; how sure that is cannot" in text
    assert "| gpt | L = A/N^α |" in text
    assert "| lstm | L = A/N^α |" not in text
    assert "| lstm_tiny, seed 1 |" in text


def test_a_page_without_any_law_says_so(study):
    study.change(lambda runs: runs[runs["model"].isin(["gpt_tiny", "gpt_xl"])])
    text = study()
    assert "No law can be fitted to these runs." in text
    assert "- GPT has 2 distinct sizes: a law needs at least 3." in text
    assert "Reasons to doubt them" not in text


def test_the_loss_without_the_start_of_the_tunes_stands_beside_the_headline(study):
    """By hand, of one model: the mean over seeds of what its stretches from the sixth character on hold."""
    strata = pd.read_csv(study.folder / "strata.csv")
    rows = strata[(strata["by"] == "position") & (strata["model"] == "lstm_xl") & (strata["start"] >= 6)]
    seeds = [(own["loss"] * own["chars"]).sum() / own["chars"].sum() for _, own in rows.groupby("seed")]
    text = study()
    later = sum(seeds) / len(seeds)
    (row,) = (line for line in text.splitlines() if line.startswith("| lstm_xl | 225,792 |"))
    assert f"| {later:.3f} | {math.exp(later):.2f} |" in row
    assert f"lstm_xl {later:.3f} (with them 1.260)" in text
    strata = strata.assign(chars=2 * strata["chars"])  # tokens that are no characters
    strata.to_csv(study.folder / "strata.csv", index=False)
    assert "with them" not in study()


def test_ngrams_that_beat_models_are_told(study):
    text = study()
    assert (
        "12-gram is the best of them: the 95% interval of its loss over tunes, [1.292, 1.356], lies below that" in text
    )
    assert "above that of lstm_xl, and overlaps that of 2 others" in text
    assert "The 12-gram passes more often than models of any size, by their 95% intervals: grammar of ABC 2.1" in text


def test_tables_stand_apart_in_three_forms(study):
    study("--tables_dir", str(study.folder / "tables"))
    found = sorted(path.name for path in (study.folder / "tables").iterdir())
    names = ("laws", "losses", "runs", "style", "validity")
    assert found == sorted(f"{name}.{suffix}" for name in names for suffix in ("csv", "md", "tex"))
    for name in names:
        csv, md, tex = ((study.folder / "tables" / f"{name}.{suffix}").read_text() for suffix in ("csv", "md", "tex"))
        rows = len(pd.read_csv(study.folder / "tables" / f"{name}.csv"))
        assert csv.count("\n") - 1 == md.count("\n") - 2 == tex.count(r"\\") - 1 == rows > 5
    assert (
        r"L = A/N\textasciicircum{}\(\alpha\) & 0.045 [0.035, 0.055]" in (study.folder / "tables/laws.tex").read_text()
    )
    assert r"gpt\_xl & 48 & 46\% &" in (study.folder / "tables/validity.tex").read_text()
