"""Do the bars of a tune last what its meter says, and do its voices keep step."""

import itertools
from dataclasses import dataclass

from workflow.scripts.notation.findings import Bar, Text


@dataclass
class Rhythm:
    """Bars of all voices; those that end within a prompt are nobody's.

    Attributes:
        metered: whether the meter gives any bar a length, be it the prompt's.
        bars: how many it gives one; those of rests that Z4 stands for count each.
        right: how many of them last what it says. The first and last of a section may be short, none may be long.
            0 in a tune without a note of its writer: rests are no music.
        places: bars in the longest voice; 0 with one voice.
        misaligned: places where the voices' bars differ in length or one has none (bar alignment error of NotaGen,
            Wang et al. 2025).
    """

    metered: bool = False
    bars: int = 0
    right: int = 0
    places: int = 0
    misaligned: int = 0

    @property
    def is_right(self) -> bool | None:
        """Whether every bar is right and the voices keep step; None where none has a length to keep."""
        if not self.metered:
            return None
        return 0 < self.right == self.bars and not self.misaligned


def is_right(bar: Bar) -> bool:
    return bar.longest <= bar.meter and (bar.duration == bar.meter or bar.at_edge)


def judge(found: Text) -> Rhythm:
    """Measure the rhythm of a text, and add a message to it for every wrong bar."""
    rhythm = Rhythm()
    for part in found.parts.values():
        for bar in part.bars:
            rhythm.metered |= bar.meter > 0
            if not bar.meter or bar.end < found.prompt_chars:
                continue
            rhythm.bars += bar.count
            if is_right(bar):
                rhythm.right += bar.count if found.notes else 0
            else:
                wrong = "long" if bar.longest > bar.meter else "short"
                found.say(bar.offset, "rhythm", f"a bar that is too {wrong} for its meter")
    if len(found.parts) > 1:
        voices = [[bar for bar in part.bars for _ in range(bar.count)] for part in found.parts.values()]
        for place, bars in enumerate(itertools.zip_longest(*voices)):
            if all(bar.end < found.prompt_chars for bar in bars if bar):
                continue
            rhythm.places += 1
            here = {bar and bar.duration for bar in bars}
            if len(here) > 1:
                rhythm.misaligned += 1
                if rhythm.misaligned == 1:
                    offset = next(bar.offset for bar in bars if bar)
                    found.say(offset, "rhythm", f"the voices are out of step from bar {place + 1} on")
    return rhythm
