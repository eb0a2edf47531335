"""All that waits for a GPU, in order of worth, within the time there is; the same command goes on where it stopped.

First the rows that goals are set for (gpu_goals.csv), with their memory; then the rest of the study's rows, tunes
written, ideas, the plan of the study, and what its file only names. Each row is a command of its own, and on disk when
it is done, so nothing is lost when the time is over. What this code has measured on this machine is left out. Copy
what came back into benchmarks/results, and run python -m benchmarks.write_readme.

Where the tree has no git, say at which commit it is.

Examples:
  python -m benchmarks.gpu --nanogpt ../nanoGPT --seconds 540 --output out --commit $(git rev-parse --short HEAD)
  python -m benchmarks.gpu --nanogpt ../nanoGPT --list
"""

import contextlib
import os
import shlex
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch

from benchmarks import gpu_ideas, memory, sample, train
from benchmarks.against import RESULTS
from benchmarks.goals import goals
from benchmarks.kept import ROOT, Kept, Measured
from benchmarks.shapes import of_study
from workflow.scripts import models
from workflow.scripts.base import cli
from workflow.scripts.models import ModelConfig

# What a command takes, by which the next one that fits into the time left is chosen: assumed, not measured.
START, LAYER, MEASURING = 25.0, 2.5, 30.0  # seconds: of two processes; of one layer compiled; of a row's turns
STUDY, PLAN = "studies/lakh.yaml", "plan-cuda.json"


@dataclass(frozen=True)
class Task:
    """A command: the rows of one name of a benchmark, or the plan.

    Attributes:
        expected: seconds.
        rows: what it measures, if it is rows.
    """

    benchmark: str
    expected: float
    rows: tuple[Measured, ...] = ()

    @property
    def name(self) -> str:
        return f"{self.benchmark}: {self.rows[0].name if self.rows else STUDY}"

    def command(self, device: str, nanogpt: Path, threads: int, kept: Sequence[str], folder: Path) -> list[str]:
        """The words that run it; ``kept`` are flags on what is kept."""
        if not self.rows:
            plan = ["-m", "workflow.scripts.plan", STUDY, "--device", device, "--json", str(folder / PLAN)]
            return [sys.executable, *plan]
        words = ["-m", f"benchmarks.{self.benchmark}", "--device", device, "--threads", str(threads), *kept]
        words += ["--only", self.rows[0].name]
        words += ["--nanogpt", str(nanogpt)] if self.benchmark in ("train", "sample") else []
        return [sys.executable, *words, *(["--batched"] if self.benchmark == "sample" else [])]


def tasks(device: torch.device) -> list[Task]:
    """All there is to do, the most worth first."""
    found = {
        "train": of_benchmark("train", train.races(device), 2),
        "memory": of_benchmark("memory", memory.jobs_on(device), 1),
        "sample": of_benchmark("sample", sample.races(device, batched=True), 0),
        "ideas": of_benchmark("gpu_ideas", gpu_ideas.ideas(device), 2),
    }
    asked = list(dict.fromkeys(goal.shape for goal in goals()))
    named_only = [shape.label for shape in of_study() if not shape.is_trained] if device.type == "cuda" else []

    def some(benchmark: str, chosen: Callable[[str], bool]) -> list[Task]:
        """Tasks of shapes so chosen, by their label."""
        return [task for task in found[benchmark] if chosen(label_of(task))]

    def is_other(label: str) -> bool:
        return label not in asked and label not in named_only

    first = [task for label in asked for task in found["train"] if label_of(task) == label]
    plan = [Task("plan", START + MEASURING + 4 * 24 * LAYER)] if device.type == "cuda" else []
    return [
        *first, *some("memory", asked.__contains__), *some("train", is_other), *found["sample"], *plan,
        *found["ideas"], *some("memory", is_other),
        *some("train", named_only.__contains__), *some("memory", named_only.__contains__),
    ]  # fmt: skip


def of_benchmark(benchmark: str, rows: Sequence[Any], sides: int) -> list[Task]:
    """The tasks of a benchmark, whose rows of one name are one command; so many sides compile the model."""
    by_name: dict[str, list[Any]] = {}
    for row in rows:
        by_name.setdefault(row.name, []).append(row)
    return [Task(benchmark, expected(some[0].config, sides), tuple(some)) for some in by_name.values()]


def label_of(task: Task) -> str:
    """The shape that a task is on, as goals name it: what its rows' names begin with."""
    return task.rows[0].name.split(",")[0]


def expected(config: ModelConfig, sides: int) -> float:
    """Seconds of a row whose model so many sides compile."""
    layers = 0 if models.kind_of(config.arch) == "lstm" else config.n_layer
    return START + MEASURING + sides * LAYER * layers


def run(command: list[str], seconds: float) -> int | None:
    """Run a command with all that it starts for at most so long; its exit status, or None if it was stopped."""
    process = subprocess.Popen(command, cwd=ROOT, start_new_session=True)
    try:
        return process.wait(max(seconds, 0.1))
    except subprocess.TimeoutExpired:
        return None
    finally:  # also after Ctrl-C, and what a command that failed left running
        with contextlib.suppress(ProcessLookupError):
            os.killpg(process.pid, signal.SIGKILL)
        process.wait()


def main() -> None:
    parser = cli.parser(__doc__)
    parser.add_argument("--nanogpt", type=Path, required=True, help="folder of a clone of nanoGPT")
    parser.add_argument("--device", default="cuda", choices=("cuda", "cpu"), help="cpu: to try this command")
    parser.add_argument("--threads", type=cli.positive_int, default=1, help="CPU threads")
    parser.add_argument("--seconds", type=cli.positive_float, default=540.0, help="after which all ends")
    parser.add_argument("--only", default="", help="tasks whose name holds this text, as --list shows them")
    parser.add_argument("--output", type=Path, default=RESULTS, help="folder of the results")
    parser.add_argument("--commit", default="", help="of this tree (default: git is asked)")
    parser.add_argument("--list", action="store_true", help="say what there is to do, and do nothing")
    args = parser.parse_args()
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(128 + signal.SIGTERM))  # and with it, what it has started
    end = time.monotonic() + args.seconds
    folder, nanogpt, device = args.output.resolve(), args.nanogpt.resolve(), torch.device(args.device)
    flags = ["--output", str(folder), *(["--commit", args.commit] if args.commit else []), "--skip_measured"]
    left = []
    for task in (task for task in tasks(device) if args.only in task.name):
        command = task.command(args.device, nanogpt, args.threads, flags, folder)
        seconds = end - time.monotonic()
        if args.list:
            left.append(f"{task.name} ({task.expected:.0f} s): {shlex.join(['python', *command[1:]])}")
        elif is_done(task, device, folder):
            print(f"{task.name}: measured already", flush=True)
        elif seconds < task.expected:
            left.append(f"{task.name} (no time)")
        else:
            print(f"{task.name}: at most {seconds:.0f} s", flush=True)
            if status := run(command, seconds):
                left.append(f"{task.name} (failed with status {status})")
            elif status is None:
                left.append(f"{task.name} (stopped)")
    print("\n".join(["left:", *left]) if left else "nothing is left")


def is_done(task: Task, device: torch.device, folder: Path) -> bool:
    """Whether all rows are on disk, of this code, machine and torch; the plan, whether there is any."""
    if not task.rows:
        return any((place / PLAN).exists() for place in (folder, RESULTS))
    kept = Kept(task.benchmark, device, folder, "-", {row.name for row in task.rows})
    return all(kept.has(row.name, row.against, row.code) for row in task.rows)


if __name__ == "__main__":
    cli.run(main)
