import itertools
import os
import random
import re
import subprocess
import sys
import time
from collections.abc import Iterator

import numpy as np
import pytest

from tests.conftest import ROOT
from workflow.scripts.corpus.sources import Piece, read_pieces
from workflow.scripts.notation.clean import Cleaning, clean, find_tunes, repair

DEFAULT = Cleaning()
NOTHING, ALL = Cleaning(False, False, False), Cleaning(True, True, True)
COLLECTION = "corpora/abc_collection_utf8.tar.zst"

NASTIES = {
    "empty": "",
    "no tune": "Some notes on tunes.\nK:G\nGABc|\n\n",
    "blank lines in the header": "X:1\n\nT:One\n\n \nM:4/4\nK:G\nGABc|\ndefg|\n\nfree text K:G\nabc|\n",
    "blank after K": "X:1\nK:G\n\n\nGABc|\n\nnot this|\n",
    "no K": "X:1\nT:One\nGABc|\n\nX:2\nT:Two\n\n\nX:3\nK:C\nC|\n",
    "no newline at the end": "X:1\nK:G\nGABc|",
    "only X": "X:",
    "X at the end": "X:1\nK:G\nG|\nX:",
    "no blank between": "X:1\nK:G\nG|\nX:2\nK:G\nA|\nX:3",
    "characters are not bytes": "Préludé\n\nX:1\nT:Čárdáš 春 🎻\nK:G\nG|  \n\nçà\nX:2\nT:é\nK:C\nC|é\n\né",
    "NUL": "X:1\nK:G\nG\0|\n\nX:2\nK:G\nA|\n\nX:3\nT:\0\n\nK:G\nA|\n",
    "blanks": "X:1 \t\nT: x \nK:G\n G|\t \n \t\nX:2\n  \n\t\n",
    "not at the start of a line": " X:1\nK:G\nG|\n\nfoo X:2\n\n",
    "later K": "X:1\nM:C\nK:G\nK:D\n\nA|\n",
    "appended file with a mark": "X:1\nK:G\nG|\n\n\ufeffX:2\nK:G\nA|\n\n\ufeff",
    "mark alone": "\ufeff",
}


def slow_find(text: str) -> list[tuple[int, ...]]:
    """What `find_tunes` should say, from the decoded text and its lines."""
    rows: list[list] = []
    tune = None  # start, end, their bytes, line, seen
    state = ""
    place = size = 0
    for number, line in enumerate(text.split("\n"), 1):
        here, at = place, size
        place, size = place + len(line) + 1, size + len(line.encode()) + 1
        if line.startswith("\ufeff"):
            line, here, at = line[1:], here + 1, at + 3
        if line.startswith("X:"):
            tune = [here, here, at, at, number, ""]
            rows.append(tune)
            state = "header"
        if tune is None:
            continue
        tune[5] += line
        visible = line.rstrip("".join(map(chr, range(33))))
        if visible:
            tune[1], tune[3] = here + len(visible), at + len(visible.encode())
            state = "music" if state in ("body", "music") else "body" if line.startswith("K:") else "header"
        elif state == "music":
            tune = None
    return [
        (a, b, start, end - start, number, (not seen.isascii()) + 2 * ("\0" in seen))
        for start, end, a, b, number, seen in rows
    ]


def found_in(text: str) -> list[tuple[int, ...]]:
    return [tuple(row) for row in find_tunes(np.frombuffer(text.encode(), np.uint8)).tolist()]


def cleaned(text: str, cleaning: Cleaning = DEFAULT) -> str:
    data = text.encode()
    return clean(data, find_tunes(np.frombuffer(data, np.uint8)), cleaning)[0].tobytes().decode()


def body(text: str, cleaning: Cleaning = DEFAULT) -> str:
    """What becomes of the lines after K:."""
    before, key, after = cleaned(f"X:7\nK:C\n{text}", cleaning).partition("X:1\nK:C\n")
    assert key
    assert not before
    return after


def abc_ish(n: int, seed: int) -> Iterator[str]:
    """Short texts of what ABC is made of, mostly malformed."""
    draw = random.Random(seed)
    atoms = [*"ABCGabcgzxZXyKVTMwW:|[]{}()<>\"'!%\\^_=,/&~-+*$#@ \t0123456789\n\n\n\n\n", "\n\n", "\nK:G\n",
             "\nX:2\n", "\nV:1\n", "[V:2]", "\n+:", "%%MIDI", "\n%%", "\n%", "\\\n", "\\%", "z8|", "\nw:",
             "\n%%begintext\n", "\n%%end", "\0", "\x01", "\x7f", "\x85", "\xa0", "\ufeff", "\ufffd", "é", "Ã\x89",
             "春"]  # fmt: skip
    for _ in range(n):
        yield "X:" * (draw.random() < 0.9) + "".join(draw.choices(atoms, k=draw.randrange(40)))


@pytest.fixture(scope="module")
def music21() -> list[bytes]:
    return [piece.data for piece in read_pieces("music21") if isinstance(piece, Piece)]


@pytest.fixture(scope="module")
def collection(shared) -> list[bytes]:
    return [piece.data for piece in read_pieces(str(shared / COLLECTION)) if isinstance(piece, Piece)]


@pytest.fixture(params=["music21", "collection"])
def corpus(request) -> list[bytes]:
    """The raw text of every file."""
    return request.getfixturevalue(request.param)


@pytest.mark.parametrize("name", NASTIES)
def test_tunes_of_odd_files_are_found(name):
    text = NASTIES[name]
    assert found_in(text) == slow_find(text)
    for start, end, *_ in found_in(text):
        assert re.fullmatch(b"X:.*[^ \t\n]", text.encode()[start:end], re.DOTALL) or end - start == 2


def test_what_is_found_is_what_a_reader_would_call_the_tunes():
    """The slow reader above might err as the fast one does, so some of it in plain words."""
    cut = {name: [text.encode()[a:b].decode() for a, b, *_ in found_in(text)] for name, text in NASTIES.items()}
    assert cut["blank lines in the header"] == ["X:1\n\nT:One\n\n \nM:4/4\nK:G\nGABc|\ndefg|"]
    assert cut["no K"] == ["X:1\nT:One\nGABc|", "X:2\nT:Two", "X:3\nK:C\nC|"]
    assert cut["no blank between"] == ["X:1\nK:G\nG|", "X:2\nK:G\nA|", "X:3"]
    assert cut["characters are not bytes"] == ["X:1\nT:Čárdáš 春 🎻\nK:G\nG|", "X:2\nT:é\nK:C\nC|é"]
    assert cut["not at the start of a line"] == []
    assert cut["appended file with a mark"] == ["X:1\nK:G\nG|", "X:2\nK:G\nA|"]
    assert [row[5] for row in found_in(NASTIES["NUL"])] == [2, 0, 2]
    assert [row[5] for row in found_in(NASTIES["characters are not bytes"])] == [1, 1]


def test_tunes_of_real_files_are_found(book, corpus):
    for data in [book.read_bytes(), *corpus[::7]]:
        text = data.decode()
        assert found_in(text) == slow_find(text)


def test_tunes_of_garbage_are_found():
    n = 0
    for text in abc_ish(3000, seed=1):
        assert found_in(text) == slow_find(text)
        n += len(found_in(text))
    assert n > 3000


def notes_of(text: str) -> list[str]:
    """Accidentals and letters of the music in order; each tune's first K: ends its header."""
    field = r"\s*(?:%|\+:|[H-Yh-w]:|[A-Ga-gx-zZ]:(?! *[:|])).*"
    notes = []
    for tune in re.split(r"^(?=X:)", text, flags=re.MULTILINE)[1:]:
        music = re.split(r"^K:.*", tune, maxsplit=1, flags=re.MULTILINE)[1:]
        music = re.sub(rf"^{field}|(?<!\\)%.*", "", "".join(music), flags=re.MULTILINE)
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
            assert not re.search(r"(?<![\\%\n])%(?!%MIDI)|^%(?!%MIDI)", spread, re.MULTILINE)
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
        ("%%beginps\nABC\n", ""),
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
        ("w:|la\nW:|la\nN:|la\nH::la", ""),
        ("K:|\nV:|\nM::", "K:|\nV:|\nM::\n"),
        ("K: D\nM:\t6/8\nV: 1  name=a", "K:D\nM:6/8\nV:1 name=a\n"),
        ("[V: 1] abc | [K:D] [r:x]", "[V: 1] abc | [K:D] [r:x]\n"),
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
    assert cleaned("X: 12 % of 30\nOnce upon a time\n X:13\nM:C\nK:G\nabc|\n") == "X:1\nM:C\nK:G\nabc|\n"
    assert cleaned("X:\nX:2\nK:G") == "X:1\nX:1\nK:G\n"


def test_blanks_and_controls_become_one_blank_or_none():
    text = "\ufeffX:1\nT:\t A\xa0\xa0 \u0007tune\ufeff\ufffd \nK:G\x0b\n\t a\t b \x00\x7fc\x1b|\xa0\n \n\n"
    assert cleaned(text, ALL) == "X:1\nT:A tune\nK:G\na b c|\n"
    assert body("a\x80b\x9fc|") == "aÇbƒc|\n"  # a DOS text, so that these are no controls
    assert body("春\x80b|") == "春€b|\n"  # nor here, says ftfy


@pytest.mark.parametrize("title", ["Étude", "Préludé", "naïve’s “À”", "Čardáš", "Grüß Gott", "Üben macht", "日本"])
@pytest.mark.parametrize("codec", ["latin-1", "cp1252"])
def test_text_that_was_encoded_twice_is_repaired(title, codec):
    twice = "".join(
        bytes([byte]).decode(codec if codec == "latin-1" or byte not in b"\x81\x8d\x8f\x90\x9d" else "latin-1")
        for byte in title.encode()
    )
    assert cleaned(f"X:1\nT:{twice}\nK:G\nabc|\n") == f"X:1\nT:{title}\nK:G\nabc|\n"
    assert cleaned(f"X:1\nT:{title}\nK:G\nabc|\n") == f"X:1\nT:{title}\nK:G\nabc|\n"


def test_text_that_was_encoded_twice_is_repaired_beside_other_text():
    twice = "Étude".encode().decode("latin-1")
    assert repair(f"T:{twice}\nC:春\nZ:Jos\xe9\n") == "T:Étude\nC:春\nZ:José\n"


def test_dos_text_is_repaired_line_by_line():
    assert repair("Gr\x81n ist die Heide\nsch\x94n \x9a\nÜber\n") == "Grün ist die Heide\nschön Ü\nÜber\n"


def test_german_titles_of_the_essen_collection_are_german(music21):
    text = "".join(cleaned(data.decode()) for data in music21 if b"\xc2\x84" in data)
    words = set(re.findall(r"\w+", text))
    assert {"Mädchen", "schöne", "grünen"} <= words
    letters = re.findall("[^\\W\\dA-Za-z_]", text)
    assert len(letters) > 300
    assert sum(letter in "äöüÄÖÜß" for letter in letters) > 0.9 * len(letters)


def seconds(text: str) -> float:
    data = text.encode()
    times = []
    for _ in range(3):
        start = time.process_time()
        clean(data, find_tunes(np.frombuffer(data, np.uint8)), DEFAULT)
        times.append(time.process_time() - start)
    return min(times)


@pytest.mark.parametrize(
    "unit", ["é" + "a" * 50, "\\\n", "\\", "\n", "%", "V:1\n", "\\\nV:1\n", "X:1\nK:C\nc|\n", "é\x81\n", "\xa0"]
)
def test_time_is_linear(unit):
    """Where it went with the square, four times the text took 16 times as long."""
    seconds("X:1\nK:C\né\x81")
    short, long = (seconds("X:1\nK:C\n" + unit * (size // len(unit))) for size in (100_000, 400_000))
    assert long < 9 * short + 0.05


def test_nothing_is_read_or_written_outside_the_arrays(tmp_path):
    """Compiled with checks of every index, over texts that end anywhere."""
    code = """
import numpy as np
from tests.notation.test_clean import ALL, DEFAULT, abc_ish
from workflow.scripts.notation.clean import clean, find_tunes
from workflow.scripts.notation.sound import listen
from workflow.scripts.notation.rests import longest_rests

try:
    longest_rests(np.zeros(1, np.uint8), np.array([0, 9]))
except IndexError:
    print("checked")
n = 0
for raw in abc_ish(1500, seed=3):
    data = raw.encode()
    found = find_tunes(np.frombuffer(data, np.uint8))
    n += len(found)
    for cleaning in (DEFAULT, ALL):
        text, bounds = clean(data, found, cleaning)
        listen(text, bounds)
        longest_rests(text, bounds)
    whole = np.frombuffer(data, np.uint8)  # and of text that was never cleaned
    listen(whole, np.array([0, len(whole)]))
    longest_rests(whole, np.array([0, len(whole)]))
print(n)
"""
    env = os.environ | {"NUMBA_BOUNDSCHECK": "1", "NUMBA_OPT": "0", "NUMBA_CACHE_DIR": str(tmp_path)}
    env["PYTHONPATH"] = str(ROOT)
    done = subprocess.run([sys.executable, "-c", code], cwd=ROOT, env=env, capture_output=True, text=True, timeout=900)
    assert done.returncode == 0, done.stderr
    checked, n = done.stdout.split()
    assert checked == "checked"
    assert int(n) > 1500
