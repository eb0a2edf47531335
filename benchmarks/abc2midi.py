"""What abc2midi plays of a tune: the notes of its MIDI file, where it reads the tune as the standard does.

Needs a tune of ABC, after the header of its file if that has one. abc2midi differs from the standard in ways that
are listed here with the section of ABC 2.1. There it gets the tune in other words, which it reads as the standard reads
the tune.
"""

import re
from typing import NamedTuple

import symusic
from symusic.core import ScoreTick as Score

from workflow.scripts.notation.file_header import file_header, with_defaults
from workflow.scripts.writing.programs import Abc2midi

SECONDS = 10  # that it may take for a tune
BLOCK = re.compile(r"^%%begin(\w+)\b.*\n(?:.*\n)*?%%end\1\b.*", re.MULTILINE)  # of text or PostScript


class Misreading(NamedTuple):
    """A way in which abc2midi differs: what the standard says, what of a text becomes what, and a tune that shows it.

    Attributes:
        rule: of the standard, and what abc2midi does in place of it.
        example: a body that it plays otherwise than ``means``, which is the same by the standard.
    """

    rule: str
    pattern: re.Pattern[str]
    replacement: str
    example: str
    means: str


def lines(pattern: str) -> re.Pattern[str]:
    """A pattern in which ^ and $ are of each line."""
    return re.compile(pattern, re.MULTILINE)


MISREADINGS = (
    Misreading(
        "A block of text ends where %%end names its kind. abc2midi ends it at the end of any kind, or at a blank line.",
        BLOCK, "%", "c\n%%begintext\n%%endps\nd\n%%endtext\n", "c\n",
    ),
    Misreading(
        "A block that is not closed is none. To abc2midi it is one, up to the end.",
        lines(r"^[ \t]*%%(?=begin)"), "% ", "c\n%%begintext\nd\n", "c\nd\n",
    ),
    Misreading(
        "A remark and a macro may be lines of the body (3). abc2midi knows no such fields, and plays their letters.",
        lines(r"^[ \t]*[rm]:"), "% ", "c\nr:a\n", "c\n",
    ),
    Misreading(
        "A field of text may have any text (3). abc2midi plays the letters of one that begins like a bar line.",
        lines(r"^[ABCDFGHNOSTZ]:"), "% ", "c\nN:|d|\n", "c\n",
    ),
    Misreading(
        "The same of the fields that it heeds.",
        lines(r"^([PRV]):(?=[:|])"), r"\1: ", "c\nP:|d\n", "c\nP: |d\n",
    ),
    Misreading(
        "A percent sign after a backslash begins no comment (8.2). To abc2midi it does.",
        re.compile(r"\\%"), "", '"^5\\%"c\n', '"^5"c\n',
    ),
    Misreading(
        "A comment says nothing (2.2.5), nor do blanks before it. abc2midi obeys a directive in one that ends a line.",
        lines(r"^((?:%%)?[^%\n]*[^%\s])[ \t]*%.*"), r"\1", "K:C%%MIDI program 40\nc\n", "K:C\nc\n",
    ),
    Misreading(
        "Words (5) and remarks on the making of a file take no time. With them the notes come a tick later.",
        lines(r"^(?:[ \t]*(?=[wW+]:)|%%(?=abc-))"), "% ", "%%abc-copyright none\nc\n", "c\n",
    ),
    Misreading(
        "A blank at the end of a line says nothing. abc2midi takes it for a part of a word.",
        lines(r"[ \t]+$"), "", "I:propagate-accidentals octave \n^cc'\n", "I:propagate-accidentals octave\n^cc'\n",
    ),
    Misreading(
        "A backslash does not continue a field (2.2.6). abc2midi takes it for a part of what the field says.",
        lines(r"^([A-Za-z+]:.*?)[ \t]*\\+$"), r"\1", "K:Gm\\\ne\n", "K:Gm\ne\n",
    ),
    Misreading(
        "A decoration is of the next note, though a field stands between (4.14). To abc2midi the field is a chord.",
        re.compile(r"([.~HL-Wh-w]+)((?:\[[A-Za-z]:[^\]\n]*\])+)"), r"\2\1", "u[r:a]c\n", "uc\n",
    ),
    Misreading(
        "A decoration may end a line. abc2midi then reads on in what its memory held before the line.",
        lines(r"^(?![ \t]*(?:[A-Za-z+]:|%))(.*?)[.~H-Wh-w]+$"), r"\1%", "cdefg\nc.\ne\n", "cdefg\nc\ne\n",
    ),
    Misreading(
        "A text ends at the next quotation mark (4.18). In abc2midi it goes on where a backslash stands before that.",
        re.compile(r'\\(?=")'), "", '"\\" "A" c\n', '"" "A" c\n',
    ),
    # The last two are of lines that the ways above leave.
    Misreading(
        "A line of comment is as if it were not there (2.2.5). abc2midi, where it guesses repeats, counts it.",
        lines(r"^%(?!%[ \t]*\w).*\n"), "", "(AG)|FDDDDt\n%\n%\nED:|\nV:1\n", "(AG)|FDDDDt\nED:|\nV:1\n",
    ),
    Misreading(
        "A line that goes on is one with the next (2.2.6). Where abc2midi guesses as above, it is another.",
        lines(r"^(?![ \t]*(?:[A-Za-z+]:|%))(.*?)[ \t]*\\\n(?![ \t]*(?:[A-Za-z+]:|%))"), r"\1 ",
        "D|dc|\\\nB|G-|GA|[GB]:|\nV:1\n", "D|dc| B|G-|GA|[GB]:|\nV:1\n",
    ),
)  # fmt: skip


def in_its_words(text: str) -> str:
    """A tune as abc2midi reads it rightly, with its file's header in it (2.2.2), which abc2midi passes over."""
    tune = text
    if not text.startswith("X:"):
        at = re.search(r"^[ \t]*X:", BLOCK.sub(lambda block: "%" * len(block[0]), text), re.MULTILINE)
        start = at.start() if at else 0
        tune = with_defaults(text[start:].encode(), file_header(text.encode())).decode()
    for misreading in MISREADINGS:
        tune = misreading.pattern.sub(misreading.replacement, tune)
    return tune


def read_score(midi: bytes) -> Score | None:
    """A MIDI file by symusic; None if it does not take it."""
    try:
        return symusic.Score.from_midi(midi)
    except (RuntimeError, ValueError):
        return None


class Player(Abc2midi):
    """Plays one tune after another, in a folder that lives as long as the ``with`` block."""

    def __init__(self) -> None:
        super().__init__(SECONDS)

    def score(self, text: str) -> Score | None:
        """What abc2midi plays of a text, word for word; None if it makes no MIDI file that can be read."""
        outcome, midi = self.compile(text)
        return None if outcome.problem or not midi.exists() else read_score(midi.read_bytes())

    def play(self, text: str) -> list | None:
        """What is played of the words that abc2midi is given; None if it makes no MIDI file that can be read.

        The tempi come first, each with its time. Then there is a tuple for each track that has notes: its program,
        whether it is of drums, and time, duration and pitch of its notes. Times are in ticks.
        """
        score = self.score(text)
        if score is None:
            return None
        tracks = [
            (track.program, track.is_drum, sorted((note.time, note.duration, note.pitch) for note in track.notes))
            for track in score.tracks
            if len(track.notes)
        ]
        return [[(tempo.time, tempo.mspq) for tempo in score.tempos], *sorted(tracks)]
