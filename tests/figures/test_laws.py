"""What the figure of laws draws is what fit.json and the table hold, whatever their shape."""

import matplotlib.pyplot as plt
import numpy as np
import pandas as pd
import pytest
from matplotlib.collections import PathCollection

from tests.figures.made_fits import at_equal_flop, fit, forecast, group, runs
from workflow.scripts.figures.laws import scaling

N, D = np.geomspace(1e5, 1e7, 5), np.geomspace(1e6, 1e8, 4)
STEPS = "Not every step up helps: " + "; ".join(f"{i} (2.3) is worse than {i - 1} (2.2)" for i in range(115)) + "."


@pytest.fixture(scope="module")
def fitted():
    """Two architectures of five sizes at four budgets, two seeds each; their laws at the largest; and their figure."""
    n, d = (np.repeat(places.ravel(), 2) for places in np.meshgrid(N, D))
    seeds = np.exp(np.random.default_rng(0).normal(0, 0.003, len(n)))
    loss = (0.5 + 30 * n**-0.3 + 40 * d**-0.3) * seeds
    table = pd.concat([runs(n, loss, d), runs(n, 1.1 * loss, d, "lstm")], ignore_index=True).assign(loss_se=0.01)
    entries = {
        arch: group(rows[rows["tokens"] == D[-1]], evaluation_se=0.01, forecast=forecast(N[-1], end, [end, 2 * end]))
        for end, (arch, rows) in enumerate(table.groupby("arch"), start=1)
    }
    found = fit("GPT is ahead at every size (3 of 5 intervals leave out zero).", **entries)
    shown = scaling(table, found)
    yield table, found, shown
    plt.close(shown.figure)


def shape(name: str) -> tuple[pd.DataFrame, dict, float]:
    """A table, what fit.json says of it, and the width of its figure."""
    if name == "116 sizes":
        n = np.geomspace(1e6, 1e9, 116)
        table = runs(n, 5 * n**-0.05 * np.exp(np.random.default_rng(0).normal(0, 0.05, 116)), 10**9)
        return table, fit(gpt=group(table, said=["GPT: undecided.", STEPS, "A third sentence."])), 3.3
    width, sizes, losses = {
        "narrow": (3.3, (1e6, 1e8), (2.30004, 2.30001)),
        "same": (6.6, (1e6, 1e6 * 1.2), (2.3, 2.3)),
        "huge": (3.3, (1e4, 1e13), (1e7, 1e-3)),
        "wide": (13.3, (1e5, 1e12), (9.0, 0.9)),
    }[name]
    table = runs(np.geomspace(*sizes, 5), np.geomspace(*losses, 5), 10**9)
    ahead = {"params": 3 * sizes[1], "tokens": 2e9, "loss": 0.9 * losses[1], "pi95": [None, losses[0]]}
    unknown = ahead | {"loss": None, "pi95": None}
    told = forecast(sizes[1], losses[1], [None, None])
    return table, fit(gpt=group(table, forecast=told, predictions=[ahead, unknown])), width


@pytest.fixture(scope="module", params=["116 sizes", "narrow", "same", "huge", "wide"])
def shaped(request):
    table, found, width = shape(request.param)
    shown = scaling(table, found, width=width)
    shown.figure.draw_without_rendering()
    yield table, found, shown
    plt.close(shown.figure)


@pytest.fixture(scope="module")
def sliced():
    """A group at equal FLOP, each run of its own tokens, beside one that has a budget; and their figure."""
    table, entry = at_equal_flop()
    line = runs(N, 4 * N**-0.05, 10**9, "lstm")
    both = pd.concat([table, line], ignore_index=True)
    shown = scaling(both, fit(gpt=entry, lstm=group(line)))
    shown.figure.draw_without_rendering()
    yield table, entry, shown.figure
    plt.close(shown.figure)


def open_marks(ax) -> np.ndarray:
    """(n, 2) places of all runs that are drawn."""
    return np.concatenate([np.asarray(c.get_offsets()) for c in ax.collections if isinstance(c, PathCollection)])


def test_the_caption_has_the_sentences_and_the_figure_has_none(fitted):
    """What is compared, each verdict, and the budget of tokens; the figure has labels alone."""
    table, found, shown = fitted
    said = ["GPT is ahead at 3 of 5 sizes; at 2 the two cannot be told apart."]
    shown = scaling(table, found | {"comparison": found["comparison"] | {"said": said}})
    assert shown.caption.startswith(
        "Test loss (nats a character) against parameters outside the embedding, N. All at 100M"
    )
    for sentence in (*said, *(one for entry in found["groups"].values() for one in entry["said"])):
        assert sentence in shown.caption
    assert not shown.figure.texts
    plt.close(shown.figure)


def test_levels_of_ngrams_are_drawn_where_the_axis_reaches_them_and_told_all_the_same(fitted):
    table, found, _ = fitted
    inside = float(table["loss"].median())
    ngrams = pd.DataFrame({"order": [12, 2], "training_chars": 10**6, "loss": [inside, 100.0], "loss_low": 1.0,
                           "loss_high": 2.0, "perplexity": [2.5, 9e9], "loss_without_start": 1.0})  # fmt: skip
    shown = scaling(table, found, ngrams=ngrams)
    (ax,) = shown.figure.axes
    assert [text.get_text() for text in ax.texts] == ["12-gram"]
    assert [line.get_ydata()[0] for line in ax.lines if list(line.get_xdata()) == [0, 1]] == [inside]
    assert (
        f"on 1M characters of training text: 2-gram 100.000 (9000000000.00), 12-gram {inside:.3f} (2.50)."
        in shown.caption
    )
    plt.close(shown.figure)


def test_points_forecast_and_labels_are_those_of_the_fit(fitted):
    _, found, (fig, _) = fitted
    (ax,) = fig.axes
    drawn = [list(line.get_ydata()) for line in ax.lines if list(line.get_xdata()) == list(N)]
    diamonds = {float(line.get_ydata()[0]) for line in ax.lines if line.get_marker() == "D"}
    for entry in found["groups"].values():
        assert pd.DataFrame(entry["points"])["loss"].tolist() in drawn
    assert diamonds == {1.0, 2.0}  # of the law that is told
    legend = ax.get_legend() or fig.legends[0]
    labels = [text.get_text() for text in legend.get_texts()]
    for arch in ("gpt", "lstm"):
        low, high = found["groups"][arch]["power"]["ci95"]["alpha"]
        assert any(f"[{low:.3f}, {high:.3f}]" in label and label.startswith(arch.upper()) for label in labels)


def test_bars_are_of_the_test_sets_error(fitted):
    (ax,) = fitted[2].figure.axes
    bars = [c for c in ax.containers if c.has_yerr and len(c.lines[0].get_xdata()) == len(N)]
    assert len(bars) == 2
    low, high = bars[0].lines[2][0].get_segments()[0][:, 1]
    assert high - low == pytest.approx(2 * 1.96 * 0.01)


def test_marks_are_the_runs_that_the_line_was_fitted_to(fitted):
    """Those at its budget, of which the note tells how many of all they are; and of its unique tokens."""
    table, _, (fig, caption) = fitted
    at = table[table["tokens"] == D[-1]]
    assert sorted(map(tuple, open_marks(fig.axes[0]))) == sorted(map(tuple, at[["params", "loss"]].to_numpy()))
    assert "GPT 10 of 40, LSTM 10 of 40" in caption
    twice = pd.concat([runs(N, 3.0, 10**9), runs(N, 2.0, 10**9, unique_tokens=10**8)], ignore_index=True)
    for unique, loss in ((10**9, 3.0), (10**8, 2.0)):
        entry = group(twice[twice["loss"] == loss], unique_tokens=unique)
        entry["points"] = [point | {"seeds": 2} for point in entry["points"]]
        repeated = scaling(twice, fit(gpt=entry)).figure
        assert set(open_marks(repeated.axes[0])[:, 1]) == {loss}
        plt.close(repeated)


def test_all_runs_are_marks_where_their_tokens_are_not_known():
    table = runs([1e6, 1.001e6, 1e7, 1e8], [3.0, 3.1, 2.0, 1.0])
    entry = group(table)
    entry["points"] = entry["points"][1:]  # as if sizes that are nearly equal were one
    entry["points"] = [point | {"seeds": 2} for point in entry["points"]]
    fig = scaling(table, fit(gpt=entry)).figure
    assert open_marks(fig.axes[0]).tolist() == table[["params", "loss"]].to_numpy().tolist()
    plt.close(fig)


def test_numbers_at_axes_do_not_overlap(shaped):
    (ax,) = shaped[2].figure.axes
    for axis in (ax.xaxis, ax.yaxis):
        boxes = [label.get_window_extent() for label in axis.get_ticklabels() if label.get_text()]
        assert 2 <= len(boxes) <= 9
        assert not any(box.count_overlaps(boxes[:i]) for i, box in enumerate(boxes))
        names = [label.get_text() for label in axis.get_ticklabels()]
        assert len(set(names)) == len(names)


def test_the_axes_keep_their_height_whatever_the_legend_takes(shaped):
    fig = shaped[2].figure
    assert fig.axes[0].bbox.height / fig.dpi > 1.8


def test_a_legend_covers_nothing(shaped):
    fig = shaped[2].figure
    (ax,) = fig.axes
    legend = ax.get_legend() or fig.legends[0]
    box = legend.get_window_extent()
    assert not box.count_contains(ax.transData.transform(ax.containers[0].lines[0].get_xydata()))
    assert 0 <= box.x0 < box.x1 <= fig.bbox.x1
    assert ax.get_legend() or not box.overlaps(ax.xaxis.get_tightbbox())


def test_all_points_are_seen_and_endless_intervals_are_arrows(shaped):
    table, found, (fig, caption) = shaped
    (ax,) = fig.axes
    low, high = ax.get_ylim()
    assert low < table["loss"].min() <= table["loss"].max() < high
    filled = ax.containers[0].lines[0].get_xydata()  # one run a size, so that none is drawn again as an open mark
    assert filled == pytest.approx(table[["params", "loss"]].to_numpy())
    assert "open marks" not in caption
    if found["groups"]["gpt"]["forecast"]:
        marks = [line.get_marker() for line in ax.lines if line.get_marker() in "v^_dD"]
        assert marks[:3] == ["v", "^", "D"]
        assert marks[3:].count("d") == marks[3:].count("v") == 1  # the prediction; of the other nothing is known
        assert ax.get_xlim()[1] > 3 * table["params"].max()
        assert [text.get_text() for text in ax.texts] == ["D = 2B"]
        assert "Thin diamonds: predictions" in caption
        assert "stars" not in caption


def test_of_116_sizes_the_caption_has_every_sentence():
    table, found, width = shape("116 sizes")
    shown = scaling(table, found, width=width)
    assert f"GPT: undecided. {STEPS} A third sentence." in shown.caption
    plt.close(shown.figure)


def test_without_a_common_budget_all_runs_are_shown_by_their_flop(sliced):
    table, entry, fig = sliced
    ax = fig.axes[1]
    (dots,) = (drawn for drawn in ax.collections if isinstance(drawn, PathCollection))
    assert np.asarray(dots.get_offsets()) == pytest.approx(table[["params", "loss"]].to_numpy())
    colours = pd.Series(list(map(tuple, dots.get_facecolors()))).groupby(table["flops"]).nunique()
    assert colours.tolist() == [1, 1, 1, 1]
    stars = [(line.get_xdata()[0], line.get_ydata()[0]) for line in ax.lines if line.get_marker() == "*"]
    assert stars == [(best["params"], best["loss"]) for best in entry["isoflop"]["optima"]]
    assert "α" not in ax.get_title(loc="left")
    assert ax.get_title(loc="left").split("\n")[1] == "parabolas: best N ∝ C^0.50 [0.45, 0.55]"
    named = [text.get_text() for text in fig.legends[0].get_texts()]
    assert {"1e18 FLOP", "3e18 FLOP", "1e19 FLOP", "3e19 FLOP", "best size for its FLOP"} < set(named)


def test_slices_of_the_law_go_through_the_runs_at_their_flop(sliced):
    """The runs were made by that law, so each lies on the line of its level."""
    table, _, fig = sliced
    lines = [line for line in fig.axes[1].lines if line.get_marker() == "None"]
    assert len(lines) == table["flops"].nunique()
    for line, (_, level) in zip(lines, table.groupby("flops"), strict=True):
        at = np.interp(np.log(level["params"]), np.log(line.get_xdata()), line.get_ydata())
        assert at == pytest.approx(level["loss"], rel=1e-3)


def test_a_group_with_a_budget_keeps_its_line_beside_those(sliced):
    ax = sliced[2].axes[0]
    assert ax.containers[0].lines[0].get_xdata() == pytest.approx(N)


@pytest.mark.parametrize("at_the_budget", [3, 5])
def test_a_budget_of_a_few_sizes_hides_no_runs(at_the_budget):
    """Three of ten may share one by accident, as at equal FLOP; five are half."""
    tokens = np.where(np.arange(10) < at_the_budget, 1e9, np.geomspace(2e9, 1e12, 10))
    table = runs(np.geomspace(1e6, 1e9, 10), np.geomspace(4, 2, 10), tokens)
    fig = scaling(table, fit(gpt=group(table[:at_the_budget]))).figure
    (ax,) = fig.axes
    assert (len(open_marks(ax)) if at_the_budget == 3 else len(ax.containers[0].lines[0].get_xdata())) == (
        10 if at_the_budget == 3 else 5
    )
    plt.close(fig)


def test_many_groups_and_any_names_are_drawn():
    names = [f"{name}{i}" for i in range(3) for name in ("$5 or $6 ", "_日本", "x" * 99, "of several words " * 9)]
    tables = [runs(N, (2 + i) * N**-0.03, 10**9, name) for i, name in enumerate(names)]
    groups = {name: group(rows) for name, rows in zip(names, tables, strict=True)} | {"none": group(tables[0][:2])}
    fig = scaling(pd.concat([*tables, tables[0][:2].assign(arch="none")]), fit(**groups), width=3.3).figure
    fig.draw_without_rendering()
    labels = [text.get_text() for text in fig.legends[0].get_texts()]
    assert len(labels) == 13
    assert labels[-1] == "and 1 more"
    assert fig.legends[0].get_window_extent().x1 <= fig.bbox.x1
    assert all(text.get_window_extent().x1 <= fig.bbox.x1 for text in fig.texts)
    plt.close(fig)
