"""Figures of losses: on the way through training, against FLOP, and by place in the tune."""

import matplotlib.pyplot as plt
import pandas as pd
from matplotlib.figure import Figure
from matplotlib.ticker import LogFormatterMathtext, LogLocator

from workflow.scripts.figures.look import log_axis, loss_axis, shaded_sizes, short, style_of, under_figure

PLACES = (
    "Farther in, a model has more of the tune before it, but the tunes that go on so far are others, and may be harder:"
    " compare models at one place. A Transformer sees its window at most; an LSTM carries its state from the start."
)


def loss_curves(curves: pd.DataFrame) -> Figure:
    archs = sorted(curves["arch"].unique())
    fig, axes = plt.subplots(1, len(archs), figsize=(3.4 * len(archs) + 0.4, 3.4), sharey=True, squeeze=False)
    for ax, arch in zip(axes[0], archs, strict=True):
        rows = curves[curves["arch"] == arch]
        for size, shade in shaded_sizes(rows):
            mine = rows[rows["params_non_embedding"] == size]
            for i, (_, run) in enumerate(mine.groupby(["model", "budget", "seed"])):
                label = f"N = {short(size)}" if i == 0 else None
                ax.plot(run["tokens"], run["val_loss"], color=shade, linewidth=1, label=label)
        log_axis(ax, curves["tokens"], "Training tokens")
        ax.set_title(arch.upper(), loc="left", fontsize=10)
        ax.legend(fontsize=7.5)
    loss_axis(axes[0][0], "Validation loss (nats a character)")
    fig.tight_layout()
    return fig


def loss_compute(runs: pd.DataFrame, curves: pd.DataFrame | None) -> Figure:
    fig, ax = plt.subplots(figsize=(5.6, 4))
    archs = sorted(runs["arch"].unique())
    for arch in archs:
        style = style_of(arch, archs)
        if curves is not None:
            for _, run in curves[curves["arch"] == arch].groupby(["model", "budget", "seed"]):
                ax.plot(run["flops"], run["val_loss"], color=style["color"], alpha=0.25, linewidth=0.7)
        rows = runs[runs["arch"] == arch]
        ax.errorbar(
            rows["flops"], rows["test_loss"], yerr=1.96 * rows["test_loss_se"], color=style["color"],
            marker=style["marker"], linestyle="none", markersize=4, capsize=2, elinewidth=0.8, label=arch.upper(),
        )  # fmt: skip
    log_axis(ax, runs["flops"] if curves is None else pd.concat([runs["flops"], curves["flops"]]), "Training FLOP")
    ax.xaxis.set_major_locator(LogLocator())
    ax.xaxis.set_major_formatter(LogFormatterMathtext())
    loss_axis(ax, "Loss (nats a character)")
    on_the_way = "" if curves is None else "; lines: validation on the way"
    ax.set_title(f"Marks: finished runs on the test split{on_the_way}", loc="left", fontsize=9)
    ax.legend()
    fig.tight_layout()
    return fig


def loss_places(strata: pd.DataFrame) -> Figure:
    """Loss by place in the tune, the mean over seeds, for each size."""
    strata = strata[strata["by"] == "position"]
    archs = sorted(strata["arch"].unique())
    fig, axes = plt.subplots(1, len(archs), figsize=(3.4 * len(archs) + 0.4, 3.6), sharey=True, squeeze=False)
    for ax, arch in zip(axes[0], archs, strict=True):
        rows = strata[strata["arch"] == arch]
        for size, shade in shaded_sizes(rows):
            means = rows[rows["params_non_embedding"] == size].groupby(["start", "stop"])["loss"].mean().reset_index()
            ax.stairs(means["loss"], [*means["start"] + 1, means["stop"].iloc[-1] + 1], color=shade, linewidth=1.2,
                      baseline=None, label=f"N = {short(size)}")  # fmt: skip
        log_axis(
            ax, pd.concat([strata["start"], strata["stop"]]) + 1, "Place in the tune (tokens from its start, from 1)"
        )
        ax.set_title(arch.upper(), loc="left", fontsize=10)
        ax.set_ylim(bottom=0)
        ax.legend(fontsize=7.5, loc="upper right")
    axes[0][0].set_ylabel("Test loss (nats a character)")
    under_figure(fig, [PLACES])
    return fig
