"""What is in the braces of grace notes (ABC 2.1, 4.12): notes that take no time of the melody.

They have lengths, chords, broken rhythm and ties of their own, which are checked and not kept.
"""

from collections.abc import Callable

from workflow.scripts.grammar import rules_of_music as rules


class Grace:
    """Reads the signs between { and }, as `grammar.voice.Voice` reads those of the melody."""

    def __init__(self, say: Callable[..., None], at: int):
        self.say, self.at = say, at
        self.has_note = False
        self.chord_at = -1  # of the chord that is open
        self.waiting: tuple[str, int] | None = None  # a sign that needs a note after it, and where

    def note(self) -> None:
        """A note or a rest."""
        self.has_note, self.waiting = True, None

    def begin_chord(self, at: int) -> None:
        """[ of a chord."""
        self.end_unfinished()
        self.chord_at = at

    def end_chord(self, at: int) -> None:
        """] of a chord."""
        if self.chord_at < 0:
            self.say(at, rules.CHORD_CLOSE)
        self.chord_at = -1

    def broken(self, marks: str, at: int) -> None:
        """> or <."""
        if not self.has_note or self.waiting:
            self.say(at, rules.BROKEN, marks)
        else:
            self.waiting = (marks, at)

    def tie(self, at: int) -> None:
        """- within or after the last of the grace notes, which may lead to the melody."""
        if not self.has_note:
            self.say(at, rules.TIE_ALONE)

    def end_unfinished(self) -> None:
        """What still needs a note, or is open, is an error."""
        if self.waiting:
            what, at = self.waiting
            self.say(at, rules.NEEDS_NOTE, what)
            self.waiting = None
        if self.chord_at >= 0:
            self.say(self.chord_at, rules.CHORD_OPEN)
            self.chord_at = -1
