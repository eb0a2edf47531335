"""What midi2abc writes of a plain MIDI file in C -> the tune with its keys, tempos and triplets.

midi2abc has a key signature for five sharps or flats at most, knows no minor, spells after a change of key for the
wrong one, hears but one tempo, and takes a dotted rhythm for a triplet. So it writes in C on the grid, and here each
note is read, and written anew for the key that is in force.

Reads the ABC that midi2abc writes with -nt and -nb, and no other: one voice after another, without lyrics.
"""

import numpy as np
from numba import njit

from workflow.scripts.midi.arrange import Arrangement
from workflow.scripts.midi.grid import MARKER, TICKS, place
from workflow.scripts.midi.keys import key_name, keys_of, spelling, tempos_of
from workflow.scripts.midi.read_abc import MIDDLE, UNKNOWN, begins_notes, chord_at, length_at
from workflow.scripts.midi.song import Song

LETTERS = np.frombuffer(b"CDEFGAB", np.uint8)


def fields(changes: list[tuple[int, str]]) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """(ticks, text of all as bytes, (n + 1,) where each begins in it)."""
    ticks = np.array([tick for tick, _ in changes], dtype=np.int64)
    texts = [text.encode() for _, text in changes]
    return ticks, np.frombuffer(b"".join(texts), np.uint8), np.cumsum([0, *map(len, texts)])


def spelt(abc: bytes, song: Song, arranged: Arrangement) -> bytes:
    """The tune in its keys and tempos, and with its triplets.

    Args:
        abc: what midi2abc wrote of `write.plain_midi`.
    """
    scale = arranged.division / song.division
    keys = keys_of(song, scale)
    spellings, signatures = zip(*(spelling(sharps) for _, sharps, _ in keys), strict=True)
    out, size = rewrite(
        np.frombuffer(abc, np.uint8),
        TICKS * arranged.parts_per_unit,
        np.array(spellings),
        np.array(signatures),
        *fields([(tick, f"[K:{key_name(sharps, minor)}]") for tick, sharps, minor in keys]),
        *fields([(t, f"[Q:1/4={rate}]") for t, rate in tempos_of(song, scale, arranged.division)]),
        arranged.marked,
        arranged.tied,
        arranged.triplets,
        arranged.beats,
        len(song.channels) == 1,
    )
    return out[:size].tobytes()


@njit(cache=True)
def copy(data, a, b, out, at):
    """Write data[a:b] to ``out``; returns where it ends."""
    for i in range(a, b):
        out[at] = data[i]
        at += 1
    return at


@njit(cache=True)
def copy_line(fields, end, out, at):
    """Write the first of some fields within lines, which ends at ``end``, as a line; returns where that ends."""
    at = copy(fields, 1, end - 1, out, at)
    out[at] = 10
    return at + 1


@njit(cache=True)
def begin_bar(signature, anywhere, in_octave):
    """Set the accidentals in force, as of `write_pitch`, to those of a key."""
    anywhere[:] = signature
    for letter in range(7):
        in_octave[letter, :] = signature[letter]


@njit(cache=True)
def has(places, one):
    """Whether a sorted array holds a number."""
    i = np.searchsorted(places, one)
    return i < len(places) and places[i] == one


@njit(cache=True)
def write_number(value, out, at):
    """Write a number; returns where it ends."""
    size = 1
    while value // 10**size:
        size += 1
    for k in range(size - 1, -1, -1):
        out[at] = 48 + value // 10**k % 10
        at += 1
    return at


@njit(cache=True)
def write_length(ticks, unit, out, at):
    """Write a note length in lowest terms as midi2abc does, such as 3/2 and /2, and nothing for 1; returns the end."""
    a, b = ticks, unit
    while b:
        a, b = b, a % b
    times, parts = ticks // a, unit // a
    if times != 1:
        at = write_number(times, out, at)
    if parts != 1:
        out[at] = 47
        at = write_number(parts, out, at + 1)
    return at


@njit(cache=True)
def write_pitch(pitch, spelt, anywhere, in_octave, out, at):
    """Write a note, with a sign unless the bar so far leaves no doubt, however far accidentals reach; returns the end.

    Args:
        spelt: (2, 12) letter and accidental of each pitch class.
        anywhere, in_octave: (7,), (7, 12) accidental in force if one holds in all octaves, or in its own alone.
    """
    letter, sign = spelt[0, pitch % 12], spelt[1, pitch % 12]
    octave = (pitch - sign) // 12
    if anywhere[letter] != sign or in_octave[letter, octave] != sign:
        out[at] = 94 if sign == 1 else (95 if sign == -1 else 61)
        at += 1
    anywhere[letter] = in_octave[letter, octave] = sign
    octave -= MIDDLE // 12
    out[at] = LETTERS[letter] + (32 if octave > 0 else 0)
    at += 1
    for _ in range(octave - 1 if octave > 0 else -octave):
        out[at] = 39 if octave > 0 else 44
        at += 1
    return at


@njit(cache=True)
def rewrite(
    data, unit, spellings, signatures, key_ticks, key_text, key_bounds,
    tempo_ticks, tempo_text, tempo_bounds, marked, tied, triplets, beats, alone,
):  # fmt: skip
    """The text in its keys and tempos, and its length.

    Args:
        unit: ticks of the unit note length.
        spellings, signatures: (keys, 2, 12) and (keys, 7) of the keys.
        key_ticks: (keys,), the first at 0, and their fields.
        tempo_ticks: (tempos,), the first at 0, and their fields, which go into the first voice.
        marked, tied, triplets, beats: as of an `Arrangement`.
        alone: whether there is one voice, which then has no V: line.
    """
    n_changes = np.int64(1)
    for byte in data:
        n_changes += byte == 86  # V
    room = 4 * len(data) + 64 + n_changes * len(key_text) + len(tempo_text)
    out = np.empty(room, dtype=np.uint8)
    signs = np.zeros(7, dtype=np.int64)  # midi2abc forgets them at a bar line, but not where a voice begins
    anywhere, in_octave = np.zeros(7, dtype=np.int64), np.zeros((7, 12), dtype=np.int64)
    held = np.full(128, -1, dtype=np.int64)  # key in which each pitch was written that a tie goes on from
    chord = np.empty(128, dtype=np.int64)
    chord_key, goes_on = np.empty(128, dtype=np.int64), np.zeros(128, dtype=np.bool_)
    silent = False  # whether a marker goes on
    other_meter = restate = False  # whether a voice ended in another meter or key than that with which all begin
    first_meter = np.zeros(2, dtype=np.int64)
    i = at = 0
    voice, now, key, tempo, left, in_body = -1, np.int64(0), 0, 0, 0, False
    beat = np.int64(0)  # of the triplet of which so many notes are left
    begin_bar(signatures[0], anywhere, in_octave)
    while i < len(data):
        byte = data[i]
        if i == 0 or data[i - 1] == 10:  # a line begins
            stop = i
            while stop < len(data) and data[stop] != 10:
                stop += 1
            is_field = i + 1 < stop and data[i + 1] == 58 and byte >= 65
            if is_field or byte == 37:
                keep = True
                if byte == 86:  # V:
                    restate = key > 0
                    voice, now, key, tempo, left = voice + 1, np.int64(0), 0, 0, 0
                    begin_bar(signatures[0], anywhere, in_octave)
                    in_body = True
                    keep = not alone
                elif byte == 75:  # K:
                    at = copy_line(key_text, key_bounds[1], out, at)
                    keep = False
                elif byte == 81:  # Q:
                    at = copy_line(tempo_text, tempo_bounds[1], out, at)
                    keep = False
                elif byte == 76:  # L:
                    keep = not in_body
                elif byte == 37:  # a comment, or a directive
                    keep = i + 1 < stop and data[i + 1] == 37
                if keep:
                    at = copy(data, i, min(stop + 1, len(data)), out, at)
                if byte == 77 and not in_body:  # M:
                    first_meter[:] = i, stop + 1
                elif byte == 77:
                    other_meter = True
                elif byte == 86 and other_meter:
                    at = copy(data, first_meter[0], first_meter[1], out, at)
                    other_meter = False
                i = stop + 1
                continue
        is_rest = byte == 122
        if not (is_rest or begins_notes(byte)):
            out[at] = byte
            at += 1
            i += 1
            if byte == 124:  # |
                signs[:] = 0
                begin_bar(signatures[key], anywhere, in_octave)
            continue
        if restate:
            at = copy(key_text, key_bounds[0], key_bounds[1], out, at)
            restate = False
        if left == 0:
            while key + 1 < len(key_ticks) and key_ticks[key + 1] <= now:
                key += 1
                if key + 1 == len(key_ticks) or key_ticks[key + 1] > now:
                    at = copy(key_text, key_bounds[key], key_bounds[key + 1], out, at)
                    anywhere[:] = UNKNOWN
                    in_octave[:] = UNKNOWN
            while voice <= 0 and tempo + 1 < len(tempo_ticks) and tempo_ticks[tempo + 1] <= now:
                tempo += 1
                if tempo + 1 == len(tempo_ticks) or tempo_ticks[tempo + 1] > now:
                    at = copy(tempo_text, tempo_bounds[tempo], tempo_bounds[tempo + 1], out, at)
            which = np.searchsorted(triplets, place(voice, now, 0))
            if which < len(triplets) and triplets[which] == place(voice, now, 0):
                left, beat = 3, beats[which]
                out[at], out[at + 1] = 40, 51  # (3
                at += 2
        if is_rest:
            duration, i = length_at(data, i + 1, unit)
            out[at] = 122
            at = write_length(beat // 2 if left else duration, unit, out, at + 1)
        else:
            size, duration, i = chord_at(data, i, unit, signs, chord, goes_on)
            written, heard = (beat // 2, beat // 3) if left else (duration, duration)
            silent = size == 1 and chord[0] == MARKER and (silent or has(marked, place(voice, now, MARKER)))
            if silent:
                out[at] = 122
                at = write_length(written, unit, out, at + 1)
                silent = goes_on[0]
            else:
                if byte == 91:
                    out[at] = 91
                    at += 1
                for k in range(size):
                    pitch = chord[k]
                    goes_on[k] = goes_on[k] or has(tied, place(voice, now + heard, pitch))
                    chord_key[k] = held[pitch] if held[pitch] >= 0 else key  # a tie joins notes of one name
                    at = write_pitch(pitch, spellings[chord_key[k]], anywhere, in_octave, out, at)
                    if byte == 91 and goes_on[k]:
                        out[at] = 45
                        at += 1
                if byte == 91:
                    out[at] = 93
                    at += 1
                at = write_length(written, unit, out, at)
                if byte != 91 and goes_on[0]:
                    out[at] = 45
                    at += 1
                held[:] = -1
                for k in range(size):
                    if goes_on[k]:
                        held[chord[k]] = chord_key[k]
        now += beat // 3 if left else duration
        left = max(left - 1, 0)
    return out, at
