"""What a corpus is to be made of, and how: its sources, and the options of `prepare`, each defined once.

From the fields of `Cleaning`, `Rules` and `Options` come the parser of `prepare`, the values that it works with, and
the keys of a study's config that are passed on to it. The Snakefile loads this module for every job, so it imports
nothing that takes long to load.
"""

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

from workflow.scripts.base import cli
from workflow.scripts.base.options import flags_of, option

APART = "_apart"
WAYS = ("cluster", "random", f"random{APART}", "md5", f"md5{APART}")  # to split


@dataclass(frozen=True)
class Source:
    """A named part of the input, with its share of the corpus if that is not all it has."""

    name: str
    path: str
    weight: float | None = None  # of the text, relative to the other sources' weights
    cap: int | None = None  # characters
    licence: str = ""


def of_corpus(
    default: object,
    help: str,
    kind: Callable[[str], object] = str,
    *,
    group: str,
    in_config: bool = True,
    **said: object,
) -> Any:
    """An option of `prepare`.

    Args:
        group: what `HEADINGS` puts under a heading of the help together.
        in_config: whether config.yaml sets it under the same name.
        said: as of `base.options.option`.
    """
    return option(default, help, kind, group=group, in_config=in_config, **said)


@dataclass(frozen=True)
class Cleaning:
    """What `notation.clean` keeps beside the music.

    Attributes:
        keep_titles: T: fields.
        keep_lyrics: w: and W: fields.
        keep_comments: %-comments, layout directives, and the fields about a tune (composer, source, notes, ...).
    """

    keep_titles: bool = of_corpus(True, "T: fields", group="cleaning")
    keep_lyrics: bool = of_corpus(False, "w: and W: fields", group="cleaning")
    keep_comments: bool = of_corpus(False, "comments, and fields about a tune", group="cleaning")


@dataclass(frozen=True)
class Rules:
    """What makes a text a tune to learn from: all that a shard depends on beside its input and the code."""

    cleaning: Cleaning = field(default_factory=Cleaning)
    max_chars: int = of_corpus(100_000, "longest tune kept, in characters", cli.positive_int, group="cleaning")
    min_notes: int = of_corpus(8, "fewest notes that make a tune", cli.positive_int, group="cleaning")
    max_voices: int = of_corpus(32, "most voices a tune may have", cli.positive_int, group="cleaning")
    max_rest_share: float = of_corpus(0.8, "most rests among notes and rests", cli.fraction, group="cleaning")
    max_rest_bars: int = of_corpus(8, "longer runs of silent bars become Z<n>", cli.positive_int, group="cleaning")
    midi_flags: str = of_corpus("", "of midi2abc, beside those that say what grid the notes are on", group="midi")
    midi_agreement: float = of_corpus(
        0.9, "least F1 of the notes of a tune and its MIDI, by pitch and onset", cli.fraction, group="midi"
    )
    midi_seconds: float = of_corpus(10, "time for one MIDI file", cli.positive_float, group="midi", in_config=False)
    near_duplicates: bool = of_corpus(True, "find versions of one tune, and the leak", group="split")


@dataclass(frozen=True)
class Options:
    """How a corpus is made, beside its input."""

    rules: Rules = field(default_factory=Rules)
    val_fraction: float = of_corpus(0.05, "share of tunes for validation", cli.fraction, group="split")
    test_fraction: float = of_corpus(0.05, "share of tunes for the test", cli.fraction, group="split")
    min_test_chars: int = of_corpus(
        2_400_000,
        "the test share is raised to hold this many characters, where a tenth of the corpus can",
        cli.non_negative_int,
        group="split",
    )
    split_by: str = of_corpus(
        "cluster",
        "cluster: versions together; random: each tune by itself; md5: by each file's hash, as others do on Lakh; with"
        " _apart: training loses the relatives of held-out tunes",
        group="split",
        parse={"choices": WAYS},
    )
    max_tune_share: float = of_corpus(
        0.05,
        "most of the training text that a tune far longer than the others may take",
        cli.fraction,
        group="cleaning",
    )
    min_char_count: int = of_corpus(5, "rarer characters are mapped out", cli.positive_int, group="cleaning")
    tokenizer: str = of_corpus(
        "char", "characters, or byte-pair encoding", group="tokens", parse={"choices": ("char", "bpe")}
    )
    vocab_size: int = of_corpus(1024, "of bpe, begin and end included", cli.positive_int, group="tokens")


# The headings of `prepare --help`, and under each the groups of options of these classes, in order.
HEADINGS: dict[str, tuple[tuple[type, str], ...]] = {
    "cleaning": ((Cleaning, "cleaning"), (Rules, "cleaning"), (Options, "cleaning"), (Rules, "midi")),
    "split": ((Options, "split"), (Rules, "split")),
    "tokens": ((Options, "tokens"),),
}
# What config.yaml says of the corpus, under the names of the flags and in their order.
CONFIG_OPTIONS = [
    name for parts in HEADINGS.values() for cls, group in parts for name in flags_of(cls, group=group, in_config=True)
]
