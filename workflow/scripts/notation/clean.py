"""Raw text -> clean tunes: where each tune is, and what is left of it for a model to read.

Needs UTF-8 bytes. Reads them once, in compiled code, because the Lakh data in ABC is 14 GB.
"""

import re
from typing import Protocol

import ftfy
import numpy as np
from numba import njit

from workflow.scripts.notation.lines import (
    BACKSLASH,
    COLON,
    CONTINUATION,
    DELETE,
    KEY,
    LYRICS,
    NEWLINE,
    NUMBER,
    PERCENT,
    SPACE,
    TAB,
    closes_block,
    end_of_line,
    inlined,
    is_at,
    is_field,
    is_field_in_body,
    is_sounding_directive,
    opens_block,
    table_of,
)

# Columns of what `find_tunes` returns.
START, END, FIRST_CHAR, CHARS, LINE, FLAGS = range(6)
# Bits of the column FLAGS: the tune has characters beyond ASCII; it has a NUL byte.
HAS_NON_ASCII, HAS_NUL = 1, 2

# Fields by what they are. Those in none of these say how a tune sounds, and stay: M L Q K V P R U m s.
TITLES, LYRIC_FIELDS, REMARKS = b"T", b"wW", b"ABCDEFGHINOSZr"
# A tune's number says nothing of the music: all get the same.
FIRST_LINE = np.frombuffer(b"X:1\n", np.uint8)
# UTF-8 of the mark that opens a file, of what stands for undecodable bytes, and the first byte of both.
BYTE_ORDER_MARK, REPLACEMENT = (np.frombuffer(char.encode(), np.uint8) for char in "\ufeff\ufffd")
OPENS_MARK = int(BYTE_ORDER_MARK[0])
# UTF-8 of a no-break space. With a smaller second byte it is a control code (C1).
LATIN, NO_BREAK = "\xa0".encode()


class WhatToKeep(Protocol):
    """What is kept beside the music. `corpus.options.Cleaning` is one, made of the options of `prepare`."""

    @property
    def keep_titles(self) -> bool:
        """T: fields."""

    @property
    def keep_lyrics(self) -> bool:
        """w: and W: fields."""

    @property
    def keep_comments(self) -> bool:
        """%-comments, layout directives, and the fields about a tune (composer, source, notes, ...)."""


@njit(cache=True)
def find_tunes(text):
    """Where the tunes of a text are: a row for each, (n, 6) int64.

    Columns: START and END in bytes, FIRST_CHAR the characters before START, CHARS the characters of the tune, LINE the
    number of its first line from 1, FLAGS the bits HAS_NON_ASCII and HAS_NUL.

    A tune begins at a line with ``X:`` and ends before the next, or at the first blank line after its first line of
    music. (The standard, ABC 2.1 section 2.2.1, ends it at any. Files in the wild have blank lines in the header too.)
    """
    rows = np.empty((16, 6), dtype=np.int64)
    n = i = np.int64(0)  # a plain 0 is of a type of its own, for which `is_at` would be compiled once more
    chars, line = 0, 1
    inside = in_body = in_music = False
    while i < len(text):
        if text[i] == OPENS_MARK and is_at(text, i, len(text), BYTE_ORDER_MARK):  # of a file appended to another
            i += len(BYTE_ORDER_MARK)
            chars += 1
            if i == len(text):
                break
        first = i
        is_named = i + 1 < len(text) and text[i + 1] == COLON
        if is_named and text[i] == NUMBER:
            if n == len(rows):
                rows = doubled(rows)
            rows[n, START], rows[n, FIRST_CHAR], rows[n, LINE], rows[n, FLAGS] = i, chars, line, 0
            n += 1
            inside, in_body, in_music = True, False, False
        i, end, line_chars, end_chars, flags = scan_line(text, i)
        if inside:
            rows[n - 1, FLAGS] |= flags
            if end > first:
                rows[n - 1, END], rows[n - 1, CHARS] = end, chars + end_chars - rows[n - 1, FIRST_CHAR]
                in_music = in_music or in_body
                if is_named and text[first] == KEY:
                    in_body = True
            elif in_music:
                inside = False
        i += 1
        chars += line_chars + 1
        line += 1
    return rows[:n]


@inlined
def scan_line(text, i):
    """(index of the newline, end of what is visible, characters up to each, flags) of the line that begins at i."""
    end, chars, end_chars, flags = i, 0, 0, 0
    while i < len(text) and text[i] != NEWLINE:
        byte = text[i]
        chars += byte & 0xC0 != 0x80  # the other bytes of a character begin with the bits 10
        i += 1
        if byte > SPACE:
            if byte > DELETE:
                flags |= HAS_NON_ASCII
            end, end_chars = i, chars
        elif byte == 0:
            flags |= HAS_NUL
    return i, end, chars, end_chars, flags


@njit(cache=True)
def doubled(rows):
    """A copy with room for as many rows again."""
    larger = np.empty((2 * len(rows), rows.shape[1]), dtype=rows.dtype)
    for k in range(len(rows)):  # a slice would have numba compile checks of shapes, for seconds
        for j in range(rows.shape[1]):
            larger[k, j] = rows[k, j]
    return larger


def drop_table(cleaning: WhatToKeep) -> np.ndarray:
    """(256,) bool: True for the letters whose fields are dropped."""
    dropped = (
        (b"" if cleaning.keep_titles else TITLES)
        + (b"" if cleaning.keep_lyrics else LYRIC_FIELDS)
        + (b"" if cleaning.keep_comments else REMARKS)
    )
    return table_of(dropped)


@njit(cache=True)
def clean_tunes(text, starts, ends, dropped, keep_comments):
    """Clean copies of the tunes [starts[t], ends[t]) of a text: (bytes as uint8, (n + 1,) bounds of the copies).

    ``dropped`` is a `drop_table`. Encodings must have been repaired.
    """
    total = 0
    for t in range(len(starts)):
        total += ends[t] - starts[t] + 2 * len(FIRST_LINE)  # for an X: without a number, and a last newline
    out = np.empty(total, dtype=np.uint8)
    bounds = np.zeros(len(starts) + 1, dtype=np.int64)
    for t in range(len(starts)):
        bounds[t + 1] = clean_tune(text, starts[t], ends[t], dropped, keep_comments, out, bounds[t])
    return out[: bounds[-1]], bounds


@njit(cache=True)
def clean_tune(text, i, stop, dropped, keep_comments, out, o):
    """Write a clean copy of the tune [i, stop) to ``out`` from o on; returns the end of the copy.

    A line is copied first and judged by its copy, so that what a reader of the copy takes for a field is one here.
    """
    in_body = goes_on = has_number = in_block = False
    drops = False  # whether the last field is dropped, and what +: adds to it
    while i < stop:
        line_end = end_of_line(text, i, stop)
        a, b = o, copy_line(text, i, line_end, keep_comments, out, o)
        i = line_end + 1
        if a == b:
            continue
        if in_block or opens_block(out, a, b):
            in_block = not closes_block(out, a, b)
            continue
        letter = out[a]
        is_comment = letter == PERCENT
        if is_comment and not (keep_comments or is_sounding_directive(out, a, b)):
            continue
        names_field = not is_comment and (is_field_in_body(out, a, b) if in_body else is_field(out, a, b))
        if not (in_body or is_comment or names_field):
            continue  # prose in the header
        if names_field:
            if letter == NUMBER:
                drops = True
                if not has_number:
                    has_number = True
                    o = write_first_line(out, o)
                continue
            if letter != CONTINUATION:
                drops = dropped[letter]
            if drops:
                continue
            in_body = in_body or letter == KEY
            b = close_up(out, a, b)
        whole = b
        if not is_comment and not (names_field and letter == LYRICS):  # a w: line goes on in the next w:
            b = without_continuation(out, a + 2 if names_field else a, b)
            if a == b:
                continue
        if goes_on and (names_field or is_comment):
            out[a - 1] = NEWLINE  # joined to the music before it, a field would become music
        goes_on = b < whole and not names_field
        out[b] = SPACE if goes_on else NEWLINE
        o = b + 1
    if goes_on:
        out[o - 1] = NEWLINE
    return o


@inlined
def write_first_line(out, o):
    """Write ``X:1``; returns where it ends."""
    for k in range(len(FIRST_LINE)):
        out[o + k] = FIRST_LINE[k]
    return o + len(FIRST_LINE)


@inlined
def close_up(out, a, b):
    """Remove the blank after the colon of the field [a, b); returns its end."""
    if b <= a + 2 or out[a + 2] != SPACE:
        return b
    for j in range(a + 2, b - 1):
        out[j] = out[j + 1]
    return b - 1


@inlined
def without_continuation(out, a, b):
    """Where [a, b) ends without the backslashes at its end, which say that a line goes on in the next."""
    while b > a and (out[b - 1] == BACKSLASH or out[b - 1] == SPACE):
        b -= 1
    return b


@njit(cache=True)
def copy_line(text, a, b, keep_comments, out, o):
    """Copy [a, b) without control characters, blanks around it or doubled, and comments; returns the copy's end.

    A line that is a comment or a directive as a whole stays.
    """
    first = o
    i = a
    while i < b:
        byte = text[i]
        if byte == PERCENT and not keep_comments and o > first + (out[first] == PERCENT) and out[o - 1] != BACKSLASH:
            break
        if byte == LATIN and i + 1 < b and text[i + 1] <= NO_BREAK:
            byte = SPACE if text[i + 1] == NO_BREAK else DELETE
            i += 1
        elif byte == OPENS_MARK and (is_at(text, i, b, BYTE_ORDER_MARK) or is_at(text, i, b, REPLACEMENT)):
            byte = DELETE
            i += 2
        if byte in (SPACE, TAB):
            if o > first and out[o - 1] != SPACE:
                out[o] = SPACE
                o += 1
        elif byte > SPACE and byte != DELETE:
            out[o] = byte
            o += 1
        i += 1
    while o > first and out[o - 1] == SPACE:
        o -= 1
    return o


C1 = re.compile("[\x80-\x9f]")


def repair(text: str) -> str:
    """Undo an encoding that was applied twice, and the reading of a DOS text as Latin-1."""
    if C1.search(text):
        text = "\n".join(repair_dos(line) if C1.search(line) else line for line in text.split("\n"))
    return ftfy.fix_encoding(text)


def repair_dos(line: str) -> str:
    """A line that is Latin-1 of what is UTF-8, or a DOS text (code page 437, as in music21's Essen files).

    C1 control codes give it away.
    """
    try:
        data = line.encode("latin-1")
    except UnicodeEncodeError:
        return line
    try:
        return data.decode()
    except UnicodeDecodeError:
        return data.decode("cp437")


def clean(text: bytes, found: np.ndarray, cleaning: WhatToKeep) -> tuple[np.ndarray, np.ndarray]:
    """Clean copies of the tunes that `find_tunes` found: (bytes as uint8, (n + 1,) bounds of the copies).

    Every copy is UTF-8, begins with ``X:1``, ends with a newline and has no empty line.
    """
    starts, ends = found[:, START].copy(), found[:, END].copy()  # contiguous, or all is compiled for columns as well
    non_ascii = np.flatnonzero(found[:, FLAGS] & HAS_NON_ASCII)
    if len(non_ascii):
        parts = [text[a:b] for a, b in zip(starts.tolist(), ends.tolist(), strict=True)]
        for i in non_ascii.tolist():
            parts[i] = repair(parts[i].decode()).encode("utf-8", "replace")
        ends = np.cumsum([len(part) for part in parts])
        starts = ends - [len(part) for part in parts]
        text = b"".join(parts)
    return clean_tunes(np.frombuffer(text, np.uint8), starts, ends, drop_table(cleaning), cleaning.keep_comments)
