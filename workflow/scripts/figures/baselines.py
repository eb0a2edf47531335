"""Level lines of what models are held against: real tunes and n-grams, each with its dash, and its name at the end.

Needs the losses of n-grams as `evaluation.ngram_loss` has them in baselines.csv, or the rows of writing.csv.
"""

from collections.abc import Sequence
from itertools import cycle
from typing import Literal, NamedTuple

import pandas as pd
from matplotlib.axes import Axes
from matplotlib.text import Annotation

from workflow.scripts.figures.look import dots_a_point, small, thin

INK = "#333333"
DASHES = ((0, (6, 2)), (0, (4, 1.5, 1, 1.5)), (0, (1, 1.5)), (0, (8, 2, 1, 2, 1, 2)))  # of n-grams, by order
REAL: Literal["-"] = "-"
ASIDE = 3  # points from the axes to a name


Dash = Literal["-"] | tuple[float, Sequence[float]]


class Level(NamedTuple):
    """A line across the axes."""

    value: float
    name: str
    dash: Dash


def ngram_levels(ngrams: pd.DataFrame | None) -> list[Level]:
    """The losses of n-grams, by order."""
    if ngrams is None:
        return []
    rows = ngrams.sort_values("order")
    return [Level(row.loss, f"{row.order}-gram", dash) for row, dash in zip(rows.itertuples(), cycle(DASHES))]


def draw_levels(ax: Axes, levels: Sequence[Level]) -> list[Annotation]:
    """Lines at the levels that are within the limits of the axes, which are set before; their names, for `spread`."""
    low, high = ax.get_ylim()
    names = []
    for value, name, dash in levels:
        if low <= value <= high:
            ax.axhline(value, color=INK, linestyle=dash, zorder=1, **thin(0, 0.9))
            names.append(
                ax.annotate(name, (1, value), (ASIDE, 0), xycoords=("axes fraction", "data"), va="center", color=INK,
                            textcoords="offset points", fontsize=small(), annotation_clip=False)
            )  # fmt: skip
    return names


def spread(names: Sequence[Annotation]) -> None:
    """Move names of one axes apart where they would overlap. Needs axes that lie where they will stay."""
    if not names:
        return
    ax = names[0].axes
    assert isinstance(ax, Axes)
    high, dot = 1.15 * small(), dots_a_point(ax)
    ranked = sorted(enumerate(names), key=lambda one: (one[1].xy[1], -one[0]))  # of equals the first is on top
    ordered = [name for _, name in ranked]
    at = ax.transData.transform([(1, name.xy[1]) for name in ordered])[:, 1] / dot
    places = at.copy()
    for i in range(1, len(places)):
        places[i] = max(places[i], places[i - 1] + high)
    limit = ax.bbox.y1 / dot
    for i in reversed(range(len(places))):
        places[i] = min(places[i], limit)
        limit = places[i] - high
    for name, shift in zip(ordered, places - at, strict=True):
        name.set_position((ASIDE, shift))
