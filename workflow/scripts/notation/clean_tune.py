"""A tune of raw text -> a clean copy of it, in compiled code, and counts of what was left out.

Needs UTF-8 whose encoding is right, without the entities of HTML.
"""

import numpy as np
from numba import njit

from workflow.scripts.notation.lines import (
    BACKSLASH,
    BAR,
    BEGIN,
    CLOSE_BRACKET,
    COLON,
    CONTINUATION,
    DELETE,
    DIALECT,
    INSTRUCTION,
    KEY,
    LESS,
    LYRICS,
    NEWLINE,
    NONE,
    NUMBER,
    OPEN_BRACKET,
    PERCENT,
    SILENT,
    SOUNDING,
    SPACE,
    TAB,
    TIE,
    block_name,
    end_of_block,
    end_of_line,
    inlined,
    is_at,
    is_field,
    is_field_in_body,
    is_html,
    is_like_music,
    kind_of_line,
    without_continuation,
)
from workflow.scripts.notation.within_lines import drop_inline_fields

# What is counted of the text that does not stay as it is. The last three are counted by `notation.clean`, in tunes and
# in entities, all others in lines, parts of lines and blocks.
KINDS = (
    "comments", "directives", "fields", "inline_fields", "text_blocks", "html_lines", "prose_lines",
    "entities", "encodings", "file_headers",
)  # fmt: skip
COMMENTS, DIRECTIVES, FIELDS, INLINE_FIELDS, TEXT_BLOCKS, HTML_LINES, PROSE, ENTITIES, ENCODINGS, FILE_HEADERS = range(
    len(KINDS)
)
# A tune's number says nothing of the music: all get the same.
FIRST_LINE = np.frombuffer(b"X:1\n", np.uint8)
# UTF-8 of the mark that opens a file, of what stands for undecodable bytes, and the first byte of both.
BYTE_ORDER_MARK, REPLACEMENT = (np.frombuffer(char.encode(), np.uint8) for char in "\ufeff\ufffd")
OPENS_MARK = int(BYTE_ORDER_MARK[0])
# UTF-8 of a no-break space. With a smaller second byte it is a control code (C1).
LATIN, NO_BREAK = "\xa0".encode()


# Bytes that are copied as they are, whatever stands around them.
IS_PLAIN = np.arange(256) > SPACE
IS_PLAIN[[DELETE, PERCENT, COLON, LATIN, OPENS_MARK]] = False


@njit(cache=True)
def clean_tunes(text, starts, ends, dropped, keep_comments):
    """Clean copies of the tunes [starts[t], ends[t]) of a text: (bytes as uint8, (n + 1,) bounds of them, counts).

    ``dropped`` is a `drop_table`. Encodings must have been repaired. The counts, by `KINDS`, are of what was left out.
    """
    total = 0
    for t in range(len(starts)):
        total += ends[t] - starts[t] + 2 * len(FIRST_LINE)  # for an X: without a number, and a last newline
    out = np.empty(total, dtype=np.uint8)
    bounds = np.zeros(len(starts) + 1, dtype=np.int64)
    counts = np.zeros(len(KINDS), dtype=np.int64)
    for t in range(len(starts)):
        bounds[t + 1] = clean_tune(text, starts[t], ends[t], dropped, keep_comments, out, bounds[t], counts)
    return out[: bounds[-1]], bounds, counts


@njit(cache=True)
def clean_tune(text, i, stop, dropped, keep_comments, out, o, counts):
    """Write a clean copy of the tune [i, stop) to ``out`` from o on; returns the end of the copy.

    A line is copied first and judged by its copy, so that what a reader of the copy takes for a field is one here.
    """
    in_body = goes_on = has_number = False
    n_dialects = np.int64(0)  # a plain 0 is of a type of its own, for which functions would be compiled once more
    drops = False  # whether the last field is dropped, and what +: adds to it
    respelled = o - 1  # where the last field begins, if it was I: and got %%; before o if not
    first = o
    while i < stop:
        line_start, line_end = i, end_of_line(text, i, stop)
        a = o
        b, is_cut, has_inline = copy_line(text, i, line_end, dropped, keep_comments, out, o)
        i = line_end + 1
        counts[COMMENTS] += is_cut
        if a == b:
            continue
        letter = out[a]
        if letter == LESS and is_html(out, a, b):
            counts[HTML_LINES] += 1
            continue
        is_comment = letter == PERCENT
        names_field = not is_comment and (is_field_in_body(out, a, b) if in_body else is_field(out, a, b))
        kind = kind_of_line(out, a, b, n_dialects) if letter in (PERCENT, INSTRUCTION) else NONE
        is_heard = kind > SILENT
        n_dialects += kind == DIALECT
        if is_comment:
            opening, end = block_name(out, a, b, BEGIN)
            if opening < end:
                block_end = end_of_block(text, line_start, stop)
                i = max(i, block_end + 1)
                counts[TEXT_BLOCKS if block_end >= 0 else DIRECTIVES] += 1
                continue
            if not (keep_comments or is_heard):
                counts[COMMENTS if kind == NONE else DIRECTIVES] += 1
                continue
        if not (in_body or is_comment or names_field):
            counts[PROSE] += 1
            continue
        if names_field:
            if letter == NUMBER:
                drops = True
                if not has_number:
                    has_number = True
                    o = write_first_line(out, o)
                continue
            if letter != CONTINUATION:
                drops = dropped[letter] and not is_heard
            if drops and not (in_body and is_like_music(out, a, b)):
                counts[FIELDS] += 1
                continue
            in_body = in_body or letter == KEY
        elif has_inline and not is_comment:
            b, n = drop_inline_fields(out, a, b, dropped, n_dialects)
            counts[INLINE_FIELDS] += n
            if a == b:
                if goes_on:
                    out[a - 1] = NEWLINE
                goes_on = False
                continue
        if names_field or kind in (DIALECT, SOUNDING):
            b = close_up(out, a, b)
        whole = b
        if not is_comment and not (names_field and letter == LYRICS):  # a w: line goes on in the next w:
            b = without_continuation(out, a + 2 if names_field else a, b)
            if a == b:
                continue
        if names_field and letter == CONTINUATION and respelled >= first:  # only an I: can go on (ABC 2.1, 2.2.6)
            out[respelled], out[respelled + 1] = INSTRUCTION, COLON
        if goes_on and (names_field or is_comment):  # joined to the music before it, a field would become music
            a, b = part_lines(out, a, b)
        elif goes_on and out[a] == TIE:  # has to be next to its note
            for j in range(a, b):
                out[j - 1] = out[j]
            a, b, whole = a - 1, b - 1, whole - 1
        if names_field and letter != CONTINUATION:
            respelled = a if is_heard else first - 1
            if is_heard:
                out[a] = out[a + 1] = PERCENT
        goes_on = b < whole and not names_field
        out[b] = SPACE if goes_on else NEWLINE
        o = b + 1
    if goes_on:
        out[o - 1] = NEWLINE
    return o


@inlined
def part_lines(out, a, b):
    """End the line of music before the field [a, b), which goes on after it; returns where the field is then.

    Within a bar it says so by its backslash, since a tuplet or a decoration may have its note there (ABC 2.1, 6.1.1).
    """
    last = out[a - 2]
    out[a - 1] = NEWLINE
    if last in (BAR, COLON) or (last == CLOSE_BRACKET and out[a - 3] == BAR):
        return a, b
    for j in range(b, a - 1, -1):
        out[j] = out[j - 1]
    out[a - 1] = BACKSLASH
    out[a] = NEWLINE
    return a + 1, b + 1


@inlined
def write_first_line(out, o):
    """Write ``X:1``; returns where it ends."""
    for k in range(len(FIRST_LINE)):
        out[o + k] = FIRST_LINE[k]
    return o + len(FIRST_LINE)


@inlined
def close_up(out, a, b):
    """Remove the blank after the colon of a field, or after the %% of a directive; returns the end of the line."""
    if b <= a + 2 or out[a + 2] != SPACE:
        return b
    for j in range(a + 2, b - 1):
        out[j] = out[j + 1]
    return b - 1


@njit(cache=True)
def copy_line(text, a, b, dropped, keep_comments, out, o):
    """Copy [a, b) without control characters, blanks around it or doubled, and comments.

    Returns (the copy's end, whether a comment was cut off, whether a field within it may have to go). A line that
    is a comment or a directive as a whole stays.
    """
    first = o
    is_cut = has_inline = False
    i = a
    while i < b:
        byte = text[i]
        i += 1
        if IS_PLAIN[byte]:
            out[o] = byte
            o += 1
            continue
        if byte == PERCENT and not keep_comments and o > first + (out[first] == PERCENT) and out[o - 1] != BACKSLASH:
            is_cut = True
            break
        if byte == COLON:
            has_inline = has_inline or (o > first + 1 and out[o - 2] == OPEN_BRACKET and dropped[out[o - 1]])
        elif byte == LATIN and i < b and text[i] <= NO_BREAK:
            byte = SPACE if text[i] == NO_BREAK else DELETE
            i += 1
        elif byte == OPENS_MARK and (is_at(text, i - 1, b, BYTE_ORDER_MARK) or is_at(text, i - 1, b, REPLACEMENT)):
            byte = DELETE
            i += 2
        if byte in (SPACE, TAB):
            if o > first and out[o - 1] != SPACE:
                out[o] = SPACE
                o += 1
        elif byte > SPACE and byte != DELETE:
            out[o] = byte
            o += 1
    while o > first and out[o - 1] == SPACE:
        o -= 1
    return o, is_cut, has_inline
