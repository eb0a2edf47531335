"""What the bytes of an ABC text mean: lines in UTF-8 stay, the others are decoded by what is declared or likeliest.

Needs lines that end with LF; makes UTF-8. The unit is a stretch: what stands from one line that starts with ``X:`` to
the next, or before the first. So the text of a tune hangs on no other tune, and on no place where a file is cut. All
lines of a stretch that are not UTF-8 are decoded in one charset:

1. the one that ``I:abc-charset`` or ``%%abc-charset`` declares in the stretch, or else before the file's first tune
   (directives of ABC 2.1), if it can be the charset of these lines;
2. else that of `CANDIDATES` in which they hold the least that is odd in titles and names; the earlier one on a tie.
"""

import functools
import io
import re
from collections.abc import Iterator

# The first is by far the most common on the web. MacRoman comes of a popular editor of ABC, cp850 of DOS.
CANDIDATES = ("cp1252", "mac_roman", "cp850", "cp1250", "iso8859-2", "cp932")
MAX_LOOKED_AT = 10_000  # characters, to find what is likeliest

TUNE_START = re.compile(rb"^(?:\xef\xbb\xbf)?[ \t]*X:", re.MULTILINE)  # a mark opens a file appended to another
DECLARED = re.compile(rb"^[ \t]*(?:I:|%%)[ \t]*abc-charset[ \t]+([\w.:-]{1,40})", re.MULTILINE)
# What a codec reads as something else if ASCII is no part of it: escapes, shifts, or two bytes a character.
ASCII_PROBE = b"a\\n\\u0041+AGE-~{!!~}@"
CONTROL = re.compile("[\x80-\x9f]")  # no text has these
JAPANESE = "\u3000-\u30ff\u4e00-\u9fff"
NOT_JAPANESE = re.compile(f"[^\0-\x7f{JAPANESE}]|[A-Za-z][{JAPANESE}]|[{JAPANESE}][A-Za-z]")
KANJI = re.compile("[\u4e00-\u9fff]")  # one counts as less odd than any sign, and as odder than the letter é

WEST, RARE, EAST = "àáâäåæçèéêíñóôöøúûüß", "ãëìîïòõùýÿðþœ", "ąćčďęěłńňőřśšťůűźżž"
LOWER = WEST + RARE + EAST
UPPER_COMMON, UPPER_RARE = "ÁÄÅÆÉÓÖØÜ", "ÀÂÃÇÈÊËÌÍÎÏÐÑÒÔÕÙÚÛÝÞŒŸĄĆČĎĘĚŁŃŇŐŘŚŠŤŮŰŹŻŽ"
UPPER = UPPER_COMMON + UPPER_RARE
MARKS, SIGNS = "“”‘’«»„–—…¡¿\xa0", "£©®°½"
LETTER = r"[^\W\d_]"
# How odd something is in the titles and names of European tunes; the weights were found by trying.
ODD = [
    (weight, re.compile(pattern))
    for weight, pattern in (
        (1, f"[{RARE}{UPPER_COMMON}]"),
        (2, f"[{EAST}]"),
        (3, f"[{UPPER_RARE}{SIGNS}]"),
        (4, "[«»„]"),
        (6, f"[^\0-\x7f{LOWER}{UPPER}{MARKS}{SIGNS}]"),
        # Letters: a capital after a small letter or another capital, a small one that begins a line, a word of one.
        (8, f"(?<=[a-z{LOWER}])[{UPPER}]"),
        (1, f"(?<=[A-Z{UPPER}])[{UPPER}]"),
        (3, f"(?<=:)[{LOWER}]"),
        (4, rf"(?<!\w)(?![a-zA-ZàéèóøåÀÈÉÅ]){LETTER}(?!\w)"),
        (3, rf"(?<=\d)[{LOWER}{UPPER}]|[{LOWER}{UPPER}](?=\d)"),
        # Marks: on the wrong side of a word, or within one; an apostrophe in the middle of a long one.
        (3, rf"(?<![\w.!?])[”’…](?!\w)|[“‘„«¡¿](?!\w)|[…¡¿](?=[a-z{LOWER}])|[–—](?={LETTER})"),
        (3, r"(?<!\s)\xa0|(?<=\d)[“”‘’«»„…¡¿\xa0]"),
        (8, rf"(?<={LETTER})[^\0-\x7f{LOWER}{UPPER}’](?={LETTER})"),
        (2, rf"(?<={LETTER}{{3}})’(?={LETTER}{{3}})"),
    )
]


def to_utf8(data: bytes, declared: str = "") -> tuple[bytes, int]:
    """(UTF-8, characters) of whole stretches with LF line ends.

    Args:
        declared: the charset that the file declares before its first tune.
    """
    if data.isascii():
        return data, len(data)
    try:
        return data, len(data.decode())
    except UnicodeDecodeError:
        text = b"".join(stretch_to_utf8(stretch, declared) for stretch in stretches(data))
        return text, len(text.decode())


def stretches(data: bytes) -> Iterator[bytes]:
    """The text before its first line that starts with ``X:``, if there is any, and from each such line to the next."""
    begin = 0
    for match in TUNE_START.finditer(data):
        if match.start():
            yield data[begin : match.start()]
        begin = match.start()
    yield data[begin:]


def stretch_to_utf8(data: bytes, declared: str) -> bytes:
    """The UTF-8 of one stretch."""
    others = bytearray()
    for line in io.BytesIO(data):
        if not is_utf8(line):
            others += line
    if not others:
        return data
    charset = charset_for(bytes(others), declared_in(data) or declared)
    out = bytearray()
    for line in io.BytesIO(data):
        out += line if is_utf8(line) else line.decode(charset).encode()
    return bytes(out)


def is_utf8(line: bytes) -> bool:
    try:
        line.decode()
    except UnicodeDecodeError:
        return False
    return True


def declared_in(data: bytes) -> str:
    """The charset that a text declares, or nothing."""
    match = DECLARED.search(data)
    return match[1].decode("ascii", "replace") if match else ""


def charset_for(lines: bytes, declared: str) -> str:
    """The name of a codec that decodes these lines, none of which is UTF-8."""
    if declared and extends_ascii(declared):
        text = decoded(lines, declared)
        if text is not None and not CONTROL.search(text):
            return declared
    likeliest, least = "", float("inf")  # MacRoman has a character for every byte, so that there is always one
    for name in CANDIDATES:
        text = decoded(lines, name) if least else None
        if text is not None and (odd := oddness(text[:MAX_LOOKED_AT], name)) < least:
            likeliest, least = name, odd
    return likeliest


@functools.lru_cache(1000)
def extends_ascii(name: str) -> bool:
    """Whether there is a codec of that name for text of which ASCII is a part."""
    try:
        return ASCII_PROBE.decode(name) == ASCII_PROBE.decode("ascii")
    except (LookupError, ValueError):  # of which UnicodeError is one
        return False


def decoded(lines: bytes, name: str) -> str | None:
    """The text of some lines, or None if they are not in that charset."""
    try:
        text = lines.decode(name)
    except ValueError:
        return None
    return text if text.count("\n") == lines.count(b"\n") else None


def oddness(text: str, name: str) -> float:
    """How much of a text is odd if that codec decoded it rightly; infinite where it cannot have."""
    if name == "cp932":
        return float("inf") if NOT_JAPANESE.search(text) else len(KANJI.findall(text))
    return sum(weight * len(pattern.findall(text)) for weight, pattern in ODD)
