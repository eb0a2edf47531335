"""Pieces of input made shards: every tune is where it says, measured, or rejected with the reason."""

import dataclasses
import itertools
import multiprocessing
import re

import numpy as np
import pytest

from workflow.scripts.corpus.measure import build, build_file
from workflow.scripts.corpus.options import Cleaning, Rules
from workflow.scripts.corpus.shards import Shard, key_of, load_part
from workflow.scripts.corpus.versions import FEATURES, N_HASHES
from workflow.scripts.notation.clean import FLAGS, HAS_NUL, find_tunes
from workflow.scripts.notation.clean_tune import KINDS
from workflow.scripts.reading.sources import Piece, Rejected, read_pieces

TUNE = "X:1\nT:One\nM:4/4\nL:1/8\nK:G\nGABc defg|gfed cBAG|\n"


def piece(text: str, path: str = "a.abc", offset: int = 0, line: int = 1) -> Piece:
    return Piece(path, "abc", text.encode(), offset, line, "")


def reasons(text: str, **rules) -> list[tuple[int, str, str]]:
    return [(item.line, item.reason, item.detail) for item in build([piece(text)], Rules(**rules)).rejected]


def test_every_tune_stands_where_it_says_and_comes_back_clean(book):
    items = list(read_pieces(str(book)))
    shard = build(items, Rules(min_notes=1))
    text = book.read_text()
    lines = text.split("\n")
    assert len(shard.tunes) + len(shard.rejected) == len(re.findall("^X:", text, re.MULTILINE)) == 200
    for i, tune in enumerate(shard.tunes):
        raw = text[tune["offset"] : tune["offset"] + tune["raw_chars"]]
        assert lines[tune["line"] - 1] == raw.partition("\n")[0]
        assert raw == raw.strip()
        alone = build([piece(raw)], Rules(min_notes=1))
        clean = shard.tune_text(i)
        assert alone.tune_text(0) == clean
        assert (alone.tunes[0]["digest"] == tune["digest"]).all()
        assert alone.tunes[0]["key"] == tune["key"]
        assert len(clean) == tune["chars"]
        for name in FEATURES:
            assert (alone.sketches[name][0] == shard.sketches[name][i]).all()


def test_pieces_of_one_file_are_one_file_and_count_on():
    text = "é\n" + TUNE.replace("One", "Öne") + "\n" + TUNE.replace("GABc", "cBAG")
    whole = build([piece(text)], Rules())
    at = text.rindex("X:")
    parts = build([piece(text[:at]), piece(text[at:], offset=at, line=text[:at].count("\n") + 1)], Rules())
    assert whole.files == parts.files == ["a.abc"]
    assert (whole.tunes == parts.tunes).all()
    assert whole.text.tobytes() == parts.text.tobytes()
    assert (whole.bounds == parts.bounds).all()


def test_characters_are_counted_not_bytes():
    (tune,) = build([piece(TUNE.replace("One", "Ünö ☃"))], Rules()).tunes
    assert tune["raw_chars"] == len(TUNE) - 1 + 2
    assert tune["chars"] == len("X:1\nT:Ünö ☃\nM:4/4\nL:1/8\nK:G\nGABc defg|gfed cBAG|\n")


@pytest.mark.parametrize(
    ("text", "rules", "line", "reason", "detail"),
    [
        ("X:1\nM:4/4\nGABc defg|\n", {}, 1, "no_key", "no K: field ends the header"),
        ("\n\nX:1\nK:C\nGABc|\n", {}, 3, "no_notes", "4 notes, fewer than 8"),
        (TUNE, {"max_chars": 40}, 1, "too_long", "47 characters, more than 40"),
        ("X:1\nK:C\n" + "".join(f"V:{i}\nGABc|\n" for i in range(4)), {"max_voices": 3}, 1, "too_many_voices", ""),
        ("X:1\nK:C\nGABc defg|" + "zCz2z" * 30 + "\n", {"max_rest_share": 0.5}, 1, "mostly_rests", "70% of"),
        (TUNE + "A\0B|\n", {}, 1, "nul", "a NUL character: this is no text"),
        ("no music\n", {}, 0, "no_tune", "no line starts with X:"),
        ("M:3/4\nL:1/4\n\n", {}, 0, "no_tune", "no line starts with X:"),
        ("M:3/4\n\nT:No X\nK:C\nGABc defg|\n", {}, 3, "no_tune", "a tune without an X: line"),
        ("T:No X\nK:C\nGABc defg|\n\n" + TUNE, {}, 1, "no_tune", "a tune without an X: line"),
        ("", {}, 0, "no_tune", "no line starts with X:"),
    ],
)
def test_what_is_no_tune_is_said(text, rules, line, reason, detail):
    ((where, why, said),) = reasons(text, **rules)
    assert (where, why) == (line, reason)
    assert detail in said


def test_what_cleaning_did_is_counted_over_all_tunes(tmp_path):
    """Those that are rejected too; in MIDI as in ABC, of one shard or more."""
    header = "M:3/4\nC:Me\n"
    tune = """X:1
T:Caf&eacute; &amp; bar
prose
N:note
%%scale 1
% remark
I:MIDI program 4
K:G % sharp
%%begintext
words
%%endtext
GAB[r:x]c [I:setbarnb 2]defg|[K:D]
</pre>
gf&gt;ed cBAG|
"""
    pieces = [piece(header + "\n" + tune + "\nX:2\nK:C\nabc|\n"), piece(TUNE, "b.abc"), piece(tune, "c.abc")]
    pieces[0] = dataclasses.replace(pieces[0], header=header.encode())
    shard = build(pieces, Rules())
    once = {
        "comments": 2, "directives": 1, "fields": 1, "inline_fields": 2, "text_blocks": 1, "html_lines": 1,
        "prose_lines": 1, "entities": 3,
    }  # fmt: skip
    expected = {kind: 2 * count for kind, count in once.items()} | {"encodings": 0, "file_headers": 2}
    expected["fields"] += 2  # C: of the header, in both tunes of its file
    assert dict(zip(KINDS, shard.cleaned.tolist(), strict=True)) == expected
    shard.save(tmp_path / "shard-0.npz", "key")
    assert (Shard.load(tmp_path / "shard-0.npz").cleaned == shard.cleaned).all()


def test_what_was_rejected_before_is_passed_on_in_order():
    gone = Rejected("z.abc", 0, "unreadable", "gone")
    shard = build([gone, piece(TUNE), piece("", "b.abc")], Rules())
    assert shard.rejected == [gone, Rejected("b.abc", 0, "no_tune", "no line starts with X:")]
    assert len(shard.tunes) == 1


def test_nothing_at_all_is_a_shard_too(tmp_path):
    for items in ([], [Rejected("z.abc", 0, "unreadable", "gone")]):
        shard = build(items, Rules())
        shard.save(tmp_path / "shard.npz", "k")
        again = Shard.load(tmp_path / "shard.npz", sketches=True)
        assert len(again.tunes) == 0
        assert again.bounds.tolist() == [0]
        assert {name: array.shape for name, array in again.sketches.items()} == dict.fromkeys(FEATURES, (0, N_HASHES))


def test_a_saved_shard_is_the_same(tmp_path, book):
    shard = build([*read_pieces(str(book)), Rejected('a\t"\n\r,é\ufffd.abc', 3, "x", "y")], Rules())
    path = tmp_path / "shard-0.npz"
    shard.save(path, "key")
    again = Shard.load(path, sketches=True)
    assert key_of(path) == "key"
    for field in dataclasses.fields(Shard):
        one, other = getattr(shard, field.name), getattr(again, field.name)
        if isinstance(one, np.ndarray):
            assert one.dtype == other.dtype
            assert (one == other).all()
        elif isinstance(one, dict):
            assert one.keys() == other.keys() == set(FEATURES)
            assert all((one[name] == other[name]).all() for name in one)
        elif field.name == "played":
            assert all(a.dtype == b.dtype and (a == b).all() for a, b in zip(one, other, strict=True))
        else:
            assert one == other
    assert Shard.load(path).sketches == {}
    assert Shard.load_rejected(path) == shard.rejected
    assert (load_part(path, "tunes") == shard.tunes).all()
    assert [p.name for p in tmp_path.iterdir()] == ["shard-0.npz"]


def test_a_file_that_is_no_whole_shard_has_no_key(tmp_path):
    path = tmp_path / "shard-0.npz"
    assert key_of(path) is None
    build([piece(TUNE)], Rules()).save(path, "key")
    whole = path.read_bytes()
    for data in (b"", b"x", whole[:100], whole[: len(whole) // 2], whole[:-30], b"\x93NUMPY\x01\x00", whole[::-1]):
        path.write_bytes(data)
        assert key_of(path) is None, data[:10]
    path.unlink()
    path.mkdir()
    assert key_of(path) is None


def test_digest_is_of_what_is_heard():
    def digest(text):
        (tune,) = build([piece(text)], Rules()).tunes
        return tuple(tune["digest"])

    assert digest(TUNE) == digest(TUNE.replace("One", "Two").replace("X:1", "X:77").replace("GABc defg", "GABcdefg"))
    others = [TUNE.replace("K:G", "K:D"), TUNE.replace("GABc", "GABd"), TUNE.replace("L:1/8", "L:1/16")]
    assert len({digest(TUNE), *map(digest, others)}) == 4


def test_key_is_of_the_melody_in_any_rhythm():
    base = "X:1\nL:1/8\nK:C\nCDEF GABc d2cB AGFE|E2DC D3E|FGAB c2d2|\n"
    (one,), (slow,) = (build([piece(text)], Rules()).tunes for text in (base, base.replace("CDEF", "C4D2EEF")))
    assert one["key"] == slow["key"] != 0
    assert tuple(one["digest"]) != tuple(slow["digest"])
    flat = build([piece("X:1\nK:C\nCCCC CCCC|\n"), piece("X:1\nK:C\nDDDD DDDD|\n")], Rules()).tunes
    assert (flat["key"] == flat["digest"][:, 0]).all()  # no contour to tell by
    assert flat["key"][0] != flat["key"][1]


def test_long_rests_are_shortened_before_anything_is_measured():
    text = "X:1\nM:4/4\nL:1/8\nK:C\nGABc defg|" + "z8|" * 30 + "gfed cBAG|\n"
    shard = build([piece(text)], Rules(max_rest_share=0.5))
    assert not shard.rejected
    assert "Z30|" in shard.tune_text(0)
    assert shard.tunes["rests"][0] == 1
    assert shard.tunes["chars"][0] == len(shard.tune_text(0))
    assert not len(build([piece(text)], Rules(max_rest_share=0.5, max_rest_bars=100)).tunes)


@pytest.mark.parametrize(
    "music",
    [
        "GABc defg|" * 100_000,
        "z" + "9" * 5000 + "|" + "z8|" * 20 + "GABc defg|",
        "z" + "/" * 50_000 + "|" + "z8|" * 20 + "GABc defg|",
        "".join(f"[V:{i}]" for i in range(100_000)) + "GABc defg|",
        "".join(f"\nV:{i}\nz|" for i in range(20_000)) + "GABc defg|",
        "{" * 100_000 + "GABc defg|",
        '"' * 99_999 + "GABc defg|",
        "[" * 100_000 + "GABc defg|",
        "\\\n" * 50_000 + "GABc defg|",
    ],
    ids=range(9),
)
@pytest.mark.parametrize("header", ["M:4/4\nL:1/8\n", "M:1e99999999999\n", "M:" + "7" * 6000 + "/0\n", "L:1/0\n"])
def test_hostile_tunes_take_no_time_and_stop_nobody(music, header):
    text = f"X:1\n{header}K:C\n{music}\n\n" + TUNE
    shard = build([piece(text)], Rules(cleaning=Cleaning(True, True, True)))
    assert len(shard.tunes) + len(shard.rejected) == 2
    assert shard.tunes["line"][-1] == text.count("\n") - TUNE.count("\n") + 1


def test_a_midi_that_blows_up_is_rejected_and_real_ones_are_tunes(shared):
    import tarfile

    end, note = b"\0\xff\x2f\0", b"\0\x90\x3c\x40\x60\x80\x3c\x40"
    late = b"\x8f\xff\xff\x7f\x90\x3c\x40\x60\x80\x3c\x40"  # a note after many thousand bars
    midis = []
    for track in (late + end, note * 9 + end):
        midis.append(b"MThd\0\0\0\6\0\0\0\1\0\x60MTrk" + len(track).to_bytes(4, "big") + track)
    with tarfile.open(shared / "midi" / "midi_bundle.tar.gz") as tar:
        name = next(member for member in tar.getmembers() if member.name.endswith(".mid"))
        midis.append(tar.extractfile(name).read())
    assert len(midis[0]) == 37
    items = [Piece(f"{i}.mid", "midi", data, 0, 0, "") for i, data in enumerate([*midis, b"", b"nothing"])]
    shard = build(items, Rules())
    assert [(item.path, item.line) for item in shard.rejected] == [("0.mid", 0), ("3.mid", 0), ("4.mid", 0)]
    assert shard.rejected[0].reason in ("midi_runaway", "no_notes")
    assert [item.reason for item in shard.rejected[1:]] == ["not_midi", "not_midi"]
    assert shard.files == ["1.mid", "2.mid"]
    assert shard.tunes["line"].tolist() == [0, 0]


def test_an_orphan_writes_nothing(tmp_path, monkeypatch):
    """Its parent was killed, and the next run may have written the same shard of other input."""

    class Dead:
        def is_alive(self):
            return False

    monkeypatch.setattr(multiprocessing, "parent_process", Dead)
    build_file([piece(TUNE)], Rules(), tmp_path / "shard.npz", "k")
    assert not list(tmp_path.iterdir())
    monkeypatch.setattr(multiprocessing, "parent_process", lambda: None)
    build_file([piece(TUNE)], Rules(), tmp_path / "shard.npz", "k")
    assert key_of(tmp_path / "shard.npz") == "k"


def test_without_near_duplicates_there_is_nothing_to_compare_by():
    shard = build([piece(TUNE)], Rules(near_duplicates=False))
    assert shard.sketches == {}
    assert shard.tunes["key"][0]


def test_rules_that_are_not_met_at_once_are_given_once():
    """A tune that fails twice is one row of quarantine.csv."""
    ((_, reason, _),) = reasons("X:1\nz4|\n", max_chars=1)
    assert reason == "no_key"
    for text, count in itertools.product(("X:1\nK:C\nz|\n",), (1, 5)):
        assert len(reasons(text * count, max_chars=1)) == count


def test_the_flag_of_nul_is_that_of_find_tunes():
    assert find_tunes(np.frombuffer(b"X:1\nK:C\nA\0\n", np.uint8))[0, FLAGS] & HAS_NUL
    assert not find_tunes(np.frombuffer("X:1\nK:C\né\n".encode(), np.uint8))[0, FLAGS] & HAS_NUL
