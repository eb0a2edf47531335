"""Steps from note to note within each voice of a tune, whatever the text does from line to line.

Needs the notes as `notation.sound` reads them, with their voices.
"""

import numpy as np
from numba import njit

from workflow.scripts.notation.lines import inlined

MAX_STEP = 60  # larger steps are written as this one, since a step is an int8
BREAK = -128  # no step: between two voices
OVERLAY = 255  # number of all that is written after an &, as of a voice


@inlined
def step(low, high):
    """Steps on the staff from one height to another, as an int8 holds them."""
    return min(max(high - low, -MAX_STEP), MAX_STEP)


@njit(cache=True)
def steps_within(heights, places, bounds):
    """The steps from note to note of each voice in turn, a BREAK between two, and their bounds.

    Args:
        heights: int32 of the notes of all tunes; (n + 1,) ``bounds`` of each tune's.
        places: uint8 of the voice of each note.
    """
    ends = np.zeros(len(bounds), dtype=np.int64)
    for t in range(len(bounds) - 1):
        ends[t + 1] = ends[t] + max(bounds[t + 1] - bounds[t] - 1, 0)
    steps = np.empty(ends[-1], dtype=np.int8)
    sorted_ = np.empty(bounds[-1], dtype=np.int64)
    for t in range(len(bounds) - 1):
        first = np.zeros(OVERLAY + 2, dtype=np.int64)  # of each voice's notes among those that are sorted
        for i in range(bounds[t], bounds[t + 1]):
            first[places[i] + 1] += 1
        first = np.cumsum(first)
        for i in range(bounds[t], bounds[t + 1]):
            sorted_[first[places[i]]] = i
            first[places[i]] += 1
        for k in range(ends[t + 1] - ends[t]):
            i, j = sorted_[k], sorted_[k + 1]
            steps[ends[t] + k] = step(heights[i], heights[j]) if places[i] == places[j] else BREAK
    return steps, ends
