"""A MIDI file as anyone may have written it -> its notes, meters, keys, tempos and programs.

Needs the bytes. What stands around the file (RMID, MacBinary, junk) and between its tracks is passed over, and a file
that was cut short, or that counts its tracks or their bytes wrong, gives what is there.
"""

from collections.abc import Iterable
from dataclasses import dataclass

import numpy as np
from numba import njit

from workflow.scripts.midi.errors import ConversionError
from workflow.scripts.midi.events import KEY, METER, OPEN, PROGRAM, TEMPO, read_events
from workflow.scripts.midi.grid import place, without_overlaps

Event = list[int]  # track, tick and two values, as of `read_events`
NOTE = np.dtype([("part", "<i4"), ("onset", "<i8"), ("length", "<i8"), ("pitch", "u1"), ("drum", "?")])
DRUMS = 9  # the channel of percussion in General MIDI, from 0
MAX_JUNK = 4096  # bytes before the header
MAX_DENOMINATOR = 5  # as a power of two: shorter beats than a 32nd are a mistake
MAX_NUMERATOR = 64
TEMPOS = 60_000_000 // 1000, 60_000_000 // 10  # microseconds a quarter, of 1000 to 10 beats a minute


@dataclass(frozen=True)
class Song:
    """What a MIDI file says, times in ticks.

    Attributes:
        division: ticks of a quarter note.
        notes: (n,) `NOTE`, by part, onset and pitch; no two of a part have the same onset and pitch, and none goes on
            when its pitch is struck again. A part is a channel of a track, so voices never hold two instruments.
        channels: (parts,) of each part, from 0.
        programs: part, tick and program of each change, by part and tick.
        tempos: tick, microseconds a quarter.
        meters: tick, numerator and denominator.
        keys: tick, sharps from -7 to 7, and 1 for a minor key.
        doubled: notes that were left out as their part had struck the same pitch at the same tick.
    """

    division: int
    notes: np.ndarray
    channels: np.ndarray
    programs: list[tuple[int, int, int]]
    tempos: list[tuple[int, ...]]
    meters: list[tuple[int, ...]]
    keys: list[tuple[int, ...]]
    doubled: int


def read_song(midi: bytes) -> Song:
    """Read a MIDI file.

    Raises:
        ConversionError: it is none (``not_midi``), is timed in seconds (``midi_smpte``), has no ticks
            (``midi_division``) or no note (``midi_empty``).
    """
    start = midi.find(b"MThd", 0, MAX_JUNK)
    if start < 0 or len(midi) < start + 14:
        raise ConversionError("not_midi", "no MThd header" if midi else "empty")
    division = int.from_bytes(midi[start + 12 : start + 14], "big")
    if division >= 0x8000:
        raise ConversionError("midi_smpte", "timed in seconds, not in beats")
    if not division:
        raise ConversionError("midi_division", "a quarter note of 0 ticks")
    bounds = np.array(tracks_of(midi, start), dtype=np.int64).reshape(-1, 2)
    notes, events, lasts, broken = read_events(
        np.frombuffer(midi, np.uint8), np.ascontiguousarray(bounds[:, 0]), np.ascontiguousarray(bounds[:, 1])
    )
    if not len(notes):
        why = f"; {broken} of {len(bounds)} tracks broke off" if broken else ""
        raise ConversionError("midi_empty", f"no note in {len(bounds)} tracks{why}")
    rows, channels, of_track = parts_of(notes, lasts)
    clear = rows[without_overlaps(rows)]
    played = np.empty(len(clear), dtype=NOTE)
    played["part"], played["onset"], played["length"], played["pitch"] = (
        clear[:, 0], clear[:, 1], clear[:, 2] - clear[:, 1], clear[:, 3],
    )  # fmt: skip
    played["drum"] = (channels == DRUMS)[clear[:, 0]]
    of_kind: dict[int, list[Event]] = {kind: [] for kind in (PROGRAM, TEMPO, METER, KEY)}
    for kind, *event in events[np.argsort(events[:, 2], kind="stable")].tolist():
        of_kind[kind].append(event)
    return Song(
        division,
        played,
        channels,
        programs_of(of_kind[PROGRAM], channels, of_track),
        tempos_of(of_kind[TEMPO]),
        meters_of(of_kind[METER]),
        keys_of(of_kind[KEY]),
        len(rows) - len(clear),
    )


def tracks_of(midi: bytes, start: int) -> list[tuple[int, int]]:
    """(first byte, end at most) of the events of each track of a file whose header begins at ``start``.

    A track says by an event of its own where it ends, so of lengths only those are believed that lead to another chunk.
    """
    at = start + 8 + max(int.from_bytes(midi[start + 4 : start + 8], "big"), 6)
    if midi[at : at + 4] != b"MTrk":  # behind alien chunks, or a header whose length is wrong
        at = start + 14
    found = []
    while at + 8 <= len(midi):
        end = at + 8 + int.from_bytes(midi[at + 4 : at + 8], "big")
        if midi[at : at + 4] == b"MTrk":
            if end < len(midi) and midi[end : end + 4] != b"MTrk" and not is_chunk(midi, end):
                end = len(midi)
            following = midi.find(b"MTrk", at + 8)
            if end > len(midi) or (0 <= following < end and end == len(midi)):
                end = following if following >= 0 else len(midi)
            found.append((at + 8, end))
            at = end
        elif is_chunk(midi, at):
            at = end
        else:
            following = midi.find(b"MTrk", at + 1)
            at = following if following >= 0 else len(midi)
    return found


def is_chunk(midi: bytes, at: int) -> bool:
    """Whether a chunk that fits into the file begins here: a name in ASCII, and a length."""
    name, size = midi[at : at + 4], midi[at + 4 : at + 8]
    return len(size) == 4 and name.isalnum() and at + 8 + int.from_bytes(size, "big") <= len(midi)


def parts_of(notes: np.ndarray, lasts: np.ndarray) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """(n, 4) part, onset, end and pitch by part, onset and pitch, and (parts,) channel and track of each part.

    A note that was never ended lasts until the next onset of its part, or to the end of the track.
    """
    key = notes[:, 0] * 16 + notes[:, 1]
    keys = np.flatnonzero(np.bincount(key))
    number = np.zeros(keys[-1] + 1, dtype=np.int64)
    number[keys] = np.arange(len(keys))
    part = number[key]
    rows = np.stack([part, notes[:, 2], notes[:, 3], notes[:, 4]], axis=1)
    rows = rows[np.argsort(place(part, notes[:, 2], notes[:, 4]), kind="stable")]
    channels, tracks = keys % 16, keys // 16
    if (rows[:, 2] == OPEN).any():
        end_open(rows, lasts[tracks])
    return rows, channels, tracks


@njit(cache=True)
def end_open(rows, lasts):
    """End notes without an end at the next onset of their part, or where it is over: at ``lasts``, (parts,)."""
    following = lasts[rows[-1, 0]]
    for i in range(len(rows) - 1, -1, -1):
        if i + 1 < len(rows) and rows[i + 1, 0] != rows[i, 0]:
            following = lasts[rows[i, 0]]
        elif i + 1 < len(rows) and rows[i + 1, 1] != rows[i, 1]:
            following = rows[i + 1, 1]
        if rows[i, 2] == OPEN:
            rows[i, 2] = following


def programs_of(changes: list[Event], channels: np.ndarray, of_track: np.ndarray) -> list[tuple[int, int, int]]:
    """Part, tick and program; a part that its track gives none takes those that others give its channel.

    Args:
        changes: track, tick, channel and program of each, by tick.
    """
    rows: list[tuple[int, int, int]] = []
    for part, (channel, track) in enumerate(zip(channels.tolist(), of_track.tolist(), strict=True)):
        of_channel = [change for change in changes if change[2] == channel]
        held = -1
        for _, tick, _, program in [change for change in of_channel if change[0] == track] or of_channel:
            if program != held:
                rows.append((part, tick, program))
            held = program
    return rows


def settings(rows: Iterable[tuple[int, ...]]) -> list[tuple[int, ...]]:
    """Of rows by tick the last of each tick, without those that repeat what holds already."""
    kept: list[tuple[int, ...]] = []
    for row in {row[0]: row for row in rows}.values():
        if not kept or kept[-1][1:] != row[1:]:
            kept.append(row)
    return kept


def tempos_of(events: list[Event]) -> list[tuple[int, ...]]:
    """Tick, microseconds a quarter of the tempos that music has."""
    return settings((tick, tempo) for _, tick, tempo, _ in events if TEMPOS[0] <= tempo <= TEMPOS[1])


def meters_of(events: list[Event]) -> list[tuple[int, ...]]:
    """Tick, numerator and denominator of the meters that music has."""
    return settings(
        (tick, numerator, 1 << power)
        for _, tick, numerator, power in events
        if 0 < numerator <= MAX_NUMERATOR and power <= MAX_DENOMINATOR
    )


def keys_of(events: list[Event]) -> list[tuple[int, ...]]:
    """Tick, sharps and 1 for minor; eight sharps are four flats, and a mode that is none is major."""
    signed = ((tick, sharps - 12 * (sharps > 7) + 12 * (sharps < -7), mode == 1) for _, tick, sharps, mode in events)
    return settings((tick, sharps, int(is_minor)) for tick, sharps, is_minor in signed if -7 <= sharps <= 7)
