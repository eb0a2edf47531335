"""An arrangement -> the plain MIDI file that midi2abc is given: one track for the meter and one for each part.

There is nothing in it but meters, programs and notes: no text, no tempo, no controllers, no key signature but that of
C, in which midi2abc spells right.
"""

import itertools

import numpy as np
from numba import njit

from workflow.scripts.midi.arrange import Arrangement
from workflow.scripts.midi.song import Song

METER, PROGRAM = range(2)  # in their order at the same tick
LOUD = 80  # velocity
HEAD = b"\x00\xff\x59\x02\x00\x00"


def plain_midi(song: Song, arranged: Arrangement) -> bytes:
    """The bytes of the file, of format 1."""
    n_parts = len(song.channels)
    body, ends = encode(arranged.notes, changes_of(song, arranged), song.channels)
    head = HEAD + meter_event(*arranged.meters[0, 1:].tolist()) + b"\x00\xff\x2f\x00"
    data = body.tobytes()
    tracks = [head, *(data[a:b] for a, b in itertools.pairwise([0, *ends.tolist()]))]
    header = b"MThd" + (6).to_bytes(4, "big") + b"\x00\x01"
    header += (n_parts + 1).to_bytes(2, "big") + arranged.division.to_bytes(2, "big")
    return header + b"".join(b"MTrk" + len(track).to_bytes(4, "big") + track for track in tracks)


def meter_event(numerator: int, denominator: int) -> bytes:
    """The event that sets a meter at tick 0."""
    return b"\x00\xff\x58\x04" + bytes((numerator, denominator.bit_length() - 1, 24, 8))


def changes_of(song: Song, arranged: Arrangement) -> np.ndarray:
    """(m, 5) part, tick, kind and two values of the changes of meter and program, in the order of the file."""
    scale = arranged.division / song.division
    rows = [(part, round(tick * scale), PROGRAM, program, 0) for part, tick, program in song.programs]
    for tick, numerator, denominator in arranged.meters[1:].tolist():
        power = denominator.bit_length() - 1
        rows += [(part, tick, METER, numerator, power) for part in range(len(song.channels))]
    return np.array(sorted(rows, key=lambda row: row[:3]), dtype=np.int64).reshape(-1, 5)


@njit(cache=True)
def put(out, at, delta, values):
    """Write an event of these bytes, ``delta`` ticks after the one before; returns where it ends."""
    for shift in (21, 14, 7, 0):
        if shift == 0 or delta >> shift:
            out[at] = delta >> shift & 0x7F | (0x80 if shift else 0)
            at += 1
    for value in values:
        out[at] = value
        at += 1
    return at


@njit(cache=True)
def encode(notes, changes, channels):
    """(bytes, (parts,) where the track of each part ends in them).

    Of what falls on one tick changes come first, then the notes that end, then those that begin. Changes that come when
    a part is over, which would lengthen it, are left out.

    Args:
        notes: (n, 4) part, onset, end and pitch, by part and onset.
        changes: as from `changes_of`.
        channels: (parts,) of each part.
    """
    out = np.empty(14 * len(notes) + 11 * len(changes) + 4 * len(channels), dtype=np.uint8)
    ends = np.zeros(len(channels), dtype=np.int64)
    at = first = change = 0
    for part in range(len(channels)):
        stop = first
        while stop < len(notes) and notes[stop, 0] == part:
            stop += 1
        by_end = first + np.argsort(notes[first:stop, 2])
        note, now = first, np.int64(0)
        while change < len(changes) and changes[change, 0] < part:
            change += 1
        for over in by_end:
            end = notes[over, 2]
            # All that comes before this note ends.
            while True:
                begins = note < stop and notes[note, 1] < end
                changed = change < len(changes) and changes[change, 0] == part and changes[change, 1] <= end
                if changed and begins and changes[change, 1] > notes[note, 1]:
                    changed = False
                if changed:
                    delta, now = changes[change, 1] - now, changes[change, 1]
                    value = changes[change, 3]
                    if changes[change, 2] == METER:
                        at = put(out, at, delta, (0xFF, 0x58, 4, value, changes[change, 4], 24, 8))
                    else:
                        at = put(out, at, delta, (0xC0 | channels[part], value))
                    change += 1
                elif begins:
                    at = put(out, at, notes[note, 1] - now, (0x90 | channels[part], notes[note, 3], LOUD))
                    now = notes[note, 1]
                    note += 1
                else:
                    break
            at = put(out, at, end - now, (0x90 | channels[part], notes[over, 3], 0))
            now = end
        at = put(out, at, 0, (0xFF, 0x2F, 0))
        ends[part] = at
        first = stop
    return out[:at], ends
