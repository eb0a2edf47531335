import re

import numpy as np
import pytest

from tests.notation.conftest import abc_ish
from workflow.scripts.notation.clean import FLAGS, HAS_NON_ASCII, HAS_NUL, find_tunes

NASTIES = {
    "empty": "",
    "no tune": "Some notes on tunes.\nK:G\nGABc|\n\n",
    "blank lines in the header": "X:1\n\nT:One\n\n \nM:4/4\nK:G\nGABc|\ndefg|\n\nfree text K:G\nabc|\n",
    "blank after K": "X:1\nK:G\n\n\nGABc|\n\nnot this|\n",
    "no K": "X:1\nT:One\nGABc|\n\nX:2\nT:Two\n\n\nX:3\nK:C\nC|\n",
    "no newline at the end": "X:1\nK:G\nGABc|",
    "only X": "X:",
    "X at the end": "X:1\nK:G\nG|\nX:",
    "no blank between": "X:1\nK:G\nG|\nX:2\nK:G\nA|\nX:3",
    "characters are not bytes": "Préludé\n\nX:1\nT:Čárdáš 春 🎻\nK:G\nG|  \n\nçà\nX:2\nT:é\nK:C\nC|é\n\né",
    "NUL": "X:1\nK:G\nG\0|\n\nX:2\nK:G\nA|\n\nX:3\nT:\0\n\nK:G\nA|\n",
    "blanks": "X:1 \t\nT: x \nK:G\n G|\t \n \t\nX:2\n  \n\t\n",
    "not at the start of a line": " X:1\nK:G\nG|\n\nfoo X:2\n\n",
    "later K": "X:1\nM:C\nK:G\nK:D\n\nA|\n",
    "blanks before X": "  X:1\n \tK:G\nG|\n\nfoo\n\t X:2\nK:C\nG|\n X",
    "X in a block of text": "%%begintext\nX:3\n\n%%endtext\nX:1\nK:G\nG|\n%%beginps\nX:9\n\nK:D\n%%endps\nA|\n\nX:2",
    "a block that is not closed": "X:1\nK:G\n%%begintext\nG|\n\nX:2\n%%begintext\nX:3\n%%endtext\n%%endtext\nX:4",
    "appended file with a mark": "X:1\nK:G\nG|\n\n\ufeffX:2\nK:G\nA|\n\n\ufeff",
    "mark alone": "\ufeff",
}


BLANKS = re.compile("^[ \t]*")
DIRECTIVE = r"(?<![^\n\ufeff])%%"
INNER = rf"(?:(?!{DIRECTIVE}end\1\b)[^\n]*\n)*?"  # lines of a block
OPEN = rf"{INNER}[ \t]*\n[ \t]*X:{INNER}{DIRECTIVE}begin\1\b"  # a tune, and the beginning of the next block
BLOCK = re.compile(
    rf"{DIRECTIVE}begin(\w+)[^\n]*\n(?!{OPEN}){INNER}{DIRECTIVE}end\1\b[^\n]*",
    re.ASCII,
)


def slow_find(text: str) -> list[tuple[int, ...]]:
    """What `find_tunes` should say, from the decoded text and its lines."""
    rows: list[list] = []
    tune = None  # start, end, their bytes, line, seen
    state = ""
    place = size = 0
    blocks = [range(match.start(), match.end()) for match in BLOCK.finditer(text)]
    for number, line in enumerate(text.split("\n"), 1):
        here, at = place, size
        place, size = place + len(line) + 1, size + len(line.encode()) + 1
        if line.startswith("\ufeff"):
            line, here, at = line[1:], here + 1, at + 3
        in_block = any(here + len(line) - len(line.lstrip(" \t")) in block for block in blocks)
        if BLANKS.sub("", line).startswith("X:") and not in_block:
            blanks = BLANKS.match(line).end()
            tune = [here + blanks, here, at + blanks, at, number, ""]
            rows.append(tune)
            state = "header"
        if tune is None:
            continue
        tune[5] += line
        visible = line.rstrip("".join(map(chr, range(33))))
        if visible:
            tune[1], tune[3] = here + len(visible), at + len(visible.encode())
            begins_body = BLANKS.sub("", line).startswith("K:") and not in_block
            state = "music" if state in ("body", "music") else "body" if begins_body else "header"
        elif in_block:
            tune[1], tune[3] = here, at
        elif state == "music":
            tune = None
    return [
        (a, b, start, end - start, number, HAS_NON_ASCII * (not seen.isascii()) + HAS_NUL * ("\0" in seen))
        for start, end, a, b, number, seen in rows
    ]


def found_in(text: str) -> list[tuple[int, ...]]:
    return [tuple(row) for row in find_tunes(np.frombuffer(text.encode(), np.uint8)).tolist()]


@pytest.mark.parametrize("name", NASTIES)
def test_tunes_of_odd_files_are_found(name):
    text = NASTIES[name]
    assert found_in(text) == slow_find(text)
    for start, end, *_ in found_in(text):
        assert re.fullmatch(b"X:.*[^ \t\n]", text.encode()[start:end], re.DOTALL) or end - start == 2


def test_what_is_found_is_what_a_reader_would_call_the_tunes():
    """The slow reader above might err as the fast one does, so some of it in plain words."""
    cut = {name: [text.encode()[a:b].decode() for a, b, *_ in found_in(text)] for name, text in NASTIES.items()}
    assert cut["blank lines in the header"] == ["X:1\n\nT:One\n\n \nM:4/4\nK:G\nGABc|\ndefg|"]
    assert cut["no K"] == ["X:1\nT:One\nGABc|", "X:2\nT:Two", "X:3\nK:C\nC|"]
    assert cut["no blank between"] == ["X:1\nK:G\nG|", "X:2\nK:G\nA|", "X:3"]
    assert cut["characters are not bytes"] == ["X:1\nT:Čárdáš 春 🎻\nK:G\nG|", "X:2\nT:é\nK:C\nC|é"]
    assert cut["not at the start of a line"] == ["X:1\nK:G\nG|"]
    assert cut["blanks before X"] == ["X:1\n \tK:G\nG|", "X:2\nK:C\nG|\n X"]
    block = "%%beginps\nX:9\n\nK:D\n%%endps"
    assert cut["X in a block of text"] == [f"X:1\nK:G\nG|\n{block}\nA|", "X:2"]
    block = "%%begintext\nX:3\n%%endtext\n%%endtext"
    assert cut["a block that is not closed"] == ["X:1\nK:G\n%%begintext\nG|", f"X:2\n{block}", "X:4"]
    assert cut["appended file with a mark"] == ["X:1\nK:G\nG|", "X:2\nK:G\nA|"]
    assert [row[FLAGS] for row in found_in(NASTIES["NUL"])] == [HAS_NUL, 0, HAS_NUL]
    assert [row[FLAGS] for row in found_in(NASTIES["characters are not bytes"])] == [HAS_NON_ASCII, HAS_NON_ASCII]


def test_tunes_of_real_files_are_found(book, corpus):
    for data in [book.read_bytes(), *corpus[::7]]:
        text = data.decode()
        assert found_in(text) == slow_find(text)


def test_tunes_of_garbage_are_found():
    n = 0
    for text in abc_ish(3000, seed=1):
        assert found_in(text) == slow_find(text)
        n += len(found_in(text))
    assert n > 3000
