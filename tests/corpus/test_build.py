"""The stages together: the same bytes whatever the number of workers, and what a shard and a corpus are made of."""

import dataclasses
import os
from pathlib import Path

from tests.conftest import ROOT
from tests.corpus.conftest import OPTIONS, OUTPUTS, contents, tables
from workflow.scripts.corpus import build as build_corpus
from workflow.scripts.corpus.build import build, in_two, shard_key
from workflow.scripts.corpus.options import Source
from workflow.scripts.reading import pieces
from workflow.scripts.reading.sources import Piece, Rejected


def test_any_number_of_workers_and_any_end_of_a_run_give_the_same_bytes(here, small, done, folk, tmp_path, monkeypatch):
    sources = [Source("each", str(folk / "one each"), weight=2), Source("folk", str(folk), weight=3)]
    build(sources, tmp_path / "here", OPTIONS, 1)
    whole = contents(tmp_path / "here")
    assert set(whole) == OUTPUTS
    assert len(done) == len(set(done)) > 12
    _, lost = tables(tmp_path / "here")
    assert {row["reason"] for row in lost} >= {"duplicate", "over_cap"}
    # Three real workers
    monkeypatch.undo()
    monkeypatch.setattr(build_corpus, "SHARD_BYTES", 4000)
    monkeypatch.setattr(pieces, "PIECE_BYTES", 6000)
    build(sources, tmp_path / "three", OPTIONS, 3)
    assert contents(tmp_path / "three") == whole


def test_the_order_of_the_mixture_is_the_order_of_the_rows(here, small, folk, tmp_path):
    one, other = Source("a", str(folk / "book.abc")), Source("b", str(folk / "one each"))
    for name, sources in (("ab", [one, other]), ("ba", [other, one])):
        build(sources, tmp_path / name, OPTIONS, 1)
        kept, _ = tables(tmp_path / name)
        assert [row["source"] for row in kept] == sorted((row["source"] for row in kept), reverse=name == "ba")
        assert {row["source"] for row in kept} == {"a", "b"}
    # The order decides which of the same tunes is kept, and nothing else.
    rows = [{(row["path"], row["line"], row["split"]) for row in tables(tmp_path / name)[0]} for name in ("ab", "ba")]
    assert rows[0] == rows[1]


def test_a_piece_is_cut_between_tunes():
    text = "%é\nX:1\nK:C\nA\n\nX:2\nK:C\nB\n\nX:3\nK:C\nC\n"
    piece = Piece("a.abc", "abc", text.encode(), 100, 7, "", b"M:3/4\n")
    one, other = in_two(piece)
    assert one.header == other.header == b"M:3/4\n"
    assert (one.data + other.data).decode() == text
    assert (one.offset, one.line) == (100, 7)
    assert (other.offset, other.line) == (100 + text.index("X:2"), 7 + text[: text.index("X:2")].count("\n"))
    assert in_two(other)[1].data == b"X:3\nK:C\nC\n"
    assert in_two(one) == []
    assert in_two(Piece("a.mid", "midi", b"X:1\nX:2\nX:3\n", 0, 0, "")) == []


def test_the_key_of_a_shard_is_of_all_that_it_depends_on():
    piece = Piece("a.abc", "abc", b"X:1\n", 0, 1, "")
    lost = Rejected("b.abc", 0, "empty", "")
    prints = [
        shard_key([piece], ""), shard_key([piece], "s"), shard_key([piece, lost], ""), shard_key([], ""),
        shard_key([piece, piece], ""),
    ] + [
        shard_key([dataclasses.replace(piece, **change)], "")
        for change in (
            {"path": "c"}, {"kind": "midi"}, {"data": b"X:2\n"}, {"offset": 1}, {"line": 2}, {"header": b"L:1/4\n"},
        )
    ]  # fmt: skip
    assert len(set(prints)) == len(prints)
    assert shard_key([dataclasses.replace(piece, md5="0f")], "") == prints[0]


def test_nothing_of_the_machine_is_in_the_outputs(here, folk, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    (folk / "bad.abc").symlink_to(tmp_path / "gone")
    (folk / "bad.zip").write_bytes(b"PK nothing")
    build([Source("", "folk")], Path("out"), OPTIONS, 1)
    for name, data in contents(tmp_path / "out").items():
        for word in (str(tmp_path), str(ROOT), os.uname().nodename, str(Path.home()) + "/"):
            assert word.encode() not in data, name
