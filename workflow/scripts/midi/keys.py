"""The keys and tempos of a song, each from where on it holds, and how pitches are written in a key."""

import functools

import numpy as np

from workflow.scripts.midi.grid import TICKS
from workflow.scripts.midi.read_abc import FIFTHS, LETTERS_OF_FIFTHS, NATURAL
from workflow.scripts.midi.song import Song

TEMPO = 120  # quarters a minute of a file that does not say
HEARD = 0.04  # least change of tempo that is told, as a share of it
SIMPLEST = np.array(sorted(range(-6, 7), key=lambda sharps: (abs(sharps), sharps)))  # keys by their sharps
DIATONIC = np.array([[(7 * pitch - s + 1) % 12 < 7 for pitch in range(12)] for s in SIMPLEST])  # (13, 12) what each has


@functools.cache
def spelling(sharps: int) -> tuple[np.ndarray, np.ndarray]:
    """How pitches are written in a key: (2, 12) letter and accidental of each pitch class, and (7,) its signature.

    Letters count from C, accidentals in semitones; the signature is the accidental of each letter without a sign. Along
    the line of fifths the seven of the key are there, two below them and three above, but naturals before E# and Cb.
    """
    lowest = min(max(sharps - 2, min(-5, sharps)), max(0, sharps - 5))
    spelt = np.zeros((2, 12), np.int64)
    for fifth in range(lowest, lowest + 12):  # F is 0
        sign, at = divmod(fifth, 7)
        pitch_class = (NATURAL[LETTERS_OF_FIFTHS[at]] + sign) % 12
        spelt[:, pitch_class] = LETTERS_OF_FIFTHS[at], sign
    signature = np.zeros(7, np.int64)
    for fifth in range(sharps, sharps + 7):
        sign, at = divmod(fifth, 7)
        signature[LETTERS_OF_FIFTHS[at]] = sign
    return spelt, signature


def key_name(sharps: int, minor: int) -> str:
    """As in a K: field."""
    sign, at = divmod(sharps + (4 if minor else 1), 7)
    return FIFTHS[at] + ("b" * -sign if sign < 0 else "#" * sign) + ("m" if minor else "")


def best_key(pitches: np.ndarray) -> int:
    """Sharps of the key that needs the fewest accidentals for these pitches; of equal ones the simplest."""
    return int(SIMPLEST[np.argmax(DIATONIC @ np.bincount(pitches % 12, minlength=12))])


def on_grid(rows: list[tuple[int, ...]], scale: float) -> list[tuple[int, ...]]:
    """The rows with their ticks on the grid; of a tick the last counts."""
    moved = ((round(tick * scale / TICKS) * TICKS, *values) for tick, *values in rows)
    return list({row[0]: row for row in moved}.values())


def keys_of(song: Song, scale: float) -> list[tuple[int, ...]]:
    """Tick on the grid, sharps, 1 for minor; the first at 0, the likeliest if the song does not say it."""
    if song.keys:
        (_, *first), *later = on_grid(song.keys, scale)
        return [(0, *first), *later]
    heard = song.notes["pitch"][~song.notes["drum"]]
    return [(0, best_key(heard) if len(heard) else 0, 0)]


def tempos_of(song: Song, scale: float, beat: int) -> list[tuple[int, int]]:
    """(tick on the grid, quarters a minute) of the first tempo, at 0, and of each change that can be heard.

    There is at most one in each ``beat``, the last, since a slowing is often written in dozens of steps.
    """
    by_beat = {-1: (0, TEMPO)}
    for tick, microseconds in on_grid(song.tempos, scale):
        by_beat[tick // beat if tick else -1] = (tick, round(60e6 / microseconds))
    found: list[tuple[int, int]] = []
    for tick, rate in by_beat.values():
        if not found or abs(rate - found[-1][1]) >= max(1, found[-1][1] * HEARD):
            found.append((tick, rate))
    return found
