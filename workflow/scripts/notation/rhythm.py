"""Whether the bars of a tune last what its meter says, and whether its voices keep step.

Needs what `notation.checker` found in a text, and adds messages of the tier rhythm to it.
"""

import itertools
from dataclasses import dataclass

from workflow.scripts.notation.findings import Bar, Text


@dataclass
class Rhythm:
    """Bars of all voices. Those that end within a prompt are not counted.

    Attributes:
        metered: whether the meter gives any bar a length, even a bar of the prompt.
        bars: how many have a length given by the meter. Z4 is four bars.
        right: how many of them last what it says. The first and last of a section may be short, none may be long.
            0 in a tune without a note after the prompt: rests are no music.
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
    """Whether a bar lasts what its meter says."""
    return bar.longest <= bar.meter and (bar.duration == bar.meter or bar.at_edge)


def judge(found: Text) -> Rhythm:
    """Measure the rhythm of a text, and add a message to it for every wrong bar."""
    rhythm = Rhythm()
    for part in found.parts.values():
        for bar in part.bars:
            rhythm.metered |= bar.meter > 0
            if not bar.meter or bar.end < found.prompt_chars:
                continue
            rhythm.bars += bar.n_bars
            if is_right(bar):
                rhythm.right += bar.n_bars if found.notes else 0
            else:
                wrong = "long" if bar.longest > bar.meter else "short"
                found.say(bar.offset, "rhythm", f"a bar that is too {wrong} for its meter")
    if len(found.parts) > 1:
        voices = [[bar for bar in part.bars for _ in range(bar.n_bars)] for part in found.parts.values()]
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
