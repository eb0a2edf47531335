import itertools
import re
import time
from collections.abc import Callable
from fractions import Fraction

import numpy as np
import pytest

from tests.notation.test_clean import ALL, COLLECTION, DEFAULT, abc_ish
from workflow.scripts.corpus.sources import Piece, read_pieces
from workflow.scripts.notation.clean import Cleaning, clean, find_tunes
from workflow.scripts.notation.sound import HAS_KEY, MAX_VOICES, NOTES, RESTS, VOICES, Music, listen

SILENT = (
    r"""\s|"(?:[^"]*")?|!(?:[^! |"\[\]]{0,23}!)?|\{(?:[^}]*\})?"""
    r"|\[(?=V: *(?P<voice>[^][ ]*))(?:V:[^\]]*\])?|\[(?=[ -{}~]:)(?:[^\]]*\])?"
)
TOKEN = re.compile(SILENT + r"|(?P<note>[A-Ga-g])(?P<octave>[,']*)(?P<length>[\d/]*)|\[(?=(?P<first>.?))|[]&|zxZX]")
FIELD = re.compile(r"\+:|[H-Yh-w]:|[A-Ga-gx-zZ]:(?! *[:|])")
TUNE = 'X:1\nT:A\nM:4/4\nL:1/8\nQ:1/4=90\nK:G\nP:A\nGABc d2"D"(3efg|"Em"!trill!e2{fg}z2 [Gdb]4:|\n'


def heights(letter: str, octave: str) -> int:
    """Steps on the staff above C."""
    return "CDEFGABcdefgab".index(letter) + 7 * (octave.count("'") - octave.count(","))


def hear(tune: str) -> dict[str, object]:
    """All that `listen` says of one tune, by regular expressions."""
    heard, notes, steps, lead = "", "", [], []
    n_notes = n_rests = 0
    voices, in_body = set(), False
    voice = leader = pitch = lead_pitch = None
    for line in tune.removesuffix("\n").split("\n"):
        line = re.sub(r"(?<!^)(?<!^%)(?<!\\)%.*", "", line)
        is_field = FIELD.match(line) if in_body else re.match(r"[A-Za-z+]:", line)
        if line.startswith("%") or is_field:
            if line.startswith("V:"):
                voice = ("voice", re.match("V: *([^][ ]*)", line)[1])
                voices.add(voice)
            in_body = in_body or line.startswith("K:")
            if re.match(r"[MLQKVPUms]:|%%MIDI.", line):
                heard += line.replace(" ", "")
            continue
        if not in_body:
            continue
        heard += line.replace(" ", "")
        notes += re.sub(SILENT, "", line)
        chord, overlay = None, False
        for token in TOKEN.finditer(line):
            text, sounding = token[0], None
            if token["note"]:
                n_notes += 1
                sounding = heights(token["note"], token["octave"])
                if chord is not None:
                    chord.append(sounding)
                    sounding = None
            elif token["voice"] is not None:
                voice = ("voice", token["voice"])
                voices.add(voice)
            elif text == "[" and token["first"] is not None:
                chord = None if token["first"] in ["", "|", *"0123456789"] else []
            elif text == "]":
                sounding = max(chord, default=None) if chord is not None else None
                chord = None
            elif text == "|":
                chord, overlay = None, False
            elif text == "&":
                overlay = True
            elif text in "zxZX":
                n_rests += 1
            if sounding is None:
                continue
            if pitch is not None:
                steps.append(max(-60, min(60, sounding - pitch)))
            pitch = sounding
            leader = leader or voice
            if voice == leader and not overlay:
                if lead_pitch is not None:
                    lead.append(max(-60, min(60, sounding - lead_pitch)))
                lead_pitch = sounding
    return {
        "counts": [n_notes, n_rests, max(len(voices), 1), int(in_body)],
        "heard": heard,
        "notes": notes,
        "steps": steps,
        "lead": lead,
        "contour": [step for step in lead if step],
    }


def taken(music: Music, i: int) -> dict[str, object]:
    """The same of tune ``i`` from what `listen` returns."""
    parts = {name: getattr(music, name) for name in ("heard", "notes", "steps", "lead", "contour")}
    parts = {name: stream.values[stream.bounds[i] : stream.bounds[i + 1]] for name, stream in parts.items()}
    text = {name: parts[name].tobytes().decode() for name in ("heard", "notes")}
    return {"counts": music.counts[i].tolist()} | text | {n: parts[n].tolist() for n in ("steps", "lead", "contour")}


def listen_to(tune: str, cleaning: Cleaning = DEFAULT) -> dict[str, object]:
    """What is heard of one raw tune after it was cleaned."""
    data = tune.encode()
    return taken(listen(*clean(data, find_tunes(np.frombuffer(data, np.uint8)), cleaning)), 0)


def changed(tune: str, change: Callable[[re.Match], str]) -> str:
    """A clean tune with every note and rest of its music changed."""
    header, key, rest = re.match(r"(.*?)(^K:[^\n]*\n)(.*)", tune, re.DOTALL | re.MULTILINE).groups()
    note = re.compile(SILENT + r"|(?P<note>[A-Ga-g])(?P<octave>[,']*)(?P<length>[\d/]*)|(?P<rest>[zx])(?P<long>[\d/]*)")
    lines = [
        line if FIELD.match(line) or line.startswith("%") else note.sub(lambda m: m[0] and change(m), line)
        for line in rest.split("\n")
    ]
    return header + key + "\n".join(lines)


@pytest.fixture(scope="module")
def airs(book) -> list[str]:
    """200 clean tunes."""
    data = book.read_bytes()
    text, bounds = clean(data, find_tunes(np.frombuffer(data, np.uint8)), DEFAULT)
    return [text[a:b].tobytes().decode() for a, b in itertools.pairwise(bounds.tolist())]


def check_against_hear(data: bytes, cleaning: Cleaning, every: int = 1) -> np.ndarray:
    """Assert that `listen` and `hear` agree on the tunes of a raw text; their counts."""
    found = find_tunes(np.frombuffer(data, np.uint8))[::every]
    if not len(found):
        return np.zeros((0, 4), np.int64)
    text, bounds = clean(data, found, cleaning)
    music = listen(text, bounds)
    for i, (a, b) in enumerate(itertools.pairwise(bounds.tolist())):
        tune = text[a:b].tobytes().decode()
        assert taken(music, i) == hear(tune), tune
    return music.counts


def test_real_tunes_are_heard_as_a_slow_reader_hears_them():
    pieces = [piece.data for piece in read_pieces("music21") if isinstance(piece, Piece)]
    parts = [check_against_hear(data, (DEFAULT, ALL)[i % 2], 1 + i % 7) for i, data in enumerate(pieces[::3])]
    counts = np.concatenate(parts)
    assert len(counts) > 1000
    assert (counts[:, NOTES] > 8).mean() > 0.99
    assert (counts[:, VOICES] > 1).any()


def test_published_tunes_are_heard_as_a_slow_reader_hears_them(shared):
    """Raw ABC of all sorts, and multi-voice tunes of a corpus."""
    pieces = [piece.data for piece in read_pieces(str(shared / COLLECTION)) if isinstance(piece, Piece)]
    counts = np.concatenate([check_against_hear(data, (DEFAULT, ALL)[i % 2], 13) for i, data in enumerate(pieces)])
    assert len(counts) > 1000
    (corpus,) = itertools.islice(read_pieces(str(shared / "corpora" / "corpusA_open.abc.zst")), 1)
    counts = check_against_hear(corpus.data, DEFAULT, 29)
    assert (counts[:, VOICES] > 1).sum() > 10
    assert (counts[:, RESTS] > 0).sum() > 10


def test_garbage_is_heard_as_a_slow_reader_hears_it():
    n = 0
    for raw in abc_ish(3000, seed=4):
        n += check_against_hear(b"X:1\nK:C\n" + raw.removeprefix("X:").encode(), ALL)[:, NOTES].sum()
    assert n > 2000


@pytest.mark.parametrize(
    ("music", "n_notes", "n_rests"),
    [
        ("CDEF GABc|", 8, 0),
        ("^C_D=E^^f__g,,a''|", 6, 0),
        ("z4|x2 Z X3 y C|", 1, 4),
        ("[CEG]2 [C2E2]|", 5, 0),
        ("!trill!C!fermata!D!ff!E|", 3, 0),
        ("CDE!FGA|!\nBcd!ef g!", 12, 0),  # the ends of old lines
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
    ],
)
def test_what_is_not_heard_makes_no_difference(old, new):
    assert old in TUNE
    for cleaning in (DEFAULT, ALL):
        assert listen_to(TUNE.replace(old, new, 1), cleaning) == listen_to(TUNE, cleaning)


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
    lower = [-2, -1, 15]
    assert [s["lead"] for s in said[1:]] == [lower] * 3  # here the second voice sounds first
    for layout in (by_voice, by_bar, in_line, by_line):
        assert listen_to(header + layout.replace("z4|", "E4|"))["lead"] == [-2, *said[0]["lead"]]


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
