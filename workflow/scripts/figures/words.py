"""Words in and around a figure: measured, wrapped, cut where there is no room; and legends where they cover nothing."""

from bisect import bisect_right
from collections.abc import Sequence
from functools import cache

import matplotlib.pyplot as plt
import numpy as np
from matplotlib.artist import Artist
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.font_manager import findfont, get_font
from matplotlib.legend import Legend
from matplotlib.lines import Line2D

from workflow.scripts.figures.look import NOTE_COLOUR, SMALL, pixels, text_width, tight_within

FONT = "DejaVu Sans"
LINE = 1.29  # from one line of a note to the next, in its text sizes
WORDS_SHARE = 0.4  # of a figure's height that words under it may take
TITLE_LINES = 3
REST = "… (all of it in fit.json)"


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


def bounded(told: list[list[str]], most: int, inches: float, size: float) -> list[str]:
    """Lines of paragraphs, each a list of sentences: at most so many lines.

    Where there is no room for all, each paragraph keeps as many of its first sentences as any other, and it is said
    where the rest is.
    """

    def lines_of(kept: int) -> list[str]:
        cut = [sentences for sentences in told if len(sentences) > kept]
        lines = []
        for sentences in told:
            end = "" if len(sentences) <= kept else f" {REST}" if sentences is cut[-1] else " …"
            lines += wrapped(plain(" ".join(sentences[:kept]) + end), inches, size)
        return lines

    told = [list(sentences) for sentences in told if sentences]
    longest = max(map(len, told), default=0)
    if kept := bisect_right(range(1, longest + 1), most, key=lambda kept: len(lines_of(kept))):
        return lines_of(kept)
    lines: list[str] = []
    for sentences in told:
        more = wrapped(plain(sentences[0]), inches, size)
        if len(lines) + len(more) >= most:
            return [*lines, REST]
        lines += more
    return lines


def legend_in_a_corner(ax: Axes, handles: list[Line2D]) -> bool:
    """Put a legend into a corner of the axes where it covers nothing; whether there is such a corner.

    Needs axes that are as large as they will be.
    """
    places = np.concatenate(pixels(ax))
    for corner in ("upper right", "lower left", "upper left", "lower right"):
        legend = ax.legend(handles=handles, loc=corner, fontsize=SMALL / 9 * plt.rcParams["font.size"])
        box = legend.get_window_extent()
        if box.width < ax.bbox.width and box.height < ax.bbox.height and not box.count_contains(places):
            return True
        legend.remove()
    return False


def under_figure(
    fig: Figure, notes: list[str], title: str = "", told: Sequence[list[str]] = (), handles: Sequence[Artist] = ()
) -> None:
    """What a figure says above its axes and below them; it grows by that, and its axes stay as high as they are.

    Args:
        notes: sentences below all else, which are there whole.
        title: above all, on at most ``TITLE_LINES`` lines.
        told: paragraphs of sentences above the notes, of which there is as much as leaves most of the figure to its
            axes; see `bounded`.
        handles: of a legend right under the axes.
    """
    small, large = SMALL / 9 * plt.rcParams["font.size"], 1.2 * plt.rcParams["font.size"]
    line, inside, axes_height = LINE * small / 72, fig.get_figwidth() - 0.3, fig.get_figheight()
    title = shortened(title, inside, large, TITLE_LINES, "bold")
    above = 1.2 * large / 72 * (title.count("\n") + 1) + 0.03 if title else 0
    under = [row for note in notes for row in wrapped(plain(note), inside, small)]
    most = max(1, int(axes_height * WORDS_SHARE / (1 - WORDS_SHARE) / line) - len(under))
    words = [*bounded(list(told), most, inside, small), *under]
    legend = legend_under(fig, handles) if handles else None
    key = box_of(fig, legend)[1] if legend else 0
    below = line * len(words) + 0.06
    total = axes_height + above + key + below
    fig.set_figheight(total)
    tight_within(fig, (key + below) / total, 1 - above / total)
    if legend:
        legend.set_bbox_to_anchor((0.02, below / total), fig.transFigure)
    fig.text(
        0.15 / fig.get_figwidth(),
        0.05 / total,
        "\n".join(words),
        fontsize=small,
        va="bottom",
        linespacing=1.3,
        color=NOTE_COLOUR,
    )
    if title:
        fig.text(0.15 / fig.get_figwidth(), 1 - 0.08 / total, title, fontsize=large, fontweight="bold", va="top")


def legend_under(fig: Figure, handles: Sequence[Artist]) -> Legend:
    """A legend in as many columns as the figure's width has room for, at its lower left."""
    for columns in range(min(len(handles), 8), 0, -1):
        legend = fig.legend(
            handles=handles, loc="lower left", ncols=columns, fontsize=SMALL / 9 * plt.rcParams["font.size"]
        )
        if columns == 1 or box_of(fig, legend)[0] < fig.get_figwidth() - 0.3:
            break
        legend.remove()
    return legend


def box_of(fig: Figure, artist: Artist) -> tuple[float, float]:
    """Width and height of something on a figure, in inches."""
    box = artist.get_window_extent()
    return box.width / fig.dpi, box.height / fig.dpi
