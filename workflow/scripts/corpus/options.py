"""What a corpus is to be made of, and how: its sources, the rules that make a text a tune, and how tunes are split."""

import dataclasses
from dataclasses import dataclass

from workflow.scripts.corpus.sources import MUSIC21, text_of
from workflow.scripts.notation.clean import Cleaning


@dataclass(frozen=True)
class Source:
    """A named part of the input, with its share of the corpus if that is not all it has."""

    name: str
    path: str
    weight: float | None = None  # of the text, relative to the other sources' weights
    cap: int | None = None  # characters
    licence: str = ""


@dataclasses.dataclass(frozen=True)
class Rules:
    """What makes a text a tune to learn from."""

    cleaning: Cleaning = dataclasses.field(default_factory=Cleaning)
    max_chars: int = 100_000
    min_notes: int = 8
    max_voices: int = 32
    max_rest_share: float = 0.8
    max_rest_bars: int = 8
    midi_flags: str = "-noly -sr 2"
    midi_seconds: float = 10.0
    near_duplicates: bool = True


LICENCE = {MUSIC21: "as distributed with music21, partly for non-commercial use only: see data/README.md"}


@dataclasses.dataclass(frozen=True)
class Options:
    """How a corpus is made, beside its input."""

    rules: Rules = dataclasses.field(default_factory=Rules)
    val_fraction: float = 0.05
    test_fraction: float = 0.05
    min_test_chars: int = 2_400_000
    split_by: str = "cluster"
    max_tune_share: float = 0.05
    min_char_count: int = 5
    tokenizer: str = "char"
    vocab_size: int = 1024


def source_report(source: Source) -> dict:
    licence = source.licence or LICENCE.get(source.path, "")
    return dataclasses.asdict(source) | {"path": text_of(source.path), "licence": licence}
