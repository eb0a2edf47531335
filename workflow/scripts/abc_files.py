"""Find ABC files, decode them and cut them into tunes.

Takes a file, a folder (any depth) or the name of the corpus inside the music21 package; reads
``.abc``, ``.abc.gz`` and the ``.abc`` members of ``.zip``. Nothing is unpacked to disk.
"""

import gzip
import itertools
import os
import re
import zipfile
import zlib
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import ftfy

from workflow.scripts.cli import InputError

MUSIC21 = "music21"
MAX_FILE_BYTES = 256 << 20  # one file after decompression; a zip bomb stops here


@dataclass(frozen=True)
class Tune:
    """One tune as it stands in its file: where it is, and its text."""

    path: str  # relative to the input, "archive.zip/member.abc" inside an archive
    line: int  # 1-based line of its X: field
    offset: int  # 0-based character of that field in the decoded file
    chars: int  # its length there
    text: str


@dataclass(frozen=True)
class Rejected:
    """A file or tune that was not used, and why."""

    path: str
    line: int
    reason: str
    detail: str


def root_of(input_path: str) -> Path:
    """The folder (or file) that an input name stands for.

    Raises:
        InputError: there is no such file or folder.
    """
    if input_path == MUSIC21:
        from music21 import corpus  # a slow import that other inputs do not need

        paths = corpus.corpora.CoreCorpus().getPaths(fileExtensions=(".abc",))
        if not paths:
            raise InputError("the music21 package holds no ABC files (was it installed without its corpus?)")
        return Path(corpus.__file__).parent
    root = Path(input_path)
    if not root.exists():
        raise InputError(f"{input_path}: no such file or folder")
    return root


def list_files(root: Path) -> list[Path]:
    """Every ABC file under ``root``, sorted, so that no result depends on the file system's order."""
    if root.is_file():
        return [root]
    names = (".abc", ".abc.gz", ".zip")
    return sorted(p for p in root.rglob("*") if p.name.lower().endswith(names) and p.is_file())


def require_files(input_path: str) -> None:
    """Refuse an input that holds no ABC file, by its names alone.

    Raises:
        InputError: there is no such file or folder, or nothing in it that could hold ABC.
    """
    if input_path != MUSIC21 and not list_files(root_of(input_path)):
        raise InputError(f"{input_path} holds no .abc, .abc.gz or .zip file ('{MUSIC21}' names that package's corpus)")


def read_members(path: Path) -> Iterator[tuple[str, bytes | Exception]]:
    """Yield (name inside an archive or "", raw bytes or the error that took their place)."""
    name = path.name.lower()
    try:
        if name.endswith(".zip"):
            with zipfile.ZipFile(path) as archive:
                members = [info for info in archive.infolist() if info.filename.lower().endswith(".abc")]
                if not members:
                    yield "", ValueError("no .abc file in the archive")
                for info in members:
                    try:
                        with archive.open(info) as member:
                            yield info.filename, limited(member)
                    except (OSError, ValueError, RuntimeError, *BAD_DATA) as error:
                        yield info.filename, error
        elif name.endswith(".gz"):
            with gzip.open(path) as file:
                yield "", limited(file)
        else:
            with open(path, "rb") as file:
                yield "", limited(file)
    except (OSError, ValueError, *BAD_DATA) as error:
        yield "", error


BAD_DATA = (EOFError, zlib.error, zipfile.BadZipFile)


def limited(file) -> bytes:
    data = file.read(MAX_FILE_BYTES + 1)
    if len(data) > MAX_FILE_BYTES:
        raise ValueError(f"more than {MAX_FILE_BYTES >> 20} MiB of text")
    return data


def decode(data: bytes) -> str:
    """Text of an ABC file: UTF-8 or UTF-16 as it says, else Windows-1252 or Latin-1; LF line ends.

    Text that was encoded twice, or as a DOS text read as Latin-1, is repaired.
    """
    try:
        text = data.decode("utf-16" if data[:2] in (b"\xff\xfe", b"\xfe\xff") else "utf-8-sig")
        if not text.isascii():
            text = ftfy.fix_encoding(DOS_LINE.sub(repair_dos, text))
    except UnicodeDecodeError:
        try:
            text = data.decode("cp1252")
        except UnicodeDecodeError:
            text = data.decode("latin-1")
    return text.replace("\r\n", "\n").replace("\r", "\n")


DOS_LINE = re.compile("[^\n]*[\x80-\x9f][^\n]*")


def repair_dos(match: re.Match) -> str:
    """A line with C1 control codes was a DOS text (code page 437) read as Latin-1, as in music21's Essen files."""
    try:
        return match[0].encode("latin-1").decode("cp437")
    except UnicodeEncodeError:
        return match[0]


TUNE_START = re.compile(r"^X:", re.MULTILINE)
BLANK_LINE = re.compile(r"\n[ \t]*(?=\n)")
KEY_FIELD = re.compile(r"^K:.*\n?", re.MULTILINE)


def split_tunes(text: str, path: str) -> Iterator[Tune]:
    """Cut a file at its ``X:`` fields; a blank line after the first line of music ends a tune.

    The ABC 2.1 standard (section 2.2.1) ends a tune at any blank line; files in the wild also have
    blank lines inside the header, which are kept here and dropped in cleaning.
    """
    starts = [match.start() for match in TUNE_START.finditer(text)]
    line, counted = 1, 0
    for start, limit in itertools.pairwise([*starts, len(text)]):
        chunk = text[start:limit]
        if key := KEY_FIELD.search(chunk):
            body = key.end() + len(chunk[key.end() :]) - len(chunk[key.end() :].lstrip())
            if blank := BLANK_LINE.search(chunk, body):
                chunk = chunk[: blank.start()]
        chunk = chunk.rstrip()
        line, counted = line + text.count("\n", counted, start), start
        yield Tune(path, line, start, len(chunk), chunk)


def read_tunes(input_path: str) -> Iterator[Tune | Rejected]:
    """Yield every tune under an input, and a ``Rejected`` for each file that could not be read."""
    root = root_of(input_path)
    for path in list_files(root):
        shown = path.name if path == root else path.relative_to(root).as_posix()
        shown = os.fsencode(shown).decode("utf-8", "replace")  # a name need not be text
        for member, data in read_members(path):
            name = f"{shown}/{member}" if member else shown
            if isinstance(data, Exception):
                yield Rejected(name, 0, "unreadable", str(data) or type(data).__name__)
                continue
            found = False
            for tune in split_tunes(decode(data), name):
                found = True
                yield tune
            if not found:
                yield Rejected(name, 0, "no_tune", "no line starts with X:")
