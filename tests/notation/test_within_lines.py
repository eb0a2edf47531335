"""Fields within lines of music: which go, and that what they stood between is read as before."""

import pytest

from tests.notation.conftest import ALL, DEFAULT, NOTHING, cleaned
from workflow.scripts.grammar.checker import parse
from workflow.scripts.grammar.findings import Text


def music(line: str, cleaning=DEFAULT) -> str:
    """What becomes of a line of music."""
    header = "X:1\nM:none\nL:1/8\nK:C\n"
    return cleaned(f"{header}{line}\n", cleaning).removeprefix(header).removesuffix("\n")


@pytest.mark.parametrize("field", ["[r:remark]", "[N:a note]", "[r:]", "[I:setbarnb 3]", "[C:Me]", '[r:"say]'])
def test_a_field_that_goes_as_a_line_goes_within_one(field):
    for line, without in (
        (f"CDEF {field}GABc|", "CDEF GABc|"),
        (f"CDEF{field} GABc|", "CDEF GABc|"),
        (f"CDEF {field} GABc|", "CDEF GABc|"),
        (f"{field}CDEF GABc|", "CDEF GABc|"),
        (f"{field} CDEF GABc|{field}", "CDEF GABc|"),
        (f"CD{field}EF{field}{field} GABc|", "CDEF GABc|"),
        (f"C2{field}D/{field}E,{field}F'|{field}[CE]{field}(G{field})|", "C2D/E,F'|[CE](G)|"),
        (f'C{field}-C2{field}|{field}"Am"{field}C{field}>D|', 'C-C2|"Am"C>D|'),
        (f"!trill!{field}C{field}!f!D(3{field}EFG|", "!trill!C!f!D(3EFG|"),
        (f":|{field}[2 C|{field}[K:D]C|", ":|[2 C|[K:D]C|"),
    ):
        assert music(line) == without
        assert music(line, ALL) == line


@pytest.mark.parametrize("field", ["[K:D]", "[M:3/4]", "[V:2]", "[P:A]", "[R:reel]", "[U:T=!f!]", "[I:MIDI program 9]"])
def test_a_field_that_sounds_or_stays_as_a_line_stays(field):
    assert music(f"CD{field}EF GABc|") == f"CD{field}EF GABc|"


def test_titles_and_words_go_with_their_lines():
    assert music("CD[T:one]EF|") == "CD[T:one]EF|"
    assert music("CD[T:one]EF|", NOTHING) == "CDEF|"
    assert music("CD[w:la]EF|") == "CDEF|"


@pytest.mark.parametrize(
    "line",
    [
        "A[r:x]2 B|",  # A2
        "A[r:x]/ B|",
        "A[r:x]'B|",
        "A[r:x],B|",
        "|[r:x]1 CDEF|",  # a first ending
        "| [r:x]1 CDEF|",
        "CDEF|[r:x]|",
        "CDEF|[r:x]:GABc|",
        "CDEF:[r:x]|",
        "A>[r:x]>B|",
        "A>[r:x]B|",  # broken rhythm, and a decoration, belong to the next note
        "T[r:x]C|",
        "^[r:x]C|",
        "([r:x]3CDE|",
        "[[r:x]1CD|",
        "&[r:x]&|",
        "[r:x]K:D",
        "[r:x]+:D",
        "[r:x]<p>",
        "C+[r:x]trill+D|",
        "C![r:x]trill!D|",
        "C!trill[r:x]!D|",
        '"say [r:x]"C|',
        '"say [r:x]C|',
        "C[r:x D|",
        "CDE\\[r:x]F|",
        "|[r:x][| C|",
    ],
)
def test_a_field_stays_where_the_line_would_be_another_without_it(line):
    assert music(line) == line


def test_of_two_fields_one_is_enough_to_keep_signs_apart():
    assert music("[r:x][r:y]N:E") == "[r:y]N:E"
    assert music("A[r:x][r:y]2") == "A[r:y]2"
    assert music("^[r:x][r:y] C") == "^ C"


def test_a_line_of_nothing_else_goes():
    assert music("CDEF|\n[r:x] [N:y]\nGABc|") == "CDEF|\nGABc|"
    assert music("CDEF|\\\n[r:x]\nGABc|") == "CDEF|\nGABc|"
    assert music("CDEF|[r:x]\\\nGABc|") == "CDEF| GABc|"


def notes(found: Text) -> list[tuple]:
    """(onset, duration, pitch) of each note, and the duration of each rest and bar."""
    part = found.parts["1"]
    played = [(note.onset, note.duration, note.pitch) for note in part.notes]
    return [*played, *(rest.duration for rest in part.rests), *(bar.duration for bar in part.bars)]


def test_legal_music_stays_legal_with_the_same_notes():
    """A remark at every place of a line that has signs of all kinds."""
    line = """"Am"!trill!A2-A>B (3cde [CE]/f'/ | {g}c,,2 (d ^e) =f2 & z4 e2 | .g~a [M:4/4]Tb x2 [1 g4 :|"""
    n = 0
    for i in range(len(line) + 1):
        raw = f"X:1\nM:none\nL:1/8\nK:C\n{line[:i]}[r:bad egg]{line[i:]}\n"
        before, after = parse(raw), parse(cleaned(raw))
        if before.is_valid:
            n += 1
            assert after.is_valid, raw
            assert notes(after) == notes(before), raw
    assert n > 40
