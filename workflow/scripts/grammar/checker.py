"""Whether a text is ABC, in every character: a checker of the grammar that reads a tune once, in linear time.

Needs a text, and makes the `Text` of `grammar.findings`. The rules are those of the standard, ABC 2.1
(abcnotation.com/wiki/abc:standard:v2.1): `grammar.rules_of_text` and `grammar.rules_of_music` list them.
"""

import bisect
import collections
import re
from collections.abc import Iterator
from fractions import Fraction
from typing import NamedTuple

from workflow.scripts.grammar import fields
from workflow.scripts.grammar import rules_of_music as music_rules
from workflow.scripts.grammar import rules_of_text as rules
from workflow.scripts.grammar.findings import Text
from workflow.scripts.grammar.signs import MARKS, Signs
from workflow.scripts.grammar.tokens import ENTITY
from workflow.scripts.grammar.voice import ALL_OCTAVES, OWN_NOTE, OWN_OCTAVE, Voice

BLANKS = " \t"  # of which a blank line consists (2.2.4)
COMMENT = re.compile(r"(?<!\\)%")
FIELD = re.compile(r"[ \t]*([A-Za-z+]):")
BEGINS_BLOCK = re.compile(r"%%begin(\w+)")  # of text or PostScript, that %%endtext or the like ends
ENDS_BLOCK = re.compile(r"^%%end(\w+)", re.MULTILINE)
FIRST_X = re.compile(r"^[ \t]*X:", re.MULTILINE)
MUSIC_WITH_COLON = re.compile(r"[ \t]*[A-Ga-gzxyZX]:[|:]")  # in a body G:| is a note and a repeat sign
# < and > are broken rhythm, too: a line of HTML tags has an end tag, or a letter that is no note.
HTML = re.compile(r"(?=.*(?:</|[H-WYh-w]))[ \t]*(?:<[/!A-Za-z][^<>]*>[ \t]*)+")
IN_BODY = frozenset("IKLMmNPQRrsTUVWw+")  # fields that may be lines of the body
IN_LINE = frozenset("IKLMmNPQRrUV")  # and those that may be within a line, as [K:D]
FIRST_VOICE = "1"  # the name of the voice that plays before one is named


def parse(text: str, prompt_chars: int = 0) -> Text:
    """Check a text whole, of which the first ``prompt_chars`` characters are a prompt. Its line ends are LF."""
    return Parser(Text(text, prompt_chars)).read()


class InForce(NamedTuple):
    """What the fields and directives of a file header say, for every tune to begin with."""

    meter: Fraction = Fraction(0)
    compound: bool = False
    unit: Fraction | None = None
    signature: dict[str, int] = fields.key("")[0]
    marks: frozenset[str] = MARKS
    breaks: bool = False
    reach: str = ALL_OCTAVES


class Parser:
    """Reads one text, line by line.

    At a line its state is "before" the first tune, in a tune's "header", in an "orphan" header that no X: began, in the
    "body", "after" the blank line that ends it, or, where text follows that, in what is "skipped".
    """

    def __init__(self, found: Text):
        self.found, self.say = found, found.say
        self.has_x = FIRST_X.search(found.text) is not None
        self.tunes = 0
        self.block: list[tuple[int, str]] = []  # lines before the first tune, since the last blank one
        self.is_first_block = True
        self.defaults = InForce()
        self.begin_tune()

    def begin_tune(self) -> None:
        """Forget the fields and voices of the tune before, but for those of the file header."""
        said = self.defaults
        self.meter, self.compound, self.unit = said.meter, said.compound, said.unit
        self.signature, self.reach = said.signature, said.reach
        self.signs = Signs(self.found, said.marks, said.breaks)
        self.declared: list[str] = []  # names of the header's voices
        self.voices: dict[str, Voice] = {}
        self.voice = self.voice_named(FIRST_VOICE)

    def lines(self) -> Iterator[tuple[int, str]]:
        """(offset, text) of each line without its comment; lines that are none, and blocks of text, are left out."""
        text, at = self.found.text, 0
        ends = collections.defaultdict(list)  # of blocks, by their name
        for match in ENDS_BLOCK.finditer(text):
            ends[match[1]].append(match.start())
        while at <= len(text):
            start, end = at, text.find("\n", at)
            end = len(text) if end < 0 else end
            line, at = text[start:end], end + 1
            directive = line.lstrip(BLANKS)
            if directive[:1] == "%":
                if block := BEGINS_BLOCK.match(line):
                    of_name = ends[block[1]]
                    place = bisect.bisect(of_name, start)
                    if place < len(of_name):
                        at = of_name[place]  # which is a directive, too
                    else:
                        self.say(start, rules.OPEN_BLOCK, block[0])
                elif directive[1:2] == "%":
                    self.instruct(COMMENT.split(directive[2:], maxsplit=1)[0])
                continue
            if comment := COMMENT.search(line):
                line = line[: comment.start()]
                if not line.strip(BLANKS):
                    continue
            yield start, line

    def read(self) -> Text:
        """Check the text."""
        state = "before"
        for start, line in self.lines():
            if not line.strip(BLANKS):
                state = self.blank_line(state, start)
                continue
            field = FIELD.match(line)
            if field and field[1] == "X":
                self.begin_at(line, field, state, start)
                state = "header"
            elif state in ("header", "body") and line.lstrip()[:1] == "<" and HTML.fullmatch(line):
                self.say(start, rules.HTML)
            elif state == "before" and self.has_x:
                state = self.line_before(line, field, start)
            elif state in ("before", "header", "orphan"):
                state = self.header_line(state, line, field, start)
            elif state == "body":
                if field and not MUSIC_WITH_COLON.match(line):
                    self.body_field(field[1], self.value_of(line, field, start), start, IN_BODY)
                else:
                    self.music(start, start + len(line))
            elif state == "after":
                self.say(start, rules.AFTER_END)
                state = "skipped"
        return self.finish(state)

    def value_of(self, line: str, field: re.Match[str], at: int) -> str:
        """What a field says after its colon."""
        if line[0] in " \t":
            self.say(at, rules.BLANK_BEFORE_FIELD)
        return line[field.end() :].strip(" \t\\")  # a \ at its end says nothing

    def begin_at(self, line: str, field: re.Match[str], state: str, at: int) -> None:
        """X: begins a tune."""
        if state == "body":
            self.end_tune()
        if state in ("header", "orphan"):
            self.say(at, rules.X_NOT_FIRST)
        self.end_block(is_parted=False)
        self.begin_tune()
        self.tunes += 1
        value = self.value_of(line, field, at)
        if not value.isdigit():
            self.say(at, rules.X_NUMBER if value else rules.X_EMPTY)
        self.found.fields.add("X")

    def blank_line(self, state: str, at: int) -> str:
        """The state after a blank line."""
        if state == "before":
            self.end_block(is_parted=True)
        if state == "header":
            self.say(at, rules.BLANK_IN_HEADER)
        if state == "body":
            self.end_tune()
            return "after"
        return state

    def finish(self, state: str) -> Text:
        """The text is over."""
        found, end = self.found, len(self.found.text)
        if state in ("header", "orphan"):
            self.say(end, rules.NO_KEY)
        if state == "body":
            self.end_tune()
        if not found.notes:
            self.say(end, rules.SILENT if found.pauses else rules.NO_OWN_NOTE if found.prompt_chars else rules.NO_NOTE)
        return found

    # Before the first tune

    def line_before(self, line: str, field: re.Match[str] | None, at: int) -> str:
        """Keep a line that may be of a file header or free text; returns the state after it."""
        self.block.append((at, line))
        if not field or field[1] != "K":
            return "before"
        state = "before"  # a tune after all, though no X: begins it
        for start, kept in self.block:
            state = self.header_line(state, kept, FIELD.match(kept), start)
        self.block = []
        return state

    def end_block(self, is_parted: bool) -> None:
        """What is before a blank line (else, not ``is_parted``, before X:) is a file header or free text (2.2.2, 3)."""
        block, self.block = self.block, []
        if not block:
            return
        found = [(at, line, match) for at, line in block if (match := FIELD.match(line))]
        are_fields = len(found) == len(block)
        if not is_parted:
            self.say(block[0][0], rules.X_NOT_FIRST if are_fields else rules.FREE_TEXT)
        elif are_fields and self.is_first_block:
            for at, line, match in found:
                self.take_field(match[1], self.value_of(line, match, at), at)
            dialect = self.signs.marks, self.signs.breaks
            self.defaults = InForce(self.meter, self.compound, self.unit, self.signature, *dialect, self.reach)
        self.is_first_block = False

    # The header

    def header_line(self, state: str, line: str, field: re.Match[str] | None, at: int) -> str:
        """Check a line of a header that is not its X:; returns the state after it."""
        if state == "before":
            self.say(at, rules.NO_X)
            self.tunes += 1
            state = "orphan"
        if not field:
            self.say(at, rules.BEFORE_KEY)
            self.music(at, at + len(line))
            return "body"
        letter, value = field[1], self.value_of(line, field, at)
        self.found.fields.add(letter)
        self.take_field(letter, value, at)
        if letter == "V":  # in a header it describes a voice, and begins none
            self.declared.append(fields.voice_name(value))
        if letter != "K":
            return state
        if self.declared and FIRST_VOICE not in self.declared:
            self.voice = self.voice_named(self.declared[0])
        return "body"

    def take_field(self, letter: str, value: str, at: int) -> None:
        """Check a field, and do as it says."""
        what = f"{letter}:{value[:40]}"
        if letter == "V":
            self.check_voice(value, what, at)
        try:
            if not self.do_as_said(letter, value):
                self.say(at, LOOSE[letter], what)
        except ValueError:
            self.say(at, BROKEN[letter], what)
            if letter == "M":
                self.meter = Fraction(0)
        if letter in "MLK":
            for voice in (self.voice,) if letter == "K" else self.voices.values():
                self.set_up(voice)

    def check_voice(self, value: str, what: str, at: int) -> None:
        """Check a field that is about a voice (7)."""
        if not fields.voice_name(value):
            self.say(at, rules.VOICE_NAME)
        if value.count('"') % 2:
            self.say(at, rules.FIELD_QUOTE, what)
        if entity := ENTITY.search(value):
            self.say(at, music_rules.ENTITY, entity[0])

    def do_as_said(self, letter: str, value: str) -> bool:
        """Take over what a field says; whether it is in a form of the standard, and not in one that programs add.

        Raises:
            ValueError: it is not well formed.
        """
        is_standard = True
        if letter == "M":
            (self.meter, is_standard), self.compound = fields.meter(value), fields.is_compound(value)
        elif letter == "L":
            self.unit = fields.unit_length(value)
        elif letter == "Q":
            is_standard = fields.check_tempo(value)
        elif letter == "K":
            self.signature, is_standard = fields.key(value)
        elif letter == "U":
            self.signs.marks = fields.symbols(value, self.signs.marks)
        elif letter == "m":
            self.signs.marks |= fields.letters_of_macro(value)
        elif letter == "I":
            self.instruct(value)
        return is_standard

    def instruct(self, text: str) -> None:
        """Do as I: or %% says."""
        name, _, value = text.strip().partition(" ")
        if name == "linebreak":
            self.signs.breaks = "!" in value
        elif name == "continueall":
            self.signs.breaks = value.strip() not in ("0", "false")
        elif name == "propagate-accidentals" and value.strip() in (ALL_OCTAVES, OWN_OCTAVE, OWN_NOTE):
            self.reach = value.strip()
            for voice in self.voices.values():
                self.set_up(voice)

    def set_up(self, voice: Voice) -> None:
        """Hand the fields that are in force to a voice."""
        unit = self.unit or fields.default_unit(self.meter)
        voice.set_up(unit, self.meter, self.compound, self.signature, self.reach)

    # The body

    def voice_named(self, name: str) -> Voice:
        """The voice, which is new where the name is."""
        if name not in self.voices:
            self.voices[name] = Voice(self.found)
            self.set_up(self.voices[name])
        return self.voices[name]

    def body_field(self, letter: str, value: str, at: int, allowed: frozenset[str]) -> None:
        """Check a field of the body, which is one of those ``allowed`` here."""
        if letter not in allowed:
            self.say(at, rules.FIELD_PLACE, letter)
            return
        self.take_field(letter, value, at)
        if letter == "V":
            self.voice.end_line()
            self.voice = self.voice_named(fields.voice_name(value))

    def inline_field(self, letter: str, value: str, at: int) -> Voice:
        """Check a field within a line of music; returns the voice that goes on."""
        self.body_field(letter, value, at, IN_LINE)
        return self.voice

    def music(self, start: int, stop: int) -> None:
        """Check a line of music, [start, stop) of the text."""
        self.signs.read(self.voice, start, stop, self.inline_field)

    def end_tune(self) -> None:
        """End every voice; the parts of the first tune are kept."""
        parts = {name: voice.end() for name, voice in self.voices.items()}
        if self.tunes <= 1:
            self.found.parts = {name: part for name, part in parts.items() if part.bars}


# What is said of a field that is not well formed, and of one in a form that only programs read.
BROKEN = {"M": rules.METER, "L": rules.UNIT, "Q": rules.TEMPO, "K": rules.KEY, "U": rules.SYMBOL}
LOOSE = {"M": rules.METER_LOOSE, "Q": rules.TEMPO_LOOSE, "K": rules.KEY_LOOSE}
