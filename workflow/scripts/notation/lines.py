"""What kind of line a line of ABC is, and the names of the bytes that tell.

All compiled readers of ABC share this. They need UTF-8 text as an array of bytes (uint8). A line is [a, b) of it,
without the newline.
"""

import string

import numpy as np
from numba import njit

TAB, NEWLINE, SPACE, DELETE = b"\t\n \x7f"
EXCLAMATION, QUOTE, PERCENT, AMPERSAND, APOSTROPHE = b"!\"%&'"
COMMA, COLON, BACKSLASH, BAR = b",:\\|"
OPEN_BRACKET, CLOSE_BRACKET, OPEN_BRACE, CLOSE_BRACE = b"[]{}"
NUMBER, KEY, VOICE, LYRICS, CONTINUATION = b"XKVw+"  # letters of fields

# For small functions that are called for every sign. Where a call remains, numba counts references to the arrays that
# it passes: `notation.sound.listen` takes 1.5 times as long without this.
inlined = njit(cache=True, forceinline=True)


def table_of(members: bytes) -> np.ndarray:
    """(256,) bool: True at these bytes."""
    table = np.zeros(256, dtype=np.bool_)
    table[list(members)] = True
    return table


IS_LETTER = table_of(string.ascii_letters.encode())
IS_NOTE = table_of(b"ABCDEFGabcdefg")
IS_MUSIC = table_of(b"ABCDEFGabcdefgxyzZ")  # letters of notes, rests and spacers
# How directives begin.
MIDI, BEGIN, END = (np.frombuffer(word, np.uint8) for word in (b"%%MIDI", b"%%begi", b"%%end"))


@inlined
def end_of_line(text, i, stop):
    """Index of the first newline from i on, or ``stop``."""
    while i < stop and text[i] != NEWLINE:
        i += 1
    return i


@inlined
def is_field(text, a, b):
    """Whether the line is a field, if it is one of the header."""
    return b - a > 1 and text[a + 1] == COLON and (IS_LETTER[text[a]] or text[a] == CONTINUATION)


@njit(cache=True)
def is_field_in_body(text, a, b):
    """Whether the line is a field, if it is one of the body, where ``G:|`` is a note and a repeat sign."""
    if not is_field(text, a, b):
        return False
    if not IS_MUSIC[text[a]]:
        return True
    i = a + 2
    while i < b and text[i] == SPACE:
        i += 1
    return i == b or (text[i] != BAR and text[i] != COLON)


@njit(cache=True)
def is_at(text, a, b, word):
    """Whether [a, b) begins with a word."""
    k = 0
    while k < len(word) and a + k < b and text[a + k] == word[k]:
        k += 1
    return k == len(word)


@inlined
def is_sounding_directive(text, a, b):
    """Whether the line is a %%MIDI directive, the only one that is heard."""
    return b - a > len(MIDI) and is_at(text, a, b, MIDI)


@inlined
def opens_block(text, a, b):
    """Whether the line is %%begintext, %%beginps or the like. A block of text or PostScript follows."""
    return b - a > len(BEGIN) + 1 and is_at(text, a, b, BEGIN)


@inlined
def closes_block(text, a, b):
    """Whether the line is %%endtext, %%endps or the like, which is the last of a block."""
    return is_at(text, a, b, END)
