"""What is judged: each file as one tune, or each tune of a file of several.

Needs paths of ABC files, small ones where each is one tune. A tune of a file of several is cut out as `prepare` cuts
it, and the fields that stand before the file's first tune are put into it (ABC 2.1, 2.2.2).
"""

from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import NamedTuple

import numpy as np

from workflow.scripts.notation.clean import END, LINE, START, find_tunes
from workflow.scripts.notation.file_header import with_defaults
from workflow.scripts.reading.pieces import unnumbered_tune
from workflow.scripts.reading.sources import Piece, read_abc
from workflow.scripts.writing.samples import TuneText, read_tune, text_or_problem


class Tune(NamedTuple):
    """A text to judge.

    Attributes:
        name: that its verdict is shown under.
        read: what was read of it.
        prompt_chars: how many characters of the text are not its writer's.
        is_cut: whether it was longer than a limit, and the text is what can be judged; None where nobody said.
        midi: where its MIDI is kept if it compiles and a note is its writer's.
        lines: number, in the file, of each line of the text; empty where they are the same.
    """

    name: str
    read: TuneText
    prompt_chars: int = 0
    midi: Path | None = None
    is_cut: bool | None = None
    lines: Sequence[int] = ()

    def line_in_file(self, line: int) -> int:
        """Number in the file of a line of the text, from 1; 0 stays, which stands for no line."""
        return self.lines[min(line, len(self.lines)) - 1] if line and self.lines else line


def tunes_in(path: Path, name: str, midi: Path | None) -> Iterator[Tune]:
    """Every tune of a file, by the line of its X: field; the file as a whole if it has none.

    Args:
        name: of the file, as it is shown.
        midi: where the MIDI of a file of one tune would be kept; that of a tune has its line in its name.
    """

    def tune(line: int, read: TuneText, lines: Sequence[int] = ()) -> Tune:
        return Tune(f"{name}:{line}", read, midi=midi and midi.with_stem(f"{midi.stem}-{line}"), lines=lines)

    is_empty = True
    with open(path, "rb") as file:
        for item in read_abc(path.name, file):
            if not isinstance(item, Piece):
                is_empty = False
                yield tune(item.line, TuneText("", item.detail))
                continue
            for line, text, lines in tunes_of(item):
                is_empty = False
                yield tune(line, text_or_problem(text, len(text)), lines)
    if is_empty:
        yield tune(1, read_tune(path))


def tunes_of(piece: Piece) -> Iterator[tuple[int, bytes, list[int]]]:
    """(line, text with the defaults of its file, the line of the file that each of its lines is) of each tune.

    A default has the line of the X: field. A tune before the first X: is one, too, for the checker to refuse.
    """
    found = find_tunes(np.frombuffer(piece.data, np.uint8))
    before = piece.data[: found[0, START]] if len(found) else piece.data
    if not piece.offset and (unnumbered := unnumbered_tune(before)):
        start, line = unnumbered
        yield line, before[start:].rstrip() + b"\n", list(range(line, line + before.count(b"\n", start) + 1))
    for row in found:
        line = piece.line + int(row[LINE]) - 1
        tune = piece.data[row[START] : row[END]] + b"\n"
        text = with_defaults(tune, piece.header)
        own = tune.count(b"\n")
        defaults = text.count(b"\n") - own
        yield line, text, [line] * (1 + defaults) + list(range(line + 1, line + own))
