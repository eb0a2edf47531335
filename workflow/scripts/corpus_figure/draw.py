"""The figure of a corpus, drawn from corpus.json alone: its caption, and how its panels are laid out."""

import itertools
from pathlib import PurePath

import matplotlib.pyplot as plt
from matplotlib.axes import Axes
from matplotlib.figure import Figure, SubFigure
from matplotlib.layout_engine import ConstrainedLayoutEngine
from matplotlib.transforms import Bbox
from matplotlib.typing import RcKeyType

from workflow.scripts.base import schema
from workflow.scripts.base.errors import InputError
from workflow.scripts.corpus_figure.leak import NOT_MEASURED, leak, leak_caption, schemes
from workflow.scripts.corpus_figure.music import music_panels, shares
from workflow.scripts.corpus_figure.panel import MARK, NOTE, TEXT, plain, title
from workflow.scripts.corpus_figure.shape import compressibility, lengths, shape_caption
from workflow.scripts.corpus_figure.sources import conversion, conversion_caption, n_rows, sources, sources_caption
from workflow.scripts.corpus_figure.vocabulary import vocabulary, vocabulary_caption
from workflow.scripts.figures.look import MEDIUM, check_width
from workflow.scripts.figures.save import Picture

NARROW = 5.0  # inches at text of 7.5 points: less is a column, where fewer panels stand beside each other
LEAST = 6 / MARK  # of the sizes of text on a page: the smallest is of 6 points then
PLACES = 6  # decimals of a share of the figure: less than a thousandth of a point


def look(width: float) -> dict[RcKeyType, object]:
    """Settings of matplotlib under which a figure so many inches wide is drawn and saved."""
    scale = max(LEAST, (width / MEDIUM) ** 0.7)
    return {
        "font.size": TEXT * scale,
        "axes.titlesize": 8 * scale,
        "axes.titleweight": "bold",
        "axes.titlelocation": "left",
        "axes.labelsize": TEXT * scale,
        "axes.linewidth": 0.6,
        "axes.axisbelow": True,
        "xtick.labelsize": NOTE * scale,
        "ytick.labelsize": NOTE * scale,
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


def heading(corpus: dict) -> str:
    """What the corpus is, in words."""
    names = [PurePath(part).name or part for part in corpus["input"].split(", ")]
    sizes = ", ".join(f"{words} {corpus['splits'][name]['tunes']:,}" for name, words in SPLIT_NAMES.items())
    lost = sorted(corpus["rejected"].items(), key=lambda row: (-row[1], row[0]))
    said = [f"{plain(reason.replace('_', ' '), 30)} {count:,}" for reason, count in lost[:REASONS]]
    if len(lost) > REASONS:
        said.append(f"{len(lost) - REASONS} other reasons {sum(count for _, count in lost[REASONS:]):,}")
    tokens = "" if corpus["tokenizer"] == "char" else f", encoded by {plain(corpus['tokenizer'].upper(), 12)}"
    return (
        f"{plain(', '.join(names), 30)}: {corpus['tunes']:,} tunes, {corpus['chars']:,} characters,"
        f" {corpus['distinct_chars']:,} distinct{tokens}, from {corpus['files']:,} file{'s' * (corpus['files'] != 1)};"
        f" zstd packs the whole text to {corpus['audit']['zstd_bits_per_char']:.2f} bits a character. Tunes by split:"
        f" {sizes}. Left out, by reason: {', '.join(said) or 'nothing'}."
    )


def part_heights(corpus: dict, slots: int, rows: int, narrow: bool) -> dict[str, float]:
    """The parts that this corpus gives, from the top, with their heights in inches at text of 7.5 points.

    Args:
        slots: bars in the fullest panel of music; 0 without any.
        rows: of such panels.
        narrow: whether the figure is a column.
    """
    n_schemes = len(schemes(corpus))
    heights = {"leak": 1.0 + 0.3 * n_schemes} if n_schemes else {}
    heights["shape"] = 1.45
    if corpus["conversion"]:
        heights["conversion"] = 1.1
    if corpus["audit"]["sources"]:
        heights["sources"] = (1 + narrow) * (0.65 + 0.155 * n_rows(corpus))
    if slots:
        heights["music"] = rows * (0.3 + 0.136 * slots)
    if corpus["char_counts"]:
        heights["vocabulary"] = 1.4
    return heights


def draw(corpus: dict, width: float = MEDIUM) -> Picture:
    """The figure of a corpus.json that `check` has passed, under the settings of `look`.

    Raises:
        InputError: it is too narrow or too wide; see `figures.look.page`.
    """
    check_width(width)
    scale = plt.rcParams["font.size"] / TEXT
    narrow = width / scale < NARROW
    panels = music_panels(corpus)
    slots = max((len(panel.counts) for panel in panels), default=0)
    columns = min(len(panels), 2) if narrow else len(panels)
    heights = part_heights(corpus, slots, -(-len(panels) // max(columns, 1)), narrow)
    layout = ConstrainedLayoutEngine(h_pad=0.05, w_pad=0.05)
    fig = plt.figure(figsize=(width, scale * sum(heights.values())), layout=layout)
    parts = fig.subfigures(len(heights), 1, height_ratios=list(heights.values()), squeeze=False)[:, 0]
    part: dict[str, SubFigure] = dict(zip(heights, parts, strict=True))
    letters = iter("defghij")
    said = [heading(corpus)]
    if "leak" in part:
        leak(part["leak"].subplots(), corpus)
    said.append(leak_caption(corpus) if "leak" in part else NOT_MEASURED)
    left, right = part["shape"].subplots(1, 2)
    lengths(left, corpus)
    compressibility(right, corpus)
    said.append(shape_caption(corpus))
    if "conversion" in part:
        letter = next(letters)
        conversion(part["conversion"].subplots(), corpus, letter)
        said.append(conversion_caption(corpus, letter))
    if "sources" in part:
        letter = next(letters)
        sources(axes_of_sources(part["sources"], narrow), corpus, letter, narrow)
        said.append(sources_caption(letter))
    if "music" in part:
        axes = part["music"].subplots(-(-len(panels) // columns), columns, squeeze=False).ravel()
        for ax, panel in zip(axes, panels, strict=False):
            shares(ax, panel, slots)
            letter = next(letters)
            title(ax, f"{letter}  {panel.title}")
            said.append(f"({letter}) {panel.title}, {panel.below}.")
        for ax in axes[len(panels) :]:
            ax.set_axis_off()
    if "vocabulary" in part:
        letter = next(letters)
        vocabulary(part["vocabulary"].subplots(), corpus, letter)
        said.append(vocabulary_caption(corpus, letter))
    settle(fig)
    return Picture(fig, " ".join(said))


def axes_of_sources(part: SubFigure, narrow: bool) -> list[Axes]:
    """Three axes beside each other; in a column the first above the others."""
    if not narrow:
        return list(part.subplots(1, 3, width_ratios=(1.3, 1, 0.95)))
    found = part.subplot_mosaic("aa;bc")
    return [found[name] for name in "abc"]


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
