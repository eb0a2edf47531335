"""Open compressed files and archives: as streams, without unpacking to disk, within a limit on what comes out."""

import bz2
import gzip
import lzma
import os
import stat
import tarfile
import zipfile
from collections.abc import Callable, Iterator
from typing import BinaryIO, NamedTuple

import zstandard

from workflow.scripts.corpus.pieces import Readable

# A file on disk may unpack to this much, or to this many times its size, whichever is more.
MAX_UNPACKED_BYTES = 256 << 20
MAX_UNPACKED_RATIO = 200
MAX_TAR_HEADER_BYTES = 1 << 20  # of the long names and extended attributes before one member


class RefusedError(Exception):
    """Raised with (reason, detail) for what we will not read."""


class Budget:
    """How much more one file on disk may unpack to, in bytes."""

    def __init__(self, compressed: int) -> None:
        self.limit = self.left = max(MAX_UNPACKED_BYTES, MAX_UNPACKED_RATIO * compressed)

    def spend(self, size: int) -> None:
        self.left -= size
        if self.left < 0:
            raise RefusedError("bomb", f"unpacks to more than {self.limit} bytes")


class BlockReader:
    """A file read in blocks that are full until it ends, within a budget, and hashed if asked."""

    def __init__(self, file: Readable, budget: Budget | None = None) -> None:
        self.file = file
        self.budget = budget
        self.md5 = None

    def read(self, size: int) -> bytes:
        data = self.file.read(size)
        while len(data) < size and (more := self.file.read(size - len(data))):
            data += more
        if self.budget:
            self.budget.spend(len(data))
        if self.md5:
            self.md5.update(data)
        return data


class ZstdFile:
    """Decompresses frame after frame. zstandard's own ``stream_reader`` takes a frame cut short for a whole one."""

    CHUNK = 512  # bytes, which cannot unpack to more than 16 MiB

    def __init__(self, file: BinaryIO) -> None:
        self.file = file
        self.frame = None
        self.unused = b""  # read, and behind the end of a frame
        self.ready: list[bytes | memoryview] = []
        self.size = 0  # of what is ready

    def read(self, size: int) -> bytes:
        while self.size < size and (chunk := self.unused or self.file.read(self.CHUNK)):
            self.frame = self.frame or zstandard.ZstdDecompressor().decompressobj()
            self.ready.append(self.frame.decompress(chunk))
            self.size += len(self.ready[-1])
            self.unused = b""
            if self.frame.eof:
                self.unused, self.frame = self.frame.unused_data, None
        if self.frame and not self.size:
            raise EOFError("Compressed file ended before the end of a frame")
        self.size -= size
        rest = []
        if self.size > 0:
            last = memoryview(self.ready.pop())
            self.ready.append(last[: -self.size])
            rest = [last[-self.size :]]
        data, self.ready, self.size = b"".join(self.ready), rest, max(self.size, 0)
        return data


# All of them unpack no more than is asked for, which the decompressors in tarfile and zipfile do not all do.
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
    def frombuf(cls, buf: bytes, encoding: str, errors: str) -> "TarHeader":
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
    # Blocks of 16 KiB, since the one that meets damage is lost.
    with tarfile.open(fileobj=stream, mode="r|", tarinfo=TarHeader, bufsize=1 << 14) as archive:
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
