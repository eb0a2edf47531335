"""The figure of the ablations: what each setting loses or gains beside the base.

Needs the summary of the trials as collect_ablations writes it to ablations.json.
"""

import matplotlib.pyplot as plt
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from matplotlib.ticker import MaxNLocator

from workflow.scripts.figures.look import style_of
from workflow.scripts.figures.words import shortened, under_figure
from workflow.scripts.findings.headline import names_of

WIDTH, LABELS = 7.2, 2.8  # inches: of the figure, and of the words beside an axis
ROW, AROUND = 0.36, 0.75  # inches: of a setting, and of what each panel has above and below
NOTE = (
    "Validation loss of each setting at its own best rate, less that of the base. Bars: 95% over tunes,"
    " paired tune by tune; how far seeds differ is not in them."
)


def draw(summary: dict) -> Figure:
    """A panel a group, below each other: settings from the lowest loss down, with their differences to the base.

    Args:
        summary: as `evaluation.ablations.ablate` returns it.
    """
    margin, most_flops = -summary["better"]["difference_below"], summary["better"]["flops_relative_at_most"]
    groups = {group: [row for row in summary["settings"] if row["group"] == group] for group in summary["bases"]}
    names, counts = names_of(list(groups)), [len(rows) for rows in groups.values()]
    size = (WIDTH, ROW * sum(counts) + AROUND * len(counts))
    fig, axes = plt.subplots(len(counts), 1, figsize=size, squeeze=False, gridspec_kw={"height_ratios": counts})
    for ax, (group, rows) in zip(axes[:, 0], groups.items(), strict=True):
        panel(ax, rows, style_of(group, list(groups)), margin, most_flops)
        (base,) = (row for row in rows if row["model"] == summary["bases"][group])
        ax.set_title(f"{names[group]}: base {base['model']}, loss {base['best_loss']:.3f}", loc="left", fontsize=9.5)
    axes[-1, 0].set_xlabel("Difference to the base (nats a character)")
    handles = [
        Line2D([], [], color="#555555", marker="o", linestyle="none", label="best rate between two others"),
        Line2D([], [], color="#555555", marker="o", linestyle="none", markerfacecolor="white",
               label="best rate at an end of those tried"),
        Line2D([], [], color="#555555", linestyle=":", label=f"{margin:g} nats better"),
    ]  # fmt: skip
    under_figure(fig, [NOTE], handles=handles)
    return fig


def panel(ax: Axes, rows: list[dict], style: dict, margin: float, most_flops: float) -> None:
    """The settings of one group, the first above; the dotted line is ``margin`` nats below the base."""
    ax.axvline(0, color="#555555", linewidth=0.9)
    ax.axvline(-margin, color="#555555", linewidth=0.9, linestyle=":")
    for place, row in enumerate(rows):
        if row["difference_ci95"]:
            ax.plot(row["difference_ci95"], [place, place], color=style["color"], linewidth=1.4)
        face = style["color"] if row["bracketed"] else "white"
        ax.plot(row["difference"], place, style["marker"], color=style["color"], markerfacecolor=face, zorder=3)
    ax.set_yticks(range(len(rows)), labels=[label_of(row, most_flops) for row in rows])
    ax.set_ylim(len(rows) - 0.5, -0.5)
    ax.xaxis.set_major_locator(MaxNLocator(6, steps=[1, 2, 5, 10]))
    ax.grid(axis="y", visible=False)


def label_of(row: dict, most_flops: float) -> str:
    """The words of a setting, on two lines at most, with its FLOP where they are not about those of the base."""
    relative = row["flops_relative"]
    flops = f" (FLOP ×{relative:.3g})" if not 1 / most_flops <= relative <= most_flops else ""
    return shortened(row["setting"] + flops, LABELS, 9, 2)
