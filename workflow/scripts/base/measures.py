"""What is measured of written tunes: the names of the measures, and the columns that tables have of each.

The judges name what they find by these in their result files, the tables of writers and of runs name their columns by
them, and pages and figures choose among those. How a page or a figure calls a measure is its own affair.
"""


class Rate(str):
    """The name of a share of tunes or of bars. A table has the share, its 95% interval and of how many it is."""

    __slots__ = ()

    @property
    def rate(self) -> str:
        return f"{self}_rate"

    @property
    def low(self) -> str:
        return f"{self}_low"

    @property
    def high(self) -> str:
        return f"{self}_high"

    @property
    def n(self) -> str:
        return f"{self}_n"


class Distance(str):
    """The name of what two sets of tunes are compared by. A table has the overlap and the divergence of both sets."""

    __slots__ = ()

    @property
    def overlap(self) -> str:
        return f"{self}_overlap"

    @property
    def kl(self) -> str:
        return f"{self}_kl"


def column_of(measure: str) -> str:
    """The column of a table that has the measure itself. What is no rate is named as its column is."""
    return measure.rate if isinstance(measure, Rate) else measure


# Characters that nearly every tune begins with, since it was cleaned: "X:1", the end of the line, the name of a field.
START = 6

# Of validity.json: the steps of the ladder, in order, and what follows from them.
SYNTAX = Rate("syntax")
TOOLS = Rate("tools")
COMPILES = Rate("compiles")
MUSIC21 = Rate("music21")
RHYTHM = Rate("rhythm")
STEPS = (SYNTAX, TOOLS, COMPILES, MUSIC21, RHYTHM)
ABC2MIDI = Rate("abc2midi")  # tools and compiles
VALID = Rate("valid")  # abc2midi and music21
JUDGED = (*STEPS, ABC2MIDI, VALID)
CUT = Rate("cut")  # at the limit of length, and judged up to where they are whole
# Shares of the bars of all tunes together.
BARS_RIGHT = Rate("bars_right")
BARS_MISALIGNED = Rate("bars_misaligned")
BARS = (BARS_RIGHT, BARS_MISALIGNED)

# Of style.json, which has syntax and rhythm, too. The means have one column each, of their own name.
ENDED = Rate("ended")
CLOSED = Rate("closed")
HEADER_COMPLETE = Rate("header_complete")
TWO_VOICES = Rate("two_voices")
FORM = (ENDED, CLOSED, HEADER_COMPLETE, TWO_VOICES)
IN_KEY = "in_key"
REST_SHARE = "rest_share"
POLYPHONY = "polyphony"
REPETITION = "repetition"
NOTES = "notes"
MEANS = (IN_KEY, REST_SHARE, POLYPHONY, REPETITION, NOTES)
PITCH_CLASS = Distance("pitch_class")
NOTE_LENGTH = Distance("note_length")
DISTANCES = (PITCH_CLASS, NOTE_LENGTH)

# Of copying.json. Tables have the median of a likeness and of a stretch, under its own name.
COPIED = Rate("copied")
SIMILARITY = "similarity"
TRANSPOSED_SIMILARITY = "transposed_similarity"
ORIGINALITY = "originality"
LIKENESS = (SIMILARITY, TRANSPOSED_SIMILARITY, ORIGINALITY)
LCS_CHARS = "lcs_chars"
LCS_SHARE = "lcs_share"
STRETCH = (LCS_CHARS, LCS_SHARE)
