"""The music of one voice of a tune, token by token: what is wrong with it, its bars and its notes."""

import functools
import re
from fractions import Fraction

from workflow.scripts.abc_tune import TICKS, Bar, Note, Part, Text, Time

LENGTH = r"\d*(?:/+\d*)?"
MORE = r"(?:/+\d*)*"
TOKEN = re.compile(
    rf"""
    (?P<note>([\^_=]*)([A-Ga-g])([,']*)({LENGTH})({MORE}))
    |(?P<blank>[ \t`]+)
    |(?P<bar>(?:\[\|\]?:*|:*\.?\|+\]?:*|::+)(?:\[?(\d+(?:[,-]\d+)*))?)
    |(?P<rest>[zx]({LENGTH})({MORE}))
    |(?P<inline>\[([A-Za-z]):([^\]\n]{{0,500}})\])
    |(?P<ending>\[(\d+(?:[,-]\d+)*))
    |(?P<chord>\[)
    |(?P<chord_end>\]({LENGTH})({MORE}))
    |(?P<broken>>{{1,3}}|<{{1,3}})
    |(?P<tie>\.?-)
    |(?P<tuplet>\((\d+)(?::(\d*))?(?::(\d*))?)
    |(?P<slur>\.?\()
    |(?P<slur_end>\))
    |(?P<quoted>"[^"\n]*")
    |(?P<decoration>![^\s!|]{{1,32}}!|\+[^\s+|]{{1,32}}\+)
    |(?P<grace>\{{/?)
    |(?P<grace_end>\}})
    |(?P<overlay>&+)
    |(?P<multi>[ZX]\d*)
    |(?P<spacer>y\d*)
    |(?P<mark>[.~H-Wh-w])
    |(?P<reserved>[#*;?@$]+)
    |(?P<other>.)
    """,
    re.VERBOSE,
)
STEPS = dict(zip("CDEFGABcdefgab", (60, 62, 64, 65, 67, 69, 71, 72, 74, 76, 77, 79, 81, 83), strict=True))
ALTER = {"^": 1, "^^": 2, "_": -1, "__": -2, "=": 0}
BROKEN = {1: Fraction(1, 2), 2: Fraction(3, 4), 3: Fraction(7, 8)}  # of the shorter note, what the other gains
TUPLETS = {2: 3, 3: 2, 4: 3, 6: 2, 8: 3}  # notes in the time of; 5, 7 and 9 hang on the meter (4.13)
AT_BAR_LINE = frozenset("HOS")  # a fermata, coda or segno may stand over one
MAX_DIGITS = 4  # of a length


@functools.lru_cache(1 << 14)
def length_of(text: str) -> Fraction:
    """A note length in units: '' is 1, '/' a half, '//' a quarter, '3/2' one and a half.

    Raises:
        ValueError: it is zero, a division by zero, or longer than music is.
    """
    above, _, below = text.partition("/")
    slashes = len(below) - len(below.lstrip("/")) + 1 if "/" in text else 0
    below = below.lstrip("/")
    if max(len(above), len(below), slashes) > MAX_DIGITS:
        raise ValueError("a length of so many digits or slashes")
    if (above and not int(above)) or (below and not int(below)):
        raise ValueError("a length of zero or a division by zero")
    return Fraction(int(above or 1), int(below) if below else 2**slashes)


def whole(time: Fraction | int) -> Time:
    """The same time, as an int where it is one: sums of them are ten times as fast."""
    return time.numerator if time.denominator == 1 else time


class Voice:
    """Reads the music of one voice in pieces, as they stand in the text, and writes a `Part`."""

    def __init__(self, found: Text, prompt_chars: int):
        self.found, self.say, self.prompt_chars = found, found.say, prompt_chars
        self.part = Part()
        self.now: Time = 0
        self.bar_start: Time = 0
        self.bar_at = -1  # where the bar's first note stands; -1 before it
        self.others: list[Time] = []  # ends of voices that & has written in this bar
        self.at_edge = True
        self.accidentals: dict[str, int] = {}
        self.slurs: list[int] = []
        self.tied: dict[str, int] = {}  # pitches that the next note must have
        self.tie_any = False
        self.repeat = -1
        self.endings: set[int] = set()
        self.ending_at = -1
        self.event = (0, 0)  # of the last note or chord: its first Note, its duration
        self.adjacent = False  # nothing stands between the last note and here
        self.factor: Fraction | None = None  # that broken rhythm gives the next note
        self.tuplet = (0, Fraction(1))  # notes left, factor
        self.waiting: tuple[str, int] | None = None  # a sign that needs a note after it
        self.chord: list | None = None
        self.grace = -1
        self.bars = 0

    def set_up(self, unit: Fraction, meter: Fraction, compound: bool, signature: dict[str, int]) -> None:
        """Take over what fields say, for all that follows."""
        self.unit, self.meter = unit * TICKS, whole(meter * TICKS)
        self.compound, self.signature = compound, signature

    # What stands before a note

    def need_note(self, what: str, at: int) -> None:
        self.waiting = (what, at)

    def dangling(self, at: int) -> None:
        """Complain of what still needs a note where a bar or a line ends."""
        if self.waiting:
            what, where = self.waiting
            self.say(where, "hard", f"{what} with no note after it")
            self.waiting = None
            self.factor = None
        if self.chord is not None:
            self.say(self.chord[0], "hard", "a chord that is not closed")
            self.end_chord("", "", at)
        if self.grace >= 0:
            self.say(self.grace, "hard", "grace notes that are not closed")
            self.grace = -1

    # Notes

    def note(self, sign: str, letter: str, octave: str, length: str, more: str, at: int) -> None:
        name = letter.upper()
        if sign:
            if sign not in ALTER:
                self.say(at, "hard", f"{sign} is no accidental")
            self.accidentals[name] = ALTER.get(sign, 0)
        try:
            time = length_of(length)
        except ValueError as error:
            self.say(at, "hard", str(error))
            time = Fraction(1)
        if more:
            self.say(at, "soft", f"a length of two divisions, {length}{more}")
        if self.grace >= 0:
            self.waiting = None
            return
        alter = self.accidentals.get(name)
        plain = self.signature[name]
        pitch = STEPS[letter] + 12 * (octave.count("'") - octave.count(",")) + (plain if alter is None else alter)
        self.found.notes += at >= self.prompt_chars
        note = Note(self.now, 0, pitch, alter is None or alter == plain)
        if self.chord is not None:
            self.waiting = None
            self.chord[1].append(note)
            self.chord[2].append(letter + octave)
            if self.chord[3] is None:
                self.chord[3] = time
            self.last_name = letter + octave
            return
        self.part.notes.append(note)
        self.play(time, [letter + octave], 1, at)

    def play(self, length: Fraction, names: list[str], n_notes: int, at: int) -> None:
        """A note, a chord (``names`` of all its notes) or a rest (none) that lasts so many units."""
        time = self.unit * length
        left, factor = self.tuplet
        if left:
            time *= factor
            self.tuplet = (left - 1, factor)
        if self.factor:
            time *= self.factor
            self.factor = None
        time = whole(time)
        self.waiting = None
        if self.tied:
            missing = [where for name, where in self.tied.items() if name not in names]
            if missing and (not self.tie_any or len(missing) == len(self.tied)):
                self.say(missing[0], "balance", "a tie to a note that does not follow")
            self.tied = {}
        if self.bar_at < 0:
            self.bar_at = at
        notes = self.part.notes
        for i in range(len(notes) - n_notes, len(notes)):
            notes[i].onset, notes[i].duration = self.now, time
        self.event = (n_notes, time)
        self.names = names
        self.now += time
        self.adjacent = True

    def rest(self, length: str, more: str, at: int) -> None:
        if self.grace >= 0 or self.chord is not None:
            if self.grace < 0:
                self.waiting = None
            return
        try:
            time = length_of(length)
        except ValueError as error:
            self.say(at, "hard", str(error))
            time = Fraction(1)
        if more:
            self.say(at, "soft", f"a length of two divisions, {length}{more}")
        self.part.rests += 1
        self.play(time, [], 0, at)

    def end_chord(self, length: str, more: str, at: int) -> None:
        start, notes, names, first = self.chord
        self.chord = None
        if not notes:
            self.say(start, "hard", "a chord of no notes")
            return
        try:
            time = first * length_of(length)
        except ValueError as error:
            self.say(at, "hard", str(error))
            time = first
        tied, self.tied = {n: p for n, p in self.tied.items() if p >= start}, {
            n: p for n, p in self.tied.items() if p < start
        }  # fmt: skip
        self.part.notes += notes
        self.play(time, names, len(notes), start)
        if tied:
            self.tied, self.tie_any = tied, False

    def broken(self, marks: str, at: int) -> None:
        n_notes, time = self.event
        if self.bar_at < 0 or not time or self.factor:
            self.say(at, "hard", f"{marks} with no note before it")
            return
        share = BROKEN[len(marks)]
        change = whole((share if marks[0] == ">" else -share) * time)
        for note in self.part.notes[len(self.part.notes) - n_notes :] if n_notes else ():
            note.duration += change
        self.now += change
        self.factor = 1 + (-share if marks[0] == ">" else share)
        self.need_note(marks, at)

    def tie(self, at: int) -> None:
        if self.chord is not None and self.chord[1]:
            self.tied[self.last_name] = at
        elif not self.adjacent or not self.names:
            if self.grace < 0:
                self.say(at, "hard", "a tie that no note stands before")
        else:
            self.tied, self.tie_any = dict.fromkeys(self.names, at), True

    def begin_tuplet(self, p: str, q: str | None, r: str | None, at: int) -> None:
        if self.tuplet[0]:
            self.say(at, "hard", "a tuplet that begins before the last one has its notes")
        if max(len(p), len(q or ""), len(r or "")) > 2 or not 2 <= int(p) <= 32 or not int(q or 1) or not int(r or 1):
            self.say(at, "hard", "a tuplet of no such kind")
            return
        n = int(p)
        if q is None and n not in TUPLETS and n > 9:
            self.say(at, "hard", "a tuplet that does not say in the time of how many notes")
        time = int(q) if q else TUPLETS.get(n, 3 if self.compound else 2)
        self.tuplet = (int(r) if r else n, Fraction(time, n))
        self.tuplet_at = at
        self.need_note("a tuplet", at)

    # Bars

    def end_bar(self, line: str, numbers: str | None, at: int) -> None:
        self.dangling(at)
        if line == ".|" and self.bar_at >= 0 and self.now - self.bar_start < self.meter:
            return  # a dotted line parts a bar in two
        if self.tuplet[0]:
            self.say(self.tuplet_at, "hard", "a tuplet that lacks notes")
            self.tuplet = (0, Fraction(1))
        closes = ":" in line[:1]
        opens = line.endswith(":") or (line.startswith("::"))
        section = closes or opens or "||" in line or "]" in line or line[0] == "["
        self.close_bar(at, section)
        self.at_edge = self.at_edge or section
        if numbers and not section:
            self.at_edge = False
        if closes:
            self.repeat = -1
        if opens:
            if self.repeat >= 0:
                self.say(self.repeat, "balance", "a repeat |: that no :| ends")
            self.repeat = at
        if numbers:
            self.ending(numbers, at)

    def close_bar(self, at: int, section: bool) -> None:
        if self.others:
            longest = max(*self.others, self.now)
            self.now = self.others[0]
        else:
            longest = self.now
        if self.bar_at >= 0:
            self.part.bars.append(
                Bar(
                    self.bar_at, self.now - self.bar_start, longest - self.bar_start, self.meter,
                    self.at_edge or section, 1,
                )  # fmt: skip
            )
            self.at_edge = False
        self.bar_start, self.bar_at, self.others = self.now, -1, []
        self.accidentals = {}
        self.adjacent = False

    def rest_bars(self, count: str, at: int) -> None:
        """Z4: four bars of rest."""
        self.dangling(at)
        if len(count) > MAX_DIGITS or (count and not int(count)):
            self.say(at, "hard", "a rest of so many bars")
            return
        self.part.rests += 1
        if self.bar_at >= 0 or not self.meter:
            self.play(self.meter / self.unit if self.meter else Fraction(1), [], 0, at)
            return
        n = int(count or 1)
        self.bar_at = -1
        self.part.bars.append(Bar(at, self.meter, self.meter, self.meter, True, n))
        self.now += n * self.meter
        self.bar_start, self.at_edge, self.adjacent = self.now, False, False
        self.names = []

    def ending(self, numbers: str, at: int) -> None:
        now = set()
        for part in numbers.split(","):
            first, _, last = part.partition("-")
            if len(first) > 2 or len(last) > 2 or (last and int(last) < int(first)):
                self.say(at, "hard", f"an ending numbered {numbers[:20]}")
                return
            now |= set(range(int(first), int(last or first) + 1))
        if 1 in now:
            self.end_endings()
            self.endings, self.ending_at = now, at
        elif min(now) - 1 not in self.endings:
            self.say(at, "balance", f"an ending {numbers} with none before it")
        else:
            self.endings |= now

    def end_endings(self) -> None:
        if self.endings == {1}:
            self.say(self.ending_at, "balance", "a first ending with no second")
        self.endings = set()

    def overlay(self, at: int) -> None:
        self.dangling(at)
        self.others.append(self.now)
        self.now, self.tied = self.bar_start, {}

    def end(self, at: int) -> Part:
        """The tune is over."""
        self.dangling(at)
        if self.tuplet[0]:
            self.say(self.tuplet_at, "hard", "a tuplet that lacks notes")
        self.found.closed &= self.bar_at < 0
        self.close_bar(at, True)
        for where in self.slurs:
            self.say(where, "balance", "a slur that is not closed")
        if self.tied:
            self.say(next(iter(self.tied.values())), "balance", "a tie with no note after it")
        if self.repeat >= 0:
            self.say(self.repeat, "balance", "a repeat |: that no :| ends")
        self.end_endings()
        self.part.length = self.now
        return self.part
