"""Cut the text of an ABC file of any size into pieces that hold whole tunes, in bounded memory."""

import codecs
import io
from collections.abc import Iterable, Iterator
from typing import NamedTuple, Protocol

PIECE_BYTES = 8 << 20  # a file is read in blocks of this size, and cut where it holds more; at least 4
MAX_TUNE_BYTES = 32 << 20  # from one X: line to the next; more than PIECE_BYTES


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
    """Counts the characters of a text that is not kept, as ``to_utf8`` would."""

    def __init__(self) -> None:
        self.size = self.lines = self.chars = 0
        self.utf8 = codecs.getincrementaldecoder("utf-8")()
        self.is_utf8 = True

    def add(self, data: bytes) -> None:
        self.size += len(data)
        self.lines += data.count(b"\n")
        try:
            if self.is_utf8:
                self.chars += len(self.utf8.decode(data))
        except UnicodeDecodeError:
            self.is_utf8 = False
        if not self.is_utf8:
            self.chars = self.size


def to_utf8(data: bytes) -> tuple[bytes, int]:
    """(UTF-8, characters) of bytes in UTF-8 or else Windows-1252 or, as its last resort, Latin-1."""
    if data.isascii():
        return data, len(data)
    try:
        return data, len(data.decode())
    except UnicodeDecodeError:
        try:
            text = data.decode("cp1252")
        except UnicodeDecodeError:
            text = data.decode("latin-1")
        return text.encode(), len(text)


def read_blocks(stream: Readable) -> Iterator[bytes]:
    """The file without a byte order mark; UTF-16 becomes UTF-8, any other encoding stays."""
    block = stream.read(PIECE_BYTES)
    if block.startswith((codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE)):
        decoder = codecs.getincrementaldecoder("utf-16")("replace")
        while block:
            yield decoder.decode(block).encode()
            block = stream.read(PIECE_BYTES)
        yield decoder.decode(b"", final=True).encode()
        return
    block = block.removeprefix(codecs.BOM_UTF8)
    while block:
        yield block
        block = stream.read(PIECE_BYTES)


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


def decode(data: bytes) -> str:
    """The text of a small file whatever encoding it has, without a byte order mark; its line ends are kept."""
    return to_utf8(b"".join(read_blocks(io.BytesIO(data))))[0].decode()


def to_lf(text: str) -> str:
    """The same text with CRLF and lone CR as LF."""
    return text.replace("\r\n", "\n").replace("\r", "\n")


def whole_text(data: bytes) -> str:
    """The text of a small file as `cut` reads a large one: in any encoding, with LF line ends."""
    return to_lf(decode(data))


def cut(stream: Readable) -> Iterator[Cut]:
    """Yield the text in pieces of about ``PIECE_BYTES``, each cut just before a line that starts with ``X:``.

    A stretch of more than ``MAX_TUNE_BYTES`` without such a line is passed over, and yielded as
    dropped. Offsets and lines count the whole text. Nothing is yielded for an empty file.
    """
    offset, line, rest = 0, 1, b""
    dropping: Tally | None = None
    blocks = with_lf(read_blocks(stream))
    at_end = False
    while not at_end:
        block = next(blocks, None)
        at_end = block is None
        rest += block or b""
        # Only the first stretch can be too long: any other began in the last block.
        if len(rest) > MAX_TUNE_BYTES and rest.find(b"\nX:", 0, MAX_TUNE_BYTES + 2) < 0:
            dropping = dropping or Tally()
        if dropping:
            end = len(rest) if at_end else rest.find(b"\nX:") + 1
            if not end:
                dropping.add(rest[:-2])  # what stays may be the start of a "\nX:"
                rest = rest[-2:]
                continue
            dropping.add(rest[:end])
            yield Cut(b"", offset, line, dropping.size)
            offset, line, rest = offset + dropping.chars, line + dropping.lines, rest[end:]
            dropping = None
        end = len(rest) if at_end else rest.rfind(b"\nX:") + 1 if len(rest) >= PIECE_BYTES else 0
        if end:
            piece, chars = to_utf8(rest[:end])
            yield Cut(piece, offset, line, 0)
            offset, line, rest = offset + chars, line + piece.count(b"\n"), rest[end:]
