"""What the panels of a corpus's figure share: colours, names and numbers as they can be drawn, titles and axes."""

import re

import matplotlib.pyplot as plt
from matplotlib.axes import Axes
from matplotlib.ticker import MaxNLocator

from workflow.scripts.figures.look import STYLES
from workflow.scripts.figures.words import FONT, glyphs

BLUE, ORANGE, GREEN, PINK = (colour for colour, _, _ in STYLES)
GREY, INK, PALE = "#555555", "#222222", "#b5b5b5"
TEXT, NOTE, MARK = 7.5, 7, 6.8  # points on a page: an axis, a legend, a word beside what it is about


def points(size: float) -> float:
    """A size of text on a page, in the figure that is being drawn."""
    return size / TEXT * plt.rcParams["font.size"]


def plain(text: str, limit: int) -> str:
    """A name as it can be drawn: on one line, of characters that the font has, and at most ``limit`` of them."""
    known = glyphs(FONT)
    text = "".join(c if c.isprintable() and ord(c) in known else "\ufffd" for c in " ".join(text.split()))
    text = re.sub("\ufffd+", "\ufffd", text)
    return text if len(text) <= limit else text[: limit - 1] + "…"


def percent(share: float) -> str:
    """0.214 -> 21%, 0.0123 -> 1.2%, 0.00004 -> <0.1%, 0.99999 -> >99.9%."""
    if 0.0995 <= share < 0.9945 or share == 1:
        return f"{share:.0%}"
    if 0 < share < 0.0005 or 0.9995 <= share < 1:
        return "<0.1%" if share < 0.5 else ">99.9%"
    return f"{share:.1%}"


def beside(
    ax: Axes,
    words: str,
    at: tuple[float, float],
    offset: tuple[float, float],
    *,
    xycoords: str | tuple[str, str] = "data",
    size: float = MARK,
    color: str = GREY,
    ha: str = "left",
    va: str = "center",
) -> None:
    """Small words, ``offset`` points from a place. The layout leaves no room for them: the panel has it."""
    note = ax.annotate(
        words,
        at,
        offset,
        xycoords=xycoords,
        textcoords="offset points",
        fontsize=points(size),
        color=color,
        ha=ha,
        va=va,
    )
    note.set_in_layout(False)


def right_of(ax: Axes, y: float, words: str, lift: float = 0) -> None:
    """Words right of a row, for which the layout leaves room."""
    ax.annotate(
        words, (1, y), (6, lift), xycoords=("axes fraction", "data"), textcoords="offset points", va="center",
        fontsize=points(NOTE), color=INK,
    )  # fmt: skip


def title(ax: Axes, words: str) -> None:
    """A panel's name."""
    ax.set_title(words, pad=4, color=INK)


def few(n: int, integer: bool = False) -> MaxNLocator:
    """At most ``n`` steps between ticks, at ones, twos and fives."""
    return MaxNLocator(n, steps=[1, 2, 5, 10], integer=integer)


def rows_axis(ax: Axes, labels: list[str], slots: int | None = None) -> None:
    """A y axis of names, the first on top; as high as ``slots`` of them."""
    ax.set_yticks(range(len(labels)), labels)
    ax.set_ylim((slots or len(labels)) - 0.4, -0.6)
    ax.tick_params(axis="y", length=0)
    ax.grid(False, axis="y")
    ax.spines["left"].set_visible(False)
