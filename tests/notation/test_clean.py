import itertools
import re
import time

import numpy as np
import pytest

from tests.notation.conftest import ALL, DEFAULT, NOTHING, abc_ish, cleaned
from workflow.scripts.corpus.options import Cleaning
from workflow.scripts.notation.clean import clean, find_tunes

KEPT = "% ?(?:MIDI|score|staves|continueall|propagate-accidentals|transpose)"  # directives of these corpora


def body(text: str, cleaning: Cleaning = DEFAULT) -> str:
    """What becomes of the lines after K:."""
    before, key, after = cleaned(f"X:7\nK:C\n{text}", cleaning).partition("X:1\nK:C\n")
    assert key
    assert not before
    return after


def notes_of(text: str) -> list[str]:
    """Accidentals and letters of the music in order; each tune's first K: ends its header."""
    field = r"\s*(?:%|\+:|[H-Yh-w]:|[A-Ga-gx-zZ]:(?! *[:|])).*"
    notes = []
    for tune in re.split(r"^(?=X:)", text, flags=re.MULTILINE)[1:]:
        music = re.split(r"^K:.*", tune, maxsplit=1, flags=re.MULTILINE)[1:]
        music = re.sub(rf"^{field}|(?<!\\)%.*|\[[A-Za-z]:[^]\n]*\]", "", "".join(music), flags=re.MULTILINE)
        notes += [tune[:2], *re.findall(r"[_^=]*[A-Ga-g]", music)]
    return notes


@pytest.mark.parametrize(
    ("corpus", "cleaning", "first", "every"),
    [
        ("music21", NOTHING, 0, 1),
        ("music21", DEFAULT, 0, 1),
        ("music21", ALL, 0, 1),
        ("collection", DEFAULT, 0, 2),
        ("collection", ALL, 1, 2),
    ],
    indirect=["corpus"],
)
def test_a_clean_corpus_is_in_one_form_with_every_note_and_stays_as_it_is(corpus, cleaning, first, every):
    n = 0
    for data in corpus[first::every]:
        found = find_tunes(np.frombuffer(data, np.uint8))
        if not len(found):
            continue
        text, bounds = clean(data, found, cleaning)
        once = text.tobytes()
        spread = once.decode()
        assert once.endswith(b"\n")
        starts = [match.start() for match in re.finditer(b"^X:1$", once, re.MULTILINE)]
        assert starts == bounds[:-1].tolist()
        assert once.count(b"X:") - once.count(b"X:1\n") == len(re.findall(b".X:(?!1\n)", once))
        assert not re.search("\n\n|  | \n|\n |[\0-\x09\x0b-\x1f\x7f-\xa0\ufeff\ufffd]", spread)
        fields = set(re.findall("^([A-Za-z]):(?! *[:|])", spread, re.MULTILINE))
        if not cleaning.keep_titles:
            assert "T" not in fields
        if not cleaning.keep_lyrics:
            assert not {"w", "W"} & fields
        if not cleaning.keep_comments:
            assert fields <= set("XTwWMLQKVPRUmsyvY")
            assert not re.search(rf"(?<![\\%\n])%(?!{KEPT})|^%(?!{KEPT})", spread, re.MULTILINE)
        again = clean(once, find_tunes(np.frombuffer(once, np.uint8)), cleaning)[0].tobytes().decode()
        changed = [line for line, now in zip(spread.split("\n"), again.split("\n"), strict=True) if line != now]
        assert all("Â " in line for line in changed)  # in Turkish lyrics; ftfy takes it for the half of an "à"
        assert len(changed) < 4
        if cleaning != NOTHING:
            raw = b"\n\n".join(data[a:b] for a, b in found[:, :2].tolist()).decode()
            assert notes_of(spread) == notes_of(raw)
        n += len(found)
    assert n > 12_000 / every


@pytest.mark.parametrize("cleaning", [NOTHING, DEFAULT, ALL], ids=str)
def test_garbage_comes_out_clean_and_stays_as_it_is(cleaning):
    for raw in abc_ish(4000, seed=2):
        text = raw.encode()
        found = find_tunes(np.frombuffer(text, np.uint8))
        if not len(found):
            continue
        out, bounds = clean(text, found, cleaning)
        for a, b in itertools.pairwise(bounds.tolist()):
            tune = out[a:b].tobytes().decode()
            assert tune.startswith("X:1\n")
            assert tune.endswith("\n")
            assert not re.search("\n\n|  | \n|\n |[\0-\x09\x0b-\x1f\x7f-\xa0\ufeff\ufffd]", tune)
            if "Ã" not in raw:  # half of a text encoded twice may make a whole with what was apart from it
                assert cleaned(tune, cleaning) == tune


def test_options_say_what_is_kept_beside_the_music():
    text = """X:4
T:Title
C:Composer
%%scale 0.7
%%MIDI program 40
% remark
M:4/4
K:G % of the tune
G2AB|% one
w:la la
N:note
"100\\%"c4|
W:words
"""
    music = 'X:1\n{}{}%%MIDI program 40\n{}M:4/4\nK:G{}\nG2AB|{}\n{}{}"100\\%"c4|\n{}'
    assert cleaned(text, NOTHING) == music.format(*[""] * 8)
    assert cleaned(text, Cleaning(True, False, False)) == music.format("T:Title\n", *[""] * 7)
    lyrics = ["w:la la\n", "", "W:words\n"]
    assert cleaned(text, Cleaning(False, True, False)) == music.format(*[""] * 5, *lyrics)
    remarks = ["", "C:Composer\n%%scale 0.7\n", "% remark\n", " % of the tune", "% one", "", "N:note\n", ""]
    assert cleaned(text, Cleaning(False, False, True)) == music.format(*remarks)


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("abc|\\\ndef|", "abc| def|\n"),
        ("abc| \\ \t\n  def|", "abc| def|\n"),
        ("ab\\\ncd\\\nef|", "ab cd ef|\n"),
        ("abc|\\\nV:10\ndef|", "abc|\nV:10\ndef|\n"),
        ("abc|\\\n V:10\ndef|", "abc|\nV:10\ndef|\n"),
        ("abc|\\\n\xa0V:10\ndef|", "abc|\nV:10\ndef|\n"),
        ("abc|\\\nK:D\\\ndef|", "abc|\nK:D\ndef|\n"),
        ("abc|\\\nM:6/8 \\\\\ndef|", "abc|\nM:6/8\ndef|\n"),
        ("abc|\\\nw:la\ndef|", "abc| def|\n"),
        ("abc|\\\nN:of something\nV:2\ndef|", "abc|\nV:2\ndef|\n"),
        ("abc|\\\n% comment\ndef|", "abc| def|\n"),
        ("abc|\\ % comment\ndef|", "abc| def|\n"),
        ("abc|\\\n%%MIDI program 1\ndef|", "abc|\n%%MIDI program 1\ndef|\n"),
        ("abc|\\\n%%scale 1\ndef|", "abc| def|\n"),
        ("abc|\\", "abc|\n"),
        ("abc|\\\n", "abc|\n"),
        ("abc|\\\\\ndef|", "abc| def|\n"),
        ("abc|\\\\", "abc|\n"),
        ("abc|\n\\\ndef|", "abc|\ndef|\n"),
        ("abc|\\\n\\\ndef|", "abc| def|\n"),
        ("abc|\\\n\\\nV:2\ndef|", "abc|\nV:2\ndef|\n"),
        ("abc|\\\n\\", "abc|\n"),
        ("\\", ""),
        ("abc|\\\nG:|", "abc| G:|\n"),
        ("abc \\d e|", "abc \\d e|\n"),
        ("abc \\%\ndef|", "abc \\%\ndef|\n"),
        ("(3ab\\\nK:D\nc|", "(3ab\\\nK:D\nc|\n"),  # within a bar the second line ends what the first begins
        ("(3ab \\ % two\n%%scale 1\n%%MIDI program 1\n[M:C]c|", "(3ab\\\n%%MIDI program 1\n[M:C]c|\n"),
        ("[ce]>\\\nN:note\nV:1\nf|", "[ce]>\\\nV:1\nf|\n"),
        ("abc|]\\\nK:D\ndef:\\\nK:G", "abc|]\nK:D\ndef:\nK:G\n"),
        ("[ce]\\\nI:MIDI program 1\n", "[ce]\\\n%%MIDI program 1\n"),
        ("abc|\\\n[r:x]\ndef|", "abc|\ndef|\n"),
        ("abc\\\n-cba|", "abc-cba|\n"),  # a tie has to be next to its note
        ("abc|\\\n[r:x]\\\ndef|", "abc| def|\n"),
        ("abc|\\\n</pre>\ndef|", "abc| def|\n"),
    ],
)
def test_a_line_that_goes_on_is_joined_to_music_only(text, expected):
    assert body(text) == expected


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("abc|\\\nw:la\ndef|", "abc|\nw:la\ndef|\n"),
        ("abc|\nw:la \\\nw:li\n", "abc|\nw:la \\\nw:li\n"),  # a third of the song, not a second verse
        ("abc|\\\n% comment\ndef|", "abc|\n% comment\ndef|\n"),
        ("abc|\nw: | la li\ndef|\nw:|lo", "abc|\nw:| la li\ndef|\nw:|lo\n"),
        ("% 100 \\\nabc|", "% 100 \\\nabc|\n"),
    ],
)
def test_lyrics_and_comments_that_are_kept_stay_lines_of_their_own(text, expected):
    assert body(text, ALL) == expected


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("abc|%", "abc|\n"),
        ("abc| % 50%\ndef|", "abc|\ndef|\n"),
        ("  % comment\nabc|", "abc|\n"),
        ("\x01% comment\nabc|", "abc|\n"),
        ('"\\% \\%"abc|% x', '"\\% \\%"abc|\n'),
        ("K:%none\nabc|", "K:\nabc|\n"),
        ("K:D%sharp\nabc|", "K:D\nabc|\n"),
        ("%%MIDI program 22 % harmonica\nabc|", "%%MIDI program 22\nabc|\n"),
        (" %%MIDI  program\t22\nabc|", "%%MIDI program 22\nabc|\n"),
        ("%%MIDI\nabc|", "abc|\n"),
        ("%%midi program 1\n%%MID program 1\nabc|", "abc|\n"),
        ("%%begintext\nA bad egg|\n\\\n% b\n%%MIDI program 1\n%%endtext\nabc|", "abc|\n"),
        ("%%beginps\nABC\n%%endps", ""),
        ("%%beginps\nABC\n", "ABC\n"),
        ("%%begin\nabc|", "abc|\n"),
        ("%%begintext\nABC|\n%%end\nabc|", "ABC|\nabc|\n"),
        ("%%begintext\nABC|\n%%en\nabc|", "ABC|\nabc|\n"),
    ],
)
def test_comments_and_directives_go_but_for_midi(text, expected):
    assert body(text) == expected


def test_a_block_of_text_is_no_music_whatever_is_kept():
    assert body("%%begintext\nA bad egg|\n%%endtext\n% b\nabc|", ALL) == "% b\nabc|\n"


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("G:|\nF:|2 A\nz:|\nd::|", "G:|\nF:|2 A\nz:|\nd::|\n"),
        ("G: |\nA: ::", "G: |\nA: ::\n"),
        ("G:of tunes\nC: Trad.\nG:", ""),
        ("w:|la\nW: |la\nN: |la\nH: :la", ""),
        ("W:|la\nN:|la\nH::la\nT:|", "W:|la\nN:|la\nH::la\nT:|\n"),  # as programs play it
        ("w:|la\n+:|la", ""),
        ("K:|\nV:|\nM::", "K:|\nV:|\nM::\n"),
        ("K: D\nM:\t6/8\nV: 1  name=a", "K:D\nM:6/8\nV:1 name=a\n"),
        ("[V: 1] abc | [K:D] [r:x]", "[V: 1] abc | [K:D]\n"),
        ("9:x\n:|:\n|:abc:|", "9:x\n:|:\n|:abc:|\n"),
    ],
)
def test_a_note_before_a_repeat_is_no_field(text, expected):
    assert body(text) == expected


def test_a_continued_field_shares_its_fate():
    text = "X:1\n+:one\nT:Title\n+:two\nC:Me\n+:three\nM:4/4\n+:four\nK:G\nabc|\nw:la\n+: five\nK:D\n+:six\n"
    header = "M:4/4\n+:four\nK:G\nabc|\n"
    assert cleaned(text) == f"X:1\nT:Title\n+:two\n{header}K:D\n+:six\n"
    assert cleaned(text, NOTHING) == f"X:1\n{header}K:D\n+:six\n"
    assert cleaned(text, ALL) == f"X:1\nT:Title\n+:two\nC:Me\n+:three\n{header}w:la\n+:five\nK:D\n+:six\n"


def test_numbers_and_prose_of_the_header_go():
    assert cleaned("X: 12 % of 30\nOnce upon a time\n\x01X:13\nM:C\nK:G\nabc|\n") == "X:1\nM:C\nK:G\nabc|\n"
    assert cleaned("X: 12\nOnce upon a time\n X:13\nM:C\nK:G\nabc|\n") == "X:1\nX:1\nM:C\nK:G\nabc|\n"
    assert cleaned("X:\nX:2\nK:G") == "X:1\nX:1\nK:G\n"


def test_blanks_and_controls_become_one_blank_or_none():
    text = "\ufeffX:1\nT:\t A\xa0\xa0 \u0007tune\ufeff\ufffd \nK:G\x0b\n\t a\t b \x00\x7fc\x1b|\xa0\n \n\n"
    assert cleaned(text, ALL) == "X:1\nT:A tune\nK:G\na b c|\n"
    assert body("a\x80b\x9fc|") == "aÇbƒc|\n"  # a DOS text, so that these are no controls
    assert body("春\x80b|") == "春€b|\n"  # nor here, says ftfy


def seconds(text: str) -> float:
    data = text.encode()
    times = []
    for _ in range(3):
        start = time.process_time()
        clean(data, find_tunes(np.frombuffer(data, np.uint8)), DEFAULT)
        times.append(time.process_time() - start)
    return min(times)


@pytest.mark.parametrize(
    "unit",
    ["é" + "a" * 50, "\\\n", "\\", "\n", "%", "V:1\n", "\\\nV:1\n", "X:1\nK:C\nc|\n", "é\x81\n", "\xa0", "[r:x]", "[r:",
     "#[r:x][", "&lt;", "&amp;amp;", "&amp;", "&quot;", "[r:&lt;", "<b", "I:linebreak !\n", "%%beginps\n",
     "a\\\n%%score\n"],
)  # fmt: skip
def test_time_is_linear(unit):
    """Where it went with the square, four times the text took 16 times as long."""
    seconds("X:1\nK:C\né\x81")
    short, long = (seconds("X:1\nK:C\n" + unit * (size // len(unit))) for size in (100_000, 400_000))
    assert long < 9 * short + 0.05
