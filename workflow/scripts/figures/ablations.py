"""The figure of the ablations: what each setting loses or gains beside the base.

Needs the summary of the trials as collect_ablations writes it to ablations.json.
"""

import matplotlib.pyplot as plt
from matplotlib.axes import Axes
from matplotlib.lines import Line2D
from matplotlib.ticker import MaxNLocator

from workflow.scripts.figures.look import MEDIUM, page, small, style_of, thin
from workflow.scripts.figures.save import Picture
from workflow.scripts.figures.words import legend_below, shortened
from workflow.scripts.findings.headline import names_of

LABELS = 0.4  # of the figure's width: the words beside an axis
ROW, AROUND = 0.36, 0.75  # inches, at text of 9 points: of a setting, and of what each panel has above and below
CAPTION = (
    "Validation loss of each setting at its own best rate, less that of the base. Bars: 95% over tunes,"
    " paired tune by tune; how far seeds differ is not in them."
)


def draw(summary: dict, width: float = MEDIUM) -> Picture:
    """A panel a group, below each other: settings from the lowest loss down, with their differences to the base.

    Args:
        summary: as `evaluation.ablations.ablate` returns it.
        width: of the figure, in inches.
    """
    margin, most_flops = -summary["better"]["difference_below"], summary["better"]["flops_relative_at_most"]
    groups = {group: [row for row in summary["settings"] if row["group"] == group] for group in summary["bases"]}
    names, counts = names_of(list(groups)), [len(rows) for rows in groups.values()]
    with page(width) as scale:
        size = (width, scale * (ROW * sum(counts) + AROUND * len(counts)))
        fig, axes = plt.subplots(len(counts), 1, figsize=size, squeeze=False, gridspec_kw={"height_ratios": counts})
        for ax, (group, rows) in zip(axes[:, 0], groups.items(), strict=True):
            panel(ax, rows, style_of(group, list(groups)), margin)
            labels = [label_of(row, most_flops, LABELS * width) for row in rows]
            ax.set_yticks(range(len(rows)), labels=labels, fontsize=small())
            (base,) = (row for row in rows if row["model"] == summary["bases"][group])
            title = f"{names[group]}: base {base['model']}, loss {base['best_loss']:.3f}"
            ax.set_title(title, loc="right", fontsize=9 * scale)
        axes[-1, 0].set_xlabel("Difference to the base (nats a character)", loc="right")
        grey: dict = {"color": "#555555", "linestyle": "none", "marker": "o"} | thin(5)
        rows = [row for own in groups.values() for row in own]
        handles = [Line2D([], [], **grey, label="best rate between two others")]
        if not all(row["bracketed"] for row in rows):
            handles.append(Line2D([], [], **grey, markerfacecolor="white", label="best rate at an end of those tried"))
        handles.append(Line2D([], [], color="#555555", linestyle=":", label=f"{margin:g} nats better", **thin(0)))
        legend_below(fig, handles)
    return Picture(fig, CAPTION)


def panel(ax: Axes, rows: list[dict], style: dict, margin: float) -> None:
    """The settings of one group, the first above; the dotted line is ``margin`` nats below the base."""
    ax.axvline(0, color="#555555", linewidth=0.9)
    ax.axvline(-margin, color="#555555", linewidth=0.9, linestyle=":")
    for place, row in enumerate(rows):
        if row["difference_ci95"]:
            ax.plot(row["difference_ci95"], [place, place], color=style["color"], **thin(0, 1.4))
        face = style["color"] if row["bracketed"] else "white"
        ax.plot(row["difference"], place, style["marker"], color=style["color"], markerfacecolor=face, zorder=3)
    ax.set_ylim(len(rows) - 0.5, -0.5)
    ax.xaxis.set_major_locator(MaxNLocator(4, steps=[1, 2, 5, 10]))
    ax.grid(axis="y", visible=False)


def label_of(row: dict, most_flops: float, room: float) -> str:
    """The words of a setting, on two lines at most of so many inches, with its FLOP where they are not the base's."""
    relative = row["flops_relative"]
    flops = f" (FLOP ×{relative:.3g})" if not 1 / most_flops <= relative <= most_flops else ""
    return shortened(row["setting"] + flops, room, small(), 2)
