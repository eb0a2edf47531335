import io
import itertools
import random
import re

import pytest

from workflow.scripts.corpus import pieces
from workflow.scripts.corpus.pieces import cut, decode, whole_text

TUNE = "X:1\nT:One\nK:G\nGABc d2e2|\n"


@pytest.fixture
def small(monkeypatch):
    monkeypatch.setattr(pieces, "PIECE_BYTES", 64)
    monkeypatch.setattr(pieces, "MAX_TUNE_BYTES", 256)


def decode_whole(data: bytes) -> str:
    """What ``cut`` should make of a file of one encoding, by the codecs alone."""
    if data[:2] in (b"\xff\xfe", b"\xfe\xff"):
        text = data.decode("utf-16", "replace")
    else:
        try:
            text = data.decode("utf-8-sig")
        except UnicodeDecodeError:
            text = data.decode("cp1252")
    return text.replace("\r\n", "\n").replace("\r", "\n")


def check_places(data: bytes) -> list[pieces.Cut]:
    """Assert that every piece is where it says, and that no tune is cut; return the pieces."""
    text = decode_whole(data)
    pieces = list(cut(io.BytesIO(data)))
    ends = [piece.offset for piece in pieces[1:]] + [len(text)]
    assert not pieces or pieces[0].offset == 0
    for piece, end in zip(pieces, ends, strict=True):
        if not piece.dropped:
            assert piece.data.decode() == text[piece.offset : end]
        assert piece.line == text.count("\n", 0, piece.offset) + 1
    starts = {match.start() for match in re.finditer("^X:", text, re.MULTILINE)}
    assert {piece.offset for piece in pieces[1:]} <= starts
    found = [p.offset + m.start() for p in pieces for m in re.finditer("^X:", p.data.decode(), re.MULTILINE)]
    assert found == sorted(starts - {piece.offset for piece in pieces if piece.dropped})
    return pieces


@pytest.mark.parametrize("eol", ["\n", "\r\n", "\r"])
@pytest.mark.parametrize("encoding", ["ascii", "utf-8", "utf-8-sig", "cp1252", "utf-16", "utf-16-be"])
def test_places_are_those_of_the_decoded_file(small, encoding, eol):
    """Every shift of the blocks against the text, so that each line end and character is once cut in two."""
    accents = "" if encoding == "ascii" else "Préludé naïve"
    bom = b"\xfe\xff" if encoding == "utf-16-be" else b""
    for shift in range(70):
        tunes = "".join(f"X:{i}\nT:{accents}{'x' * (i % 7)}\nK:G\nGAB|\n\n" for i in range(12))
        text = f"%{'z' * shift}\n{tunes}"
        pieces = check_places(bom + text.replace("\n", eol).encode(encoding))
        assert len(pieces) > 2
        assert "".join(piece.data.decode() for piece in pieces) == text


def test_a_stretch_without_a_tune_is_dropped_and_what_follows_keeps_its_place(small):
    random.seed(1)
    dropped = 0
    for accent, length in itertools.product(("", "é"), [*range(230, 340), 1000, 5000]):
        long = "".join(random.choice("ab\n" + accent) for _ in range(length))
        for text in (TUNE * 3 + long + "\n" + TUNE * 3, long + "\n" + TUNE, TUNE * 3 + long):
            pieces = check_places(text.encode())
            stretches = re.split("^(?=X:)", text, flags=re.MULTILINE)
            sizes = [len(s.encode()) for s in stretches if len(s.encode()) > 256]
            assert [piece.dropped for piece in pieces if piece.dropped] == sizes
            dropped += len(sizes)
    assert dropped > 500


def test_a_dropped_stretch_in_windows_1252_counts_bytes_as_characters(small):
    pieces = check_places(TUNE.encode() * 3 + "caf\xe9\n".encode("cp1252") * 300 + TUNE.encode())
    assert [bool(piece.dropped) for piece in pieces][-2:] == [True, False]


def test_encoding_is_told_piece_by_piece(small):
    data = "".join(f"X:{i}\nT:Préludé {'x' * 60}\n" for i in range(2))
    pieces = list(cut(io.BytesIO(data.encode() + b"X:3\nT:caf\xe9 \x92 " + b"x" * 60 + b"\n")))
    assert b"".join(piece.data for piece in pieces).decode() == data + "X:3\nT:café ’ " + "x" * 60 + "\n"
    assert [piece.offset for piece in pieces][-1] == len(data)


def test_a_byte_that_windows_1252_lacks_is_latin_1():
    (piece,) = cut(io.BytesIO(b"X:1\nT:\x81\xe9\n"))
    assert piece.data.decode() == "X:1\nT:\x81é\n"


def test_a_broken_utf_16_file_is_read_to_its_end(small):
    (piece,) = cut(io.BytesIO("X:1\nT:\n".encode("utf-16") + b"\x00\xd8A\x00Z"))
    assert piece.data.decode() == "X:1\nT:\n�A�"


def test_nul_and_double_encoding_are_left_for_others():
    text = "X:1\nT:A\0B " + "é".encode().decode("latin-1") + "\n"
    (piece,) = cut(io.BytesIO(text.encode()))
    assert piece.data.decode() == text


@pytest.mark.parametrize("data", [b"", b"\xef\xbb\xbf", b"\xff\xfe"])
def test_an_empty_file_has_no_piece(data):
    assert list(cut(io.BytesIO(data))) == []


def test_a_file_that_fits_is_one_piece_and_a_long_line_does_not_matter():
    text = "% preface\n" + TUNE + "X:2\n" + "A" * 1_000_000 + "|\n"
    assert list(cut(io.BytesIO(text.encode()))) == [(text.encode(), 0, 1, 0)]


@pytest.mark.parametrize("eol", ["\n", "\r\n", "\r"])
@pytest.mark.parametrize("encoding", ["ascii", "utf-8", "utf-8-sig", "cp1252", "utf-16"])
def test_a_small_file_is_decoded_as_a_large_one_is_with_its_line_ends_or_without(encoding, eol):
    text = TUNE.replace("One", "Préludé ’92" if encoding != "ascii" else "One")
    data = text.replace("\n", eol).encode(encoding)
    (piece,) = cut(io.BytesIO(data))
    assert whole_text(data) == piece.data.decode() == text
    assert decode(data) == text.replace("\n", eol)
    assert decode(b"") == whole_text(b"") == ""
