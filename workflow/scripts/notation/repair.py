"""Raw text of a tune -> the same text with its characters put right: encodings that went wrong, and entities of HTML.

Needs decoded text. Only what is rare is here, since it is plain Python; `notation.clean` says which tunes need it.
"""

import html
import re
import unicodedata
from html.entities import html5, name2codepoint

C1 = re.compile("[\x80-\x9f]")
# An entity, whose & may be one itself: text that was encoded twice has &amp;lt; for <.
ENTITY = r"&(?:(?:amp|#0{0,5}38|#[xX]0{0,5}26);)*(?P<name>#[0-9]{1,7}|#[xX][0-9a-fA-F]{1,6}|[A-Za-z][A-Za-z0-9]{1,31});"
IN_TEXT = re.compile(ENTITY)
# What a line of music has of it, outside other things: in a field within the line and in quotation marks it is of text.
IN_MUSIC = re.compile(rf'(?P<field>\[[A-Za-z]:[^][]*\])|"(?P<text>[^"]*)(?P<end>"|$)|(?<!&)(?:{ENTITY})')
QUOTATION_MARK = re.compile(rf'"|{ENTITY}')
LIKE_ENTITY = re.compile(rb"&[#A-Za-z][A-Za-z0-9]{1,31};")
MAX_PASSES = 3  # since what an entity stands for may complete another
FIELD = re.compile(r"[ \t]*(?![A-Ga-gx-zZ]:[ \t]*[|:])([A-Za-z+]):")
OF_TEXT = frozenset("ABCDEFGHNORSTWXZrw")  # fields whose value is text; in others text has quotation marks
MACRO = "m"  # is left alone, since what it stands for is music in pieces
COMMENT = re.compile(r"(?<!\\)%")
STAYS_IN_TEXT, STAYS_IN_MUSIC = frozenset('"%\\'), frozenset("%\\")  # for these an entity is the only harmless form
PLACES = frozenset("^_<>@")  # at the start of a text these say where it is printed (ABC 2.1, 4.19)


def repair(text: str) -> str:
    """Undo an encoding that was applied twice, and the reading of a DOS text as Latin-1."""
    import ftfy  # a machine that only trains models and lets them write need not have it

    if C1.search(text):
        text = "\n".join(repair_dos(line) if C1.search(line) else line for line in text.split("\n"))
    return ftfy.fix_encoding(text)


def repair_dos(line: str) -> str:
    """A line that is Latin-1 of what is UTF-8, or a DOS text (code page 437, as in music21's Essen files).

    C1 control codes give it away. One alone in its line (a next-line, say) is nothing but that.
    """
    if not line.strip():
        return ""
    try:
        data = line.encode("latin-1")
    except UnicodeEncodeError:
        return line
    try:
        return data.decode()
    except UnicodeDecodeError:
        return data.decode("cp437")


def unescape(text: str) -> tuple[str, int]:
    """(a tune with characters for its HTML entities, how many there were).

    In music they become the signs that they stand for. In text, which is what quotation marks enclose and what fields
    such as T: hold, they stay where the character would end the text or begin something else (ABC 2.1, 8.2).
    """
    total = 0
    for _ in range(MAX_PASSES):
        lines, n = [], 0
        is_text = False
        for line in text.split("\n"):
            if (field := FIELD.match(line)) and field[1] != "+":
                is_text = field[1] in OF_TEXT
            if "&" in line:
                comment = COMMENT.search(line)
                end = comment.start() if comment else len(line)
                letter = field[1] if field else ""
                if letter != MACRO:
                    new, found = (unescape_text if letter and is_text else unescape_music)(line[:end])
                    line, n = new + line[end:], n + found
            lines.append(line)
        if not n:
            break
        text, total = "\n".join(lines), total + n
    return text, total


def unescape_text(text: str, is_quoted: bool = False) -> tuple[str, int]:
    """A text with characters for its entities, and for how many.

    The first character of a text that is quoted may say where it is printed, and there an entity does not become it.
    """
    n = 0

    def put(match: re.Match[str]) -> str:
        nonlocal n
        char = character(match["name"])
        if not char or char in STAYS_IN_TEXT or (is_quoted and match.start() == 0 and char in PLACES):
            return match[0]
        n += 1
        return char

    return IN_TEXT.sub(put, text), n


def unescape_music(line: str) -> tuple[str, int]:
    """A line of music with signs for its entities, and for how many; in its texts they become characters."""
    parts: list[str] = []
    total = at = 0
    while match := IN_MUSIC.search(line, at):
        new, n, end = match[0], 0, match.end()
        if match["field"]:
            new, n = unescape_text(match[0])
        elif match["text"] is not None:
            new, n = unescape_text(match["text"], is_quoted=True)
            new = f'"{new}{match["end"]}'
        elif (char := character(match["name"], is_music=True)) == '"':
            if mark := next((m for m in QUOTATION_MARK.finditer(line, end) if is_quotation_mark(m)), None):
                new, n = unescape_text(line[end : mark.start()], is_quoted=True)
                new, n, end = f'"{new}"', n + 1 + (mark[0] != '"'), mark.end()
        elif char and char not in STAYS_IN_MUSIC:
            new, n = char, 1
        parts += line[at : match.start()], new
        total, at = total + n, end
    return "".join(parts) + line[at:], total


def is_quotation_mark(match: re.Match[str]) -> bool:
    """Whether what `QUOTATION_MARK` found is one, or an entity that stands for one."""
    return match[0] == '"' or character(match["name"], is_music=True) == '"'


def character(name: str, is_music: bool = False) -> str:
    """What an entity of this name or number stands for, or nothing if that is no character to write.

    In music a name must be one of HTML 4. Of later ones some are spelled in notes, as &ee; is.
    """
    if name[0] == "#":
        char = html.unescape(f"&{name};")  # of a number, it also knows those of Windows-1252
        return "" if len(char) != 1 or char == "\ufffd" or unicodedata.category(char) in ("Cc", "Cs") else char
    if is_music and name not in name2codepoint and name != "apos":
        return ""
    char = html5.get(name + ";", "")
    return "" if char in ("\t", "\n") else char
