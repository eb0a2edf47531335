"""What the notes of a tune are like: features of it, as numbers and histograms.

They need what the checker found in a text, and say nothing of whether that is ABC. Only what the writer wrote is
measured: notes, rests and bars that begin after the prompt.
"""

import bisect
import collections
import itertools
from dataclasses import dataclass
from fractions import Fraction

import numpy as np

from workflow.scripts.base import measures
from workflow.scripts.grammar.findings import TICKS, Note, Part, Text, Time

# The classes of note lengths of Yang and Lerch: whole to sixteenth, the same four dotted from the half on, and the
# notes of triplets of halves, quarters and eighths.
LENGTHS = ("1", "1/2", "1/4", "1/8", "1/16", "3/4", "3/8", "3/16", "3/32", "1/3", "1/6", "1/12")
PITCHES = ("C", "C#", "D", "D#", "E", "F", "F#", "G", "G#", "A", "A#", "B")
CLASSES = {measures.PITCH_CLASS: PITCHES, measures.NOTE_LENGTH: LENGTHS}


@dataclass(frozen=True)
class Features:
    """Of one tune; None where it has nothing to measure.

    Attributes:
        notes: written; grace notes are none.
        voices: with a written note.
        in_key: share of the notes that are what the key says (pitch in scale rate of MusPy, Dong et al. 2020, but of
            the key in force).
        rest_share: of the time that rests and notes take in all voices, rests'; a chord takes its time once.
        polyphony: notes that sound at a time, on average over the time when one does, of all voices (as MusPy).
        repetition: share of the bars with notes whose notes are those of an earlier bar of the voice.
        histograms: by the names of `CLASSES`, (12,) shares of the notes, each note counting once.
    """

    notes: int
    voices: int
    in_key: float | None
    rest_share: float | None
    polyphony: float | None
    repetition: float | None
    histograms: dict[str, np.ndarray] | None


def measure(found: Text) -> Features:
    """The features of a text's first tune, of what begins after its prompt."""
    parts, prompt_chars = found.parts.values(), found.prompt_chars
    voices = [[note for note in part.notes if note.offset >= prompt_chars] for part in parts]
    notes = [note for voice in voices for note in voice]
    sounding = sum(map(covered, voices))
    resting = sum(float(rest.duration) for part in parts for rest in part.rests if rest.offset >= prompt_chars)
    repeats = [repeated(part, prompt_chars) for part in parts]
    bars = sum(n for _, n in repeats)
    return Features(
        notes=len(notes),
        voices=sum(map(bool, voices)),
        in_key=sum(note.in_key for note in notes) / len(notes) if notes else None,
        rest_share=resting / (resting + sounding) if resting + sounding else None,
        polyphony=sum(float(note.duration) for note in notes) / covered(notes) if notes else None,
        repetition=sum(count for count, _ in repeats) / bars if bars else None,
        histograms=histograms(notes) if notes else None,
    )


def covered(notes: list[Note]) -> float:
    """Time, in ticks, in which at least one of the notes sounds."""
    time = reach = 0.0
    # As floats, which are exact for music: a text can make its times fractions of any size, which are slow.
    for start, duration in sorted((float(note.onset), float(note.duration)) for note in notes):
        if start + duration > reach:
            time += start + duration - max(start, reach)
            reach = start + duration
    return time


def repeated(part: Part, prompt_chars: int) -> tuple[int, int]:
    """(bars that repeat an earlier one, bars) of a voice, among the bars with notes that begin after the prompt.

    Two bars are alike if they have the same notes: pitch, length and place in the bar, as in the similarity of bars
    of Museformer (Yu et al. 2022). What they repeat may be the prompt's. A bar between repeat signs is read once.
    """
    offsets = [bar.offset for bar in part.bars]
    starts = [0, *itertools.accumulate(bar.duration * bar.n_bars for bar in part.bars)]
    contents: dict[int, set[tuple[Time, Time, int]]] = collections.defaultdict(set)  # by the place of the bar, in order
    for note in part.notes:
        bar = bisect.bisect_right(offsets, note.offset) - 1
        contents[bar].add((note.onset - starts[bar], note.duration, note.pitch))
    count, n, seen = 0, 0, set()
    for bar, notes in contents.items():
        content = frozenset(notes)
        if offsets[bar] >= prompt_chars:
            n += 1
            count += content in seen
        seen.add(content)
    return count, n


def histograms(notes: list[Note]) -> dict[str, np.ndarray]:
    """By the names of `CLASSES`, (12,) shares of the notes; a length counts to the nearest class."""
    lengths = np.array([float(note.duration) for note in notes]) / TICKS
    indices = {
        measures.PITCH_CLASS: [note.pitch % 12 for note in notes],
        measures.NOTE_LENGTH: np.abs(lengths[:, None] - [float(Fraction(length)) for length in LENGTHS]).argmin(axis=1),
    }
    return {name: np.bincount(index, minlength=12) / len(notes) for name, index in indices.items()}
