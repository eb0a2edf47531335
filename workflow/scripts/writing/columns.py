"""The columns that tables of what was written share: how each measure is called, and how a table shows it."""

import pandas as pd

JUDGED = ("syntax", "tools", "compiles", "music21", "rhythm", "abc2midi", "valid")  # by eval_syntax


BARS = ("bars_right", "bars_misaligned")  # too, of all bars together


FORM = ("ended", "closed", "header_complete", "two_voices")  # by eval_style, as are the next


MEANS = ("in_key", "rest_share", "polyphony", "repetition", "notes")


DISTANCES = ("pitch_class", "note_length")


MEDIANS = ("similarity", "transposed_similarity", "originality", "lcs_chars", "lcs_share")  # by copying


def column_of(rows: pd.DataFrame, name: str) -> str:
    return f"{name}_rate" if f"{name}_rate" in rows else name


def weighted(rows: pd.DataFrame, name: str) -> str:
    """Mean of a figure over the tunes of several runs; of a rate in per cent."""
    column = column_of(rows, name)
    weights = "samples" if column == name else f"{name}_n"
    known = rows[rows[column].notna()]
    if known.empty:
        return ""
    mean = (known[column] * known[weights]).sum() / known[weights].sum()
    return f"{mean:.0%}" if column != name else f"{mean:.2f}"
