"""The figure of a corpus, drawn from corpus.json alone: its heading, and how its panels are laid out."""

import itertools
import textwrap
from pathlib import PurePath

import matplotlib.pyplot as plt
from matplotlib.figure import Figure, SubFigure
from matplotlib.layout_engine import ConstrainedLayoutEngine
from matplotlib.transforms import Bbox
from matplotlib.typing import RcKeyType

from workflow.scripts.base import schema
from workflow.scripts.base.amounts import short
from workflow.scripts.base.errors import InputError
from workflow.scripts.corpus_figure.leak import leak, no_leak, schemes
from workflow.scripts.corpus_figure.music import music_panels, shares
from workflow.scripts.corpus_figure.panel import INK, plain, title
from workflow.scripts.corpus_figure.shape import compressibility, lengths
from workflow.scripts.corpus_figure.sources import conversion, n_rows, sources
from workflow.scripts.corpus_figure.vocabulary import vocabulary
from workflow.scripts.figures.look import NOTE_COLOUR, SMALL

WIDTH = 6.6  # inches
LETTERS = 116  # of a line of the heading
PLACES = 6  # decimals of a share of the figure: less than a thousandth of a point
LOOK: dict[RcKeyType, object] = {
    "font.size": SMALL,
    "axes.titlesize": 8,
    "axes.titleweight": "bold",
    "axes.titlelocation": "left",
    "axes.labelsize": SMALL,
    "axes.linewidth": 0.6,
    "axes.axisbelow": True,
    "xtick.labelsize": 7,
    "ytick.labelsize": 7,
    "xtick.major.width": 0.6,
    "ytick.major.width": 0.6,
    "xtick.major.size": 2.5,
    "ytick.major.size": 2.5,
    "text.parse_math": False,  # a $ in a name is a $
}
SPLIT_NAMES = {"train": "training", "val": "validation", "test": "test"}
REASONS = 8  # for which tunes are left out, that the heading names


def check(corpus: dict, path: str) -> None:
    """Refuse what is not a whole corpus.json, by workflow/schemas/corpus.schema.json and what no schema can say.

    Raises:
        InputError: one sentence about the first thing that is wrong, and where.
    """
    name = f"{path} is not a corpus.json as prepare writes it"
    schema.check(corpus, "corpus.schema.json", name)
    for place in ("length", "zstd_bits_per_char_of_a_tune"):
        edges, counts = (corpus["audit"][place]["histogram"][part] for part in ("edges", "counts"))
        if len(edges) != len(counts) + 1 or not all(low < high for low, high in itertools.pairwise(edges)):
            raise InputError(f"{name}: audit.{place}.histogram does not have ascending edges around its counts")


def headline(corpus: dict) -> tuple[str, str]:
    """What the corpus is, in words: a title and a few sentences."""
    names = [PurePath(part).name or part for part in corpus["input"].split(", ")]
    heading = f"{plain(', '.join(names), 30)}: {corpus['tunes']:,} tunes, {short(corpus['chars'])} characters"
    sizes = ", ".join(f"{words} {corpus['splits'][name]['tunes']:,}" for name, words in SPLIT_NAMES.items())
    lost = sorted(corpus["rejected"].items(), key=lambda row: (-row[1], row[0]))
    said = [f"{plain(reason.replace('_', ' '), 30)} {count:,}" for reason, count in lost[:REASONS]]
    if len(lost) > REASONS:
        said.append(f"{len(lost) - REASONS} other reasons {sum(count for _, count in lost[REASONS:]):,}")
    tokens = "" if corpus["tokenizer"] == "char" else f", encoded by {plain(corpus['tokenizer'].upper(), 12)}"
    return heading, (
        f"{corpus['chars']:,} characters, {corpus['distinct_chars']:,} distinct{tokens}, from {corpus['files']:,}"
        f" file{'s' * (corpus['files'] != 1)}; zstd packs the whole text to"
        f" {corpus['audit']['zstd_bits_per_char']:.2f} bits a character. Tunes by split: {sizes}."
        f" Left out, by reason: {', '.join(said) or 'nothing'}."
    )


def part_heights(corpus: dict, lines: int, slots: int) -> dict[str, float]:
    """The parts that this corpus gives, from the top, with their heights in inches.

    Args:
        lines: of the heading.
        slots: bars in the fullest panel of music; 0 without any.
    """
    n_schemes = len(schemes(corpus))
    heights = {
        "head": 0.27 + 0.135 * lines,
        "leak": 0.72 + 0.3 * n_schemes if n_schemes else 0.4,
        "shape": 1.6,
    }
    if corpus["conversion"]:
        heights["conversion"] = 1.25
    if corpus["audit"]["sources"]:
        heights["sources"] = 0.7 + 0.155 * n_rows(corpus)
    if slots:
        heights["music"] = 0.45 + 0.136 * slots
    if corpus["char_counts"]:
        heights["vocabulary"] = 1.55
    return heights


def draw(corpus: dict) -> Figure:
    """The figure of a corpus.json that `check` has passed, under the settings of LOOK."""
    heading, said = headline(corpus)
    said = textwrap.fill(said, LETTERS)
    panels = music_panels(corpus)
    slots = max((len(panel.counts) for panel in panels), default=0)
    heights = part_heights(corpus, said.count("\n") + 1, slots)
    layout = ConstrainedLayoutEngine(h_pad=0.05, w_pad=0.05)
    fig = plt.figure(figsize=(WIDTH, sum(heights.values())), layout=layout)
    parts = fig.subfigures(len(heights), 1, height_ratios=list(heights.values()), squeeze=False)[:, 0]
    part: dict[str, SubFigure] = dict(zip(heights, parts, strict=True))
    letters = iter("defghij")
    draw_heading(part["head"], heights["head"], heading, said)
    if schemes(corpus):
        leak(part["leak"].subplots(), corpus)
    else:
        no_leak(part["leak"])
    left, right = part["shape"].subplots(1, 2)
    lengths(left, corpus)
    compressibility(right, corpus)
    if "conversion" in part:
        conversion(part["conversion"].subplots(), corpus, next(letters))
    if "sources" in part:
        sources(list(part["sources"].subplots(1, 3, width_ratios=(1.3, 1, 0.95))), corpus, next(letters))
    if "music" in part:
        axes = part["music"].subplots(1, len(panels), squeeze=False)[0]
        for ax, panel in zip(axes, panels, strict=True):
            shares(ax, panel, slots)
            title(ax, f"{next(letters)}  {panel.title}", panel.below)
    if "vocabulary" in part:
        vocabulary(part["vocabulary"].subplots(), corpus, next(letters))
    settle(fig)
    return fig


def settle(fig: Figure) -> None:
    """Let the layout place everything, once, and round where that is.

    Its solver adds up constraints in an order that depends on where they lie in memory, so that the last digits differ
    from one process to the next.
    """
    fig.draw_without_rendering()
    fig.set_layout_engine("none")
    for part in fig.findobj(SubFigure):
        box = part.bbox_relative  # of the part in what holds it
        box.set_points(box.get_points().round(PLACES))
    for ax in fig.axes:
        ax.set_position(Bbox(ax.get_position(original=True).get_points().round(PLACES)))


def draw_heading(part: SubFigure, height: float, heading: str, said: str) -> None:
    """Words in a part of the figure that is ``height`` inches high."""
    part.text(0.008, 1 - 0.06 / height, heading, fontsize=10, fontweight="bold", va="top", color=INK)
    part.text(0.008, 1 - 0.26 / height, said, fontsize=SMALL, va="top", linespacing=1.3, color=NOTE_COLOUR)
