"""Whether cleaning keeps a tune as it was: legal ABC, with the same music to our reader and to abc2midi.

Needs texts of ABC as `reading.sources` gives them. A tune before cleaning is what the standard says it is (ABC 2.1,
2.2): the file header, and the lines from its X: to a blank line. The tune after it is what `prepare` makes of the file.
"""

import re
from collections.abc import Iterator
from itertools import pairwise
from typing import NamedTuple

import numpy as np

from benchmarks.abc2midi import BLOCK, Player, in_its_words
from workflow.scripts.corpus.options import Cleaning
from workflow.scripts.grammar.checker import parse
from workflow.scripts.grammar.findings import Text
from workflow.scripts.notation.clean import FLAGS, HAS_NUL, LINE, clean, find_tunes
from workflow.scripts.notation.file_header import file_header
from workflow.scripts.reading.pieces import whole_text
from workflow.scripts.writing.programs import over_limit

STARTS = re.compile(r"[ \t]*X:")


class Pair(NamedTuple):
    """A tune before cleaning, and after it; None where cleaning found no tune."""

    before: str
    after: str | None


class Verdict(NamedTuple):
    """What became of a tune; all is False of one that did not pass the checker before cleaning.

    Attributes:
        is_valid: it passed the checker before cleaning, and has a note.
        stays_valid: it passes after it, without a message of a new tier.
        reads_same: to our reader, the bars, notes and rests of each voice are the same.
        is_played: abc2midi made a file of it, or cleaning left every byte as it was.
        sounds_same: to abc2midi, tempi and the notes of each track are the same; or it makes no file of either.
    """

    is_valid: bool = False
    stays_valid: bool = False
    reads_same: bool = False
    is_played: bool = False
    sounds_same: bool = False

    @property
    def fault(self) -> str:
        """What cleaning did wrong; empty if nothing."""
        if not self.is_valid:
            return ""
        if not self.stays_valid:
            return "no longer legal"
        if not self.reads_same:
            return "reads otherwise"
        return "" if self.sounds_same else "sounds otherwise"


def split(text: str) -> tuple[str, dict[int, str]]:
    """What stands before the first tune of a text, and its tunes by the number of their first line.

    A tune goes from its X: to a blank line or the next X: (ABC 2.1, 2.2.1), but none in a block of text counts.
    """
    in_block = set()
    for block in BLOCK.finditer(text):
        first = text.count("\n", 0, block.start()) + 1
        in_block.update(range(first, first + block[0].count("\n") + 1))
    before: list[str] = []
    tunes: dict[int, list[str]] = {}
    lines: list[str] | None = before
    for number, line in enumerate(text.split("\n"), 1):
        if number not in in_block:
            if STARTS.match(line):
                tunes[number] = lines = []
            elif not line.strip(" \t") and tunes:
                lines = None
        if lines is not None:
            lines.append(line)
    joined = {number: "".join(f"{line}\n" for line in lines) for number, lines in tunes.items()}
    return "".join(f"{line}\n" for line in before), joined


def pairs(data: bytes, header: bytes, before: str = "") -> Iterator[Pair]:
    """The tunes of a piece of a file, before and after cleaning.

    Args:
        header: the defaults that the file's header has for all its tunes, as `reading.sources` gives them.
        before: what stands before the first tune of the file, if that is not in the piece.
    """
    prefix, tunes = split(data.decode())
    found = find_tunes(np.frombuffer(data, np.uint8))
    found = found[found[:, FLAGS] & HAS_NUL == 0]
    text, bounds = clean(data, found, Cleaning(), header)
    clean_text = text.tobytes()
    bytes_of = zip(found[:, LINE].tolist(), pairwise(bounds.tolist()), strict=True)
    after = {line: clean_text[a:b].decode() for line, (a, b) in bytes_of}
    for line, tune in tunes.items():
        if "\0" not in tune:
            yield Pair((before or prefix) + tune, after.get(line))


def pairs_of_file(data: bytes) -> Iterator[Pair]:
    """The tunes of a small file in any encoding, before and after cleaning."""
    text = whole_text(data).encode()
    yield from pairs(text, file_header(text))


def as_read(found: Text) -> tuple[bool, dict[str, tuple[list, list, list]]]:
    """What our reader makes of a tune, without the places in the text.

    Whether every voice ends with a bar line, and by voice: onset, duration and pitch of the notes, the rests, the bars.
    """
    return found.closed, {
        name: (
            [(note.onset, note.duration, note.pitch) for note in part.notes],
            [rest.duration for rest in part.rests],
            [(bar.duration, bar.longest, bar.meter, bar.at_edge, bar.n_bars) for bar in part.bars],
        )
        for name, part in found.parts.items()
    }


def judge(pair: Pair, player: Player | None) -> Verdict:
    """What became of a tune; without a player, it sounds the same."""
    found = parse(pair.before)
    if not found.is_valid or not found.notes:
        return Verdict()
    if pair.before == pair.after:
        return Verdict(True, True, True, True, True)
    if pair.after is None:
        return Verdict(True)
    kept = parse(pair.after)
    stays_valid, reads_same = kept.tiers <= found.tiers, as_read(kept) == as_read(found)
    if player is None or over_limit(pair.before):
        return Verdict(True, stays_valid, reads_same, False, True)
    before, after = (player.play(in_its_words(text)) for text in (pair.before, pair.after))
    return Verdict(True, stays_valid, reads_same, before is not None, before == after)
