import re
from collections.abc import Callable
from fractions import Fraction

import pytest

from tests.notation.slow_listener import FIELD, SILENT, heights, listen_to
from workflow.scripts.notation.steps import BREAK


def changed(tune: str, change: Callable[[re.Match], str]) -> str:
    """A clean tune with every note and rest of its music changed."""
    header, key, rest = re.match(r"(.*?)(^K:[^\n]*\n)(.*)", tune, re.DOTALL | re.MULTILINE).groups()
    note = re.compile(SILENT + r"|(?P<note>[A-Ga-g])(?P<octave>[,']*)(?P<length>[\d/]*)|(?P<rest>[zx])(?P<long>[\d/]*)")
    lines = [
        line if FIELD.match(line) or line.startswith("%") else note.sub(lambda m: m[0] and change(m), line)
        for line in rest.split("\n")
    ]
    return header + key + "\n".join(lines)


def third_up(note: re.Match) -> str:
    if not note["note"]:
        return note[0]
    height = heights(note["note"], note["octave"]) + 2
    octaves, step = divmod(height, 7)
    return "CDEFGAB"[step] + ("'" * octaves if octaves > 0 else "," * -octaves) + note["length"]


def twice_as_long(note: re.Match) -> str:
    text = note["length"] if note["note"] else note["long"]
    if text is None:
        return note[0]
    above, slashes, below = re.fullmatch(r"(\d*)(/*)(\d*)", text).groups()
    new = 2 * Fraction(int(above or 1), int(below) if below else 2 ** len(slashes))
    return (note["rest"] or note["note"] + note["octave"]) + f"{new.numerator}/{new.denominator}"


def test_a_melody_is_the_same_in_every_key_and_rhythm(airs):
    n = 0
    for tune in airs:
        before = listen_to(tune)
        for change in (third_up, twice_as_long):
            other = changed(tune, change)
            after = listen_to(other)
            assert after["counts"] == before["counts"]
            for name in ("steps", "lead", "contour"):
                assert after[name] == before[name]
            assert after["notes"] != before["notes"]
            n += len(after["contour"])
        flat = "CDE FGA Bcd|" + "".join(re.findall("[A-Ga-g]", tune))
        assert listen_to(f"X:1\nK:C\n{flat}\n")["contour"] != before["contour"]
    assert n > 20_000


@pytest.mark.parametrize(
    ("music", "steps"),
    [
        ("CDEC", [1, 1, -2]),
        ("Cc'C,B,,", [14, -21, -1]),
        ("C,'D", [1]),
        ("C[EGc]D", [7, -6]),
        ("C[cGE]D", [7, -6]),
        ("[CE]2[DF]2|", [1]),
        ('["Am"CE]G', [2]),
        ("C[]D", [1]),
        ("|[1 CDE:|[2 EDC|]", [1, 1, 0, -1, -1]),
        ("[|CDE|]", [1, 1]),
        ("[CE|DE", [1]),  # not closed before the bar ends
        ("C{def}D!trill!E", [1, 1]),
        ("C" + "'" * 99 + "C", [-60]),
        ("CD" + "," * 143 + "C", [-60, 60]),
        ("C[D" + "," * 999 + "]C", [-60, 60]),
        ("C", []),
    ],
)
def test_steps_go_from_the_highest_note_to_the_highest(music, steps):
    said = listen_to(f"X:1\nK:C\n{music}\n")
    assert said["steps"] == said["lead"] == steps
    assert said["contour"] == [step for step in steps if step]


def test_an_overlay_is_not_the_lead():
    said = listen_to("X:1\nK:C\nCDEF & G4 | G & [EG] e\nA & c\nB\n")
    assert said["lead"] == [1, 1, 1, 1, 1, 1]
    assert len(said["steps"]) == 10


def test_the_lead_is_the_first_voice_that_sounds_in_any_layout():
    bars = {"1": ["z4|", "CDEF|", "G2AB|", "c4|]"], "2": ["[C,E,]4|", "z2C,2|", "B,,4|", "[C,c]4|]"]}
    by_voice = "".join(f"V:{voice}\n" + "".join(part) + "\n" for voice, part in bars.items())
    by_bar = "".join(f"[V:1]{a}\n[V:2]{b}\n" for a, b in zip(*bars.values(), strict=True))
    in_line = "".join(f"[V:1]{a}[V:2]{b}" for a, b in zip(*bars.values(), strict=True)) + "\n"
    by_line = "".join(f"V:1\n{a}\nV:2\n{b}\n" for a, b in zip(*bars.values(), strict=True))
    header = "X:1\nV:1\nV:2\nK:C\n"
    said = [listen_to(header + layout) for layout in (by_voice, by_bar, in_line, by_line)]
    assert said[0]["lead"] == [1, 1, 1, 1, 1, 1, 1]
    assert [s["steps"] for s in said] == [[*said[0]["lead"], BREAK, -2, -1, 15]] * 4
    lower = [-2, -1, 15]
    assert [s["lead"] for s in said[1:]] == [lower] * 3  # here the second voice sounds first
    for layout in (by_voice, by_bar, in_line, by_line):
        assert listen_to(header + layout.replace("z4|", "E4|"))["lead"] == [-2, *said[0]["lead"]]
