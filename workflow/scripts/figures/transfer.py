"""The figure of the learning rates: validation loss against rate, by width, by depth and by horizon.

Needs the table and the summary of the trials, as collect_transfer writes them to lr_transfer.csv and lr_transfer.json.
"""

import matplotlib.pyplot as plt
import numpy as np
import pandas as pd
from matplotlib.axes import Axes

from workflow.scripts.base.amounts import short
from workflow.scripts.figures.look import (
    MEDIUM,
    dots_a_point,
    even_shades,
    grid_of,
    loss_axis,
    page,
    small,
    text_width,
    thin,
)
from workflow.scripts.figures.save import Picture
from workflow.scripts.figures.words import heading

NARROW = 2.0  # inches of a panel with text of 9 points
CAPTION = (
    "Validation loss against peak learning rate for each architecture, over widths, depths and, where they were tried,"
    " budgets of tokens. Rings: optima between the trials; crosses at the top: rates that diverged; dotted:"
    " the rate in use. Losses in nats a character. A title says by what factor the optimum moves from the smallest to"
    " the largest; it has no interval."
)
KINDS = ("width", "depth", "horizon")  # what a panel varies, with all else the same
MOST_LEGEND = 0.6  # of the height of a panel


def draw(trials: pd.DataFrame, summary: dict, width: float = MEDIUM) -> Picture:
    """Widths first, then depths, and then one model at several horizons; where there is room a column an architecture.

    Args:
        trials: model, arch, tokens, learning_rate (its peak) and val_loss (nats a character; infinite if it diverged)
            of each.
        summary: as `evaluation.learning_rates.summarise` returns it.
        width: of the figure, in inches.
    """
    archs = summary["archs"]
    kinds = [kind for kind in KINDS if any(kind in moves for moves in archs.values())]
    with page(width) as scale:
        is_wide = width / scale >= NARROW * len(archs)
        cells = [(arch, kind) for kind in kinds for arch in archs if is_wide or kind in archs[arch]]
        fig, axes, each = grid_of(len(cells), width, scale, 3, NARROW, len(archs) if is_wide else 99)
        columns, drawn = round(width / each), []
        for ax, (arch, kind) in zip(axes, cells, strict=True):
            if kind not in archs[arch]:
                ax.set_axis_off()
                continue
            panel(ax, trials[trials["arch"] == arch], summary, arch, kind)
            loss_axis(ax)
            ax.set_ylabel("")
            drawn.append((ax, kind))
        for i, (ax, _) in enumerate(zip(axes, cells, strict=True)):
            before = axes[i - i % columns : i]
            if ax.axison and not any(other.axison for other in before):
                ax.set_ylabel("Validation loss")
        fig.tight_layout()
        for alike in (("width", "depth"), ("horizon",)):
            on_one_scale([ax for ax, kind in drawn if kind in alike])
        for ax, _ in drawn:
            thin_out(ax)
    return Picture(fig, CAPTION)


def on_one_scale(axes: list[Axes]) -> None:
    """Give panels the same limits, with room for legends above the curves. Needs axes that lie where they will stay."""
    if not axes:
        return
    legends = [ax.get_legend() for ax in axes]
    share = max(legend.get_window_extent().height for legend in legends if legend) / axes[0].bbox.height
    low, high = (pick(end for ax in axes for end in ax.get_ylim()) for pick in (min, max))
    for ax in axes:
        ax.set_ylim(low, low * (high / low) ** (1 / (1 - min(share, MOST_LEGEND))))


def thin_out(ax: Axes) -> None:
    """Leave names at as many of the learning rates as have room for them. Needs axes as wide as they will be."""
    size, room = small(), ax.bbox.width / dots_a_point(ax)
    names = [label.get_text() for label in ax.get_xticklabels()]
    step = next(step for step in range(1, len(names) + 1) if step == len(names) or
                sum(text_width(name, size) + size for name in names[::step]) < room)  # fmt: skip
    ax.set_xticks(ax.get_xticks(), labels=[name if i % step == 0 else "" for i, name in enumerate(names)])


def panel(ax: Axes, trials: pd.DataFrame, summary: dict, arch: str, kind: str) -> None:
    """The models of one architecture that differ in ``kind`` alone, each a line with its optimum circled.

    A cross at the upper edge is a trial that diverged; dotted lines are at the rates that the study uses.
    """
    moves = summary["archs"][arch]
    line_of = moves[kind]
    found = {(model["model"], model["tokens"]): model for model in summary["models"]}
    tried = list(zip(line_of["models"], line_of["tokens"], strict=True))
    for key, shade in zip(tried, even_shades(len(tried)), strict=True):
        name, tokens = key
        rows = trials[(trials["model"] == name) & (trials["tokens"] == tokens)].sort_values("learning_rate")
        label = short(tokens) if kind == "horizon" else shape(found[key])
        ax.plot(rows["learning_rate"], rows["val_loss"], ".-", color=shade, label=label, **thin(4, 1))
        diverged = rows.loc[np.isinf(rows["val_loss"]), "learning_rate"]
        if len(diverged):  # a line without points would be taken for one of no place by the layout
            top = np.ones(len(diverged))
            ax.plot(diverged, top, "x", color=shade, transform=ax.get_xaxis_transform(), clip_on=False)
        ax.plot(found[key]["optimum"], found[key]["best_loss"], "o", color=shade, fillstyle="none", **thin(6))
    for rate in {found[key]["rate_in_use"] for key in tried}:
        ax.axvline(rate, color="#777777", linewidth=0.8, linestyle=":")
    ax.set_xscale("log")
    rates = sorted(trials["learning_rate"].unique())
    ax.set_xticks(rates, labels=[f"{rate:g}" for rate in rates])
    ax.tick_params(axis="x", labelsize=small())
    ax.minorticks_off()
    ax.set_xlabel("Peak learning rate")
    factor = line_of["optimum_moves_by_factor"]
    ax.set_title(f"{heading(arch)}, {kind}:\noptimum ×{factor:.2f}", loc="left", fontsize=plt.rcParams["font.size"])
    legend = f"tokens, at {shape(found[tried[0]])}" if kind == "horizon" else "layers × width"
    if kind != "horizon" and trials["tokens"].nunique() > 1:
        legend += f"\nat {short(tried[0][1])} tokens"
    ax.legend(title=legend, fontsize=small(), title_fontsize=small(), labelspacing=0.25, loc="upper right")


def shape(model: dict) -> str:
    return f"{model['n_layer']}×{model['n_embd']}"
