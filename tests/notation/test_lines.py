import time

import numpy as np
import pytest

from workflow.scripts.notation import lines
from workflow.scripts.notation.clean import find_tunes


def line(text: str) -> tuple[np.ndarray, int, int]:
    """A text as a line of an array, with something before and after it."""
    data = f"A:{text}:A".encode()
    return np.frombuffer(data, np.uint8), 2, len(data) - 2


@pytest.mark.parametrize(
    ("text", "in_header", "in_body"),
    [
        ("K:D", True, True),
        ("K:", True, True),
        ("+:more", True, True),
        ("w:la", True, True),
        ("C:me", True, True),
        ("C:|", True, False),
        ("C: :", True, False),
        ("C: ", True, True),
        ("Z:|", True, False),
        ("K:|", True, True),
        ("X:|", True, True),
        ("x:|", True, False),
        ("9:x", False, False),
        ("é:x", False, False),
        ("CDE", False, False),
        ("C", False, False),
        ("", False, False),
    ],
)
def test_which_lines_are_fields(text, in_header, in_body):
    assert lines.is_field(*line(text)) == in_header
    assert lines.is_field_in_body(*line(text)) == in_body


@pytest.mark.parametrize(
    ("text", "kind"),
    [
        ("%%MIDI program 1", lines.STRICT),
        ("I:MIDI program 1", lines.STRICT),
        ("%% MIDI program 1", lines.STRICT),
        ("I: propagate-accidentals not", lines.STRICT),
        ("%%score 1", lines.SOUNDING),
        ("I:score=1", lines.SOUNDING),
        ("%%linebreak $ !", lines.DIALECT),
        ("I:decoration +", lines.DIALECT),
        ("%%linebreak $", lines.SILENT),
        ("%%decoration !", lines.SILENT),
        ("%%MIDI", lines.SILENT),
        ("%%midi program 1", lines.SILENT),
        ("%%scores 1", lines.SILENT),
        ("%MIDI program 1", lines.NONE),
        ("N:MIDI program 1", lines.NONE),
        ("%%", lines.NONE),
        ("I:", lines.NONE),
        ("", lines.NONE),
    ],
)
def test_which_directives_sound(text, kind):
    assert lines.kind_of_line(*line(text), 0) == kind


def test_after_a_dialect_all_of_its_name_count():
    for text in ("%%linebreak $", "%%decoration !"):
        assert lines.kind_of_line(*line(text), 1) == lines.DIALECT


def block_end(text: str) -> int:
    """The end of the block that a text begins with, in the text; -1 if none does."""
    data = np.frombuffer(f"A:{text}".encode(), np.uint8)
    end = lines.end_of_block(data, 2, len(data))
    return end - 2 if end > 0 else end


@pytest.mark.parametrize(
    ("block", "rest"),
    [
        ("%%begintext\nX:3\n%%endtext", "\nCDE|"),
        ("%%beginsvg x\n%%endtext\n\n%%endsvg foo", ""),
        ("%%begin2\n%%beginps\n%%end2", "\n%%endps\n"),
        ("%%begintext\n%%begintext\n%%endtext", "\n%%endtext"),
        ("%%begintext\n\nX:1\nK:C\n%%endtext", "\n%%endtext"),
    ],
)
def test_a_block_ends_at_the_first_end_of_its_name(block, rest):
    assert block_end(block + rest) == len(block)


@pytest.mark.parametrize(
    "text",
    [
        "%%begintext\nCDE|\n",
        "%%begintext\nCDE|\n%%endps\n%%end\n%%endtexts\n%endtext",
        "%%begin\n%%end\n",
        "%%begi\n%%endi\n",
        "%begintext\n%%endtext\n",
        " %%begintext\n%%endtext\n",  # a comment
        "%% begintext\n%%endtext\n",
        "%%begintext\n %%endtext\n",
        "%%endtext",
        "",
        "%%begintext\nCDE|\n\n X:2\nK:C\n%%begintext\nwords\n%%endtext\n",  # which closes the second
    ],
)
def test_what_begins_no_block(text):
    assert block_end(text) == -1


@pytest.mark.parametrize("unit", ["%%begintext\n", "%%beginps\n%%endpss\n", "%%beginx\n\nX:1\n", "%%begin{}\n"])
def test_blocks_that_are_not_closed_are_found_so_in_linear_time(unit):
    """Where it went with the square, four times the text took 16 times as long."""

    def seconds(n: int) -> float:
        data = np.frombuffer("".join(unit.format(i) if "{}" in unit else unit for i in range(n)).encode(), np.uint8)
        start = time.process_time()
        find_tunes(data)
        return time.process_time() - start

    seconds(1)
    assert min(seconds(80_000) for _ in range(3)) < 9 * min(seconds(20_000) for _ in range(3)) + 0.05


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("</pre>", True),
        ("<html><pre>", True),
        ("<p> <br />", True),
        ('<A HREF="x.html">', True),
        ("<!-- a remark -->", True),
        ("</b>", True),
        ("<H1>title</H1>", False),
        ("<pre>X:1", False),
        ("c<d", False),
        ("<d>", False),  # a note between two signs of broken rhythm
        ("<dd>", False),
        ("<d e>", False),
        ("<A2>", False),
        ("<>", False),
        ("<<d>>", False),
        ("<html", False),
        ("html>", False),
        ("", False),
    ],
)
def test_which_lines_are_html(text, expected):
    assert lines.is_html(*line(text)) == expected


def test_a_line_ends_before_a_newline_or_with_the_text():
    text = np.frombuffer(b"ab\n\ncd", np.uint8)
    assert [lines.end_of_line(text, i, len(text)) for i in range(6)] == [2, 2, 2, 3, 6, 6]
    assert lines.end_of_line(text, 4, 5) == 5
