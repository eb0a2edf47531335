"""The figure of loss over N and D draws the runs of the table and the law of fit.json."""

import matplotlib.pyplot as plt
import numpy as np
import pandas as pd
import pytest
from matplotlib.collections import PathCollection

from tests.figures.made_fits import at_equal_flop, fit, group, law_of_n_and_d, runs
from workflow.scripts.figures.amounts import amounts_of
from workflow.scripts.figures.surface import NO_SURFACE, flops_per_token, surface
from workflow.scripts.laws.allocation import printed_loss

N, D = np.geomspace(1e5, 1e7, 5), np.geomspace(1e6, 1e8, 4)


@pytest.fixture(scope="module")
def grid():
    """Two architectures of five sizes at four budgets, two seeds each; and their figure."""
    law = law_of_n_and_d(a=30.0, b=40.0)
    n, d = (np.repeat(places.ravel(), 2) for places in np.meshgrid(N, D))
    loss = printed_loss(law, n, d) * np.tile([0.99, 1.01], len(n) // 2)
    table = pd.concat([runs(n, loss, d), runs(n, 1.1 * loss, d, "lstm")], ignore_index=True)
    fitted = fit(gpt=group(table[:40], chinchilla=law), lstm=group(table[40:], chinchilla=law))
    shown = surface(table, fitted)
    shown.figure.draw_without_rendering()
    yield table, fitted, shown
    plt.close(shown.figure)


@pytest.fixture(scope="module")
def scattered():
    """Runs of which each has its own tokens, and their figure in a column."""
    table, entry = at_equal_flop(np.geomspace(1e18, 1e20, 8).tolist(), 9)
    one = {"params": 2e9, "tokens": 1e10, "loss": 2.6, "pi95": [2.5, None]}
    best = one | {"flops": 1e21, "params": 5e9, "ci95": {"params": [3e9, None], "tokens": [None, None]}}
    unknown = dict.fromkeys(best)
    asked = {"predictions": [one, unknown], "best_for": [best, unknown]}
    shown = surface(table, fit(gpt=entry | asked), width=3.3)
    shown.figure.draw_without_rendering()
    yield table, shown
    plt.close(shown.figure)


def test_the_surface_has_a_line_a_budget_and_the_frontier_inside(grid):
    table, _, (fig, _) = grid
    for ax, arch in zip(fig.axes, ("gpt", "lstm"), strict=True):
        rows = table[(table["arch"] == arch)]
        marks = [line for line in ax.lines if line.get_marker() == "o"]
        assert len(marks) == len(D)
        for line, tokens in zip(marks, D, strict=True):
            means = rows[rows["tokens"] == tokens].groupby("params")["loss"].mean()
            assert list(line.get_ydata()) == pytest.approx(means.tolist())
        black = [line for line in ax.lines if str(line.get_color()) == "black"]
        places = np.concatenate([line.get_xdata() for line in black])
        assert len(places)
        assert N[0] < places.min() <= places.max() < N[-1]
    named = [text.get_text() for text in fig.legends[0].get_texts()]
    assert named[:4] == ["D = 1M", "D = 4.64M", "D = 21.5M", "D = 100M"]


def test_each_panel_has_its_interval_and_the_figure_no_sentence(grid):
    fig, caption = grid[2]
    assert not fig.texts
    assert caption.startswith(
        "Loss over parameters outside the embedding, N, and training tokens, D, and the best N for"
    )
    assert "rejected" not in caption
    for ax, name in zip(fig.axes, ("GPT", "LSTM"), strict=True):
        assert ax.get_title(loc="left") == f"{name}\nbest N ∝ C^0.45 [0.40, 0.50]"


def test_a_law_that_its_own_test_rejects_is_called_so(grid):
    table, fitted, _ = grid
    laws = {name: entry["chinchilla"] for name, entry in fitted["groups"].items()}
    tested = {"gpt": laws["gpt"] | {"lack_of_fit": {"p": 0.2}}, "lstm": laws["lstm"] | {"lack_of_fit": {"p": 3e-8}}}
    groups = {name: entry | {"chinchilla": tested[name]} for name, entry in fitted["groups"].items()}
    fig, caption = surface(table, fitted | {"groups": groups})
    assert fig.axes[0].get_title(loc="left").count("\n") == 1
    assert fig.axes[1].get_title(loc="left").endswith("\nlaw rejected, p = 3e-08")
    assert "LSTM: misfit exceeds seed noise: the law drawn is rejected (F test, p = 3e-08)" in caption
    assert "GPT: misfit" not in caption
    plt.close(fig)


def test_another_law_is_drawn_of_a_group_that_has_it(grid):
    """Its lines, its growth and its formula; Chinchilla's of a group without."""
    table, fitted, _ = grid
    coupled = {"formula": "L = E + (A/N^alpha + B/D^beta)^k", "E": 1.5, "A": 20.0, "B": 30.0, "alpha": 0.3,
               "beta": 0.25, "k": 1.4,
               "compute_optimal": {"N_exponent": 0.61, "ci95": {"N_exponent": None}}}  # fmt: skip
    groups = fitted["groups"] | {"gpt": fitted["groups"]["gpt"] | {"coupled": coupled}}
    told = {"gpt": "coupled", "lstm": "coupled"}
    fig, note = surface(table, {"groups": groups}, told=told)
    for ax, law in zip(fig.axes, (coupled, groups["lstm"]["chinchilla"]), strict=True):
        line = next(line for line in ax.lines if len(line.get_xdata()) == 300 and line.get_linestyle() == "-")
        assert line.get_ydata() == pytest.approx(printed_loss(law, line.get_xdata(), D[0]))
    assert fig.axes[0].get_title(loc="left") == "GPT\nbest N ∝ C^0.61"
    assert "lines: L = E + (A/N^α + B/D^β)^k (GPT), L = E + A/N^α + B/D^β (LSTM), fitted" in note
    plt.close(fig)
    fig, note = surface(table[table["arch"] == "gpt"], {"groups": {"gpt": groups["gpt"]}}, told=told)
    assert "lines: L = E + (A/N^α + B/D^β)^k, fitted" in note
    plt.close(fig)


def test_a_name_that_has_capitals_stays(grid):
    table, fitted, _ = grid
    table = table.replace({"arch": {"gpt": "Transformer"}})
    fig, _ = surface(table, {"groups": {"Transformer": fitted["groups"]["gpt"], "lstm": fitted["groups"]["lstm"]}})
    assert [ax.get_title(loc="left").split("\n")[0] for ax in fig.axes] == ["Transformer", "LSTM"]
    plt.close(fig)


def test_best_sizes_that_no_run_read_enough_for_are_called_extrapolated(grid):
    table, fitted, (fig, caption) = grid
    named = [text.get_text() for text in fig.legends[0].get_texts()]
    assert "extrapolated" not in caption
    few = table[table["tokens"] < 2e6]
    short, caption = surface(few.assign(tokens=few["tokens"] * np.tile([1, 1.1], 10)), fitted)
    assert "GPT, LSTM: all best sizes drawn read more tokens than any run did (dotted): extrapolated" in caption
    others = [text.get_text() for text in short.legends[0].get_texts()]
    assert "best size for its FLOP" in set(named) - set(others)  # which is drawn nowhere there
    assert "best size, extrapolated" in others
    assert all(ax.get_title(loc="left").endswith("\nextrapolated") for ax in short.axes)
    plt.close(short)


def test_runs_of_their_own_tokens_are_all_shown_in_the_colour_of_those(scattered):
    table, (fig, _) = scattered
    (dots,) = (drawn for drawn in fig.axes[0].collections if isinstance(drawn, PathCollection))
    assert np.asarray(dots.get_offsets()) == pytest.approx(table[["params", "loss"]].to_numpy())
    amounts = amounts_of(table, "tokens")
    assert amounts.level is None
    assert dots.get_facecolors() == pytest.approx(amounts.colours(table["tokens"].to_numpy()))
    darkness = np.asarray(dots.get_facecolors())[table["tokens"].argsort()][:, :3].sum(axis=1)
    assert darkness[0] > darkness[-1]


def test_names_of_flop_cover_no_mark_and_no_other_name(grid, scattered):
    for ax in [*grid[2].figure.axes, scattered[1].figure.axes[0]]:
        names = ax.texts
        assert len(names) >= 3
        boxes = [name.get_window_extent() for name in names]
        offsets = [np.asarray(dots.get_offsets()) for dots in ax.collections if isinstance(dots, PathCollection)]
        offsets += [line.get_xydata() for line in ax.lines if line.get_marker() == "o"]
        places = ax.transData.transform(np.concatenate(offsets))
        for i, box in enumerate(boxes):
            assert not box.count_contains(places)
            assert not box.count_overlaps(boxes[:i])
            assert ax.bbox.x0 <= box.x0
            assert box.x1 <= ax.bbox.x1 + 1


def test_runs_asked_for_widen_the_axes_and_are_explained(scattered):
    """Those that have an answer; an end that is open is an arrow."""
    (ax,) = scattered[1].figure.axes
    assert ax.get_xlim()[1] > 5e9
    marks = {line.get_marker(): line for line in ax.lines if line.get_marker() not in ("None", "o")}
    assert {name: line.get_xdata()[0] for name, line in marks.items() if name in "d*|"} == {
        "d": 2e9,
        "*": 5e9,
        "|": 3e9,
    }
    assert marks["d"].get_ydata()[0] == 2.6
    assert marks[">"].get_xdata()[0] > 5e9
    assert "Thin diamonds: predictions" in scattered[1].caption


def test_a_slice_costs_what_the_runs_did(grid):
    rows = grid[0].assign(flops=8 * grid[0]["params"] * grid[0]["tokens"])
    assert flops_per_token(rows, np.array([1e5, 3e6])) == pytest.approx([8e5, 24e6])


def test_without_a_law_of_n_and_d_the_figure_says_so(grid):
    table, fitted, _ = grid
    groups = {name: entry | {"chinchilla": None} for name, entry in fitted["groups"].items()}
    fig, caption = surface(table, fitted | {"groups": groups})
    assert [text.get_text().replace("\n", " ") for text in fig.texts] == [NO_SURFACE] == [caption]
    plt.close(fig)
