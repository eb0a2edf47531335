"""What may be wrong with the music of a tune: the rules of ABC 2.1 that the checker holds, in its order.

`grammar.rules_of_text` has those of files and fields, and says what a rule's parts are.
"""

from workflow.scripts.grammar.rules_of_text import Rule

# Notes

ACCIDENTAL = Rule(
    "hard",
    "{} is no accidental",
    "4.2",
    "Accidentals are ^, ^^, =, _ and __.",
    "^=C8|]",
    "^C8|]",
)
ACCIDENTAL_ALONE = Rule(
    "hard",
    "an accidental with no note",
    "4.2, 4.20",
    "An accidental is next to its note.",
    "^ C8|]",
    "^C8|]",
)
MICROTONE = Rule(
    "soft",
    "{}, an accidental of a part of a semitone",
    "4.2",
    "The standard has none of these. Programs that play quarter tones read a number or a fraction after ^ or _.",
    "^/CDEF GABc|]",
    "^CDEF GABc|]",
)
LENGTH_DIGITS = Rule(
    "hard",
    "a length of too many digits or slashes, {}",
    "4.3",
    "No note lasts so long, or so short.",
    "C12345|]",
    "C8|]",
)
LENGTH_ZERO = Rule("hard", "a length that divides by zero, {}", "4.3", "A length is a number.", "C8|C/0|]", "C8|C/2|]")
LENGTH_NOTHING = Rule(
    "soft",
    "a length of zero, {}",
    "4.3",
    "A length of 0 has no meaning in the standard. Programs print a note without a stem, and play it as one of 1.",
    "CDEF GABc0|]",
    "CDEF GABc|]",
)
LENGTH_TWICE = Rule(
    "soft", "a length that divides twice, {}", "4.3", "A length has one number below.", "C4/3/2 z4|]", "C4 z4|]"
)
LENGTH_ODD = Rule(
    "soft",
    "a length that no note sign has, {}",
    "4.3",
    "Such lengths are legal, and to be avoided.",
    "C/3 z7|]",
    "C/2z/2 C7|]",
)
BROKEN = Rule(
    "hard",
    "{} with no note before it",
    "4.4",
    "> and < stand between two notes.",
    "> CDEF GABc|]",
    "C>DEF GABc|]",
)
NEEDS_NOTE = Rule(
    "hard",
    "{} with no note after it",
    "4.4, 4.13, 4.14, 4.20",
    "Broken rhythm, a tuplet and a decoration of one letter have their note in the same bar; a decoration may also be"
    " on a bar line.",
    "CDEF GAB>|c8|]",
    "CDEF GA B>c|]",
)
REST_BARS = Rule("hard", "a rest of so many bars, {}", "4.5", "Z has a number of bars from 1.", "Z0|C8|]", "Z2|C8|]")

# Bars, repeats, endings

REPEAT_OPEN = Rule(
    "balance",
    "a repeat |: that no :| ends",
    "4.8",
    "|: and :| enclose what is repeated.",
    "|:C8|D8|]",
    "|:C8|D8:|]",
)
ENDING = Rule(
    "hard",
    "an ending numbered {}",
    "4.10",
    "An ending has numbers and ranges such as 1,3 or 5-7.",
    "|:C8|[2-1 D8:|",
    "|:C8|[1-2 D8:|[3 E8|]",
)
ENDING_NAMED = Rule(
    "soft",
    "an ending with a name, {}",
    "4.10",
    "The standard numbers endings. Some programs take any text.",
    'C8|["Coda"D8|]',
    'C8|"Coda"D8|]',
)
ENDING_ALONE = Rule(
    "balance",
    "an ending {} with none before it",
    "4.9, 4.10",
    "An ending follows the one with the number before.",
    "|:C8|2 D8:|",
    "|:C8|1 D8:|2 E8|]",
)
ENDING_FIRST = Rule(
    "balance",
    "a first ending with no second",
    "4.9",
    "A first ending is repeated, or a second follows.",
    "C8|1 D8|]",
    "|:C8|1 D8:|]",
)

# Ties, slurs, grace notes

TIE_ALONE = Rule(
    "hard",
    "a tie that no note stands before",
    "4.11",
    "- comes right after the first of the two notes.",
    "C4 -C4|]",
    "C4- C4|]",
)
TIE_TO = Rule(
    "balance",
    "a tie to a note that does not follow",
    "4.11",
    "A tie joins a note to the next one, of the same pitch.",
    "C4-D4|]",
    "C4-C4|]",
)
TIE_END = Rule("balance", "a tie with no note after it", "4.11", "A tie joins two notes.", "C8-|]", "C4-C4|]")
SLUR_OPEN = Rule(
    "balance", "a slur that is not closed", "4.11", "( and ) enclose the notes of a slur.", "(C8|]", "(C8)|]"
)
SLUR_CLOSE = Rule("balance", ") closes no slur", "4.11", "( and ) enclose the notes of a slur.", "C8)|]", "(C8)|]")
GRACE_OPEN = Rule(
    "hard", "grace notes that are not closed", "4.12", "{ and } enclose grace notes.", "C8|{AB C8|]", "C8|{AB}C8|]"
)
GRACE_CLOSE = Rule("hard", "}} closes no grace notes", "4.12", "{ and } enclose grace notes.", "C8}|]", "{A}C8|]")

# Tuplets

TUPLET = Rule(
    "hard",
    "a tuplet of no such kind, {}",
    "4.13",
    "(p:q:r puts p notes into the time of q for the next r notes.",
    "(0CDE c5|]",
    "(3CDE c6|]",
)
TUPLET_ONE = Rule(
    "soft",
    "a tuplet of one, {}",
    "4.13",
    "The standard begins with two. Most programs take any number.",
    "(1:2:2CD EFGA|]",
    "(2CD EFGAB|]",
)
TUPLET_TIME = Rule(
    "hard",
    "a tuplet that does not say in the time of how many notes, {}",
    "4.13",
    "(2 to (9 have a time of their own; others say it.",
    "(11CDEFGABcdef|]",
    "(11:8CDEFGABcdef|]",
)
TUPLET_NESTED = Rule(
    "hard",
    "a tuplet that begins before the last one has its notes",
    "4.13",
    "Tuplets do not overlap.",
    "(3CD(3EFG z4|]",
    "(3CDE(3EFG z4|]",
)
TUPLET_SHORT = Rule(
    "hard",
    "a tuplet that lacks notes",
    "4.13",
    "A tuplet is over the next r notes.",
    "C8|C6 (3CD|]",
    "C8|C6 (3CDE|]",
)
TUPLET_OVER_BAR = Rule(
    "soft",
    "a tuplet that goes on after a bar line",
    "4.13",
    "The standard counts notes and does not say whether a bar line may be among them. Programs go on over it.",
    "CDEFG3 (3A|B c4 d3|]",
    "CDEF G2(3ABc|]",
)

# Decorations, chords, texts

LETTER = Rule(
    "soft",
    "{} has no meaning here, and is skipped",
    "4.14, 4.16",
    "Letters H to W and h to w are signs where U: or m: define them.",
    "CDEF GABc Q|]",
    "CDEF GABHc|]",
)
DECORATION = Rule(
    "soft",
    "{} is no decoration of the standard",
    "4.14",
    "Unknown decorations are ignored.",
    "!qwzrt!C8|]",
    "!trill!C8|]",
)
DECORATION_OPEN = Rule(
    "hard",
    "a decoration that is not closed",
    "4.14",
    "! and ! enclose a decoration's name, without blanks.",
    "!x C8|]",
    "!f!C8|]",
)
LINE_BREAK = Rule(
    "soft",
    "a ! alone, the line break of older ABC",
    "4.14, 6.1.1, 10.2.1",
    "I:linebreak ! says that ! is a line break.",
    "C8|!\nD8|]",
    "C8|\nD8|]",
)
CHORD_OPEN = Rule("hard", "a chord that is not closed", "4.17", "[ and ] enclose a chord.", "[CE G8|]", "[CEG]8|]")
CHORD_CLOSE = Rule("hard", "] closes no chord", "4.17", "[ and ] enclose a chord.", "C8 ] |]", "[CE]8|]")
CHORD_EMPTY = Rule(
    "soft", "a chord of no notes", "4.17", "A chord has notes. Programs skip one that has none.", "[]C8|]", "[C]8|]"
)
QUOTE_OPEN = Rule(
    "hard",
    "a quotation mark that is not closed",
    "4.18, 4.19",
    "A chord symbol or an annotation ends on its line. A % in it is written as \\%, or it begins a comment.",
    'C8|"Am C8|]',
    'C8|"Am"C8|]',
)
RESERVED = Rule(
    "soft",
    "{} is reserved, and is skipped",
    "8.1",
    "# * ; ? @ have no meaning yet and are ignored.",
    "CDEF GABc ?|]",
    "CDEF GABc|]",
)

# Overlays, signs that are none

OVERLAY_SPAN = Rule(
    "soft",
    "(& that opens an overlay over bars",
    "7.4",
    "The standard writes one & for each bar; some programs enclose several in (& and &).",
    "(& c8 & e8 &)|c8|]",
    "c8 & e8|c8|]",
)
OVERLAY_PAIR = Rule(
    "balance",
    "{} without its other half, or across a slur",
    "7.4",
    "(& and &) enclose an overlay.",
    "(& c4 (B4 &) c8)|]",
    "c8 & e8|]",
)
ENTITY = Rule(
    "hard",
    "an HTML entity, {}",
    "8.2",
    "Entities such as &eacute; are for texts. In music, &gt; is an overlay and letters.",
    "C&gt;E G4|]",
    "C>E G6|]",
)
SIGN = Rule(
    "hard",
    "{} has no meaning here",
    "4, 8.1",
    "What is no sign of music is written in quotation marks, or in a comment.",
    "C8 é|]",
    "C8|]",
)
PROSE = Rule(
    "hard",
    "words, not music",
    "2.2.3",
    "Text in a tune is in a field, a comment or quotation marks.",
    "who let this line in here|]",
    "N:who let this line in\nC8|]",
)

# Rhythm

BAR_LONG = Rule(
    "rhythm",
    "a bar that is too long for its meter",
    "3.1.6, 4.8",
    "A bar lasts what M: says. One that is full at the end of a line is over there, without a bar line, too.",
    "C8|C9|C8|]",
    "C8|C8|C8|]",
)
BAR_SHORT = Rule(
    "rhythm",
    "a bar that is too short for its meter",
    "3.1.6, 4.8",
    "A bar lasts what M: says; the first and last of a section may be short.",
    "C8|C7|C8|]",
    "C|C8|C7|]",
)
VOICES = Rule(
    "rhythm",
    "the voices are out of step from bar {} on",
    "7",
    "The bars of voices that sound together last alike. A voice that stops with a plain bar line may end early: neither"
    " its last bar nor what the others have after it is compared.",
    "V:1\nA8|B8|c8|]\nV:2\nA8|c8|]",
    "V:1\nA8|B8|c8|]\nV:2\nA8|B8|c8|]",
)
