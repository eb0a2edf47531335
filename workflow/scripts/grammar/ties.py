"""The ties of one voice that wait for their second note (ABC 2.1, 4.11).

A tie is a pair of the offset of its sign and the pitch of its note. It is kept under the name of the note, which is its
letter and octave: an accidental lasts as long as the tie does, so a note of the same name has the same pitch.
"""

from collections.abc import Callable, Sequence
from typing import NamedTuple

from workflow.scripts.grammar import rules_of_music as rules

Sounds = tuple[Sequence[str], Sequence[int]]  # names and pitches of a note or chord; none of a rest
NOTHING: Sounds = ((), ())


class Waiting(NamedTuple):
    """Ties to what comes next.

    Attributes:
        ties: (offset, pitch) by the name of the note.
        one_will_do: they follow a chord, and not all of its notes need go on.
    """

    ties: dict[str, tuple[int, int]]
    one_will_do: bool

    def missing(self, sounds: Sounds) -> dict[str, tuple[int, int]]:
        """Those that lead to none of these notes; none of them where one would do and does."""
        names, pitches = sounds
        missing = {name: tie for name, tie in self.ties.items() if name not in names and tie[1] not in pitches}
        return {} if self.one_will_do and len(missing) < len(self.ties) else missing


NONE = Waiting({}, False)


class Ties:
    """Follows each tie to the note that it leads to, over bar lines, repeats, endings and overlays."""

    def __init__(self, say: Callable[..., None]):
        self.say = say
        self.waiting = NONE
        self.crosses_bar = False
        self.unmet: dict[str, tuple[int, int]] = {}  # over a bar line; another voice of this bar may have the note
        self.is_optional = False  # they lead back to the start of the repeat, whatever follows the repeat
        self.enters_ending = False
        self.held = NONE  # led into an ending that does not have the note, so that the next ending must
        self.layers: list[Waiting] = []  # of the voices of this bar that are over, where & parts them
        self.carried: list[Waiting] = []  # of the bar before, for the second of its voices and on

    def begin(self, waiting: Waiting) -> None:
        """These notes are tied to the next."""
        self.waiting, self.crosses_bar = waiting, False

    def arrive(self, sounds: Sounds) -> None:
        """A note, a chord or a rest follows."""
        missing = self.waiting.missing(sounds)
        if self.enters_ending:
            self.held = Waiting(missing, False)
        elif self.crosses_bar and not self.is_optional:
            self.unmet |= missing
        elif not self.is_optional:
            self.complain(missing)
        self.waiting, self.is_optional, self.enters_ending = NONE, False, False

    def complain(self, missing: dict[str, tuple[int, int]]) -> None:
        """Say where the first of the ties is that lead nowhere, if there are any."""
        if missing:
            self.say(min(missing.values())[0], rules.TIE_TO)

    def end_repeat(self, start: Sounds) -> None:
        """:| follows; the repeat starts with these notes."""
        self.is_optional = bool(self.waiting.ties) and not self.waiting.missing(start)

    def begin_ending(self) -> None:
        """An ending begins, to which ties lead that wait here, or waited before the ending before it."""
        own = NONE if self.is_optional else self.waiting
        self.waiting = Waiting(self.held.ties | own.ties, own.one_will_do)
        self.held, self.is_optional = NONE, False
        self.enters_ending = bool(self.waiting.ties)

    def end_endings(self) -> None:
        """No more endings of this section follow."""
        self.complain(self.held.ties)
        self.held = NONE

    def overlay(self) -> None:
        """&: the next voice of the bar begins."""
        self.layers.append(self.waiting)
        ties, one_will_do = self.carried.pop(0) if self.carried else NONE
        self.waiting = Waiting(self.unmet | ties, one_will_do)
        self.unmet, self.crosses_bar = {}, True

    def end_bar(self, start: Sounds) -> None:
        """The bar ends, whose first voice starts with these notes."""
        for waiting in self.carried:  # for a voice that this bar does not have
            self.unmet |= waiting.missing(start)
        self.complain(Waiting(self.unmet, False).missing(start))  # the first voice may go on with a note of another
        self.unmet, self.carried, self.crosses_bar = {}, [], True
        if self.layers:
            self.waiting, *self.carried = [*self.layers, self.waiting]
            self.layers = []

    def open_signs(self) -> list[int]:
        """Offsets of the ties that no note has followed yet."""
        waiting = (*(() if self.is_optional else [self.waiting]), self.held, *self.layers, *self.carried)
        return [at for of in waiting for at, _ in of.ties.values()]

    def end(self) -> None:
        """The tune is over."""
        self.end_endings()
        self.complain(self.unmet)
        for waiting in (self.waiting, *self.layers, *self.carried):
            if waiting.ties and not self.is_optional:
                self.say(min(waiting.ties.values())[0], rules.TIE_END)
