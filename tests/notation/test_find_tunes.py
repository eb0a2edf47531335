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
    "appended file with a mark": "X:1\nK:G\nG|\n\n\ufeffX:2\nK:G\nA|\n\n\ufeff",
    "mark alone": "\ufeff",
}


def slow_find(text: str) -> list[tuple[int, ...]]:
    """What `find_tunes` should say, from the decoded text and its lines."""
    rows: list[list] = []
    tune = None  # start, end, their bytes, line, seen
    state = ""
    place = size = 0
    for number, line in enumerate(text.split("\n"), 1):
        here, at = place, size
        place, size = place + len(line) + 1, size + len(line.encode()) + 1
        if line.startswith("\ufeff"):
            line, here, at = line[1:], here + 1, at + 3
        if line.startswith("X:"):
            tune = [here, here, at, at, number, ""]
            rows.append(tune)
            state = "header"
        if tune is None:
            continue
        tune[5] += line
        visible = line.rstrip("".join(map(chr, range(33))))
        if visible:
            tune[1], tune[3] = here + len(visible), at + len(visible.encode())
            state = "music" if state in ("body", "music") else "body" if line.startswith("K:") else "header"
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
    assert cut["not at the start of a line"] == []
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
