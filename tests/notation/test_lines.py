import numpy as np
import pytest

from workflow.scripts.notation import lines


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
    ("text", "sounds", "opens", "closes"),
    [
        ("%%MIDI program 1", True, False, False),
        ("%%MIDI", False, False, False),
        ("%%midi program 1", False, False, False),
        ("%%begintext", False, True, False),
        ("%%beginps", False, True, False),
        ("%%begin", False, False, False),
        ("%%endtext", False, False, True),
        ("%%end", False, False, True),
        ("%%en", False, False, False),
        ("%%", False, False, False),
        ("", False, False, False),
    ],
)
def test_which_directives_sound_or_are_around_text(text, sounds, opens, closes):
    assert lines.is_sounding_directive(*line(text)) == sounds
    assert lines.opens_block(*line(text)) == opens
    assert lines.closes_block(*line(text)) == closes


def test_a_line_ends_before_a_newline_or_with_the_text():
    text = np.frombuffer(b"ab\n\ncd", np.uint8)
    assert [lines.end_of_line(text, i, len(text)) for i in range(6)] == [2, 2, 2, 3, 6, 6]
    assert lines.end_of_line(text, 4, 5) == 5
