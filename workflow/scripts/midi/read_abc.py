"""The notes that a tune made by `spell` says, by the rules of ABC: what `agreement` compares with the MIDI.

Reads what midi2abc and `spell` write, and no other ABC: one voice after another, chords, ties, plain triplets, keys by
their names.
"""

import re

import numpy as np
from numba import njit

FIFTHS = "FCGDAEB"
LETTERS_OF_FIFTHS = np.array([3, 0, 4, 1, 5, 2, 6])  # of each of FIFTHS, counted from C
NATURAL = np.array([0, 2, 4, 5, 7, 9, 11])  # semitones of the letters, from C
MIDDLE = 60  # the pitch of C without a mark
UNKNOWN = 9  # no accidental
UNITS = 96  # of a quarter note: thirds of a 64th are whole
UNIT = re.compile(rb"^L: ?1/(\d+)$", re.MULTILINE)


def notes_of(abc: bytes) -> np.ndarray:
    """(n, 4) int64 voice from 0, onset, end and pitch of every note, `UNITS` a quarter; tied notes are one."""
    match = UNIT.search(abc)
    unit = 4 * UNITS // int(match[1]) if match else UNITS // 2
    return read_notes(np.frombuffer(abc + b"\n", np.uint8), unit)


@njit(cache=True)
def whole(data, at, default):
    """(the number that begins here, next byte); the default if none does."""
    first, value = at, 0
    while at < len(data) and 48 <= data[at] < 58:
        value = value * 10 + data[at] - 48
        at += 1
    return (value if at > first else default), at


@njit(cache=True)
def length_at(data, at, unit):
    """(ticks of the note length that may stand here, next byte)."""
    times, at = whole(data, at, 1)
    parts = 1
    if at < len(data) and data[at] == 47:  # /
        parts, at = whole(data, at + 1, 2)
    return unit * times // max(parts, 1), at


@njit(cache=True)
def begins_notes(byte):
    """Whether a note or chord begins with this: a bracket, a sign or a letter."""
    return byte == 91 or byte == 94 or byte == 95 or byte == 61 or 65 <= byte <= 71 or 97 <= byte <= 103


@njit(cache=True)
def pitch_at(data, at, signs):
    """(pitch of the note whose sign or letter stands here, next byte); a sign goes on in ``signs``.

    It is from 0 to 127, whatever is written.
    """
    sign = UNKNOWN
    if data[at] == 94:  # ^
        sign = 1
    elif data[at] == 95:  # _
        sign = -1
    elif data[at] == 61:  # =
        sign = 0
    at += sign != UNKNOWN
    lower = data[at] >= 97
    letter = (data[at] - (97 if lower else 65) + 5) % 7
    at += 1
    octave = 12 if lower else 0
    while at < len(data) and (data[at] == 39 or data[at] == 44):  # ' ,
        octave += 12 if data[at] == 39 else -12
        at += 1
    if sign != UNKNOWN:
        signs[letter] = sign
    return min(max(MIDDLE + NATURAL[letter] + octave + signs[letter], 0), 127), at


@njit(cache=True)
def chord_at(data, at, unit, signs, chord, goes_on):
    """(how many notes the note or chord here has, its ticks, next byte).

    Their pitches are written to ``chord``, and to ``goes_on`` which of them are tied.
    """
    in_chord = data[at] == 91  # [
    at += in_chord
    size = 0
    while at < len(data) and data[at] != 93 and data[at] != 10 and (size < len(chord) if in_chord else size == 0):
        chord[size], at = pitch_at(data, at, signs)
        goes_on[size] = in_chord and data[at] == 45  # -
        at += goes_on[size]
        size += 1
    at += in_chord
    duration, at = length_at(data, at, unit)
    if not in_chord and at < len(data) and data[at] == 45:
        goes_on[0] = True
        at += 1
    return size, duration, at


@njit(cache=True)
def key_at(data, at, signature):
    """Set the (7,) accidentals of the key whose name stands here, such as F#m."""
    letter = (data[at] - 65 + 5) % 7
    at += 1
    sharps = 0
    for k in range(7):
        if LETTERS_OF_FIFTHS[k] == letter:
            sharps = k - 1
    while data[at] == 35 or data[at] == 98:  # # b
        sharps += 7 if data[at] == 35 else -7
        at += 1
    if data[at] == 109:  # m
        sharps -= 3
    for k in range(7):
        signature[LETTERS_OF_FIFTHS[k]] = (sharps + 6 - k) // 7


@njit(cache=True)
def read_notes(data, unit):
    """(n, 4) voice, onset, end and pitch of the notes of a text that ends a line; ``unit`` is what a bare one lasts."""
    notes = np.empty((len(data), 4), dtype=np.int64)
    held = np.full(128, -1, dtype=np.int64)  # the note of each pitch that a tie goes on from
    header, signature, signs = np.zeros(7, np.int64), np.zeros(7, np.int64), np.zeros(7, np.int64)
    chord, goes_on = np.empty(128, dtype=np.int64), np.zeros(128, dtype=np.bool_)
    i = n = voice = left = 0
    voices, now = 0, np.int64(0)
    while i < len(data):
        byte = data[i]
        if (i == 0 or data[i - 1] == 10) and (byte == 37 or (i + 1 < len(data) and data[i + 1] == 58 and byte >= 65)):
            if byte == 86:  # V:
                voice, now, left = voices, np.int64(0), 0
                voices += 1
                held[:] = -1
                signature[:] = signs[:] = header
            elif byte == 75:  # K:
                key_at(data, i + 2, header)
                signature[:] = signs[:] = header
            while data[i] != 10:
                i += 1
        elif byte == 124:  # |
            signs[:] = signature
            i += 1
        elif byte == 91 and data[i + 2] == 58:  # [K: or [Q:
            if data[i + 1] == 75:
                key_at(data, i + 3, signature)
                signs[:] = signature
            while i < len(data) and data[i] != 93:
                i += 1
            i += 1
        elif byte == 40:  # (3
            left = 3
            i += 2
        elif byte == 122:
            duration, i = length_at(data, i + 1, unit)
            now += duration * 2 // 3 if left else duration
            left = max(left - 1, 0)
            held[:] = -1
        elif begins_notes(byte):
            size, duration, i = chord_at(data, i, unit, signs, chord, goes_on)
            duration = duration * 2 // 3 if left else duration
            for k in range(size):
                pitch = chord[k]
                note = held[pitch]
                if note < 0:
                    note = n
                    notes[n, 0], notes[n, 1], notes[n, 3] = voice, now, pitch
                    n += 1
                notes[note, 2] = now + duration
                chord[k] = note
            held[:] = -1
            for k in range(size):
                if goes_on[k]:
                    held[notes[chord[k], 3]] = chord[k]
            now += duration
            left = max(left - 1, 0)
        else:
            i += 1
    return notes[:n]
