"""Whether each repeat, ending and slur of one voice has its other half (ABC 2.1, 4.8 to 4.11)."""

from collections.abc import Callable

from workflow.scripts.grammar import rules_of_music as rules


class Repeats:
    """Follows the repeats of a voice with their endings, and its slurs, which may be closed once in each ending."""

    def __init__(self, say: Callable[..., None]):
        self.say = say
        self.opened_at = -1  # offset of the |: that is open
        self.is_empty = False  # nothing was played since
        self.endings: set[int] = set()
        self.ending_at = -1
        self.ending_is_repeated = False
        self.slurs: list[int] = []
        self.slurs_before: list[int] = []  # those that were open where the first ending began
        self.spare = 0  # slurs that were closed in an ending, and may be closed in the next one, too
        self.early: list[int] = []  # ) of this section that close what is open at its end, where it is repeated

    # Repeats

    def open(self, at: int) -> None:
        """|: begins a repeat."""
        self.end_open()
        self.end_section()
        self.opened_at, self.is_empty = at, True

    def close(self) -> None:
        """:| ends one."""
        self.opened_at = -1
        self.ending_is_repeated = bool(self.endings)
        while self.early and self.slurs:  # from the end of the repeat to its start
            self.early.pop()
            self.slurs.pop()
            self.spare += 1
        self.end_section()

    def end_open(self) -> None:
        """Where another |: follows or the tune ends, none may be open with something to repeat."""
        if self.opened_at >= 0 and not self.is_empty:
            self.say(self.opened_at, rules.REPEAT_OPEN)

    def end_section(self) -> None:
        """What closed nothing has nothing to close."""
        for at in self.early:
            self.say(at, rules.SLUR_CLOSE)
        self.early = []

    # Endings

    def ending(self, numbers: str, at: int) -> bool:
        """[1 or the like: the ending of these times through a repeat, such as 1,3 or 1-3. Whether it is the first."""
        now = set()
        for part in numbers.split(","):
            first, _, last = part.partition("-")
            if len(first) > 2 or len(last) > 2 or (last and int(last) < int(first)):
                self.say(at, rules.ENDING, numbers[:20])
                return False
            now |= set(range(int(first), int(last or first) + 1))
        if 1 in now:
            self.end_endings()
            self.endings, self.ending_at, self.slurs_before = now, at, self.slurs[:]
        elif min(now) - 1 not in self.endings:
            self.say(at, rules.ENDING_ALONE, numbers)
        else:
            self.endings |= now
            self.spare = sum(slur not in self.slurs for slur in self.slurs_before)
        self.ending_is_repeated = False
        return 1 in now

    def end_endings(self) -> None:
        """Where another first ending follows or the tune ends, the first must have had a second, or be repeated."""
        if self.endings == {1} and not self.ending_is_repeated:
            self.say(self.ending_at, rules.ENDING_FIRST)
        self.endings = set()
        self.spare = 0

    # Slurs

    def slur(self, at: int) -> None:
        """( begins one."""
        self.slurs.append(at)

    def end_slur(self, at: int) -> None:
        """) ends one."""
        if self.slurs:
            self.slurs.pop()
        elif self.spare:
            self.spare -= 1
        else:
            self.early.append(at)

    def open_signs(self) -> list[int]:
        """Offsets of the repeat, the first ending and the slurs that nothing has closed yet."""
        repeat = [self.opened_at] if self.opened_at >= 0 else []
        ending = [self.ending_at] if self.endings == {1} and not self.ending_is_repeated else []
        return [*repeat, *ending, *self.slurs]

    def end(self) -> None:
        """The tune is over."""
        self.end_section()
        for at in self.slurs:
            self.say(at, rules.SLUR_OPEN)
        self.end_open()
        self.end_endings()
