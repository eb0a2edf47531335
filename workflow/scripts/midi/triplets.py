"""Beats that a part divides by three: found in what was played, and put on the grid so that they can be told again."""

import numpy as np
from numba import njit

from workflow.scripts.midi.grid import COARSE, TICKS, bar_line, place

THIRDS = 12  # cells of a quarter note by which thirds of a beat are found


@njit(cache=True)
def set_triplets(rows, struck, ends, meters, steps):
    """Where a part strikes the thirds of a beat and nothing else, let its notes fill them.

    On the grid they last 3, 2 and 3 eighths of the beat (2, 4 and 2 if it has but four steps), lengths that midi2abc
    writes in one piece; from them `spell` writes a triplet.

    Args:
        rows: (n, 4) part, onset, end and pitch of notes on the grid, by part and onset; changed here.
        struck, ends: (n,) cell of a quarter's `THIRDS` at which each was struck, and at which it ends.
        meters, steps: as of an `Arrangement`.

    Returns:
        triplets, beats: as of an `Arrangement`.
    """
    n = len(rows)
    first = np.empty(n + 1, dtype=np.int64)  # note of each chord, which a part strikes in one cell
    last = np.empty(n, dtype=np.int64)  # cell at which it ends
    chords = 0
    for i in range(n):
        if i == 0 or rows[i, 0] != rows[i - 1, 0] or struck[i] != struck[i - 1]:
            first[chords], last[chords] = i, ends[i]
            chords += 1
        last[chords - 1] = max(last[chords - 1], ends[i])
    first[chords] = n
    triplets, beats = np.empty(n, dtype=np.int64), np.empty(n, dtype=np.int64)
    found = 0
    sounding = np.int64(0)  # cell at which all that the part struck before ends
    g = 0
    while g < chords:
        i, part, start = first[g], rows[first[g], 0], struck[first[g]]
        if i > 0 and rows[i - 1, 0] != part:
            sounding = np.int64(0)
        if g + 2 < chords and rows[first[g + 2], 0] == part and sounding <= start + 1:
            third = struck[first[g + 1]] - start
            begin, length = start * (steps * TICKS // THIRDS), third * (steps * TICKS // (THIRDS // 3))
            follows = first[g + 3]
            fits = third == THIRDS // 6 or third == THIRDS // 3 or third == 2 * THIRDS // 3
            fits = fits and start % (3 * third) == 0 and struck[first[g + 2]] == start + 2 * third
            fits = fits and length >= COARSE * TICKS and bar_line(begin, meters, steps) >= begin + length
            fits = fits and (i == 0 or rows[i - 1, 0] != part or rows[i - 1, 1] < begin)
            fits = fits and (follows == n or rows[follows, 0] != part or rows[follows, 1] >= begin + length)
            for k in range(3):
                fits = fits and last[g + k] <= start + (k + 1) * third + 1
            if fits:
                eighths = (0, 2, 6, 8) if length == COARSE * TICKS else (0, 3, 5, 8)
                for k in range(3):
                    for note in range(first[g + k], first[g + k + 1]):
                        rows[note, 1] = begin + length * eighths[k] // 8
                        rows[note, 2] = begin + length * eighths[k + 1] // 8
                triplets[found], beats[found] = place(part, begin, 0), length
                found += 1
                sounding = max(sounding, start + 3 * third)
                g += 3
                continue
        sounding = max(sounding, last[g])
        g += 1
    return triplets[:found], beats[:found]
