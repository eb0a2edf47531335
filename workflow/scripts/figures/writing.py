"""Panels of what models write against their size, from writing.csv, with lines for real tunes and for n-grams."""

from itertools import cycle

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from matplotlib.text import Annotation

from workflow.scripts.base import measures
from workflow.scripts.figures.baselines import DASHES, INK, REAL, Dash, Level, draw_levels, spread
from workflow.scripts.figures.look import MEDIUM, grid_of, log_axis, page, small, style_of, thin
from workflow.scripts.figures.save import Picture
from workflow.scripts.figures.words import heading, legend_below, shortened
from workflow.scripts.findings.written import TITLES, beaten_by_ngrams, name_of, pooled, unprompted

PARAMS = "Parameters, N"
N_IS = "N: parameters outside the embedding."
NARROW = 1.9  # inches of a panel with text of 9 points


def baselines(writing: pd.DataFrame) -> pd.DataFrame:
    """Real tunes, then n-grams by order."""
    rows = writing[writing["arch"].isna()]
    order = rows["writer"].str.extract(r"(\d+)$")[0].fillna("0").astype(int)
    return rows.assign(order=order).sort_values("order")


def dashes_of(writing: pd.DataFrame) -> dict[str, Dash]:
    """The dash of each baseline by its writer, real tunes first."""
    dashes = cycle(DASHES)
    return {writer: REAL if writer == "real" else next(dashes) for writer in baselines(writing)["writer"]}


def levels(writing: pd.DataFrame, column: str) -> list[Level]:
    """A level for each baseline that has a value."""
    rows = baselines(writing)
    values, dashes = rows.drop_duplicates("writer").set_index("writer")[column], dashes_of(writing)
    return [
        Level(values[writer], short_name(writer), dash) for writer, dash in dashes.items() if pd.notna(values[writer])
    ]


def short_name(writer: str) -> str:
    """What stands at the end of a baseline's line."""
    return "real" if writer == "real" else writer.removeprefix("ngram")


def rate_panel(ax: Axes, writing: pd.DataFrame, rate: measures.Rate) -> list[Annotation]:
    """A rate of each size, with its interval; the names of the lines, for `spread`."""
    models = writing[writing["arch"].notna()]
    archs = sorted(models["arch"].unique())
    for arch in archs:
        style = style_of(arch, archs)
        sizes = pooled(models[models["arch"] == arch], rate)
        # The interval's ends can miss the rate by a rounding error, which a bar must not.
        bars = np.stack((sizes["rate"] - sizes["low"], sizes["high"] - sizes["rate"])).clip(0)
        ax.errorbar(
            sizes.index, sizes["rate"], yerr=bars, color=style["color"], marker=style["marker"], linestyle="none",
            capsize=1.5, elinewidth=0.8, label=heading(arch), markersize=thin(3.5)["markersize"],
        )  # fmt: skip
    log_axis(ax, models["params_non_embedding"], PARAMS)
    ax.set_ylim(-0.02, 1.02)
    return draw_levels(ax, levels(writing, rate.rate))


def value_panel(ax: Axes, writing: pd.DataFrame, column: str) -> list[Annotation]:
    """A figure of each run, and its mean over seeds; the names of the lines, for `spread`."""
    models = writing[writing["arch"].notna()]
    archs = sorted(models["arch"].unique())
    size = thin(3.5)["markersize"]
    for arch in archs:
        style = style_of(arch, archs)
        rows = models[models["arch"] == arch]
        ax.scatter(rows["params_non_embedding"], rows[column], s=(0.8 * size) ** 2, facecolors="none",
                   edgecolors=style["color"], linewidths=0.6, marker=style["marker"])  # fmt: skip
        means = rows.groupby("params_non_embedding")[column].mean()
        ax.plot(means.index, means, color=style["color"], marker=style["marker"], linestyle="none", markersize=size,
                label=heading(arch))  # fmt: skip
    log_axis(ax, models["params_non_embedding"], PARAMS)
    ax.set_ylim(-0.02, 1.02)
    return draw_levels(ax, levels(writing, column))


def key(writing: pd.DataFrame) -> list[Line2D]:
    """Entries of the legend: architectures, real tunes and n-grams."""
    models = writing[writing["arch"].notna()]
    archs = sorted(models["arch"].unique())
    handles = [Line2D([], [], label=heading(arch), **style_of(arch, archs) | {"linestyle": "none"}) for arch in archs]
    handles += [
        Line2D([], [], color=INK, linestyle=dash, label=name_of(writer), **thin(0, 0.9))
        for writer, dash in dashes_of(writing).items()
    ]
    return handles


def counts_sentence(writing: pd.DataFrame) -> str:
    """Of how many tunes everything is."""
    drawn = writing[writing["arch"].notna()].groupby(["arch", "params_non_embedding"])["samples"].sum()
    others = baselines(writing)["samples"]
    beside = f", lines over {others.min():.0f}" if len(others) else ""
    more = " or more" if drawn.max() > drawn.min() else ""
    return f"Marks over {drawn.min():.0f}{more} tunes a size{beside}."


def finish(fig: Figure, axes: list[Axes], names: list[list[Annotation]], writing: pd.DataFrame) -> None:
    """Add the legend, in a panel that is empty or below all, and set the names of lines apart."""
    handles = key(writing)
    free = [ax for ax in fig.axes if ax not in axes]
    if free:
        fig.tight_layout()
        free[0].legend(handles=handles, loc="center left", fontsize=small())
    else:
        legend_below(fig, handles)
    for of_panel in names:
        spread(of_panel)


def titled(ax: Axes, title: str, room: float) -> None:
    """A panel's name on at most two lines."""
    ax.set_title(shortened(title, room, small(), 2), loc="left", fontsize=small())


def validity(writing: pd.DataFrame, width: float = MEDIUM) -> Picture:
    """Rates of the steps of the ladder, seeds of a size pooled; and of bars, run by run, as tunes have many."""
    own = unprompted(writing)
    with page(width) as scale:
        fig, axes, each = grid_of(len(TITLES) + 1, width, scale, titles=2, narrowest=NARROW)
        columns = round(width / each)
        names = [rate_panel(ax, own, rate) for ax, rate in zip(axes, TITLES, strict=False)]
        names.append(value_panel(axes[-1], own, measures.BARS_RIGHT.rate))
        for i, (ax, title) in enumerate(zip(axes, (*TITLES.values(), "Bars as long as their meter"), strict=True)):
            titled(ax, title, each - 0.5 * scale)
            ax.set_ylabel("Share of bars" if ax is axes[-1] else "Share of tunes" if i % columns == 0 else "")
        finish(fig, axes, names, own)
    said = [
        "Shares of tunes that pass each check, with 95% (Wilson), seeds of a size together; and the share of all their"
        " bars that are as long as the meter says, with open marks for single runs. A tune that was cut at the longest"
        " is judged up to its last whole bar. Lines: real tunes of the test split and n-grams.",
        N_IS, counts_sentence(own), beaten_by_ngrams(writing),
    ]  # fmt: skip
    return Picture(fig, " ".join(filter(None, said)))


def copying(writing: pd.DataFrame, width: float = MEDIUM) -> Picture:
    """Does a larger model copy more?"""
    own = unprompted(writing)
    with page(width) as scale:
        fig, axes, each = grid_of(3, width, scale, titles=2, narrowest=NARROW)
        names = [
            rate_panel(axes[0], own, measures.COPIED),
            value_panel(axes[1], own.assign(likeness=1 - own[measures.ORIGINALITY]), "likeness"),
            value_panel(axes[2], own, measures.LCS_SHARE),
        ]
        titles = ("Share of tunes that are copies", "Similarity to the nearest in any key", "Longest stretch copied")
        for ax, title in zip(axes, titles, strict=True):
            titled(ax, title, each - 0.5 * scale)
        finish(fig, axes, names, own)
    said = (
        "How near generated tunes are to training tunes. Copies: at least 0.85 similar to one, in any key, with 95%"
        " (Wilson), seeds of a size together. Similarity to the nearest training tune in any key, and the share of a"
        " tune that its longest stretch of a training tune makes up: medians over tunes, with open marks for single"
        " runs. Lines: real tunes of the test split and n-grams."
    )
    return Picture(fig, f"{said} {N_IS} {counts_sentence(own)}")
