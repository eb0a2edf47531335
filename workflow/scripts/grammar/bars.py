"""The bars of one voice, and the time: where a bar began, what overlays sound beside it, and what it lasts.

Times are in ticks (`grammar.findings`). An overlay (ABC 2.1, 7.4) is a second voice in a bar: & sets the time back to
the start of the bar, && to the start of the bar before it. Some programs also enclose one of any length in (& and &).
"""

from collections.abc import Callable

from workflow.scripts.grammar import rules_of_music as rules
from workflow.scripts.grammar.findings import Bar, Part, Rest, Time
from workflow.scripts.grammar.ties import NOTHING


class Bars:
    """Keeps the time of a voice, and writes its bars into a `Part`."""

    def __init__(self, say: Callable[..., None], part: Part):
        self.say, self.part = say, part
        self.meter: Time = 0  # in force: of the bars that begin from here on
        self.own_meter: Time = 0  # of this bar: that in force where it began
        self.now: Time = 0
        self.start: Time = 0
        self.at = -1  # offset of the bar's first note or rest; -1 before it
        self.ends_line = False  # a line of music ended after all that was played so far
        self.sounds = NOTHING  # of its first note
        self.at_edge = True
        self.ends: list[Time] = []  # when the music before each & of this bar ends
        self.longest: Time = 0  # when the last overlay within (& and &) ends
        self.to_pass = 0  # bar lines that an overlay of several bars (&&) has yet to pass
        self.span: tuple[Time, int, int] | None = None  # of (&: when, its offset, and how many slurs were open

    def pass_over(self) -> bool:
        """At a bar line: whether it is one of an overlay over bars that were written before."""
        if self.to_pass:
            self.to_pass -= 1
            return True
        return bool(self.span and self.ends)

    def pass_line_end(self, at: int) -> None:
        """At a note or rest: a bar that was full where the line before it ended is over, without a bar line too.

        Collections such as Essen's leave bar lines out where a line ends.
        """
        if self.ends_line and self.at >= 0 and self.now - self.start == self.own_meter:
            self.close(section=False, at=at - 1)
        self.ends_line = False

    def begins(self, at: int) -> bool:
        """At a note or rest: whether a bar begins with it."""
        self.pass_line_end(at)
        if self.at >= 0:
            return False
        self.at, self.own_meter = at, self.meter
        return True

    def end_line(self) -> None:
        """A line of music ends."""
        self.ends_line = not (self.ends or self.span or self.to_pass)

    def close(self, section: bool, at: int) -> bool:
        """Write the bar that ends here, unless it is empty, which is returned; ``section``: it is the last of one."""
        if self.ends:
            self.longest = max(self.longest, *self.ends, self.now)
            self.now = self.ends[0]
        is_written = self.at >= 0
        if is_written:
            lasts, longest = self.now - self.start, max(self.now, self.longest) - self.start
            self.part.bars.append(Bar(self.at, at, lasts, longest, self.own_meter, self.at_edge or section, 1))
            self.at_edge = False
        self.start, self.at, self.ends, self.longest = self.now, -1, [], 0
        return is_written

    def rest(self, n: int, at: int) -> None:
        """Write n bars of rest."""
        self.part.bars.append(Bar(at, at, self.meter, self.meter, self.meter, True, n))
        self.part.rests.append(Rest(n * self.meter, at))
        self.now += n * self.meter
        self.start, self.at_edge = self.now, False

    def overlay(self, n: int) -> None:
        """n times &: what follows sounds from the start of the bar, or of the n - 1st before it."""
        self.ends.append(self.now)
        self.ends_line = False
        if self.span:
            self.now = self.span[0]
            return
        self.now, self.to_pass = self.start, 0
        for bar in self.part.bars[-(n - 1) :] if n > 1 else ():
            self.now -= bar.duration * bar.n_bars
            self.to_pass += 1

    def begin_span(self, slurs: int, at: int) -> None:
        """(&: what follows the next & sounds from here on; ``slurs`` are open."""
        self.say(at, rules.OVERLAY_SPAN)
        if self.span:
            self.say(at, rules.OVERLAY_PAIR, "(&")
        self.span = (self.now, at, slurs)

    def end_span(self, slurs: int, at: int) -> None:
        """&): the music goes on after what stood before the first &."""
        if not self.span or not self.ends or self.span[2] != slurs:
            self.say(at, rules.OVERLAY_PAIR, "&)")
        self.span = None
        if self.ends:
            self.longest = max(self.longest, *self.ends, self.now)
            self.now = self.ends[0]
            self.ends = []

    def end(self, at: int) -> bool:
        """The tune is over; whether a bar line ends it."""
        if self.span:
            self.say(self.span[1], rules.OVERLAY_PAIR, "(&")
        if self.at >= 0:
            self.close(section=True, at=at)
            return False
        if self.part.bars:
            self.part.bars[-1] = self.part.bars[-1]._replace(at_edge=True)
        return True
