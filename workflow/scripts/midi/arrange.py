"""A song as it was played -> the same on a grid of 16ths to 64ths, so that midi2abc has nothing left to decide.

midi2abc rounds the time from one note to the next, so that its errors add up, takes in a change of meter only where a
note begins, and breaks off where the last note ends. So notes are put on the grid here, each by its own time, and where
the meter changes every voice that is not over gets an onset: a note that sounds is struck again there, to be tied by
`spell`, and silence gets a marker. A marker also fills the last bar.
"""

from dataclasses import dataclass

import numpy as np
from numba import njit

from workflow.scripts.midi.grid import COARSE, FINE, FINEST, TICKS, place, without_overlaps
from workflow.scripts.midi.song import DRUMS, Song
from workflow.scripts.midi.triplets import THIRDS, set_triplets
from workflow.scripts.midi.voices import at_changes, with_ends, within_reach

MAX_ODD = 0.03  # most of the onsets that may lie nearer to an odd 32nd than to a 16th for 16ths to do
MAX_MERGED = 0.01  # most of the notes that may fall together for a grid to do
MAX_CHANGES = 500  # of the meter


@dataclass(frozen=True)
class Arrangement:
    """A song on a grid; all times are in ticks, `TICKS` a step.

    Attributes:
        steps: of a quarter note.
        notes: (n, 4) int64 part, onset, end and pitch, by part and onset; of the last onset of a part by end.
        meters: (m, 3) tick, numerator and denominator, the first at 0; each begins a bar of the one before.
        marked: (k,) sorted `place` of each marker.
        tied: (k,) sorted `place` of each note that goes on where it is struck again.
        triplets: (k,) sorted `place` where the notes of a beat stand for its thirds; they have pitch 0.
        beats: (k,) ticks of each one's beat.
    """

    steps: int
    notes: np.ndarray
    meters: np.ndarray
    marked: np.ndarray
    tied: np.ndarray
    triplets: np.ndarray
    beats: np.ndarray

    @property
    def division(self) -> int:
        """Ticks of a quarter note."""
        return self.steps * TICKS

    @property
    def parts_per_unit(self) -> int:
        """Steps of the unit note length that midi2abc takes for the first meter: its -ppu."""
        _, numerator, denominator = self.meters[0].tolist()
        return 4 * self.steps // (8 if 4 * numerator // denominator >= 3 else 16)


def arrange(song: Song) -> Arrangement:
    """Put a song on the grid that it needs."""
    notes, steps = song.notes, resolution(song)
    ends = notes["onset"] + notes["length"]
    rows = np.empty((len(notes), 4), dtype=np.int64)
    rows[:, 0], rows[:, 3] = notes["part"], notes["pitch"]
    rows[:, 1] = np.floor(notes["onset"] * (steps / song.division) + 0.5) * TICKS
    rows[:, 2] = np.maximum(np.floor(ends * (steps / song.division) + 0.5) * TICKS, rows[:, 1] + TICKS)
    meters = meters_on_grid(song, steps, int(rows[:, 2].max()))
    struck, over = (np.rint(ticks * (THIRDS / song.division)).astype(np.int64) for ticks in (notes["onset"], ends))
    triplets, beats = set_triplets(rows, struck, over, meters, steps)
    rows = rows[without_overlaps(rows)]
    within_reach(rows, triplets, song.channels == DRUMS, meters, steps)
    marked = tied = np.zeros(0, np.int64)
    if len(meters) > 1:
        rows, marked, tied = at_changes(rows, np.append(0, meters[1:, 0]))
        rows = rows[np.argsort(place(rows[:, 0], rows[:, 1], rows[:, 3]), kind="stable")]
    rows, fills, held = with_ends(rows, meters, steps)
    marked, tied = np.sort(np.concatenate([marked, fills])), np.sort(np.concatenate([tied, held]))
    return Arrangement(steps, rows, meters, marked, tied, triplets, beats)


def resolution(song: Song) -> int:
    """Steps of a quarter note: the fewest that the onsets, but for thirds, and a meter in 32nds need."""
    onset = song.notes["onset"] / song.division
    third = np.rint(onset * THIRDS) % 3 != 0
    odd = (np.rint(onset * FINE) % 2 == 1) & ~(third & (np.abs(onset * THIRDS - np.rint(onset * THIRDS)) < 0.1))
    in_32nds = any(denominator == 32 for _, _, denominator in song.meters) or odd.mean() > MAX_ODD
    for steps in (COARSE, FINE)[int(in_32nds) :]:
        if merged(song.notes["part"], np.floor(onset * steps + 0.5), song.notes["pitch"]) <= MAX_MERGED * len(onset):
            return steps
    return FINEST


@njit(cache=True)
def merged(part, step, pitch):
    """How many notes, by part and onset, fall on the step of another of the same part and pitch."""
    count = 0
    last = np.full(128, -1.0)
    for i in range(len(part)):
        if i > 0 and part[i] != part[i - 1]:
            last[:] = -1
        count += last[pitch[i]] == step[i]
        last[pitch[i]] = step[i]
    return count


def meters_on_grid(song: Song, steps: int, last: int) -> np.ndarray:
    """(m, 3) tick, numerator and denominator until ``last``; a bar that a change cuts short has a meter of its own."""
    first, *later = song.meters[: MAX_CHANGES + 1] or [(0, 4, 4)]
    found = [(0, *first[1:])]
    for tick, *meter in later:
        tick = round(tick * steps / song.division) * TICKS
        if tick >= last:
            break
        start, *before = found[-1]
        rest = (tick - start) % (before[0] * 4 * steps * TICKS // before[1])
        if rest:
            size = int(np.gcd(rest // TICKS, 4 * steps))
            short = (tick - rest, rest // TICKS // size, 4 * steps // size)
            found[len(found) - (tick - rest == start) :] = [short]
        if tick == start:
            found.pop()
        if not found or found[-1][1:] != tuple(meter):
            found.append((tick, *meter))
    return np.array(found, dtype=np.int64)
