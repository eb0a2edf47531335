"""Exact sets of windows over the streams of tunes: what the leak is measured by.

Needs streams of bytes. Independent of `versions`, which hashes and sketches windows of its own.
"""

import numpy as np
from numba import njit

NO_GAP = 256  # no byte


@njit(cache=True)
def window_values(stream, a, b, width, gap, out):
    """Write the FNV-1a hash (RFC 9923) of every window of [a, b) to ``out``; returns how many.

    A shorter stream is one window. No window holds the byte ``gap``.
    """
    width = min(width, b - a)
    if width == 0:
        return 0
    n = 0
    first = a  # of the stretch without a gap
    for end in range(a + 1, b + 1):
        if stream[end - 1] == gap:
            first = end
        if end - first < width:
            continue
        value = np.uint64(0xCBF29CE484222325)
        for k in range(end - width, end):
            value = (value ^ np.uint64(stream[k])) * np.uint64(0x100000001B3)
        out[n] = value
        n += 1
    return n


@njit(cache=True)
def count_distinct(values):
    """How many different values, by a hash table: a sort takes seconds to compile. They are hashes themselves."""
    room = 4
    while room < 2 * len(values):
        room *= 2
    table = np.zeros(room, dtype=np.uint64)  # 0 is none
    mask = np.uint64(room - 1)
    n = zero = 0
    for value in values:
        if value == 0:
            zero = 1
            continue
        slot = value & mask
        while table[slot] != 0 and table[slot] != value:
            slot = (slot + np.uint64(1)) & mask
        n += table[slot] == 0
        table[slot] = value
    return n + zero


@njit(cache=True)
def all_windows(stream, bounds, width, gap):
    """Windows of each stream, one after another, and (n + 1,) their bounds."""
    values = np.empty(len(stream) + 1, dtype=np.uint64)
    ends = np.zeros(len(bounds), dtype=np.int64)
    for t in range(len(bounds) - 1):
        ends[t + 1] = ends[t] + window_values(stream, bounds[t], bounds[t + 1], width, gap, values[ends[t] :])
    return values[: ends[-1]], ends
