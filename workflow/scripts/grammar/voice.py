"""The music of one voice of a tune, sign by sign: what is wrong with it, its bars and its notes.

`grammar.signs` cuts the text into signs and calls the method of a `Voice` for each. The `Voice` writes messages into
the `Text`, and bars, notes and rests into a `Part`. ``at`` is always the offset of a sign in the text.
"""

from dataclasses import dataclass, field
from fractions import Fraction

from workflow.scripts.grammar import rules_of_music as rules
from workflow.scripts.grammar.bars import Bars
from workflow.scripts.grammar.findings import TICKS, Note, Part, Rest, Text, Time
from workflow.scripts.grammar.grace import Grace
from workflow.scripts.grammar.repeats import Repeats
from workflow.scripts.grammar.ties import NOTHING, Sounds, Ties, Waiting
from workflow.scripts.grammar.tokens import MAX_DIGITS, NO_TUPLET, length_of, scaled, tuplet_of

STEPS = dict(zip("CDEFGABcdefgab", (60, 62, 64, 65, 67, 69, 71, 72, 74, 76, 77, 79, 81, 83), strict=True))
ALTER = {"^": 1, "^^": 2, "_": -1, "__": -2, "=": 0}
BROKEN = {1: (1, 2), 2: (3, 4), 3: (7, 8)}  # of the shorter note, what the other gains
# How far an accidental reaches within its bar: to its letter in all octaves, in its own, or to its note alone.
ALL_OCTAVES, OWN_OCTAVE, OWN_NOTE = "pitch", "octave", "not"


@dataclass(slots=True)
class Chord:
    """A chord that is open: where, its notes, their names, the length of the first (0 before it), ties from it."""

    at: int
    notes: list[Note] = field(default_factory=list)
    names: list[str] = field(default_factory=list)
    length: Time = 0
    ties: dict[str, tuple[int, int]] = field(default_factory=dict)


class Voice:
    """Reads the music of one voice, whose lines may be apart in the text, and writes a `Part`."""

    def __init__(self, found: Text):
        self.found, self.say, self.prompt_chars = found, found.say, found.prompt_chars
        self.part = Part()
        self.bars = Bars(found.say, self.part)
        self.ties, self.repeats = Ties(found.say), Repeats(found.say)
        self.section_sounds: Sounds | None = None  # of the section's first note; None before it
        self.accidentals: dict[str, int] = {}
        self.last: tuple[int, Time] = (0, 0)  # note, chord or rest: how many notes, how long
        self.last_names: list[str] = []  # of its notes
        self.adjacent = False  # nothing is between the last note and here
        self.broken_factor: tuple[int, int] | None = None  # that broken rhythm gives the next note
        self.tuplet = NO_TUPLET
        self.waiting: tuple[str, int] | None = None  # a sign that needs a note after it, and where
        self.mark_waits = False  # that sign is a decoration, which a bar line, a spacer or a rest may have, too
        self.chord: Chord | None = None
        self.grace: Grace | None = None

    def set_up(
        self, unit: Fraction, meter: Fraction, compound: bool, signature: dict[str, int], reach: str = ALL_OCTAVES
    ) -> None:
        """Take over what fields say, for all that follows."""
        self.unit, self.bars.meter = unit.as_integer_ratio(), scaled(TICKS, *meter.as_integer_ratio())
        self.compound, self.signature, self.reach = compound, signature, reach

    # What comes before a note

    def need_note(self, what: str, at: int) -> None:
        """A sign that needs a note after it."""
        self.waiting, self.mark_waits = (what, at), False

    def mark(self, what: str, at: int) -> None:
        """A decoration of one letter."""
        if self.grace is None:
            self.waiting, self.mark_waits = (what, at), True

    def take_mark(self) -> None:
        """What is no note and may have a decoration takes the one that waits."""
        if self.mark_waits:
            self.waiting, self.mark_waits = None, False

    def end_unfinished(self) -> None:
        """A bar ends: what still needs a note, or is open, is an error."""
        if self.waiting:
            what, where = self.waiting
            self.say(where, rules.NEEDS_NOTE, what)
            self.waiting = None
            self.broken_factor = None
        self.end_line()

    def end_line(self) -> None:
        """A line of music ends: chords and grace notes must, too. What needs a note may have it in the next line."""
        if self.chord is not None:
            self.say(self.chord.at, rules.CHORD_OPEN)
            self.end_chord("", self.chord.at)
        if self.grace is not None:
            self.grace.end_unfinished()
            self.say(self.grace.at, rules.GRACE_OPEN)
            self.grace = None

    @property
    def has_chord(self) -> bool:
        """Whether a chord is open, of the melody or of grace notes."""
        return self.chord is not None or (self.grace is not None and self.grace.chord_at >= 0)

    # Notes

    def time_of(self, length: str, at: int) -> Time:
        """What a note's digits and slashes say, in `TICKS` to the unit."""
        time, rule = length_of(length)
        if rule:
            self.say(at, rule, length[:20])
        return time

    def note(self, sign: str, letter: str, octave: str, length: str, at: int) -> None:
        """A note: its accidental, letter, commas and apostrophes, and digits and slashes."""
        name, capital = letter + octave, letter.upper()
        plain, alter = self.signature[capital], None
        if sign or self.accidentals:
            scope = capital if self.reach == ALL_OCTAVES else name
            alter = self.accidentals.get(scope)
            if sign:
                alter = self.alter_of(sign, at)
                if self.reach != OWN_NOTE:
                    self.accidentals[scope] = alter
        time = self.time_of(length, at)
        if self.grace is not None:
            self.grace.note()
            return
        pitch = STEPS[letter] + (plain if alter is None else alter)
        if octave:
            pitch += 12 * (octave.count("'") - octave.count(","))
        if alter is None and (tie := self.ties.waiting.ties.get(name)):
            alter, pitch = plain + tie[1] - pitch, tie[1]
        self.found.notes += at >= self.prompt_chars
        note = Note(0, 0, pitch, alter is None or alter == plain, at)
        if self.chord is None:
            self.part.notes.append(note)
            self.play(time, [name], 1, at)
        else:
            self.waiting = None
            self.chord.notes.append(note)
            self.chord.names.append(name)
            self.chord.length = self.chord.length or time

    def alter_of(self, sign: str, at: int) -> int:
        """Semitones that an accidental raises a note by; that of a part of one leaves it."""
        if sign in ALTER:
            return ALTER[sign]
        self.say(at, rules.MICROTONE if sign[-1] in "/0123456789" else rules.ACCIDENTAL, sign[:20])
        return 0

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
        if self.ties.waiting.ties:
            self.ties.arrive(self.sounds(names))
        bars = self.bars
        if bars.begins(at):
            bars.sounds, self.repeats.is_empty = self.sounds(names), False
            if self.section_sounds is None:
                self.section_sounds = bars.sounds
        if n_notes:
            for note in self.part.notes[-n_notes:]:
                note.onset, note.duration = bars.now, time
        else:
            self.found.pauses |= at >= self.prompt_chars
            self.part.rests.append(Rest(time, at))
        self.last = (n_notes, time)
        self.last_names = names
        bars.now += time
        self.adjacent = True

    def sounds(self, names: list[str]) -> Sounds:
        """Names and pitches of the last notes, as many as there are names."""
        return (names, [note.pitch for note in self.part.notes[-len(names) :]]) if names else NOTHING

    def rest(self, length: str, at: int) -> None:
        """z or x."""
        if self.grace is not None:
            self.grace.note()
        elif self.chord is not None:
            self.waiting = None
        else:
            self.play(self.time_of(length, at), [], 0, at)

    def begin_chord(self, at: int) -> None:
        """[ of a chord."""
        if self.grace is not None:
            self.grace.begin_chord(at)
            return
        if self.chord is not None:
            self.end_unfinished()
        self.chord = Chord(at)

    def end_chord(self, length: str, at: int) -> None:
        """] with a length that multiplies that of the chord's first note."""
        if self.grace is not None:
            self.grace.end_chord(at)
            return
        chord, self.chord = self.chord, None
        if chord is None:
            self.say(at, rules.CHORD_CLOSE)
        elif not chord.notes:
            self.say(chord.at, rules.CHORD_EMPTY)
        else:
            time = scaled(chord.length * self.time_of(length, at), 1, TICKS) if length else chord.length
            self.part.notes += chord.notes
            self.play(time, chord.names, len(chord.notes), chord.at)
            if chord.ties:
                self.ties.begin(Waiting(chord.ties, False))

    def begin_grace(self, at: int) -> None:
        """{ of grace notes, which sound before the melody's next note and take no time of it."""
        if self.grace is not None:
            self.say(self.grace.at, rules.GRACE_OPEN)
        self.grace = Grace(self.say, at)

    def end_grace(self, at: int) -> None:
        """} of grace notes."""
        if self.grace is None:
            self.say(at, rules.GRACE_CLOSE)
        else:
            self.grace.end_unfinished()
            self.grace = None

    def broken(self, marks: str, at: int) -> None:
        """Broken rhythm: > or <, up to three of them."""
        if self.grace is not None:
            self.grace.broken(marks, at)
            return
        n_notes, time = self.last
        if self.bars.at < 0 or not time or self.broken_factor:
            self.say(at, rules.BROKEN, marks)
            return
        above, below = BROKEN[len(marks)]
        sign = 1 if marks[0] == ">" else -1
        change = scaled(time, sign * above, below)
        for event in self.part.notes[-n_notes:] if n_notes else self.part.rests[-1:]:
            event.duration += change
        self.bars.now += change
        self.broken_factor = (below - sign * above, below)
        self.need_note(marks, at)

    def tie(self, at: int) -> None:
        """- after a note, in a chord or after one."""
        if self.grace is not None:
            self.grace.tie(at)
        elif self.chord is not None and self.chord.names:
            self.chord.ties[self.chord.names[-1]] = (at, self.chord.notes[-1].pitch)
        elif not self.adjacent or not self.last_names:
            self.say(at, rules.TIE_ALONE)
        else:
            names, pitches = self.sounds(self.last_names)
            self.ties.begin(Waiting({name: (at, p) for name, p in zip(names, pitches, strict=True)}, True))

    def begin_tuplet(self, p: str, q: str | None, r: str | None, at: int) -> None:
        """(p:q:r: the next r notes are p in the time of q."""
        tuplet, rule = tuplet_of(p, q, r, self.compound)
        if rule:
            self.say(at, rule, f"({p[:20]}")
        if self.grace is not None or not tuplet[0]:
            return
        if self.tuplet[0]:
            self.say(at, rules.TUPLET_NESTED)
        self.tuplet, self.tuplet_at = tuplet, at
        self.need_note("a tuplet", at)

    # Bars

    def end_bar(self, line: str, numbers: str | None, at: int) -> None:
        """A bar line of any kind, with the numbers of the ending that it begins."""
        self.take_mark()
        self.end_unfinished()
        if line == ".|" and self.bars.at >= 0 and self.bars.now - self.bars.start < self.bars.own_meter:
            return  # a dotted line parts a bar in two
        if self.tuplet[0]:
            self.say(self.tuplet_at, rules.TUPLET_OVER_BAR)
        self.accidentals, self.adjacent = {}, False
        if self.bars.pass_over():
            return
        closes, opens = line.startswith(":"), line.endswith(":")
        section = closes or opens or "||" in line or "]" in line or "[" in line
        if self.bars.close(section, at):
            self.ties.end_bar(self.bars.sounds)
        self.bars.at_edge = (self.bars.at_edge and not numbers) or section
        self.part.is_ended = section
        if closes:
            self.ties.end_repeat(self.section_sounds or NOTHING)
            self.repeats.close()
        if opens:
            self.repeats.open(at)
        if section and not numbers:
            self.section_sounds = None
        if numbers:
            self.ending(numbers, at)

    def rest_bars(self, count: str, at: int) -> None:
        """Z4: four bars of rest."""
        self.take_mark()
        self.end_unfinished()
        if len(count) > MAX_DIGITS or (count and not int(count)):
            self.say(at, rules.REST_BARS, count[:20])
            return
        self.bars.pass_line_end(at)
        meter = self.bars.meter
        if self.bars.at >= 0 or not meter:
            self.play(scaled(meter or TICKS, *self.unit[::-1]), [], 0, at)
            return
        self.bars.rest(int(count or 1), at)
        self.found.pauses |= at >= self.prompt_chars
        self.adjacent, self.last_names = False, []

    def ending(self, numbers: str, at: int) -> None:
        """[1 or the like: the ending of these times through a repeat."""
        if self.repeats.ending(numbers, at):
            self.ties.end_endings()
        self.ties.begin_ending()

    def overlay(self, marks: str) -> None:
        """&, && or the like: another voice begins, which sounds with what is written before it."""
        self.end_unfinished()
        self.ties.overlay()
        self.bars.overlay(len(marks))

    def begin_span(self, at: int) -> None:
        """(& of an overlay of any length."""
        self.bars.begin_span(len(self.repeats.slurs), at)

    def end_span(self, at: int) -> None:
        """&) of one."""
        self.end_unfinished()
        self.bars.end_span(len(self.repeats.slurs), at)

    def end(self) -> Part:
        """The tune is over."""
        self.end_unfinished()
        if self.tuplet[0]:
            self.say(self.tuplet_at, rules.TUPLET_SHORT)
        if not self.bars.end(len(self.found.text)):
            self.found.closed = self.part.is_ended = False
        self.part.open = [*self.ties.open_signs(), *self.repeats.open_signs()]
        self.ties.end()
        self.repeats.end()
        return self.part
