"""Tunes in files, compressed files and archives, and what reading an input finds."""

import bz2
import gzip
import io
import lzma
import subprocess
import sys
import tarfile
import zipfile
from pathlib import Path

import zstandard

from tests.conftest import ROOT
from workflow.scripts.reading.sources import Piece, Rejected, read_pieces

TUNE = b"X:1\nT:One\nK:G\nGABc d2e2|\n"
MIDI = b"MThd\0\0\0\6\0\0\0\1\0\x60MTrk\0\0\0\4\0\xff\x2f\0"
ZSTD = zstandard.ZstdCompressor()
COMPRESS = {"": bytes, ".gz": gzip.compress, ".bz2": bz2.compress, ".xz": lzma.compress, ".zst": ZSTD.compress}


def tar_of(members: dict[str, bytes | str], mark: dict[str, bytes] | None = None) -> bytes:
    """A tar of files, by name; ``mark`` gives some members another type."""
    out = io.BytesIO()
    with tarfile.open(fileobj=out, mode="w") as archive:
        for name, data in members.items():
            info = tarfile.TarInfo(name)
            info.type = (mark or {}).get(name, tarfile.REGTYPE)
            info.linkname = "one.abc" if info.type in (tarfile.SYMTYPE, tarfile.LNKTYPE) else ""
            info.size = len(data)
            archive.addfile(info, io.BytesIO(data))
    return out.getvalue()


def zip_of(members: dict[str, bytes], method: int = zipfile.ZIP_DEFLATED) -> bytes:
    out = io.BytesIO()
    with zipfile.ZipFile(out, "w", method) as archive:
        for name, data in members.items():
            archive.writestr(name, data)
    return out.getvalue()


def read(path: Path) -> tuple[dict[str, bytes], dict[str, str]]:
    """({path: data}, {path: reason}) of an input; no path may come twice."""
    items = list(read_pieces(str(path)))
    assert len({item.path for item in items}) == len(items), items
    assert all(isinstance(item.detail, str) for item in items if isinstance(item, Rejected))
    return (
        {item.path: item.data for item in items if isinstance(item, Piece)},
        {item.path: item.reason for item in items if isinstance(item, Rejected)},
    )


PEAK = """
import sys
from workflow.scripts.reading import archives
from workflow.scripts.reading.sources import read_pieces

def peak():  # ru_maxrss would count the process that started this one
    return int(open("/proc/self/status").read().split("VmHWM:")[1].split()[0]) >> 10

archives.MAX_UNPACKED_BYTES = int(sys.argv[2])
before = peak()
sizes = [len(getattr(item, "data", b"")) for item in read_pieces(sys.argv[1])]
print(len(sizes), sum(sizes), peak() - before)
"""


def memory_to_read(path: Path, limit: int) -> tuple[int, int, int]:
    """(items, bytes, growth of the memory in MiB) of reading an input in a process of its own."""
    done = subprocess.run([sys.executable, "-c", PEAK, str(path), str(limit)], cwd=ROOT, capture_output=True, text=True)
    return tuple(map(int, done.stdout.split()))
