"""The figure of the learning rates: validation loss against rate, by width, by depth and by horizon.

Needs the table and the summary of the trials, as collect_transfer writes them to lr_transfer.csv and lr_transfer.json.
"""

import matplotlib.pyplot as plt
import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from workflow.scripts.base.amounts import short
from workflow.scripts.figures.look import SMALL, loss_axis, shades

KINDS = ("width", "depth", "horizon")  # what a row of panels varies, with all else the same
LEGEND_ROOM = 0.45  # above the curves, as a share of the axis


def draw(trials: pd.DataFrame, summary: dict) -> Figure:
    """A column an architecture; above widths, below depths, and then one model at several horizons.

    Args:
        trials: model, arch, tokens, learning_rate (its peak) and val_loss (nats a character; infinite if it diverged)
            of each.
        summary: as `evaluation.learning_rates.summarise` returns it.
    """
    archs = summary["archs"]
    kinds = [kind for kind in KINDS if any(kind in moves for moves in archs.values())]
    size = (3.2 * len(archs) + 0.4, 2.9 * len(kinds) + 0.2)
    fig, axes = plt.subplots(len(kinds), len(archs), figsize=size, sharey="row", squeeze=False)
    for row, kind in zip(axes, kinds, strict=True):
        first = None  # of the row's panels, which has the numbers of all
        for ax, (arch, moves) in zip(row, archs.items(), strict=True):
            if kind not in moves:
                ax.set_axis_off()
                continue
            panel(ax, trials[trials["arch"] == arch], summary, arch, kind)
            first = first or ax
        assert first  # as `kinds` are
        loss_axis(first)
        low, high = first.get_ylim()
        first.set_ylim(low, high * (high / low) ** LEGEND_ROOM)
        first.set_ylabel("Validation loss (nats a character)")  # whatever column it is in
        first.tick_params(axis="y", labelleft=True)
    if kinds[:2] == ["width", "depth"]:
        ends = [end for row in axes[:2] for end in row[0].get_ylim()]
        for row in axes[:2]:
            row[0].set_ylim(min(ends), max(ends))
    fig.tight_layout()
    return fig


def panel(ax: Axes, trials: pd.DataFrame, summary: dict, arch: str, kind: str) -> None:
    """The models of one architecture that differ in ``kind`` alone, each a line with its optimum circled.

    A cross at the upper edge is a trial that diverged; dotted lines are at the rates that the study uses.
    """
    moves = summary["archs"][arch]
    line_of = moves[kind]
    found = {(model["model"], model["tokens"]): model for model in summary["models"]}
    tried = list(zip(line_of["models"], line_of["tokens"], strict=True))
    for key, shade in zip(tried, shades(len(tried)), strict=True):
        name, tokens = key
        rows = trials[(trials["model"] == name) & (trials["tokens"] == tokens)].sort_values("learning_rate")
        label = short(tokens) if kind == "horizon" else shape(found[key])
        ax.plot(rows["learning_rate"], rows["val_loss"], ".-", color=shade, label=label)
        diverged = rows.loc[np.isinf(rows["val_loss"]), "learning_rate"]
        if len(diverged):  # a line without points would be taken for one of no place by the layout
            top = np.ones(len(diverged))
            ax.plot(diverged, top, "x", color=shade, transform=ax.get_xaxis_transform(), clip_on=False)
        ax.plot(found[key]["optimum"], found[key]["best_loss"], "o", color=shade, markersize=7, fillstyle="none")
    for rate in {found[key]["rate_in_use"] for key in tried}:
        ax.axvline(rate, color="#999999", linewidth=0.8, linestyle=":")
    ax.set_xscale("log")
    rates = sorted(trials["learning_rate"].unique())
    ax.set_xticks(rates, labels=[f"{rate:g}" for rate in rates], fontsize=7)
    ax.minorticks_off()
    ax.set_xlabel("Peak learning rate")
    factor = line_of["optimum_moves_by_factor"]
    ax.set_title(f"{arch.upper()}, {kind}: optimum ×{factor:.2f}", loc="left", fontsize=9.5)
    legend = f"tokens, at {shape(found[tried[0]])}" if kind == "horizon" else "layers × width"
    if kind != "horizon" and trials["tokens"].nunique() > 1:
        legend += f"\nat {short(tried[0][1])} tokens"
    ax.legend(title=legend, fontsize=SMALL, title_fontsize=SMALL, loc="upper right")


def shape(model: dict) -> str:
    return f"{model['n_layer']}×{model['n_embd']}"
