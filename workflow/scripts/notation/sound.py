"""What sounds in a clean tune: its notes, rests and voices, and streams to compare tunes by.

Needs the text that `notation.clean` wrote, and reads it in one pass of compiled code. Whether a tune is well formed is
for `grammar.checker` to say.

The parser reads a tune line by line, and a line of music sign by sign. What it knows is in a record of `STATE`.
"""

from typing import NamedTuple

import numpy as np
from numba import njit

from workflow.scripts.notation.lines import (
    AMPERSAND,
    APOSTROPHE,
    BACKSLASH,
    BAR,
    CLOSE_BRACKET,
    COLON,
    COMMA,
    DIALECT,
    EXCLAMATION,
    KEY,
    NEWLINE,
    OPEN_BRACE,
    OPEN_BRACKET,
    PERCENT,
    PLUS,
    QUOTE,
    SILENT,
    SPACE,
    VOICE,
    end_of_line,
    inlined,
    is_field,
    is_field_in_body,
    is_like_music,
    kind_of_line,
    table_of,
)
from workflow.scripts.notation.steps import OVERLAY, step, steps_within
from workflow.scripts.notation.within_lines import skip_decoration, skip_enclosed

MAX_VOICES = 64  # voices told apart; more are counted as this many
OCTAVE = 7  # steps
NO_PITCH = int(np.iinfo(np.int32).min)  # below every note

# Columns of `Music.counts`.
NOTES, RESTS, VOICES, HAS_KEY = range(4)

IS_HEARD = table_of(b"MLQKVPUms")  # the fields that decide how a tune sounds
IS_DIGIT, IS_LENGTH, IS_REST = table_of(b"0123456789"), table_of(b"0123456789/"), table_of(b"zxZX")
ENDS_VOICE = table_of(b" \n[]")  # without the [, the text of [V:[V:[V: would be read over and over
STAFF = np.full(256, -1, dtype=np.int64)  # of the letter of a note: steps above the C of "C"
for _step, _letter in enumerate("CDEFGAB"):
    STAFF[ord(_letter)] = _step
    STAFF[ord(_letter.lower())] = _step + OCTAVE

# What the parser knows.
STATE = np.dtype(
    [
        (name, np.int64)
        for name in (
            "n_notes",  # in this tune up to here
            "n_rests",
            "n_voices",
            "has_key",  # a K: field has ended the header
            "n_dialects",  # directives that have said what ! or + are
            "voice",  # number of the voice that plays; 0 before any is named
            "place",  # of that voice among those named, from 1
            "leader",  # number of the first that played
            "lead_pitch",  # of the leader's note before
            "in_chord",
            "in_overlay",  # after an &, until the end of the bar
            "top",  # the note that is read, or the highest of the chord
            "heard_end",  # how much of each stream is written
            "notes_end",
            "heights_end",
            "lead_end",
            "contour_end",
        )
    ]
)


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
        steps: int8 steps on the staff from one note to the next of each voice, of chords the highest note; a BREAK
            between two voices. The same in every key and rhythm, and in whatever layout of the voices.
        lead: the same within the first voice that sounds.
        contour: the same within that voice, repetitions of a note left out.
    """

    counts: np.ndarray
    heard: Ragged
    notes: Ragged
    steps: Ragged
    lead: Ragged
    contour: Ragged


def listen(text: np.ndarray, bounds: np.ndarray) -> Music:
    """`Music` of the tunes that are in ``text`` between ``bounds``, as `notation.clean.clean` returns them."""
    n, size = len(bounds) - 1, len(text)
    heard, notes, places = (np.empty(size, np.uint8) for _ in range(3))
    heights = np.empty(size, np.int32)
    lead, contour = (np.empty(size, np.int8) for _ in range(2))
    counts, ends = np.zeros((n, 4), dtype=np.int64), np.zeros((5, n + 1), dtype=np.int64)
    state, voices = np.zeros(1, dtype=STATE), np.zeros(MAX_VOICES, dtype=np.uint32)
    read_tunes(text, bounds, state, voices, counts, ends, heard, notes, heights, places, lead, contour)
    steps, ends[2] = steps_within(heights, places, ends[2])
    streams = (heard, notes, steps, lead, contour)
    return Music(counts, *(Ragged(stream[: end[-1]], end) for stream, end in zip(streams, ends, strict=True)))


@njit(cache=True)
def read_tunes(text, bounds, states, voices, counts, ends, heard, notes, heights, places, lead, contour):
    """Read every tune: fill ``counts`` and the streams, and note in ``ends`` where a tune ends in each stream.

    ``states`` (one) and ``voices`` (numbers of those that a tune has) are for the parser to write in.
    """
    state = states[0]
    for t in range(len(counts)):
        state.n_notes = state.n_rests = state.n_voices = state.has_key = state.n_dialects = 0
        state.voice = state.place = state.leader = 0
        state.lead_pitch = NO_PITCH
        read_tune(text, bounds[t], bounds[t + 1], state, voices, heard, notes, heights, places, lead, contour)
        counts[t, NOTES], counts[t, RESTS] = state.n_notes, state.n_rests
        counts[t, VOICES], counts[t, HAS_KEY] = max(state.n_voices, 1), state.has_key
        ends[0, t + 1], ends[1, t + 1] = state.heard_end, state.notes_end
        ends[2, t + 1], ends[3, t + 1], ends[4, t + 1] = state.heights_end, state.lead_end, state.contour_end


@njit(cache=True)
def read_tune(text, i, stop, state, voices, heard, notes, heights, places, lead, contour):
    """Read the lines of the tune [i, stop)."""
    while i < stop:
        line_end = end_of_line(text, i, stop)
        end = start_of_comment(text, i, line_end)
        if text[i] == PERCENT:
            is_heard = decides_sound(text, i, end, state)
        elif is_field_in_body(text, i, end) if state.has_key else is_field(text, i, end):
            is_heard = IS_HEARD[text[i]] or is_like_music(text, i, end) or decides_sound(text, i, end, state)
            read_field(text, i, end, state, voices)
        else:
            is_heard = state.has_key != 0  # else it is prose in the header
            if is_heard:
                read_music(text, i, end, state, voices, notes, heights, places, lead, contour)
        if is_heard:
            state.heard_end = copy_solid(text, i, end, heard, state.heard_end)
        i = line_end + 1


@njit(cache=True)
def decides_sound(text, a, b, state):
    """Whether the line [a, b) is a directive that decides how the tune sounds, written with %% or I:."""
    kind = kind_of_line(text, a, b, state.n_dialects)
    state.n_dialects += kind == DIALECT
    return kind > SILENT


@inlined
def start_of_comment(text, a, b):
    """Where the comment of the line [a, b) begins, or b. A line that is one as a whole is none here."""
    for j in range(a + 2 if text[a] == PERCENT else a + 1, b):
        if text[j] == PERCENT and text[j - 1] != BACKSLASH:
            return j
    return b


@inlined
def read_field(text, i, end, state, voices):
    """Read the line of a field: a key ends the header, a voice plays from here on."""
    if text[i] == KEY:
        state.has_key = True
    elif text[i] == VOICE:
        read_voice(text, i + 2, end, state, voices)


@inlined
def read_voice(text, i, end, state, voices):
    """Read the id of the voice that plays from here on, and count it if it is new."""
    voice = voice_at(text, i, end)
    state.voice = voice
    known = 0
    while known < state.n_voices and voices[known] != voice:
        known += 1
    if known == state.n_voices and known < MAX_VOICES:
        voices[known] = voice
        state.n_voices += 1
    state.place = min(known, MAX_VOICES - 1) + 1


@inlined
def voice_at(text, i, end):
    """A number for the voice named at i: the hash of its id (FNV-1a, uint32)."""
    while byte_at(text, i, end) == SPACE:
        i += 1
    number = np.uint32(2166136261)
    while not ENDS_VOICE[byte_at(text, i, end)]:
        number = np.uint32((number ^ np.uint32(text[i])) * np.uint32(16777619))
        i += 1
    return number


@njit(cache=True)
def read_music(text, i, end, state, voices, notes, heights, places, lead, contour):
    """Read the signs of the line of music [i, end)."""
    state.in_chord, state.in_overlay, state.top = False, False, NO_PITCH
    text_may_end = grace_may_end = field_may_end = np.bool_(True)  # a plain True is of a type of its own for numba
    while i < end:
        byte = text[i]
        if STAFF[byte] >= 0:
            i = read_note(text, i, end, state, notes)
        elif byte == QUOTE:  # a chord symbol, or text
            i, text_may_end = skip_enclosed(text, i, end, text_may_end)
        elif byte == EXCLAMATION:
            i = skip_decoration(text, i, end)
        elif byte == PLUS:
            after = skip_decoration(text, i, end)
            i = after if after > i + 1 else read_sign(text, i, end, state, notes)
        elif byte == OPEN_BRACE:  # grace notes
            i, grace_may_end = skip_enclosed(text, i, end, grace_may_end)
        elif byte == OPEN_BRACKET and opens_field(text, i, end):
            if text[i + 1] == VOICE:
                read_voice(text, i + 3, end, state, voices)
            i, field_may_end = skip_enclosed(text, i, end, field_may_end)
        else:
            i = read_sign(text, i, end, state, notes)
        if state.top != NO_PITCH and not state.in_chord:
            sound(state, heights, places, lead, contour)


@inlined
def read_note(text, i, end, state, notes):
    """Read a note with its octave and length; returns where it ends."""
    height = STAFF[text[i]]
    after = i + 1
    mark = byte_at(text, after, end)
    while mark in (APOSTROPHE, COMMA):
        height += OCTAVE if mark == APOSTROPHE else -OCTAVE
        after += 1
        mark = byte_at(text, after, end)
    while IS_LENGTH[byte_at(text, after, end)]:
        after += 1
    state.n_notes += 1
    state.top = max(state.top, height)
    state.notes_end = copy_solid(text, i, after, notes, state.notes_end)
    return after


@inlined
def read_sign(text, i, end, state, notes):
    """Read a rest, a bracket, a bar line or another sign of one byte; returns where it ends."""
    byte = text[i]
    notes[state.notes_end] = byte
    state.notes_end += byte > SPACE  # else the next is written over it
    if IS_REST[byte]:
        state.n_rests += 1
    elif byte == OPEN_BRACKET:
        state.in_chord, state.top = opens_chord(text, i, end), NO_PITCH
    elif byte == CLOSE_BRACKET:
        state.in_chord = False
    elif byte == AMPERSAND:  # until the end of the bar, a voice beside the first
        state.in_overlay = True
    elif byte == BAR:  # ends a chord that is not closed, too
        state.in_chord, state.in_overlay, state.top = False, False, NO_PITCH
    return i + 1


@inlined
def sound(state, heights, places, lead, contour):
    """The note or chord whose highest note is ``top`` sounds: write it, and the steps to it within the first voice.

    Each is written where its stream ends, and the end moves only if it counts. With branches in place of that, `listen`
    takes 1.3 times as long.
    """
    state.leader = state.leader or state.voice
    leads = state.voice == state.leader and not state.in_overlay
    heights[state.heights_end] = state.top
    places[state.heights_end] = OVERLAY if state.in_overlay else state.place
    state.heights_end += 1
    taken = step(state.lead_pitch, state.top)
    lead[state.lead_end] = contour[state.contour_end] = taken
    follows = leads and state.lead_pitch != NO_PITCH
    state.lead_end += follows
    state.contour_end += follows and taken != 0
    if leads:
        state.lead_pitch = state.top
    state.top = NO_PITCH


@inlined
def opens_field(text, i, end):
    """Whether the bracket at i opens a field such as [K:D]. In [|: it is of a bar line."""
    return byte_at(text, i + 2, end) == COLON and byte_at(text, i + 1, end) != BAR


@inlined
def opens_chord(text, i, end):
    """Whether the bracket at i opens a chord, and not an ending [1 or a bar line [|."""
    following = byte_at(text, i + 1, end)
    return following != NEWLINE and following != BAR and not IS_DIGIT[following]


@inlined
def byte_at(text, i, end):
    """The byte at i, or a newline where the line is over."""
    return text[i] if i < end else NEWLINE


@inlined
def copy_solid(text, a, b, out, o):
    """Copy [a, b) without blanks to ``out`` from o on; returns the end of the copy."""
    for i in range(a, b):
        if text[i] > SPACE:
            out[o] = text[i]
            o += 1
    return o
