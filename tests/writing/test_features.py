"""Each feature of a tune has the value that is worked out by hand."""

import math
import time

import pytest

from workflow.scripts.grammar.checker import parse
from workflow.scripts.writing.features import LENGTHS, Features, measure

HEADER = "X:1\nT:a\nM:4/4\nL:1/4\nK:G\n"


def measured(music: str, prompt: str = "") -> Features:
    prompt = HEADER + prompt if prompt else ""
    text = prompt + music if prompt else HEADER + music
    return measure(parse(text, len(prompt)))


@pytest.mark.parametrize(
    ("music", "share"),
    [
        ("F^F=FG|_BB^Gc|", 4 / 8),  # an accidental holds until the bar line
        ("_B2A2|B2A2|", 3 / 4),
        ("[F=F]4|", 1 / 2),
        ("K:F\nB_B=BF|[K:C]BF_BF|", 6 / 8),  # the key in force where the note is
        ("{=f}G4|", 1),  # a grace note is none
    ],
)
def test_notes_in_key(music, share):
    assert measured(music).in_key == pytest.approx(share)


@pytest.mark.parametrize(
    ("music", "share"),
    [
        ("C4|D4|", 0),
        ("C3x|z4|", 5 / 8),
        ("[CEG]2 z2|", 1 / 2),  # a chord takes its time once
        ("C4|Z3|", 3 / 4),
        ("z>C z2|", 3.5 / 4),
        ("z<C z2|", 2.5 / 4),
        ("(3CzC z2|", (2 / 3 + 2) / 4),
        ("V:1\nC4|\nV:2\nz2 E2|", 2 / 8),
        ("C4&E4|z4|", 1 / 2),
        ("z4|Z|", 1),
    ],
)
def test_share_of_rests(music, share):
    assert measured(music).rest_share == pytest.approx(share)


@pytest.mark.parametrize(
    ("music", "polyphony"),
    [
        ("C4|z4|D4|", 1),
        ("[CEG]4|C4|", 2),
        ("V:1\nC4|z4|\nV:2\nE2z2|z2G2|", 8 / 6),
        ("V:1\nC4|\nV:2\nzE2z|", 6 / 4),  # what begins later may end earlier
        ("V:1\nC4|\nV:2\nzE2z|\nV:3\nz3G|", 7 / 4),
        ("C4&E2z2|", 6 / 4),
    ],
)
def test_polyphony(music, polyphony):
    assert measured(music).polyphony == pytest.approx(polyphony)


@pytest.mark.parametrize(
    ("music", "share"),
    [
        ("CDEF|GABc|CDEF|CDE2|C,DEF|[CE]4|[EC]4|z4|z4|CDEF|", 3 / 8),
        ("zCDE|CzDE|zCDE|", 1 / 3),  # where in the bar
        ("CDEz|CDE2|", 0),
        ("|:CDEF|GABc:|", 0),
        ("|:CDEF|[1GABc:|[2GABc|]", 1 / 3),
        ("CDEF|Z2|CDEF|", 1 / 2),
        ("(3CDE F2|(3CDE F2|", 1 / 2),
        ("C/17D/19E2F|C/17D/19E2F|", 1 / 2),
        ("C>D E2|C3/2D/E2|", 1 / 2),  # another way to write the same
        ("C4|^C4|=C4|", 1 / 3),
        ("A,|CDEF|CDEF|", 1 / 3),
        ("V:1\nCDEF|G4|\nV:2\nCDEF|G4|", 0),
        ("V:1\nCDEF|CDEF|\nV:2\nC4|E4|", 1 / 4),
        ("[V:1]CDEF|[V:2]C4|[V:1]CDEF|[V:2]C4|", 2 / 4),
        ("C4&E4|[CE]4|", 1 / 2),
        ("C4|C4", 1 / 2),
    ],
)
def test_repetition(music, share):
    assert measured(music).repetition == pytest.approx(share)


def test_a_prompt_is_not_measured():
    found = measured("^G2z2|CDEF|", prompt="CDEF|Z2|GABc|")
    assert (found.notes, found.in_key, found.rest_share) == (5, 4 / 5, 2 / 8)
    assert found.repetition == 1 / 2  # of a bar of the prompt
    assert found.histograms["pitch_class"][[0, 8]].tolist() == [1 / 5, 1 / 5]
    found = measured("E^F|CDEF|", prompt="CDEF|CD")
    assert (found.notes, found.repetition) == (6, 1)  # the bar that the prompt begins is not the writer's alone
    found = measured("[V:2]C4|", prompt="[V:1]z4|[V:2]z4|[V:1]C4|")
    assert (found.notes, found.voices, found.rest_share, found.polyphony) == (1, 1, 0, 1)


def test_voices_are_those_with_notes():
    assert measured("V:1\nC4|\nV:2\nE4|\nV:3\nz4|").voices == 2
    assert measured("C4&E4|").voices == 1


def test_histograms():
    found = measured("C,,,,,,4 c2 ^c b3|B,/C/4E3/2G3/4D3/8|(3FFF (3F2F2F2|").histograms
    counts = dict.fromkeys(range(12), 0) | {0: 3, 1: 1, 11: 2, 4: 1, 7: 1, 2: 1, 6: 6}
    assert found["pitch_class"] == pytest.approx([counts[k] / 15 for k in range(12)])
    counts = {"1": 1, "1/2": 1, "1/4": 1, "3/4": 1, "1/8": 1, "1/16": 1, "3/8": 1, "3/16": 1, "3/32": 1}
    counts |= {"1/6": 3, "1/3": 3, "1/12": 0}
    assert found["note_length"] == pytest.approx([counts[length] / 15 for length in LENGTHS])


def test_a_length_counts_to_the_nearest_class():
    found = measured("C9 C/8 C/3 C5/4|").histograms["note_length"]
    assert {length for length, share in zip(LENGTHS, found, strict=True) if share} == {"1", "1/16", "1/12", "1/3"}
    assert sorted(found)[-4:] == [1 / 4] * 4


@pytest.mark.parametrize("text", ["", "% no tune\n", "X:1\n", HEADER, HEADER + "|||\n", HEADER + "{abc}|"])
def test_where_there_is_nothing_nothing_is_measured(text):
    assert measure(parse(text)) == Features(0, 0, None, None, None, None, None)


def test_rests_alone_are_all_rest():
    assert measured("z4|Z|") == Features(0, 0, None, 1, None, None, None)


def test_hostile_tunes_are_measured_in_time(shared):
    paths = sorted((shared / "abc-cases" / "hostile").glob("*.abc"))
    assert len(paths) > 50
    for path in paths:
        found = parse(path.read_text(encoding="utf-8", errors="replace")[: 1 << 18])
        start = time.process_time()
        measures = measure(found)
        assert time.process_time() - start < 2, path.name  # well under one second, where nothing else runs
        numbers = [measures.in_key, measures.rest_share, measures.polyphony, measures.repetition]
        assert all(math.isfinite(number) for number in numbers if number is not None), path.name


def test_lengths_of_any_size_are_measured():
    found = measured("C9999 [c9999e]9999 z9999/9973 d/9967|" * 2000)
    assert found.notes == 8000
    assert found.repetition == 1999 / 2000
