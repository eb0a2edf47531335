"""Reads a line of music sign by sign: hands notes and bars to a `Voice`, and says of all else whether it is a sign."""

from collections.abc import Callable
from re import Match

from workflow.scripts.grammar import rules_of_music as rules
from workflow.scripts.grammar.findings import Text
from workflow.scripts.grammar.tokens import DECORATIONS, TOKEN, TOKEN_WITH_BREAKS
from workflow.scripts.grammar.voice import Voice

MARKS = frozenset(".~HLMOPSTuv")  # letters and signs that are a decoration of the next note (4.14)
MAX_IN_WORDS = 4  # letters of no meaning within words of a line of music; with more it is prose
ANNOTATES = frozenset("^_<>@")  # first characters of texts that are no chord symbols (4.19)
# Signs that are all a voice's own, by the names of `TOKEN`.
OF_VOICE: dict[str, Callable[[Voice, Match[str], int], None]] = {
    "bar": lambda voice, sign, at: voice.end_bar(sign["line"], sign["bar_numbers"], at),
    "rest": lambda voice, sign, at: voice.rest(sign["rest_length"], at),
    "chord": lambda voice, _, at: voice.begin_chord(at),
    "broken": lambda voice, sign, at: voice.broken(sign[0], at),
    "tie": lambda voice, _, at: voice.tie(at),
    "tuplet": lambda voice, sign, at: voice.begin_tuplet(sign["p"], sign["q"], sign["r"], at),
    "slur": lambda voice, _, at: voice.repeats.slur(at),
    "slur_end": lambda voice, _, at: voice.repeats.end_slur(at),
    "grace": lambda voice, _, at: voice.begin_grace(at),
    "grace_end": lambda voice, _, at: voice.end_grace(at),
    "ending": lambda voice, sign, at: voice.ending(sign["numbers"], at),
    "multi": lambda voice, sign, at: voice.rest_bars(sign[0][1:], at),
    "overlay": lambda voice, sign, _: voice.overlay(sign[0]),
    "span": lambda voice, _, at: voice.begin_span(at),
    "span_end": lambda voice, _, at: voice.end_span(at),
    "spacer": lambda voice, *_: voice.take_mark(),
}


class Signs:
    """Reads the lines of music of one tune.

    Attributes:
        marks: letters and signs that are decorations, as the tune's fields say.
        breaks: ! alone is a line break.
    """

    def __init__(self, found: Text, marks: frozenset[str] = MARKS, breaks: bool = False):
        self.found, self.say = found, found.say
        self.marks, self.breaks = marks, breaks
        self.in_words = 0  # letters of no meaning in words, of the lines that this one goes on from

    def read(self, voice: Voice, start: int, stop: int, take_field: Callable[[str, str, int], Voice]) -> None:
        """Read a line of music, [start, stop) of the text, that begins in a voice.

        Args:
            take_field: does as an inline field says, of its letter, value and offset; returns the voice that goes on.
        """
        unknown: list[int] = []  # offsets of letters of no meaning
        text = self.found.text
        for sign in (TOKEN_WITH_BREAKS if self.breaks else TOKEN).finditer(text, start, stop):
            kind, at = sign.lastgroup, sign.start()
            if kind == "note":
                voice.note(sign[2], sign[3], sign[4], sign[5], at)
            elif kind == "blank":
                voice.adjacent = False
            elif act := OF_VOICE.get(kind or ""):
                act(voice, sign, at)
            elif kind == "inline":
                voice = take_field(sign["letter"], sign["value"].strip(), at)
            elif kind == "mark":
                if sign[0] in self.marks:
                    voice.mark(sign[0], at)
                else:
                    unknown.append(at)
                    self.say(at, rules.LETTER, sign[0])
            elif kind == "chord_end":
                if voice.has_chord or sign["chord_length"] or text[at + 1 : stop][:1] != "|":  # else ]| is a bar line
                    voice.end_chord(sign["chord_length"], at)
            elif kind != "other":
                self.read_word(kind, sign, at)
            elif self.is_stray(sign[0], at, stop) and sign[0] == '"':
                break  # the rest of the line is text
        self.in_words += self.count_in_words(unknown)
        if self.in_words > MAX_IN_WORDS:
            self.say(start, rules.PROSE)
        if text[stop - 1 : stop] != "\\":
            self.in_words = 0
            voice.end_line()
            voice.bars.end_line()

    def count_in_words(self, unknown: list[int]) -> int:
        """How many of these letters, at offsets in order, are in a word that has two different ones of them."""
        text = self.found.text
        words: list[str] = []
        for i, at in enumerate(unknown):
            if i and text[unknown[i - 1] : at].isalpha():
                words[-1] += text[at]
            else:
                words.append(text[at])
        return sum(len(word) for word in words if len(set(word)) > 1)

    def read_word(self, kind: str | None, sign: Match[str], at: int) -> None:
        """A sign that no time passes with: a text, a decoration, or one of no meaning."""
        if kind == "quoted":
            self.found.pauses |= at >= self.found.prompt_chars and sign[0][1:2] not in ANNOTATES
        elif kind == "decoration":
            if sign[0][1:-1] not in DECORATIONS:
                self.say(at, rules.DECORATION, sign[0])
        elif kind == "named_ending":
            self.say(at, rules.ENDING_NAMED, sign["name"][:20])
        elif kind == "entity":
            self.say(at, rules.ENTITY, sign[0])
        elif kind == "reserved" and (word := sign[0].replace("$", "")):  # $ is a line break (6.1.1)
            self.say(at, rules.RESERVED, word[:20])

    def is_stray(self, char: str, at: int, stop: int) -> bool:
        """Whether a character is no sign of music; it is said if so."""
        text = self.found.text
        if char == "\\" and not text[at + 1 : stop].strip():  # the line goes on in the next
            return False
        if char == "!":
            if self.breaks:
                return False
            if not text[at + 1 : stop].strip() or text[at - 2 : at].endswith(("|", ":", "|]")):
                self.say(at, rules.LINE_BREAK)
                return False
            self.say(at, rules.DECORATION_OPEN)
        elif char == '"':
            self.say(at, rules.QUOTE_OPEN)
        elif char in "^_=":
            self.say(at, rules.ACCIDENTAL_ALONE)
        else:
            self.say(at, rules.SIGN, repr(char))
        return True
