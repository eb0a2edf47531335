"""Whether the bars of a tune last what its meter says, and whether its voices keep step.

Needs what `grammar.checker` found in a text, and adds messages of the tier rhythm to it.
"""

import itertools
import math
from dataclasses import dataclass

from workflow.scripts.grammar import rules_of_music as rules
from workflow.scripts.grammar.findings import Bar, Text


@dataclass
class Rhythm:
    """Bars of all voices. Those that end within a prompt are not counted.

    Attributes:
        metered: whether the meter gives any bar a length, even a bar of the prompt.
        bars: how many have a length given by the meter. Z4 is four bars.
        right: how many of them last what it says. The first and last of a section may be short, none may be long.
            0 in a tune without a note after the prompt: rests are no music.
        places: at which the bars of two voices or more are compared.
        misaligned: places where these bars differ in length or one is missing (bar alignment error of NotaGen, Wang et
            al. 2025). A voice that stops with a plain bar line, as conversions of MIDI write where nothing more is
            played, has ended before the others: neither its last bar nor what is after it is compared.
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


def judge(found: Text, is_cut: bool = False) -> Rhythm:
    """Measure the rhythm of a text, and add a message to it for every wrong bar.

    Args:
        is_cut: it is what `grammar.cut` left, so that no voice is known to have ended.
    """
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
                found.say(bar.offset, rules.BAR_LONG if bar.longest > bar.meter else rules.BAR_SHORT)
    parts = list(found.parts.values())
    if len(parts) > 1:
        voices = [[bar for bar in part.bars for _ in range(bar.n_bars)] for part in parts]
        # How many bars of each voice are compared; it owes as many as the others have if it says where it ends.
        compared = [math.inf if part.is_ended and not is_cut else len(voice) - 1
                    for voice, part in zip(voices, parts, strict=True)]  # fmt: skip
        for place, bars in enumerate(itertools.zip_longest(*voices)):
            lasts = [bar.duration if bar else None for bar, n in zip(bars, compared, strict=True) if place < n]
            if len(lasts) < 2 or not any(lasts) or all(bar.end < found.prompt_chars for bar in bars if bar):
                continue
            rhythm.places += 1
            if len(set(lasts)) > 1:
                rhythm.misaligned += 1
                if rhythm.misaligned == 1:
                    found.say(next(bar.offset for bar in bars if bar), rules.VOICES, place + 1)
    return rhythm
