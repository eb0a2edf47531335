"""The music of one voice of a tune, sign by sign: what is wrong with it, its bars and its notes.

`notation.checker` cuts the text into signs and calls the method of a `Voice` for each. The `Voice` writes messages into
the `Text`, and bars, notes and rests into a `Part`. ``at`` is always the offset of a sign in the text.
"""

from dataclasses import dataclass, field
from fractions import Fraction

from workflow.scripts.notation.findings import TICKS, Bar, Note, Part, Rest, Text, Time
from workflow.scripts.notation.tokens import MAX_DIGITS, length_of, scaled

STEPS = dict(zip("CDEFGABcdefgab", (60, 62, 64, 65, 67, 69, 71, 72, 74, 76, 77, 79, 81, 83), strict=True))
ALTER = {"^": 1, "^^": 2, "_": -1, "__": -2, "=": 0}
BROKEN = {1: (1, 2), 2: (3, 4), 3: (7, 8)}  # of the shorter note, what the other gains
TUPLETS = {2: 3, 3: 2, 4: 3, 6: 2, 8: 3}  # p notes in the time of q; for 5, 7 and 9 it depends on the meter (4.13)
NO_TUPLET = (0, 1, 1)  # notes left of it, and the numerator and denominator that their lengths are multiplied by


@dataclass(slots=True)
class Chord:
    """A chord that is open: where, its notes, their names, and the length of the first; 0 before it."""

    at: int
    notes: list[Note] = field(default_factory=list)
    names: list[str] = field(default_factory=list)
    length: Time = 0


class Voice:
    """Reads the music of one voice, whose lines may be apart in the text, and writes a `Part`."""

    def __init__(self, found: Text):
        self.found, self.say, self.prompt_chars = found, found.say, found.prompt_chars
        self.part = Part()
        self.now: Time = 0
        self.bar_start: Time = 0
        self.bar_at = -1  # offset of the bar's first note; -1 before it
        self.overlaid: list[Time] = []  # when the music before each & of this bar ends
        self.at_edge = True
        self.accidentals: dict[str, int] = {}
        self.slurs: list[int] = []
        self.tied: dict[str, int] = {}  # names that the next note must have, and where their ties are
        self.tie_any = False  # one of them is enough: the tie follows a chord
        self.repeat = -1  # offset of the |: that is open
        self.endings: set[int] = set()
        self.ending_at = -1
        self.last: tuple[int, Time] = (0, 0)  # note, chord or rest: how many notes, how long
        self.last_names: list[str] = []  # of its notes
        self.adjacent = False  # nothing is between the last note and here
        self.broken_factor: tuple[int, int] | None = None  # that broken rhythm gives the next note
        self.tuplet = NO_TUPLET
        self.waiting: tuple[str, int] | None = None  # a sign that needs a note after it, and where
        self.chord: Chord | None = None
        self.grace = -1  # offset of the { that is open

    def set_up(self, unit: Fraction, meter: Fraction, compound: bool, signature: dict[str, int]) -> None:
        """Take over what fields say, for all that follows."""
        self.unit, self.meter = unit.as_integer_ratio(), scaled(TICKS, *meter.as_integer_ratio())
        self.compound, self.signature = compound, signature

    # What comes before a note

    def need_note(self, what: str, at: int) -> None:
        """A sign that needs a note after it."""
        self.waiting = (what, at)

    def end_unfinished(self) -> None:
        """A bar or a line ends: what still needs a note, or is open, is an error."""
        if self.waiting:
            what, where = self.waiting
            self.say(where, "hard", f"{what} with no note after it")
            self.waiting = None
            self.broken_factor = None
        if self.chord is not None:
            self.say(self.chord.at, "hard", "a chord that is not closed")
            self.end_chord("", self.chord.at)
        if self.grace >= 0:
            self.say(self.grace, "hard", "grace notes that are not closed")
            self.grace = -1

    # Notes

    def time_of(self, length: str, at: int) -> Time:
        """What a note's digits and slashes say, in `TICKS` to the unit."""
        time, tier, message = length_of(length)
        if tier:
            self.say(at, tier, message)
        return time

    def note(self, sign: str, letter: str, octave: str, length: str, at: int) -> None:
        """A note: its accidental, letter, commas and apostrophes, and digits and slashes."""
        name = letter.upper()
        if sign:
            if sign not in ALTER:
                self.say(at, "hard", f"{sign} is no accidental")
            self.accidentals[name] = ALTER.get(sign, 0)
        time = self.time_of(length, at)
        if self.grace >= 0:
            self.waiting = None
            return
        alter = self.accidentals.get(name)
        plain = self.signature[name]
        pitch = STEPS[letter] + (plain if alter is None else alter)
        if octave:
            pitch += 12 * (octave.count("'") - octave.count(","))
        self.found.notes += at >= self.prompt_chars
        note = Note(0, 0, pitch, alter is None or alter == plain, at)
        if self.chord is None:
            self.part.notes.append(note)
            self.play(time, [letter + octave], 1, at)
        else:
            self.waiting = None
            self.chord.notes.append(note)
            self.chord.names.append(letter + octave)
            self.chord.length = self.chord.length or time

    def play(self, length: Time, names: list[str], n_notes: int, at: int) -> None:
        """A note, a chord (``names`` of all its notes) or a rest (no names), of a length in `TICKS` to the unit."""
        time = scaled(length, *self.unit)
        if self.tuplet[0]:
            left, above, below = self.tuplet
            self.tuplet = (left - 1, above, below)
            time = scaled(time, above, below)
        if self.broken_factor:
            time = scaled(time, *self.broken_factor)
            self.broken_factor = None
        self.waiting = None
        if self.tied:
            missing = [where for name, where in self.tied.items() if name not in names]
            if missing and (not self.tie_any or len(missing) == len(self.tied)):
                self.say(missing[0], "balance", "a tie to a note that does not follow")
            self.tied = {}
        if self.bar_at < 0:
            self.bar_at = at
        if n_notes:
            for note in self.part.notes[-n_notes:]:
                note.onset, note.duration = self.now, time
        else:
            self.part.rests.append(Rest(time, at))
        self.last = (n_notes, time)
        self.last_names = names
        self.now += time
        self.adjacent = True

    def rest(self, length: str, at: int) -> None:
        """z or x."""
        if self.grace >= 0:
            return
        if self.chord is not None:
            self.waiting = None
            return
        self.play(self.time_of(length, at), [], 0, at)

    def end_chord(self, length: str, at: int) -> None:
        """] with a length that multiplies that of the chord's first note."""
        chord, self.chord = self.chord, None
        if chord is None:
            self.say(at, "hard", "] closes no chord")
            return
        if not chord.notes:
            self.say(chord.at, "hard", "a chord of no notes")
            return
        time = scaled(chord.length * self.time_of(length, at), 1, TICKS) if length else chord.length
        tied = {name: where for name, where in self.tied.items() if where >= chord.at}  # ties to what comes next
        self.tied = {name: where for name, where in self.tied.items() if where < chord.at}
        self.part.notes += chord.notes
        self.play(time, chord.names, len(chord.notes), chord.at)
        if tied:
            self.tied, self.tie_any = tied, False

    def broken(self, marks: str, at: int) -> None:
        """Broken rhythm: > or <, up to three of them."""
        n_notes, time = self.last
        if self.bar_at < 0 or not time or self.broken_factor:
            self.say(at, "hard", f"{marks} with no note before it")
            return
        above, below = BROKEN[len(marks)]
        sign = 1 if marks[0] == ">" else -1
        change = scaled(time, sign * above, below)
        for event in self.part.notes[-n_notes:] if n_notes else self.part.rests[-1:]:
            event.duration += change
        self.now += change
        self.broken_factor = (below - sign * above, below)
        self.need_note(marks, at)

    def tie(self, at: int) -> None:
        """- after a note, in a chord or after one."""
        if self.chord is not None and self.chord.names:
            self.tied[self.chord.names[-1]] = at
        elif not self.adjacent or not self.last_names:
            if self.grace < 0:
                self.say(at, "hard", "a tie that no note stands before")
        else:
            self.tied, self.tie_any = dict.fromkeys(self.last_names, at), True

    def begin_tuplet(self, p: str, q: str | None, r: str | None, at: int) -> None:
        """(p:q:r: the next r notes are p in the time of q."""
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
        """A bar line of any kind, with the numbers of the ending that it begins."""
        self.end_unfinished()
        if line == ".|" and self.bar_at >= 0 and self.now - self.bar_start < self.meter:
            return  # a dotted line parts a bar in two
        self.end_tuplet()
        closes = line.startswith(":")
        opens = line.endswith(":") or line.startswith("::")
        section = closes or opens or "||" in line or "]" in line or "[" in line
        self.close_bar(section, at)
        self.at_edge = self.at_edge or section
        if numbers and not section:
            self.at_edge = False
        if closes:
            self.repeat = -1
        if opens:
            self.end_repeat()
            self.repeat = at
        if numbers:
            self.ending(numbers, at)

    def end_tuplet(self) -> None:
        """Where a bar ends, a tuplet must have all its notes."""
        if self.tuplet[0]:
            self.say(self.tuplet_at, "hard", "a tuplet that lacks notes")
            self.tuplet = NO_TUPLET

    def end_repeat(self) -> None:
        """Where another |: follows or the tune ends, none may be open."""
        if self.repeat >= 0:
            self.say(self.repeat, "balance", "a repeat |: that no :| ends")

    def close_bar(self, section: bool, at: int) -> None:
        """Write the bar that ends here, unless it is empty; ``section``: it is the last of a section."""
        if self.overlaid:
            longest = max(*self.overlaid, self.now)
            self.now = self.overlaid[0]
        else:
            longest = self.now
        if self.bar_at >= 0:
            lasts, edge = self.now - self.bar_start, self.at_edge or section
            self.part.bars.append(Bar(self.bar_at, at, lasts, longest - self.bar_start, self.meter, edge, 1))
            self.at_edge = False
        self.bar_start, self.bar_at, self.overlaid = self.now, -1, []
        self.accidentals = {}
        self.adjacent = False

    def rest_bars(self, count: str, at: int) -> None:
        """Z4: four bars of rest."""
        self.end_unfinished()
        if len(count) > MAX_DIGITS or (count and not int(count)):
            self.say(at, "hard", "a rest of so many bars")
            return
        if self.bar_at >= 0 or not self.meter:
            self.play(scaled(self.meter or TICKS, *self.unit[::-1]), [], 0, at)
            return
        n = int(count or 1)
        self.part.bars.append(Bar(at, at, self.meter, self.meter, self.meter, True, n))
        self.part.rests.append(Rest(n * self.meter, at))
        self.now += n * self.meter
        self.bar_start, self.at_edge, self.adjacent = self.now, False, False
        self.last_names = []

    def ending(self, numbers: str, at: int) -> None:
        """[1 or the like: the ending of these times through a repeat, such as 1,3 or 1-3."""
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
        """Where another first ending follows or the tune ends, the first must have had a second."""
        if self.endings == {1}:
            self.say(self.ending_at, "balance", "a first ending with no second")
        self.endings = set()

    def overlay(self) -> None:
        """&: what follows sounds from the start of the bar, with what is written before it."""
        self.end_unfinished()
        self.overlaid.append(self.now)
        self.now, self.tied = self.bar_start, {}

    def end(self) -> Part:
        """The tune is over."""
        self.end_unfinished()
        self.end_tuplet()
        self.found.closed &= self.bar_at < 0
        self.close_bar(section=True, at=len(self.found.text))
        for where in self.slurs:
            self.say(where, "balance", "a slur that is not closed")
        if self.tied:
            self.say(next(iter(self.tied.values())), "balance", "a tie with no note after it")
        self.end_repeat()
        self.end_endings()
        return self.part
