"""A folder of drawn tunes, whoever wrote them (a model, an n-gram model or people): how it is written and read.

It has one .abc file a tune, and a CSV that says of each how many characters were written, whether the end was, too,
and how many characters of a prompt come before them. The CSV also has the hash of each file, so that whoever compares
the table alone compares the folder. A prompt is part of what is parsed, never of what is credited. A tune without its
end was cut at a limit, and is judged up to where it is whole (`grammar.cut`).

All judges read a tune by `read_tune`, and those of its music by `read_sample`, so that they judge the same text.
"""

import csv
import glob
import hashlib
import io
import os
from pathlib import Path
from typing import NamedTuple

from workflow.scripts.base.errors import InputError
from workflow.scripts.base.files import write_text
from workflow.scripts.grammar.cut import whole_bars
from workflow.scripts.reading.pieces import whole_text

MAX_BYTES = 256 << 10  # of a file that are looked at; a tune is a few kilobytes
NEEDED = ("file", "chars", "ended", "prompt_chars")
NOTHING_WHOLE = "cut before its first bar was whole"
COLUMNS = (*NEEDED, "sha256")


class Drawn(NamedTuple):
    """A tune to write: what it goes on from, what was written, and whether the end of the tune was, too."""

    prompt: str
    written: str
    ended: bool


class Sample(NamedTuple):
    """A tune in a folder; its text is ``prompt_chars`` of a prompt, then ``chars`` that were written."""

    path: Path
    chars: int
    ended: bool
    prompt_chars: int


class TuneText(NamedTuple):
    """What a file of one tune says.

    Attributes:
        text: as `prepare` reads it, from any encoding and with LF line ends; the beginning of what is too large.
        problem: a sentence on why nobody need take the file for a tune in ABC; None if nothing speaks against it.
    """

    text: str
    problem: str | None


def tune_files(folder: str | Path) -> list[Path]:
    """Every .abc file below a folder, whoever wrote it, by name; or the one file that ``folder`` is.

    Raises:
        InputError: there is none, or no such file or folder.
    """
    if not Path(folder).exists():
        raise InputError(f"{folder}: no such file or folder")
    if Path(folder).is_file():
        return [Path(folder)]
    paths = sorted(Path(folder).rglob("*.abc"))
    if not paths:
        raise InputError(f"{folder} holds no .abc files")
    return paths


def read_tune(path: Path) -> TuneText:
    """The text of a file, whatever it holds; no more than `MAX_BYTES` of it are read."""
    with open(path, "rb") as file:
        size, data = os.fstat(file.fileno()).st_size, file.read(MAX_BYTES)
    return text_or_problem(data, size)


def text_or_problem(data: bytes, size: int) -> TuneText:
    """What the bytes of one tune say, of which there are ``size`` and at least the first `MAX_BYTES` given."""
    if size > MAX_BYTES:
        return TuneText(beginning(data[:MAX_BYTES]), f"{size} bytes, more than {MAX_BYTES}")
    text = whole_text(data)
    return TuneText(text, "a NUL character" if "\0" in text else None)


def beginning(data: bytes) -> str:
    """The text of the first bytes of a larger file, up to the last line end in them; never cut within a character.

    If one line takes more than half of them, all of it that is there stays, but for its last character.
    """
    try:
        data.decode()
    except UnicodeDecodeError as error:
        if error.reason == "unexpected end of data":  # UTF-8 but for its last character
            data = data[: error.start]
    text = whole_text(data)
    end = text.rfind("\n", len(text) // 2) + 1
    return text[: end or -1]  # which may be half a one in UTF-16, too


def read_sample(sample: Sample) -> tuple[TuneText, int]:
    """(what is judged of a tune, how many characters of it are a prompt's)."""
    read = read_tune(sample.path)
    if sample.ended or read.problem:
        return read, sample.prompt_chars
    whole = whole_bars(read.text, sample.prompt_chars)
    if not whole:
        return TuneText(read.text, NOTHING_WHOLE), sample.prompt_chars
    text, prompt_chars = whole
    return TuneText(text, None), prompt_chars


def listed_below(folder: str | Path) -> dict[Path, Sample]:
    """The tunes below a folder that a table of samples lists, by their files.

    A table that lists a single file stands beside it.
    """
    tables = []
    folder = Path(folder)
    for path in sorted(folder.parent.glob("*.csv") if folder.is_file() else folder.rglob("*.csv")):
        with open(path, encoding="utf-8", errors="replace") as file:
            if file.readline().startswith(",".join(NEEDED)):
                tables.append(path)
    return {sample.path: sample for table in tables for sample in read_table(table)}


def write_samples(folder: str | Path, stem: str, tunes: list[Drawn]) -> int:
    """Write ``stem``-000.abc and on, and ``stem``.csv; an earlier drawing of that stem is gone then.

    Returns how many tunes came to their end.
    """
    folder = Path(folder)
    for old in folder.glob(f"{glob.escape(stem)}-[0-9]*.abc"):  # of an earlier run that drew more
        old.unlink()
    table = io.StringIO()
    rows = csv.writer(table, lineterminator="\n")
    rows.writerow(COLUMNS)
    for k, tune in enumerate(tunes):
        name = f"{stem}-{k:03d}.abc"
        text = tune.prompt + tune.written
        text = text if text.endswith("\n") else text + "\n"
        write_text(folder / name, text)
        digest = hashlib.sha256(text.encode()).hexdigest()
        rows.writerow([name, len(tune.written), tune.ended, len(tune.prompt), digest])
    write_text(folder / f"{stem}.csv", table.getvalue())
    return sum(tune.ended for tune in tunes)


def read_samples(folder: str | Path) -> list[Sample]:
    """The tunes of a folder that `write_samples` wrote, table after table by name, each in the order drawn.

    Raises:
        InputError: there is no table, or one lacks a column, holds a wrong value or names a file that is not there.
    """
    tables = sorted(Path(folder).glob("*.csv"))
    if not tables:
        raise InputError(f"{folder} holds no table of samples (*.csv)")
    return [sample for table in tables for sample in read_table(table)]


def read_table(path: Path) -> list[Sample]:
    """The tunes that one table lists; raises InputError as `read_samples`."""
    samples: list[Sample] = []
    try:
        with open(path, encoding="utf-8", newline="") as file:
            rows = csv.DictReader(file)
            for name in NEEDED:
                if name not in (rows.fieldnames or ()):
                    raise InputError(f"{path} has no column {name!r}")
            for row in rows:
                name, chars, ended, prompt_chars = (row[column] or "" for column in NEEDED)
                place = f"{path}, line {rows.line_num}"
                if not (chars.isdecimal() and prompt_chars.isdecimal() and ended in ("True", "False")):
                    raise InputError(f"{place}: not the characters, the end and the prompt's characters of a tune")
                if Path(name).name != name or not (path.parent / name).is_file():
                    raise InputError(f"{place}: {name!r} is not a file beside it")
                samples.append(Sample(path.parent / name, int(chars), ended == "True", int(prompt_chars)))
    except (UnicodeDecodeError, csv.Error) as error:
        raise InputError(f"{path} is not readable as CSV ({error})") from error
    return samples
