"""Notations on which programs and ABC 2.1 disagree, or the standard says nothing: what we hold, and why."""

from typing import NamedTuple


class Disputed(NamedTuple):
    """One notation.

    Attributes:
        name: what it is.
        example: music after the header of `manual.examples`, or a whole tune.
        section: of ABC 2.1.
        standard: what that says, in our words.
        why: the reason for our verdict, which the checker gives.
    """

    name: str
    example: str
    section: str
    standard: str
    why: str


def with_meter(meter: str) -> str:
    """A tune in this meter."""
    return f"X:1\nT:t\nM:{meter}\nL:1/8\nK:C\nCDEF GABc|]"


def with_tempo(tempo: str) -> str:
    """A tune in this tempo."""
    return f"X:1\nT:t\nM:4/4\nL:1/8\nQ:{tempo}\nK:C\nCDEF GABc|]"


def with_key(key: str) -> str:
    """A tune in this key."""
    return f"X:1\nT:t\nM:4/4\nL:1/8\nK:{key}\nCDEF GABc|]"


DISPUTED = (
    Disputed(
        "a quarter tone", "^/CDEF GABc|]", "4.2", "Accidentals are ^, ^^, =, _ and __.",
        "Quarter tones and makams have no other notation, and what surrounds it is read all the same.",
    ),
    Disputed(
        "another part of a tone", "^3/2CDEF GABc|]", "4.2", "Accidentals are ^, ^^, =, _ and __.",
        "It is the same extension, with a number or a fraction of any size.",
    ),
    Disputed(
        "a part of a tone in the key", with_key("C _2B ^4f"), "3.1.14", "A key has accidentals of whole semitones.",
        "Makams have such keys; the key that we check by has whole semitones alone.",
    ),
    Disputed(
        "! at the end of a line", "CDEF GABc|!\nCDEF GABc|]", "4.14, 10.2.1",
        "! opens a decoration unless I:linebreak ! says otherwise; as a line break it is outdated.",
        "It is how older ABC broke lines, and it changes no note.",
    ),
    Disputed(
        "! between bars", "CDEF GABc|!CDEF GABc|!CDEF GABc|]", "4.14, 10.2.1",
        "! opens a decoration, whose name has no blank and no bar line.",
        "Right after a bar line it can be nothing but the old line break.",
    ),
    Disputed(
        "a length of zero", "CDEF GABc0|]", "4.3", "A length multiplies or divides the unit; 0 is not mentioned.",
        "Typesetters print a note without a stem, and no other note is read otherwise.",
    ),
    Disputed(
        "a length that divides by zero", "CDEF GABc/0|]", "4.3", "A length is divided by a number; 0 is not mentioned.",
        "There is no such length.",
    ),
    Disputed(
        "a length that divides twice", "C4/2/2 z6|]", "4.3", "A length has one number below.",
        "The second number is skipped, which leaves a length.",
    ),
    Disputed(
        "a named ending", 'C8|["Coda"D8|]', "4.9, 4.10", "Endings have numbers and ranges of numbers.",
        "It is an extension to print any text above an ending; the notes are read as they are.",
    ),
    Disputed(
        "blanks in a meter", with_meter("4 / 4"), "3.1.6", "The examples have none.",
        "It can mean nothing else than it does without the blanks.",
    ),
    Disputed(
        "a meter in thirds", with_meter("3/3"), "3.1.6", "A meter is a fraction, of which no more is said.",
        "It has a length, so bars can be checked.",
    ),
    Disputed(
        "a meter of one number", with_meter("2"), "3.1.6", "A meter is a fraction, C, C| or none.",
        "It can be printed as it stands; as it gives no length, bars are not checked.",
    ),
    Disputed(
        "two meters in one field", with_meter("4/4 3/4"), "3.1.6", "M: has one meter.",
        "Songs that change between two meters are printed so; as no bar has a length then, bars are not checked.",
    ),
    Disputed(
        "a range of tempos", with_tempo("1/4=90-95"), "3.1.8", "After the beats and = comes a number.",
        "The first number is a tempo, and no note depends on it.",
    ),
    Disputed(
        "a tempo with a word", with_tempo("1/4=ca. 80"), "3.1.8", "A text is in quotation marks.",
        "No note depends on it.",
    ),
    Disputed(
        "an octave sign without its clef", with_key("E phr -8va"), "4.6", "+8 and -8 belong to a clef's name.",
        "The key is right, and what follows it is skipped.",
    ),
    Disputed(
        "nothing in X:", "X:\nT:t\nM:4/4\nL:1/8\nK:C\nCDEF GABc|]", "3.1.1", "It may be empty, though it should not.",
        "It is legal, but such a tune cannot be asked for by its number.",
    ),
    Disputed(
        "a blank before a field", "C8|\n M:3/4\nC6|]", "3", "A field begins with its letter, at the start of a line.",
        "No music begins so, and what is meant is plain.",
    ),
    Disputed(
        "$ in music", "C8|$D8|]", "6.1.1, 8.1",
        "It is a line break where I:linebreak $ says so; else it has no meaning.",
        "It breaks a line in print, and no note is lost.",
    ),
    Disputed(
        "a decoration on a repeat sign at the start of a line", "|:C8\nv:|D8|]", "3",
        "A letter and a colon at the start of a line are a field.",
        "Read as a field, it leaves the repeat open. Put the bar line at the end of the line before.",
    ),
    Disputed(
        "broken rhythm in grace notes", "{a>b}C8|]", "4.12", "It is legal, and software may ignore it.",
        "The standard says so in as many words.",
    ),
    Disputed(
        "a tuplet of one", "(1:2:2CD EFGA|]", "4.13", "(p:q:r has no bounds, but its table begins with 2.",
        "The rule of p, q and r holds of it, too.",
    ),
    Disputed(
        "a tuplet of ten", "(10CDEFGABcde z6|]", "4.13", "The table ends with 9; others say what time they take.",
        "Without a second number nobody can tell how long it lasts.",
    ),
    Disputed(
        "a tuplet over a bar line", "CDEF G2 (3A|Bc d6|]", "4.13",
        "It is over the next r notes; bar lines are not mentioned.",
        "The next notes can be counted across it.",
    ),
    Disputed(
        "a tie parted from its note", "C4 -C4|]", "4.11", "It says that just this is not legal.",
        "It is one of the few things that the standard forbids by an example.",
    ),
    Disputed(
        "a tie to another note", "C8-|D8|]", "4.11", "A tie joins two notes of one pitch; a slur is something else.",
        "One of the two notes, or the sign, is not what was meant.",
    ),
    Disputed(
        "a tie to the same pitch in another spelling", "^G8-|_A8|]", "4.11", "Two notes of the same pitch.",
        "The pitch is the same.",
    ),
    Disputed(
        "a slur that stays open", "(C8|D8|]", "4.11", "( and ) are over notes in pairs.",
        "Programs pass over it, but something is missing, and to find that is what a checker is for.",
    ),
    Disputed(
        "a chord of no notes", "[]C8|]", "4.17", "[ and ] are around notes.",
        "No note is lost if it is skipped.",
    ),
    Disputed(
        "an accidental before a chord", "^[CE]8|]", "4.17", "Accidentals stand before single notes.",
        "Nobody can tell which notes are meant.",
    ),
    Disputed(
        "a chord within + signs", "+CEG+8|]", "10.2.3", "It is the chord of older ABC, and outdated.",
        "+ is a decoration's sign today, so it cannot be told from one.",
    ),
    Disputed(
        "% in quotation marks", '"a%b"C8|]', "2.2.5", "% begins a comment wherever it stands; \\% is a percent sign.",
        "The rest of the line is lost, the music with it. Write \\%.",
    ),
    Disputed(
        "an overlay over bars", "(& c8 & e8 &)|c8|]", "7.4", "& is for one bar, && for two and so on.",
        "Typesetters read it, and it can mean nothing else.",
    ),
    Disputed(
        "] before a bar line", "C4 D4]|E8|]", "4.8", "Bar lines may be any sequence of |, [, ] and :.",
        "The standard asks to be liberal here.",
    ),
    Disputed(
        "] and a blank before a bar line", "C4 D4 ] |E8|]", "4.8, 4.17", "A bar line has no blank in it.",
        "It closes a chord that nothing opened.",
    ),
    Disputed(
        "|: at the end of a tune", "|:C8:|:", "4.8", "|: begins a repeat.",
        "It encloses no music, so nothing is missing.",
    ),
    Disputed(
        "a first ending alone", "|:C8|1 D8:|", "4.9", "The general form has a second.",
        "The section is repeated, and its end is played twice: it can be read in one way only.",
    ),
    Disputed(
        "a repeat that never ends", "|:C8|D8|]", "4.8", "|: starts a section that :| ends.",
        "Where it should end is what nobody can tell.",
    ),
    Disputed(
        "grace notes in two braces", "{a}{b}C8|]", "4.20", "Grace notes stand before a note.",
        "Both stand before it.",
    ),
    Disputed(
        "unknown text in a key", with_key("Ador?"), "3.1.14", "After the mode come accidentals and clefs.",
        "A key that is read in doubt changes every note after it.",
    ),
)  # fmt: skip
