"""How far the notes of a tune are those of the MIDI that it was made of."""

from typing import NamedTuple

import numpy as np
from numba import njit

NEAR = 1 / 8  # quarters: a 32nd


class Agreement(NamedTuple):
    """F1 of the notes of a tune against those of its MIDI, each from 0 to 1.

    Attributes:
        notes: a note is there if as many of its pitch are; drums and other notes are told apart.
        onsets: if one of its pitch begins within a 32nd of it.
        lengths: if that one is also as long within a 32nd.
    """

    notes: float
    onsets: float
    lengths: float


def agreement(kinds: np.ndarray, onsets: np.ndarray, lengths: np.ndarray, others: tuple) -> Agreement:
    """Compare two lists of notes, in any order.

    Args:
        kinds: (n,) pitch, plus 128 for drums; onsets and lengths (n,) in quarter notes.
        others: the same three of the tune.
    """
    order, other = in_order(kinds, onsets), in_order(others[0], others[1])
    counts = matches(kinds[order], onsets[order], lengths[order], others[0][other], others[1][other], others[2][other])
    return Agreement(*(2 * count / max(len(kinds) + len(others[0]), 1) for count in counts))


def in_order(kinds: np.ndarray, onsets: np.ndarray) -> np.ndarray:
    """The order by kind and onset.

    Equal ones stay as they are, so that where parts play the same the lengths of one are not compared with those of
    another. Each is made one number with its place in it, as numpy sorts different numbers much faster than equal ones.
    """
    fine = np.minimum(onsets * (1 << 10), (1 << 34) - 1).astype(np.int64)
    return np.argsort(kinds.astype(np.int64) << 54 | fine << 20 | np.arange(len(kinds)))


@njit(cache=True)
def matches(kinds, onsets, lengths, other_kinds, other_onsets, other_lengths):
    """(notes, those near in onset, those near in length too) that two lists share, each by kind and onset."""
    near = NEAR * (1 + 1e-9)
    same = close = long = 0
    i = j = 0
    while i < len(kinds) and j < len(other_kinds):
        same += kinds[i] == other_kinds[j]
        if kinds[i] == other_kinds[j]:
            i += 1
            j += 1
        elif kinds[i] < other_kinds[j]:
            i += 1
        else:
            j += 1
    i = j = 0
    while i < len(kinds) and j < len(other_kinds):
        gap = onsets[i] - other_onsets[j]
        if kinds[i] == other_kinds[j] and abs(gap) <= near:
            close += 1
            long += abs(lengths[i] - other_lengths[j]) <= near
            i += 1
            j += 1
        elif kinds[i] < other_kinds[j] or (kinds[i] == other_kinds[j] and gap < 0):
            i += 1
        else:
            j += 1
    return same, close, long
