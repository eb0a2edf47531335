"""Raw text -> clean tunes: where each tune is, and what is left of it for a model to read.

Needs UTF-8 bytes. Reads them once, in compiled code, because the Lakh data in ABC is 14 GB. What few tunes need, to
have their characters repaired or the header of their file put in, is done before, in Python.
"""

from typing import Protocol

import numpy as np
from numba import njit

from workflow.scripts.notation.clean_tune import (
    BYTE_ORDER_MARK,
    ENCODINGS,
    ENTITIES,
    FILE_HEADERS,
    KINDS,
    OPENS_MARK,
    clean_tunes,
)
from workflow.scripts.notation.file_header import with_defaults
from workflow.scripts.notation.lines import (
    AMPERSAND,
    COLON,
    DELETE,
    KEY,
    NEWLINE,
    NUMBER,
    PERCENT,
    SPACE,
    after_blanks,
    end_of_block,
    inlined,
    is_at,
    table_of,
)
from workflow.scripts.notation.repair import LIKE_ENTITY, repair, unescape

# Columns of what `find_tunes` returns.
START, END, FIRST_CHAR, CHARS, LINE, FLAGS = range(6)
# Bits of the column FLAGS: the tune has characters beyond ASCII; it has a NUL byte.
HAS_NON_ASCII, HAS_NUL = 1, 2

# Fields by what they are. Those in none of these say how a tune sounds, and stay: M L Q K V P R U m s.
TITLES, LYRIC_FIELDS, REMARKS = b"T", b"wW", b"ABCDEFGHINOSZr"


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
    There may be blanks before the X:. In a block of text or PostScript no line begins or ends a tune.
    """
    rows = np.empty((16, 6), dtype=np.int64)
    n = i = np.int64(0)  # a plain 0 is of a type of its own, for which `is_at` would be compiled once more
    chars, line = 0, 1
    block_end = np.int64(-1)
    inside = in_body = in_music = False
    while i < len(text):
        if text[i] == OPENS_MARK and is_at(text, i, len(text), BYTE_ORDER_MARK):  # of a file appended to another
            i += len(BYTE_ORDER_MARK)
            chars += 1
            if i == len(text):
                break
        line_start, first = i, after_blanks(text, i, len(text))
        in_block = first < block_end
        if not in_block and text[i] == PERCENT:
            block_end = end_of_block(text, i, len(text))
            in_block = first < block_end
        is_named = not in_block and first + 1 < len(text) and text[first + 1] == COLON
        if is_named and text[first] == NUMBER:
            if n == len(rows):
                rows = doubled(rows)
            rows[n, START], rows[n, LINE], rows[n, FLAGS] = first, line, 0
            rows[n, FIRST_CHAR] = chars + first - line_start
            n += 1
            inside, in_body, in_music = True, False, False
        i, end, line_chars, end_chars, flags = scan_line(text, i)
        if inside:
            rows[n - 1, FLAGS] |= flags
            if end > first or in_block:
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


def clean(text: bytes, found: np.ndarray, cleaning: WhatToKeep, header: bytes = b"") -> tuple[np.ndarray, np.ndarray]:
    """Clean copies of the tunes that `find_tunes` found: (bytes as uint8, (n + 1,) bounds of the copies).

    Every copy is UTF-8, begins with ``X:1``, ends with a newline and has no empty line. ``header`` are the defaults of
    the file that the text is from, as `file_header.file_header` gives them.
    """
    return clean_and_count(text, found, cleaning, header)[:2]


def clean_and_count(
    text: bytes, found: np.ndarray, cleaning: WhatToKeep, header: bytes = b""
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """As `clean`, with (len(KINDS),) counts of what was left out or put right."""
    starts, ends = found[:, START].copy(), found[:, END].copy()  # contiguous, or all is compiled for columns as well
    to_mend = np.arange(len(found)) if header else tunes_to_mend(text, found)
    mended = np.zeros(len(KINDS), dtype=np.int64)
    if len(to_mend):
        parts = [text[a:b] for a, b in zip(starts.tolist(), ends.tolist(), strict=True)]
        for i in to_mend.tolist():
            parts[i] = mend(parts[i], header, mended)
        ends = np.cumsum([len(part) for part in parts])
        starts = ends - [len(part) for part in parts]
        text = b"".join(parts)
    data = np.frombuffer(text, np.uint8)
    clean_text, bounds, counts = clean_tunes(data, starts, ends, drop_table(cleaning), cleaning.keep_comments)
    return clean_text, bounds, counts + mended


def tunes_to_mend(text: bytes, found: np.ndarray) -> np.ndarray:
    """Numbers of the tunes that have characters beyond ASCII, or something like an entity of HTML."""
    has_some = found[:, FLAGS] & HAS_NON_ASCII != 0
    if b"&" in text:
        places = np.flatnonzero(np.frombuffer(text, np.uint8) == AMPERSAND)  # far faster than to search all of it
        has_any = np.searchsorted(places, found[:, START]) < np.searchsorted(places, found[:, END])
        for i in np.flatnonzero(has_any & ~has_some).tolist():
            has_some[i] = LIKE_ENTITY.search(text, found[i, START], found[i, END]) is not None
    return np.flatnonzero(has_some)


def mend(tune: bytes, header: bytes, counts: np.ndarray) -> bytes:
    """A tune with the header of its file, and with its characters put right; what was done is added to ``counts``."""
    if header:
        with_header = with_defaults(tune, header)
        counts[FILE_HEADERS] += with_header != tune
        tune = with_header
    text = tune.decode()
    if b"&" in tune and LIKE_ENTITY.search(tune):
        text, n = unescape(text)
        counts[ENTITIES] += n
    if not text.isascii():
        repaired = repair(text)
        counts[ENCODINGS] += repaired != text
        text = repaired
    return text.encode("utf-8", "replace")
