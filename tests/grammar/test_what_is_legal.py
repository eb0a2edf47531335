"""Notations that people report as bugs to programs: what the standard allows is not refused, what it forbids is."""

import json

import pytest

from workflow.scripts.grammar.checker import parse
from workflow.scripts.grammar.rhythm import judge
from workflow.scripts.reading.pieces import whole_text

HEADER = "X:1\nT:t\nM:4/4\nL:1/8\nK:C\n"


def said(music: str, header: str = HEADER) -> list[tuple[str, int, int]]:
    """(tier, line, column) of each message, rhythm included, about some music under a header."""
    found = parse(header + music)
    judge(found)
    return [(m["tier"], m["line"], m["column"]) for m in found.located()]


def pitches(music: str, header: str = HEADER) -> list[int]:
    (part,) = parse(header + music).parts.values()
    return [note.pitch for note in part.notes]


@pytest.mark.parametrize(
    "music",
    [
        "|::C8::|D8|]",
        "|:C8:|:D8:|]|:E8::|",
        "|:C8::D8:|]",
        "|:C8:||:D8:|[|E8|]",
        "C8|[|D8|[|:::E8:::|",
        "|:C8:|D8 ]|:E8:|",
        "C8||||D8|]:E8:|",
        "C8[|]D8|]",
        "|:C8 H[|]:|",
        "|:C8:|\n|:\n",
        "|:C8:|D8::",
        "|:C8|1D8:|E8|]",
        "|:C8|[1D8:|[2E8|]",
        "|:C8|1,3D8:|2,4E8:|",
    ],
)
def test_bar_lines_of_any_shape(music):
    assert said(music) == []


@pytest.mark.parametrize(
    "music",
    [
        "C4{a>b}D4|E8|]",
        "{a>b}C8|{/[df]g}D8|]",
        "C4-{d}C4|{[ce]}D8|]",
        "A<{g}A A{g}<A {^g=a_b}c4|]",
        "({ab}c4 d4)|{(ab)}c8|{a3/2b/}c8|]",
        "~{g}A8|{(3abc}A8|]",
    ],
)
def test_grace_notes_leave_the_melody_alone(music):
    assert said(music) == []
    without = parse(HEADER + "".join(part.partition("}")[2] or part for part in music.replace("{", "}{").split("}{")))
    with_graces = parse(HEADER + music)

    def melody(found):
        return [(note.onset, note.duration) for part in found.parts.values() for note in part.notes]

    assert melody(with_graces) == melody(without)


@pytest.mark.parametrize(
    "music",
    [
        "|:C4 D4|E4 C4-:|D8|]",
        "|:C4 D4-|1 D8:|2 D8|]",
        "|:C4 D4-|1 E8:|2 D8|]",
        "|:C4 D4|1 E4 C4-:|2 E8|]",
        "c4 d4-&e4 f4-|d4 c4&f4 e4|]",
        "c8&e8-|c8&e8|]",
        "c8&e8-|[ce]8|]",
        "d8&z4 c4-|c8&d8|]",
        "c4 d4-|f8&d8|]",
        "^G8-|_A8|]",
        "[^C-E]8|[_D-F]8|[^CA]8|]",
        "^C8-|C8|]",
        "|:C4 (D4|1 E4) C4:|2 E4) C4|]",
        "|:C4 (D4|1 E4) C4:|2 E8|]",
        "|:C4) D4|E4 (F4:|",
        "C8-|\n[V:2]E8-|\n[V:1]C8|]\n[V:2]E8|]\n",
    ],
)
def test_ties_and_slurs_find_their_other_half(music):
    assert said(music) == []


def test_a_tied_note_keeps_its_accidental_over_a_bar_line():
    assert pitches("^C8-|C8|C8|]") == [61, 61, 60]


@pytest.mark.parametrize(("reach", "last"), [("pitch", [78, 66]), ("octave", [78, 65]), ("not", [77, 65])])
def test_how_far_an_accidental_reaches(reach, last):
    for directive in (f"I:propagate-accidentals {reach}", f"%%propagate-accidentals {reach}"):
        assert pitches("^f2 f2 F4|]", HEADER.replace("K:C", f"{directive}\nK:C")) == [78, *last]


@pytest.mark.parametrize(
    ("field", "music"),
    [
        ("U:J=!fine!", "C8 J|C8|]"),
        ("U:j = !trill!", "j C8|HC8 H|]"),
        ("m:tn = {o}n", "tCtDtEtF tGtAtBtc|]"),
        ("m:~n3 = (3o/n/m/ n2", "~a3 A B2 c2|]"),
        ("I:linebreak !", "C8|!D8!|E8!|]"),
        ("I:linebreak !", "C4!D2!E2|]"),
        ("%%continueall", "C4!D2!E2|]"),
        ("I:linebreak $", "C8|$D8|]"),
        ("M:120/4", "C8|]"),
        ("M:(2+3+2)/8", "CDEFGAB|]"),
        ("K:C perc stafflines=1 mozart:noteC=snare-drum", "C8|]"),
        (" % a comment alone", "C8|]"),
        ("N:a note\n+:that goes on", "C8|]\nw:do\n+:re"),
    ],
)
def test_fields_define_signs_and_line_breaks(field, music):
    assert [m for m in said(music, HEADER.replace("K:C", f"{field}\nK:C")) if m[0] != "rhythm"] == []


@pytest.mark.parametrize(
    "music",
    [
        ". C2 ~ D2 T E4|]",
        "C6 !f!y D2|HZ|]",
        "ABcd efg>\na|(3ab\nc z6|]",
        "AB:|\nDE:|cd6|]",
        "abc4\\\n-c2|]",
        "g4 f4|e6 e2 &&\\\n(d8|c6) c2|]",
    ],
)
def test_what_may_come_between(music):
    assert said(music) == []


@pytest.mark.parametrize(
    "text",
    [
        "%abc-2.1\nI:linebreak $\nM:4/4\nL:1/4\nZ:me\n\nX:1\nT:t\nK:C\nCDEF|]",
        "Some words: here.\n\nM:3/4 of them\n\nX:1\nT:t\nM:4/4\nL:1/8\nK:C\nC8|]",
        "%%beginps\n/hbar {M -3 -1 rmoveto} bind def\nX:9\n%%endps\nX:1\nT:t\nK:C\nC8|]",
        "X:1\nT:t\n%%begintext\nSome words, and more\n\nX:2 no tune\n%%endtext\nM:4/4\nL:1/8\nK:C\nC8|]",
        "X:1\nT:t\nK:C\nC8|\n%%begintext\nWords of a tune, here.\n%%endtext\nC8|]",
    ],
)
def test_file_headers_free_text_and_blocks(text):
    found = parse(text)
    assert found.messages == []
    assert judge(found).is_right is not False


def test_a_file_header_is_in_force_in_every_tune_but_for_what_the_tune_says():
    text = "M:3/4\nL:1/4\nU:J=!fermata!\n\nX:1\nK:C\nJCDE|]\n\nX:2\nM:4/4\nK:C\nCDEJF|]\n\nX:3\nK:C\nCDEF|]\n"
    found = parse(text)
    judge(found)
    assert found.tiers <= {"soft"}
    assert [bar.meter for bar in found.parts["1"].bars] == [bar.duration for bar in found.parts["1"].bars]


@pytest.mark.parametrize(
    ("music", "at"),
    [
        ("^/c2 _3/2d2 ^3/e4|]", 1),
        ("C8|!\nD8|]", 4),
        ("CDEF GABc0|]", 9),
        ('C8|["Coda"D8|]', 4),
        ("(1:2:2CD E4|]", 1),
        ("CDEFG3(3A|Bc4d3|]", 7),
        ("(& c8 & e8 &)|c8|]", 1),
        ("[]C8|]", 1),
        ("C8|\n  w:do\nD8|]", 1),
    ],
)
def test_what_programs_play_though_the_standard_has_no_rule_for_it_is_soft(music, at):
    found = parse(HEADER + music)
    assert found.tiers == {"soft"}
    assert found.located()[0]["column"] == at


@pytest.mark.parametrize(
    "field",
    [
        "M:6 / 8",
        "M:3/3",
        "M:2",
        "M:2/4 3/4",
        "Q:1/4=90-95",
        "Q:1/4=ca. 80",
        "K:C _2B ^4f",
        "K:E phr -8va",
        "K:=G",
        "K:D exp ^F, _b'",
    ],
)
def test_fields_that_programs_read_though_the_standard_does_not_are_soft(field):
    header = HEADER.replace("K:C\n", "") + (field if field[0] == "K" else f"{field}\nK:C") + "\n"
    assert {tier for tier, *_ in said("C6|]", header)} - {"rhythm"} == {"soft"}


@pytest.mark.parametrize(
    ("music", "tier", "column"),
    [
        ('V:1 name="x\nC8|]', "hard", 1),
        ("V:\nC8|]", "hard", 1),
        ("C&gt;E G&#60;c z4|]", "hard", 2),
        ("(& c4 (B4 &) c8)|]", "balance", 11),
        ("(& c8 & e8|]", "balance", 1),
        ("c8 &)|]", "balance", 4),
        ("{a>}C8|]", "hard", 3),
        ("{[ab}C8|]", "hard", 2),
        ("{>a}C8|]", "hard", 2),
        ("|:C4 D4-|1 E8:|2 E8|]", "balance", 8),
        ("c8&e8-|c8&d8|]", "balance", 6),
        ("C8|[1D8|]", "balance", 3),
        ("words with a meaning|]", "hard", 1),
        ("<br>\nC8|]", "hard", 1),
        ("</pre></body>\nC8|]", "hard", 1),
    ],
)
def test_what_is_wrong_is_not_accepted(music, tier, column):
    assert (tier, 6, column) in said(music)


def test_a_tune_without_a_note_has_a_name_of_its_own():
    for music in ('"C"z4 "G"z4|z8|]', "Z4|]", '"Am"y|]'):
        found = parse(HEADER + music)
        assert found.is_valid
        assert found.tiers == {"silent"}
    assert parse(HEADER + '"^no chord"|]').tiers == {"hard"}
    prompt = HEADER + "C8|"
    assert parse(prompt + "z8|]", len(prompt)).tiers == {"silent"}


def test_a_voice_that_stops_early_is_not_out_of_step(shared):
    text = (shared / "reports" / "read" / "voice_ends_early.abc").read_text()
    assert judge(parse(text)).is_right
    assert judge(parse(text.replace("C,2|", "C,2|]"))).is_right is False
    assert judge(parse(text.replace("G,,4| C,2|", "G,,2| C,2|"))).is_right is False


def test_inputs_that_were_reported_get_their_verdict(shared):
    reports = shared / "reports"
    wrong = []
    for case in json.loads((reports / "syntax.json").read_text()):
        found = parse(whole_text((reports / "syntax" / case["file"]).read_bytes()))
        if found.is_valid != (case["verdict"] == "legal"):
            wrong.append(case["file"])
    assert wrong == []
