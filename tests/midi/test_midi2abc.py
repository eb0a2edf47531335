"""What comes out is what the bare program prints, and what a hostile file or a broken program costs is bounded."""

import os
import pickle
import resource
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import pytest

from tests.midi.files import END, METER, NOTE, TUNE, midi
from workflow.scripts.machine.sandbox import find_program
from workflow.scripts.midi import midi2abc
from workflow.scripts.midi.errors import ConversionError
from workflow.scripts.midi.midi2abc import Midi2abc

FLAGS = ["-noly", "-sr", "2"]


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
        monkeypatch.setattr(midi2abc, "find_program", lambda name: str(path))

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


def failure(data: bytes, flags: list[str] = FLAGS, **options) -> ConversionError:
    before = children()
    with Midi2abc(**options) as program, pytest.raises(ConversionError) as caught:
        program.run(data, flags)
    assert children() <= before, "a child was left, if only as a zombie"
    return caught.value


def test_real_files_come_out_as_from_the_bare_program(bundle, tmp_path):
    assert len(bundle) == 88
    path = tmp_path / "bare name.mid"
    for data in bundle:
        path.write_bytes(data)
        bare = subprocess.run([find_program("midi2abc"), path, "-noly", "-sr", "2"], capture_output=True, check=True)
        lines = bare.stdout.splitlines(keepends=True)
        assert lines.pop(0) == b"calling midi2abc\n"
        while not lines[0].startswith(b"X:"):
            assert lines.pop(0).startswith(b"Error")  # what the parser had to say of the file
        assert lines.pop(1) == f"T: from {path}\n".encode()
        if b"Q:1/4=-9\n" in lines:  # of a byte that the program reads as signed: `write` never gives it that one
            continue
        with Midi2abc() as program:
            abc = program.run(data, FLAGS)
            assert abc == b"".join(lines)
            assert program.run(data, FLAGS) == abc
        assert abc.startswith((b"X: 1\nM: ", b"X: 1\n%***Missing time signature"))
        assert b"\nK:" in abc
        assert b"tune.mid" not in abc


def test_a_file_leaves_no_trace_in_the_next(bundle):
    small, *_, large = sorted(bundle, key=len)
    with Midi2abc() as fresh:
        expected = fresh.run(small, FLAGS)
    with Midi2abc() as used:
        used.run(large, FLAGS)
        with pytest.raises(ConversionError):
            used.run(large[:1000], FLAGS)
        assert used.run(small, FLAGS) == expected


def test_a_tune(way):
    with Midi2abc() as program:
        assert program.run(TUNE, FLAGS) == (
            b"X: 1\nM: 4/4\nL: 1/8\nQ:1/4=120\nK:C % 0 sharps\nV:1\nC2 C2 C2 C2| \\\nC2 C2 C2 C2|\n"
        )


def test_flags_reach_the_program():
    with Midi2abc() as program:
        assert program.run(TUNE, [*FLAGS, "-title", "Air"]).startswith(b"X: 1\nT: Air\nM: 4/4\n")


@pytest.mark.parametrize(
    ("data", "reason", "detail"),
    [
        (b"MThd", "midi_failed", "exit status 1: Error: premature EOF"),
        (b"MThd" + bytes(range(256)) * 8, "midi_failed", "exit status 1: Error: premature EOF"),
        (TUNE[:-20], "midi_failed", "exit status 1: Error: premature EOF"),
        (TUNE[:14], "midi_empty", "MIDI file has no notes"),
        (midi(METER + END), "midi_empty", "MIDI file has no notes"),
        # One note, after a wait of 134 million ticks: 37 bytes that become 1.9 MB.
        (midi(b"\xbf\xff\xff\x7f" + NOTE[1:] + END), "midi_runaway", "over 3700 bytes of ABC"),
        # A meter of 0/4.
        (
            midi(METER.replace(b"\x04\x04\x02", b"\x04\x00\x02") + NOTE * 8 + END),
            "midi_failed",
            "exit status 1: Advancing by 0 in printtrack!",
        ),
    ],
    ids=lambda value: value if isinstance(value, str) else "midi",
)
def test_what_gives_no_music_says_why(data, reason, detail):
    error = failure(data)
    assert (error.reason, error.detail) == (reason, detail)


def test_output_is_cut_at_the_most_allowed(bundle):
    data = max(bundle, key=len)
    assert failure(data, max_bytes=1000).detail == "over 1000 bytes of ABC"
    with Midi2abc() as program:
        size = len(program.run(data, FLAGS)) + len("calling midi2abc\nT: from tune.mid\n")
    with Midi2abc(max_bytes=size) as program:
        program.run(data, FLAGS)
    assert failure(data, max_bytes=size - 1).reason == "midi_runaway"


def test_a_voice_that_the_program_cuts_short_is_refused():
    bars = midi(METER + NOTE * 4 * 5010 + END)
    assert str(failure(bars, flags=["-splitvoices"])) == "midi_runaway: over 5000 bars in a voice"
    with Midi2abc() as program:
        assert program.run(bars, FLAGS).count(b"|") == 5010


def test_memory_is_bounded():
    long = midi(METER + NOTE * 200_000 + END)
    with Midi2abc(max_bytes=1 << 24) as program:
        program.run(long, FLAGS)
    error = failure(long, memory_bytes=16 << 20)
    assert (error.reason, error.detail) == ("midi_memory", "exit status 1: Out of memory error - cannot malloc!")


# A busy machine may set the limits after the program has begun.
LIMITED = "import resource\nwhile resource.getrlimit(resource.RLIMIT_FSIZE)[0]: time.sleep(0.001)\n"
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
        (f"{LIMITED}open('more', 'w').write('x')", "midi_crash", "killed by SIGXFSZ"),
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
    with Midi2abc() as program:
        program.run(TUNE, FLAGS)
        (folder,) = tmp_path.iterdir()
        assert [path.name for path in folder.iterdir()] == ["tune.mid"]
    assert list(tmp_path.iterdir()) == []
    failure(b"MThd")
    with pytest.raises(KeyboardInterrupt), Midi2abc():
        raise KeyboardInterrupt
    assert list(tmp_path.iterdir()) == []


def test_no_descriptor_is_left():
    with Midi2abc() as program:
        before = len(os.listdir("/dev/fd"))
        for data in (TUNE, b"MThd", TUNE[:14]) * 3:
            try:
                program.run(data, FLAGS)
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
