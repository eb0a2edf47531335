"""Which machine this is, as it stands beside what it measured; and programs that are to end in time."""

import os
import platform
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from importlib import metadata
from pathlib import Path

POLL_SECONDS = 0.1
TO_DIE = 10.0  # seconds before the end at which what still runs is killed, and the rest is for what comes back


def facts() -> dict:
    """Its GPUs, driver, processor, system and the versions that results depend on; what is not known is left out."""
    found: dict = {
        "python": platform.python_version(),
        "system": f"{platform.system()} {platform.machine()}",
        "cpus": os.cpu_count(),
    }
    for package in ("torch", "numpy", "triton"):
        try:
            found[package] = metadata.version(package)
        except metadata.PackageNotFoundError:
            continue
    try:
        lines = Path("/proc/cpuinfo").read_text(encoding="utf-8").splitlines()
        found["cpu"] = next(line.partition(":")[2].strip() for line in lines if line.startswith("model name"))
    except (OSError, StopIteration):
        pass
    query = ["nvidia-smi", "--query-gpu=name,driver_version,memory.total", "--format=csv,noheader"]
    try:
        done = subprocess.run(query, capture_output=True, text=True)
        found["gpus"] = done.stdout.strip().splitlines() if done.returncode == 0 else []
    except OSError:
        found["gpus"] = []
    return found


@dataclass
class Clock:
    """How long this command may still take; a signal to end makes that nothing."""

    seconds: float
    started: float = field(default_factory=time.monotonic)
    stopped_by: list[int] = field(default_factory=list)

    def listen(self) -> None:
        """Take SIGTERM and SIGINT as a wish to end."""
        for number in (signal.SIGTERM, signal.SIGINT):
            signal.signal(number, lambda got, frame: self.stopped_by.append(got))

    @property
    def left(self) -> float:
        """Seconds that are left, as of now."""
        return 0.0 if self.stopped_by else self.seconds - self.passed

    @property
    def passed(self) -> float:
        return time.monotonic() - self.started


def run(words: list[str], work: Path, root: Path, log: Path, clock: Clock, grace: float) -> int | None:
    """Run a module of ours in a folder, its output into a log.

    Asked to end when ``grace`` seconds are left, and killed when nearly none are; a training that is asked saves its
    state.

    Args:
        root: folder of the package.

    Returns:
        Its exit status; None if it was made to end before it was done.
    """
    env = os.environ | {"PYTHONPATH": os.pathsep.join(filter(None, [str(root), os.environ.get("PYTHONPATH")]))}
    log.parent.mkdir(parents=True, exist_ok=True)
    with open(log, "ab") as out:
        process = subprocess.Popen([sys.executable, "-m", *words], cwd=work, env=env, stdout=out, stderr=out)
        steps: list[tuple[float, Callable[[], None]]] = [(grace, process.terminate), (TO_DIE, process.kill)]
        asked = False
        asked_at = 0.0
        try:
            while process.poll() is None:
                # Told to end, there is the grace and no more, whatever the clock said before.
                left = grace - (clock.passed - asked_at) if asked and clock.stopped_by else clock.left
                if steps and left <= steps[0][0]:
                    steps.pop(0)[1]()
                    asked, asked_at = True, asked_at or clock.passed
                time.sleep(POLL_SECONDS)
        finally:
            if process.poll() is None:
                process.kill()
                process.wait()
    return None if asked and process.returncode else process.returncode
