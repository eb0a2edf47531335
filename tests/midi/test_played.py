"""What tunes read from MIDI are compared by: the steps of their parts."""

import numpy as np
import pytest

from workflow.scripts.midi.played import BREAK, played_of
from workflow.scripts.midi.song import NOTE


def notes(*parts: list[tuple[int, int]], drums: int = -1) -> np.ndarray:
    """NOTE of parts of (onset, pitch), one of which may be the drums."""
    rows = [(k, on, 10, pitch, k == drums) for k, part in enumerate(parts) for on, pitch in sorted(part)]
    return np.array(rows, dtype=NOTE)


MELODY = [(0, 60), (10, 62), (20, 62), (30, 59), (40, 127), (50, 0)]
STEPS = [2, -3, 68, -127]


@pytest.mark.parametrize(
    ("given", "steps"),
    [
        (notes(), []),
        (notes([(0, 60)]), []),
        (notes(MELODY), STEPS),  # what is struck again is no step
        (notes([(7 * on, pitch) for on, pitch in MELODY]), STEPS),
        (notes([(0, 64), (8, 60), (8, 66), (9, 63)]), [2, -3]),  # of a chord the highest note
        (notes([(0, 65), (8, 61), (8, 67), (9, 64)]), [2, -3]),
        (notes(MELODY, [(0, 40)], [(0, 60), (5, 61)]), [*STEPS, BREAK, BREAK, 1]),
        (notes(MELODY, [(0, 36), (5, 38)], [(0, 60), (5, 61)], drums=1), [*STEPS, BREAK, 1]),
        (notes(MELODY, drums=0), []),
        (notes([(0, 60)], [(0, 60)]), [BREAK]),  # the same note of two parts is no repetition
    ],
)  # fmt: skip
def test_steps_of_each_part(given, steps):
    found = played_of(given)
    assert found.dtype == np.int8
    assert found.tolist() == steps
