"""Whatever the input holds, every file and tune of it is in the corpus or accounted for."""

import contextlib
import dataclasses
import gzip
import hashlib
import io
import json
import os
import socket
import tarfile
import time
from collections import Counter

from tests.corpus.conftest import OPTIONS, tables
from workflow.scripts.base.progress import Progress
from workflow.scripts.corpus import build as build_corpus
from workflow.scripts.corpus.build import batches, build
from workflow.scripts.corpus.dataset import SPLITS
from workflow.scripts.corpus.options import Source


def midi(track: bytes) -> bytes:
    return b"MThd\0\0\0\6\0\0\0\1\0\x60MTrk" + len(track).to_bytes(4, "big") + track


def test_a_folder_of_everything_is_accounted_for(here, small, folk, tunes, tmp_path, monkeypatch):
    strange = {
        "nul.abc": b"X:1\nK:C\nGABc\0defg|\n",
        "long line.abc": b"X:1\nM:4/4\nL:1/8\nK:C\n" + b"GABc defg|" * 10_000 + b"\n" + b"X:2\nK:C\n" + b"A" * 10**6,
        "voices.abc": ("X:1\nK:C\n" + "".join(f"V:{i}\nGABc|\n" for i in range(5000))).encode(),
        "more voices.abc": ("X:1\nK:C\n" + "".join(f"V:{i}\nGABc|\n" for i in range(100_000))).encode(),
        "empty.abc": b"",
        "garbage.abc": os.urandom(5000).replace(b"X:", b"").replace(b"\n", b""),
        "garbage.mid": b"MThd" + bytes(100),
        "bomb.mid": midi(b"\x8f\xff\xff\x7f\x90\x3c\x40\x60\x80\x3c\x40\0\xff\x2f\0")[:36],
        "latin.abc": tunes[3].replace("T:", "T:caf\xe9 ", 1).replace("A", "B").encode("cp1252"),
        "utf16.abc": tunes[4].replace("T:", "T:žluť ", 1).replace("A", "B").encode("utf-16"),
        "cr.abc": tunes[6].replace("A", "B").replace("\n", "\r").encode(),
        'tab\tquote".abc': tunes[7].replace("A", "B").encode(),
        "new\nline,\r.abc": tunes[8].replace("A", "B").encode() + b"X:9\nz|\n",
        "broken.abc.gz": b"\x1f\x8b nothing",
        "other.txt": b"X:1\nK:C\nGABc defg|\n",
    }
    for name, data in strange.items():
        (folk / name).write_bytes(data)
    (folk / os.fsdecode(b"caf\xe9.abc")).write_bytes(tunes[9].replace("A", "B").encode())
    os.mkfifo(folk / "fifo.abc")
    (folk / "loop").symlink_to(folk)
    (folk / "self.abc").symlink_to("self.abc")
    (folk / "nowhere.abc").symlink_to("gone")
    with contextlib.closing(socket.socket(socket.AF_UNIX)) as listening:
        listening.bind(os.path.relpath(folk / "s.mid"))
    (folk / "vanishing.abc").write_text(tunes[0])
    real = Progress.count

    def count(self, files):  # the first file was read, so all are listed
        (folk / "vanishing.abc").unlink(missing_ok=True)
        real(self, files)

    monkeypatch.setattr(Progress, "count", count)
    build([Source("", str(folk))], tmp_path / "out", OPTIONS, 1)
    kept, lost = tables(tmp_path / "out")
    reasons = {(row["path"], row["reason"]) for row in lost}
    assert reasons >= {
        ("nul.abc", "nul"), ("voices.abc", "too_many_voices"), ("empty.abc", "empty"), ("garbage.abc", "no_tune"),
        ("broken.abc.gz", "damaged"), ("fifo.abc", "not_a_file"), ("self.abc", "unreadable"), ("s.mid", "not_a_file"),
        ("nowhere.abc", "unreadable"), ("vanishing.abc", "unreadable"), ("new\nline,\r.abc", "no_key"),
        ("long line.abc", "too_long"), ("more voices.abc", "too_long"),
    }  # fmt: skip
    assert {row["path"] for row in lost if row["path"].endswith(".mid")} == {"garbage.mid", "bomb.mid", "s.mid"}
    names = Counter(row["path"] for row in kept + lost)
    assert names["book.abc"] == 140
    assert names["long line.abc"] == 2
    assert names["new\nline,\r.abc"] == 2
    for name in ("latin.abc", "utf16.abc", "cr.abc", 'tab\tquote".abc', "caf\ufffd.abc"):
        assert names[name] == 1
    assert "other.txt" not in names
    assert not any(name.startswith("loop") for name in names)
    # Places are those in the decoded file.
    decode = {"latin.abc": "cp1252", "utf16.abc": "utf-16"}
    for row in kept:
        if row["path"] in strange:
            text = strange[row["path"]].decode(decode.get(row["path"], "utf-8")).replace("\r", "\n")
            raw = text[int(row["offset"]) :][: int(row["chars"])]
            assert raw == raw.strip()
            assert raw.startswith("X:")
            assert text[: int(row["offset"])].count("\n") + 1 == int(row["line"])


def test_an_input_and_a_source_whose_names_are_no_text(here, folk, tmp_path):
    odd = tmp_path / os.fsdecode(b"\xffolk")
    folk.rename(odd)
    report = build([Source("", str(odd))], tmp_path / "out", OPTIONS, 1)
    assert report["input"] == f"{tmp_path}/\ufffdolk"
    assert json.loads((tmp_path / "out" / "corpus.json").read_text())["sources"][0]["path"] == report["input"]


def test_one_tune_a_hundred_thousand_times_is_one_tune(here, folk, tunes, tmp_path):
    count = 100_000
    tune = "X:1\nT:Same\nM:4/4\nL:1/8\nK:G\nGABc defg|gfed cBAG|GABc d2d2|e4 f4|\n\n"
    (folk / "same.abc").write_text(tune * count)
    start = time.monotonic()
    report = build([Source("", str(folk))], tmp_path / "out", OPTIONS, 1)
    assert time.monotonic() - start < 30
    kept, lost = tables(tmp_path / "out")
    mine = [row for row in kept + lost if row["path"] == "same.abc"]
    assert len(mine) == count
    assert sum(row.get("reason") == "duplicate" for row in mine) >= count - 1
    assert report["rejected"]["duplicate"] >= count - 1
    assert {row["detail"] for row in mine if row.get("reason") == "duplicate"} == {"same music as same.abc line 1"}


def test_by_md5_a_file_goes_where_its_hash_says(here, small, folk, tunes, tmp_path):
    """Files, members of archives and files of many shards; who is damaged trains."""
    with tarfile.open(folk / "more.tar", "w") as tar:
        for i, text in enumerate(tunes[60:100]):
            data = text.replace("A", "G").encode()
            info = tarfile.TarInfo(f"{i}.abc")
            info.size = len(data)
            tar.addfile(info, io.BytesIO(data))
    cut = gzip.compress("".join(tunes[100:]).replace("B", "G").encode())
    cut = cut[: len(cut) * 3 // 4]
    (folk / "cut.abc.gz").write_bytes(cut)
    options = dataclasses.replace(OPTIONS, split_by="md5", max_tune_share=1.0)
    build([Source("", str(folk))], tmp_path / "out", options, 1)
    kept, lost = tables(tmp_path / "out")
    hashes = {
        str(path.relative_to(folk)): hashlib.md5(path.read_bytes()).hexdigest()[0] for path in folk.rglob("*.abc")
    }
    for i, text in enumerate(tunes[60:100]):
        hashes[f"more.tar/{i}.abc"] = hashlib.md5(text.replace("A", "G").encode()).hexdigest()[0]
    splits = {row["path"]: row["split"] for row in kept}
    assert len(splits) > 90
    for path, split in splits.items():
        assert split == {"e": "val", "f": "test"}.get(hashes.get(path, "0"), "train"), path
    assert set(splits.values()) == set(SPLITS)
    assert "cut.abc.gz" in splits
    assert any(row["path"] == "cut.abc.gz" and row["reason"] == "damaged" for row in lost)
    assert "crosses_split" not in {row["reason"] for row in lost}


def test_batches_are_bounded_in_bytes_files_and_midi(folk, monkeypatch):
    monkeypatch.setattr(build_corpus, "SHARD_BYTES", 5000)
    (folk / "a.mid").write_bytes(midi(b"\0\xff\x2f\0"))
    with Progress("", 1, "B") as progress:
        found = list(batches([Source("", str(folk)), Source("b", str(folk / "book.abc"))], False, progress))
    assert [number for number, _ in found] == sorted(number for number, _ in found)
    assert [number for number, _ in found].count(1) == 1
    for _, items in found:
        assert sum(len(item.data) for item in items[:-1] if item.kind == "abc") < 5000
        assert all(item.kind != "midi" for item in items[:-1])
    assert progress.files == 63
