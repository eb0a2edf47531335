import bz2
import contextlib
import gc
import gzip
import hashlib
import importlib.machinery
import importlib.util
import io
import lzma
import os
import random
import re
import shutil
import signal
import socket
import subprocess
import sys
import tarfile
import tempfile
import zipfile
from pathlib import Path

import pytest
import zstandard

from workflow.scripts.base.errors import InputError
from workflow.scripts.corpus import archives, sources
from workflow.scripts.corpus import pieces as text_pieces
from workflow.scripts.corpus.sources import Piece, Rejected, list_files, read_pieces, require_files, root_of

ROOT = Path(__file__).parents[2]
TUNE = b"X:1\nT:One\nK:G\nGABc d2e2|\n"
MIDI = b"MThd\0\0\0\6\0\0\0\1\0\x60MTrk\0\0\0\4\0\xff\x2f\0"
ZSTD = zstandard.ZstdCompressor()
COMPRESS = {"": bytes, ".gz": gzip.compress, ".bz2": bz2.compress, ".xz": lzma.compress, ".zst": ZSTD.compress}


def tar_of(members: dict[str, bytes | str], mark: dict[str, bytes] | None = None) -> bytes:
    """A tar of files, by name; ``mark`` gives some members another type."""
    out = io.BytesIO()
    with tarfile.open(fileobj=out, mode="w") as archive:
        for name, data in members.items():
            info = tarfile.TarInfo(name)
            info.type = (mark or {}).get(name, tarfile.REGTYPE)
            info.linkname = "one.abc" if info.type in (tarfile.SYMTYPE, tarfile.LNKTYPE) else ""
            info.size = len(data)
            archive.addfile(info, io.BytesIO(data))
    return out.getvalue()


def zip_of(members: dict[str, bytes], method: int = zipfile.ZIP_DEFLATED) -> bytes:
    out = io.BytesIO()
    with zipfile.ZipFile(out, "w", method) as archive:
        for name, data in members.items():
            archive.writestr(name, data)
    return out.getvalue()


def read(path: Path) -> tuple[dict[str, bytes], dict[str, str]]:
    """({path: data}, {path: reason}) of an input; no path may come twice."""
    items = list(read_pieces(str(path)))
    assert len({item.path for item in items}) == len(items), items
    assert all(isinstance(item.detail, str) for item in items if isinstance(item, Rejected))
    return (
        {item.path: item.data for item in items if isinstance(item, Piece)},
        {item.path: item.reason for item in items if isinstance(item, Rejected)},
    )


# What is read


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
        "other.txt": TUNE, "abc": TUNE, "x.kar": MIDI, "x.abc.bz2": bz2.compress(TUNE), "x.abc~": TUNE,
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


PEAK = """
import sys
from workflow.scripts.corpus import archives
from workflow.scripts.corpus.sources import read_pieces

def peak():  # ru_maxrss would count the process that started this one
    return int(open("/proc/self/status").read().split("VmHWM:")[1].split()[0]) >> 10

archives.MAX_UNPACKED_BYTES = int(sys.argv[2])
before = peak()
sizes = [len(getattr(item, "data", b"")) for item in read_pieces(sys.argv[1])]
print(len(sizes), sum(sizes), peak() - before)
"""


def memory_to_read(path: Path, limit: int) -> tuple[int, int, int]:
    """(items, bytes, growth of the memory in MiB) of reading an input in a process of its own."""
    done = subprocess.run([sys.executable, "-c", PEAK, str(path), str(limit)], cwd=ROOT, capture_output=True, text=True)
    return tuple(map(int, done.stdout.split()))


def test_memory_is_bounded(tmp_path):
    tunes = b"".join(b"X:%d\nK:G\n%s|\n" % (i, random.Random(i).randbytes(200).hex().encode()) for i in range(5000))
    (tmp_path / "a.abc.zst").write_bytes(ZSTD.compress(tunes) * 75)
    _, size, grown = memory_to_read(tmp_path, 256 << 20)
    assert size == len(tunes) * 75 > 150_000_000
    assert grown < 80


def test_members_of_a_tar_do_not_pile_up(tmp_path):
    (tmp_path / "a.tar").write_bytes(tar_of({f"{i}.abc": TUNE for i in range(100)}))
    reader = read_pieces(str(tmp_path))
    for _ in range(99):
        next(reader)
    assert 0 < sum(type(thing) is archives.TarHeader for thing in gc.get_objects()) < 5


# What is refused


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


def test_links_are_followed_once(tmp_path):
    real = tmp_path / "disk"
    (real / "deep" / "deeper").mkdir(parents=True)
    (real / "deep" / "one.abc").write_bytes(TUNE)
    (real / "deep" / "deeper" / "up").symlink_to(real)
    (real / "deep" / "deeper" / "self").symlink_to("self")
    (real / "again").symlink_to("deep")
    (real / "link.abc").symlink_to("deep/one.abc")
    (real / "l1.abc").symlink_to("l2.abc")
    (real / "l2.abc").symlink_to("l1.abc")
    (real / "gone.abc").symlink_to("nowhere")
    (real / "gone.txt").symlink_to("nowhere")
    data = tmp_path / "data"
    data.symlink_to(real)
    pieces, reasons = read(data)
    assert set(pieces) == {"again/one.abc", "link.abc"}
    assert reasons == dict.fromkeys(["again/deeper/self", "gone.abc", "l1.abc", "l2.abc"], "unreadable")
    assert [path.relative_to(data).as_posix() for path in list_files(data)] == ["again/one.abc", "link.abc"]


def test_folders_deeper_than_the_stack(monkeypatch):
    folder = tempfile.mkdtemp()
    try:
        monkeypatch.chdir(folder)
        for _ in range(1500):
            os.mkdir("d")
            os.chdir("d")
        Path("one.abc").write_bytes(TUNE)
        os.chdir(folder)
        assert [item.path for item in read_pieces(".")] == ["d/" * 1500 + "one.abc"]
    finally:
        subprocess.run(["rm", "-r", folder], check=True)  # too deep for shutil, and so for pytest's tmp_path


@pytest.fixture
def hung():
    """Fail instead of waiting for ever."""

    def fail(*_):
        raise TimeoutError("an open() blocked")

    before = signal.signal(signal.SIGALRM, fail)
    signal.alarm(5)
    yield
    signal.alarm(0)
    signal.signal(signal.SIGALRM, before)


def test_fifos_sockets_and_devices_are_never_opened(tmp_path, monkeypatch, hung):
    monkeypatch.chdir(tmp_path)  # the name of a socket must be short
    os.mkfifo("fifo.abc")
    os.mkfifo("fifo.txt")
    os.symlink("/dev/zero", "zero.abc")
    with socket.socket(socket.AF_UNIX) as server:
        server.bind("socket.abc.gz")
        assert read(tmp_path) == ({}, dict.fromkeys(["fifo.abc", "socket.abc.gz", "zero.abc"], "not_a_file"))
        with pytest.raises(InputError, match=r"holds no \.abc.*FIFO"):
            require_files(str(tmp_path))
        assert list_files(tmp_path) == []
        assert read(tmp_path / "fifo.abc") == ({}, {"fifo.abc": "not_a_file"})


def test_files_that_change_between_listing_and_reading(tmp_path, hung):
    for name in "abc":
        (tmp_path / f"{name}.abc").write_bytes(TUNE)
    (tmp_path / "z").mkdir()
    reader = read_pieces(str(tmp_path))
    assert next(reader).path == "a.abc"
    (tmp_path / "z" / "new.abc").write_bytes(TUNE)
    (tmp_path / "b.abc").unlink()
    (tmp_path / "c.abc").unlink()
    os.mkfifo(tmp_path / "c.abc")
    assert [(item.path, item.reason) for item in reader] == [("b.abc", "unreadable"), ("c.abc", "not_a_file")]


@contextlib.contextmanager
def as_nobody():
    """Without the rights of root, whom no permission stops."""
    if os.geteuid() != 0:
        yield
        return
    os.seteuid(65534)
    try:
        yield
    finally:
        os.seteuid(0)


def test_what_permissions_forbid_is_listed():
    folder = Path(tempfile.mkdtemp(dir="/tmp"))  # pytest's own folder lets no other user in
    try:
        folder.chmod(0o755)
        for name in ("no_x", "closed"):
            (folder / name).mkdir()
            (folder / name / "in.abc").write_bytes(TUNE)
        for name in ("good.abc", "secret.abc"):
            (folder / name).write_bytes(TUNE)
        (folder / "secret.abc").chmod(0)
        (folder / "closed").chmod(0)
        (folder / "no_x").chmod(0o444)
        with as_nobody():
            pieces, reasons = read(folder)
            with pytest.raises(InputError, match="Permission denied"):
                require_files(str(folder / "closed"))
        assert set(pieces) == {"good.abc"}
        assert reasons == dict.fromkeys(["closed", "no_x/in.abc", "secret.abc"], "unreadable")
    finally:
        for name in ("no_x", "closed"):
            (folder / name).chmod(0o755)
        shutil.rmtree(folder)


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


def test_large_midi_is_refused_and_the_archive_goes_on(tmp_path, monkeypatch):
    monkeypatch.setattr(sources, "MAX_MIDI_BYTES", len(MIDI))
    (tmp_path / "a.tar.gz").write_bytes(gzip.compress(tar_of({"big.mid": MIDI + b"\0", "ok.mid": MIDI})))
    (tmp_path / "b.mid").write_bytes(MIDI * 100)
    assert read(tmp_path) == ({"a.tar.gz/ok.mid": MIDI}, {"a.tar.gz/big.mid": "too_large", "b.mid": "too_large"})


def test_names_that_are_not_utf_8(tmp_path):
    bad = os.fsdecode(b"na\xefve.abc")
    (tmp_path / bad).write_bytes(TUNE)
    (tmp_path / "a.tar").write_bytes(tar_of({bad: TUNE}))
    pieces, reasons = read(tmp_path)
    assert (set(pieces), reasons) == ({"na\ufffdve.abc", "a.tar/na\ufffdve.abc"}, {})


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
        "import sys; from workflow.scripts.corpus.sources import list_files, root_of;"
        "print(len(list_files(root_of('music21'))), 'music21' in sys.modules)"
    )
    done = subprocess.run([sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True)
    assert done.stdout == "1146 False\n", done.stderr
