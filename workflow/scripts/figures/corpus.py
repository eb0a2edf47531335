"""The figure of a corpus, drawn from corpus.json: its heading, and how its panels are laid out."""

import itertools
import math
import textwrap
from collections.abc import Callable
from pathlib import PurePath

import matplotlib.pyplot as plt
from matplotlib.figure import Figure, SubFigure

from workflow.scripts.base.errors import InputError
from workflow.scripts.figures.corpus_panels import (
    INK,
    SCHEMES,
    TOP_SOURCES,
    compressibility,
    leak,
    lengths,
    no_leak,
    panels_of,
    plain,
    shares,
    sources,
    title,
    vocabulary,
)
from workflow.scripts.figures.look import short

WIDTH = 6.6  # inches


LOOK = {
    "font.size": 7.5,
    "axes.titlesize": 8,
    "axes.titleweight": "bold",
    "axes.titlelocation": "left",
    "axes.labelsize": 7.5,
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


QUANTILES = ("5%", "25%", "50%", "75%", "95%")


NUMBERS = (
    "files",
    "tunes",
    "chars",
    "distinct_chars",
    *(f"splits.{split}.tunes" for split in SPLIT_NAMES),
    *(f"audit.{table}.{point}" for table in ("length", "zstd_bits_per_char_of_a_tune") for point in QUANTILES),
    "audit.share_of_text_in_largest_1_percent",
    "audit.rest_share",
    "audit.zstd_bits_per_char",
    "audit.zstd_level.all",
    "audit.zstd_level.tune",
)


TEXTS = ("input", "tokenizer", "options.split_by")


TABLES = ("rejected", "audit.meters", "audit.keys", "audit.voices", "audit.programs", "char_counts")


HISTOGRAMS = ("audit.length.histogram", "audit.zstd_bits_per_char_of_a_tune.histogram")


OF_A_SOURCE = ("tunes", "chars", "rest_share", "zstd_bits_per_char", "median_bits_per_char_of_a_tune")


OF_A_SCHEME = ("test_tunes", "notes", "steps", "either")


def is_number(value: object) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool) and 0 <= value < math.inf


def check(corpus: dict, path: str) -> None:
    """Is everything there that is drawn?

    Raises:
        InputError: it is not.
    """

    def at(place: str, parts: list[str], kind: type | Callable, what: str):
        value = corpus
        for part in parts:
            if not isinstance(value, dict) or part not in value:
                raise InputError(f"{path} has no {place}: it is not a whole corpus.json as prepare writes it")
            value = value[part]
        if not (isinstance(value, kind) if isinstance(kind, type) else kind(value)):
            raise InputError(f"{path}: {place} is not {what}")
        return value

    def find(place: str, kind: type | Callable, what: str):
        return at(place, place.split("."), kind, what)

    for place in NUMBERS:
        find(place, is_number, "a number of at least 0")
    for place in TEXTS:
        find(place, str, "text")
    for place in TABLES:
        find(place, lambda value: isinstance(value, dict) and all(map(is_number, value.values())), "a table of counts")
    for place in HISTOGRAMS:
        numbers = [
            find(f"{place}.{part}", lambda value: isinstance(value, list) and all(map(is_number, value)), "numbers")
            for part in ("edges", "counts")
        ]
        if not 1 < len(numbers[0]) == len(numbers[1]) + 1 or sorted(set(numbers[0])) != numbers[0]:
            raise InputError(f"{path}: {place} does not have ascending edges around its counts")
    for group, columns in (("audit.sources", OF_A_SOURCE), ("leakage", OF_A_SCHEME)):
        for name, column in itertools.product(find(group, dict, "a table"), columns):
            place = f"{group}.{name}.{column}"
            at(place, [*group.split("."), name, column], is_number, "a number of at least 0")
    for name, row in corpus["leakage"].items():
        if any(row[kind] > 1 for kind in OF_A_SCHEME[1:]):
            raise InputError(f"{path}: leakage.{name} holds a share above 1")


def headline(corpus: dict) -> tuple[str, str]:
    """What the corpus is, in words: a title and a few sentences."""
    names = [PurePath(part).name or part for part in corpus["input"].split(", ")]
    title = f"{plain(', '.join(names), 30)}: {corpus['tunes']:,} tunes, {short(corpus['chars'])} characters"
    sizes = ", ".join(f"{words} {corpus['splits'][name]['tunes']:,}" for name, words in SPLIT_NAMES.items())
    lost = sorted(corpus["rejected"].items(), key=lambda row: (-row[1], row[0]))
    said = [f"{plain(reason.replace('_', ' '), 30)} {count:,}" for reason, count in lost[:8]]
    if len(lost) > 8:
        said.append(f"{len(lost) - 8} other reasons {sum(count for _, count in lost[8:]):,}")
    tokens = "" if corpus["tokenizer"] == "char" else f", encoded by {plain(corpus['tokenizer'].upper(), 12)}"
    return title, (
        f"{corpus['chars']:,} characters, {corpus['distinct_chars']:,} distinct{tokens}, from {corpus['files']:,}"
        f" file{'s' * (corpus['files'] != 1)}; zstd packs the whole text to"
        f" {corpus['audit']['zstd_bits_per_char']:.2f} bits a character. Tunes by split: {sizes}."
        f" Left out, by reason: {', '.join(said) or 'nothing'}."
    )


def draw(corpus: dict) -> Figure:
    """The figure of a corpus.json that `check` has passed."""
    audit = corpus["audit"]
    panels = panels_of(corpus)
    slots = max((len(table) for _, _, table, _ in panels), default=0)
    letters = iter("defghi")
    heading, said = headline(corpus)
    said = textwrap.fill(said, 116)
    schemes = [name for name in ("in_force", *SCHEMES) if name in corpus["leakage"]]
    heights = {
        "head": 0.27 + 0.135 * (said.count("\n") + 1),
        "leak": 0.72 + 0.24 * len(schemes) if schemes else 0.4,
        "shape": 1.6,
    }
    if audit["sources"]:
        heights["sources"] = 0.7 + 0.155 * min(len(audit["sources"]), TOP_SOURCES + 1)
    if panels:
        heights["music"] = 0.45 + 0.136 * slots
    if corpus["char_counts"]:
        heights["vocabulary"] = 1.55

    fig = plt.figure(figsize=(WIDTH, sum(heights.values())), layout="constrained")
    fig.get_layout_engine().set(h_pad=0.05, w_pad=0.05)
    parts = fig.subfigures(len(heights), 1, height_ratios=list(heights.values()), squeeze=False)[:, 0]
    part: dict[str, SubFigure] = dict(zip(heights, parts, strict=True))
    size = heights["head"]
    part["head"].text(0.008, 1 - 0.06 / size, heading, fontsize=10, fontweight="bold", va="top", color=INK)
    part["head"].text(0.008, 1 - 0.26 / size, said, fontsize=7.5, va="top", linespacing=1.3, color="#333333")
    if schemes:
        leak(part["leak"].subplots(), corpus, schemes)
    else:
        no_leak(part["leak"])
    left, right = part["shape"].subplots(1, 2)
    lengths(left, corpus)
    compressibility(right, corpus)
    if "sources" in part:
        sources(list(part["sources"].subplots(1, 3, width_ratios=(1.3, 1, 0.95))), corpus, next(letters))
    if panels:
        axes = part["music"].subplots(1, len(panels), squeeze=False)[0]
        for ax, (words, below, table, total) in zip(axes, panels, strict=True):
            shares(ax, table, total, slots)
            title(ax, f"{next(letters)}  {words}", below)
    if "vocabulary" in part:
        vocabulary(part["vocabulary"].subplots(), corpus, next(letters))
    return fig
