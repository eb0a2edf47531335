"""How much of the MIDI was kept by its conversion: what corpus.json says of it, over all files that gave a tune."""

import numpy as np

from workflow.scripts.midi.agreement import Agreement
from workflow.scripts.midi.convert import Conversion

COLUMNS = (*Agreement._fields, "played", "doubled")  # of a row for each file
POINTS = {"min": 0.0, "1%": 0.01, "5%": 0.05, "10%": 0.1, "25%": 0.25, "50%": 0.5, "75%": 0.75}
GOOD = 0.95  # F1 from which on a file counts as kept


def row_of(conversion: Conversion) -> np.ndarray:
    """(COLUMNS,) float64 of a file: its F1s, the notes that it plays, and those that it plays twice at a time."""
    song = conversion.song
    return np.array([*conversion.agreement, len(song.notes) + song.doubled, song.doubled])


def report(rows: np.ndarray) -> dict:
    """The conversion of corpus.json; nothing where there was no MIDI.

    Args:
        rows: (files, COLUMNS) as of `row_of`.
    """
    if not len(rows):
        return {}
    agreements = dict(zip(COLUMNS, rows.T, strict=True))
    played, doubled = agreements.pop("played"), agreements.pop("doubled")
    return {
        "files": len(rows),
        "played": int(played.sum()),
        "doubled": int(doubled.sum()),
        "agreement": {
            name: {point: round(float(np.quantile(values, share)), 4) for point, share in POINTS.items()}
            | {"mean": round(float(values.mean()), 4), "good": round(float((values >= GOOD).mean()), 4)}
            for name, values in agreements.items()
        },
        "good_from": GOOD,
    }
