"""Which files of a folder are read, and which are never opened."""

import contextlib
import os
import shutil
import signal
import socket
import subprocess
import tempfile
from pathlib import Path

import pytest

from tests.reading.tunes_in_files import TUNE, read, tar_of
from workflow.scripts.base.errors import InputError
from workflow.scripts.reading.inputs import list_files, require_files
from workflow.scripts.reading.sources import read_pieces


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


def test_names_that_are_not_utf_8(tmp_path):
    bad = os.fsdecode(b"na\xefve.abc")
    (tmp_path / bad).write_bytes(TUNE)
    (tmp_path / "a.tar").write_bytes(tar_of({bad: TUNE}))
    pieces, reasons = read(tmp_path)
    assert (set(pieces), reasons) == ({"na\ufffdve.abc", "a.tar/na\ufffdve.abc"}, {})
