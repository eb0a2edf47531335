"""Open compressed files and archives as streams: a file on disk -> blocks of bytes, or the members of an archive.

Nothing is unpacked to disk, and what comes out of one file is limited.
"""

import bz2
import gzip
import hashlib
import lzma
import os
import stat
import tarfile
import zipfile
from collections.abc import Callable, Iterator
from typing import BinaryIO, NamedTuple

from workflow.scripts.reading.pieces import Readable

# A file on disk may unpack to this much, or to this many times its size, whichever is more.
MAX_UNPACKED_BYTES = 256 << 20
MAX_UNPACKED_RATIO = 200
MAX_TAR_HEADER_BYTES = 1 << 20  # of the long names and extended attributes before one member


class RefusedError(Exception):
    """Raised with (reason, detail), as of `sources.Rejected`, for what we will not read."""


class Budget:
    """How much more one file on disk may unpack to, in bytes."""

    def __init__(self, compressed: int) -> None:
        """``compressed`` is the size of the file on disk."""
        self.limit = self.left = max(MAX_UNPACKED_BYTES, MAX_UNPACKED_RATIO * compressed)

    def spend(self, size: int) -> None:
        """Count bytes that came out.

        Raises:
            RefusedError: they are more than the rest.
        """
        self.left -= size
        if self.left < 0:
            raise RefusedError("bomb", f"unpacks to more than {self.limit} bytes")


class BlockReader:
    """A file read in blocks that are full until it ends, within a budget.

    Attributes:
        md5: of what was read since ``is_hashed`` was set.
    """

    def __init__(self, file: Readable, budget: Budget | None = None) -> None:
        self.file = file
        self.budget = budget
        self.is_hashed = False
        self.md5 = hashlib.md5(usedforsecurity=False)

    def read(self, size: int) -> bytes:
        data = self.file.read(size)
        while len(data) < size and (more := self.file.read(size - len(data))):
            data += more
        if self.budget:
            self.budget.spend(len(data))
        if self.is_hashed:
            self.md5.update(data)
        return data


class ZstdFile:
    """Decompresses frame after frame. zstandard's own ``stream_reader`` takes a frame cut short for a whole one."""

    CHUNK = 512  # bytes, which cannot unpack to more than 16 MiB

    def __init__(self, file: BinaryIO) -> None:
        import zstandard  # a machine that only trains models and lets them write need not have it

        self.file = file
        self.decompressor = zstandard.ZstdDecompressor()
        self.frame: zstandard.ZstdDecompressionObj | None = None
        self.unused = b""  # read, and behind the end of a frame
        self.ready: list[bytes | memoryview] = []
        self.size = 0  # of what is ready

    def read(self, size: int) -> bytes:
        while self.size < size and (chunk := self.unused or self.file.read(self.CHUNK)):
            frame = self.frame or self.decompressor.decompressobj()
            self.ready.append(frame.decompress(chunk))
            self.size += len(self.ready[-1])
            self.frame, self.unused = (None, frame.unused_data) if frame.eof else (frame, b"")
        if self.frame and not self.size:
            raise EOFError("Compressed file ended before the end of a frame")
        self.size -= size
        rest: list[bytes | memoryview] = []
        if self.size > 0:
            last = memoryview(self.ready.pop())
            self.ready.append(last[: -self.size])
            rest = [last[-self.size :]]
        data, self.ready, self.size = b"".join(self.ready), rest, max(self.size, 0)
        return data


# By the name that `sources.FORMS` gives a compression. All of them unpack no more than is asked for, which the
# decompressors in tarfile and zipfile do not all do.
OPENERS: dict[str, Callable[[BinaryIO], Readable]] = {
    "": lambda file: file,
    "gz": lambda file: gzip.GzipFile(fileobj=file),
    "bz2": bz2.BZ2File,
    "xz": lzma.LZMAFile,
    "zst": ZstdFile,
}


class Member(NamedTuple):
    """What an archive lists: a file, or something that is not one."""

    name: str
    regular: bool
    open: Callable[[], BlockReader]


def zip_members(file: BinaryIO, budget: Budget) -> Iterator[Member]:
    """Yield what a zip lists, in its order; a member can be opened until the last was asked for.

    Raises:
        zipfile.BadZipFile and whatever else zipfile raises for bad data.
    """
    with zipfile.ZipFile(file) as archive:
        for info in archive.infolist():

            def open_member(info: zipfile.ZipInfo = info) -> BlockReader:
                if info.flag_bits & 1:
                    raise RefusedError("encrypted", "needs a password")
                if info.compress_type not in (zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED):
                    raise RefusedError("unsupported", f"zip compression method {info.compress_type}")
                return BlockReader(archive.open(info), budget)

            kind = stat.S_IFMT(info.external_attr >> 16)  # 0 where the archive comes from no Unix
            yield Member(info.filename, kind in (0, stat.S_IFREG), open_member)


class TarHeader(tarfile.TarInfo):
    """A header that says so if it is damaged: tarfile takes one after the first member for the archive's end."""

    @classmethod
    def frombuf(cls, buf: bytes | bytearray, encoding: str, errors: str) -> "TarHeader":
        try:
            info = super().frombuf(buf, encoding, errors)
        except tarfile.HeaderError as error:
            if buf.strip(b"\0"):
                raise tarfile.ReadError(f"damaged archive: {error}") from None
            raise  # zeros, or no more data, end an archive
        extends = info.type in b"xgXLK"  # the next header; tarfile reads it into memory
        if info.size < 0 or (extends and info.size > MAX_TAR_HEADER_BYTES):
            raise tarfile.ReadError(f"a header of {info.size} bytes")
        return info


def tar_members(stream: BlockReader) -> Iterator[Member]:
    """Yield what a tar holds, but for folders, in its order; a member can be read until the next is asked for.

    Raises:
        tarfile.TarError and whatever decompressors raise for bad data.
    """
    # Blocks of 16 KiB, since the one that meets damage is lost.
    # Tarfile only calls read(), while its types ask for a file that can also be written to.
    with tarfile.open(fileobj=stream, mode="r|", tarinfo=TarHeader, bufsize=1 << 14) as archive:  # type: ignore[call-overload]
        while info := archive.next():
            archive.members.clear()  # tarfile would keep them all

            def open_member(info: tarfile.TarInfo = info) -> BlockReader:
                if info.issparse():
                    raise RefusedError("unsupported", "a sparse file")
                return BlockReader(archive.extractfile(info))

            if not info.isdir():
                yield Member(os.fsencode(info.name).decode("utf-8", "replace"), info.isreg(), open_member)
        while stream.read(1 << 20):  # a checksum at the very end vouches for all that went before
            pass
