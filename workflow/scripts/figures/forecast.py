"""The figure of a registered forecast: the runs that it rests on, what it says of larger ones, and what came of them.

Needs the table of the runs that laws were fitted to as `tables.table.read_table` gives it, the contents of fit.json,
and the forecasts as `findings.headline` has them.
"""

from collections.abc import Mapping, Sequence

import matplotlib.pyplot as plt
import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.colors import to_rgba
from matplotlib.lines import Line2D

from workflow.scripts.figures.baselines import draw_levels, ngram_levels, spread
from workflow.scripts.figures.look import (
    MEDIUM,
    NOTE_COLOUR,
    draw_interval,
    finite,
    flop_axis,
    loss_axis,
    page,
    small,
    style_of,
    thin,
)
from workflow.scripts.figures.save import Picture
from workflow.scripts.figures.surface import HALO, LOSS
from workflow.scripts.figures.words import legend_below
from workflow.scripts.findings.crossings import OF_N_AND_D, best_loss
from workflow.scripts.findings.headline import Headline, Told, measured, names_of, sentence
from workflow.scripts.findings.ngram_losses import ngram_sentence
from workflow.scripts.findings.words import LAWS

HEIGHT = 0.62  # of the figure's width, before the legend; in a column it is higher
BESIDE = 1.5  # factor between the marks of two architectures at one place, so that both are seen
OUTCOME = 1.09  # factor from a forecast to its outcome, away from the other architecture's
FIRST = 1.13  # and to an earlier forecast of it, towards that
PALE = 0.4  # how opaque that is drawn
BAR = 0.05  # of the height of the axes: where the interval of a crossing is drawn
NEAR = 1.5  # FLOP within this factor are one place
PLACES = 200
SHADE = "#f1f1ee"
NOT_YET = "not run yet"
NOTE = (
    "Open marks: test loss of the runs of the fit. Lines: the lowest loss for the FLOP by {laws}, fitted to these runs"
    " alone. A forecast is of one run of a given size and tokens, which need not be the best ones for its FLOP."
    " Forecasts of as many FLOP are drawn a little apart."
)
CROSSED = " Black: where the lines cross, and 95% of that over draws of runs and laws."
ERROR = (
    " Per cent: forecast / outcome - 1, of the first forecast and, after an arrow, of one made again from more runs;"
    " each is inside its interval unless it says otherwise."
)
AGAIN = " Pale: the first forecast of a run that was forecast again."


def draw(
    table: pd.DataFrame,
    groups: Mapping,
    head: Headline,
    crossing: Mapping | None = None,
    width: float = MEDIUM,
    ngrams: pd.DataFrame | None = None,
) -> Picture:
    """The figure, with what is known: before a run is measured it says so.

    Args:
        groups: of fit.json.
        crossing: ``flops`` of `findings.crossings.crossings`, if the figure is of two architectures.
        width: of the figure, in inches.
        ngrams: losses of n-grams, as baselines.csv has them.
    """
    with page(width) as scale:
        return drawn(table, groups, head, crossing, (width, max(HEIGHT * width, 2.9 * scale)), ngrams)


def drawn(
    table: pd.DataFrame, groups: Mapping, head: Headline, crossing: Mapping | None, size: tuple[float, float],
    ngrams: pd.DataFrame | None,
) -> Picture:  # fmt: skip
    """What `draw` draws, on a page of its width."""
    archs = sorted({target.arch for target in head.targets}) or sorted(table["arch"].unique())
    rows = {arch: table[table["arch"] == arch] for arch in archs}
    names, lines = names_of(archs), frontiers(rows, groups, head)
    fig, ax = plt.subplots(figsize=size)
    places = places_of(head.targets, archs)
    flop_axis(ax, pd.concat([*(own["flops"] for own in rows.values()), pd.Series(list(places.values()))]))
    ax.set_xlim(right=ax.get_xlim()[1] * 2.6)
    ax.set_ylim(limits(rows, [*head.targets, *head.first]))
    loss_axis(ax, LOSS)
    shade_beyond(ax, max(own["flops"].max() for own in rows.values()), head)
    for arch in archs:
        style = style_of(arch, archs)
        own = rows[arch]
        ax.plot(own["flops"], own["loss"], style["marker"], color=style["color"], markerfacecolor="none", alpha=0.75,
                markeredgewidth=0.8, **thin(3.5))  # fmt: skip
        if arch in lines:
            ax.plot(*lines[arch][1:], color=style["color"], linestyle=style["linestyle"], zorder=2, **thin(0, 1.4))
        elif told := [(target.flops, target.loss) for target in head.targets if target.arch == arch]:
            ax.plot(*zip(*told, strict=True), color=style["color"], linestyle=":", zorder=2, **thin(0, 1))
    for target, first in zip(head.targets, head.earliest, strict=True):
        colour, place = style_of(target.arch, archs)["color"], places[target]
        outwards = 1 if place >= target.flops else -1
        draw_interval(ax, place, target.loss, target.pi95, colour, "D")
        if first != target:
            draw_interval(ax, place / FIRST**outwards, first.loss, first.pi95, to_rgba(colour, PALE), "D")
        if target.observed is not None:
            ax.plot(place * OUTCOME**outwards, target.observed, "*", color=colour, markeredgecolor="black",
                    markeredgewidth=0.6, zorder=7, **thin(9.5))  # fmt: skip
    name_targets(ax, head, places, archs)
    crossed = bool(crossing) and draw_crossing(ax, crossing or {}, lines)
    laws = dict.fromkeys(LAWS[name] for name, *_ in lines.values())
    note = NOTE.format(laws=" and ".join(laws)) if laws else NOTE.split(". Lines:")[0] + "."
    note += ERROR if any(target.error is not None for target in head.targets) else ""
    note += (CROSSED if crossed else "") + (AGAIN if head.first else "")
    levels = draw_levels(ax, ngram_levels(ngrams))
    legend_below(fig, key(archs, names, head.targets))
    spread(levels)
    said = [f"{sentence(head, by_arch=False)}.", note, ngram_sentence(ngrams)]
    return Picture(fig, " ".join(filter(None, said)))


def frontiers(rows: Mapping[str, pd.DataFrame], groups: Mapping, head: Headline) -> dict[str, tuple]:
    """(law, FLOP, lowest loss) of each architecture, by the law that its largest forecast is told by.

    There is none of one whose law fit.json has not.
    """
    found = {}
    most = max([target.flops for target in head.targets], default=0)
    for target in head.targets:  # ascending, so that the largest is the last
        law, own = groups.get(target.arch, {}).get(target.law), rows[target.arch]
        if law and target.law in OF_N_AND_D:
            flops = np.geomspace(own["flops"].min(), 1.3 * max(most, own["flops"].max()), PLACES)
            found[target.arch] = (target.law, flops, best_loss(law, own, flops))
    return found


def places_of(targets: Sequence[Told], archs: list[str]) -> dict[Told, float]:
    """Where on the axis of FLOP each target is drawn: where it is, or a little beside others of as many FLOP."""
    middle = (len(archs) - 1) / 2
    return {target: target.flops * BESIDE ** (archs.index(target.arch) - middle) for target in targets}


def limits(rows: Mapping[str, pd.DataFrame], targets: Sequence[Told]) -> tuple[float, float]:
    """Of the axis of losses: all marks, and intervals as far as they leave half of it to these."""
    marks = [*(loss for own in rows.values() for loss in own["loss"]), *(target.loss for target in targets)]
    marks += finite(target.observed for target in targets)
    ends = finite(end for target in targets for end in target.pi95)
    low, high = np.log(min(marks)), np.log(max(marks))
    span = max(high - low, 1e-3)
    bottom = max(min([low, *np.log(ends)]), low - 0.6 * span)
    top = min(max([high, *np.log(ends)]), high + 0.3 * span)
    return float(np.exp(bottom - 0.22 * span)), float(np.exp(top + 0.06 * span))


def shade_beyond(ax: Axes, flops: float, head: Headline) -> None:
    """The part of the axes that no run of the fit is in, and when what is in it was put on record."""
    if head.targets:
        ax.axvspan(flops * 1.12, ax.get_xlim()[1], color=SHADE, zorder=0, linewidth=0)
        said = ["forecast", f"registered {head.made}", *([f"commit {head.commit}"] if head.commit else [])]
        ax.text(0.985, 0.975, "\n".join(said), ha="right", va="top", fontsize=small(), color=NOTE_COLOUR,
                transform=ax.transAxes, linespacing=1.3, path_effects=HALO)  # fmt: skip


def name_targets(ax: Axes, head: Headline, places: Mapping[Told, float], archs: list[str]) -> None:
    """What came of each target: of those at one place the highest's words are above its interval, the others' below."""
    left, firsts = list(head.targets), dict(zip(head.targets, head.earliest, strict=True))
    low, high = ax.get_ylim()
    while left:
        here = [target for target in left if target.flops < NEAR * left[0].flops]
        left = [target for target in left if target not in here]
        here.sort(key=lambda target: -target.loss)
        ends = [[*target.pi95, *firsts[target].pi95, target.loss, target.observed] for target in here]
        seen = [np.clip(finite(each), low, high) for each in ends]
        top, bottom = max(map(np.max, seen)), min(map(np.min, seen))
        below = 0
        for i, target in enumerate(here):
            up = i == 0 and len(here) > 1
            offset = 5 if up else -5 - 1.25 * small() * below
            said = words(target, firsts[target])
            below += 0 if up else 1 + said.count("\n")
            ax.annotate(said, (places[target], top if up else bottom), (0, offset), textcoords="offset points",
                        ha="center", va="bottom" if up else "top", fontsize=small(), zorder=8, path_effects=HALO,
                        color=style_of(target.arch, archs)["color"])  # fmt: skip


def words(target: Told, first: Told) -> str:
    """How far a forecast was off, and the first one of that run."""
    if target.error is None:
        return NOT_YET
    told = f"{target.error:+.1%}" + ("" if target.inside else " (outside)")
    return told if first == target else f"{words(first, first)}\n→ {told}"


def draw_crossing(ax: Axes, crossing: Mapping, lines: Mapping[str, tuple]) -> bool:
    """A bar along the bottom below where the lines cross; whether there is one in what is drawn."""
    at = crossing["at"]
    left, right = ax.get_xlim()
    if at is None or not left < at < right or not lines:
        return False
    loss = float(np.mean([np.interp(np.log(at), np.log(flops), losses) for _, flops, losses in lines.values()]))
    ax.plot([at, at], [ax.get_ylim()[0], loss], color="black", linestyle=":", zorder=1, **thin(0, 0.8))
    low: dict = {"color": "black", "zorder": 4, "transform": ax.get_xaxis_transform()}
    for end, edge, arrow in zip(crossing["ci95"], (left * 1.02, right / 1.02), "<>", strict=True):
        inside = end is not None and left < end < right
        stop = end if inside else edge
        ax.plot([at, stop], [BAR, BAR], **low, **thin(0, 1.2))
        ax.plot(stop, BAR, marker="|" if inside else arrow, **low, **thin(6 if inside else 4))
    ax.plot(at, BAR, marker="x", **low, **thin(5))
    ax.text(at, BAR + 0.025, "the lines cross  ", ha="right", va="bottom", fontsize=small(), path_effects=HALO,
            transform=ax.get_xaxis_transform())  # fmt: skip
    return True


def key(archs: list[str], names: Mapping[str, str], targets: Sequence[Told]) -> list[Line2D]:
    """Entries of the legend."""
    handles = []
    for arch in archs:
        style = style_of(arch, archs)
        handles.append(Line2D([], [], **style, markerfacecolor="none", label=names[arch], **thin(4, 1.4)))
    grey: dict = {"color": NOTE_COLOUR, "linestyle": "none"}
    if targets:
        handles.append(Line2D([], [], **grey, marker="D", markerfacecolor="white", label="forecast, 95% interval",
                              **thin(5)))  # fmt: skip
    if measured(targets):
        handles.append(Line2D([], [], **grey, marker="*", label="outcome", **thin(10)))
    return handles
