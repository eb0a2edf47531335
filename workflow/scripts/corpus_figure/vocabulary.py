"""The panel of the vocabulary: every character at its rank and count, each its own mark."""

import unicodedata

import matplotlib.pyplot as plt
import numpy as np
from matplotlib.axes import Axes
from matplotlib.ticker import FuncFormatter, LogLocator, NullLocator

from workflow.scripts.base.amounts import short
from workflow.scripts.corpus_figure.panel import BLUE, INK, MARK, few, points, title
from workflow.scripts.figures.words import glyphs

MONO = "DejaVu Sans Mono"
LABELS = 29  # characters that find room on an inch at text of 7.5 points


def visible(char: str) -> str:
    """One character of the vocabulary as a mark on paper."""
    shown = {" ": "␣", "\n": "↵", "\t": "⇥"}.get(char, char)
    if any(map(unicodedata.combining, shown)):
        shown = "◌" + shown
    return shown if all(c.isprintable() and ord(c) in glyphs(MONO) for c in shown) else "\ufffd"


def vocabulary(ax: Axes, corpus: dict, letter: str) -> None:
    """Occurrences by rank, on a logarithmic axis; the characters alternate above and below the line."""
    rows = sorted(corpus["char_counts"].items(), key=lambda row: (-row[1], row[0]))
    counts = np.maximum([count for _, count in rows], 0.5)
    ranks = np.arange(1, len(rows) + 1)
    ax.plot(ranks, counts, color=BLUE, linewidth=0.9, marker=".", markersize=2.2, zorder=3)
    ax.set_yscale("log")
    figure = ax.get_figure(root=True)
    assert figure is not None
    every = -(-len(rows) // max(1, int(LABELS * figure.get_figwidth() * 7.5 / plt.rcParams["font.size"])))
    for i in range(0, len(rows), every):
        up = (i // every) % 2 == 0
        ax.annotate(
            visible(rows[i][0]), (ranks[i], counts[i]), (0, 4 if up else -4), textcoords="offset points", ha="center",
            va="bottom" if up else "top", fontsize=points(MARK), family=MONO, color=INK, zorder=4,
        )  # fmt: skip
    ax.set_xlim(-0.01 * len(rows), 1.01 * len(rows) + 1)
    room = max(4.0, (counts.max() / counts.min()) ** 0.22)  # for marks above and below
    ax.set_ylim(counts.min() / room, counts.max() * room)
    ax.grid(False, axis="x")
    ax.yaxis.set_major_locator(LogLocator(numticks=6))
    ax.yaxis.set_major_formatter(FuncFormatter(short))
    ax.yaxis.set_minor_locator(NullLocator())
    ax.xaxis.set_major_locator(few(10, integer=True))
    ax.set_xlabel("Rank of the character")
    ax.set_ylabel("Occurrences")
    title(ax, f"{letter}  Vocabulary")


def vocabulary_caption(corpus: dict, letter: str) -> str:
    """How many characters make up most of the text."""
    counts = np.array(sorted(corpus["char_counts"].values(), reverse=True), float)
    half, most = (characters_of(counts, share) for share in (0.5, 0.99))
    return (
        f"({letter}) Every character at its rank: half of the text is {half} of these {len(counts)} characters, 99% is"
        f" {most} of them. ␣ is a space, ↵ the end of a line."
    )


def characters_of(counts: np.ndarray, share: float) -> int:
    """How many of the commonest characters make up a share of the text."""
    return int(np.searchsorted(np.cumsum(counts), share * counts.sum())) + 1
