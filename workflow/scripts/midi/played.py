"""The notes of a MIDI file -> what its tune is compared by before any conversion: the steps of each of its parts.

Needs the notes of `midi.song`. No conversion stands between, so what one would lose or spell in two ways is still the
same here.
"""

import numpy as np

from workflow.scripts.notation.steps import BREAK


def played_of(notes: np.ndarray) -> np.ndarray:
    """Steps from note to note of every part, one part after another with one BREAK between two.

    Of the notes that begin together the highest counts, so the stream is the same in every key, at every tempo and
    resolution, and however long notes are held. A note that is struck again is no step: basses and guitars that repeat
    notes are alike in unrelated tunes. The drums are left out likewise: their pitches are instruments, and their
    patterns stock. The order of the parts is that of the file, and means nothing.

    Args:
        notes: (n,) `song.NOTE`, sorted by part, onset and pitch.

    Returns:
        int8 semitones, none of them 0, and BREAK.
    """
    tuned = notes[~notes["drum"]]
    ends_chord = np.append((np.diff(tuned["part"]) != 0) | (np.diff(tuned["onset"]) != 0), True)[: len(tuned)]
    tops = tuned[ends_chord]
    steps = np.diff(tops["pitch"].astype(np.int16))
    steps[np.diff(tops["part"]) != 0] = BREAK
    return steps[steps != 0].astype(np.int8)
