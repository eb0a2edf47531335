"""MIDI becomes what the bare program makes of it, and what a hostile file or a broken program costs is bounded."""

import os
import pickle
import resource
import struct
import subprocess
import sys
import tarfile
import tempfile
import time
from pathlib import Path

import pytest

from workflow.scripts.machine.sandbox import find_program
from workflow.scripts.reading import midi_to_abc
from workflow.scripts.reading.midi_to_abc import ConversionError, Converter

END = b"\0\xff\x2f\0"
METER = b"\0\xff\x58\x04\x04\x02\x18\x08"
NOTE = b"\0\x90\x3c\x40\x60\x80\x3c\x40"  # a quarter of middle C


def midi(*tracks: bytes) -> bytes:
    """A MIDI file of these tracks, 96 ticks to the quarter."""
    chunks = [b"MTrk" + struct.pack(">I", len(track)) + track for track in tracks]
    return b"MThd" + struct.pack(">IHHH", 6, len(tracks) > 1, len(tracks), 96) + b"".join(chunks)


BAD_METER = "midi_meter", "a meter or a tempo that no music has"
TUNE = midi(METER + NOTE * 8 + END)


@pytest.fixture(scope="session")
def bundle(shared) -> list[bytes]:
    with tarfile.open(shared / "midi" / "midi_bundle.tar.gz") as tar:
        return [tar.extractfile(member).read() for member in tar if member.name.endswith(".mid")]


@pytest.fixture(params=["prlimit", "preexec"])
def way(request, monkeypatch):
    """Both ways to start and to wait: Linux's, and the one for systems without its calls."""
    if request.param == "preexec":
        monkeypatch.delattr(resource, "prlimit", raising=False)
        monkeypatch.delattr(os, "pidfd_open", raising=False)
    elif not hasattr(resource, "prlimit"):
        pytest.skip("this system has no prlimit")


@pytest.fixture
def fake(tmp_path, monkeypatch):
    """Puts a Python program in the place of midi2abc."""

    def install(code: str) -> None:
        path = tmp_path / "fake"
        path.write_text(f"#!{sys.executable} -IS\nimport os, signal, sys, time\n{code}\n")
        path.chmod(0o755)
        monkeypatch.setattr(midi_to_abc, "find_program", lambda name: str(path))

    return install


def processes() -> dict[int, tuple[int, int]]:
    """Parent and session of every process there is, by its number."""
    found = {}
    for path in Path("/proc").glob("[0-9]*/stat"):
        try:
            fields = path.read_text().rpartition(")")[2].split()
        except OSError:  # ended since the folder was read
            continue
        found[int(path.parent.name)] = int(fields[1]), int(fields[3])
    return found


def children() -> set[int]:
    return {pid for pid, (parent, _) in processes().items() if parent == os.getpid()}


def failure(data: bytes, **options) -> ConversionError:
    before = children()
    with Converter(**options) as converter, pytest.raises(ConversionError) as caught:
        converter.convert(data)
    assert children() <= before, "a child was left, if only as a zombie"
    return caught.value


def test_real_files_come_out_as_from_the_bare_program(bundle, tmp_path):
    assert len(bundle) == 88
    path = tmp_path / "bare name.mid"
    refused = []
    for data in bundle:
        path.write_bytes(data)
        bare = subprocess.run([find_program("midi2abc"), path, "-noly", "-sr", "2"], capture_output=True, check=True)
        lines = bare.stdout.splitlines(keepends=True)
        assert lines.pop(0) == b"calling midi2abc\n"
        while not lines[0].startswith(b"X:"):
            assert lines.pop(0).startswith(b"Error")  # what the parser had to say of the file
        assert lines.pop(1) == f"T: from {path}\n".encode()
        if b"Q:1/4=-9\n" in lines:
            refused.append(str(failure(data)))
            continue
        with Converter() as converter:
            abc = converter.convert(data)
            assert abc == b"".join(lines)
            assert converter.convert(data) == abc
        assert abc.startswith((b"X: 1\nM: ", b"X: 1\n%***Missing time signature"))
        assert b"\nK:" in abc
        assert b"tune.mid" not in abc
    assert refused == ["midi_meter: a meter or a tempo that no music has"] * 2


def test_a_file_leaves_no_trace_in_the_next(bundle):
    small, *_, large = sorted(bundle, key=len)
    with Converter() as fresh:
        expected = fresh.convert(small)
    with Converter() as used:
        used.convert(large)
        with pytest.raises(ConversionError):
            used.convert(large[:1000])
        assert used.convert(small) == expected


def test_a_tune(way):
    with Converter() as converter:
        assert converter.convert(TUNE) == (
            b"X: 1\nM: 4/4\nL: 1/8\nQ:1/4=120\nK:C % 0 sharps\nV:1\nC2 C2 C2 C2| \\\nC2 C2 C2 C2|\n"
        )


def test_flags_reach_the_program():
    with Converter(flags="-noly -sr 2 -title Air") as converter:
        assert converter.convert(TUNE).startswith(b"X: 1\nT: Air\nM: 4/4\n")


@pytest.mark.parametrize(
    ("data", "reason", "detail"),
    [
        (b"", "not_midi", "empty"),
        (b"RIFF\0\0\0\0RMIDdata", "not_midi", "no MThd header"),
        (b"MThd", "midi_failed", "exit status 1: Error: premature EOF"),
        (b"MThd" + bytes(range(256)) * 8, "midi_failed", "exit status 1: Error: premature EOF"),
        (TUNE[:-20], "midi_failed", "exit status 1: Error: premature EOF"),
        (TUNE[:14], "midi_empty", "MIDI file has no notes"),
        (midi(METER + END), "midi_empty", "MIDI file has no notes"),
        # One note, after a wait of 134 million ticks: 37 bytes that become 1.9 MB.
        (midi(b"\xbf\xff\xff\x7f" + NOTE[1:] + END), "midi_runaway", "over 3700 bytes of ABC"),
        # A copyright notice in the second track, which midi2abc reads as a change of meter.
        (midi(METER + END, NOTE + b"\0\xff\x02\x041998" + NOTE * 8 + END), *BAD_METER),
        (midi(METER[:-1] + b"\xa1" + NOTE * 8 + END), *BAD_METER),
        # A meter of 0/4.
        (
            midi(METER.replace(b"\x04\x04\x02", b"\x04\x00\x02") + NOTE * 8 + END),
            "midi_failed",
            "exit status 1: Advancing by 0 in printtrack!",
        ),
        (TUNE[:12] + b"\xe7\x28" + TUNE[14:], "midi_smpte", "timed in seconds, not in beats"),
    ],
    ids=lambda value: value if isinstance(value, str) else "midi",
)
def test_what_gives_no_music_says_why(data, reason, detail):
    error = failure(data)
    assert (error.reason, error.detail) == (reason, detail)


def test_output_is_cut_at_the_most_allowed(bundle):
    data = max(bundle, key=len)
    assert failure(data, max_bytes=1000).detail == "over 1000 bytes of ABC"
    with Converter() as converter:
        size = len(converter.convert(data)) + len("calling midi2abc\nT: from tune.mid\n")
    with Converter(max_bytes=size) as converter:
        converter.convert(data)
    assert failure(data, max_bytes=size - 1).reason == "midi_runaway"


def test_a_voice_that_the_program_cuts_short_is_refused():
    bars = midi(METER + NOTE * 4 * 5010 + END)
    assert str(failure(bars, flags="-splitvoices")) == "midi_runaway: over 5000 bars in a voice"
    with Converter() as converter:
        assert converter.convert(bars).count(b"|") == 5010


def test_memory_is_bounded():
    long = midi(METER + NOTE * 200_000 + END)
    with Converter(max_bytes=1 << 24) as converter:
        converter.convert(long)
    error = failure(long, memory_bytes=16 << 20)
    assert (error.reason, error.detail) == ("midi_memory", "exit status 1: Out of memory error - cannot malloc!")


HEADER = r"calling midi2abc\nX: 1\nT: from tune.mid\nM: 4/4\nL: 1/8\nQ:1/4=120\nK:C % 0 sharps\nV:1\n"


@pytest.mark.parametrize(
    ("code", "reason", "detail"),
    [
        ("time.sleep(60)", "midi_timeout", "no end after 0.5 s"),
        ("os.close(1); time.sleep(60)", "midi_timeout", "no end after 0.5 s"),
        ("while True: pass", "midi_timeout", "no end after 0.5 s"),
        ("os.kill(os.getpid(), signal.SIGXCPU)", "midi_timeout", "over 0.5 s of CPU time"),
        ("os.kill(os.getpid(), signal.SIGSEGV)", "midi_crash", "killed by SIGSEGV"),
        ("os.kill(os.getpid(), signal.SIGFPE)", "midi_crash", "killed by SIGFPE"),
        ("open('more', 'w').write('x')", "midi_crash", "killed by SIGXFSZ"),
        ("while True: os.write(1, b'C' * 4096)", "midi_runaway", f"over {100 * len(TUNE)} bytes of ABC"),
        ("print('X: 1\\nK:C\\nCDE'); sys.exit(3)", "midi_failed", "exit status 3"),
        ("print('Oh', file=sys.stderr); sys.exit(3)", "midi_failed", "exit status 3: Oh"),
        ("sys.exit(repr(os.listdir()))", "midi_failed", "exit status 1: ['tune.mid']"),
        ("sys.exit(repr(open('/proc/self/environ').read()))", "midi_failed", "exit status 1: ''"),
        ("sys.exit(str(os.getsid(0) == os.getpid()))", "midi_failed", "exit status 1: True"),
        ("", "midi_empty", "no output"),
        ("print('CDEFG')", "midi_empty", "no note in the output"),
        (f"print('{HEADER}')", "midi_empty", "no note in the output"),
        (f"print('{HEADER}z8|z8|\\nw:a-ges\\n%%MIDI channel 10\\nV:2 % BACH')", "midi_empty", "no note in the output"),
    ],
)
def test_a_program_that_misbehaves(fake, way, code, reason, detail):
    fake("signal.signal(signal.SIGXFSZ, signal.SIG_DFL)\n" + code)
    start = time.monotonic()
    error = failure(TUNE, seconds=0.5)
    assert (error.reason, error.detail) == (reason, detail)
    assert time.monotonic() - start < 5


def test_the_limits_hold_in_the_program(fake, way):
    """As soon as they are set: a busy machine may keep our process from setting them while the program starts."""
    limits = [8, 1 << 29, 0, 0, 0]
    fake(f"""
import resource, time
found = lambda: [resource.getrlimit(getattr(resource, "RLIMIT_" + k))[0] for k in "CPU AS FSIZE NPROC CORE".split()]
end = time.monotonic() + 4
while found() != {limits} and time.monotonic() < end:
    time.sleep(0.01)
print(*found(), file=sys.stderr)
sys.exit(3)""")
    own = resource.getrlimit(resource.RLIMIT_NPROC)
    assert failure(TUNE, seconds=7, memory_bytes=1 << 29).detail == f"exit status 3: 8 {1 << 29} 0 0 0"
    assert resource.getrlimit(resource.RLIMIT_NPROC) == own


def test_the_program_cannot_read_our_input(fake):
    fake("sys.exit(repr(os.read(0, 9)))")
    ours, (reader, writer) = os.dup(0), os.pipe()
    try:
        os.write(writer, b"secret")
        os.dup2(reader, 0)
        assert failure(TUNE).detail == "exit status 1: b''"
    finally:
        os.dup2(ours, 0)
        for descriptor in (ours, reader, writer):
            os.close(descriptor)


def test_no_grandchild_is_left(fake, tmp_path):
    """A program that starts another cannot (as a user), or that one is killed with it (as root)."""
    fake("try: child = os.fork()\nexcept OSError: sys.exit('cannot fork')\n"
         "if not child: os.close(1); os.close(2); time.sleep(60)\n"
         "sys.exit(str(os.getpid()))")  # fmt: skip
    error = failure(TUNE, seconds=5)
    said = error.detail.removeprefix("exit status 1: ")
    if os.geteuid():
        assert said == "cannot fork"
    else:
        end = time.monotonic() + 5  # init may take a moment to reap it
        while int(said) in {session for _, session in processes().values()} and time.monotonic() < end:
            time.sleep(0.01)
        assert int(said) not in {session for _, session in processes().values()}


def test_output_held_open_by_a_grandchild_is_not_taken_for_whole(fake):
    if os.geteuid():
        pytest.skip("only root can start processes under this limit")
    fake(f"print('{HEADER}CDE', flush=True)\nif not os.fork(): time.sleep(60)")
    assert failure(TUNE, seconds=0.5).reason == "midi_timeout"


def test_the_folder_is_removed(tmp_path, monkeypatch):
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))
    with Converter() as converter:
        converter.convert(TUNE)
        (folder,) = tmp_path.iterdir()
        assert [path.name for path in folder.iterdir()] == ["tune.mid"]
    assert list(tmp_path.iterdir()) == []
    failure(b"MThd")
    with pytest.raises(KeyboardInterrupt), Converter():
        raise KeyboardInterrupt
    assert list(tmp_path.iterdir()) == []


def test_no_descriptor_is_left():
    with Converter() as converter:
        before = len(os.listdir("/dev/fd"))
        for data in (TUNE, b"MThd", TUNE[:14]) * 3:
            try:
                converter.convert(data)
            except ConversionError:
                continue
        assert len(os.listdir("/dev/fd")) == before


def test_an_error_survives_the_way_out_of_a_worker():
    error = pickle.loads(pickle.dumps(ConversionError("midi_crash", "killed by SIGSEGV")))
    assert (error.reason, error.detail, str(error)) == (
        "midi_crash",
        "killed by SIGSEGV",
        "midi_crash: killed by SIGSEGV",
    )
