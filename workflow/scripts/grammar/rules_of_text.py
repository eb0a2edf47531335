"""What may be wrong with an ABC file, a tune's header and its fields: the rules of ABC 2.1 that the checker holds.

`grammar.rules_of_music` has those of the music. A rule's ``wrong`` is music after a header in 4/4 with a unit of
1/8, or a whole text where it has an X: or K: line, and so is its ``right``.
"""

from typing import NamedTuple


class Rule(NamedTuple):
    """One thing that the checker may find.

    Attributes:
        tier: hard for what the standard has no rule for, balance for a sign without its other half, rhythm for bars
            that do not last what the meter says, silent for a tune without a note, and soft for what readers are asked
            to ignore, or programs play all the same.
        message: what is said of it; {} stands for what was found.
        section: of ABC 2.1.
        says: what holds there, in our words.
        wrong: a text in which it is found.
        right: one in which it is not.
    """

    tier: str
    message: str
    section: str
    says: str
    wrong: str
    right: str = "CDEF GABc|]"


TUNE = "X:1\nT:t\nM:4/4\nL:1/8\nK:C\nCDEF GABc|]"
WITHOUT_K = "X:1\nT:t\nM:4/4\nL:1/8"

# Files

NO_X = Rule(
    "hard",
    "no X: field begins the tune",
    "2.2.1, 3.1.1",
    "A tune begins with X:.",
    "T:t\nM:4/4\nK:C\nCDEF GABc|]",
)
X_NOT_FIRST = Rule(
    "hard",
    "X: is not the first field of the tune",
    "2.2.1, 2.2.2",
    "X: comes before all other fields of a tune. Fields before it are defaults of all tunes, if they are the first"
    " thing in a file and a blank line follows them.",
    "T:t\nX:1\nK:C\nCDEF GABc|]",
    "M:4/4\n\nX:1\nT:t\nK:C\nCDEF GABc|]",
)
X_NUMBER = Rule(
    "hard",
    "X: needs a number",
    "3.1.1",
    "X: has a positive integer, or nothing.",
    "X:one\nT:t\nK:C\nCDEF GABc|]",
)
X_EMPTY = Rule("soft", "X: has no number", "3.1.1", "X: may be empty; a number is recommended.", "X:\nT:t\nK:C\nCDEF|]")
FREE_TEXT = Rule(
    "soft",
    "text that no blank line parts from the tune after it",
    "2.2.3",
    "Text outside tunes is skipped. A blank line parts it from a tune.",
    f"<pre>\n{TUNE}",
    f"<pre>\n\n{TUNE}",
)
HTML = Rule(
    "hard",
    "a line of HTML tags",
    "2.2.3",
    "HTML around tunes is free text, which a blank line parts from them.",
    "CDEF GABc|]\n</pre>",
    "CDEF GABc|]\n\n</pre>",
)
BLANK_IN_HEADER = Rule(
    "hard",
    "a blank line in the header, which ends the tune",
    "2.2.1, 2.2.4",
    "A blank line ends a tune.",
    "X:1\nT:t\n\nM:4/4\nL:1/8\nK:C\nCDEF GABc|]",
)
NO_KEY = Rule("hard", "no K: field ends the header", "3.1.14", "K: is the last field of a header.", WITHOUT_K)
BEFORE_KEY = Rule(
    "hard",
    "music or text before a K: field has ended the header",
    "2.2.1",
    "Up to K: a tune has fields, directives and comments.",
    f"{WITHOUT_K}\nCDEF GABc|]",
)
AFTER_END = Rule(
    "soft",
    "text after the blank line that ends the tune, which readers skip",
    "2.2.1, 2.2.3",
    "A blank line ends a tune; what follows up to the next X: is no part of it.",
    "CDEF GABc|\n\nCDEF GABc|]",
    "CDEF GABc|\nCDEF GABc|]",
)
OPEN_BLOCK = Rule(
    "soft",
    "{} with no end",
    "11.4.5",
    "A block of text goes to its %%end line. Programs differ on one that has none; here its first line is skipped.",
    "%%begintext\nCDEF GABc|]",
    "%%begintext\nwords\n%%endtext\nCDEF GABc|]",
)
NO_NOTE = Rule(
    "hard",
    "no note",
    "2.2.1, 4",
    "A text without music is no tune to judge. The standard allows a tune without a body.",
    "||",
)
NO_OWN_NOTE = Rule("hard", "no note after the prompt", "4", "A text that only repeats its prompt has no music.", "")
SILENT = Rule(
    "silent",
    "no note, but rests or chord symbols alone",
    "4.5, 4.18",
    "A tune of rests is legal. No note sounds, so a study of music does not count it.",
    '"C"z4 "G"z4|z8|]',
)

# Fields

BLANK_BEFORE_FIELD = Rule(
    "soft",
    "a blank before a field",
    "3",
    "A field begins its line. Most programs skip blanks before it.",
    "CDEF GABc|\n M:3/4\nCDEF GA|]",
    "CDEF GABc|\nM:3/4\nCDEF GA|]",
)
FIELD_PLACE = Rule(
    "soft",
    "{}: has no meaning here",
    "3, 3.2",
    "Some fields are for a header alone; one that is out of place is ignored.",
    "CDEF GABc|\nC:me\nCDEF GABc|]",
    "CDEF GABc|\nN:me\nCDEF GABc|]",
)
METER = Rule(
    "hard",
    "{} is not well formed",
    "3.1.6",
    "M: has a fraction, a sum over a number, C, C|, none or nothing.",
    "X:1\nT:t\nM:free\nK:C\nCDEF|]",
    "X:1\nT:t\nM:none\nK:C\nCDEF|]",
)
METER_LOOSE = Rule(
    "soft",
    "{}, which not all programs read",
    "3.1.6",
    "A meter has no blanks in it, one fraction, and below it a power of two.",
    "X:1\nT:t\nM:6 / 8\nL:1/8\nK:C\nCDE FGA|]",
    "X:1\nT:t\nM:6/8\nL:1/8\nK:C\nCDE FGA|]",
)
UNIT = Rule(
    "hard",
    "{} is not well formed",
    "3.1.7",
    "L: has a fraction with a power of two below, or 1.",
    "X:1\nT:t\nL:1/7\nK:C\nCDEF|]",
    "X:1\nT:t\nL:1/16\nK:C\nCDEF|]",
)
TEMPO = Rule(
    "hard",
    "{} is not well formed",
    "3.1.8",
    "Q: has beats = number, a text in quotation marks, or both.",
    "X:1\nT:t\nQ:1/4\nK:C\nCDEF|]",
    'X:1\nT:t\nQ:"Fast" 1/4=120\nK:C\nCDEF|]',
)
TEMPO_LOOSE = Rule(
    "soft",
    "{}, which not all programs read",
    "3.1.8",
    "After beats and = comes one number.",
    "X:1\nT:t\nQ:1/4=90-95\nK:C\nCDEF|]",
    "X:1\nT:t\nQ:1/4=90\nK:C\nCDEF|]",
)
KEY = Rule(
    "hard",
    "{} is not well formed",
    "3.1.14, 4.6",
    "K: has a tonic A to G with # or b, a mode, accidentals and a clef; or none, HP, Hp or nothing.",
    "X:1\nT:t\nK:H\nCDEF|]",
    "X:1\nT:t\nK:Bb dor ^f clef=bass\nCDEF|]",
)
KEY_LOOSE = Rule(
    "soft",
    "{}, which not all programs read",
    "3.1.14, 4.6",
    "After the key come accidentals of the standard, a clef and the properties of a voice.",
    "X:1\nT:t\nK:E phr -8va\nCDEF|]",
    "X:1\nT:t\nK:E phr treble-8\nCDEF|]",
)
FIELD_QUOTE = Rule(
    "hard",
    "a quotation mark in {} that is not closed",
    "7.1",
    "A text in quotation marks ends on its line.",
    'V:1 name="x\nCDEF GABc|]',
    'V:1 name="x"\nCDEF GABc|]',
)
VOICE_NAME = Rule(
    "hard", "V: that names no voice", "7", "V: has the name of a voice.", "V:\nCDEF GABc|]", "V:1\nCDEF GABc|]"
)
SYMBOL = Rule(
    "soft",
    "{} defines no symbol",
    "4.16",
    "U: gives a letter H to W or h to w, or ~, a decoration or a text.",
    "X:1\nT:t\nU:J\nK:C\nCDEF|]",
    "X:1\nT:t\nU:J=!fine!\nK:C\nJCDEF|]",
)
