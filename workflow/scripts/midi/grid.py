"""The grid that notes are put on, 16ths, 32nds or 64ths counted in ticks, and what holds of notes on any grid."""

import numpy as np
from numba import njit

TICKS = 12  # of a step, so that the thirds of four steps are whole
COARSE, FINE, FINEST = 4, 8, 16  # steps of a quarter note
EVER = (1 << 40) - 1  # the last tick that a `place` can hold
MARKER = 0  # pitch of a note that stands for silence


@njit(cache=True, inline="always")
def place(part, tick, pitch):
    """A part, tick and pitch as one number, in that order; arrays or ints."""
    return part << 48 | tick << 8 | pitch


@njit(cache=True)
def bar_line(tick, meters, steps):
    """The first bar line after a tick, where ``meters`` and ``steps`` are those of an `Arrangement`."""
    at = np.searchsorted(meters[:, 0], tick, side="right") - 1
    start, bar = meters[at, 0], meters[at, 1] * (4 * steps * TICKS) // meters[at, 2]
    line = start + ((tick - start) // bar + 1) * bar
    return min(line, meters[at + 1, 0]) if at + 1 < len(meters) else line


@njit(cache=True)
def without_overlaps(rows):
    """(n,) which notes stay, the longest of those with the same part, onset and pitch; they are changed where they are.

    Each note is ended where its part strikes its pitch again, since a voice of ABC has a pitch but once at a time.

    Args:
        rows: (n, 4) part, onset, end and pitch, by part and onset.
    """
    stays = np.ones(len(rows), dtype=np.bool_)
    last = np.full(128, -1, dtype=np.int64)
    for i in range(len(rows)):
        if i > 0 and rows[i, 0] != rows[i - 1, 0]:
            last[:] = -1
        before = last[rows[i, 3]]
        if before >= 0 and rows[before, 1] == rows[i, 1]:
            rows[before, 2] = max(rows[before, 2], rows[i, 2])
            stays[i] = False
            continue
        if before >= 0:
            rows[before, 2] = min(rows[before, 2], rows[i, 1])
        last[rows[i, 3]] = i
    return stays
