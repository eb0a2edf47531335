"""The figures, from tables like those of a study; the real ones are looked at by people."""

import json
import shutil
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from tests.conftest import command
from workflow.scripts.collect_writing import BARS, FORM, JUDGED
from workflow.scripts.figures import short
from workflow.scripts.tables import read_csv
from workflow.scripts.wilson import wilson
from workflow.scripts.write_summary import seconds_spent, writing_parts
from workflow.scripts.writing_panels import validity

FIGURES = ("scaling_plot", "loss_surface", "loss_curves", "loss_compute", "loss_places", "validity", "copying")
RATES = (*JUDGED, *BARS, *FORM, "copied")
VALUES = ("in_key", "rest_share", "polyphony", "repetition", "pitch_class_overlap", "note_length_overlap", "similarity",
          "originality", "lcs_share")  # fmt: skip


@pytest.fixture
def results(made, tmp_path):
    return Path(shutil.copytree(made, tmp_path / "results"))


@pytest.fixture(scope="module")
def made(tmp_path_factory):
    tmp_path = tmp_path_factory.mktemp("made")
    rng = np.random.default_rng(0)
    rows, curves, strata, writing = [], [], [], []

    def wrote(writer: str, rate: float, prompt: str = "", n: int = 24, **run: object) -> None:
        row = {"writer": writer, "arch": None, "params_non_embedding": None, "tokens": None, "seed": None, **run}
        for kind in RATES:
            row |= {f"{kind}_rate": rate, f"{kind}_low": 0.0, f"{kind}_high": 1.0, f"{kind}_n": n}
        writing.append(row | {"prompt": prompt, "samples": n} | dict.fromkeys(VALUES, 0.4))

    for arch, scale in (("gpt", 1.0), ("lstm", 0.95)):
        for i, n in enumerate((12_800, 25_000, 51_000, 100_000)):
            for seed in (0, 1):
                loss = scale * 6 * n**-0.12 * np.exp(rng.normal(0, 0.005))
                run = {"model": f"{arch}_{i}", "arch": arch, "n_layer": 1, "n_embd": 8, "params": n + 100,
                       "params_non_embedding": n, "tokens": 2**20, "unique_tokens": 2**20, "flops": 6 * n * 2**20,
                       "seed": seed, "learning_rate": 0.01, "test_loss": loss, "test_loss_se": 0.01,
                       "perplexity": np.exp(loss), "bits_per_char": loss / np.log(2), "samples": 24, "seconds": 9.0,
                       "trunk_seconds": 7.0, "device": "cpu"}  # fmt: skip
                run["valid_rate"] = 0.0 if i == 0 else 0.5
                rows.append(run)
                own = {k: run[k] for k in ("arch", "params_non_embedding", "tokens", "seed")}
                wrote(run["model"], run["valid_rate"], **own)
                wrote(run["model"], 0.25, "duet", n=2 * (seed + 1), **own)
                strata += [
                    {**own, "by": "position", "start": start, "stop": stop, "loss": loss + 1 / stop}
                    for start, stop in ((0, 1), (1, 2), (2, 8), (8, 60))
                ]
                curves += [
                    {**{k: run[k] for k in ("model", "arch", "params_non_embedding", "seed")},
                     "budget": 2**20, "step": t,
                     "tokens": t * 2**17, "flops": 6 * n * t * 2**17, "val_loss": loss + 1 / t}
                    for t in range(1, 9)
                ]  # fmt: skip
    pd.DataFrame(rows).to_csv(tmp_path / "runs.csv", index=False)
    pd.DataFrame(curves).to_csv(tmp_path / "curves.csv", index=False)
    pd.DataFrame(strata).to_csv(tmp_path / "strata.csv", index=False)
    for writer, rate in (("real", 0.95), ("ngram12", 0.7), ("ngram4", 0.1)):
        wrote(writer, rate, n=100)
    pd.DataFrame(writing).to_csv(tmp_path / "writing.csv", index=False)
    done = command("fit_scaling", tmp_path / "runs.csv", "--output", tmp_path / "fit.json", "--bootstrap", 20)
    assert done.returncode == 0, done.stderr
    return tmp_path


def test_figures_are_drawn_with_the_same_bytes_every_time(results):
    drawn = []
    for _ in range(2):
        done = command("plot_scaling", "--results_dir", results)
        assert done.returncode == 0, done.stderr
        assert "Warning" not in done.stderr
        drawn.append({f.name: f.read_bytes() for f in results.iterdir() if f.suffix in (".pdf", ".png")})
    assert drawn[0] == drawn[1]
    assert sorted(drawn[0]) == sorted(name + suffix for name in FIGURES for suffix in (".pdf", ".png"))
    for name, data in drawn[0].items():
        assert data.startswith(b"%PDF" if name.endswith("pdf") else b"\x89PNG")


def test_two_files_are_enough(results):
    for name in ("curves", "strata", "writing"):
        (results / f"{name}.csv").unlink()
    done = command("plot_scaling", "--results_dir", results)
    assert done.returncode == 0, done.stderr
    for name in ("curves", "strata", "writing"):
        assert f"{name}.csv does not exist: what is drawn from it is left out" in done.stdout
    assert sorted(path.stem for path in results.glob("*.pdf")) == ["loss_compute", "loss_surface", "scaling_plot"]


def test_the_validity_figure_has_the_rates_of_all_seeds_and_the_lines_of_the_baselines(results):
    axes = validity(read_csv(results / "writing.csv")).axes
    *steps, bars, legend = axes
    assert len(steps) == 6
    assert legend.axison is False
    for ax in (*steps, bars):
        levels = {line.get_label(): line.get_ydata()[0] for line in ax.lines if len(set(line.get_ydata())) == 1}
        assert {name: levels[name] for name in ("real tunes", "4-gram", "12-gram")} == {
            "real tunes": 0.95, "4-gram": 0.1, "12-gram": 0.7
        }  # fmt: skip
    runs = bars.collections[0].get_offsets().data.tolist()
    assert runs[:3] == [[12_800, 0], [12_800, 0], [25_000, 0.5]]
    for ax in steps:
        (gpt, lstm) = ax.containers
        assert list(gpt.lines[0].get_xdata()) == [12_800, 25_000, 51_000, 100_000]
        assert list(lstm.lines[0].get_ydata()) == [0, 0.5, 0.5, 0.5]
        low, high = gpt.lines[2][0].get_segments()[1][:, 1]  # of 24 in 48
        assert (low, high) == pytest.approx(wilson(24, 48))


def test_the_page_has_a_row_for_each_writer_and_prompt(results):
    tables = "\n".join(writing_parts(read_csv(results / "writing.csv")))
    assert "| ngram4 | 100 | 10% |" in tables
    assert "| gpt_1 | 48 | 50% |" in tables  # both seeds
    assert "| lstm_3 | duet | 6 | 25% |" in tables
    rows = [line.split(" | ")[0] for line in tables.splitlines() if line.startswith("| gpt_0")]
    assert rows == ["| gpt_0"] * 3


@pytest.mark.parametrize(
    ("name", "text", "sentence"),
    [
        ("fit.json", "{}", "fit.json holds no fits"),
        ("fit.json", "[]", "fit.json does not hold a JSON object"),
        ("runs.csv", "a,b\n1,2\n", "runs.csv has no column 'arch'"),
        ("curves.csv", "", "curves.csv is not readable as CSV"),
        ("writing.csv", "writer,arch\nreal,\n", "writing.csv has no column 'params_non_embedding'"),
        ("strata.csv", "arch,by\ngpt,source\n", "strata.csv has no column 'params_non_embedding'"),
    ],
)
def test_a_spoilt_table_is_one_sentence(results, name, text, sentence):
    (results / name).write_text(text)
    done = command("plot_scaling", "--results_dir", results)
    assert done.returncode == 1
    assert sentence in done.stderr
    assert "Traceback" not in done.stderr


def test_a_missing_table_is_one_sentence(results):
    (results / "fit.json").unlink()
    done = command("plot_scaling", "--results_dir", results)
    assert done.returncode == 1
    assert "fit.json does not exist" in done.stderr
    assert not list(results.glob("*.p*"))


def test_the_summary_takes_its_numbers_from_the_tables(results, corpus_dir):
    page = results / "summary.md"
    done = command("write_summary", "--runs", results / "runs.csv", "--fit", results / "fit.json",
                   "--writing", results / "writing.csv",
                   "--corpus", corpus_dir / "corpus.json", "--output", page)  # fmt: skip
    assert done.returncode == 0, done.stderr
    text = page.read_text()
    fit = json.loads((results / "fit.json").read_text())
    for arch in ("gpt", "lstm"):
        assert f"{fit['groups'][arch]['power']['alpha']:.3f}" in text
    assert text.count("| gpt_") == text.count("| lstm_") == 8 + 4 * 3  # runs, and writers by themselves and prompted


def test_a_trunk_that_runs_share_is_paid_once():
    """Runs that left one trunk after 8 and after 4 seconds cost what they took from there, and the trunk its 8."""
    runs = pd.DataFrame(
        {"model": ["a", "a", "b"], "seed": 0, "seconds": [10.0, 6.0, 3.0], "trunk_seconds": [8.0, 4.0, 0.0]}
    )
    assert seconds_spent(runs) == 8 + (10 - 8) + (6 - 4) + 3


@pytest.mark.parametrize(
    ("value", "text"),
    [(0.5, "0.5"), (12_800, "12.8k"), (1_048_576, "1.05M"), (737_280_000, "737M"), (2e9, "2B"), (3e12, "3e12")],
)
def test_short_numbers(value, text):
    assert short(value) == text
