import json
import random
import string
from collections import Counter

import pytest

from workflow.scripts.grammar.checker import parse
from workflow.scripts.grammar.findings import MAX_MESSAGES, TICKS
from workflow.scripts.grammar.rhythm import judge
from workflow.scripts.writing.features import measure

HEADER = "X:1\nT:t\nM:4/4\nL:1/8\nK:C\n"


def said(music, header=HEADER):
    """(tier, line, column) of each message about some music under a header; rhythm included."""
    found = parse(header + music)
    judge(found)
    return [(m["tier"], m["line"], m["column"]) for m in found.located()]


@pytest.mark.parametrize(
    "music",
    [
        "|:C2>D2 {ef}[CE]4 | (3ABc (3z[CE]z c/d//e// B3-|1B8:|2B8|]",
        "A2-A2 [CE]2-[CE]2 | .(A2.B2) ~c2Td2 | (A4 (B2)c2) |",
        '"Am"A>"D7"B !trill!c<d {g}e>>f z2|z8 & c8|Z4|',
        "A/2B3/2c3d2-|d^f_g=a c>^d e2||",
        "A8|[M:3/4]A6|[L:1/4]A3|[K:G]B3|]",
        "A4 A2\\\nA2|A8 % a comment | ^\n|]",
        "(5:4:5ABcde A4|(7:4ABcdefg A4|",
    ],
)
def test_what_the_standard_defines_passes(music):
    assert said(music) == []


@pytest.mark.parametrize(
    ("music", "tier", "column"),
    [
        ("A8 ] |", "hard", 4),
        ("[CE A6|", "hard", 1),
        ("{AB A8|", "hard", 1),
        ("A} A8|", "hard", 2),
        ("A7 ^ |", "hard", 4),
        ("___A8|", "hard", 1),
        ("A7> |", "hard", 3),
        ("> A8|", "hard", 1),
        ('"Am A8|', "hard", 1),
        ("!f A8|", "hard", 1),
        ("A/0 A8|", "hard", 1),
        ("A0 A8|", "soft", 1),
        ("A8|A6(3AB|]", "hard", 6),
        ("(3AB | A8|", "soft", 1),
        ("(3 | A8|", "hard", 1),
        ("A8, |", "hard", 3),
        ("A8 é|", "hard", 4),
        ("A8 - |", "hard", 4),
        ("A8.|A8|.", "hard", 8),
        ("(A8|", "balance", 1),
        ("A8)|", "balance", 3),
        ("A8-|B8|", "balance", 3),
        ("A8-|]", "balance", 3),
        ("[A-C-]8|[AD]8|", "balance", 5),
        ("|:A8|A8|]", "balance", 1),
        ("A8|2 B8|]", "balance", 3),
        ("|1 A8|]", "balance", 1),
        ("A8|A9|A8|", "rhythm", 4),
        ("A8|A7|A8|", "rhythm", 4),
        ("A9|A8|", "rhythm", 1),
        ("A8 Q|", "soft", 4),
        ("A8 ?|", "soft", 4),
        ("A4/3/2 z5|", "soft", 1),
        ("!qwzrt!A8|", "soft", 1),
    ],
)
def test_each_fault_is_found_where_it_stands(music, tier, column):
    assert (tier, 6, column) in said(music)


@pytest.mark.parametrize(
    ("header", "line"),
    [
        ("T:t\nM:4/4\nK:C\n", 1),
        ("T:t\nX:1\nK:C\n", 1),
        ("X:one\nK:C\n", 1),
        ("X:1\nM:4/0\nK:C\n", 2),
        ("X:1\nM:4/5x\nK:C\n", 2),
        ("X:1\nL:1/-8\nK:C\n", 2),
        ("X:1\nQ:1/4\nK:C\n", 2),
        ("X:1\nK:Gmajjjor\n", 2),
        ("X:1\nK:H\n", 2),
        ("X:1\n\nK:C\n", 2),
        ("X:1\nM:4/4\n", 3),
    ],
)
def test_a_header_must_be_whole(header, line):
    assert [("hard", line, 1)] == [m for m in said("A8|\n", header) if m[0] == "hard"][:1]


def test_notes_of_the_prompt_do_not_count():
    text = HEADER + "CDEF GABc|"
    assert parse(text).is_valid
    found = parse(text, prompt_chars=len(text))
    assert [m["message"] for m in found.located()] == ["no note after the prompt"]


def test_pitches_keep_the_key_and_the_bars_accidentals():
    (part,) = parse("X:1\nM:4/4\nL:1/4\nK:D\nF^G G=F|F,c'").parts.values()
    assert [note.pitch for note in part.notes] == [66, 68, 68, 65, 54, 85]
    assert [note.in_key for note in part.notes] == [True, False, False, False, True, True]
    assert [note.onset for note in part.notes[:2]] == [0, TICKS // 4]


def test_pickups_and_what_they_leave_may_be_short():
    assert said("A|B8|c7:|d2|e8|f6||g8|]") == []
    found = parse(HEADER + "A8|B8")
    assert judge(found).is_right
    assert not found.closed
    assert judge(parse("X:1\nK:C\nA3|")).is_right is None  # free meter has no bars to keep


def test_voices_that_fall_out_of_step_are_misaligned():
    one, two = "V:1\nA8|B8|c8|]\n", "V:2\nA8|B8|c8|]\n"
    assert said(one + two) == []
    found = parse(HEADER + one + "V:2\nA8|c8|]\n")
    rhythm = judge(found)
    assert (rhythm.places, rhythm.misaligned, rhythm.is_right) == (3, 1, False)
    assert found.is_valid


@pytest.mark.parametrize(
    ("voices", "places", "misaligned"),
    [
        # A voice that ends early: neither its last bar nor what the others have after it is compared.
        ("V:1\nA8|B8|c8|\nV:2\nA4|\n", 0, 0),
        ("V:1\nA8|B8|c8|d8|\nV:2\nA8|B4|\nV:3\nA8|B8|c8|\n", 2, 0),
        ("V:1\nA8|B8|c8|d8|\nV:2\nA8|B4|\nV:3\nA8|B6|c8|\n", 2, 1),
        # In the middle it is out of step, and so is one that says by |] that the tune is over.
        ("V:1\nA8|B8|c8|\nV:2\nA6|B8|c8|\n", 2, 1),
        ("V:1\nA8|B8|c8|]\nV:2\nA8|B8|]\n", 3, 1),
        ("V:1\nA8|B8|c8|]\nV:2\nA8|B8|\n", 1, 0),
    ],
)
def test_a_voice_may_end_early_and_only_what_is_compared_is_counted(voices, places, misaligned):
    rhythm = judge(parse(HEADER + voices))
    assert (rhythm.places, rhythm.misaligned) == (places, misaligned)


def test_a_bar_that_is_full_at_the_end_of_a_line_needs_no_bar_line():
    assert said("A8|B8\nc8|d8\nZ2|A8|]") == []
    rhythm = judge(parse(HEADER + "A8|B8\nc8|d4\nd4|A8\n"))
    assert (rhythm.bars, rhythm.right) == (5, 5)
    for music in ("A8|B8 c8|]", "A8|B8\\\nc8|d8|]", "A8|B4\nB6|c8|]", "A8|B8\nc9|d8|]"):
        assert [message[0] for message in said(music)] == ["rhythm"], music
    found = parse(HEADER + "A8|B8\nc8\n")
    assert not found.closed
    assert [len(part.bars) for part in found.parts.values()] == [3]


def test_a_meter_in_front_of_a_bar_line_is_that_of_the_next_bar():
    assert said("A8|B8[M:3/4]|c6|d6|]") == []
    assert [message[0] for message in said("A8|[M:3/4]B8|c6|d6|]")] == ["rhythm"]


def test_the_bars_of_a_prompt_are_nobodys():
    prompt, own = HEADER + "A8|B7|c4", "c4|d8|]\n"
    alone = judge(parse(prompt + own))
    assert (alone.bars, alone.right, alone.is_right) == (4, 3, False)
    rhythm = judge(found := parse(prompt + own, len(prompt)))
    assert (rhythm.bars, rhythm.right, rhythm.is_right) == (2, 2, True)  # the bar that it ends is its own
    assert "rhythm" not in found.tiers
    assert judge(parse(prompt + "c5|\n", len(prompt))).right == 0
    rhythm = judge(parse(prompt + "|]\n", len(prompt)))
    assert (rhythm.bars, rhythm.right, rhythm.is_right) == (1, 0, False)
    two = "[V:1]A8|B8|[V:2]A8|B7|"
    rhythm = judge(parse(HEADER + two + "[V:1]c8|]\n[V:2]c7|]\n", len(HEADER + two)))
    assert (rhythm.bars, rhythm.places, rhythm.misaligned) == (2, 1, 1)


def test_bars_of_rests_alone_are_no_success():
    rhythm = judge(parse(HEADER + "z8|Z3|z8|]"))
    assert (rhythm.bars, rhythm.right, rhythm.is_right) == (5, 0, False)


@pytest.mark.parametrize("key", ["GB", "CB maj", "g", "H", "Gmajjjor", "X9"])
def test_a_key_that_is_none_is_found(key):
    assert "hard" in parse(HEADER.replace("K:", f"K:{key}\nK:") + "A8|]").tiers


@pytest.mark.parametrize("seed", range(4))
def test_no_text_stops_the_checker(seed):
    """What a model writes may be any mixture of the signs of ABC, in fields too."""
    rng = random.Random(seed)
    signs = string.ascii_letters + string.digits + " \t\n\"!#$%&'()*+,-./:;<=>?@[\\]^_`{|}~é"
    fields = ("A", "Bb", "C#", "none", "HP", "6/8", "(2+3)/8", "1/8", '"Allegro" 1/4=9', "treble", "H=!trill!", "1")
    for _ in range(500):
        text = HEADER + "".join(rng.choices(signs, k=rng.randrange(60)))
        for letter in rng.choices("KMLQVUIPRT", k=3):
            value = rng.choice(fields) + "".join(rng.choices("ABGbm#^_=/0123+() ", k=rng.randrange(4)))
            text += rng.choice((f"\n{letter}:{value}\n", f"[{letter}:{value}]")) + "A(3Bc>d-|"
        found = parse(text, rng.randrange(len(text)))
        judge(found)
        measure(found)
        found.located()


def test_noise_has_a_bounded_number_of_messages():
    found = parse(HEADER + "]" * 100_000)
    assert len(found.messages) == MAX_MESSAGES


def test_cases_of_known_verdict(shared):
    """Every fault of a certain verdict is found, and no good tune has one."""
    missed = Counter()
    for case in json.loads((shared / "abc-cases" / "manifest.json").read_text())["files"]:
        if case["kind"] not in ("good", "bad") or not case["certain"]:
            continue
        found = parse((shared / "abc-cases" / case["path"]).read_text())
        right, expect = judge(found).is_right, case["expect"]
        if case["kind"] == "good":
            seen = found.is_valid and (right or expect["bars"] != "ok")
        elif expect["tier"] == "rhythm":
            seen = found.is_valid and right is False
        else:
            seen = expect["tier"] in found.tiers
        missed[case["cls"]] += not seen
    assert {name: count for name, count in missed.items() if count} == {}
