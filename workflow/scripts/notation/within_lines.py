"""What stands within a line of music and is not played: where it ends, and whether it can be taken out.

Compiled code over UTF-8 text as an array of bytes (uint8). Without a field such as ``[r:remark]``, two signs may be
read as one: ``A[r:x]2`` is not ``A2``. So a field goes only where the signs beside it are known to stay apart.
"""

import string

import numpy as np
from numba import njit

from workflow.scripts.notation.lines import (
    BACKSLASH,
    BAR,
    CLOSE_BRACE,
    CLOSE_BRACKET,
    COLON,
    EXCLAMATION,
    INSTRUCTION,
    IS_LETTER,
    IS_MUSIC,
    LESS,
    OPEN_BRACE,
    OPEN_BRACKET,
    PLUS,
    QUOTE,
    SILENT,
    SPACE,
    after_blanks,
    inlined,
    kind_of_directive,
    table_of,
)

MAX_DECORATION = 24  # bytes after the first ! among which the second must be
ENDS_DECORATION = table_of(b'! \n|"[]')
IS_NAME = IS_LETTER & ~IS_MUSIC  # letters that are no note
CLOSING = np.zeros(256, dtype=np.uint8)  # the sign that closes what is skipped as a whole
CLOSING[[QUOTE, OPEN_BRACE, OPEN_BRACKET]] = QUOTE, CLOSE_BRACE, CLOSE_BRACKET
NOTES, LETTERS, DIGITS = b"ABCDEFGabcdefgxyzXZ", string.ascii_letters.encode(), string.digits.encode()
IS_DIGIT = table_of(DIGITS)
# Two signs stay apart if a bit of what ends with the first is one of what begins with the second: the start of a note,
# a group or a text, or what belongs to a note before it.
STARTS, FOLLOWS = 1, 2
ENDING, BEGINNING = np.zeros(256, np.int64), np.zeros(256, np.int64)
ENDING[list(NOTES + DIGITS + b"/',)\"}")] = STARTS | FOLLOWS
ENDING[list(b"|:](-{!+")] = STARTS
BEGINNING[list(LETTERS + b'^_=({["~.!+')] = STARTS
BEGINNING[list(b"|)-<>}")] = FOLLOWS


@inlined
def skip_decoration(text, i, end):
    """Where the !decoration! that begins at i ends; i + 1 if the mark is a line break of old ABC.

    The same of a +decoration+, if its name has a letter that is no note: in old ABC +CEG+ is a chord.
    """
    mark = text[i]
    is_name = mark == EXCLAMATION
    for j in range(i + 1, min(i + 1 + MAX_DECORATION, end)):
        byte = text[j]
        if byte == mark and is_name:
            return j + 1
        if ENDS_DECORATION[byte] or byte == mark:
            break
        is_name = is_name or IS_NAME[byte]
    return i + 1


@inlined
def skip_enclosed(text, i, end, may_end):
    """(where what opens at i ends, True), or (i + 1, False) if it is not closed on this line.

    Where one of its kind was not closed, no later one is: with ``may_end`` the time is linear.
    """
    closing = CLOSING[text[i]]
    j = i + 1
    while may_end and j < end:
        j += 1
        if text[j - 1] == closing:
            return j, True
    return i + 1, False


@njit(cache=True)
def drop_inline_fields(line, a, b, dropped, n_dialects):
    """Take the fields whose letters are ``dropped`` out of the line of music [a, b): (its new end, how many went).

    Of I: those stay that say how the music sounds; ``n_dialects`` is as of `directives.kind_of_directive`.
    """
    b, n = drop_once(line, a, b, dropped, n_dialects)
    if n:  # what has gone may have kept another field from going
        b, more = drop_once(line, a, b, dropped, n_dialects)
        n += more
    return b, n


@njit(cache=True)
def drop_once(line, a, b, dropped, n_dialects):
    """The same in one pass, in which a field stays beside some fields that go."""
    i = o = a
    n = 0
    is_open = np.int64(0)  # 1 within ! or +, which may enclose a decoration
    while i < b:
        end = i + 1
        byte = line[i]
        if byte == QUOTE:
            end = end_at(line, end, b, QUOTE)
        elif byte in (EXCLAMATION, PLUS):
            is_open = 1 - is_open
        elif byte == OPEN_BRACKET and i + 2 < b and line[i + 2] == COLON and IS_LETTER[line[i + 1]]:
            end = end_at(line, end, b, CLOSE_BRACKET)
            letter = line[i + 1]
            goes = dropped[letter] and line[end - 1] == CLOSE_BRACKET
            if goes and letter == INSTRUCTION:
                name = after_blanks(line, i + 3, end - 1)
                goes = kind_of_directive(line, name, end - 1, n_dialects) == SILENT
            if goes and may_go(line, a, o, end, b, is_open):
                is_doubled = end < b and line[end] == SPACE and (o == a or line[o - 1] == SPACE)
                i = end + is_doubled
                n += 1
                continue
        for j in range(i, end):
            line[o] = line[j]
            o += 1
        i = end
    while o > a and line[o - 1] == SPACE:
        o -= 1
    return o, n


@inlined
def end_at(line, i, b, closing):
    """Where what is open at i ends, after the sign that closes it; b if it is not closed."""
    while i < b and line[i] != closing:
        i += 1
    return min(i + 1, b)


@inlined
def may_go(line, a, o, end, b, is_open):
    """Whether what stands between [a, o) and [end, b) can go, so that they are read as before."""
    following = after_blanks(line, end, b)
    if following == b:
        return o == a or line[o - 1] != BACKSLASH
    first = line[following]
    if IS_DIGIT[first]:
        return False
    if o == a:
        is_field = following + 1 < b and line[following + 1] == COLON and (IS_LETTER[first] or first == PLUS)
        return not is_field and first != LESS
    if line[o - 1] == BACKSLASH:
        return False
    if end < following or line[o - 1] == SPACE or (first == BACKSLASH and end + 1 == b):
        return True
    if is_open or (first == OPEN_BRACKET and end + 1 < b and line[end + 1] == BAR):
        return False
    return ENDING[line[o - 1]] & BEGINNING[first] != 0
