"""Whether the bars of a tune last what its meter says, and whether its voices keep step.

Needs what `grammar.checker` found in a text, and adds messages of the tier rhythm to it.
"""

import itertools
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
        places: bars in the longest voice; 0 with one voice.
        misaligned: places where the voices' bars differ in length or one has none (bar alignment error of NotaGen,
            Wang et al. 2025). A voice that stops with a plain bar line, as conversions of MIDI write where nothing more
            is played, has ended before the others: its last bar may be short, and the bars after it are not missed.
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
                found.say(bar.offset, rules.BAR_LONG if bar.longest > bar.meter else rules.BAR_SHORT)
    parts = list(found.parts.values())
    if len(parts) > 1:
        voices = [[bar for bar in part.bars for _ in range(bar.n_bars)] for part in parts]
        for place, bars in enumerate(itertools.zip_longest(*voices)):
            if all(bar.end < found.prompt_chars for bar in bars if bar):
                continue
            rhythm.places += 1
            longest = max(bar.duration for bar in bars if bar)
            goes_on = [part.is_ended or place < len(voice) - 1 for voice, part in zip(voices, parts, strict=True)]
            if any(on and (not bar or bar.duration != longest) for bar, on in zip(bars, goes_on, strict=True)):
                rhythm.misaligned += 1
                if rhythm.misaligned == 1:
                    found.say(next(bar.offset for bar in bars if bar), rules.VOICES, place + 1)
    return rhythm
