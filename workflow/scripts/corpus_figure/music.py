"""The panels of the music: which meters, keys, numbers of voices and MIDI programs tunes have."""

from dataclasses import dataclass

import numpy as np
from matplotlib.axes import Axes

from workflow.scripts.corpus_figure.panel import BLUE, GREY, PALE, beside, percent, plain, rows_axis

TOP = 10  # bars in a panel
OTHERS = "others"  # in corpus.json, what is beyond the entries of a table
# Programs of General MIDI come in families of eight.
FAMILIES = (
    "piano", "tuned perc.", "organ", "guitar", "bass", "strings", "ensemble", "brass",
    "reed", "pipe", "synth lead", "synth pad", "synth effect", "world", "percussive", "effect",
)  # fmt: skip


@dataclass(frozen=True)
class Bars:
    """A panel of bars.

    Attributes:
        title: what they are of.
        below: what their numbers mean.
        counts: tunes of each, from the top; OTHERS for what no bar of its own shows.
        total: tunes that make 100%.
    """

    title: str
    below: str
    counts: dict[str, float]
    total: float


def music_panels(corpus: dict) -> list[Bars]:
    """Those of the four tables that are not empty."""
    audit = corpus["audit"]
    found = []
    for name, words in (("meters", "Meters"), ("keys", "Keys"), ("voices", "Voices")):
        counts = audit[name]
        kinds, more = len(counts) - (OTHERS in counts), "+" * (OTHERS in counts)
        below = "% of tunes" if name == "voices" else f"% of tunes, {kinds}{more} kind{'s' * (kinds != 1)}"
        found.append(Bars(words, below, commonest(counts, by_number=name == "voices"), sum(counts.values())))
    counts, below = programs(audit["programs"])
    found.append(Bars("MIDI programs", below, counts, corpus["tunes"]))
    return [panel for panel in found if panel.counts]


def by_count(counts: dict[str, float]) -> list[tuple[str, float]]:
    """The named entries, the commonest first, ties by name."""
    return sorted((row for row in counts.items() if row[0] != OTHERS), key=lambda row: (-row[1], row[0]))


def commonest(counts: dict[str, float], by_number: bool = False) -> dict[str, float]:
    """The first entries by count, then how many are left; ``by_number`` puts the first into the order of numbers."""
    rows = by_count(counts)
    top, rest = rows[:TOP], sum(counts.values()) - sum(count for _, count in rows[:TOP])
    if by_number:
        top.sort(key=lambda row: (len(row[0]), row[0]))
    return dict(top) | ({OTHERS: rest} if rest else {})


def programs(counts: dict[str, float]) -> tuple[dict[str, float], str]:
    """The commonest programs with their families, and how many there are beside them."""
    rows = by_count(counts)
    names = {
        name: f"{name} {FAMILIES[int(name) // 8]}" if name.isdecimal() and int(name) < 128 else name for name, _ in rows
    }
    more = "+" * (OTHERS in counts)
    below = f"% of tunes, {TOP} of {len(rows)}{more}" if len(rows) > TOP else "% of tunes"
    return {names[name]: count for name, count in rows[:TOP]}, below


def shares(ax: Axes, panel: Bars, slots: int) -> None:
    """Bars with the number beside each, in as much room as ``slots`` bars take."""
    values = np.array(list(panel.counts.values())) / max(panel.total, 1)
    colours = [PALE if name == OTHERS else BLUE for name in panel.counts]
    ax.barh(range(len(values)), values, height=0.68, color=colours)
    top = max(values.max(), 1e-9)
    for y, value in enumerate(values):
        beside(ax, percent(value), (value, y), (2, 0))
    rows_axis(ax, [plain(name, 13) for name in panel.counts], slots)
    ax.set_xlim(0, 1.32 * top)
    ax.set_xticks([])
    ax.spines["bottom"].set_visible(False)
    ax.axvline(0, color=GREY, linewidth=0.6)
