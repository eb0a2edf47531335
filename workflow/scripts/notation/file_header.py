"""Fields before the first tune of a file -> the same fields in each of its tunes.

Needs text in UTF-8 with LF line ends. A file may begin with fields and directives that are defaults of all its tunes,
and who cuts the tunes apart has to put them in (ABC 2.1, 2.2.2).
"""

import re
from collections.abc import Iterator

import numpy as np

from workflow.scripts.notation.lines import end_of_block, is_html

BYTE_ORDER_MARK = "\ufeff".encode()
MAX_BYTES = 4096  # of defaults, since every tune gets them
DEFAULTS = b"MLQUmIABCDFGHNORSZr"  # fields that a file header hands on
FIELD = re.compile(rb"([A-Za-z+]):")
FIRST_LINE = re.compile(rb"[^\n]*(?:\n[ \t]*\+:[^\n]*)*\n?")  # the X: field, with what continues it
KEY_LINE = re.compile(rb"^[ \t]*K:", re.MULTILINE)
SINGLE = re.compile(rb"[MLQ]:")
NAMED = re.compile(rb"([Um]):[ \t]*([^\s=]*)")
DIRECTIVE = re.compile(rb"(?:%%|I:)[ \t]*(.*)")


def file_header(text: bytes) -> bytes:
    """The lines before the first tune that are defaults of all tunes, each with its newline; b"" if there are none.

    The header is the first block of lines that are fields, directives or comments. A blank line or the first X: ends
    it. With any other line in it, it is text about the file; with a K: in it, a tune that has no X: (ABC 2.1, 2.2.2).
    """
    kept: list[bytes] = []
    size = 0
    is_begun = keeps = False
    for line in lines_before_tunes(text):
        if not line:
            if is_begun:
                break
            continue
        field = FIELD.match(line)
        is_directive = line.startswith(b"%%")
        if not is_directive and (line.startswith(b"%") or is_html(np.frombuffer(line, np.uint8), 0, len(line))):
            continue
        if not is_directive and (not field or field[1] == b"K"):
            return b""
        is_begun = True
        if field and field[1] != b"+":
            keeps = field[1] in DEFAULTS
        if keeps or is_directive:
            size += len(line) + 1
            if size > MAX_BYTES:
                break
            kept.append(line + b"\n")
    return b"".join(kept)


def lines_before_tunes(text: bytes) -> Iterator[bytes]:
    """The lines before the first X: without the blanks around them, and without blocks of text or PostScript."""
    data = np.frombuffer(text, np.uint8)
    start = len(BYTE_ORDER_MARK) if text.startswith(BYTE_ORDER_MARK) else 0
    while start < len(text):
        end = text.find(b"\n", start)
        end = len(text) if end < 0 else end
        line = text[start:end].strip()
        if line.startswith(b"X:"):
            return
        if line.startswith(b"%%begin"):
            end = max(end, end_of_block(data, start, len(text)))
        else:
            yield line
        start = end + 1


def with_defaults(tune: bytes, header: bytes) -> bytes:
    """A tune, which begins at its X:, with a file header after that line, but for what its own header overrides.

    A tune without a K: is no tune, and stays as it is.
    """
    key = KEY_LINE.search(tune)
    if not key:
        return tune
    first = FIRST_LINE.match(tune)
    assert first
    own = {name for line in tune[: key.start()].split(b"\n") if (name := what_is_set(line.strip()))}
    added = []
    keeps = False
    for line in header.splitlines(keepends=True):
        if not line.startswith(b"+:"):
            keeps = what_is_set(line) not in own
        if keeps:
            added.append(line)
    start = first[0] if first[0].endswith(b"\n") else first[0] + b"\n"
    return start + b"".join(added) + tune[first.end() :]


def what_is_set(line: bytes) -> bytes:
    """What the line of a header sets, which a later line that sets the same overrides; b"" if none would.

    M:, L: and Q: set one thing each; U: and m: set a symbol; a directive what its name says, and %%MIDI what its words
    say without the last (ABC 2.1, 3).
    """
    if SINGLE.match(line):
        return line[:2]
    if named := NAMED.match(line):
        return named[1] + named[2]
    if (directive := DIRECTIVE.match(line)) and (words := directive[1].split()):
        return b" ".join([b"%%", words[0].split(b"=")[0], *(words[1:2] + words[2:-1] if words[0] == b"MIDI" else [])])
    return b""
