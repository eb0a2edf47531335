"""abc2midi and music21: what counts as an error, and that whatever they do costs one text alone."""

import contextlib
import os
import signal
import sys
from pathlib import Path

import psutil
import pytest

from tests.writing.test_ladder import GOOD, HEAD
from workflow.scripts.machine.sandbox import find_program, run_limited
from workflow.scripts.writing.programs import IGNORED, Abc2midi, Music21, sanitise


@pytest.mark.parametrize(
    "music",
    [
        '"Segno"CDEF "D.C."GABc|',
        "CDEF G'ABc,|",
        "CDEF GABc:|cBAG FEDC|1CDEF GABc:|2cBAG FEDC|]",
        '|A,2-A,"Dm"G,A,|',
        "u(CDEF) vk[GB]ABcH|]",
        "CDEF [|]GABc[|]",
        "C2- & E2-|C2 & E2|",
        'Q:"Trio: Lento"\nCDEF|',
    ],
)
def test_what_is_right_by_the_standard_is_no_error(tmp_path, music):
    """abc2midi says that it is, each time; a real error beside it is reported."""
    text, _ = sanitise(f"X:1\nR:hornpipe\nM:3/4\nL:1/16\nK:C\n{music}\n")
    with Abc2midi(20) as program:
        agrees, _, messages = program.judge(text, None)
        assert (agrees, messages) == (True, [])
        agrees, _, messages = program.judge(f"{text}CDE]F|\n", None)
        assert not agrees
        assert {message["message"] for message in messages} == {"Chord already finished"}


def test_messages_about_real_faults_are_none_of_the_ignored():
    for message in ("Malformed note : expecting a-g or A-G", "Missing :| at end of tune", "Chord already finished"):
        assert not IGNORED.match(message)


@contextlib.contextmanager
def music21_worker(seconds=20):
    """(what asks, its process), once it has answered."""
    with Music21(seconds) as asked:
        asked.ask(GOOD)
        assert asked.verdict() == (True, [])
        yield asked, psutil.Process(asked._process.pid)
    assert not psutil.pid_exists(asked._process.pid if asked._process else -1)


@pytest.mark.skipif(not hasattr(psutil.Process, "rlimit"), reason="looks at another process's limits")
def test_music21_runs_under_limits():
    with music21_worker() as (_, process):
        assert set(process.environ()) <= {"LC_CTYPE"}  # set by Python itself
        assert os.listdir(process.cwd()) == []
        assert Path(process.cwd()) != Path.cwd()
        limits = {name: process.rlimit(getattr(psutil, name))[0] for name in ("RLIMIT_AS", "RLIMIT_NOFILE")}
        assert limits == {"RLIMIT_AS": 1 << 29, "RLIMIT_NOFILE": 64}
        assert 0 < process.rlimit(psutil.RLIMIT_FSIZE)[0] <= 8 << 20
        assert process.rlimit(psutil.RLIMIT_CPU)[0] > 0


def test_what_music21_parses_but_makes_no_midi_of_does_not_pass():
    with music21_worker() as (asked, _):
        asked.ask(f"{HEAD}|:CDEF GABc|cBAG FEDC|\n")
        passes, messages = asked.verdict()
    assert not passes
    assert messages[0]["message"].startswith("music21: ExpanderException: ")


@pytest.mark.parametrize("music", ["C8\n[V:1]CDEF GABc:|\n[V:2]z8:|", "CDEF GABc4|cBAG FEDC|CDEF GABc4|C8|"])
def test_what_music21_itself_puts_into_a_score_is_no_fault(music):
    """A part of nothing for each V: of a header, which has no repeat; one meter in several bars."""
    header = HEAD.replace("K:", "V:1\nV:2\nK:") if "[V:" in music else HEAD.replace("4/4", "3/4")
    with music21_worker() as (asked, _):
        asked.ask(f"{header}{music}\n")
        assert asked.verdict() == (True, [])


def test_a_music21_that_dies_or_hangs_costs_its_own_text_alone():
    with music21_worker() as (asked, process):
        process.kill()
        asked.ask(GOOD)
        assert asked.verdict()[1][0]["message"] == "music21: killed by SIGKILL"
        asked.ask(GOOD)
        assert asked.verdict() == (True, [])
        asked.seconds = 0.5
        os.kill(asked._process.pid, signal.SIGSTOP)
        asked.ask(GOOD)
        assert asked.verdict()[1][0]["message"] == "music21: no end after 0.5 s"
        asked.seconds = 20
        asked.ask("K:nonsense\nhello [\n")
        assert not asked.verdict()[0]
        asked.ask(GOOD)
        assert asked.verdict() == (True, [])


@pytest.mark.parametrize(
    ("program", "problem"),
    [
        ("while True: pass", "no end after 1 s"),
        ("import os; os.kill(os.getpid(), 11)", "killed by SIGSEGV"),
        ("x = bytearray(8 << 30)", None),
        ("open('big', 'wb').write(bytes(16 << 20))", None),
        ("files = [open('/dev/null') for _ in range(100)]", None),
        ("import os; print(sorted(os.environ), os.listdir())", None),
    ],
)
def test_programs_run_under_limits(tmp_path, program, problem):
    # The limits are set from outside once it runs: on a busy machine that takes longer than these programs do.
    outcome = run_limited([sys.executable, "-S", "-c", f"import time; time.sleep(0.3)\n{program}"], tmp_path, 1)
    assert outcome.problem == problem
    if "bytearray" in program:
        assert "MemoryError" in outcome.output
    if "big" in program:
        assert "File too large" in outcome.output
    if "files" in program:
        assert "Too many open files" in outcome.output
    if "environ" in program:
        assert "PATH" not in outcome.output
        assert "[]\n" in outcome.output


def test_the_wheels_own_programs_are_found():
    assert "symusic" in find_program("abc2midi")
