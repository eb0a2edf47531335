"""Run other people's programs on files that nobody has vetted: without an environment, under limits.

Needs `resource.prlimit` and `os.pidfd_open`, which Linux has, to be quick; other systems have a slower way.
"""

import contextlib
import os
import resource
import select
import shutil
import signal
import subprocess
import tempfile
import time
from dataclasses import dataclass
from pathlib import Path
from typing import IO

from workflow.scripts.base.errors import InputError

MEMORY_BYTES = 1 << 29
FILE_BYTES = 8 << 20
OPEN_FILES = 64


@dataclass(frozen=True)
class Outcome:
    """What a program did: its combined output, and in ``problem`` how it died if it did not end by itself."""

    output: str
    problem: str | None


def find_program(name: str) -> str:
    """Path of a program in the wheel of symusic (abc2midi, midi2abc), else of one on the PATH.

    Raises:
        InputError: it is in neither place.
    """
    import symusic

    bundled = Path(symusic.__file__).parent / "bin" / name
    found = str(bundled) if os.access(bundled, os.X_OK) else shutil.which(name)
    if not found:
        raise InputError(f"{name} is not installed: pip install symusic, or put it on the PATH")
    return found


def limits(
    seconds: float,
    memory_bytes: int = MEMORY_BYTES,
    file_bytes: int = FILE_BYTES,
    processes: int | None = None,
    open_files: int = OPEN_FILES,
) -> dict[int, tuple[int, int]]:
    """Soft and hard limit by resource, for a program that gets ``seconds`` of CPU time.

    ``processes`` counts all of the user's, so 0 forbids a program to start others; it does not bind root.
    """
    wanted = {
        resource.RLIMIT_CORE: (0, 0),
        resource.RLIMIT_CPU: (int(seconds) + 1, int(seconds) + 2),
        resource.RLIMIT_AS: (memory_bytes, memory_bytes),
        resource.RLIMIT_FSIZE: (file_bytes, file_bytes),
        resource.RLIMIT_NOFILE: (open_files, open_files),
    }
    if processes is not None:
        wanted[resource.RLIMIT_NPROC] = (processes, processes)
    for kind, (soft, hard) in wanted.items():
        most = resource.getrlimit(kind)[1]
        if most != resource.RLIM_INFINITY:  # a batch system may be stricter, and no user may raise its limits
            wanted[kind] = (min(soft, most), min(hard, most))
    return wanted


def _set_own(bounds: dict[int, tuple[int, int]]) -> None:
    """Bound this process for good."""
    for kind, bound in bounds.items():
        # macOS knows the limit on memory but takes no value for it
        with contextlib.suppress(*([ValueError] if kind == resource.RLIMIT_AS else [])):
            resource.setrlimit(kind, bound)


def start_limited(
    command: list[str],
    folder: Path,
    bounds: dict[int, tuple[int, int]],
    *,
    executable: str | None = None,
    bufsize: int = -1,
    stdin: int | IO[bytes] = subprocess.DEVNULL,
    stdout: int | IO[bytes] | None = None,
    stderr: int | IO[bytes] | None = None,
) -> subprocess.Popen[bytes]:
    """Start a command in ``folder``, in a process group of its own, with no environment; end it with `stop`.

    Args:
        bounds: what `limits` gives.
        executable, bufsize, stdin, stdout, stderr: as of Popen, but that there is no input by default.
    """
    # A child that inherits no code of ours to run starts by vfork, whatever memory this process holds: with
    # preexec_fn a start takes three times as long. It then runs for some microseconds before its limits are set, or
    # for as long as a busy machine keeps this process from setting them.
    from_outside = hasattr(resource, "prlimit")
    process = subprocess.Popen(
        command,
        cwd=folder,
        env={},
        start_new_session=True,
        close_fds=not from_outside,  # what Python opens is closed on exec all the same
        preexec_fn=None if from_outside else lambda: _set_own(bounds),
        executable=executable,
        bufsize=bufsize,
        stdin=stdin,
        stdout=stdout,
        stderr=stderr,
    )
    if from_outside:
        try:
            for kind, bound in bounds.items():
                resource.prlimit(process.pid, kind, bound)
        except BaseException:
            stop(process)
            raise
    return process


def stop(process: subprocess.Popen[bytes]) -> int:
    """Kill what is left of a process and its group, and reap it.

    Returns:
        Its exit status; negative if a signal ended it.
    """
    if process.returncode is None:  # not reaped, so its number cannot have passed to another group
        with contextlib.suppress(ProcessLookupError, PermissionError):  # macOS: a group of the dead is EPERM
            os.killpg(process.pid, signal.SIGKILL)
    return process.wait()


def killed_by(code: int) -> str:
    """Say by which signal a process with this negative exit status ended."""
    try:
        return f"killed by {signal.Signals(-code).name}"
    except ValueError:  # the real-time signals have no names
        return f"killed by signal {-code}"


def ready(descriptor: int, end: float) -> bool:
    """Wait until there is something to read; False if ``end`` (in seconds of `time.monotonic`) comes first."""
    poll = select.poll()
    poll.register(descriptor, select.POLLIN)
    return bool(poll.poll(max(0, (end - time.monotonic()) * 1000)))


def ended(process: subprocess.Popen[bytes], end: float) -> bool:
    """Wait for the end of a process; False if ``end`` (in seconds of `time.monotonic`) comes first. `stop` reaps it."""
    if hasattr(os, "pidfd_open"):  # Popen.wait with a timeout sleeps between looks, for longer than many programs run
        descriptor = os.pidfd_open(process.pid)
        try:
            return ready(descriptor, end)
        finally:
            os.close(descriptor)
    try:
        process.wait(max(0, end - time.monotonic()))
    except subprocess.TimeoutExpired:
        return False
    return True


def run_limited(command: list[str], folder: Path, seconds: float) -> Outcome:
    """Run a command in ``folder`` with no environment and no input; whatever it does, nothing is raised.

    Args:
        seconds: of wall time and, rounded up, of CPU time.
    """
    with tempfile.TemporaryFile(dir=folder) as log:  # has no name there, so that the folder holds what it held
        process = start_limited(command, folder, limits(seconds), stdout=log, stderr=subprocess.STDOUT)
        try:
            problem = None if ended(process, time.monotonic() + seconds) else f"no end after {seconds:g} s"
        finally:
            code = stop(process)
        if not problem and code < 0:
            problem = killed_by(code)
        log.seek(0)
        return Outcome(log.read(1 << 20).decode("utf-8", "replace"), problem)
