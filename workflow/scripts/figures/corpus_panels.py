"""The panels of a corpus's figure: each draws one part of corpus.json into axes that `plot_corpus` lays out."""

import functools
import re
import unicodedata

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import SubFigure
from matplotlib.font_manager import findfont, get_font
from matplotlib.ticker import FuncFormatter, LogLocator, MaxNLocator, NullFormatter, NullLocator

from workflow.scripts.base.uncertainty import wilson
from workflow.scripts.figures.look import STYLES, short

TOP = 10  # bars in a panel of names
TOP_SOURCES = 10
LABELS = 190  # characters that find room along the vocabulary
BLUE, ORANGE, GREEN, PINK = (colour for colour, _, _ in STYLES)
GREY, INK, PALE = "#555555", "#222222", "#b5b5b5"
SCHEMES = {"exact_duplicates_only": "Only exact copies removed", "random": "Random split"}
WAYS = {"cluster": "This split: versions together", "md5": "This split: MD5 of the file"}
RELATIVES = {"notes": ("by notes", GREEN, "^"), "steps": ("by melody", PINK, "D")}
# Programs of General MIDI come in families of eight.
FAMILIES = (
    "piano", "tuned perc.", "organ", "guitar", "bass", "strings", "ensemble", "brass",
    "reed", "pipe", "synth lead", "synth pad", "synth effect", "world", "percussive", "effect",
)  # fmt: skip


@functools.cache
def glyphs(family: str) -> frozenset[int]:
    return frozenset(get_font(findfont(family)).get_charmap())


def plain(text: str, limit: int, family: str = "DejaVu Sans") -> str:
    """A name as it can be drawn: on one line, of characters that the font has, and at most ``limit`` of them."""
    known = glyphs(family)
    text = "".join(c if c.isprintable() and ord(c) in known else "\ufffd" for c in " ".join(text.split()))
    text = re.sub("\ufffd+", "\ufffd", text)
    return text if len(text) <= limit else text[: limit - 1] + "…"


def visible(char: str) -> str:
    """One character of the vocabulary as a mark on paper."""
    shown = {" ": "␣", "\n": "↵", "\t": "⇥"}.get(char, char)
    if any(map(unicodedata.combining, shown)):
        shown = "◌" + shown
    return shown if all(c.isprintable() and ord(c) in glyphs("DejaVu Sans Mono") for c in shown) else "\ufffd"


def percent(share: float) -> str:
    """0.214 -> 21%, 0.0123 -> 1.2%, 0.00004 -> <0.1%, 0.99999 -> >99.9%."""
    if 0.0995 <= share < 0.9945 or share == 1:
        return f"{share:.0%}"
    if 0 < share < 0.0005 or 0.9995 <= share < 1:
        return "<0.1%" if share < 0.5 else ">99.9%"
    return f"{share:.1%}"


def beside(ax: Axes, words: str, at: tuple, offset: tuple, **options) -> None:
    """Small words that the layout leaves no room for: the panel has it."""
    options = {"va": "center", "color": GREY, "fontsize": 6.8} | options
    ax.annotate(words, at, offset, textcoords="offset points", **options).set_in_layout(False)


def title(ax: Axes, words: str, below: str = "") -> None:
    """A panel's name, and a line in grey under it."""
    ax.set_title(words, pad=13 if below else 4, color=INK)
    if below:
        beside(ax, below, (0, 1), (0, 4), xycoords="axes fraction", fontsize=7, va="bottom")


def few(n: int, **options) -> MaxNLocator:
    """Ticks at ones, twos and fives."""
    return MaxNLocator(n, steps=[1, 2, 5, 10], **options)


def rows_axis(ax: Axes, labels: list[str], slots: int | None = None) -> None:
    """A y axis of names, the first on top; as high as ``slots`` of them."""
    ax.set_yticks(range(len(labels)), labels)
    ax.set_ylim((slots or len(labels)) - 0.4, -0.6)
    ax.tick_params(axis="y", length=0)
    ax.grid(False, axis="y")
    ax.spines["left"].set_visible(False)


def leak(ax: Axes, corpus: dict, names: list[str]) -> None:
    """Test tunes with a relative in training: the split in force against two that are simpler."""
    found = corpus["leakage"]
    words = {"in_force": WAYS.get(corpus["options"]["split_by"], "This split")} | SCHEMES
    ends = []
    for y, name in enumerate(names):
        n, share = found[name]["test_tunes"], found[name]["either"]
        if n:
            count = round(share * n)
            low, high = wilson(count, n)
            ax.plot([100 * low, 100 * high], [y, y], color=BLUE, linewidth=1.4, solid_capstyle="butt", zorder=3)
            ax.plot(100 * share, y, color=BLUE, marker="o", markersize=5, zorder=4, clip_on=False)
            for kind, (_, colour, marker) in RELATIVES.items():
                ax.plot(
                    100 * found[name][kind], y + 0.3, color=colour, marker=marker, markersize=3.4,
                    markerfacecolor="white", markeredgewidth=0.9, zorder=3, clip_on=False,
                )  # fmt: skip
            ends.append(100 * high)
            said = f"{count:,} of {n:,}: {share:.2%}  [{low:.2%}, {high:.2%}]"
        else:
            said = "no test tunes"
        ax.annotate(
            said, (1, y), (6, 0), xycoords=("axes fraction", "data"), textcoords="offset points", va="center",
            fontsize=7, color=INK,
        )  # fmt: skip
    rows_axis(ax, [words[name] for name in names])
    ax.set_ylim(len(names) - 0.35, -0.5)
    ax.get_yticklabels()[0].set_fontweight("bold" if names[:1] == ["in_force"] else "normal")
    top = min(100, 1.05 * max(ends, default=1))
    ax.set_xlim(-0.02 * top, top)
    ax.xaxis.set_major_locator(few(7))
    ax.set_xlabel("Test tunes with a relative in training (%)")
    title(ax, "a  Leak", "Relatives share much of their notes or their melody. Bars, brackets: 95% by Wilson.")
    handles = [ax.plot([], [], color=BLUE, marker="o", markersize=5, linewidth=1.4, label="by either")[0]] + [
        ax.plot([], [], color=c, marker=m, markersize=3.4, markerfacecolor="white", linestyle="none", label=label)[0]
        for label, c, m in RELATIVES.values()
    ]
    ax.legend(
        handles=handles, ncols=3, loc="upper left", bbox_to_anchor=(1.02, -0.06), fontsize=7, borderpad=0,
        handletextpad=0.4, columnspacing=1, borderaxespad=0.8, handlelength=1.4,
    )  # fmt: skip


def no_leak(part: SubFigure) -> None:
    part.text(0.008, 0.9, "a  Leak", fontsize=8, fontweight="bold", va="top", color=INK)
    words = "Not measured: this corpus was made without looking for versions of one tune."
    part.text(0.008, 0.5, words, fontsize=7, va="top", color=GREY)


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


def marked(ax: Axes, value: float, words: str, line: str, colour: str = INK, row: int = 0) -> None:
    """A vertical line with words beside its top, in the first or the second row; set the axis before."""
    ax.axvline(value, ymax=1 - 0.1 * row, color=colour, linewidth=1, linestyle=line, zorder=3)
    left = ax.transAxes.inverted().transform(ax.transData.transform((value, 0)))[0] > 0.6
    beside(
        ax, words, (value, 1), (-3 if left else 3, -1 - 10 * row), xycoords=("data", "axes fraction"), fontsize=7,
        va="top", ha="right" if left else "left", color=colour,
    )  # fmt: skip


def lengths(ax: Axes, corpus: dict) -> None:
    table = corpus["audit"]["length"]
    histogram(ax, table["histogram"], BLUE)
    ax.set_xscale("log")
    low, high = ax.get_xlim()
    wide = high / low > 3000
    ax.xaxis.set_major_locator(LogLocator(subs=(1,) if wide else (1, 2, 5)))
    ax.xaxis.set_minor_locator(LogLocator(subs=np.arange(2, 10)) if wide else NullLocator())
    ax.xaxis.set_major_formatter(FuncFormatter(short))
    ax.xaxis.set_minor_formatter(NullFormatter())
    ax.set_xlabel("Characters in a tune")
    marked(ax, table["50%"], f"median {table['50%']:,.0f}", "-")
    share, longest = corpus["audit"]["share_of_text_in_largest_1_percent"], max(1, int(corpus["tunes"]) // 100)
    who = f"The longest 1% of tunes ({longest:,}) hold" if longest > 1 else "The longest tune holds"
    title(ax, "b  Length of a tune", f"{who} {percent(share)} of the text.")


def compressibility(ax: Axes, corpus: dict) -> None:
    audit = corpus["audit"]
    table = audit["zstd_bits_per_char_of_a_tune"]
    histogram(ax, table["histogram"], GREEN)
    low, high = ax.get_xlim()
    whole, middle = audit["zstd_bits_per_char"], table["50%"]
    low, high = min(low, whole), max(high, whole)
    pad = 0.03 * (high - low)
    ax.set_xlim(max(0, low - pad), high + pad)
    marked(ax, whole, f"all text {whole:.2f}", "--", ORANGE)
    marked(ax, middle, f"median tune {middle:.2f}", "-", row=1)
    ax.set_xlabel("Bits a character by zstd")
    level = audit["zstd_level"]
    below = f"Each tune by itself (level {level['tune']:g}); all text together (level {level['all']:g})."
    title(ax, "c  Compressibility", below)


def shares(ax: Axes, table: dict[str, float], total: float, slots: int) -> None:
    """Bars of a few shares, the number beside each; ``others`` are what is not among them."""
    values = np.array(list(table.values())) / max(total, 1)
    colours = [PALE if name == "others" else BLUE for name in table]
    ax.barh(range(len(values)), values, height=0.68, color=colours)
    top = max(values.max(), 1e-9)
    for y, value in enumerate(values):
        beside(ax, percent(value), (value, y), (2, 0))
    rows_axis(ax, [plain(name, 13) for name in table], slots)
    ax.set_xlim(0, 1.32 * top)
    ax.set_xticks([])
    ax.spines["bottom"].set_visible(False)
    ax.axvline(0, color=GREY, linewidth=0.6)


def commonest(counts: dict[str, float], by_number: bool = False) -> dict[str, float]:
    """The first entries by count, then how many are left; ``by_number`` puts the first into the order of numbers."""
    rows = sorted((row for row in counts.items() if row[0] != "others"), key=lambda row: (-row[1], row[0]))
    top, rest = rows[:TOP], sum(counts.values()) - sum(count for _, count in rows[:TOP])
    if by_number:
        top.sort(key=lambda row: (len(row[0]), row[0]))
    return dict(top) | ({"others": rest} if rest else {})


def programs(counts: dict[str, float]) -> tuple[dict[str, float], str]:
    """The commonest programs with their families, and how many there are beside them."""
    rows = sorted((row for row in counts.items() if row[0] != "others"), key=lambda row: (-row[1], row[0]))
    names = {
        name: f"{name} {FAMILIES[int(name) // 8]}" if name.isdecimal() and int(name) < 128 else name for name, _ in rows
    }
    more = "+" * ("others" in counts)
    below = f"% of tunes, {TOP} of {len(rows)}{more}" if len(rows) > TOP else "% of tunes"
    return {names[name]: count for name, count in rows[:TOP]}, below


def panels_of(corpus: dict) -> list[tuple[str, str, dict[str, float], float]]:
    """(title, words under it, bars, what makes 100%) of each table that is not empty."""
    audit = corpus["audit"]
    found = []
    for name, words in (("meters", "Meters"), ("keys", "Keys"), ("voices", "Voices")):
        counts = audit[name]
        kinds, more = len(counts) - ("others" in counts), "+" * ("others" in counts)
        below = "% of tunes" if name == "voices" else f"% of tunes, {kinds}{more} kind{'s' * (kinds != 1)}"
        found.append((words, below, commonest(counts, by_number=name == "voices"), sum(counts.values())))
    table, below = programs(audit["programs"])
    found.append(("MIDI programs", below, table, corpus["tunes"]))
    return [panel for panel in found if panel[2]]


def sources(axes: list[Axes], corpus: dict, letter: str) -> None:
    """Text, compressibility and rests of each source, side by side; of all the small ones, the range."""
    audit = corpus["audit"]
    rows = sorted(audit["sources"].items(), key=lambda row: (-row[1]["chars"], row[0]))
    small = rows[TOP_SOURCES:] if len(rows) > TOP_SOURCES + 1 else []
    rows = rows[: len(rows) - len(small)]
    total = max(sum(row["chars"] for row in audit["sources"].values()), 1)
    labels = [plain(name, 24) for name, _ in rows]
    text, bits, rests = axes

    sizes = [(row["chars"], row["tunes"]) for _, row in rows]
    if small:
        labels.append(f"{len(small)} others (range)")
        sizes.append((sum(row["chars"] for _, row in small), sum(row["tunes"] for _, row in small)))
    colours = [BLUE] * len(rows) + [PALE] * bool(small)
    text.barh(range(len(sizes)), [100 * chars / total for chars, _ in sizes], height=0.62, color=colours)
    top = max(100 * chars / total for chars, _ in sizes)
    for y, (chars, tunes) in enumerate(sizes):
        beside(text, f"{short(chars)}, {tunes:,} tune{'s' * (tunes != 1)}", (100 * chars / total, y), (2, 0))
    ticks = [tick for tick in few(4).tick_values(0, top) if tick <= 1.3 * top]
    text.set_xlim(0, 1.8 * top or 1)
    text.set_xticks(ticks)
    text.spines["bottom"].set_bounds(0, ticks[-1])
    text.grid(False)
    text.set_xlabel("Characters (% of all)")
    title(text, f"{letter}  Sources")

    for ax, columns, scale in (
        (bits, (("zstd_bits_per_char", ORANGE, "o"), ("median_bits_per_char_of_a_tune", GREEN, "D")), 1),
        (rests, (("rest_share", INK, "s"),), 100),
    ):
        highest = 0.0
        for column, colour, marker in columns:
            filled = colour if marker != "D" else "white"
            values = [scale * row[column] for _, row in rows]
            ax.plot(
                values, range(len(rows)), color=colour, marker=marker, markersize=4, linestyle="none",
                markerfacecolor=filled, markeredgewidth=0.9, clip_on=False, zorder=4,
            )  # fmt: skip
            spread = [scale * row[column] for _, row in small]
            if spread:
                y = len(rows) + (0 if len(columns) == 1 else 0.14 if marker == "D" else -0.14)
                ax.plot([min(spread), max(spread)], [y, y], color=colour, linewidth=2, solid_capstyle="butt", alpha=0.6)
            highest = max([highest, *values, *spread])
        ax.set_xlim(0, 1.08 * highest or 1)
        ax.xaxis.set_major_locator(few(4))
    overall = {"color": GREY, "linewidth": 0.9, "linestyle": (0, (3, 2)), "zorder": 2}
    bits.axvline(audit["zstd_bits_per_char"], **overall)
    rests.axvline(100 * audit["rest_share"], **overall)
    bits.set_xlabel("Bits a character by zstd")
    rests.set_xlabel("Rests (% of notes and rests)")
    keys = [
        bits.plot([], [], color=ORANGE, marker="o", markersize=4, linestyle="none", label="all its text")[0],
        bits.plot(
            [], [], color=GREEN, marker="D", markersize=4, markerfacecolor="white", linestyle="none",
            label="median tune",
        )[0],
    ]  # fmt: skip
    bits.legend(
        handles=keys, ncols=2, loc="lower left", bbox_to_anchor=(0, 1), borderaxespad=0.2, fontsize=7, borderpad=0,
        handletextpad=0.1, columnspacing=0.8,
    )  # fmt: skip
    rests.legend(
        handles=[rests.plot([], [], **overall, label="whole corpus")[0]], loc="lower left", bbox_to_anchor=(0, 1),
        borderaxespad=0.2, fontsize=7, borderpad=0, handlelength=1.6, handletextpad=0.5,
    )  # fmt: skip
    for ax in axes:
        rows_axis(ax, labels if ax is text else [""] * len(labels))
    for ax in (bits, rests):
        ax.set_yticks(range(len(labels)), [""] * len(labels))
        ax.grid(True, axis="y", color="#eeeeee")


def vocabulary(ax: Axes, corpus: dict, letter: str) -> None:
    """Every character at its rank and count, each its own mark."""
    rows = sorted(corpus["char_counts"].items(), key=lambda row: (-row[1], row[0]))
    counts = np.maximum([count for _, count in rows], 0.5)
    ranks = np.arange(1, len(rows) + 1)
    ax.plot(ranks, counts, color=BLUE, linewidth=0.9, marker=".", markersize=2.2, zorder=3)
    ax.set_yscale("log")
    every = -(-len(rows) // LABELS)
    for i in range(0, len(rows), every):
        up = (i // every) % 2 == 0
        ax.annotate(
            visible(rows[i][0]), (ranks[i], counts[i]), (0, 4 if up else -4), textcoords="offset points", ha="center",
            va="bottom" if up else "top", fontsize=6.8, family="DejaVu Sans Mono", color=INK, zorder=4,
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
    total, covered = counts.sum(), np.cumsum(counts)
    half = int(np.searchsorted(covered, 0.5 * total)) + 1
    most = int(np.searchsorted(covered, 0.99 * total)) + 1
    below = f"Half of the text is {half} of these {len(rows)} characters; 99% is {most} of them.  ␣ space, ↵ line end."
    title(ax, f"{letter}  Vocabulary", below)
