"""The panels of a tune's shape: how long tunes are, and how few bits a character zstd packs each into."""

import numpy as np
from matplotlib.axes import Axes
from matplotlib.ticker import FuncFormatter, LogLocator, NullFormatter, NullLocator

from workflow.scripts.base.amounts import short
from workflow.scripts.corpus_figure.panel import BLUE, GREEN, INK, NOTE, ORANGE, beside, few, percent, title

WIDE = 3000  # a longest tune so many times as long as the shortest, from which on only powers of ten are named


def lengths(ax: Axes, corpus: dict) -> None:
    """Tunes by their characters, on a logarithmic axis."""
    table = corpus["audit"]["length"]
    histogram(ax, table["histogram"], BLUE)
    ax.set_xscale("log")
    low, high = ax.get_xlim()
    wide = high / low > WIDE
    ax.xaxis.set_major_locator(LogLocator(subs=(1,) if wide else (1, 2, 5)))
    ax.xaxis.set_minor_locator(LogLocator(subs=range(2, 10)) if wide else NullLocator())
    ax.xaxis.set_major_formatter(FuncFormatter(short))
    ax.xaxis.set_minor_formatter(NullFormatter())
    ax.set_xlabel("Characters in a tune")
    line_at(ax, table["50%"], f"median {table['50%']:,.0f}", "-")
    share, longest = corpus["audit"]["share_of_text_in_largest_1_percent"], max(1, int(corpus["tunes"]) // 100)
    who = f"The longest 1% of tunes ({longest:,}) hold" if longest > 1 else "The longest tune holds"
    title(ax, "b  Length of a tune", f"{who} {percent(share)} of the text.")


def compressibility(ax: Axes, corpus: dict) -> None:
    """Tunes by their bits a character, each compressed by itself, beside those of all text together."""
    audit = corpus["audit"]
    table = audit["zstd_bits_per_char_of_a_tune"]
    histogram(ax, table["histogram"], GREEN)
    low, high = ax.get_xlim()
    whole, middle = audit["zstd_bits_per_char"], table["50%"]
    low, high = min(low, whole), max(high, whole)
    pad = 0.03 * (high - low)
    ax.set_xlim(max(0, low - pad), high + pad)
    line_at(ax, whole, f"all text {whole:.2f}", "--", ORANGE)
    line_at(ax, middle, f"median tune {middle:.2f}", "-", row=1)
    ax.set_xlabel("Bits a character by zstd")
    level = audit["zstd_level"]
    below = f"Each tune by itself (level {level['tune']:g}); all text together (level {level['all']:g})."
    title(ax, "c  Compressibility", below)


def histogram(ax: Axes, table: dict, colour: str) -> None:
    """Its bars from the first that is not empty to the last."""
    counts, edges = np.array(table["counts"]), np.array(table["edges"])
    filled = np.flatnonzero(counts)
    part = slice(filled[0], filled[-1] + 1) if len(filled) else slice(0, len(counts))
    edges = edges[part.start : part.stop + 1]
    ax.stairs(counts[part], edges, fill=True, color=colour, alpha=0.35, linewidth=0)
    ax.stairs(counts[part], edges, color=colour, linewidth=0.9)
    ax.set_xlim(edges[0], edges[-1])
    ax.set_ylim(0, 1.45 * max(counts.max(), 1))  # the words of two lines go above the bars
    ax.yaxis.set_major_locator(few(5, integer=True))
    ax.yaxis.set_major_formatter(FuncFormatter(short))
    ax.grid(False, axis="x")
    ax.set_ylabel("Tunes")


def line_at(ax: Axes, value: float, words: str, line: str, colour: str = INK, row: int = 0) -> None:
    """A vertical line with words beside its top, in the first or the second row; set the axis before."""
    ax.axvline(value, ymax=1 - 0.1 * row, color=colour, linewidth=1, linestyle=line, zorder=3)
    left = ax.transAxes.inverted().transform(ax.transData.transform((value, 0)))[0] > 0.6
    beside(
        ax, words, (value, 1), (-3 if left else 3, -1 - 10 * row), xycoords=("data", "axes fraction"), fontsize=NOTE,
        va="top", ha="right" if left else "left", color=colour,
    )  # fmt: skip
