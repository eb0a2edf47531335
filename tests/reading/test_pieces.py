import io
import itertools
import random
import re

import pytest

from workflow.scripts.reading import pieces
from workflow.scripts.reading.pieces import cut, unnumbered_tune, whole_text

TUNE = "X:1\nT:One\nK:G\nGABc d2e2|\n"


@pytest.fixture
def small(monkeypatch):
    monkeypatch.setattr(pieces, "PIECE_BYTES", 64)
    monkeypatch.setattr(pieces, "MAX_TUNE_BYTES", 256)


def decode_whole(data: bytes) -> str:
    """What ``cut`` should make of a file of one encoding, by the codecs alone."""
    if data[:4] in (b"\xff\xfe\0\0", b"\0\0\xfe\xff"):
        text = data.decode("utf-32", "replace")
    elif data[:2] in (b"\xff\xfe", b"\xfe\xff"):
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
@pytest.mark.parametrize("encoding", ["ascii", "utf-8", "utf-8-sig", "cp1252", "utf-16", "utf-16-be", "utf-32"])
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


def test_a_byte_that_windows_1252_lacks_is_of_another_charset():
    (piece,) = cut(io.BytesIO(b"X:1\nT:Gr\x81n ist die Heide\n"))  # of a DOS text
    assert piece.data.decode() == "X:1\nT:Grün ist die Heide\n"


@pytest.mark.parametrize("blanks", [" ", "\t", " \t  "])
def test_a_blank_before_the_x_of_a_tune_makes_no_difference(small, blanks):
    text = "".join(f"{blanks if i % 3 else ''}X:{i}\nT:Prélude\nK:G\n GAB|\n" for i in range(12))
    pieces = list(cut(io.BytesIO(text.encode())))
    assert len(pieces) > 4
    assert all(re.match(r"[ \t]*X:", piece.data.decode()) for piece in pieces)
    assert [piece.data.decode() for piece in pieces] == [
        text[a:b] for a, b in itertools.pairwise([piece.offset for piece in pieces] + [len(text)])
    ]


def test_a_tune_after_a_long_stretch_is_found_behind_blanks_wherever_blocks_end(small):
    for shift in range(140):
        text = "a" * (300 + shift) + "\n \t X:2\nK:G\nGAB|\n"
        dropped, tune = cut(io.BytesIO(text.encode()))
        assert (dropped.dropped, tune.offset) == (301 + shift, 301 + shift)
        assert tune.data == b" \t X:2\nK:G\nGAB|\n"


def test_no_piece_begins_within_a_block_of_text(monkeypatch):
    tune = "X:1\nT:One\nK:G\nGAB|\n%%begintext\nX:5 of them\nX:6\n%%endtext\n"
    for size in range(128, 256):
        monkeypatch.setattr(pieces, "PIECE_BYTES", size)
        found = list(cut(io.BytesIO(tune.encode() * 9)))
        assert len(found) > 2
        assert {piece.data[:4] for piece in found} == {b"X:1\n"}
        unclosed = TUNE + "%%begintext\n" + TUNE * 99
        assert max(len(piece.data) for piece in cut(io.BytesIO(unclosed.encode()))) < 3 * size


@pytest.mark.parametrize("start", ["X:1\n", "%abc-2.1\n", "\nX:1\n", "T:Prélude\n"])
@pytest.mark.parametrize("encoding", ["utf-16-le", "utf-16-be", "utf-32-le", "utf-32-be"])
def test_unicode_without_a_mark_is_told_by_the_nuls_between_its_first_letters(start, encoding):
    text = f"{start}T:Čardáš 表\nK:G\nGAB|\n"
    assert whole_text(text.encode(encoding)) == text


def test_nul_bytes_alone_are_no_unicode():
    for data in (b"X\0:1\nK:G\n", b"\0\0\0\0", b"X:\0\0"):
        assert whole_text(data).encode() == data


def test_what_precedes_a_piece_has_no_part_in_how_it_is_read(small):
    """Tunes in four charsets: the same text whether a file is cut or not, and as each tune has by itself."""
    titles = [("Élisa en forêt", "cp1252"), ("Jägerlied für Ännchen", "mac_roman"), ("Canción de cuna", "cp850"),
              ("夕焼け小焼け", "cp932"), ("Čardáš", "utf-8")]  # fmt: skip
    tunes = [f"X:{i}\nT:{title}\nK:G\nGAB|\n".encode(name) for i, (title, name) in enumerate(titles * 5)]
    whole = "".join(f"X:{i}\nT:{title}\nK:G\nGAB|\n" for i, (title, _) in enumerate(titles * 5))
    pieces = list(cut(io.BytesIO(b"".join(tunes))))
    assert len(pieces) > 8
    assert "".join(piece.data.decode() for piece in pieces) == whole
    assert "".join(map(whole_text, tunes)) == whole
    assert all(whole[piece.offset :].startswith(piece.data.decode()) for piece in pieces)


def test_what_a_file_declares_before_its_first_tune_holds_for_every_piece(small):
    header = "%abc-2.1\nI:abc-charset iso-8859-2\n\n"
    text = header + "".join(f"X:{i}\nT:Černé oči\nK:G\nGAB|\n" for i in range(12))
    data = text.encode("iso-8859-2")
    pieces = list(cut(io.BytesIO(data)))
    assert len(pieces) > 4
    assert "".join(piece.data.decode() for piece in pieces) == text == whole_text(data)


def test_a_tune_without_a_number_is_told_by_its_key():
    assert unnumbered_tune(b"%abc-2.1\nM:3/4\n\nFree text\n \t\nT:No X\n K:C\nCDE|\n\n") == (29, 6)
    assert unnumbered_tune(b"T:No X\nK:C\n") == (0, 1)
    assert unnumbered_tune(b"%abc-2.1\nM:3/4\n\nOK: free text\n") is None


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
@pytest.mark.parametrize("encoding", ["ascii", "utf-8", "utf-8-sig", "cp1252", "utf-16", "utf-32"])
def test_a_small_file_is_decoded_as_a_large_one_is(encoding, eol):
    text = TUNE.replace("One", "Préludé ’92" if encoding != "ascii" else "One")
    data = text.replace("\n", eol).encode(encoding)
    (piece,) = cut(io.BytesIO(data))
    assert whole_text(data) == piece.data.decode() == text
    assert whole_text(b"") == ""
