"""The keys and tempos of a song, each from where on it holds, and how pitches are written in a key."""

from typing import NamedTuple

import numpy as np

from workflow.scripts.midi.grid import TICKS
from workflow.scripts.midi.read_abc import FIFTHS, LETTERS_OF_FIFTHS, NATURAL
from workflow.scripts.midi.song import Song

TEMPO = 120  # quarters a minute of a file that does not say
HEARD = 0.04  # least change of tempo that is told, as a share of it


class Spelling(NamedTuple):
    """How pitches are written in a key.

    Attributes:
        letter, accidental: (12,) of each pitch class; letters from C, accidentals in semitones.
        signature: (7,) accidental of each letter without a sign.
    """

    letter: np.ndarray
    accidental: np.ndarray
    signature: np.ndarray


def spelling(sharps: int) -> Spelling:
    """Along the line of fifths: the seven of the key, two below them and three above, but naturals before E# and Cb."""
    lowest = min(max(sharps - 2, min(-5, sharps)), max(0, sharps - 5))
    letter, accidental = np.zeros(12, np.int64), np.zeros(12, np.int64)
    for fifth in range(lowest, lowest + 12):  # F is 0
        sign, at = divmod(fifth, 7)
        pitch_class = (NATURAL[LETTERS_OF_FIFTHS[at]] + sign) % 12
        letter[pitch_class], accidental[pitch_class] = LETTERS_OF_FIFTHS[at], sign
    signature = np.zeros(7, np.int64)
    for fifth in range(sharps, sharps + 7):
        sign, at = divmod(fifth, 7)
        signature[LETTERS_OF_FIFTHS[at]] = sign
    return Spelling(letter, accidental, signature)


def key_name(sharps: int, minor: int) -> str:
    """As in a K: field."""
    sign, at = divmod(sharps + (4 if minor else 1), 7)
    return FIFTHS[at] + ("b" * -sign if sign < 0 else "#" * sign) + ("m" if minor else "")


def best_key(pitches: np.ndarray) -> int:
    """Sharps of the key that needs the fewest accidentals for these pitches."""
    counts = np.bincount(pitches % 12, minlength=12)
    rank = sorted(range(-6, 7), key=lambda sharps: (abs(sharps), sharps))
    return max(rank, key=lambda sharps: sum(counts[(7 * (sharps + k)) % 12] for k in range(-1, 6)))


def changes_of(rows: np.ndarray, scale: float) -> np.ndarray:
    """The rows with their ticks on the grid; of a tick the last counts."""
    ticks = np.rint(rows[:, 0] * scale / TICKS).astype(np.int64) * TICKS
    last = np.concatenate((np.diff(ticks) != 0, [True])) if len(ticks) else np.zeros(0, bool)
    return np.concatenate([ticks[:, None], rows[:, 1:]], axis=1)[last]


def keys_of(song: Song, scale: float) -> np.ndarray:
    """(m, 3) tick on the grid, sharps, 1 for minor; the first at 0, the likeliest if the song does not say it."""
    keys = changes_of(song.keys, scale)
    if not len(keys):
        heard = song.notes["pitch"][~song.notes["drum"]].astype(np.int64)
        return np.array([[0, best_key(heard) if len(heard) else 0, 0]])
    keys[0, 0] = 0
    return keys


def tempos_of(song: Song, scale: float, beat: int) -> list[tuple[int, int]]:
    """(tick on the grid, quarters a minute) of the first tempo, at 0, and of each change that can be heard.

    There is at most one in each ``beat``, the last, since a slowing is often written in dozens of steps.
    """
    by_beat = {-1: (0, TEMPO)}
    for tick, microseconds in changes_of(song.tempos, scale).tolist():
        by_beat[tick // beat if tick else -1] = (tick, round(60e6 / microseconds))
    found: list[tuple[int, int]] = []
    for tick, rate in by_beat.values():
        if not found or abs(rate - found[-1][1]) >= max(1, found[-1][1] * HEARD):
            found.append((tick, rate))
    return found
