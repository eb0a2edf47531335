"""Figures of losses: on the way through training, against FLOP, and by place in the tune.

Needs the curves and strata of a study as read from curves.csv and strata.csv, and the runs as `tables.table` reads
them.
"""

import matplotlib.pyplot as plt
import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import LogFormatterMathtext, LogLocator

from workflow.scripts.base.amounts import short
from workflow.scripts.figures.look import (
    ERROR_BAR,
    SMALL,
    log_axis,
    loss_axis,
    shades,
    style_of,
)
from workflow.scripts.figures.words import under_figure

PANEL, MARGIN = 3.4, 0.4  # inches: width of an architecture's panel, and what the first one's axis takes more
RUN = ["model", "budget", "seed"]
CURVES = ("model", "arch", "params_non_embedding", "budget", "seed", "tokens", "flops", "val_loss")  # of curves.csv
STRATA = ("arch", "params_non_embedding", "by", "start", "stop", "loss")  # of strata.csv
PLACES = (
    "Farther in, a model has more of the tune before it, but the tunes that go on so far are others, and may be harder:"
    " compare models at one place. A Transformer sees its window at most; an LSTM carries its state from the start."
)


def panels(archs: list[str], height: float) -> tuple[Figure, np.ndarray]:
    """A figure with a panel for each architecture, side by side, on one scale of losses."""
    size = (PANEL * len(archs) + MARGIN, height)
    fig, axes = plt.subplots(1, len(archs), figsize=size, sharey=True, squeeze=False)
    return fig, axes[0]


def shaded_sizes(rows: pd.DataFrame) -> list[tuple[int, np.ndarray]]:
    """Each N in ``params_non_embedding``, ascending, with a shade that darkens with it."""
    sizes = sorted(rows["params_non_embedding"].unique())
    return list(zip(sizes, shades(len(sizes)), strict=True))


def loss_curves(curves: pd.DataFrame) -> Figure:
    """Validation loss (nats a character) over training tokens, a line a run, darker for a larger model.

    Args:
        curves: the columns CURVES, a row for each time that a run was validated on its way.
    """
    archs = sorted(curves["arch"].unique())
    fig, axes = panels(archs, 3.4)
    for ax, arch in zip(axes, archs, strict=True):
        rows = curves[curves["arch"] == arch]
        for size, shade in shaded_sizes(rows):
            mine = rows[rows["params_non_embedding"] == size]
            for i, (_, run) in enumerate(mine.groupby(RUN)):
                label = f"N = {short(size)}" if i == 0 else None
                ax.plot(run["tokens"], run["val_loss"], color=shade, linewidth=1, label=label)
        log_axis(ax, curves["tokens"], "Training tokens")
        ax.set_title(arch.upper(), loc="left", fontsize=10)
        ax.legend(fontsize=SMALL)
    loss_axis(axes[0], "Validation loss (nats a character)")
    fig.tight_layout()
    return fig


def loss_compute(table: pd.DataFrame, curves: pd.DataFrame | None) -> Figure:
    """Loss (nats a character) against training FLOP: runs at their end, and on their way where ``curves`` are given.

    Args:
        table: arch, flops, loss and loss_se (NaN without one) of each run, as `tables.table.read_table` names them.
        curves: as those of `loss_curves`.
    """
    fig, ax = plt.subplots(figsize=(5.6, 4))
    archs = sorted(table["arch"].unique())
    for arch in archs:
        style = style_of(arch, archs)
        if curves is not None:
            draw_ways(ax, curves[curves["arch"] == arch], style["color"])
        rows = table[table["arch"] == arch]
        ax.errorbar(
            rows["flops"], rows["loss"], yerr=ERROR_BAR * rows["loss_se"], color=style["color"],
            marker=style["marker"], linestyle="none", markersize=4, capsize=2, elinewidth=0.8, label=arch.upper(),
        )  # fmt: skip
    log_axis(ax, table["flops"] if curves is None else pd.concat([table["flops"], curves["flops"]]), "Training FLOP")
    ax.xaxis.set_major_locator(LogLocator())
    ax.xaxis.set_major_formatter(LogFormatterMathtext())
    loss_axis(ax, "Loss (nats a character)")
    on_the_way = "" if curves is None else "; lines: validation on the way"
    ax.set_title(f"Marks: finished runs on the test split{on_the_way}", loc="left", fontsize=9)
    ax.legend()
    fig.tight_layout()
    return fig


def draw_ways(ax: Axes, curves: pd.DataFrame, colour: str) -> None:
    """A faint line for each run."""
    for _, run in curves.groupby(RUN):
        ax.plot(run["flops"], run["val_loss"], color=colour, alpha=0.25, linewidth=0.7)


def loss_places(strata: pd.DataFrame) -> Figure:
    """Test loss (nats a character) by place in the tune, the mean over seeds, for each size.

    Args:
        strata: the columns STRATA. Where ``by`` is "position", a row has the loss of a run in a stretch of the tunes:
            from ``start`` up to but not with ``stop``, in tokens from the start of a tune.
    """
    strata = strata[strata["by"] == "position"]
    archs = sorted(strata["arch"].unique())
    fig, axes = panels(archs, 3.6)
    for ax, arch in zip(axes, archs, strict=True):
        rows = strata[strata["arch"] == arch]
        for size, shade in shaded_sizes(rows):
            means = rows[rows["params_non_embedding"] == size].groupby(["start", "stop"])["loss"].mean().reset_index()
            edges = [*means["start"] + 1, means["stop"].iloc[-1] + 1]  # from 1: the axis is logarithmic
            ax.stairs(means["loss"], edges, color=shade, linewidth=1.2, baseline=None, label=f"N = {short(size)}")
        log_axis(
            ax, pd.concat([strata["start"], strata["stop"]]) + 1, "Place in the tune (tokens from its start, from 1)"
        )
        ax.set_title(arch.upper(), loc="left", fontsize=10)
        ax.set_ylim(bottom=0)
        ax.legend(fontsize=SMALL, loc="upper right")
    axes[0].set_ylabel("Test loss (nats a character)")
    under_figure(fig, [PLACES])
    return fig
