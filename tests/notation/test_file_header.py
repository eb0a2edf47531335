"""The header of a file: what it is, and what each tune gets of it (ABC 2.1, 2.2.2)."""

import time

import numpy as np
import pytest

from tests.notation.conftest import ALL, DEFAULT
from workflow.scripts.grammar.checker import parse
from workflow.scripts.notation.clean import clean, find_tunes
from workflow.scripts.notation.file_header import MAX_BYTES, file_header, with_defaults

TUNE = "X:7\nT:A tune\nK:G\nGAB|\n"


@pytest.mark.parametrize(
    ("before", "header"),
    [
        ("M:3/4\nL:1/4\n\n", "M:3/4\nL:1/4\n"),
        ("M:3/4\n", "M:3/4\n"),  # the first X: ends it, too
        ("\ufeff%abc-2.1\n% by hand\nM:3/4\n% and so on\nQ:1/4=90\n\n", "M:3/4\nQ:1/4=90\n"),
        ("\n \t\n% a remark\n\nM:3/4\n\n", "M:3/4\n"),
        ("  M: 3/4 \n\tU:J = !fermata!\nm:~G2={A}G\n", "M: 3/4\nU:J = !fermata!\nm:~G2={A}G\n"),
        ("%%MIDI program 40\nI:linebreak !\n%% score 1\n", "%%MIDI program 40\nI:linebreak !\n%% score 1\n"),
        ("A:a\nB:b\nC:c\nD:d\nF:f\nG:g\nH:h\nN:n\nO:o\nR:r\nS:s\nZ:z\nr:r\n\n",) * 2,
        (
            "M:3/4\nT:A book\n+:of tunes\nV:1\nP:AB\nW:words\nw:words\ns:!f!\nN:note\n+:more\n\n",
            "M:3/4\nN:note\n+:more\n",
        ),
        ("<html><pre>\n</head>\nM:3/4\n<p>\n\n", "M:3/4\n"),
        ("%%begintext\nprose\n\nK:D\nX:3\n%%endtext\nM:3/4\n\n", "M:3/4\n"),
        ("Tunes of the week\n\nM:3/4\n\n", ""),  # it is not at the beginning
        ("M:3/4\nTunes of the week\n\n", ""),
        ("Subject: tunes\nM:3/4\n\n", ""),
        ("From: me\nN: note\n\n", ""),
        ("M:3/4\n\nL:1/4\n\n", "M:3/4\n"),
        ("T:No X\nM:3/4\nK:C\nCDE|\n\n", ""),  # a tune
        ("T:No X\nM:3/4\nK:C\n\n", ""),
        ("M:3/4\n%%begintext\nnot closed\n\n", ""),
        ("%abc\n\n", ""),
        ("", ""),
    ],
)
def test_what_is_the_header_of_a_file(before, header):
    for rest in (TUNE, f" {TUNE}\n\nX:8\nK:C\nabc|\n"):
        assert file_header((before + rest).encode()).decode() == header.replace("\n\n", "\n")


def test_a_file_without_tunes_may_have_a_header_and_one_of_nothing_has_none():
    assert file_header(b"M:3/4") == b"M:3/4\n"
    assert file_header(b"") == b""


@pytest.mark.parametrize(
    ("header", "tune", "both"),
    [
        ("M:3/4\nL:1/4\n", "X:1\nT:t\nK:C\nc|", "X:1\nM:3/4\nL:1/4\nT:t\nK:C\nc|"),
        ("M:3/4\nL:1/4\n", "X:1\nL:1/8\nK:C\nM:2/4\nc|", "X:1\nM:3/4\nL:1/8\nK:C\nM:2/4\nc|"),
        ("Q:1/4=90\nC:one\n", "X:1\n Q:120\nC:two\nK:C\nc|", "X:1\nC:one\n Q:120\nC:two\nK:C\nc|"),
        ("U:J=!f!\nU: H=!p!\nm:~G2=G\n", "X:1\nU: J = !pp!\nm:~A2=A\nK:C\nc|",
         "X:1\nU: H=!p!\nm:~G2=G\nU: J = !pp!\nm:~A2=A\nK:C\nc|"),
        ("I:linebreak !\n%%MIDI program 4\n%%MIDI channel 3\n", "X:1\n%% linebreak $\nI:MIDI program 5\nK:C\nc|",
         "X:1\n%%MIDI channel 3\n%% linebreak $\nI:MIDI program 5\nK:C\nc|"),
        ("%%MIDI program 1 4\n%%MIDI program 2 4\n", "X:1\n%%MIDI program 1 5\nK:C\nc|",
         "X:1\n%%MIDI program 2 4\n%%MIDI program 1 5\nK:C\nc|"),
        ("M:3/4\nI:MIDI drum d2\n+:35\nN:n\n+:m\n", "X:1\nI:MIDI drum d4\nK:C\nc|",
         "X:1\nM:3/4\nN:n\n+:m\nI:MIDI drum d4\nK:C\nc|"),
        ("I:score 1\n+:2\nM:3/4\n", "X:1\n%%score 3\nK:C\nc|", "X:1\nM:3/4\n%%score 3\nK:C\nc|"),
        ("M:3/4\n", "X:1\n+:2\nK:C\nc|", "X:1\n+:2\nM:3/4\nK:C\nc|"),
        ("M:3/4\n", "X:1\nK:C", "X:1\nM:3/4\nK:C"),
        ("M:3/4\n", "X:1", "X:1"),  # no K: is no tune
        ("", "X:1\nK:C\nc|", "X:1\nK:C\nc|"),
    ],
)  # fmt: skip
def test_a_tune_gets_what_it_does_not_say_itself(header, tune, both):
    assert with_defaults(tune.encode(), header.encode()).decode() == both


def clean_all(text: str, cleaning=DEFAULT) -> str:
    """The clean tunes of a file, with its header."""
    data = text.encode()
    found = find_tunes(np.frombuffer(data, np.uint8))
    return clean(data, found, cleaning, file_header(data))[0].tobytes().decode()


def test_tunes_of_a_file_sound_as_its_header_says():
    text = """%abc-2.1
M:3/4
L:1/4
U:J = !fermata!
Q:1/4=90
I:linebreak $
I:MIDI program 40
C:Ämilie &amp; Co.
r:remark

X:1
T:One
K:G
GAB|JG3|

X:2
T:Two
L:1/8
%%MIDI program 9
K:D
D2 E2 F2|D6|
"""
    one = "X:1\nM:3/4\nL:1/4\nU:J = !fermata!\nQ:1/4=90\n%%MIDI program 40\nT:One\nK:G\nGAB|JG3|\n"
    two = "X:1\nM:3/4\nU:J = !fermata!\nQ:1/4=90\nT:Two\nL:1/8\n%%MIDI program 9\nK:D\nD2 E2 F2|D6|\n"
    assert clean_all(text) == one + two
    assert clean_all(text, ALL).count("C:Ämilie & Co.\nr:remark\n") == 2
    for tune in clean_all(text).split("X:")[1:]:
        bars = parse(f"X:{tune}").parts["1"].bars
        assert {bar.duration / bar.meter for bar in bars} == {1}


def test_a_header_is_for_every_tune_but_of_bounded_size():
    """Of a long one only the first lines count, and time and space grow with the file alone."""
    line = "m:~G2={A}G{F}G\n"
    header = file_header((line * 100_000 + "\nX:1\nK:C\n").encode())
    assert MAX_BYTES - len(line) < len(header) <= MAX_BYTES
    start = time.process_time()
    assert file_header(("%%beginps\n" * 100_000).encode()) == b""
    assert time.process_time() - start < 5
