"""A tune as the gallery shows it: its text, where the checker found what, and which steps it passed."""

import difflib
from collections.abc import Mapping
from dataclasses import dataclass

from workflow.scripts.base import measures
from workflow.scripts.grammar.checker import parse
from workflow.scripts.grammar.cut import whole_bars
from workflow.scripts.grammar.findings import Message, Text
from workflow.scripts.grammar.rhythm import judge
from workflow.scripts.grammar.tokens import TOKEN
from workflow.scripts.writing.ladder import fails_meter
from workflow.scripts.writing.samples import NOTHING_WHOLE

Steps = Mapping[str, bool | None]  # whether a tune passed each; None or absent where it was not asked


@dataclass(frozen=True)
class Mark:
    """What the checker found at some characters of a text, from ``start`` to before ``end``."""

    start: int
    end: int
    tier: str
    message: str


@dataclass(frozen=True)
class Shown:
    """A tune in the gallery.

    Attributes:
        index: of the drawing, from 1: tunes are shown in the order drawn, none left out.
        prompt_chars: how many of its first characters are a prompt's.
        judged_chars: up to where it was judged: less than all if it was cut off at the longest.
        steps: by names of `base.measures`.
        copied: what copying.json says of it, if it was searched for.
    """

    index: int
    text: str
    prompt_chars: int
    judged_chars: int
    marks: list[Mark]
    steps: Steps
    copied: Mapping | None = None


def shown(
    index: int,
    text: str,
    prompt_chars: int = 0,
    is_cut: bool = False,
    steps: Steps | None = None,
    copied: Mapping | None = None,
) -> Shown:
    """Check a tune as the judges do, and keep where what was found.

    Args:
        is_cut: its writer did not come to its end, so that it is judged up to its last whole bar.
        steps: what programs said of it; what our checker says of it is added.
    """
    judged = whole_bars(text, prompt_chars) if is_cut else (text, prompt_chars)
    if not judged:
        end = max(len(text.rstrip()), 1)
        marks = [Mark(end - 1, end, "hard", NOTHING_WHOLE)]
        own: Steps = {measures.SYNTAX: False, measures.RHYTHM: fails_meter(parse(text, prompt_chars))}
        return Shown(index, text, prompt_chars, prompt_chars, marks, {**(steps or {}), **own}, copied)
    found = parse(*judged)
    rhythm = judge(found, is_cut)
    is_silent = found.is_valid and not found.is_music  # which is legal, and passes no step
    own = {measures.SYNTAX: found.is_music, measures.RHYTHM: rhythm.is_right and not is_silent}
    marks, end = [mark_of(found, message) for message in found.messages], len(text)
    if is_cut:
        *same, _ = difflib.SequenceMatcher(None, found.text, text, autojunk=False).get_matching_blocks()
        marks = [moved(mark, same) for mark in marks]
        end = same[-1].b + same[-1].size
    marks.sort(key=lambda mark: mark.start)
    return Shown(index, text, prompt_chars, end, marks, {**(steps or {}), **own}, copied)


def mark_of(found: Text, message: Message) -> Mark:
    """The characters that a message is about: a whole bar if it is about its length, else the sign at its offset."""
    text, start = found.text, min(message.offset, len(found.text))
    line_end = text.find("\n", start)
    line_end = len(text) if line_end < 0 else line_end
    bars = [bar.end for part in found.parts.values() for bar in part.bars if bar.offset == start]
    if message.tier == "rhythm" and bars:
        end = max(bars)
    else:
        sign = TOKEN.match(text, start, line_end)
        end = sign.end() if sign else start + 1
    return Mark(start, max(end, start + 1), message.tier, message.text)


def moved(mark: Mark, blocks: list[difflib.Match]) -> Mark:
    """A mark of the judged text, where it is in the text as written, which has some signs more."""

    def place(offset: int) -> int:
        before = [block for block in blocks if block.a <= offset]
        return before[-1].b + min(offset - before[-1].a, before[-1].size) if before else 0

    start = place(mark.start)
    return Mark(start, max(place(mark.end), start + 1), mark.tier, mark.message)
