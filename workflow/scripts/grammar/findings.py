"""What the checker of ABC finds in a text: messages about it, and the bars, notes and rests of each voice.

`grammar.checker` and `grammar.voice` make these from a text; `grammar.rhythm` and others read them. Times are in
ticks, of which a whole note has `TICKS`: whole numbers, or fractions where a length does not fit.
"""

import bisect
import re
from dataclasses import dataclass, field
from fractions import Fraction
from typing import NamedTuple

from workflow.scripts.grammar.rules_of_text import Rule

# Divisible by the lengths that music has, tuplets and dots of them included, so that times are exact.
TICKS = 2**12 * 3**3 * 5**2 * 7 * 11 * 13
TIERS = ("hard", "balance", "rhythm", "silent", "soft")  # most grave first: see `Rule`
MAX_MESSAGES = 50  # kept of one text; a text of noise has one for every other character

Time = int | Fraction  # in ticks


class Message(NamedTuple):
    """One thing about a text: where (in characters from its start), how grave, and what."""

    offset: int
    tier: str
    text: str


class Bar(NamedTuple):
    """What one voice has between two bar lines.

    Attributes:
        offset: of its first note or rest.
        end: offset of what closes it.
        duration: of the voice; where & writes a second one beside it, of the first.
        longest: of all the voices in it; no less than ``duration``.
        meter: what a bar lasts here; 0 in free meter.
        at_edge: the bar begins or ends a section, so that it may be a pickup or what a pickup leaves.
        n_bars: how many bars of rest are written as this one (Z4), else 1.
    """

    offset: int
    end: int
    duration: Time
    longest: Time
    meter: Time
    at_edge: bool
    n_bars: int


@dataclass(slots=True)
class Note:
    """A note that sounds.

    Attributes:
        pitch: as in MIDI, 60 for C.
        in_key: it has no accidental, or one that leaves it as the key does.
        offset: of its sign in the text.
    """

    onset: Time
    duration: Time
    pitch: int
    in_key: bool
    offset: int


@dataclass(slots=True)
class Rest:
    """A rest, or several bars of it; offset of its sign in the text."""

    duration: Time
    offset: int


@dataclass
class Part:
    """One voice of a tune."""

    bars: list[Bar] = field(default_factory=list)
    notes: list[Note] = field(default_factory=list)
    rests: list[Rest] = field(default_factory=list)
    is_ended: bool = False  # its last bar line is one that ends a section, such as |] or :|
    open: list[int] = field(default_factory=list)  # offsets of signs that wait for their other half where it ends


@dataclass
class Text:
    """A checked text. If it has several tunes, the messages are about all of them, and the parts are of the first.

    Attributes:
        prompt_chars: how many characters, from the start, are a prompt's. They are checked, but their notes are not
            counted.
        messages: at most `MAX_MESSAGES`, in the order found. `grammar.rhythm` adds those about the rhythm.
        tiers: of all messages.
        parts: of each voice that has bars, by its name.
        notes: how many follow the prompt.
        pauses: a rest or a chord symbol follows the prompt.
        fields: letters of the header's fields.
        closed: the last bar of every part ends with a bar line.
    """

    text: str
    prompt_chars: int = 0
    messages: list[Message] = field(default_factory=list)
    tiers: set[str] = field(default_factory=set)
    parts: dict[str, Part] = field(default_factory=dict)
    notes: int = 0
    pauses: bool = False
    fields: set[str] = field(default_factory=set)
    closed: bool = True

    @property
    def is_valid(self) -> bool:
        """Whether it is ABC, whatever its rhythm, and even if it is silent."""
        return not self.tiers & {"hard", "balance"}

    @property
    def is_music(self) -> bool:
        """Whether it is ABC with a note that sounds: a tune of rests alone is valid, and no music."""
        return self.is_valid and self.notes > 0

    def say(self, offset: int, rule: Rule, what: object = "") -> None:
        """Add a message that a rule is broken, by ``what``."""
        self.tiers.add(rule.tier)
        if len(self.messages) < MAX_MESSAGES:
            self.messages.append(Message(offset, rule.tier, rule.message.format(what)))

    def located(self) -> list[dict]:
        """The messages with line and column, from 1, in the order of the text."""
        starts = [0, *(match.end() for match in re.finditer("\n", self.text))]
        found = []
        for offset, tier, text in sorted(self.messages):
            line = bisect.bisect_right(starts, offset)
            found.append({"line": line, "column": offset - starts[line - 1] + 1, "tier": tier, "message": text})
        return found
