"""Directives in each of their spellings, where a file, a header, a body and a line of music may have them."""

import pytest

from tests.notation.conftest import ALL, DEFAULT, NOTHING, cleaned
from tests.notation.slow_listener import listen_to

SOUNDING = [
    "MIDI program 40", "MIDI transpose -2", "MIDI drum d2 35 80", "MIDIdef a=program 4", "propagate-accidentals not",
    "score (1 2)", "staves 1", "transpose 2", "continueall 1", "linebreak !", "linebreak <EOL> !", "decoration +",
    "percmap C pedal-hi-hat x", "microscale 53", "user T=!trill!", "MidiOff",
]  # fmt: skip
SILENT = [
    "scale 0.7", "setbarnb 10", "linebreak $", "linebreak <none>", "decoration !", "abc-version 2.1", "midi program 40",
    "MIDI", "transposed 2", "scores (1 2)", "text ! +", "writefields T 0",
]  # fmt: skip


@pytest.mark.parametrize("cleaning", [DEFAULT, NOTHING, ALL], ids=str)
@pytest.mark.parametrize("directive", SOUNDING)
def test_a_sounding_directive_stays_in_one_spelling(directive, cleaning):
    for line in (f"%%{directive}", f"I:{directive}", f"I: {directive}", f" \t%%{directive}", f" I:\t{directive} "):
        text = f"X:1\nL:1/8\nK:C\nCDEF|\n%%{directive}\nGABc|\n"
        assert cleaned(text.replace(f"%%{directive}", line), cleaning) == text
        header = f"X:1\n%%{directive}\nL:1/8\nK:C\nCDEF|\n"
        assert cleaned(header.replace(f"%%{directive}", line), cleaning) == header
    line = f"X:1\nK:C\nCDEF|[I:{directive}]GABc|\n"
    assert cleaned(line, cleaning) == line


@pytest.mark.parametrize("directive", SILENT)
def test_a_silent_directive_goes_in_every_spelling(directive):
    without = "X:1\nL:1/8\nK:C\nCDEF| GABc|\n"
    for line in (f"%%{directive}", f"%% {directive}", f"I:{directive}", f" I: {directive}"):
        assert cleaned(without.replace("K:C\n", f"{line}\nK:C\n{line}\n")) == without
    for field in (f"[I:{directive}]", f"[I: {directive}] "):
        assert cleaned(without.replace("GAB", f"{field}GAB")) == without
        kept = without.replace("GAB", f"{field}GAB").replace("L:1/8\n", f"L:1/8\n%%{directive}\nI:{directive}\n")
        assert cleaned(kept, ALL) == kept


def test_a_blank_after_the_percent_signs_stays_where_it_silences_abc2midi():
    lines = ["%% MIDI program 40", "%% propagate-accidentals not"]
    for line in lines:
        assert cleaned(f"X:1\nK:C\n{line}\nCDEF|\n") == f"X:1\nK:C\n{line}\nCDEF|\n"
    assert cleaned("X:1\n%%  score (1 2)\nK:C\nCDEF|\n") == "X:1\n%%score (1 2)\nK:C\nCDEF|\n"


@pytest.mark.parametrize(
    ("lines", "kept"),
    [
        ("I:linebreak !\nI:linebreak $\n", "%%linebreak !\n%%linebreak $\n"),
        ("I:linebreak $\nI:linebreak !\n", "%%linebreak !\n"),
        ("%%decoration +\nI:decoration !\n", "%%decoration +\n%%decoration !\n"),
        ("I:linebreak !\n%%scale 1\nI:decoration !\n", "%%linebreak !\n%%decoration !\n"),
        ("I:linebreak=!\n", "%%linebreak=!\n"),
    ],
)
def test_what_takes_back_a_dialect_stays_as_the_dialect_does(lines, kept):
    assert cleaned(f"X:1\n{lines}K:C\nCDE!FGAB!c|\n") == f"X:1\n{kept}K:C\nCDE!FGAB!c|\n"


@pytest.mark.parametrize(
    ("lines", "kept"),
    [
        ("I:MIDI drum d2\n+: 35 80\n", "I:MIDI drum d2\n+:35 80\n"),  # only I: can go on
        ("I:MIDI drum d2\n% what\nN:note\n+:more\n", "%%MIDI drum d2\n"),
        ("I:MIDI drum d2\n%%scale 1\n+:35 80\n", "I:MIDI drum d2\n+:35 80\n"),
        ("I:scale\n+:0.7\n", ""),
        ("N:note\n%%MIDI program 1\n+:of a note\n", "%%MIDI program 1\n"),
        ("I:MIDI program 1\\\n", "%%MIDI program 1\n"),
        ("I:MIDI\\\n", ""),
        ("I:MIDI program 1 % one\n", "%%MIDI program 1\n"),
    ],
)
def test_a_directive_that_goes_on_stays_whole(lines, kept):
    assert cleaned(f"X:1\n{lines}K:C\nCDEF|\n") == f"X:1\n{kept}K:C\nCDEF|\n"
    assert cleaned(f"X:1\nK:C\nCD\\\n{lines}EF|\n") == f"X:1\nK:C\nCD{chr(92) + chr(10) if kept else ' '}{kept}EF|\n"


@pytest.mark.parametrize("directive", SOUNDING)
def test_tunes_that_differ_in_a_sounding_directive_are_other_music(directive):
    tune = "X:1\nL:1/8\nK:C\nCDEF|GABc|\n"
    spellings = [listen_to(tune.replace("K:C", f"{sign}{directive}\nK:C"))["heard"] for sign in ("%%", "I:")]
    assert spellings[0] == spellings[1] != listen_to(tune)["heard"]


@pytest.mark.parametrize("directive", SILENT)
def test_tunes_that_differ_in_a_silent_directive_are_the_same_music(directive):
    tune = "X:1\nL:1/8\nK:C\nCDEF|GABc|\n"
    for spelling in ("%%", "I:"):
        for cleaning in (DEFAULT, ALL):
            assert listen_to(tune.replace("K:C", f"{spelling}{directive}\nK:C"), cleaning) == listen_to(tune)
