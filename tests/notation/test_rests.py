import itertools
import random
import re
import time
from fractions import Fraction

import numpy as np
import pytest

from tests.notation.conftest import DEFAULT, abc_ish
from tests.notation.durations import durations, header, units
from workflow.scripts.corpus.measure import shorten
from workflow.scripts.notation.clean import clean, find_tunes
from workflow.scripts.notation.rests import bar_length, longest_rests, shorten_rests

BARS = {  # (M:, L:) -> units to the bar
    ("4/4", "1/8"): 8, ("C", "1/4"): 4, ("C|", "1/16"): 16, ("6/8", "1/8"): 6, ("5/4", "1/16"): 20,
    ("3/4", "1/4"): 3, ("12/8", "1/8"): 12, ("3/8", None): 6, ("3/4", None): 6, ("C", None): 8, ("2/4", None): 8,
}  # fmt: skip


def shortened(music: str, max_bars: int = 2, meter: str = "4/4", unit: str | None = "1/8") -> str:
    """What becomes of the lines after K:."""
    head = header(meter, unit)
    text = shorten_rests(head + music, max_bars)
    assert text.startswith(head)
    return text.removeprefix(head)


@pytest.mark.parametrize(
    ("text", "value"), [("", 1), ("3", 3), ("/", "1/2"), ("//", "1/4"), ("3/2", "3/2"), ("/8", "1/8")]
)
def test_the_lengths_that_these_tests_count_with(text, value):
    assert units(text) == Fraction(value)


@pytest.mark.parametrize(
    ("before", "after"),
    [
        ("z8|z8|C8|", "z8|z8|C8|"),
        ("z8|z8|z8|C8|", "Z3| C8|"),
        ("C8|z8|z8|z8|", "C8|Z3|"),
        ("C8|z8|z8|z8|]", "C8|z8|z8|z8|]"),  # the last is no plain bar line
        ("C8|z8|z8|z8|z8|]", "C8|Z3| z8|]"),
        ("C8|z8|z8|z8|z8:|", "C8|Z3| z8:|"),
        ("C8||z8|z8|z8|z8||", "C8||Z3| z8||"),
        ("C8|z8|z8|z8|z8|1 C8:|2 D8|", "C8|Z3| z8|1 C8:|2 D8|"),
        ("|:z8|z8|z8|z8|C8:|", "|:z8|Z3| C8:|"),
        ("C8 |z8 | z8 | z8 |D8|", "C8 |Z3| D8|"),
        ("z8|z8|\nz8|\nC8|", "Z3|\nC8|"),
        ("z8|\nz8|\nz8| C8|", "Z3| C8|"),
        ("z4\nz4|z8|z8|C8|", "Z3| C8|"),
        ("x8|z4x4|z2z2 z3 z|C8|", "Z3| C8|"),
        ("z16/2|z15/2z/|z31/4z//|C8|", "Z3| C8|"),
        ("z8|z8|z8|C8|z8|z8|z8|z8|C8|", "Z3| C8|Z4| C8|"),
        ("z8|z8|z4|z8|z8|C8|", "z8|z8|z4|z8|z8|C8|"),  # the third lasts half a bar
        ("z8|z8|z7|z8|z8|z8|C8|", "z8|z8|z7|Z3| C8|"),
        ("z9|z9|z9|C8|", "z9|z9|z9|C8|"),
        ("z0|z0|z0|", "z0|z0|z0|"),
        ("z8/0|z8/0|z8/0|C|", "Z3| C|"),  # as abc2midi, which takes no denominator for 1
        ('z8|"Am"z8|z8|z8|C8|', 'z8|"Am"z8|z8|z8|C8|'),
        ("C8&z8|z8|z8|C8|", "C8&z8|z8|z8|C8|"),
        ("Cz7|z8|z8|C8|", "Cz7|z8|z8|C8|"),
        ("z8|z8|\nP:B\nz8|C8|", "z8|z8|\nP:B\nz8|C8|"),
        ("z8|z8|\nP:B\nz8|z8|z8|C8|", "z8|z8|\nP:B\nZ3| C8|"),
        ("z8|z8|z8|\nM:3/4\nC6|", "z8|z8|z8|\nM:3/4\nC6|"),
        ("z8|z8|z8|[M:3/4]C6|", "z8|z8|z8|[M:3/4]C6|"),
        ("z8|z8|z8|[L:1/4]C4|", "z8|z8|z8|[L:1/4]C4|"),
        ("Z3|z8|z8|C8|", "Z3|z8|z8|C8|"),
    ],
)
def test_a_long_run_of_silent_bars_becomes_one(before, after):
    assert shortened(before + "\n") == after + "\n"
    for meter, unit in (("2/2", "1/8"), ("C", None), ("C|", "1/8"), ("4/4", "1/8")):
        assert shortened(before + "\n", 2, meter, unit) == after + "\n"


@pytest.mark.parametrize(("meter", "unit"), BARS, ids=str)
def test_a_bar_is_what_the_meter_says(meter, unit):
    n = BARS[meter, unit]
    assert bar_length(header(meter, unit)) == n
    assert shortened(f"z{n}|z{n}|z{n}|C|\n", 2, meter, unit) == "Z3| C|\n"
    other = f"z{n + 1}|z{n + 1}|z{n + 1}|C|\n"
    assert shortened(other, 2, meter, unit) == other


@pytest.mark.parametrize(
    "head",
    ["", "M:none\n", "M:2+3/8\n", "M:\n", "L:1/8\n", "M:4/4\nL:1/0\n", "M:4/4\nL:0\n", "M:0/4\n",
     "M:1e99999999\nL:1/8\n", "M:4/4\nL:1e-99999999\n", "M:-4/4\n", f"M:{'9' * 5000}/4\n"],
)  # fmt: skip
def test_without_a_meter_bars_stay(head):
    tune = f"X:1\n{head}K:C\nz8|z8|z8|C8|\n"
    start = time.process_time()
    assert shorten_rests(tune, 2) == tune
    assert time.process_time() - start < 1


@pytest.mark.parametrize(
    ("before", "after"),
    [
        ("V:1\nC8|\nV:2\nz8|\n", "V:1\nC8|\n"),
        ("V:1\nz8|\nV:2\nC8|\n", "V:2\nC8|\n"),
        ("V:1\nz8|\nV:2\nz8|\n", "V:1\nz8|\nV:2\nz8|\n"),
        ("V:1\nC8|\nV:2 name=B\n%%MIDI program 1\nz8|\nw:a\nV:1\nz8|\nV: 2\nZ|\n", "V:1\nC8|\nV:1\nz8|\n"),
        ("V:1\nC8|\nV:2\nz8|\nV:1\nz8|\nV:2\nC8|\n", "V:1\nC8|\nV:2\nz8|\nV:1\nz8|\nV:2\nC8|\n"),
        ('V:1\nC8|\nV:2\n"Am"!ff!z8[K:D]|\n', "V:1\nC8|\n"),
        ("V:1\nC8|\nV:2\n{c}z8|\n", "V:1\nC8|\nV:2\n{c}z8|\n"),
        ("V:1\nC8|\nV:2\nQ:1/4=60\nz8|\n", "V:1\nC8|\nV:2\nQ:1/4=60\nz8|\n"),  # the tempo of all
        ("V:1\nC8|\nV:2\n[Q:1/4=60]z8|\n", "V:1\nC8|\nV:2\n[Q:1/4=60]z8|\n"),
        ("V:1\nC8|\nV:2\n[V:1]z8|[V:2]C8|\n", "V:1\nC8|\nV:2\n[V:1]z8|[V:2]C8|\n"),
        ("V:1\nV:2\n[V:1]C8|\n[V:2]D8|\n", "V:1\nV:2\n[V:1]C8|\n[V:2]D8|\n"),
        ("E8|\nV:1\nz8|\nV:2\nC8|\n", "E8|\nV:2\nC8|\n"),
        ("V:1\nz8|\n", "V:1\nz8|\n"),
        ("V:1\nC8|\nV:2\nz8|z8|z8|\n", "V:1\nC8|\n"),
    ],
)
def test_a_voice_that_plays_nothing_goes(before, after):
    assert shortened(before) == after


def test_what_is_no_whole_tune_is_left_alone():
    for text in ("", "X:1\n", "X:1\nM:4/4\nK:C", "X:1\nM:4/4\nK:C\n", "M:4/4\nz8|z8|z8|\n"):
        assert shorten_rests(text, 2) == text


def random_tune(draw: random.Random, n: int) -> str:
    """The music of some voices with bars of n units, many of them silent."""
    spellings = [f"z{n}", f"x{n}", f"z{2 * n}/2", f"z{n - 1}z", f"z{n - 1} x/z/", f"z{n - 2}\nz2", f"z{n}", f"z{n} "]
    others = [f"C{n}", f"[CE]{n}", f"A,z{n - 1}", f"z{n - 1}c/d/", f"z{n - 1}", f"z{n}/2", f'"G"z{n}', f"G{n}-"]
    lines = []
    for _ in range(draw.randrange(1, 9)):
        lines += [f"V:{draw.randrange(3)}"] * (draw.random() < 0.7)
        bars = [draw.choice(spellings if draw.random() < 0.85 else others) for _ in range(draw.randrange(12))]
        ends = draw.choices(["|", "| ", "|\n", "|\n", "||", ":|", "|:", "|]\n"], [9, 5, 3, 3, 1, 1, 1, 1], k=len(bars))
        lines.append("".join(itertools.chain(*zip(bars, ends, strict=True))))
    return re.sub("\n+", "\n", "\n".join(lines) + "\n").lstrip("\n")


@pytest.mark.parametrize(("meter", "unit"), BARS, ids=str)
def test_every_voice_lasts_as_long_as_before(meter, unit):
    draw = random.Random(5)
    n = BARS[meter, unit]
    merged = 0
    for _ in range(300):
        tune = header(meter, unit) + random_tune(draw, n)
        for max_bars in (1, 3, 8):
            text = shorten_rests(tune, max_bars)
            before, after = durations(tune, n), durations(text, n)
            assert after == {voice: before[voice] for voice in after}
            silent = before.keys() - after.keys()
            assert (set(re.findall("^V:(.)", text, re.MULTILINE)) | {""}).isdisjoint(silent)
            assert re.findall('[A-Ga-g](?!")', text) == re.findall('[A-Ga-g](?!")', tune)
            assert all(int(bars) > max_bars for bars in re.findall(r"Z(\d+)", text))
            assert not re.search(rf"(?:(?<=\n)|(?<=[^|]\|))(?:[zx]{n}\|(?![|:\]])[ \n]*){{{max_bars + 1}}}", text)
            assert not re.search("\n\n|  ", text)
            assert shorten_rests(text, max_bars) == text
            merged += "Z" in text
    assert merged > 200


def longest(text: str) -> int:
    data = np.frombuffer(text.encode(), np.uint8)
    return longest_rests(data, np.array([0, len(data)])).tolist()[0]


@pytest.mark.parametrize(
    ("music", "bars"),
    [
        ("C8|D8|", 0),
        ("z8|z8|z8|", 3),
        ("z8|z8|C8|z8|z8|z8|", 3),
        ("z8|\nz8|\nx8|", 3),
        ("V:1\nz8|z8|\nV:2\nz8|", 2),
        ("%%MIDI program 1\nz8|z8|", 2),
        ("C|\nw:la\nz8|z8|", 2),
        ("C8|\nG:|\nz8|z8|", 2),
        ("C8|\n|:z8|z8|", 2),
        ("::z8|z8|", 2),
        ('"Am"z8|z8|', 1),
        ("z8 z8", 0),
    ],
)
def test_which_tunes_are_looked_at(music, bars):
    assert longest(header("4/4", "1/8") + music + "\n") == bars


def test_no_tune_with_a_long_rest_is_passed_over():
    """What `shorten` leaves out for speed has nothing to shorten."""
    draw = random.Random(6)
    n_short = 0
    for _ in range(2000):
        tune = header("4/4", "1/8") + random_tune(draw, 8)
        if longest(tune) <= 4:
            assert "Z" not in shorten_rests(tune, 4)
            n_short += 1
    assert 200 < n_short < 1800


def test_tunes_of_a_text_are_shortened_apart(book):
    data = book.read_bytes()[:20_000]
    data += "".join(f"\n\nX:{i}\nT:é\nM:C\nL:1/8\nK:C\n" + "z8|" * i + "C8|" for i in range(1, 20)).encode()
    text, bounds = clean(data, find_tunes(np.frombuffer(data, np.uint8)), DEFAULT)
    before = [text[a:b].tobytes().decode() for a, b in itertools.pairwise(bounds.tolist())]
    new, new_bounds = shorten(text, bounds, 8)
    after = [new[a:b].tobytes().decode() for a, b in itertools.pairwise(new_bounds.tolist())]
    assert after == [shorten_rests(tune, 8) for tune in before]
    assert [re.findall(r"Z\d+", tune) for tune in after[-19:]] == [[]] * 8 + [[f"Z{i}"] for i in range(9, 20)]
    assert after[:-11] == before[:-11]


def test_garbage_ends_in_a_line_end():
    for raw in abc_ish(3000, seed=7):
        data = f"X:1\nM:4/4\nL:1/8\nK:C\n{raw.removeprefix('X:')}".encode()
        text, bounds = clean(data, find_tunes(np.frombuffer(data, np.uint8)), DEFAULT)
        tune = text[: bounds[1]].tobytes().decode()
        assert shorten_rests(tune, 0).endswith("\n")
        assert "\n\n" not in shorten_rests(tune, 0)


@pytest.mark.parametrize(
    "unit",
    ["z", "z ", "z\n", "z8|", "z8| ", "z8|\n", "V:1\nz8|", "V:1\nC\nV:2\n", "[K:", '"', "!", "z/", "z9", "z" + "/" * 50,
     "z" + "9" * 5000 + "|"],
)  # fmt: skip
def test_time_is_linear(unit):
    """Where it went with the square, four times the text took 16 times as long, which is minutes."""
    times = []
    for size in (50_000, 200_000):
        tune = header("4/4", "1/8") + "z8|" * 9 + "\nV:1\nC8|\nV:2\nz8|\n" + unit * (size // len(unit)) + "\n"
        runs = []
        for _ in range(3):  # the fastest, for a machine that others use may be slow for a moment
            start = time.process_time()
            longest(tune)
            shorten_rests(tune, 8)
            runs.append(time.process_time() - start)
        times.append(min(runs))
    assert times[1] < 9 * times[0] + 0.1
