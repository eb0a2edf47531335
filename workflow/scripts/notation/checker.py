"""Whether a text is ABC, in every character: a checker of the grammar that reads a tune once, in linear time.

Needs a text, and makes the `Text` of `notation.findings`. The rules are those of the standard, ABC 2.1
(abcnotation.com/wiki/abc:standard:v2.1). A message is of the tier hard for what the standard has no rule for, balance
for a slur, tie, repeat or ending without its other half, and soft for what the standard asks readers to ignore.
"""

import re
from fractions import Fraction

from workflow.scripts.notation import fields
from workflow.scripts.notation.findings import Text
from workflow.scripts.notation.tokens import AT_BAR_LINE, DECORATIONS, TOKEN
from workflow.scripts.notation.voice import Chord, Voice

COMMENT = re.compile(r"(?<!\\)%")
FIELD = re.compile(r"([A-Za-z+]):")
MUSIC_WITH_COLON = re.compile(r"[A-Ga-gzxyZX]:[|:]")  # in a body G:| is a note and a repeat sign
IN_BODY = frozenset("IKLMmNPQRrsTUVWw+")  # fields that may be lines of the body
IN_LINE = frozenset("IKLMmNPQRrUV")  # and those that may be within a line, as [K:D]
MARKS = frozenset(".~HLMOPSTuv")  # letters and signs that are a decoration of the next note
MAX_UNKNOWN = 4  # letters of no meaning in one line of music; with more it is prose


def parse(text: str, prompt_chars: int = 0) -> Text:
    """Check a text whole, of which the first ``prompt_chars`` characters are a prompt."""
    return Parser(Text(text, prompt_chars)).read()


class Parser:
    """Reads one text, line by line.

    At a line its state is "before" a tune, in its "header", in an "orphan" header that no X: began, in the "body",
    "after" the blank line that ends it, or, where text follows that, in what is "skipped".
    """

    def __init__(self, found: Text):
        self.found, self.say = found, found.say
        self.tunes = 0
        self.begin_tune()

    def begin_tune(self) -> None:
        """Forget the fields and voices of the tune before."""
        self.meter, self.compound = Fraction(0), False
        self.unit: Fraction | None = None
        self.signature = fields.key("")
        self.marks = MARKS
        self.breaks = False  # whether ! alone is a line break
        self.voices: dict[str, Voice] = {}
        self.voice = self.voice_named("")

    def read(self) -> Text:
        """Check the text."""
        text = self.found.text
        state, at = "before", 0
        for line in text.split("\n"):
            start, at = at, at + len(line) + 1
            line = line.removesuffix("\r")
            if line[:1] == "%":
                continue
            if not line.strip():
                state = self.blank_line(state, start)
                continue
            if comment := COMMENT.search(line):
                line = line[: comment.start()]
            field = FIELD.match(line)
            if line[:2] == "X:" and state != "header":
                if state == "body":
                    self.end_tune()
                if state == "orphan":
                    self.say(start, "hard", "X: is not the first field of the tune")
                self.begin_tune()
                self.tunes += 1
                state = "header"
                if not line[2:].strip().isdigit():
                    self.say(start, "hard", "X: needs a number")
                self.found.fields.add("X")
            elif state in ("header", "orphan", "before"):
                state = self.header_line(state, line, field, start)
            elif state == "body":
                if field and not MUSIC_WITH_COLON.match(line):
                    self.body_field(field[1], line[2:].strip(), start, IN_BODY)
                else:
                    self.music(start, start + len(line))
            elif state == "after":
                self.say(start, "soft", "text after the blank line that ends the tune, which readers skip")
                state = "skipped"
        return self.finish(state)

    def blank_line(self, state: str, at: int) -> str:
        """The state after a blank line."""
        if state == "header":
            self.say(at, "hard", "a blank line in the header, which ends the tune")
        if state == "body":
            self.end_tune()
            return "after"
        return state

    def finish(self, state: str) -> Text:
        """The text is over."""
        end = len(self.found.text)
        if state in ("header", "orphan"):
            self.say(end, "hard", "no K: field ends the header")
        if state == "body":
            self.end_tune()
        if not self.found.notes:
            self.say(end, "hard", "no note after the prompt" if self.found.prompt_chars else "no note")
        return self.found

    # The header

    def header_line(self, state: str, line: str, field: re.Match | None, at: int) -> str:
        """Check a line of a header that is not its X:; returns the state after it."""
        if state == "before":
            self.say(at, "hard", "no X: field begins the tune")
            self.tunes += 1
            state = "orphan"
        if not field:
            self.say(at, "hard", "music or text before a K: field has ended the header")
            self.music(at, at + len(line))
            return "body"
        letter = field[1]
        self.found.fields.add(letter)
        if letter != "V":  # in a header it describes a voice, and begins none
            self.take_field(letter, line[2:].strip(), at)
        return "body" if letter == "K" else state

    def take_field(self, letter: str, value: str, at: int) -> None:
        """Check a field, and do as it says."""
        try:
            if letter == "M":
                self.meter, self.compound = fields.meter(value), fields.is_compound(value)
            elif letter == "L":
                self.unit = fields.unit_length(value)
            elif letter == "Q":
                fields.check_tempo(value)
            elif letter == "K":
                self.signature = fields.key(value)
            elif letter == "U" and value[:1].isalpha():
                self.marks |= {value[0]}
            elif letter == "I" and value.replace(" ", "").startswith("linebreak!"):
                self.breaks = True
            else:
                return
        except ValueError:
            self.say(at, "hard", f"{letter}:{value[:40]} is not well formed")
            if letter == "M":
                self.meter = Fraction(0)
        for voice in (self.voice,) if letter == "K" else self.voices.values():
            self.set_up(voice)

    def set_up(self, voice: Voice) -> None:
        """Hand the fields that are in force to a voice."""
        voice.set_up(self.unit or fields.default_unit(self.meter), self.meter, self.compound, self.signature)

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
            self.say(at, "soft", f"{letter}: has no meaning here")
        elif letter == "V":
            self.voice.end_unfinished()
            self.voice = self.voice_named(value.split(maxsplit=1)[0] if value else "")
        else:
            self.take_field(letter, value, at)

    def music(self, start: int, stop: int) -> None:
        """Check a line of music, [start, stop) of the text."""
        unknown = 0
        voice, say, text = self.voice, self.say, self.found.text
        for match in TOKEN.finditer(text, start, stop):
            kind, at = match.lastgroup, match.start()
            if kind == "note":
                voice.note(match[2], match[3], match[4], match[5], at)
                continue
            if kind == "blank":
                voice.adjacent = False
                if voice.waiting and voice.waiting[0] == ".":
                    voice.end_unfinished()
                continue
            if kind == "bar":
                voice.end_bar(match["line"], match["bar_numbers"], at)
            elif kind == "rest":
                voice.rest(match["rest_length"], at)
            elif kind == "chord":
                if voice.chord is not None or voice.grace >= 0:
                    voice.end_unfinished()
                voice.chord = Chord(at)
            elif kind == "chord_end":
                voice.end_chord(match["chord_length"], at)
            elif kind == "broken":
                voice.broken(match[0], at)
            elif kind == "tie":
                voice.tie(at)
            elif kind == "tuplet":
                voice.begin_tuplet(match["p"], match["q"], match["r"], at)
            elif kind == "slur":
                voice.slurs.append(at)
            elif kind == "slur_end":
                if voice.slurs:
                    voice.slurs.pop()
                else:
                    say(at, "balance", ") closes no slur")
            elif kind == "grace":
                if voice.grace >= 0:
                    say(voice.grace, "hard", "grace notes that are not closed")
                voice.grace = at
            elif kind == "grace_end":
                if voice.grace < 0:
                    say(at, "hard", "} closes no grace notes")
                elif voice.chord is not None:
                    voice.end_unfinished()
                voice.grace = -1
            elif kind == "inline":
                self.body_field(match["letter"], match["value"].strip(), at, IN_LINE)
                voice = self.voice
            elif kind == "ending":
                voice.ending(match["numbers"], at)
            elif kind == "multi":
                voice.rest_bars(match[0][1:], at)
            elif kind == "overlay":
                voice.overlay()
            elif kind == "mark":
                if match[0] not in self.marks:
                    unknown += 1
                    say(at, "soft", f"{match[0]} has no meaning here, and is skipped")
                elif match[0] not in AT_BAR_LINE:
                    voice.need_note(match[0], at)
            elif kind == "decoration":
                if match[0][1:-1] not in DECORATIONS:
                    say(at, "soft", f"{match[0]} is no decoration of the standard")
            elif kind == "reserved":
                say(at, "soft", f"{match[0][:20]} is reserved, and is skipped")
            elif kind == "other" and not self.is_line_end(match[0], at, stop):
                self.stray(match[0], at)
                if match[0] == '"':
                    break  # the rest of the line is text
        if unknown > MAX_UNKNOWN:
            say(start, "hard", "words, not music")
        if text[stop - 1 : stop] != "\\":
            voice.end_unfinished()

    def is_line_end(self, char: str, at: int, stop: int) -> bool:
        """Whether this ends the line in a way of its own: \\ goes on in the next, ! may be a line break."""
        return (char == "\\" and not self.found.text[at + 1 : stop].strip()) or (char == "!" and self.breaks)

    def stray(self, char: str, at: int) -> None:
        """A character that is no sign of music."""
        what = {
            '"': "a quotation mark that is not closed",
            "!": "a decoration that is not closed",
            "^": "an accidental with no note",
            "_": "an accidental with no note",
            "=": "an accidental with no note",
        }
        self.say(at, "hard", what.get(char, f"{char!r} has no meaning here"))

    def end_tune(self) -> None:
        """End every voice; the parts of the first tune are kept."""
        parts = {name: voice.end() for name, voice in self.voices.items()}
        if self.tunes <= 1:
            self.found.parts = {name: part for name, part in parts.items() if part.bars}
