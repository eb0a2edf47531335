"""Raw ABC for the tests of notation: real, and of random signs. And what becomes of it when it is cleaned."""

import itertools
import random
from collections.abc import Iterator

import numpy as np
import pytest

from workflow.scripts.corpus.options import Cleaning
from workflow.scripts.notation.clean import clean, find_tunes
from workflow.scripts.reading.sources import Piece, read_pieces

DEFAULT = Cleaning()
NOTHING, ALL = Cleaning(False, False, False), Cleaning(True, True, True)
COLLECTION = "corpora/abc_collection_utf8.tar.zst"


def cleaned(text: str, cleaning: Cleaning = DEFAULT) -> str:
    data = text.encode()
    return clean(data, find_tunes(np.frombuffer(data, np.uint8)), cleaning)[0].tobytes().decode()


def abc_ish(n: int, seed: int) -> Iterator[str]:
    """Short texts of what ABC is made of, mostly malformed."""
    draw = random.Random(seed)
    atoms = [*"ABCGabcgzxZXyKVTMwW:|[]{}()<>\"'!%\\^_=,/&~-+*$#@ \t0123456789\n\n\n\n\n", "\n\n", "\nK:G\n",
             "\nX:2\n", "\nV:1\n", "[V:2]", "\n+:", "%%MIDI", "\n%%", "\n%", "\\\n", "\\%", "z8|", "\nw:",
             "\n%%begintext\n", "\n%%endtext\n", "\n%%end", "\n \tX:3\n", "[r:x]", "[I:a b]", "\nI:MIDI", "\n%% ",
             "score ", "linebreak !", "\n</p>\n", "<", "&lt;", "&amp;", "+T+", "\n", "\0", "\x01", "\x7f", "\x85",
             "\xa0", "\ufeff", "\ufffd", "é", "Ã\x89",
             "春"]  # fmt: skip
    for _ in range(n):
        yield "X:" * (draw.random() < 0.9) + "".join(draw.choices(atoms, k=draw.randrange(40)))


@pytest.fixture(scope="module")
def music21() -> list[bytes]:
    return [piece.data for piece in read_pieces("music21") if isinstance(piece, Piece)]


@pytest.fixture(scope="module")
def collection(shared) -> list[bytes]:
    return [piece.data for piece in read_pieces(str(shared / COLLECTION)) if isinstance(piece, Piece)]


@pytest.fixture(params=["music21", "collection"])
def corpus(request) -> list[bytes]:
    """The raw text of every file."""
    return request.getfixturevalue(request.param)


@pytest.fixture(scope="module")
def airs(book) -> list[str]:
    """200 clean tunes."""
    data = book.read_bytes()
    text, bounds = clean(data, find_tunes(np.frombuffer(data, np.uint8)), DEFAULT)
    return [text[a:b].tobytes().decode() for a, b in itertools.pairwise(bounds.tolist())]
