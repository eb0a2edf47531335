"""Words in a figure: measured, wrapped, cut where there is no room; and legends where they cover nothing."""

from collections.abc import Sequence
from functools import cache

import numpy as np
from matplotlib.artist import Artist
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.font_manager import findfont, get_font
from matplotlib.legend import Legend
from matplotlib.lines import Line2D

from workflow.scripts.figures.look import pixels, small, text_width, tight_within

FONT = "DejaVu Sans"


@cache
def glyphs(family: str) -> frozenset[int]:
    """The code points that a font has."""
    return frozenset(get_font(findfont(family)).get_charmap())


def plain(text: str) -> str:
    """A text of the user's as it can be drawn: on one line, without formulas and letters that the font has not."""
    known = glyphs(FONT)
    text = "".join(letter if ord(letter) in known else "?" for letter in " ".join(text.split()))
    return (" " if text.startswith("_") else "") + text.replace("$", r"\$")


def heading(group: str) -> str:
    """The name of a group of runs as it is told: a key in capitals, a name that has capitals as it is."""
    return group.upper() if group.islower() else group


def wrapped(text: str, inches: float, size: float, weight: str = "normal") -> list[str]:
    """Lines of a text that are at most so many inches wide; a word wider than that is broken."""
    room, lines = 72 * inches, [""]
    for word in text.split():
        longer = f"{lines[-1]} {word}" if lines[-1] else word
        if text_width(longer, size, weight) <= room:
            lines[-1] = longer
            continue
        if lines[-1]:
            lines.append("")
        while (width := text_width(word, size, weight)) > room and len(word) > 1:
            cut = max(1, min(len(word) - 1, int(0.9 * len(word) * room / width)))
            lines[-1:], word = [word[:cut], ""], word[cut:]
        lines[-1] = word
    return lines


def shortened(text: str, inches: float, size: float, most: int = 1, weight: str = "normal") -> str:
    """A text on at most so many lines of at most so many inches, with … where it is cut."""
    lines = wrapped(plain(text), inches, size, weight)
    if len(lines) > most:
        last = lines[most - 1]
        while last and text_width(f"{last}…", size, weight) > 72 * inches:
            last = last[:-1]
        lines = [*lines[: most - 1], f"{last}…"]
    return "\n".join(lines)


def legend_in_a_corner(ax: Axes, handles: list[Line2D]) -> bool:
    """Put a legend into a corner of the axes where it covers nothing; whether there is such a corner.

    Needs axes that are as large as they will be.
    """
    places = np.concatenate(pixels(ax))
    for corner in ("upper right", "lower left", "upper left", "lower right"):
        legend = ax.legend(handles=handles, loc=corner, fontsize=small())
        box = legend.get_window_extent()
        if box.width < ax.bbox.width and box.height < ax.bbox.height and not box.count_contains(places):
            return True
        legend.remove()
    return False


def legend_below(fig: Figure, handles: Sequence[Artist]) -> None:
    """A legend under the axes of a figure, which grows by it, so that they stay as high as they are."""
    height = fig.get_figheight()
    legend = legend_under(fig, handles)
    key = box_of(fig, legend)[1] + 0.04
    fig.set_figheight(height + key)
    tight_within(fig, key / (height + key), 1)
    legend.set_bbox_to_anchor((0.02, 0.02 / (height + key)), fig.transFigure)


def legend_under(fig: Figure, handles: Sequence[Artist]) -> Legend:
    """A legend in as many columns as the figure's width has room for, at its lower left."""
    for columns in range(min(len(handles), 8), 0, -1):
        legend = fig.legend(handles=handles, loc="lower left", ncols=columns, fontsize=small())
        if columns == 1 or box_of(fig, legend)[0] < fig.get_figwidth() - 0.3:
            break
        legend.remove()
    return legend


def box_of(fig: Figure, artist: Artist) -> tuple[float, float]:
    """Width and height of something on a figure, in inches."""
    box = artist.get_window_extent()
    return box.width / fig.dpi, box.height / fig.dpi
