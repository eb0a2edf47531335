"""Notes on the grid -> such as midi2abc can write and abc2midi can play: how long they are, and how a part ends."""

import numpy as np
from numba import njit

from workflow.scripts.midi.grid import EVER, MARKER, TICKS, bar_line, place


@njit(cache=True)
def within_reach(rows, triplets, is_drum, meters, steps):
    """End each note at the first onset of its part from the next bar line on, and where a triplet begins.

    A note that is tied over a bar line and then on into a chord with others is legal, but to abc2midi 5.02 (2025) a
    piece of it is another note; and it would be long to write. A drum ends where the next begins: how long it sounds
    says nothing.

    Args:
        rows: (n, 4) part, onset, end and pitch, by part and onset; changed here.
        is_drum: (parts,) bool.
        triplets, meters, steps: as of an `Arrangement`.
    """
    following = triplet = 0  # the first note, or triplet, that may end the one looked at
    for i in range(len(rows)):
        part, onset = rows[i, 0], rows[i, 1]
        line = onset + 1 if is_drum[part] else bar_line(onset, meters, steps)
        limit = place(part, line, 0)
        while following < len(rows) and place(rows[following, 0], rows[following, 1], 0) < limit:
            following += 1
        if following < len(rows) and rows[following, 0] == part:
            rows[i, 2] = min(rows[i, 2], rows[following, 1])
        while triplet < len(triplets) and triplets[triplet] <= place(part, onset, 0):
            triplet += 1
        if triplet < len(triplets) and triplets[triplet] >> 48 == part:
            rows[i, 2] = min(rows[i, 2], triplets[triplet] >> 8 & EVER)


@njit(cache=True)
def at_changes(rows, ticks):
    """(notes, marked, tied) with an onset at each of these ticks in every part that is not over by then.

    Args:
        rows: (n, 4) part, onset, end and pitch, by part and onset; the new notes stand behind them.
        ticks: where the meter changes, in their order.
    """
    n_parts = 1
    for i in range(1, len(rows)):
        n_parts += rows[i, 0] != rows[i - 1, 0]
    out = np.empty((len(rows) + len(ticks) * n_parts * 128, 4), dtype=np.int64)
    out[: len(rows)] = rows
    marked, tied = np.empty(len(ticks) * n_parts, dtype=np.int64), np.empty(len(out) - len(rows), dtype=np.int64)
    n, marks, ties, first = len(rows), 0, 0, 0
    while first < len(rows):
        part, stop, over, begun = rows[first, 0], first, np.int64(0), n
        while stop < len(rows) and rows[stop, 0] == part:
            over = max(over, rows[stop, 2])
            stop += 1
        for tick in ticks:
            if tick >= over:
                break
            strikes = False
            for i in range(first, stop):
                strikes |= out[i, 1] == tick
            if strikes:
                continue
            before = n
            for k in range(stop - first + n - begun):
                i = first + k if k < stop - first else begun + k - (stop - first)
                if i < before and out[i, 1] < tick < out[i, 2]:
                    out[n] = out[i]
                    out[n, 1] = out[i, 2] = tick
                    tied[ties] = place(part, tick, out[i, 3])
                    n, ties = n + 1, ties + 1
            if n == before:
                out[n, 0], out[n, 1], out[n, 2], out[n, 3] = part, tick, tick + TICKS, MARKER
                marked[marks] = place(part, tick, MARKER)
                n, marks = n + 1, marks + 1
        first = stop
    return out[:n], marked[:marks], tied[:ties]


@njit(cache=True)
def with_ends(rows, meters, steps):
    """(notes, marked, tied) with a rest that fills the last bar of each part, and such that none ends after the last.

    With the last note of a part midi2abc ends all that still sounds. So where there is no such rest, what outlasts the
    notes that begin last is struck again at their end, and of notes that begin last the last one is the longest.

    Args:
        rows: (n, 4) part, onset, end and pitch, by part and onset.
        meters, steps: as of an `Arrangement`.
    """
    out = np.empty((2 * len(rows), 4), dtype=np.int64)  # each is struck again but once, or its part has one rest more
    marked, tied = np.empty(len(rows), dtype=np.int64), np.empty(len(rows), dtype=np.int64)
    n = marks = ties = first = 0
    while first < len(rows):
        part, begin, stop = rows[first, 0], n, first
        over = last_end = np.int64(0)
        while stop < len(rows) and rows[stop, 0] == part:
            out[n] = rows[stop]
            n += 1
            over = max(over, rows[stop, 2])
            stop += 1
        final = n  # of the notes that begin last, the first
        while final > begin and out[final - 1, 1] == out[n - 1, 1]:
            final -= 1
            last_end = max(last_end, out[final, 2])
        line = bar_line(over - 1, meters, steps)
        if line > over:
            out[n, 0], out[n, 1], out[n, 2], out[n, 3] = part, over, line, MARKER
            n += 1
            marked[marks] = place(part, over, MARKER)
            marks += 1
        else:
            end = n
            for i in range(begin, end):
                if out[i, 2] > last_end:
                    out[n] = out[i]
                    out[n, 1] = out[i, 2] = last_end
                    tied[ties] = place(part, last_end, out[i, 3])
                    n, ties = n + 1, ties + 1
            final = end if n > end else final
            order = np.argsort(out[final:n, 2])
            out[final:n] = out[final:n][order]
        first = stop
    return out[:n], marked[:marks], tied[:ties]
