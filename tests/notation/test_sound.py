import re
import time

import numpy as np
import pytest

from tests.notation.conftest import ALL, DEFAULT
from tests.notation.slow_listener import listen_to, taken
from workflow.scripts.notation.sound import HAS_KEY, MAX_VOICES, NOTES, RESTS, VOICES, listen

TUNE = 'X:1\nT:A\nM:4/4\nL:1/8\nQ:1/4=90\nK:G\nP:A\nGABc d2"D"(3efg|"Em"!trill!e2{fg}z2 [Gdb]4:|\n'


@pytest.mark.parametrize(
    ("music", "n_notes", "n_rests"),
    [
        ("CDEF GABc|", 8, 0),
        ("^C_D=E^^f__g,,a''|", 6, 0),
        ("z4|x2 Z X3 y C|", 1, 4),
        ("[CEG]2 [C2E2]|", 5, 0),
        ("!trill!C!fermata!D!ff!E|", 3, 0),
        ("CDE!FGA|!\nBcd!ef g!", 12, 0),  # the ends of old lines
        ("+fermata+C +trill+D +a bad+E +5+F|", 8, 0),
        ("+CEG+ +ce|D+fermata", 10, 0),  # a chord of old ABC, and the mark of nothing
        ("W:|bad egg\nT:|\nK:|D\n", 0, 0),  # which programs play, but no reader of ABC 2.1
        ('"Am"C"^above"D"_a b|c"E|', 3, 0),
        ('"Am C|D', 3, 0),  # the mark of nothing
        ("{abc}D{/g}E|", 2, 0),
        ("{ab c|", 3, 0),
        ("[K:Ebmaj][M:3/4]C[V:bad]D[r:bad egg]E[P:A]|", 3, 0),
        ("[K:Eb C|", 3, 0),
        ("|:C:|[1 D|]|[2 E|]|1 F:|2G||", 5, 0),
        ("G:|\nA: |\nC: a tune\nw:la la\nV:bad\nB::|", 3, 0),
        ("(3CDE .F~G uA vB HC TD-|D", 10, 0),
        ("C & E | [C&E]", 4, 0),
        ("C % DEF\n% abc\n\\%D", 2, 0),
        ("%%MIDI program 42 bad\nC", 1, 0),
        ("Čé春D", 1, 0),
    ],
)
def test_what_counts_as_a_note(music, n_notes, n_rests):
    for cleaning in (DEFAULT, ALL):
        counts = listen_to(f"X:1\nT:Bad egg\nC:z\nadd egg\nK:C\n{music}\n", cleaning)["counts"]
        assert (counts[NOTES], counts[RESTS]) == (n_notes, n_rests)


def test_a_key_ends_the_header():
    assert listen_to("X:1\nT:K:\nM:4/4\n[K:C]\nCDEF|")["counts"] == [0, 0, 1, 0]
    assert listen_to("X:1\nK:\nCDEF|")["counts"] == [4, 0, 1, 1]


@pytest.mark.parametrize(
    ("music", "voices"),
    [
        ("CDE|", 1),
        ("V:1\nCDE|", 1),
        ("V:1\nC\nV:2\nD\nV:1\nC", 2),
        ("[V:1]C[V:2]D\n[V: 1 ]C[V:2 clef=bass]D", 2),
        ("V:1 name=A\nC\nV: 1\n[V:1]D", 1),
        ("V:T1\nC\nV:T10\nD\nV:t1\nE", 3),
        ("".join(f"V:{i}\nC\n" for i in range(MAX_VOICES)), MAX_VOICES),
        ("".join(f"V:{i}\nC\n" for i in range(MAX_VOICES + 9)), MAX_VOICES),
    ],
)
def test_voices_are_told_by_their_names(music, voices):
    assert listen_to(f"X:1\nK:C\n{music}\n")["counts"][VOICES] == voices
    names = re.findall(r"V: *(\w+)", music)
    header = "".join(f"V:{name}\n" for name in dict.fromkeys(names))
    assert listen_to(f"X:1\n{header}K:C\n{music}\n", ALL)["counts"][VOICES] == voices


@pytest.mark.parametrize(
    ("old", "new"),
    [
        ("X:1", "X:27"),
        ("T:A", "T:Another\nC:Me\nN:of it\nR:reel"),
        ("T:A\n", ""),
        ("M:4/4", "M: 4/4 "),
        ("GABc d2", "G A B c\td2"),
        ("efg|", "efg|\n"),
        ("efg|", "efg|\\\n"),
        ("efg|", "efg| % and again\n%%scale 0.7\n% remark\nN:note\nw:la\n"),
        ("K:G\n", "K:G % sharp\n"),
        ("Q:1/4=90", "Q: 1/4 = 90 % slow"),
        ("K:G", "%%begintext\nfoo\n%%endtext\nK:G"),
        ("K:G", "</pre>\nK:G"),
        ("|\n", "|\n</html>\n"),
    ],
)
def test_what_is_not_heard_makes_no_difference(old, new):
    assert old in TUNE
    for cleaning in (DEFAULT, ALL):
        assert listen_to(TUNE.replace(old, new, 1), cleaning) == listen_to(TUNE, cleaning)


def test_remarks_within_a_line_make_no_difference_where_they_go():
    for old, new in (("GABc", "[r:remark]GA[N:of]Bc"), ("|\n", "|\n[r:remark]\n")):
        assert listen_to(TUNE.replace(old, new, 1)) == listen_to(TUNE)


@pytest.mark.parametrize(
    ("old", "new"),
    [
        ("K:G", "K:D"),
        ("M:4/4", "M:2/2"),
        ("L:1/8", "L:1/16"),
        ("=90", "=91"),
        ("P:A", "P:B"),
        (":|", "|"),
        ("efg", "ef^g"),
        ('"D"', '"D7"'),
        ("!trill!", ""),
        ("{fg}", "{f}"),
        ("[Gdb]", "[GBdb]"),
        ("K:G", "%%MIDI program 40\nK:G"),
        ("K:G", "%%MIDI program 41\nK:G"),
        ("|", "|[K:D]"),
        ("|\n", "|\nW:|GAB\n"),
        ("|", "|\nM:3/4\n"),
        ("G2", "G2V:2\n"),
        ("K:G\n", "K:G\nV:1\n"),
    ],
)
def test_what_is_heard_makes_a_difference(old, new):
    made = TUNE.replace(old, new, 1)
    others = {listen_to(TUNE)["heard"], listen_to(TUNE.replace("K:G", "%%MIDI program 4\nK:G"))["heard"]}
    assert made == TUNE or listen_to(made)["heard"] not in others
    assert made != TUNE or old == "G2"


def test_tunes_of_a_text_are_heard_apart(airs):
    text = "".join(airs).encode()
    bounds = np.cumsum([0, *(len(tune.encode()) for tune in airs)])
    music = listen(np.frombuffer(text, np.uint8), bounds)
    for i in (0, 1, 57, len(airs) - 1):
        assert taken(music, i) == listen_to(airs[i])


def test_no_tune_is_nothing():
    music = listen(np.zeros(0, np.uint8), np.zeros(1, np.int64))
    assert music.counts.shape == (0, 4)
    assert music.counts[:, HAS_KEY].tolist() == music.contour.values.tolist() == []


def seconds(text: str) -> float:
    data = np.frombuffer(text.encode(), np.uint8)
    bounds = np.array([0, len(data)])
    times = []
    for _ in range(3):
        start = time.process_time()
        listen(data, bounds)
        times.append(time.process_time() - start)
    return min(times)


@pytest.mark.parametrize(
    "unit",
    ["{", '"', "[", "[V:", "[K:", "!", "&", "C", "C'", "%", "\\%", "z", "|", "G:", "V:{}\n", "[V:{}]C", "[V:{}\n"],
)
def test_time_is_linear(unit):
    """Where it went with the square, four times the text took 16 times as long, which is minutes."""
    short, long = (
        seconds("X:1\nK:C\n" + "".join(unit.format(i) if "{}" in unit else unit for i in range(n)) + "\n")
        for n in (50_000, 200_000)
    )
    assert long < 9 * short + 0.05
