"""Do the bars of a tune last what its meter says, and do its voices keep step."""

from dataclasses import dataclass

from workflow.scripts.abc_tune import Bar, Text


@dataclass
class Rhythm:
    """Bars of all voices.

    Attributes:
        bars: how many the meter gives a length; those of rests that Z4 stands for count each.
        right: how many of them last what it says. The first and last of a section may be short, none may be long.
        places: bars in the longest voice; 0 with one voice.
        misaligned: places where the voices' bars differ in length or one has none (bar alignment error of NotaGen,
            Wang et al. 2025).
    """

    bars: int = 0
    right: int = 0
    places: int = 0
    misaligned: int = 0

    @property
    def is_right(self) -> bool | None:
        """Whether every bar is right and the voices keep step; None where no bar has a length to keep."""
        if not self.bars:
            return None
        return self.right == self.bars and not self.misaligned


def is_right(bar: Bar) -> bool:
    return bar.longest <= bar.meter and (bar.duration == bar.meter or bar.at_edge)


def judge(found: Text) -> Rhythm:
    """Measure the rhythm of a text, and add a message to it for every wrong bar."""
    rhythm = Rhythm()
    for part in found.parts.values():
        for bar in part.bars:
            if not bar.meter:
                continue
            rhythm.bars += bar.count
            if is_right(bar):
                rhythm.right += bar.count
            else:
                wrong = "long" if bar.longest > bar.meter else "short"
                found.say(bar.offset, "rhythm", f"a bar that is too {wrong} for its meter")
    if len(found.parts) > 1:
        voices = [[bar for bar in part.bars for _ in range(bar.count)] for part in found.parts.values()]
        rhythm.places = max(map(len, voices))
        for place in range(rhythm.places):
            bars = [voice[place] if place < len(voice) else None for voice in voices]
            here = {bar and bar.duration for bar in bars}
            if len(here) > 1:
                rhythm.misaligned += 1
                if rhythm.misaligned == 1:
                    offset = next(bar.offset for bar in bars if bar)
                    found.say(offset, "rhythm", f"the voices are out of step from bar {place + 1} on")
    return rhythm
