"""Raw text -> clean tunes: where each tune stands, and what is left of it for a model to read.

Works on UTF-8 bytes in one pass of compiled code, because the Lakh data in ABC is 14 GB.
"""

import re
from dataclasses import dataclass

import ftfy
import numpy as np
from numba import njit

NEWLINE, SPACE, TAB, PERCENT, COLON, BACKSLASH, BAR = 10, 32, 9, 37, 58, 92, 124
# Fields by what they are. Those in none of these say how a tune sounds, and stay: M L Q K V P R U m s.
TITLES, LYRICS, REMARKS = b"T", b"wW", b"ABCDEFGHINOSZr"


@dataclass(frozen=True)
class Cleaning:
    """What is kept beside the music.

    Attributes:
        keep_titles: T: fields.
        keep_lyrics: w: and W: fields.
        keep_comments: %-comments, layout directives, and the fields about a tune (composer, source, notes, ...).
    """

    keep_titles: bool = True
    keep_lyrics: bool = False
    keep_comments: bool = False


@njit(cache=True)
def find_tunes(text):
    """Where the tunes of a text are: rows of (start, end, characters before start, characters, line, flags).

    A tune begins at a line with ``X:`` and ends before the next, or at the first blank line after its first
    line of music (the standard, ABC 2.1 section 2.2.1, ends it at any; files in the wild have blank lines in
    the header too). Flags: 1 has non-ASCII characters, 2 has a NUL.
    """
    rows = np.empty((16, 6), dtype=np.int64)
    n = np.int64(0)  # a plain 0 is of a type of its own, for which `append` would be compiled once more
    size = len(text)
    inside = body = music = False
    line = chars = start = end = chars_start = chars_end = first_line = flags = i = n
    line += 1
    while i < size:
        if text[i] == 0xEF and i + 2 < size and text[i + 1] == 0xBB and text[i + 2] == 0xBF:
            i += 3  # the mark of a file that was appended to another
            chars += 1
            if i == size:
                break
        opens = text[i] == 88 and i + 1 < size and text[i + 1] == COLON  # X:
        key = text[i] == 75 and i + 1 < size and text[i + 1] == COLON  # K:
        if opens:
            if inside:
                rows, n = append(rows, n, start, end, chars_start, chars_end - chars_start, first_line, flags)
            inside, body, music = True, False, False
            start, end, chars_start, chars_end, first_line, flags = i, i, chars, chars, line, 0
        blank = True
        while i < size and text[i] != NEWLINE:
            byte = text[i]
            if byte & 0xC0 != 0x80:
                chars += 1
            i += 1
            if byte > SPACE:
                blank = False
                if byte >= 0x80:
                    flags |= 1
                end_here, chars_here = i, chars
            elif byte == 0:
                flags |= 2
        if inside and not blank:
            end, chars_end = end_here, chars_here
            music = music or body
            body = body or key
        elif inside and music:
            rows, n = append(rows, n, start, end, chars_start, chars_end - chars_start, first_line, flags)
            inside = False
        i += 1
        chars += 1
        line += 1
    if inside:
        rows, n = append(rows, n, start, end, chars_start, chars_end - chars_start, first_line, flags)
    return rows[:n]


@njit(cache=True)
def append(rows, n, a, b, c, d, e, f):
    if n == len(rows):
        larger = np.empty((2 * n, rows.shape[1]), dtype=rows.dtype)
        for k in range(n):  # a slice would have numba compile checks of shapes, for seconds
            for j in range(rows.shape[1]):
                larger[k, j] = rows[k, j]
        rows = larger
    rows[n, 0], rows[n, 1], rows[n, 2], rows[n, 3], rows[n, 4], rows[n, 5] = a, b, c, d, e, f
    return rows, n + 1


def drop_table(cleaning: Cleaning) -> np.ndarray:
    """(256,) True for the letters whose fields are dropped."""
    dropped = (
        (b"" if cleaning.keep_titles else TITLES)
        + (b"" if cleaning.keep_lyrics else LYRICS)
        + (b"" if cleaning.keep_comments else REMARKS)
    )
    table = np.zeros(256, dtype=np.bool_)
    table[list(dropped)] = True
    return table


@njit(cache=True)
def is_field(text, a, b, body):
    """Whether the line [a, b) is a field. In the body ``G:|`` is a note and a repeat sign."""
    if b - a < 2 or text[a + 1] != COLON:
        return False
    letter = text[a]
    if letter == 43:  # +: goes on with the field before
        return True
    if not (65 <= letter <= 90 or 97 <= letter <= 122):
        return False
    if body and (letter <= 71 or letter == 90 or 97 <= letter <= 103 or letter >= 120):  # A-G Z a-g x y z
        i = a + 2
        while i < b and text[i] == SPACE:
            i += 1
        return i == b or text[i] not in (BAR, COLON)
    return True


@njit(cache=True)
def is_sounding_directive(text, a, b):
    """Whether the line [a, b), which begins with %%, is %%MIDI, the one directive that is heard."""
    return b - a > 6 and text[a + 2] == 77 and text[a + 3] == 73 and text[a + 4] == 68 and text[a + 5] == 73


@njit(cache=True)
def opens_block(text, a, b):
    """Whether the line [a, b), which begins with %%, is %%begintext or the like: text or PostScript until %%end."""
    return b - a > 7 and text[a + 2] == 98 and text[a + 3] == 101 and text[a + 4] == 103 and text[a + 5] == 105


@njit(cache=True)
def closes_block(text, a, b):
    """Whether the line [a, b), which begins with %%, is %%endtext or the like."""
    return b - a > 4 and text[a + 2] == 101 and text[a + 3] == 110 and text[a + 4] == 100


@njit(cache=True)
def copy_line(text, a, b, out, o, keep_comments):
    """Copy [a, b) without control characters, blanks around it or doubled, and comments; returns the copy's end.

    A line that is a comment or a directive as a whole stays.
    """
    first = o
    i = a
    while i < b:
        byte = text[i]
        if byte == PERCENT and not keep_comments and o > first + (out[first] == PERCENT) and out[o - 1] != BACKSLASH:
            break
        if byte == 0xC2 and i + 1 < b and text[i + 1] < 0xA0:  # C1 control codes
            i += 2
            continue
        if byte == 0xC2 and i + 1 < b and text[i + 1] == 0xA0:  # no-break space
            byte = SPACE
            i += 1
        elif (
            byte == 0xEF
            and i + 2 < b
            and ((text[i + 1] == 0xBB and text[i + 2] == 0xBF) or (text[i + 1] == 0xBF and text[i + 2] == 0xBD))
        ):  # byte-order mark, replacement character
            i += 3
            continue
        if byte == TAB:
            byte = SPACE
        if byte == SPACE:
            if o > first and out[o - 1] != SPACE:
                out[o] = SPACE
                o += 1
        elif byte > SPACE and byte != 127:
            out[o] = byte
            o += 1
        i += 1
    while o > first and out[o - 1] == SPACE:
        o -= 1
    return o


@njit(cache=True)
def clean_tunes(text, starts, ends, dropped, keep_comments):
    """Clean copies of the tunes [starts[i], ends[i]) of a text: (bytes, (n + 1,) bounds of the copies).

    A line is copied first and judged by its copy, so that what a reader of the copy takes for a field is one here.
    """
    total = 0
    for t in range(len(starts)):
        total += ends[t] - starts[t] + 8
    out = np.empty(total, dtype=np.uint8)
    bounds = np.zeros(len(starts) + 1, dtype=np.int64)
    o = np.int64(0)  # a plain 0 is of a type of its own, for which what is called would be compiled once more
    for t in range(len(starts)):
        body = joined = numbered = block = np.bool_(False)
        last_dropped = False  # the fate of the last field, which +: shares
        i, stop = starts[t], ends[t]
        while i < stop:
            a = i
            while i < stop and text[i] != NEWLINE:
                i += 1
            first = o
            end = copy_line(text, a, i, out, first, keep_comments)
            i += 1
            if end == first:
                continue
            byte = out[first]
            percent = byte == PERCENT
            field = False
            if percent:
                directive = end - first > 1 and out[first + 1] == PERCENT
                if block or (directive and opens_block(out, first, end)):
                    block = not (directive and closes_block(out, first, end))
                    continue
                if not keep_comments and not (directive and is_sounding_directive(out, first, end)):
                    continue
            elif block:
                continue
            else:
                field = is_field(out, first, end, body)
                if not field and not body:
                    continue  # prose in the header
            if field:
                if byte == 88:  # X: numbers a tune of a book, which says nothing of the music
                    last_dropped = True
                    if not numbered:
                        numbered = True
                        out[o], out[o + 1], out[o + 2], out[o + 3] = 88, COLON, 49, NEWLINE
                        o += 4
                    continue
                if byte != 43:
                    last_dropped = dropped[byte]
                if last_dropped:
                    continue
                body = body or byte == 75
                if end > first + 2 and out[first + 2] == SPACE:
                    for j in range(first + 2, end - 1):
                        out[j] = out[j + 1]
                    end -= 1
            goes_on = False
            if not percent and not (field and byte == 119):  # that of a w: line goes on in the next w:
                whole = end
                least = first + 2 if field else first
                while end > least and out[end - 1] in (BACKSLASH, SPACE):
                    end -= 1
                if end == first:
                    continue
                goes_on = end < whole and not field
            if joined and (field or percent):
                # Joining a field to the music before it would make it music.
                out[first - 1] = NEWLINE
            joined = goes_on
            out[end] = SPACE if joined else NEWLINE
            o = end + 1
        if joined:
            out[o - 1] = NEWLINE
        bounds[t + 1] = o
    return out[:o], bounds


C1 = re.compile("[\x80-\x9f]")


def repair(text: str) -> str:
    """Undo an encoding that was applied twice, or a DOS text read as Latin-1."""
    if C1.search(text):
        text = "\n".join(repair_dos(line) if C1.search(line) else line for line in text.split("\n"))
    return ftfy.fix_encoding(text)


def repair_dos(line: str) -> str:
    """A line with C1 control codes is UTF-8 or a DOS text (code page 437, as in music21's Essen files) as Latin-1."""
    try:
        data = line.encode("latin-1")
    except UnicodeEncodeError:
        return line
    try:
        return data.decode()
    except UnicodeDecodeError:
        return data.decode("cp437")


def clean(text: bytes, found: np.ndarray, cleaning: Cleaning) -> tuple[np.ndarray, np.ndarray]:
    """Clean copies of the tunes that `find_tunes` found: (bytes as uint8, (n + 1,) bounds of the copies).

    Every copy is UTF-8, begins with ``X:1``, ends with a newline and has no empty line.
    """
    starts, ends = found[:, 0].copy(), found[:, 1].copy()  # contiguous, or all is compiled for columns as well
    if (found[:, 5] & 1).any():
        parts = [text[a:b] for a, b in zip(starts.tolist(), ends.tolist(), strict=True)]
        for i in np.flatnonzero(found[:, 5] & 1).tolist():
            parts[i] = repair(parts[i].decode()).encode("utf-8", "replace")
        ends = np.cumsum([len(part) for part in parts])
        starts = ends - [len(part) for part in parts]
        text = b"".join(parts)
    return clean_tunes(np.frombuffer(text, np.uint8), starts, ends, drop_table(cleaning), cleaning.keep_comments)
