"""Run other people's programs on text that nobody has vetted: in an empty folder, under limits."""

import contextlib
import os
import resource
import shutil
import signal
import subprocess
from dataclasses import dataclass
from pathlib import Path

from workflow.scripts.cli import InputError

MEMORY_BYTES = 1 << 30
FILE_BYTES = 32 << 20


@dataclass(frozen=True)
class Outcome:
    """What a program did: its combined output, and in ``problem`` how it died if it did not end by itself."""

    output: str
    problem: str | None


def find_program(name: str) -> str:
    """Path of a program that the symusic wheel carries, else of one on the PATH.

    Raises:
        InputError: it is in neither place.
    """
    import symusic

    bundled = Path(symusic.__file__).parent / "bin" / name
    found = str(bundled) if os.access(bundled, os.X_OK) else shutil.which(name)
    if not found:
        raise InputError(f"{name} is not installed: pip install symusic, or put it on the PATH")
    return found


def limit_resources(seconds: float, memory_bytes: int = MEMORY_BYTES) -> None:
    """Bound this process for good; called in a child before it starts on untrusted text."""
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    resource.setrlimit(resource.RLIMIT_CPU, (int(seconds) + 1, int(seconds) + 2))
    with contextlib.suppress(ValueError):  # macOS knows this limit but takes no value for it
        resource.setrlimit(resource.RLIMIT_AS, (memory_bytes, memory_bytes))
    resource.setrlimit(resource.RLIMIT_FSIZE, (FILE_BYTES, FILE_BYTES))


def run_limited(command: list[str], folder: Path, seconds: float) -> Outcome:
    """Run a command in ``folder`` with no environment and no input; never raises for what it does."""
    log = folder / "output.txt"
    with open(log, "wb") as output:
        process = subprocess.Popen(
            command,
            cwd=folder,
            env={},
            stdin=subprocess.DEVNULL,
            stdout=output,
            stderr=subprocess.STDOUT,
            start_new_session=True,
            preexec_fn=lambda: limit_resources(seconds),
        )
        try:
            code = process.wait(seconds)
            problem = f"killed by {signal.Signals(-code).name}" if code < 0 else None
        except subprocess.TimeoutExpired:
            problem = f"no end after {seconds:g} s"
        finally:
            if process.poll() is None:
                os.killpg(process.pid, signal.SIGKILL)
                process.wait()
    with open(log, "rb") as file:
        return Outcome(file.read(1 << 20).decode("utf-8", "replace"), problem)
