"""What is read of an archive, and what of it is refused."""

import bz2
import gc
import gzip
import io
import os
import random
import subprocess
import tarfile
import zipfile

import pytest

from tests.reading.tunes_in_files import COMPRESS, TUNE, ZSTD, memory_to_read, read, tar_of, zip_of
from workflow.scripts.reading import archives
from workflow.scripts.reading.sources import read_pieces


def test_members_of_a_tar_do_not_pile_up(tmp_path):
    (tmp_path / "a.tar").write_bytes(tar_of({f"{i}.abc": TUNE for i in range(100)}))
    reader = read_pieces(str(tmp_path))
    for _ in range(99):
        next(reader)
    assert 0 < sum(type(thing) is archives.TarHeader for thing in gc.get_objects()) < 5


def test_bombs_stop_at_the_limit_and_the_rest_is_read(tmp_path, monkeypatch):
    monkeypatch.setattr(archives, "MAX_UNPACKED_BYTES", 20_000)
    monkeypatch.setattr(archives, "MAX_UNPACKED_RATIO", 2)
    bomb = TUNE * 100_000
    for suffix in (".gz", ".zst"):
        (tmp_path / f"b.abc{suffix}").write_bytes(COMPRESS[suffix](bytes(3_000_000)))
        (tmp_path / f"b.mid{suffix}").write_bytes(COMPRESS[suffix](bytes(3_000_000)))
    for suffix, compress in COMPRESS.items():
        (tmp_path / f"t.tar{suffix}").write_bytes(compress(tar_of({"0.abc": TUNE, "b.abc": bomb, "z.abc": TUNE})))
    (tmp_path / "b.zip").write_bytes(zip_of({"0.abc": TUNE, "b.abc": bomb, "z.abc": TUNE}))
    (tmp_path / "many.zip").write_bytes(zip_of({f"{i:03}.abc": bytes(1000) for i in range(200)}))
    (tmp_path / "good.abc").write_bytes(bomb)  # what is not compressed is no bomb
    pieces, reasons = read(tmp_path)
    many = [path for path in pieces if path.startswith("many.zip/")]
    limit = 2 * (tmp_path / "many.zip").stat().st_size
    assert len(many) == limit // 1000  # no member is a bomb, all together are
    assert {reasons.pop("many.zip"), reasons.pop(f"many.zip/{len(many):03}.abc")} == {"bomb"}
    assert reasons == {
        "b.abc.gz": "bomb", "b.abc.zst": "bomb", "b.mid.gz": "bomb", "b.mid.zst": "bomb",
        "b.zip/b.abc": "bomb", "b.zip": "bomb",
        **{f"t.tar{s}{m}": "bomb" for s in COMPRESS if s for m in ("", "/b.abc")},
    }  # fmt: skip
    assert pieces["good.abc"] == bomb
    assert set(pieces) >= {"b.zip/0.abc", "t.tar.gz/0.abc", "t.tar/z.abc"}
    assert "b.zip/z.abc" not in pieces


def test_a_ratio_below_the_limit_is_no_bomb(tmp_path, monkeypatch):
    monkeypatch.setattr(archives, "MAX_UNPACKED_BYTES", 0)
    noise = b"X:1\n" + random.Random(0).randbytes(20_000).hex().encode()
    (tmp_path / "a.abc.gz").write_bytes(gzip.compress(noise))
    (tmp_path / "b.tar.gz").write_bytes(gzip.compress(tar_of({"b.abc": noise})))
    (tmp_path / "c.zip").write_bytes(zip_of({"c.abc": noise}))
    pieces, reasons = read(tmp_path)
    assert (len(pieces), reasons) == (3, {})


@pytest.mark.parametrize("suffix", [".tar.bz2", ".abc.zst"])
def test_a_bomb_does_not_fill_the_memory(tmp_path, suffix):
    """A few KB that unpack to 200 MiB, by the two compressors that expand most."""
    zeros = bytes(200 << 20)
    (tmp_path / f"a{suffix}").write_bytes(bz2.compress(zeros) if "bz2" in suffix else ZSTD.compress(zeros))
    items, size, grown = memory_to_read(tmp_path, 64 << 20)
    assert (items, size) == (1, 0)
    assert grown < 170


def test_a_zip_that_lies_about_sizes(tmp_path, monkeypatch):
    monkeypatch.setattr(archives, "MAX_UNPACKED_BYTES", 20_000)
    good = zip_of({"a.abc": bytes(1_000_000), "b.abc": TUNE})
    real = (1_000_000).to_bytes(4, "little")
    for name, lie in (("small.zip", 10), ("huge.zip", 0xFFFFFFF0)):
        (tmp_path / name).write_bytes(good.replace(real, lie.to_bytes(4, "little")))
    pieces, reasons = read(tmp_path)
    assert reasons == {"small.zip/a.abc": "damaged", "huge.zip/a.abc": "bomb", "huge.zip": "bomb"}
    assert pieces == {"small.zip/b.abc": TUNE}


UNSAFE = ["../up.abc", "a/../../up.abc", "/etc/abs.abc", "C:\\abs.abc", "c:/abs.mid", "..\\up.abc", "\\\\host\\a.abc"]


def test_paths_out_of_an_archive_are_listed_and_not_read(tmp_path):
    members = dict.fromkeys([*UNSAFE, "a..b/fine...abc"], TUNE)
    inside = tmp_path / "input"
    inside.mkdir()
    (inside / "a.zip").write_bytes(zip_of(members))
    (inside / "b.tar").write_bytes(tar_of(members))
    before = set(tmp_path.rglob("*"))
    pieces, reasons = read(inside)
    assert set(pieces) == {"a.zip/a..b/fine...abc", "b.tar/a..b/fine...abc"}
    assert reasons == {f"{archive}/{name}": "unsafe_path" for archive in ("a.zip", "b.tar") for name in UNSAFE}
    assert set(tmp_path.rglob("*")) == before


def test_members_that_are_no_files_are_listed_and_not_read(tmp_path):
    kinds = [tarfile.SYMTYPE, tarfile.LNKTYPE, tarfile.CHRTYPE, tarfile.BLKTYPE, tarfile.FIFOTYPE, b"Z"]
    mark = {f"{i}.abc": kind for i, kind in enumerate(kinds)}
    (tmp_path / "a.tar").write_bytes(tar_of({"one.abc": TUNE, **dict.fromkeys(mark, b""), "two.abc": TUNE}, mark))
    link = zipfile.ZipInfo("link.abc")
    link.create_system, link.external_attr = 3, 0o120777 << 16
    (tmp_path / "b.zip").write_bytes(zip_of({link: b"/etc/passwd", "one.abc": TUNE}))
    pieces, reasons = read(tmp_path)
    assert set(pieces) == {"a.tar/one.abc", "a.tar/two.abc", "b.zip/one.abc"}
    assert reasons == {**{f"a.tar/{name}": "not_a_file" for name in mark}, "b.zip/link.abc": "not_a_file"}


def test_a_sparse_member_is_not_blown_up(tmp_path):
    (tmp_path / "hole.abc").write_bytes(b"")
    os.truncate(tmp_path / "hole.abc", 1 << 30)
    made = subprocess.run(["tar", "-S", "-cf", "a.tar", "hole.abc"], cwd=tmp_path, capture_output=True)
    if made.returncode:
        pytest.skip("no GNU tar")
    (tmp_path / "hole.abc").unlink()
    assert read(tmp_path) == ({}, {"a.tar/hole.abc": "unsupported"})


def test_archives_in_archives_and_archives_without_music(tmp_path):
    (tmp_path / "a.zip").write_bytes(zip_of({"in.zip": zip_of({"x.abc": TUNE}), "x.abc.gz": gzip.compress(TUNE)}))
    (tmp_path / "b.tar").write_bytes(tar_of({"in.tar.gz": b"", "x.abc": TUNE}))
    (tmp_path / "c.zip").write_bytes(zip_of({"readme.txt": b"", "d.abc/": b""}))
    (tmp_path / "d.tar.gz").write_bytes(gzip.compress(tar_of({})))
    (tmp_path / "e.tar").write_bytes(tar_of({"folder.abc": b""}, {"folder.abc": tarfile.DIRTYPE}))
    pieces, reasons = read(tmp_path)
    assert pieces == {"b.tar/x.abc": TUNE}
    assert reasons == {
        "a.zip/in.zip": "nested_archive", "a.zip/x.abc.gz": "nested_archive", "b.tar/in.tar.gz": "nested_archive",
        "c.zip": "no_abc", "d.tar.gz": "no_abc", "e.tar": "no_abc",
    }  # fmt: skip


def test_a_tar_header_does_not_fill_the_memory(tmp_path, monkeypatch):
    monkeypatch.setattr(archives, "MAX_TAR_HEADER_BYTES", 2000)
    out = io.BytesIO()
    with tarfile.open(fileobj=out, mode="w", format=tarfile.PAX_FORMAT) as archive:
        for size in (1000, 3000):
            info = tarfile.TarInfo(f"{size}.abc")
            info.pax_headers = {"comment": "x" * size}
            info.size = len(TUNE)
            archive.addfile(info, io.BytesIO(TUNE))
    (tmp_path / "a.tar").write_bytes(out.getvalue())
    assert read(tmp_path) == ({"a.tar/1000.abc": TUNE}, {"a.tar": "damaged"})


def test_members_of_a_zip_that_cannot_be_read(tmp_path):
    good = zip_of({"a.abc": TUNE, "b.abc": TUNE}, zipfile.ZIP_STORED)
    first, entry = good.index(b"PK\3\4"), good.index(b"PK\1\2")
    for name, local, central, value in [("encrypted", 6, 8, 1), ("method", 8, 10, 99)]:
        bad = bytearray(good)
        bad[first + local] = bad[entry + central] = value
        (tmp_path / f"{name}.zip").write_bytes(bad)
    (tmp_path / "crc.zip").write_bytes(good.replace(b"GABc", b"GABd", 1))
    (tmp_path / "lzma.zip").write_bytes(zip_of({"a.abc": TUNE}, zipfile.ZIP_LZMA))
    pieces, reasons = read(tmp_path)
    assert reasons == {
        "encrypted.zip/a.abc": "encrypted", "method.zip/a.abc": "unsupported", "crc.zip/a.abc": "damaged",
        "lzma.zip/a.abc": "unsupported",
    }  # fmt: skip
    assert pieces == {f"{name}.zip/b.abc": TUNE for name in ("encrypted", "method", "crc")}
