"""The figure of the learning rates: validation loss against rate, by width and by depth."""

import matplotlib.pyplot as plt
import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from workflow.scripts.figures.look import loss_axis, shades


def draw(trials: pd.DataFrame, summary: dict) -> Figure:
    """A column an architecture; above widths, below depths."""
    archs = summary["archs"]
    kinds = [kind for kind in ("width", "depth") if any(kind in moves for moves in archs.values())]
    fig, axes = plt.subplots(
        len(kinds), len(archs), figsize=(3.2 * len(archs) + 0.4, 2.9 * len(kinds) + 0.2), sharey=True, squeeze=False
    )
    for row, kind in zip(axes, kinds, strict=True):
        for ax, (arch, moves) in zip(row, archs.items(), strict=True):
            if kind not in moves:
                ax.set_axis_off()
                continue
            panel(ax, trials[trials["arch"] == arch], summary, arch, kind)
        loss_axis(row[0], "Validation loss (nats a character)")
    fig.tight_layout()
    return fig


def panel(ax: Axes, trials: pd.DataFrame, summary: dict, arch: str, kind: str) -> None:
    moves = summary["archs"][arch]
    line_of = moves[kind]
    models = {model["model"]: model for model in summary["models"]}
    for name, shade in zip(line_of["models"], shades(len(line_of["models"])), strict=True):
        rows, model = trials[trials["model"] == name].sort_values("learning_rate"), models[name]
        label = f"{model['n_layer']}×{model['n_embd']}"
        ax.plot(rows["learning_rate"], rows["val_loss"], ".-", color=shade, label=label)
        diverged = rows.loc[np.isinf(rows["val_loss"]), "learning_rate"]
        ax.plot(diverged, np.ones(len(diverged)), "x", color=shade, transform=ax.get_xaxis_transform(), clip_on=False)
        ax.plot(model["optimum"], model["best_loss"], "o", color=shade, markersize=7, fillstyle="none")
    ax.axvline(moves["rate_in_use"], color="#999999", linewidth=0.8, linestyle=":")
    ax.set_xscale("log")
    rates = sorted(trials["learning_rate"].unique())
    ax.set_xticks(rates, labels=[f"{rate:g}" for rate in rates], fontsize=7)
    ax.minorticks_off()
    ax.set_xlabel("Peak learning rate")
    factor = line_of["optimum_moves_by_factor"]
    ax.set_title(f"{arch.upper()}, {kind}: optimum ×{factor:.2f}", loc="left", fontsize=9.5)
    ax.legend(title="layers × width", fontsize=7.5, title_fontsize=7.5)
