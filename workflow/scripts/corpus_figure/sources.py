"""The panels of the sources: text, compressibility and rests of each, side by side; of all small ones, the range.

And the panel of the conversion: how far the tunes that were made of MIDI say what it plays.
"""

from typing import NamedTuple

from matplotlib.axes import Axes

from workflow.scripts.base.amounts import short
from workflow.scripts.corpus_figure.panel import (
    BLUE,
    GREEN,
    GREY,
    INK,
    NOTE,
    ORANGE,
    PALE,
    PINK,
    beside,
    few,
    percent,
    plain,
    points,
    right_of,
    rows_axis,
    title,
)

TOP = 10  # sources with a row of their own; one more has it too, as a row for the others would save nothing
DASHED = (0, (3, 2))
VIEWS = {"notes": "Notes", "onsets": "… and onsets", "lengths": "… and lengths"}

Row = tuple[str, dict]  # a source's name, and what corpus.json says of it


class Mark(NamedTuple):
    """How a column of corpus.json is drawn: ``aside`` is how far below its row a range is."""

    column: str
    colour: str
    marker: str
    face: str
    aside: float


ALL_TEXT = Mark("zstd_bits_per_char", ORANGE, "o", ORANGE, -0.14)
MEDIAN_TUNE = Mark("median_bits_per_char_of_a_tune", GREEN, "D", "white", 0.14)
RESTS = Mark("rest_share", INK, "s", INK, 0)


def n_rows(corpus: dict) -> int:
    """Rows that the panels have."""
    return min(len(corpus["audit"]["sources"]), TOP + 1)


def sources(axes: list[Axes], corpus: dict, letter: str, apart: bool) -> None:
    """Three panels with the same rows, the source with the most text on top.

    ``apart``: the last two do not stand beside the first one, so that they name the rows again.
    """
    audit = corpus["audit"]
    rows = sorted(audit["sources"].items(), key=lambda row: (-row[1]["chars"], row[0]))
    small = rows[TOP:] if len(rows) > TOP + 1 else []
    rows = rows[: len(rows) - len(small)]
    text, bits, rests = axes
    draw_text(text, rows, small)
    title(text, f"{letter}  Sources")
    labels = names_of(rows, small) if apart else [""] * (len(rows) + bool(small))
    draw_marks(bits, rows, small, [ALL_TEXT, MEDIAN_TUNE], labels)
    draw_marks(rests, rows, small, [RESTS], [""] * len(labels), scale=100)
    draw_whole(bits, audit["zstd_bits_per_char"])
    draw_whole(rests, 100 * audit["rest_share"])
    bits.set_xlabel("Bits a char by zstd")
    rests.set_xlabel("Rests (%)")
    add_legends(bits, rests)


def names_of(rows: list[Row], small: list[Row]) -> list[str]:
    """What stands beside each row."""
    return [plain(name, 18) for name, _ in rows] + [f"{len(small)} others (range)"] * bool(small)


def draw_text(ax: Axes, rows: list[Row], small: list[Row]) -> None:
    """Bars of the share of all characters, with both sizes beside each."""
    sizes = [(row["chars"], row["tunes"]) for _, row in rows]
    total = max(sum(row["chars"] for _, row in [*rows, *small]), 1)
    if small:
        sizes.append((sum(row["chars"] for _, row in small), sum(row["tunes"] for _, row in small)))
    colours = [BLUE] * len(rows) + [PALE] * bool(small)
    ax.barh(range(len(sizes)), [100 * chars / total for chars, _ in sizes], height=0.62, color=colours)
    top = max(100 * chars / total for chars, _ in sizes)
    for y, (chars, tunes) in enumerate(sizes):
        beside(ax, f"{short(chars)}, {tunes:,} tune{'s' * (tunes != 1)}", (100 * chars / total, y), (2, 0))
    ticks = [tick for tick in few(4).tick_values(0, top) if tick <= 1.3 * top]
    ax.set_xlim(0, 1.8 * top or 1)
    ax.set_xticks(ticks)
    ax.spines["bottom"].set_bounds(0, ticks[-1])
    ax.grid(False)
    ax.set_xlabel("Characters (% of all)")
    rows_axis(ax, names_of(rows, small))


def draw_marks(
    ax: Axes, rows: list[Row], small: list[Row], marks: list[Mark], labels: list[str], scale: float = 1
) -> None:
    """A mark of each kind a row; of the small sources a bar from the least to the most."""
    highest = 0.0
    for mark in marks:
        values = [scale * row[mark.column] for _, row in rows]
        ax.plot(
            values, range(len(rows)), color=mark.colour, marker=mark.marker, markersize=4, linestyle="none",
            markerfacecolor=mark.face, markeredgewidth=0.9, clip_on=False, zorder=4,
        )  # fmt: skip
        spread = [scale * row[mark.column] for _, row in small]
        if spread:
            y = len(rows) + mark.aside
            ends = [min(spread), max(spread)]
            ax.plot(ends, [y, y], color=mark.colour, linewidth=2, solid_capstyle="butt", alpha=0.6)
        highest = max([highest, *values, *spread])
    ax.set_xlim(0, 1.08 * highest or 1)
    ax.xaxis.set_major_locator(few(4))
    rows_axis(ax, labels)
    ax.grid(True, axis="y", color="#eeeeee")


def draw_whole(ax: Axes, value: float) -> None:
    """A dashed line at the value of the whole corpus."""
    ax.axvline(value, color=GREY, linewidth=0.9, linestyle=DASHED, zorder=2)


def add_legends(bits: Axes, rests: Axes) -> None:
    """Above each panel: the two marks of the first, and the dashed line of both."""
    marks = [
        bits.plot(
            [], [], color=mark.colour, marker=mark.marker, markersize=4, markerfacecolor=mark.face, linestyle="none",
            label=label,
        )[0]
        for mark, label in ((ALL_TEXT, "all its text"), (MEDIAN_TUNE, "median tune"))
    ]  # fmt: skip
    bits.legend(
        handles=marks, ncols=2, loc="lower left", bbox_to_anchor=(-0.15, 1), borderaxespad=0.2, fontsize=points(NOTE),
        borderpad=0, handletextpad=0.1, columnspacing=0.6,
    )  # fmt: skip
    whole = rests.plot([], [], color=GREY, linewidth=0.9, linestyle=DASHED, zorder=2, label="whole corpus")
    rests.legend(
        handles=whole, loc="lower right", bbox_to_anchor=(1.05, 1), borderaxespad=0.2, fontsize=points(NOTE),
        borderpad=0, handlelength=1.6, handletextpad=0.5,
    )  # fmt: skip


def conversion(ax: Axes, corpus: dict, letter: str) -> None:
    """A row for each way to compare: F1 of the least file, the middle half of the files, and the median."""
    found = corpus["conversion"]
    for y, table in enumerate(found["agreement"][name] for name in VIEWS):
        ax.plot([100 * table["min"], 100 * table["75%"]], [y, y], color=GREY, linewidth=0.8)
        ax.plot([100 * table["25%"], 100 * table["75%"]], [y, y], color=PINK, linewidth=3.5, solid_capstyle="butt")
        ax.plot(100 * table["50%"], y, "o", color=INK, markersize=4, zorder=3, clip_on=False)
        right_of(ax, y, f"median {table['50%']:.1%}")
    rows_axis(ax, list(VIEWS.values()))
    ax.set_xlim(None, 100)
    ax.xaxis.set_major_locator(few(5))
    ax.set_xlabel("F1 of notes and those of the MIDI (%)")
    title(ax, f"{letter}  Conversion of MIDI")


def conversion_caption(corpus: dict, letter: str) -> str:
    """What the panel has, in words."""
    found = corpus["conversion"]
    told = "; ".join(
        f"{words.removeprefix('… and ').lower()}: median {table['50%']:.1%}, tenth percentile {table['10%']:.1%},"
        f" {percent(table['good'])} of files from {found['good_from']:.0%} on"
        for words, table in ((words, found["agreement"][name]) for name, words in VIEWS.items())
    )
    return (
        f"({letter}) How far {found['files']:,} tune{'s' * (found['files'] != 1)} made of MIDI say what it plays;"
        " onsets and lengths within a 32nd. Line from the least file, bar of the middle half, dot at the median."
        f" {told[0].upper()}{told[1:]}."
    )


def sources_caption(letter: str) -> str:
    """What the panels are of."""
    return (
        f"({letter}) The sources: their share of all characters, bits a character by zstd of all their text and of the"
        " median tune, and rests as a share of notes and rests; dashed: the whole corpus; pale: the range over sources"
        " too small for a row."
    )
