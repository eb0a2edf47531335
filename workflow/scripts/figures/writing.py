"""Panels of what models write against their size, from writing.csv, with lines for real tunes and for n-grams."""

import matplotlib.pyplot as plt
import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from workflow.scripts.base import measures
from workflow.scripts.base.uncertainty import wilson
from workflow.scripts.figures.look import log_axis, style_of, tight_within
from workflow.scripts.figures.words import heading

COLUMNS = (
    "writer", "arch", "params_non_embedding", "prompt", "samples",
    measures.SYNTAX.rate, measures.BARS_RIGHT.rate, measures.COPIED.rate, measures.SIMILARITY,
)  # fmt: skip
PARAMS = "Parameters outside the embedding, N"
TITLES = {
    measures.SYNTAX: "Grammar of ABC 2.1 kept",
    measures.TOOLS: "abc2midi reports no error",
    measures.COMPILES: "abc2midi's MIDI has notes",
    measures.MUSIC21: "music21 makes MIDI of it",
    measures.RHYTHM: "Every bar as long as its meter",
    measures.ENDED: "Ended by its writer",
}
GREYS = ("#222222", "#666666", "#888888", "#aaaaaa")
DASHES = ("-", "--", "-.", ":")


def baselines(writing: pd.DataFrame) -> pd.DataFrame:
    """Real tunes, then n-grams by order."""
    rows = writing[writing["arch"].isna()]
    order = rows["writer"].str.extract(r"(\d+)$")[0].fillna("0").astype(int)
    return rows.assign(order=order).sort_values("order")


def name_of(writer: str) -> str:
    """What the legend calls a baseline."""
    return "real tunes" if writer == "real" else f"{writer.removeprefix('ngram')}-gram"


def lines(ax: Axes, writing: pd.DataFrame, column: str) -> None:
    """A level line for each baseline."""
    for (_, row), colour, dash in zip(baselines(writing).iterrows(), GREYS, DASHES, strict=False):
        ax.axhline(row[column], color=colour, linestyle=dash, linewidth=1, label=name_of(row["writer"]), zorder=1)


def pooled(rows: pd.DataFrame, rate: measures.Rate) -> pd.DataFrame:
    """A rate of each size over all its seeds, with the ends of its 95% interval."""
    known = rows[rows[rate.rate].notna()]
    n = known[rate.n].groupby(known["params_non_embedding"]).sum()
    count = (known[rate.rate] * known[rate.n]).groupby(known["params_non_embedding"]).sum().round()
    ends = np.array([wilson(int(k), int(m)) for k, m in zip(count, n, strict=True)]).reshape(-1, 2)
    return pd.DataFrame({"rate": count / n, "low": ends[:, 0], "high": ends[:, 1]})


def rate_panel(ax: Axes, writing: pd.DataFrame, rate: measures.Rate) -> None:
    """A rate of each size, with its interval."""
    models = writing[writing["arch"].notna()]
    archs = sorted(models["arch"].unique())
    lines(ax, writing, rate.rate)
    for arch in archs:
        style = style_of(arch, archs)
        sizes = pooled(models[models["arch"] == arch], rate)
        # The interval's ends can miss the rate by a rounding error, which a bar must not.
        bars = np.stack((sizes["rate"] - sizes["low"], sizes["high"] - sizes["rate"])).clip(0)
        ax.errorbar(
            sizes.index, sizes["rate"], yerr=bars, color=style["color"], marker=style["marker"], linestyle="none",
            markersize=4, capsize=2, elinewidth=0.8, label=heading(arch),
        )  # fmt: skip
    log_axis(ax, models["params_non_embedding"], PARAMS)
    ax.set_ylim(-0.02, 1.02)


def value_panel(ax: Axes, writing: pd.DataFrame, column: str) -> None:
    """A figure of each run, and its mean over seeds."""
    models = writing[writing["arch"].notna()]
    archs = sorted(models["arch"].unique())
    lines(ax, writing, column)
    for arch in archs:
        style = style_of(arch, archs)
        rows = models[models["arch"] == arch]
        ax.scatter(rows["params_non_embedding"], rows[column], s=9, facecolors="none", edgecolors=style["color"],
                   linewidths=0.6, marker=style["marker"])  # fmt: skip
        means = rows.groupby("params_non_embedding")[column].mean()
        ax.plot(means.index, means, color=style["color"], marker=style["marker"], linestyle="none", markersize=4,
                label=heading(arch))  # fmt: skip
    log_axis(ax, models["params_non_embedding"], PARAMS)


def finish(fig: Figure, axes: np.ndarray, writing: pd.DataFrame, empty: Axes | None = None) -> Figure:
    """Add a legend, in a panel that is ``empty`` or below all, and how many tunes everything is of."""
    drawn = writing[writing["arch"].notna()].groupby(["arch", "params_non_embedding"])["samples"].sum()
    others = baselines(writing)["samples"]
    handles, labels = axes.flat[0].get_legend_handles_labels()
    tight_within(fig, 0.04 if empty else 0.09, 1)
    if empty:
        empty.set_axis_off()
        empty.legend(handles, labels, loc="center")
    else:
        fig.legend(handles, labels, loc="lower center", ncols=len(labels), bbox_to_anchor=(0.5, 0.03))
    beside = f", lines over {others.min():.0f}" if len(others) else ""
    more = " or more" if drawn.max() > drawn.min() else ""
    said = f"Marks over {drawn.min():.0f}{more} tunes a size{beside}; error bars: 95% (Wilson); open marks: single runs"
    fig.text(0.5, 0.012, said, ha="center", fontsize=7.5)
    return fig


def unprompted(writing: pd.DataFrame) -> pd.DataFrame:
    """The rows of what was written without a prompt."""
    return writing[writing["prompt"].isna()]


def validity(writing: pd.DataFrame) -> Figure:
    """Rates of the steps of the ladder, seeds of a size pooled; and of bars, run by run, as tunes have many."""
    writing = unprompted(writing)
    fig, axes = plt.subplots(2, 4, figsize=(12, 6), sharey=True)
    *steps, last, empty = axes.flat
    for ax, (rate, title) in zip(steps, TITLES.items(), strict=True):
        rate_panel(ax, writing, rate)
        ax.set_title(title, loc="left", fontsize=10)
    value_panel(last, writing, measures.BARS_RIGHT.rate)
    last.set_title("Bars as long as their meter", loc="left", fontsize=10)
    last.set_ylabel("Share of bars")
    for ax in axes[:, 0]:
        ax.set_ylabel("Share of tunes")
    return finish(fig, axes, writing, empty)


def copying(writing: pd.DataFrame) -> Figure:
    """Does a larger model copy more?"""
    writing = unprompted(writing)
    fig, axes = plt.subplots(1, 3, figsize=(8.6, 3.7))
    rate_panel(axes[0], writing, measures.COPIED)
    axes[0].set_title("Copies: at least 0.85 similar", loc="left", fontsize=10)
    axes[0].set_ylabel("Share of tunes")
    value_panel(axes[1], writing.assign(likeness=1 - writing[measures.ORIGINALITY]), "likeness")
    axes[1].set_title("Nearest training tune, in any key", loc="left", fontsize=10)
    axes[1].set_ylabel("Similarity, median over tunes")
    value_panel(axes[2], writing, measures.LCS_SHARE)
    axes[2].set_title("Longest stretch in training", loc="left", fontsize=10)
    axes[2].set_ylabel("Share of the tune, median")
    for ax in axes[1:]:
        ax.set_ylim(0, 1.02)
    return finish(fig, axes, writing)
