"""The figures, from tables like those of a study; the real ones are looked at by people."""

import io
import json
import shutil
from pathlib import Path

import matplotlib.pyplot as plt
import numpy as np
import pandas as pd
import pytest

from tests.conftest import ROOT, command
from workflow.scripts import fit_scaling, plot_scaling
from workflow.scripts.base.measures import BARS, FORM, JUDGED
from workflow.scripts.base.tables import read_csv
from workflow.scripts.base.uncertainty import wilson
from workflow.scripts.figures.laws import scaling
from workflow.scripts.figures.look import STYLES
from workflow.scripts.figures.losses import loss_compute, loss_curves, ways
from workflow.scripts.figures.summary import seconds_spent, writing_parts
from workflow.scripts.figures.surface import NO_SURFACE, surface
from workflow.scripts.figures.writing import copying, validity
from workflow.scripts.tables.fit_file import read_fit
from workflow.scripts.tables.table import read_table

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
                       "test_loss_low": loss - 0.02, "test_loss_high": loss + 0.02,
                       "perplexity": np.exp(loss), "bits_per_char": loss / np.log(2), "samples": 24, "seconds": 9.0,
                       "trunk_seconds": 7.0, "device": "cpu"}  # fmt: skip
                run["valid_rate"] = 0.0 if i == 0 else 0.5
                rows.append(run)
                own = {k: run[k] for k in ("arch", "params_non_embedding", "tokens", "seed")}
                wrote(run["model"], run["valid_rate"], **own)
                wrote(run["model"], 0.25, "duet", n=2 * (seed + 1), **own)
                strata += [
                    {**own, "model": run["model"], "by": "position", "start": start, "stop": stop, "tunes": 10,
                     "chars": 10 * (stop - start), "loss": 0.0 if stop <= 6 else loss}
                    for start, stop in ((0, 1), (1, 2), (2, 6), (6, 60))
                ]  # fmt: skip
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
    fit_scaling.main([str(tmp_path / "runs.csv"), "--output", str(tmp_path / "fit.json"), "--bootstrap", "20"])
    return tmp_path


def drawn(folder: Path) -> tuple[dict[str, bytes], str]:
    """Every figure that the command draws, by its file's name, and what it says."""
    done = command("plot_scaling", "--results_dir", folder)
    assert done.returncode == 0, done.stderr
    assert "Warning" not in done.stderr
    files = [*folder.glob("*.p[dn][fg]"), *folder.glob("captions/*")]
    return {str(path.relative_to(folder)): path.read_bytes() for path in files}, done.stdout


def test_figures_are_drawn_with_the_same_bytes_every_time(results):
    """All seven; then, in another process, those that two files are enough for."""
    first, _ = drawn(results)
    captions = [f"captions/{name}{suffix}" for name in FIGURES for suffix in (".md", ".tex")]
    assert sorted(first) == sorted([name + suffix for name in FIGURES for suffix in (".pdf", ".png")] + captions)
    for name, data in first.items():
        if name.endswith("pdf"):
            assert data.startswith(b"%PDF")
            assert b"/FontFile2" in data  # text is text
            assert b"/Subtype /Image" not in data  # and the rest lines
        assert name.startswith("captions") or data.startswith((b"%PDF", b"\x89PNG"))
        (results / name).unlink()
    for name in ("curves", "strata", "writing"):
        (results / f"{name}.csv").unlink()
    assert b"Cleaning makes the first 6 characters of nearly all tunes alike" in first["captions/scaling_plot.md"]
    second, said = drawn(results)
    for name in ("curves", "strata", "writing", "baselines"):
        assert f"{name}.csv does not exist: what is drawn from it is left out" in said
    assert {Path(name).stem for name in second} == {"loss_compute", "loss_surface", "scaling_plot"}
    for name, data in second.items():
        # One has lost its lines, and one caption what the strata say.
        assert (data == first[name]) == ("compute" not in name and "captions/scaling" not in name)


def without_errors(folder: Path) -> None:
    """Tables as they are of a test split of one tune, with nothing to be said of how real tunes are written."""
    runs = pd.read_csv(folder / "runs.csv").assign(test_loss_se=None, test_loss_low=None, test_loss_high=None)
    runs.to_csv(folder / "runs.csv", index=False)
    writing = pd.read_csv(folder / "writing.csv")
    told = [name for name in writing if name.endswith(("_rate", "_low", "_high"))]
    writing.loc[writing["writer"] == "real", [*told, *VALUES]] = np.nan
    writing["tools_rate"] = np.nan
    writing.to_csv(folder / "writing.csv", index=False)
    fit_scaling.main([str(folder / "runs.csv"), "--output", str(folder / "fit.json"), "--form", "power"])


@pytest.mark.filterwarnings("error")
def test_figures_of_one_test_tune_have_no_bars(results):
    without_errors(results)
    fit, table = read_fit(results / "fit.json"), read_table(results / "runs.csv")[0]
    fig, caption = scaling(table, fit)
    assert "resampling test tunes" not in caption
    (ax,) = fig.axes
    marks = [c for c in ax.containers if len(c.lines[0].get_xdata()) == 4]
    assert len(marks) == 2
    assert not any(c.has_yerr for c in marks)
    (ax,) = loss_compute(table, None).figure.axes
    for marks in ax.containers:
        assert np.isfinite(marks.lines[0].get_ydata(orig=False)).all()
        assert not any(len(segment) for segment in marks.lines[2][0].get_segments())  # a bar for each, of no length
    fig.savefig(io.BytesIO())
    for panels in (validity, copying):
        panels(read_csv(results / "writing.csv")).figure.savefig(io.BytesIO())


def test_losses_against_flop_are_those_of_the_runs_and_their_ways(results):
    table, curves = read_table(results / "runs.csv")[0], read_csv(results / "curves.csv")
    runs = read_csv(results / "runs.csv")
    (ax,) = loss_compute(table, curves).figure.axes
    for arch, marks in zip(("gpt", "lstm"), ax.containers, strict=True):
        mine = runs[runs["arch"] == arch]
        assert list(marks.lines[0].get_xdata()) == mine["flops"].tolist()
        assert list(marks.lines[0].get_ydata()) == pytest.approx(mine["test_loss"].tolist(), rel=1e-12)
        (low, high) = marks.lines[2][0].get_segments()[0][:, 1]
        assert high - low == pytest.approx(2 * 1.96 * mine["test_loss_se"].iloc[0])
    ways = [line for line in ax.lines if len(line.get_xdata()) == 8 and line.get_alpha()]
    assert len(ways) == len(runs)
    assert list(ways[0].get_ydata()) == curves["val_loss"].tolist()[:8]


def test_what_runs_of_one_trunk_have_in_common_is_drawn_once():
    """The recorded runs at four budgets: every place that is shared is in one line, but for those where two part."""
    curves = read_csv(ROOT / "docs/default-study/curves.csv")
    assert curves["budget"].nunique() == 4
    fig, _ = loss_curves(curves)
    for ax, arch in zip(fig.axes, ("gpt", "lstm"), strict=True):
        own = curves[curves["arch"] == arch]
        places = own.groupby(["model", "seed"])[["tokens", "val_loss"]].apply(lambda rows: len(rows.drop_duplicates()))
        branches = len(own.groupby(["model", "seed", "budget"])) - len(places)
        drawn = sum(len(line.get_xdata()) for line in ax.lines)
        assert drawn == places.sum() + branches < len(own)
    plt.close(fig)
    alone = curves.assign(val_loss=curves["val_loss"] + 1e-3 * curves["budget"].rank())  # each trained by itself
    assert sum(map(len, ways(alone))) == len(alone)


@pytest.mark.filterwarnings("error")
def test_an_architecture_of_two_sizes_is_drawn_without_a_line(results):
    runs = pd.read_csv(results / "runs.csv")
    runs = runs[(runs["arch"] == "gpt") | runs["model"].isin(["lstm_1", "lstm_3"])]
    runs.to_csv(results / "runs.csv", index=False)
    fit_scaling.main([str(results / "runs.csv"), "--output", str(results / "fit.json"), "--form", "power"])
    fit, table = read_fit(results / "fit.json"), read_table(results / "runs.csv")[0]
    assert surface(table, fit).caption == NO_SURFACE
    (ax,) = scaling(table, fit).figure.axes
    labels = [text.get_text() for text in ax.get_legend().get_texts()]
    assert labels[1] == "LSTM: no law can be fitted"
    lines = [line for line in ax.lines if len(line.get_xdata()) == 200]
    assert {line.get_color() for line in lines} == {STYLES[0][0]}
    assert [c.lines[0].get_xdata().tolist() for c in ax.containers if len(c.lines[0].get_xdata()) == 2] == [
        [25_000, 100_000]
    ]


def test_the_validity_figure_has_the_rates_of_all_seeds_and_the_lines_of_the_baselines(results):
    fig, caption = validity(read_csv(results / "writing.csv"))
    axes = fig.axes
    *steps, bars, legend, _ = axes  # the last has nothing in it
    assert len(steps) == 6
    assert legend.axison is False
    named = {text.get_text() for text in legend.get_legend().get_texts()}
    assert named == {"GPT", "LSTM", "real tunes", "4-gram", "12-gram"}
    for ax in (*steps, bars):
        levels = [line for line in ax.lines if list(line.get_xdata()) == [0, 1]]
        assert [line.get_ydata()[0] for line in levels] == [0.95, 0.1, 0.7]
        assert len({str(line._unscaled_dash_pattern) for line in levels}) == 3
        assert [text.get_text() for text in ax.texts] == ["real", "4", "12"]
    assert "The 12-gram passes more often than models of any size, by their 95% intervals: " not in caption
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
        ("runs.csv", "arch,params,loss\ngpt,1,2\n", "runs.csv has no column 'params_non_embedding'"),
        (
            "curves.csv",
            "model,arch,params_non_embedding,budget,seed\na,gpt,1,2,0\n",
            "curves.csv has no column 'tokens'",
        ),
        ("strata.csv", "arch,params_non_embedding,by,start\ngpt,1,position,0\n", "strata.csv has no column 'stop'"),
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


def test_trials_are_drawn_if_they_are_asked_for(made, tmp_path, monkeypatch):
    tables, drawn = Path(shutil.copytree(made, tmp_path / "tables")), []
    monkeypatch.setattr(
        plot_scaling, "save", lambda shown, path, note="": drawn.append(path) or plt.close(shown.figure)
    )
    for name in ("lr_transfer.csv", "lr_transfer.json", "ablations.json"):
        shutil.copy(ROOT / "docs/reference-study" / name, tables)
    for folder in (tables, tmp_path / "results"):
        trials = ["--trials"] if folder != tables else []
        plot_scaling.main(["--results_dir", str(folder), "--tables", str(tables), *trials])
    trials = {"lr_transfer", "ablations"}
    assert {path.name for path in drawn if path.parent == tables} == set(FIGURES)
    assert {path.name for path in drawn if path.parent != tables} == {*FIGURES, *trials}


def test_the_summary_takes_its_numbers_from_the_tables(results):
    page = results / "summary.md"
    done = command("write_summary", "--runs", results / "runs.csv", "--fit", results / "fit.json",
                   "--writing", results / "writing.csv",
                   "--corpus", ROOT / "docs/default-study/corpus.json", "--output", page)  # fmt: skip
    assert done.returncode == 0, done.stderr
    text = page.read_text()
    fit = json.loads((results / "fit.json").read_text())
    for arch in ("gpt", "lstm"):
        assert f"{fit['groups'][arch]['power']['alpha']:.3f}" in text
    assert text.count("| gpt_") == text.count("| lstm_") == 8 + 4 * 3  # runs, and writers by themselves and prompted


def test_a_trunk_that_runs_share_is_paid_once():
    """Runs that left one trunk after 8 and after 4 seconds cost what they took from there, and the trunk its 8."""
    runs = pd.DataFrame(
        {"model": ["a", "a", "b"], "seed": 0, "learning_rate": 0.1, "tokens": [64, 32, 64],
         "seconds": [10.0, 6.0, 3.0], "trunk_seconds": [8.0, 4.0, 0.0]}
    )  # fmt: skip
    assert seconds_spent(runs) == 8 + (10 - 8) + (6 - 4) + 3
    assert seconds_spent(runs.assign(learning_rate=[0.1, 0.2, 0.1])) == 10 + 6 + 3  # each had a trunk of its own
    later = pd.concat([runs, runs[:1].assign(tokens=128)])  # a longer run of one model, trained by itself
    assert seconds_spent(later) == seconds_spent(runs) + runs["seconds"].iloc[0]
