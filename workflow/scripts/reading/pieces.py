"""Cut the text of an ABC file of any size into pieces that hold whole tunes, in bounded memory.

Needs the bytes of a file, in any encoding; makes text in UTF-8 with LF line ends and no byte order mark. `prepare` and
all judges read ABC through this module, so that they agree on every byte.
"""

import codecs
import io
import re
from collections.abc import Iterable, Iterator
from typing import NamedTuple, Protocol

from workflow.scripts.reading.encodings import TUNE_START, declared_in, to_utf8

PIECE_BYTES = 8 << 20  # a file is read in blocks of this size, and cut where it holds more; at least 4
MAX_TUNE_BYTES = 32 << 20  # from one X: line to the next; more than PIECE_BYTES
MAX_BLOCK_BYTES = 64 << 10  # of a text block in which no file is cut

# UTF-32 first, as its mark begins with that of UTF-16.
MARKS = {
    codecs.BOM_UTF8: "utf-8",
    codecs.BOM_UTF32_LE: "utf-32-le",
    codecs.BOM_UTF32_BE: "utf-32-be",
    codecs.BOM_UTF16_LE: "utf-16-le",
    codecs.BOM_UTF16_BE: "utf-16-be",
}
# How a file begins that has no mark: with two characters of ASCII, each with its NULs.
ASCII = rb"[\t\n\r -~]"
UNMARKED = {
    re.compile(rb"(?:%b\0\0\0){2}" % ASCII): "utf-32-le",
    re.compile(rb"(?:\0\0\0%b){2}" % ASCII): "utf-32-be",
    re.compile(rb"(?:%b\0){2}" % ASCII): "utf-16-le",
    re.compile(rb"(?:\0%b){2}" % ASCII): "utf-16-be",
}
TUNE_LINE = re.compile(rb"\n[ \t]*X:")
BLANK_LINE = re.compile(rb"^[ \t]*\n", re.MULTILINE)
KEY_LINE = re.compile(rb"^[ \t]*K:", re.MULTILINE)


class Readable(Protocol):
    """A file of bytes, open for reading: what `cut` needs of one."""

    def read(self, size: int, /) -> bytes:
        """Exactly ``size`` bytes; fewer only where the file ends."""


class Cut(NamedTuple):
    """One piece of a text, or the place of a stretch that was too long to be a tune."""

    data: bytes  # UTF-8, LF line ends; empty for a stretch that was dropped
    offset: int  # in characters, of its start in the text
    line: int  # 1-based, of its start
    dropped: int  # bytes, of a stretch that was dropped; else 0


class Tally:
    """Counts the characters of a stretch that is not kept: in a line that is not UTF-8, every byte is one."""

    def __init__(self) -> None:
        self.size = self.lines = 0
        self._chars = 0  # of the lines before this one
        self._utf8 = codecs.getincrementaldecoder("utf-8")()
        self._start_line()

    def _start_line(self) -> None:
        self._utf8.reset()
        self._is_utf8, self._line_chars, self._line_bytes = True, 0, 0

    def add(self, data: bytes) -> None:
        self.size += len(data)
        self.lines += data.count(b"\n")
        for line in io.BytesIO(data):
            self._line_bytes += len(line)
            try:
                if self._is_utf8:
                    self._line_chars += len(self._utf8.decode(line))
            except UnicodeDecodeError:
                self._is_utf8 = False
            if line.endswith(b"\n"):
                self._chars += self._line_chars if self._is_utf8 else self._line_bytes
                self._start_line()

    @property
    def chars(self) -> int:
        """Characters so far, of which the last line may be cut within one."""
        ends_whole = self._is_utf8 and not self._utf8.getstate()[0]
        return self._chars + (self._line_chars if ends_whole else self._line_bytes)


def encoding_of(start: bytes) -> tuple[str, int]:
    """(name of the Unicode encoding that a file's first bytes give away, bytes of its mark); "" for any other."""
    for mark, name in MARKS.items():
        if start.startswith(mark):
            return name, len(mark)
    return next((name for pattern, name in UNMARKED.items() if pattern.match(start)), ""), 0


def read_blocks(stream: Readable) -> Iterator[bytes]:
    """The file without a byte order mark; UTF-16 and UTF-32 become UTF-8, any other encoding stays."""
    block = stream.read(PIECE_BYTES)
    encoding, mark = encoding_of(block[:8])
    block = block[mark:]
    if encoding in ("", "utf-8"):
        while block:
            yield block
            block = stream.read(PIECE_BYTES)
        return
    decoder = codecs.getincrementaldecoder(encoding)("replace")
    while block:
        yield decoder.decode(block).encode()
        block = stream.read(PIECE_BYTES)
    yield decoder.decode(b"", final=True).encode()


def with_lf(blocks: Iterable[bytes]) -> Iterator[bytes]:
    """The same text with CRLF and lone CR as LF."""
    held = b""  # a CR at the end of a block may be half of a CRLF
    for block in blocks:
        block, held = held + block, b""
        if b"\r" in block:
            if block.endswith(b"\r"):
                block, held = block[:-1], b"\r"
            block = block.replace(b"\r\n", b"\n").replace(b"\r", b"\n")
        yield block
    yield held.replace(b"\r", b"\n")


def to_lf(text: str) -> str:
    """The same text with CRLF and lone CR as LF."""
    return text.replace("\r\n", "\n").replace("\r", "\n")


def whole_text(data: bytes) -> str:
    """The text of a small file as `cut` reads a large one: in any encoding, with LF line ends and no mark."""
    text = b"".join(with_lf(read_blocks(io.BytesIO(data))))
    return to_utf8(text, declared_before_tunes(text))[0].decode()


def declared_before_tunes(text: bytes) -> str:
    """The charset that the beginning of a file declares before its first tune, or nothing."""
    start = TUNE_START.search(text)
    return declared_in(text[: start.start()] if start else text)


def first_start(text: bytes, end: int) -> int:
    """Where the first line starts that begins with X:, but for that of the text; 0 if none does before ``end``."""
    plain = text.find(b"\nX:", 0, end)  # is found far faster than one with blanks before it
    match = TUNE_LINE.search(text, 0, end if plain < 0 else plain)
    return (match.start() if match else plain) + 1


def last_start(text: bytes, end: int) -> int:
    """As `first_start`, the last one."""
    found = text.rfind(b"\nX:", 0, end)
    for match in TUNE_LINE.finditer(text, max(found, 0), end):
        found = match.start()
    return found + 1


def last_tune(text: bytes) -> int:
    """Where the last tune starts, but for that of the text; 0 if there is none. A short block of text holds no tune."""
    start = last_start(text, len(text))
    block = text.rfind(b"\n%%begin", max(start - MAX_BLOCK_BYTES, 0), start)
    if block >= 0 and text.find(b"\n%%end", block, start) < 0:
        return last_start(text, block) or start
    return start


def unfinished_start(text: bytes) -> int:
    """From where on the text may go on as a line that begins with X:."""
    last = text.rfind(b"\n")
    may_go_on = last >= 0 and text[last:].strip(b"\n\t ") in (b"", b"X") and len(text) - last < PIECE_BYTES
    return last if may_go_on else len(text)


def unnumbered_tune(text: bytes) -> tuple[int, int] | None:
    """(start, line from 1) of a tune in what stands before a file's first X:, told by its K: field; or None."""
    key = KEY_LINE.search(text)
    if not key:
        return None
    start = max((match.end() for match in BLANK_LINE.finditer(text, 0, key.start())), default=0)
    return start, text.count(b"\n", 0, start) + 1


def cut(stream: Readable) -> Iterator[Cut]:
    """Yield the text in pieces of about ``PIECE_BYTES``, each cut just before a line that starts with ``X:``.

    Blanks may stand before the ``X:``. A stretch of more than ``MAX_TUNE_BYTES`` without such a line is passed over,
    and yielded as dropped. Offsets and lines count the whole text. Nothing is yielded for an empty file.
    """
    offset, line, rest, declared = 0, 1, b"", ""
    dropping: Tally | None = None
    blocks = with_lf(read_blocks(stream))
    at_end = False
    while not at_end:
        block = next(blocks, None)
        at_end = block is None
        rest += block or b""
        # Only the first stretch can be too long: any other began in the last block.
        if len(rest) > MAX_TUNE_BYTES and not first_start(rest, MAX_TUNE_BYTES + 2):
            dropping = dropping or Tally()
        if dropping:
            end = len(rest) if at_end else first_start(rest, len(rest))
            if not (end or at_end):
                end = unfinished_start(rest)
                dropping.add(rest[:end])
                rest = rest[end:]
                continue
            dropping.add(rest[:end])
            yield Cut(b"", offset, line, dropping.size)
            offset, line, rest = offset + dropping.chars, line + dropping.lines, rest[end:]
            dropping = None
        end = len(rest) if at_end else last_tune(rest) if len(rest) >= PIECE_BYTES else 0
        if end:
            declared = declared if offset else declared_before_tunes(rest[:end])
            piece, chars = to_utf8(rest[:end], declared)
            yield Cut(piece, offset, line, 0)
            offset, line, rest = offset + chars, line + piece.count(b"\n"), rest[end:]
