"""The bytes of the tracks of a MIDI file -> its notes and the events that matter to them, whatever is odd about it.

Follows the Standard MIDI Files 1.0 specification (MIDI Manufacturers Association 1996), and where a file breaks it,
reads what can be read: a track that breaks off keeps the events before the break.
"""

import numpy as np
from numba import njit

# Kinds of events, in the first column of a table of them.
PROGRAM, TEMPO, METER, KEY = range(4)
OPEN = -1  # the end of a note that was never ended


@njit(cache=True)
def number(data, at, end):
    """(value, next byte) of a variable-length quantity of at most four bytes; (-1, end) if the data ends in it."""
    value = np.int64(0)
    for _ in range(4):
        if at >= end:
            return np.int64(-1), end
        byte = np.int64(data[at])
        at += 1
        value = value << 7 | byte & 0x7F
        if byte < 0x80:
            break
    return value, at


@njit(cache=True)
def data_bytes(status):
    """How many data bytes follow a status byte other than those of sysex and meta events."""
    if status >= 0xF0:
        return 2 if status == 0xF2 else (1 if status == 0xF1 or status == 0xF3 else 0)
    return 1 if 0xC0 <= status < 0xE0 else 2


@njit(cache=True)
def meta_event(data, kind, first, length, track, now, row):
    """Write the tempo, meter or key that a meta event sets to ``row``; returns whether it sets one.

    Its data begin at ``first``.
    """
    row[1], row[2] = track, now
    if kind == 0x51 and length >= 3:
        row[0] = TEMPO
        row[3] = np.int64(data[first]) << 16 | np.int64(data[first + 1]) << 8 | np.int64(data[first + 2])
    elif kind == 0x58 and length >= 2:
        row[0], row[3], row[4] = METER, data[first], data[first + 1]
    elif kind == 0x59 and length >= 2:
        row[0], row[3], row[4] = KEY, np.int64(np.int8(data[first])), data[first + 1]
    else:
        return False
    return True


@njit(cache=True)
def read_events(data, starts, ends):
    """Read the events of every track.

    A note ends at the first note-off of its channel and pitch that no earlier note took. Running status goes on over
    sysex and meta events, as in many files, though the standard ends it there.

    Args:
        data: (bytes,) uint8 of the file.
        starts, ends: (tracks,) where the events of each track are in it, at most; a track ends where it says so.

    Returns:
        notes: (n, 5) int64 track, channel, onset, end (`OPEN` where there is none) and pitch, by track and onset.
        events: (m, 5) int64 kind, track, tick, and two values: channel and program; microseconds a quarter; numerator
            and exponent of the denominator; sharps (flats below 0) and mode.
        lasts: (tracks,) tick at which each track ends.
        broken: number of tracks that broke off.
    """
    notes = np.empty((len(data) // 3 + 1, 5), dtype=np.int64)
    events = np.empty((len(data) // 2 + 1, 5), dtype=np.int64)
    lasts = np.zeros(len(starts), dtype=np.int64)
    n = m = broken = 0
    first_open = np.empty((16, 128), dtype=np.int64)  # of the notes of a channel and pitch that sound
    last_open = np.empty((16, 128), dtype=np.int64)
    next_open = np.empty(len(notes), dtype=np.int64)
    for track in range(len(starts)):
        first_open[:] = last_open[:] = -1
        at, end, now, status, over = starts[track], ends[track], np.int64(0), np.int64(0), False
        while not over:
            delta, at = number(data, at, end)
            if delta < 0 or at >= end:
                broken += at > end or delta >= 0
                break
            now += delta
            if data[at] >= 0x80:
                said = np.int64(data[at])
                at += 1
                if said < 0xF0:
                    status = said
            else:
                said = status
            if at >= end:
                broken += 1
                break
            if said == 0xFF:
                size, body = number(data, at + 1, end)
                if size < 0 or body + size > end:
                    broken += 1
                    break
                if data[at] == 0x2F:
                    over = True
                elif meta_event(data, data[at], body, size, track, now, events[m]):
                    m += 1
                at = body + size
                continue
            if said == 0xF0 or said == 0xF7:
                size, body = number(data, at, end)
                if size < 0 or body + size > end:
                    broken += 1
                    break
                at = body + size
                continue
            size = data_bytes(said)
            # A value of 128 or more, as some programs write for the loudest, is taken for 127; a pitch never is one.
            if said == 0 or at + size > end or (size > 1 and data[at] >= 0x80):
                broken += 1
                break
            kind, channel = said >> 4, said & 15
            if kind == 0xC:
                events[m, 0], events[m, 1], events[m, 2], events[m, 3], events[m, 4] = (
                    PROGRAM, track, now, channel, min(data[at], 127),
                )  # fmt: skip
                m += 1
            elif kind == 0x9 and data[at + 1] > 0:
                pitch = np.int64(data[at])
                notes[n, 0], notes[n, 1], notes[n, 2], notes[n, 3], notes[n, 4] = track, channel, now, OPEN, pitch
                next_open[n] = -1
                if last_open[channel, pitch] < 0:
                    first_open[channel, pitch] = n
                else:
                    next_open[last_open[channel, pitch]] = n
                last_open[channel, pitch] = n
                n += 1
            elif kind == 0x9 or kind == 0x8:
                pitch = np.int64(data[at])
                note = first_open[channel, pitch]
                if note >= 0:
                    notes[note, 3] = now
                    first_open[channel, pitch] = next_open[note]
                    if next_open[note] < 0:
                        last_open[channel, pitch] = -1
            at += size
        lasts[track] = now
    return notes[:n], events[:m], lasts, broken
