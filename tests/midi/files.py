"""MIDI files made by hand, and those of the bundle."""

import struct
import tarfile
from pathlib import Path

END = b"\0\xff\x2f\0"
METER = b"\0\xff\x58\x04\x04\x02\x18\x08"
NOTE = b"\0\x90\x3c\x40\x60\x80\x3c\x40"  # a quarter of middle C


def midi(*tracks: bytes) -> bytes:
    """A MIDI file of these tracks, 96 ticks to the quarter."""
    chunks = [b"MTrk" + struct.pack(">I", len(track)) + track for track in tracks]
    return b"MThd" + struct.pack(">IHHH", 6, len(tracks) > 1, len(tracks), 96) + b"".join(chunks)


def note(pitch: int, ticks: int, channel: int = 0, wait: int = 0) -> bytes:
    """A note of this many ticks; times below 128."""
    return bytes((wait, 0x90 | channel, pitch, 64, ticks, 0x80 | channel, pitch, 0))


def meta(kind: int, data: bytes) -> bytes:
    """A meta event, at once."""
    return bytes((0, 0xFF, kind, len(data))) + data


TUNE = midi(METER + NOTE * 8 + END)


def bundle_files(shared: Path) -> list[bytes]:
    """The files of the bundle."""
    with tarfile.open(shared / "midi" / "midi_bundle.tar.gz") as tar:
        return [tar.extractfile(member).read() for member in tar if member.name.endswith(".mid")]
