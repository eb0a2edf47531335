"""The music of one voice of a tune, token by token: what is wrong with it, its bars and its notes."""

import functools
import re
from fractions import Fraction

from workflow.scripts.abc_tune import TICKS, Bar, Note, Part, Text, Time

LENGTH = r"\d*(?:/+\d*)*"
TOKEN = re.compile(
    rf"""
    (?P<note>([\^_=]*)([A-Ga-g])([,']*)({LENGTH}))
    |(?P<blank>[ \t`]+)
    |(?P<bar>(?:\[\|\]|\[\|:*|:*\.?\|+\]?:*|::+)(?:\[?(\d+(?:[,-]\d+)*))?)
    |(?P<rest>[zx]({LENGTH}))
    |(?P<inline>\[([A-Za-z]):([^\]\n]{{0,500}})\])
    |(?P<ending>\[(\d+(?:[,-]\d+)*))
    |(?P<chord>\[)
    |(?P<chord_end>\]({LENGTH}))
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
BROKEN = {1: (1, 2), 2: (3, 4), 3: (7, 8)}  # of the shorter note, what the other gains
TUPLETS = {2: 3, 3: 2, 4: 3, 6: 2, 8: 3}  # notes in the time of; 5, 7 and 9 hang on the meter (4.13)
AT_BAR_LINE = frozenset("HOS")  # a fermata, coda or segno may stand over one
NO_TUPLET = (0, 1, 1)  # notes left of it; they take the time of so many of so many
# Decorations that the standard names (4.14).
STANDARD = """
    trill trill( trill) lowermordent uppermordent mordent pralltriller roll turn turnx invertedturn invertedturnx
    arpeggio > accent emphasis fermata invertedfermata tenuto 0 1 2 3 4 5 + plus snap slide wedge upbow downbow open
    thumb breath pppp ppp pp p mp mf f ff fff ffff sfz crescendo( <( crescendo) <) diminuendo( >( diminuendo) >)
    segno coda D.S. D.C. dacoda dacapo fine shortphrase mediumphrase longphrase 8va( 8va) 8vb( 8vb) 15ma( 15ma)
    editorial courtesy marcato ^ staccato D.S.alcoda D.S.alfine D.C.alcoda D.C.alfine sfp fp /// // /
"""
DECORATIONS = frozenset(STANDARD.split())
MAX_DIGITS = 4  # of a length


@functools.lru_cache(1 << 14)
def length_of(text: str) -> tuple[Time, str, str]:
    """(time, tier, message) of a note length: '' is 1 (as `TICKS`), '/' a half, '//' a quarter, '3/2' one and a half.

    Where it is no length the time is that of 1. Tier and message are empty where all is well.
    """
    above, slash, below = text.partition("/")
    slashes = len(below) - len(below.lstrip("/")) + 1 if slash else 0
    first, more, _ = below.lstrip("/").partition("/")
    if max(len(above), len(first), slashes) > MAX_DIGITS:
        return TICKS, "hard", f"a length of too many digits or slashes, {text[:20]}"
    if (above and not int(above)) or (first and not int(first)):
        return TICKS, "hard", f"a length of zero or a division by zero, {text}"
    divisor = int(first) if first else 2**slashes
    time = scaled(TICKS, int(above or 1), divisor)
    if more:
        return time, "soft", f"a length that divides twice, {text[:20]}"
    if divisor & (divisor - 1):
        return time, "soft", f"a length that no note sign has, {text}"
    return time, "", ""


def scaled(time: Time, above: int, below: int) -> Time:
    """The time times above / below, as an int wherever it is one: sums of ints are ten times as fast."""
    if above == below:
        return time
    product = time * above
    if isinstance(product, int) and product % below == 0:
        return product // below
    exact = Fraction(product) / below
    return exact.numerator if exact.denominator == 1 else exact


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
        self.event: tuple[int, Time] = (0, 0)  # of the last note, chord or rest: how many notes, how long
        self.names: list[str] = []  # of its notes
        self.adjacent = False  # nothing stands between the last note and here
        self.factor: tuple[int, int] | None = None  # that broken rhythm gives the next note
        self.tuplet = NO_TUPLET
        self.waiting: tuple[str, int] | None = None  # a sign that needs a note after it
        self.chord: list | None = None  # that is open: where, its notes, their names, the length of the first
        self.grace = -1  # where grace notes that are open begin

    def set_up(self, unit: Fraction, meter: Fraction, compound: bool, signature: dict[str, int]) -> None:
        """Take over what fields say, for all that follows."""
        self.unit, self.meter = unit.as_integer_ratio(), scaled(TICKS, *meter.as_integer_ratio())
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
            self.end_chord("", at)
        if self.grace >= 0:
            self.say(self.grace, "hard", "grace notes that are not closed")
            self.grace = -1

    # Notes

    def timed(self, length: str, at: int) -> Time:
        time, tier, message = length_of(length)
        if tier:
            self.say(at, tier, message)
        return time

    def note(self, sign: str, letter: str, octave: str, length: str, at: int) -> None:
        name = letter.upper()
        if sign:
            if sign not in ALTER:
                self.say(at, "hard", f"{sign} is no accidental")
            self.accidentals[name] = ALTER.get(sign, 0)
        time = self.timed(length, at)
        if self.grace >= 0:
            self.waiting = None
            return
        alter = self.accidentals.get(name)
        plain = self.signature[name]
        pitch = STEPS[letter] + (plain if alter is None else alter)
        if octave:
            pitch += 12 * (octave.count("'") - octave.count(","))
        self.found.notes += at >= self.prompt_chars
        note = Note(0, 0, pitch, alter is None or alter == plain)
        if self.chord is None:
            self.part.notes.append(note)
            self.play(time, [letter + octave], 1, at)
        else:
            self.waiting = None
            self.chord[1].append(note)
            self.chord[2].append(letter + octave)
            self.chord[3] = self.chord[3] or time

    def play(self, length: Time, names: list[str], n_notes: int, at: int) -> None:
        """A note, a chord (``names`` of all its notes) or a rest (none) that lasts so many units."""
        time = scaled(length, *self.unit)
        if self.tuplet[0]:
            left, above, below = self.tuplet
            self.tuplet = (left - 1, above, below)
            time = scaled(time, above, below)
        if self.factor:
            time = scaled(time, *self.factor)
            self.factor = None
        self.waiting = None
        if self.tied:
            missing = [where for name, where in self.tied.items() if name not in names]
            if missing and (not self.tie_any or len(missing) == len(self.tied)):
                self.say(missing[0], "balance", "a tie to a note that does not follow")
            self.tied = {}
        if self.bar_at < 0:
            self.bar_at = at
        for note in self.part.notes[-n_notes:] if n_notes else ():
            note.onset, note.duration = self.now, time
        self.event = (n_notes, time)
        self.names = names
        self.now += time
        self.adjacent = True

    def rest(self, length: str, at: int) -> None:
        if self.grace >= 0 or self.chord is not None:
            if self.grace < 0:
                self.waiting = None
            return
        self.part.rests += 1
        self.play(self.timed(length, at), [], 0, at)

    def end_chord(self, length: str, at: int) -> None:
        start, notes, names, first = self.chord
        self.chord = None
        if not notes:
            self.say(start, "hard", "a chord of no notes")
            return
        time = Fraction(first * self.timed(length, at), TICKS) if length else first
        time = time.numerator if time.denominator == 1 else time
        tied = {name: where for name, where in self.tied.items() if where >= start}  # ties to what comes next
        self.tied = {name: where for name, where in self.tied.items() if where < start}
        self.part.notes += notes
        self.play(time, names, len(notes), start)
        if tied:
            self.tied, self.tie_any = tied, False

    def broken(self, marks: str, at: int) -> None:
        n_notes, time = self.event
        if self.bar_at < 0 or not time or self.factor:
            self.say(at, "hard", f"{marks} with no note before it")
            return
        above, below = BROKEN[len(marks)]
        sign = 1 if marks[0] == ">" else -1
        change = scaled(time, sign * above, below)
        for note in self.part.notes[-n_notes:] if n_notes else ():
            note.duration += change
        self.now += change
        self.factor = (below - sign * above, below)
        self.need_note(marks, at)

    def tie(self, at: int) -> None:
        if self.chord is not None and self.chord[1]:
            self.tied[self.chord[2][-1]] = at
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
        self.tuplet = (int(r) if r else n, time, n)
        self.tuplet_at = at
        self.need_note("a tuplet", at)

    # Bars

    def end_bar(self, line: str, numbers: str | None, at: int) -> None:
        self.dangling(at)
        if line == ".|" and self.bar_at >= 0 and self.now - self.bar_start < self.meter:
            return  # a dotted line parts a bar in two
        if self.tuplet[0]:
            self.say(self.tuplet_at, "hard", "a tuplet that lacks notes")
            self.tuplet = NO_TUPLET
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
            lasts, edge = self.now - self.bar_start, self.at_edge or section
            self.part.bars.append(Bar(self.bar_at, lasts, longest - self.bar_start, self.meter, edge, 1))
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
            self.play(scaled(self.meter or TICKS, *self.unit[::-1]), [], 0, at)
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
