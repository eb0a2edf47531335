"""What sounds in a clean tune: its notes, rests, voices and bars, and three streams to compare tunes by.

One pass of compiled code over the text that `clean` wrote. It counts; whether a tune is well formed is for
`eval_syntax` to say.
"""

from typing import NamedTuple

import numpy as np
from numba import njit

from workflow.scripts.notation.clean import (
    BACKSLASH,
    BAR,
    COLON,
    NEWLINE,
    PERCENT,
    SPACE,
    is_field,
    is_sounding_directive,
)

MAX_VOICES = 64  # voices told apart; more are counted as this many
NO_PITCH = -1000

# Columns of `Music.counts`.
NOTES, RESTS, VOICES, HAS_KEY = range(4)


class Ragged(NamedTuple):
    """One value after another for tune after tune; tune i has ``values[bounds[i]:bounds[i + 1]]``."""

    values: np.ndarray
    bounds: np.ndarray


class Music(NamedTuple):
    """Measures of n tunes.

    Attributes:
        counts: (n, 4) int64: notes, rests, voices, and whether a K: field ends the header.
        heard: bytes of what decides the sound (meter, unit, tempo, key, voices, parts, %%MIDI, music) without blanks.
            Two tunes with the same are the same music.
        notes: bytes of the music alone, without chord symbols, decorations, grace notes, inline fields and blanks.
        steps: int8 steps on the staff from one note to the next as the text has them, of chords the highest note.
            The same in every key and rhythm.
        lead: the same within the first voice.
        contour: the same within the first voice, repetitions of a note left out.
    """

    counts: np.ndarray
    heard: Ragged
    notes: Ragged
    steps: Ragged
    lead: Ragged
    contour: Ragged


HEARD_FIELDS = np.zeros(256, dtype=np.bool_)
HEARD_FIELDS[list(b"MLQKVPUms")] = True
STAFF = np.full(256, -1, dtype=np.int64)  # steps above the C of "C"
for _step, _letter in enumerate(b"CDEFGAB"):
    STAFF[_letter] = _step
    STAFF[_letter + 32] = _step + 7


@njit(cache=True)
def skip_to(text, i, stop, mark):
    """Index of ``mark`` on this line, or -1."""
    while i < stop and text[i] != NEWLINE:
        if text[i] == mark:
            return i
        i += 1
    return -1


@njit(cache=True)
def end_of_decoration(text, i, stop):
    """Where !...! ends, or -1 if the mark at i - 1 is a line break of old ABC."""
    for j in range(i, min(i + 24, stop)):
        byte = text[j]
        if byte == 33:
            return j
        if byte in (NEWLINE, SPACE, BAR, 34, 91, 93):
            return -1
    return -1


@njit(cache=True)
def voice_of(text, i, stop):
    """A number for the voice named at i: a hash of its id."""
    while i < stop and text[i] == SPACE:
        i += 1
    h = np.uint32(2166136261)
    while i < stop and text[i] not in (SPACE, NEWLINE, 91, 93):  # a [ ends it so that no text is read over and over
        h = np.uint32((h ^ np.uint32(text[i])) * np.uint32(16777619))
        i += 1
    return h


@njit(cache=True)
def meet(voices, n, voice):
    """How many voices are known after this one was named."""
    for v in range(n):
        if voices[v] == voice:
            return n
    if n < len(voices):
        voices[n] = voice
        n += 1
    return n


@njit(cache=True)
def copy_solid(text, a, b, out, o):
    """Copy [a, b) without blanks; returns the end of the copy."""
    for i in range(a, b):
        if text[i] > SPACE:
            out[o] = text[i]
            o += 1
    return o


@njit(cache=True)
def step(low, high):
    return min(max(high - low, -60), 60)


@njit(cache=True)
def listen(text, bounds):
    """`Music` of the tunes that stand in ``text`` between ``bounds``, as `clean` returns them."""
    n, size = len(bounds) - 1, len(text)
    counts = np.zeros((n, 4), dtype=np.int64)
    heard, notes = np.empty(size, np.uint8), np.empty(size, np.uint8)
    steps, lead, contour = np.empty(size, np.int8), np.empty(size, np.int8), np.empty(size, np.int8)
    ends = np.zeros((5, n + 1), dtype=np.int64)
    voices = np.empty(MAX_VOICES, dtype=np.uint32)
    h = w = s = d = c = np.int64(0)  # a plain 0 is of another type, for which what is called is compiled once more
    for t in range(n):
        n_voices = n_notes = n_rests = 0
        voice = leader = np.uint32(0)
        pitch = lead_pitch = NO_PITCH
        body = np.bool_(False)
        i, stop = bounds[t], bounds[t + 1]
        while i < stop:  # a line begins at i
            end = i
            while end < stop and text[end] != NEWLINE:
                end += 1
            line_end = end
            for j in range(i + 2 if text[i] == PERCENT else i + 1, end):
                if text[j] == PERCENT and text[j - 1] != BACKSLASH:  # a comment that was kept
                    end = j
                    break
            if text[i] == PERCENT:
                if end - i > 6 and text[i + 1] == PERCENT and is_sounding_directive(text, i, end):
                    h = copy_solid(text, i, end, heard, h)
                i = line_end + 1
                continue
            if is_field(text, i, end, body):
                letter = text[i]
                if letter == 75:
                    body = True
                elif letter == 86:
                    voice = voice_of(text, i + 2, end)
                    n_voices = meet(voices, n_voices, voice)
                if HEARD_FIELDS[letter]:
                    h = copy_solid(text, i, end, heard, h)
                i = line_end + 1
                continue
            if not body:
                i = line_end + 1
                continue
            h = copy_solid(text, i, end, heard, h)
            chord, overlay, top = False, False, NO_PITCH
            braced = bracketed = True  # whether a { or [ that is still to come may be closed
            while i < end:
                byte = text[i]
                height = NO_PITCH  # of a note or a chord that sounds here
                if STAFF[byte] >= 0:
                    n_notes += 1
                    note = STAFF[byte]
                    first = i
                    i += 1
                    while i < end and (text[i] == 39 or text[i] == 44):
                        note += 7 if text[i] == 39 else -7
                        i += 1
                    while i < end and (48 <= text[i] <= 57 or text[i] == 47):
                        i += 1
                    w = copy_solid(text, first, i, notes, w)
                    i -= 1
                    if chord:
                        top = max(top, note)
                    else:
                        height = note
                elif byte == 34:  # "chord symbol or text"
                    i = max(i, skip_to(text, i + 1, end, 34))
                elif byte == 33:  # !decoration!
                    i = max(i, end_of_decoration(text, i + 1, end))
                elif byte == 123:  # {grace notes}
                    close = skip_to(text, i + 1, end, 125) if braced else -1
                    braced = close >= 0
                    i = max(i, close)
                elif byte == 91 and i + 2 < end and text[i + 2] == COLON and text[i + 1] != BAR:  # [V:1]
                    if text[i + 1] == 86:
                        voice = voice_of(text, i + 3, end)
                        n_voices = meet(voices, n_voices, voice)
                    close = skip_to(text, i + 1, end, 93) if bracketed else -1
                    bracketed = close >= 0
                    i = max(i, close)
                else:
                    if byte > SPACE:
                        notes[w] = byte
                        w += 1
                    if byte == 122 or byte == 120 or byte == 90 or byte == 88:  # z x Z X
                        n_rests += 1
                    elif byte == 91:  # of a chord, not of an ending [1 or a bar line [|
                        chord, top = i + 1 < end and text[i + 1] != BAR and not 48 <= text[i + 1] <= 57, NO_PITCH
                    elif byte == 93 and chord:
                        chord, height = False, top
                    elif byte == 38:  # & until the end of the bar, a voice beside the first
                        overlay = True
                    elif byte == BAR:  # ends a chord that is not closed, too
                        chord = overlay = False
                if height != NO_PITCH:
                    if pitch != NO_PITCH:
                        steps[s] = step(pitch, height)
                        s += 1
                    pitch = height
                    if leader == 0:
                        leader = voice
                    if voice == leader and not overlay:
                        if lead_pitch != NO_PITCH:
                            lead[d] = step(lead_pitch, height)
                            d += 1
                            if height != lead_pitch:
                                contour[c] = lead[d - 1]
                                c += 1
                        lead_pitch = height
                i += 1
            i = line_end + 1
        counts[t, NOTES], counts[t, RESTS], counts[t, VOICES] = n_notes, n_rests, max(n_voices, 1)
        counts[t, HAS_KEY] = body
        ends[0, t + 1], ends[1, t + 1], ends[2, t + 1], ends[3, t + 1], ends[4, t + 1] = h, w, s, d, c
    return Music(
        counts,
        Ragged(heard[:h], ends[0]),
        Ragged(notes[:w], ends[1]),
        Ragged(steps[:s], ends[2]),
        Ragged(lead[:d], ends[3]),
        Ragged(contour[:c], ends[4]),
    )
