"""Read whatever a user's input holds: ABC and MIDI files in folders, compressed files and archives.

Needs a file, a folder (of any depth) or the name of the corpus inside the music21 package. Gives `Piece`s, and a
`Rejected` for each thing that was not used. Nothing is unpacked to disk, memory is bounded, and the order of what is
read depends on nothing but the input.

Why something was not used (``Rejected.reason``):
  unreadable      the system would not let us read it: permissions, a broken link, a file that vanished
  not_a_file      a FIFO, socket or device; in an archive also a link
  empty           no bytes
  damaged         cut short, garbage, or a checksum that does not fit
  encrypted, unsupported   a member of a zip (or a sparse one of a tar) that cannot be read
  bomb            unpacks to far more than music would
  unsafe_path     a member of an archive whose path leads out of it
  nested_archive  an archive or a compressed file inside an archive
  no_abc          an archive without ABC or MIDI
  too_large       a MIDI file of more than MAX_MIDI_BYTES
  too_long        text of more than pieces.MAX_TUNE_BYTES in which no line starts with X:
"""

import io
import os
import re
import stat
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, replace
from pathlib import Path, PurePosixPath

from workflow.scripts.notation.file_header import file_header
from workflow.scripts.reading.archives import (
    OPENERS,
    BlockReader,
    Budget,
    Member,
    RefusedError,
    tar_members,
    zip_members,
)
from workflow.scripts.reading.inputs import form_of, root_of, walk
from workflow.scripts.reading.pieces import Readable, cut

MAX_MIDI_BYTES = 8 << 20


@dataclass(frozen=True)
class Piece:
    """A MIDI file, or whole tunes out of an ABC file."""

    path: str  # relative to the input; "archive.tar.gz/inner/member.abc"; the file's own name if it is the input
    kind: str  # "abc" or "midi"
    data: bytes  # abc: UTF-8, LF line ends, no byte order mark; midi: the file as it is
    offset: int  # abc: character in the decoded text (LF, no mark) at which the piece starts; else 0
    line: int  # abc: 1-based line at which it starts; else 0
    md5: str  # hex, of the file's bytes before decoding, on its last piece if asked for; else ""
    header: bytes = b""  # abc: lines of the file that are defaults of all its tunes, as `file_header` gives them


@dataclass(frozen=True)
class Rejected:
    """A file or tune that was not used, and why."""

    path: str
    line: int
    reason: str
    detail: str


def read_archive(shown: str, members: Iterable[Member], fatal: set[str], want_md5: bool) -> Iterator[Piece | Rejected]:
    """Yield what the members hold; nothing can be read after one that was rejected for a ``fatal`` reason.

    Args:
        shown: the archive's path, relative to the input.
        want_md5: as of `read_pieces`.
    """
    found = False
    for member in members:
        if not (form := form_of(member.name)):
            continue
        found = True
        name = f"{shown}/{PurePosixPath(member.name)}"
        parts = re.split(r"[/\\]", member.name)
        if ".." in parts or not parts[0] or re.fullmatch("[A-Za-z]:", parts[0]):
            yield Rejected(name, 0, "unsafe_path", "leads out of the archive")
        elif form[1] or form[0] not in ("abc", "midi"):
            yield Rejected(name, 0, "nested_archive", "an archive or a compressed file inside an archive is not opened")
        elif not member.regular:
            yield Rejected(name, 0, "not_a_file", "a link, FIFO or device in an archive")
        else:
            for item in guarded(name, read_member(name, form[0], member.open, want_md5)):
                yield item
                if isinstance(item, Rejected) and item.reason in fatal:
                    yield Rejected(shown, 0, item.reason, f"nothing after {member.name} was read")
                    return
    if not found:
        yield Rejected(shown, 0, "no_abc", "no ABC or MIDI file in the archive")


def read_member(
    path: str, kind: str, open_stream: Callable[[], BlockReader], want_md5: bool
) -> Iterator[Piece | Rejected]:
    """Yield one MIDI file, or the pieces of one ABC file with their places; the last piece carries the hash.

    Raises:
        RefusedError, OSError and whatever decompressors and archives raise for bad data.
    """
    stream = open_stream()
    stream.is_hashed = want_md5
    held: list[Piece | Rejected] = []  # a piece is the last one if only rejected stretches follow
    try:
        for item in read_midi(path, stream) if kind == "midi" else read_abc(path, stream):
            if isinstance(item, Piece):
                yield from held
                held = []
            held.append(item)
    except Exception:
        yield from held
        raise
    if want_md5 and held and isinstance(held[0], Piece):
        held[0] = replace(held[0], md5=stream.md5.hexdigest())
    yield from held or [Rejected(path, 0, "empty", "")]


def read_abc(path: str, stream: Readable) -> Iterator[Piece | Rejected]:
    """Yield the pieces of one ABC file, yet without a hash."""
    header = b""
    for data, offset, line, dropped in cut(stream):
        if not offset:
            header = file_header(data)
        if dropped:
            yield Rejected(path, line, "too_long", f"{dropped} bytes in which no line starts with X:")
        else:
            yield Piece(path, "abc", data, offset, line, "", header)


def read_midi(path: str, stream: BlockReader) -> Iterator[Piece | Rejected]:
    """Yield one MIDI file, yet without a hash; nothing of an empty one."""
    data = stream.read(MAX_MIDI_BYTES + 1)
    if len(data) > MAX_MIDI_BYTES:
        yield Rejected(path, 0, "too_large", f"MIDI of more than {MAX_MIDI_BYTES} bytes")
    elif data:
        yield Piece(path, "midi", data, 0, 0, "")


def guarded(path: str, items: Iterable[Piece | Rejected]) -> Iterator[Piece | Rejected]:
    """Pass on what is read of ``path``; an error becomes a `Rejected` at the line up to which it was read."""
    last = None
    try:
        for last in items:
            yield last
    except Exception as error:  # hostile bytes make the parsers raise nearly anything, and no file may stop a run
        reason, detail = "damaged", str(error) or type(error).__name__
        if isinstance(error, RefusedError):
            reason, detail = error.args
        elif isinstance(error, OSError) and error.errno is not None:
            reason, detail = "unreadable", error.strerror or str(error)
        elif isinstance(error, NotImplementedError):
            reason = "unsupported"
        line = 0
        if isinstance(last, Piece) and last.path == path:
            line = last.line + last.data.count(b"\n")
            detail += f"; what stands before line {line} was read"
        yield Rejected(path, line, reason, detail)


class Watched(io.BufferedReader):
    """A file that says how many bytes each `read` has given."""

    def __init__(self, file: io.FileIO, on_bytes: Callable[[int], object]):
        super().__init__(file)
        self._on_bytes = on_bytes

    def read(self, size: int | None = -1, /) -> bytes:
        data = super().read(size)
        self._on_bytes(len(data))
        return data


def read_file(path: Path, shown: str, want_md5: bool, on_bytes: Callable[[int], object]) -> Iterator[Piece | Rejected]:
    """Yield what one file on disk holds.

    Raises:
        RefusedError, OSError and whatever decompressors and archives raise for bad data.
    """
    # Since it was listed, a FIFO may have taken its place: opening that would wait for a writer.
    opened = io.FileIO(path, opener=lambda name, flags: os.open(name, flags | os.O_NONBLOCK))
    with Watched(opened, on_bytes) as file:
        status = os.fstat(file.fileno())
        if not stat.S_ISREG(status.st_mode):
            raise RefusedError("not_a_file", "no longer a regular file")
        if not status.st_size:
            raise RefusedError("empty", "")
        kind, codec = form_of(path.name) or ("abc", "")
        budget = Budget(status.st_size)
        if kind == "zip":
            yield from read_archive(shown, zip_members(file, budget), {"bomb"}, want_md5)
            return
        stream = BlockReader(OPENERS[codec](file), budget)
        if kind == "tar":
            fatal = {"bomb", "damaged", "unreadable"}  # a stream cannot be taken up again
            yield from read_archive(shown, tar_members(stream), fatal, want_md5)
        else:
            yield from read_member(shown, kind, lambda: stream, want_md5)


def text_of(path: str) -> str:
    """A path as text for people and reports; a name on disk need not be UTF-8."""
    return os.fsencode(path).decode("utf-8", "replace")


def read_pieces(
    input_path: str, want_md5: bool = False, on_bytes: Callable[[int], object] = lambda count: None
) -> Iterator[Piece | Rejected]:
    """Yield all ABC and MIDI under an input, sorted by path, and a `Rejected` for each thing not used.

    Args:
        input_path: of a file or folder, or `MUSIC21`.
        want_md5: whether the last piece of each file, or member of an archive, gets the hash of all its bytes.
        on_bytes: called with the number of bytes of each read from disk, for a progress bar.

    Raises:
        InputError: there is no such file or folder.
    """
    root = root_of(input_path)
    for path, reason, detail in list(walk(root)):  # first, so that a file that appears meanwhile changes nothing
        shown = text_of(path.name if path == root else path.relative_to(root).as_posix())
        if reason:
            yield Rejected(shown, 0, reason, detail)
        else:
            yield from guarded(shown, read_file(path, shown, want_md5, on_bytes))
