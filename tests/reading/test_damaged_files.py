"""Damaged files are named, and what is whole of them is read."""

import random
import re
import tarfile

import pytest

from tests.reading.tunes_in_files import COMPRESS, MIDI, TUNE, ZSTD, read, tar_of, zip_of
from workflow.scripts.reading import pieces as text_pieces
from workflow.scripts.reading.sources import Rejected, read_pieces


def test_damaged_files_are_named_and_the_rest_is_read(tmp_path):
    noise = b"X:1\n" + random.Random(0).randbytes(30_000).hex().encode()
    tar = tar_of({"0.abc": TUNE, "1.abc": noise, "2.abc": TUNE})
    forms = [".abc.gz", ".abc.zst", ".mid.gz", ".mid.zst", ".zip", ".tar", ".tgz"]
    forms += [f".tar{suffix}" for suffix in COMPRESS if suffix]
    for form in forms:
        (tmp_path / f"garbage{form}").write_bytes(random.Random(form).randbytes(3000))
        (tmp_path / f"empty{form}").write_bytes(b"")
    (tmp_path / "empty.abc").write_bytes(b"")
    (tmp_path / "bom.abc").write_bytes(b"\xef\xbb\xbf")
    (tmp_path / "empty_inside.zip").write_bytes(zip_of({"e.abc": b"", "e.mid": b""}))
    for suffix in (".gz", ".zst"):
        (tmp_path / f"cut.abc{suffix}").write_bytes(COMPRESS[suffix](noise)[:-9])
        (tmp_path / f"cut.mid{suffix}").write_bytes(COMPRESS[suffix](MIDI)[:-2])
        (tmp_path / f"nothing.abc{suffix}").write_bytes(COMPRESS[suffix](b""))
    for suffix, compress in COMPRESS.items():
        (tmp_path / f"cut.tar{suffix}").write_bytes(compress(tar)[:25_000])
        if suffix:
            (tmp_path / f"tail.tar{suffix}").write_bytes(compress(tar)[:-1])
    (tmp_path / "cut.zip").write_bytes(zip_of({"0.abc": TUNE, "1.abc": noise})[:-30])
    (tmp_path / "good.abc").write_bytes(TUNE)
    pieces, reasons = read(tmp_path)
    expected = {f"garbage{form}": "damaged" for form in forms} | {f"empty{form}": "empty" for form in forms}
    expected |= dict.fromkeys(["empty.abc", "bom.abc", "nothing.abc.gz", "nothing.abc.zst"], "empty")
    expected |= dict.fromkeys(["empty_inside.zip/e.abc", "empty_inside.zip/e.mid"], "empty")
    expected |= {f"cut.{kind}{suffix}": "damaged" for kind in ("abc", "mid") for suffix in (".gz", ".zst")}
    expected |= {f"cut.tar{suffix}": "damaged" for suffix in COMPRESS} | {"cut.zip": "damaged"}
    expected |= {f"tail.tar{suffix}": "damaged" for suffix in COMPRESS if suffix}
    inside = {path: reason for path, reason in reasons.items() if re.fullmatch(r"(cut|tail)\.tar.*/\d\.abc", path)}
    assert {path: reason for path, reason in reasons.items() if path not in inside} == expected
    assert {"cut.tar/1.abc", "cut.tar.gz/1.abc"} <= set(inside)
    assert set(inside.values()) == {"damaged"}
    assert {"good.abc", "cut.tar/0.abc", "tail.tar.gz/0.abc"} <= set(pieces)
    assert "cut.tar/1.abc" not in pieces


def test_a_damaged_header_does_not_pass_for_the_end_of_a_tar(tmp_path):
    tar = bytearray(tar_of({"0.abc": TUNE, "1.abc": TUNE, "2.abc": TUNE}))
    for name, change in (("sum", slice(1024, 1027)), ("size", slice(1024 + 124, 1024 + 136))):
        bad = tar[:]
        bad[change] = b"\xff" * len(bad[change])  # the size becomes -1 in base 256
        if name == "size":
            bad[1024 + 148 : 1024 + 156] = b" " * 8
            bad[1024 + 148 : 1024 + 156] = b"%06o\0 " % sum(bad[1024:1536])
        (tmp_path / f"{name}.tar").write_bytes(bad)
    (tmp_path / "stump.tar").write_bytes(tar[:1200])
    long_name = tarfile.TarInfo("x" * 200 + ".abc")
    (tmp_path / "long.tar").write_bytes(long_name.tobuf(tarfile.GNU_FORMAT) + bytes(1024))
    pieces, reasons = read(tmp_path)
    assert set(pieces) == {"sum.tar/0.abc", "size.tar/0.abc", "stump.tar/0.abc"}
    long_path = f"long.tar/{long_name.name}"
    assert reasons == {"sum.tar": "damaged", "size.tar": "damaged", "stump.tar": "damaged", long_path: "empty"}


@pytest.mark.parametrize("suffix", [".gz", ".zst"])
def test_damage_behind_the_first_piece_says_where_reading_ended(tmp_path, monkeypatch, suffix):
    monkeypatch.setattr(text_pieces, "PIECE_BYTES", 1000)
    random.seed(0)
    text = b"".join(b"X:%d\n%s\n" % (i, random.randbytes(40).hex().encode()) for i in range(3000))
    whole = COMPRESS[suffix](text)
    (tmp_path / f"a.abc{suffix}").write_bytes(whole[: len(whole) // 2])
    *pieces, rejected = read_pieces(str(tmp_path), want_md5=True)
    joined = b"".join(piece.data for piece in pieces)
    lost = 128 << 10  # a block of zstd; the buffers of gzip are smaller
    assert len(text) // 2 - lost < len(joined) < len(text) // 2 + lost
    assert text.startswith(joined)
    assert not any(piece.md5 for piece in pieces)
    assert (rejected.reason, rejected.line) == ("damaged", joined.count(b"\n") + 1)


def test_damage_loses_no_piece_before_it(tmp_path, monkeypatch):
    monkeypatch.setattr(text_pieces, "PIECE_BYTES", 1000)
    text = TUNE * 300
    (tmp_path / "a.abc.zst").write_bytes(ZSTD.compress(text) + b"garbage")
    *pieces, rejected = read_pieces(str(tmp_path))
    assert rejected.reason == "damaged"
    assert len(text) - sum(len(piece.data) for piece in pieces) < 1000 + len(TUNE)


def test_hostile_bytes_never_stop_a_run(tmp_path):
    """Every kind of archive with a few bytes changed, 2,000 times: it is read, or rejected, and no more."""
    rng = random.Random(7)
    members = {"a.abc": TUNE, "x" * 150 + ".abc": TUNE, "b.mid": MIDI}
    seeds = {".zip": zip_of(members), ".tar": tar_of(members), ".abc.zst": ZSTD.compress(TUNE)}
    seeds |= {f".tar{suffix}": compress(tar_of(members)) for suffix, compress in COMPRESS.items() if suffix}
    for i in range(2000):
        suffix, data = rng.choice(list(seeds.items()))
        bad = bytearray(data)
        for _ in range(rng.choice((1, 1, 4, 30))):
            bad[rng.randrange(len(bad))] = rng.choice((0, 0xFF, rng.randrange(256)))
        path = tmp_path / f"{i}{suffix}"
        path.write_bytes(bad)
        items = list(read_pieces(str(path)))
        assert items
        assert all(item.reason for item in items if isinstance(item, Rejected))
        path.unlink()
