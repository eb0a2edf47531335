"""The panels of a tune's shape: how long tunes are, and how few bits a character zstd packs each into."""

import numpy as np
from matplotlib.axes import Axes
from matplotlib.ticker import FuncFormatter, NullFormatter

from workflow.scripts.base.amounts import short
from workflow.scripts.corpus_figure.panel import (
    BLUE,
    GREEN,
    INK,
    NOTE,
    ORANGE,
    beside,
    few,
    percent,
    points,
    title,
)
from workflow.scripts.figures.look import Ticks


def lengths(ax: Axes, corpus: dict) -> None:
    """Tunes by their characters, on a logarithmic axis."""
    table = corpus["audit"]["length"]
    histogram(ax, table["histogram"], BLUE)
    ax.set_xscale("log")
    ax.xaxis.set_major_locator(Ticks(ax.xaxis, 6))
    ax.xaxis.set_major_formatter(FuncFormatter(short))
    ax.xaxis.set_minor_formatter(NullFormatter())
    ax.set_xlabel("Characters in a tune")
    line_at(ax, table["50%"], f"median {table['50%']:,.0f}", "-")
    title(ax, "b  Length of a tune")


def shape_caption(corpus: dict) -> str:
    """What the two panels are of."""
    share, longest = corpus["audit"]["share_of_text_in_largest_1_percent"], max(1, int(corpus["tunes"]) // 100)
    who = f"the longest 1% of tunes ({longest:,}) hold" if longest > 1 else "the longest tune holds"
    level = corpus["audit"]["zstd_level"]
    return (
        f"(b) Lengths of tunes; {who} {percent(share)} of the text. (c) How far zstd packs each tune by itself (level"
        f" {level['tune']:g}), and all text together (level {level['all']:g})."
    )


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
    line_at(ax, middle, f"median {middle:.2f}", "-", row=1)
    ax.set_xlabel("Bits a character by zstd")
    title(ax, "c  Compressibility")


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
    left = ax.transAxes.inverted().transform(ax.transData.transform((value, 0)))[0] > 0.5
    beside(
        ax, words, (value, 1), (-3 if left else 3, -1 - 1.35 * points(NOTE) * row), xycoords=("data", "axes fraction"),
        size=NOTE, va="top", ha="right" if left else "left", color=colour,
    )  # fmt: skip
