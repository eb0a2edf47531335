"""What is read of an input, whatever form it has."""

import bz2
import gzip
import hashlib
import importlib.machinery
import importlib.util
import random
import re
import subprocess
import sys
import tarfile
import zipfile

import pytest
import zstandard

from tests.conftest import ROOT
from tests.reading.tunes_in_files import COMPRESS, MIDI, TUNE, ZSTD, memory_to_read, read, tar_of, zip_of
from workflow.scripts.base.errors import InputError
from workflow.scripts.reading import pieces as text_pieces
from workflow.scripts.reading import sources
from workflow.scripts.reading.inputs import input_bytes, list_files, require_files, root_of
from workflow.scripts.reading.sources import Piece, read_pieces


def test_music21_corpus_is_whole(shared):
    listed = (shared / "corpora" / "music21_abc_files.tsv").read_text().splitlines()[1:]
    pieces = list(read_pieces("music21"))
    assert len(list_files(root_of("music21"))) == len(pieces) == len(listed) == 1146
    assert all(isinstance(piece, Piece) for piece in pieces)
    assert sum(len(re.findall(rb"^X:", piece.data, re.MULTILINE)) for piece in pieces) == 12978


def test_a_compressed_tar_of_abc_is_whole(shared):
    pieces = list(read_pieces(str(shared / "corpora" / "abc_collection_utf8.tar.zst")))
    assert all(isinstance(piece, Piece) and piece.kind == "abc" for piece in pieces)
    assert len({piece.path for piece in pieces}) == 99
    assert pieces[0].path == "abc_collection_utf8.tar.zst/abc_collection/allklez.abc"
    assert sum(len(re.findall(rb"^X:", piece.data, re.MULTILINE)) for piece in pieces) == 18619


def test_a_bundle_of_midi_is_what_its_own_tar_reader_finds(shared):
    bundle = shared / "midi" / "midi_bundle.tar.gz"
    with tarfile.open(bundle) as archive:
        inside = {
            f"{bundle.name}/{info.name}": archive.extractfile(info).read()
            for info in archive
            if info.isfile() and info.name.endswith((".mid", ".midi"))
        }
    pieces = list(read_pieces(str(bundle), want_md5=True))
    assert {piece.path: piece.data for piece in pieces} == inside
    assert len(pieces) == 88
    assert all(p.kind == "midi" and p.md5 == hashlib.md5(p.data).hexdigest() for p in pieces)


def test_a_large_file_is_cut_between_tunes(shared):
    path = shared / "corpora" / "corpusB_noncommercial.abc.zst"
    with open(path, "rb") as file:
        whole = zstandard.ZstdDecompressor().stream_reader(file, read_across_frames=True).read(1 << 30)
    pieces = list(read_pieces(str(path), want_md5=True))
    assert len(pieces) == -(-len(whole) // (8 << 20))
    assert b"".join(piece.data for piece in pieces) == whole
    for piece in pieces:
        assert whole[piece.offset : piece.offset + len(piece.data)] == piece.data
        assert piece.line == whole.count(b"\n", 0, piece.offset) + 1
    assert [piece.md5 for piece in pieces] == [""] * (len(pieces) - 1) + [hashlib.md5(whole).hexdigest()]


def test_every_form_at_any_depth_and_in_any_case(tmp_path):
    (tmp_path / "a" / "b.abc").mkdir(parents=True)
    contents = {
        "a/b.abc/deep.abc": TUNE, "Zipped.ABC.GZ": gzip.compress(TUNE), "packed.abc.zst": ZSTD.compress(TUNE) * 2,
        "one.mid": MIDI, "two.MIDI": MIDI, "three.mid.gz": gzip.compress(MIDI), "four.midi.zst": ZSTD.compress(MIDI),
        "book.ZIP": zip_of({"in/side.abc": TUNE, "song.mid": MIDI, "readme.txt": b"no", "in/": b""}),
        "stored.zip": zip_of({"z.abc": TUNE, "a.abc": TUNE}, zipfile.ZIP_STORED),
        "other.txt": TUNE, "abc": TUNE, "x.mus": MIDI, "x.abc.bz2": bz2.compress(TUNE), "x.abc~": TUNE,
    }  # fmt: skip
    tar = tar_of({"./d/": b"", "./d/2.abc": TUNE, "1.Mid": MIDI, "LICENSE": b""}, {"./d/": tarfile.DIRTYPE})
    for suffix, compress in COMPRESS.items():
        contents[f"t.tar{suffix}"] = compress(tar)
    contents["t.tgz"] = gzip.compress(tar)
    for name, data in contents.items():
        (tmp_path / name).write_bytes(data)
    items = list(read_pieces(str(tmp_path)))
    tars = ["t.tar", "t.tar.bz2", "t.tar.gz", "t.tar.xz", "t.tar.zst", "t.tgz"]
    assert [item.path for item in items] == [
        "Zipped.ABC.GZ", "a/b.abc/deep.abc", "book.ZIP/in/side.abc", "book.ZIP/song.mid", "four.midi.zst", "one.mid",
        "packed.abc.zst", "stored.zip/z.abc", "stored.zip/a.abc",
        *(f"{tar}/{name}" for tar in tars for name in ("d/2.abc", "1.Mid")), "three.mid.gz", "two.MIDI",
    ]  # fmt: skip
    for item in items:
        midi = ".mid" in item.path.lower()
        assert item.data == (MIDI if midi else TUNE * 2 if item.path.startswith("packed") else TUNE)
        assert (item.kind, item.line) == (("midi", 0) if midi else ("abc", 1))
    assert list_files(tmp_path) == sorted(list_files(tmp_path))
    assert len(list_files(tmp_path)) == 15


def test_a_file_is_taken_whatever_its_name(tmp_path):
    (tmp_path / "tunes.txt").write_bytes(TUNE)
    assert list(read_pieces(str(tmp_path / "tunes.txt"))) == [Piece("tunes.txt", "abc", TUNE, 0, 1, "")]


def test_every_piece_of_a_file_has_the_fields_before_its_first_tune(tmp_path, monkeypatch):
    monkeypatch.setattr(text_pieces, "PIECE_BYTES", 64)
    monkeypatch.setattr(text_pieces, "MAX_TUNE_BYTES", 256)
    header = b"M:3/4\nL:1/4\n"
    (tmp_path / "a.abc").write_bytes(b"%abc-2.1\n" + header + b"\n" + TUNE * 9)
    (tmp_path / "b.abc").write_bytes(b"\xef\xbb\xbf" + header.replace(b"\n", b"\r\n") + b"\r\n" + TUNE)
    (tmp_path / "c.abc").write_bytes(TUNE * 9)
    found: dict[str, list[bytes]] = {}
    for piece in read_pieces(str(tmp_path)):
        found.setdefault(piece.path, []).append(piece.header)
    assert {name: set(headers) for name, headers in found.items()} == {
        "a.abc": {header}, "b.abc": {header}, "c.abc": {b""},
    }  # fmt: skip
    assert len(found["a.abc"]) > 3


def test_the_hash_is_of_the_bytes_before_decoding(tmp_path, monkeypatch):
    monkeypatch.setattr(text_pieces, "PIECE_BYTES", 64)
    monkeypatch.setattr(text_pieces, "MAX_TUNE_BYTES", 256)
    raw = ("\r\n".join(["X:1", "T:Préludé", "K:G", "GABc|", ""]) * 9).encode("utf-16")
    (tmp_path / "a.abc.gz").write_bytes(gzip.compress(raw))
    *others, last = read_pieces(str(tmp_path), want_md5=True)
    assert last.md5 == hashlib.md5(raw).hexdigest()
    assert others
    assert not any(piece.md5 for piece in others)

    raw = TUNE * 9 + b"prose\n" * 100  # the last tune is dropped: the piece before it is the last
    (tmp_path / "a.abc.gz").write_bytes(gzip.compress(raw))
    *_, last, dropped = read_pieces(str(tmp_path), want_md5=True)
    assert last.md5 == hashlib.md5(raw).hexdigest()
    assert (dropped.reason, dropped.line) == ("too_long", 33)


def test_a_zstd_file_may_have_many_frames_and_skippable_ones(tmp_path):
    skippable = b"\x50\x2a\x4d\x18\x04\0\0\0SKIP"
    many = b"".join(ZSTD.compress(TUNE[i : i + 1]) for i in range(len(TUNE)))
    (tmp_path / "a.abc.zst").write_bytes(skippable + many * 50 + skippable + ZSTD.compress(b""))
    assert read(tmp_path) == ({"a.abc.zst": TUNE * 50}, {})


def test_memory_is_bounded(tmp_path):
    tunes = b"".join(b"X:%d\nK:G\n%s|\n" % (i, random.Random(i).randbytes(200).hex().encode()) for i in range(5000))
    (tmp_path / "a.abc.zst").write_bytes(ZSTD.compress(tunes) * 75)
    _, size, grown = memory_to_read(tmp_path, 256 << 20)
    assert size == len(tunes) * 75 > 150_000_000
    assert grown < 80


def test_large_midi_is_refused_and_the_archive_goes_on(tmp_path, monkeypatch):
    monkeypatch.setattr(sources, "MAX_MIDI_BYTES", len(MIDI))
    (tmp_path / "a.tar.gz").write_bytes(gzip.compress(tar_of({"big.mid": MIDI + b"\0", "ok.mid": MIDI})))
    (tmp_path / "b.mid").write_bytes(MIDI * 100)
    assert read(tmp_path) == ({"a.tar.gz/ok.mid": MIDI}, {"a.tar.gz/big.mid": "too_large", "b.mid": "too_large"})


def test_an_input_without_music_is_one_sentence(tmp_path):
    with pytest.raises(InputError, match="no such file or folder"):
        list(read_pieces("/nowhere"))
    with pytest.raises(InputError, match="no such file or folder"):
        require_files("/nowhere")
    (tmp_path / "readme.txt").write_text("no tune")
    with pytest.raises(InputError, match=r"holds no \.abc") as caught:
        require_files(str(tmp_path))
    assert "\n" not in str(caught.value)
    (tmp_path / "a.mid.zst").write_bytes(b"")
    require_files(str(tmp_path))
    require_files("music21")


@pytest.mark.parametrize("there", ["nothing", "package", "empty corpus"])
def test_music21_that_is_not_there_is_one_sentence(tmp_path, monkeypatch, there):
    spec = importlib.machinery.ModuleSpec("music21", None, is_package=True)
    spec.submodule_search_locations = [str(tmp_path)]
    if there == "empty corpus":
        (tmp_path / "corpus").mkdir()
    monkeypatch.setattr(importlib.util, "find_spec", {"music21": spec if there != "nothing" else None}.__getitem__)
    for ask in (root_of, require_files):
        with pytest.raises(InputError, match="the music21 package holds no ABC files"):
            ask("music21")


def test_music21_is_found_without_the_seconds_that_its_import_takes():
    code = (
        "import sys; from workflow.scripts.reading.inputs import list_files, root_of;"
        "print(len(list_files(root_of('music21'))), 'music21' in sys.modules)"
    )
    done = subprocess.run([sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True)
    assert done.stdout == "1146 False\n", done.stderr


def test_bytes_read_from_disk_are_counted_for_the_progress_bar(tmp_path):
    contents = {
        "a.abc": TUNE,
        "b.abc.gz": gzip.compress(TUNE * 99),
        "c.tar.xz": COMPRESS[".xz"](tar_of({"c.abc": TUNE})),
    }
    for name, data in contents.items():
        (tmp_path / name).write_bytes(data)
    counted = []
    assert len(list(read_pieces(str(tmp_path), on_bytes=counted.append))) == 3
    assert sum(counted) == input_bytes(str(tmp_path)) == sum(map(len, contents.values()))
    (tmp_path / "d.zip").write_bytes(zip_of({"d.abc": TUNE * 99}))
    assert len(list(read_pieces(str(tmp_path / "d.zip"), on_bytes=counted.append))) == 1
    assert sum(counted) > input_bytes(str(tmp_path))  # a zip's list of members is read more than once
