"""What kind of line a line of ABC is, and the names of the bytes that tell.

All compiled readers of ABC share this. They need UTF-8 text as an array of bytes (uint8). A line is [a, b) of it,
without the newline.

Directives decide how a tune sounds, which signs its music may have, or how it is printed. ``%%MIDI program 40``,
``I:MIDI program 40`` and ``[I:MIDI program 40]`` say the same (ABC 2.1, 2.2.6).
"""

import string

import numpy as np
from numba import njit

TAB, NEWLINE, SPACE, DELETE = b"\t\n \x7f"
EXCLAMATION, QUOTE, PERCENT, AMPERSAND, APOSTROPHE = b"!\"%&'"
COMMA, COLON, BACKSLASH, BAR, TIE = b",:\\|-"
OPEN_BRACKET, CLOSE_BRACKET, OPEN_BRACE, CLOSE_BRACE = b"[]{}"
LESS, GREATER, SLASH, PLUS, EQUALS = b"<>/+="
NUMBER, KEY, VOICE, LYRICS, INSTRUCTION, CONTINUATION = b"XKVwI+"  # letters of fields

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
IS_WORD = table_of(string.ascii_letters.encode() + b"0123456789_")
IS_BLANK = table_of(b" \t")
# How the lines around a block of text or PostScript begin, after %%.
BEGIN, END = (np.frombuffer(word, np.uint8) for word in (b"begin", b"end"))
MAX_INNER_BLOCKS = 8  # that may seem to begin within a block, as each is searched for its own end
# Kinds of directives. Silent ones say how a tune is printed. A dialect says that ! is a line break, or that + encloses
# decorations (ABC 2.1, 6.1.1 and 4.14). A strict one sounds, but to abc2midi only without a blank after its %%.
NONE, SILENT, DIALECT, SOUNDING, STRICT = range(5)
MIDI = np.frombuffer(b"MIDI", np.uint8)
# With its sign in the value each of the first is of a dialect. The next are strict, as %%MIDI, and the others sound.
NAMES = (
    b"linebreak", b"decoration", b"propagate-accidentals", b"MidiOff", b"MidiOn", b"score", b"staves", b"transpose",
    b"continueall", b"percmap", b"map", b"voicemap", b"user", b"microscale", b"temperament", b"temperamentequal",
    b"concert-score", b"sounding-score", b"abc2pscompat",
)  # fmt: skip
DIALECT_SIGNS = (EXCLAMATION, PLUS)
N_STRICT = 3
ALL_NAMES = np.frombuffer(b"".join(NAMES), np.uint8)
ENDS = np.cumsum([len(name) for name in NAMES])


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


@inlined
def is_like_music(text, a, b):
    """Whether programs take the field [a, b) of the body for music, as ``W:|``: a bar line follows the colon."""
    return b - a > 2 and (text[a + 2] == BAR or text[a + 2] == COLON) and text[a] not in (LYRICS, CONTINUATION)


@njit(cache=True)
def is_at(text, a, b, word):
    """Whether [a, b) begins with a word."""
    k = 0
    while k < len(word) and a + k < b and text[a + k] == word[k]:
        k += 1
    return k == len(word)


@njit(cache=True)
def is_same(text, a, b, other, c, d):
    """Whether [a, b) of one text is [c, d) of another."""
    if b - a != d - c:
        return False
    for k in range(b - a):  # noqa: SIM110 - numba compiles no all()
        if text[a + k] != other[c + k]:
            return False
    return True


@inlined
def without_continuation(text, a, b):
    """Where [a, b) ends without the backslashes at its end, which say that a line goes on in the next."""
    while b > a and (text[b - 1] == BACKSLASH or text[b - 1] == SPACE):
        b -= 1
    return b


@inlined
def after_blanks(text, i, stop):
    """Index of the first sign from i on that is no blank, or ``stop``."""
    while i < stop and IS_BLANK[text[i]]:
        i += 1
    return i


@inlined
def is_directive(text, a, b):
    """Whether [a, b) begins with %%."""
    return b - a > 2 and text[a] == PERCENT and text[a + 1] == PERCENT


@inlined
def starts_directive(text, a, b):
    """Where the name of the directive [a, b) begins, which is a line with %% or I:; b if it is none."""
    if is_directive(text, a, b) or (b - a > 2 and text[a] == INSTRUCTION and text[a + 1] == COLON):
        return after_blanks(text, a + 2, b)
    return b


@njit(cache=True)
def kind_of_line(text, a, b, n_dialects):
    """Kind of the directive that the line [a, b) is, written with %% or I:; NONE if it is none.

    ``n_dialects`` is as of `kind_of_directive`.
    """
    name = starts_directive(text, a, b)
    end = without_continuation(text, name, b)
    return kind_of_directive(text, name, end, n_dialects) if name < b else NONE


@njit(cache=True)
def kind_of_directive(text, i, b, n_dialects):
    """Kind of the directive whose name begins at i and whose value ends at b.

    After ``n_dialects`` of a dialect, if any, each later one of the two names may take it back, and is of it, too.
    """
    if is_at(text, i, b, MIDI):
        return STRICT if b - i > len(MIDI) else SILENT
    end = i
    while end < b and text[end] != SPACE and text[end] != EQUALS:
        end += 1
    start = np.int64(0)
    for k in range(len(ENDS)):
        stop = ENDS[k]
        if text[i] == ALL_NAMES[start] and is_same(text, i, end, ALL_NAMES, start, stop):
            if k >= len(DIALECT_SIGNS):
                return STRICT if k < len(DIALECT_SIGNS) + N_STRICT else SOUNDING
            for j in range(end, b):
                if text[j] == DIALECT_SIGNS[k]:
                    return DIALECT
            return DIALECT if n_dialects else SILENT
        start = stop
    return SILENT


@njit(cache=True)
def block_name(text, a, b, word):
    """(start, end) of the name after %% and ``word``, as ``text`` in ``%%begintext``; (a, a) if the line is none."""
    if not is_directive(text, a, b):
        return a, a
    if not is_at(text, a + 2, b, word):
        return a, a
    name = end = a + 2 + len(word)
    while end < b and IS_WORD[text[end]]:
        end += 1
    return name, end


@njit(cache=True)
def end_of_block(text, a, stop):
    """Where the block ends whose first line, %%begintext or the like, begins at a: the end of its last line.

    It is -1 where none begins, or where no line such as %%endtext closes it. (After blanks a %% begins a comment.) A
    block that is not closed must not take the end of the next: so none holds a tune, after a blank line, and the
    beginning of another of its name.
    """
    b = end_of_line(text, a, stop)
    name, name_end = block_name(text, a, b, BEGIN)
    if name == name_end:
        return -1
    inner = 0
    was_blank = holds_tune = False
    while b < stop:
        a = min(b + 1, stop)
        b = end_of_line(text, a, stop)
        visible = after_blanks(text, a, b)
        holds_tune = holds_tune or (
            was_blank and visible + 1 < b and text[visible] == NUMBER and text[visible + 1] == COLON
        )
        was_blank = visible == b
        if not is_directive(text, a, b):
            continue
        closing, end = block_name(text, a, b, END)
        if is_same(text, closing, end, text, name, name_end):
            return b
        opening, end = block_name(text, a, b, BEGIN)
        if opening < end:
            inner += 1
            if inner > MAX_INNER_BLOCKS or (holds_tune and is_same(text, opening, end, text, name, name_end)):
                return -1
    return -1


@njit(cache=True)
def is_html(text, a, b):
    """Whether the line [a, b) is HTML tags and nothing else, such as ``</pre></body>``.

    ``<`` and ``>`` are broken rhythm too: so there must be an end tag, or a letter that is no note.
    """
    if b - a < 3 or text[a] != LESS or text[b - 1] != GREATER:
        return False
    in_tag = is_no_music = False
    for i in range(a, b):
        byte = text[i]
        if byte == LESS:
            if in_tag or not (IS_LETTER[text[i + 1]] or text[i + 1] in (SLASH, EXCLAMATION)):
                return False
            in_tag = True
            is_no_music = is_no_music or text[i + 1] == SLASH
        elif byte == GREATER:
            if not in_tag:
                return False
            in_tag = False
        elif not in_tag and not IS_BLANK[byte]:
            return False
        else:
            is_no_music = is_no_music or (IS_LETTER[byte] and not IS_MUSIC[byte])
    return is_no_music
