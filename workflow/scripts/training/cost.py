"""What training will cost, from how fast a step is: steps, seconds, disk, and what SLURM is asked for.

Needs no torch: the Snakefile asks here, too, for what a plan found (`read_plan`, `for_slurm`).
"""

import heapq
import math
from collections.abc import Callable, Iterable
from dataclasses import astuple, dataclass
from pathlib import Path

import numpy as np

from workflow.scripts.base import schema
from workflow.scripts.base.errors import InputError
from workflow.scripts.base.files import read_json
from workflow.scripts.models import ALL_PARTS
from workflow.scripts.training.schedule import Schedule

MB = 1 << 20
SCHEMA = "plan.schema.json"
# SLURM is asked for more than what is expected, as a node may be slower, or shared: so many times as much where a rate
# was measured, and where it was not; and minutes on top. Each new attempt gets as much again.
TIME_MARGIN, UNSURE_TIME_MARGIN, MORE_MINUTES = 1.5, 4, 10
MEMORY_MARGIN = 1.25
WEIGHTS, STATE = 4, 12  # bytes a parameter on disk: of a result, and of an unfinished run
STATES_AT_ONCE = 3  # of a job: of the longest run, of the one that branches off it, and a new one while it is written
SCORING = 1 / 3  # of a training step's FLOP a token is its forward pass (Kaplan 2020, section 2.1)


@dataclass(frozen=True)
class Device:
    """A GPU by its makers' data sheet.

    Attributes:
        tflops: 10**12 FLOP a second of dense products, by precision: float32 without TF32, as torch has it.
        memory_gb: of the card.
    """

    tflops: dict[str, float]
    memory_gb: float


# SXM boards where there are several. Sources: NVIDIA's data sheets of A10, A100, H100, H200, L4 and L40S, and its
# white papers on GA102 (RTX 3090, A6000) and AD102 (RTX 4090).
DEVICES = {
    "a10": Device({"bfloat16": 125, "float32": 31.2}, 24),
    "a100": Device({"bfloat16": 312, "float32": 19.5}, 40),
    "a100-80gb": Device({"bfloat16": 312, "float32": 19.5}, 80),
    "a6000": Device({"bfloat16": 154.8, "float32": 38.7}, 48),
    "h100": Device({"bfloat16": 989, "float32": 67}, 80),
    "h200": Device({"bfloat16": 989, "float32": 67}, 141),
    "l4": Device({"bfloat16": 121, "float32": 30.3}, 24),
    "l40s": Device({"bfloat16": 362, "float32": 91.6}, 48),
    "rtx3090": Device({"bfloat16": 71, "float32": 35.6}, 24),
    "rtx4090": Device({"bfloat16": 165.2, "float32": 82.6}, 24),
}


def named_device(name: str) -> Device:
    """The device of that name.

    Raises:
        InputError: there is none in the table; names the closest.
    """
    if name not in DEVICES:
        raise InputError(f"no device {name!r}{schema.meant(name, DEVICES)}: say --device_tflops and --device_memory_gb")
    return DEVICES[name]


@dataclass(frozen=True)
class Work:
    """What the jobs of one model and seed have to do.

    Attributes:
        steps: of the optimiser.
        validations: looks at the validation tunes.
    """

    steps: int
    validations: int


def work_of(schedules: Iterable[Schedule], is_watched: Callable[[int], bool]) -> Work:
    """One job's work: the longest run from its first step, and of each shorter one only its cooldown.

    Args:
        schedules: of the runs of one model, one for each budget.
        is_watched: whether the loss is validated after so many steps (it is after the last in any case).
    """
    *shorter, longest = sorted(schedules, key=lambda schedule: schedule.steps)
    parts = [(0, longest.steps), *((schedule.branch, schedule.steps) for schedule in shorter)]
    steps = sum(stop - start for start, stop in parts)
    watched = sum(is_watched(step) or step == stop for start, stop in parts for step in range(start + 1, stop + 1))
    return Work(steps, watched)


@dataclass(frozen=True)
class Rate:
    """How fast a device is on a model: FLOP a second in training steps, and in scoring tunes."""

    train: float
    score: float


@dataclass(frozen=True)
class Kind:
    """What the speed of a model depends on beside its size.

    Attributes:
        windows: that one device reads in a step.
    """

    arch: str
    precision: str = "float32"
    parts: str = ALL_PARTS
    block_size: int = 0
    windows: int = 0

    def shared(self, other: "Kind") -> int:
        """How many settings two kinds share."""
        return sum(mine == its for mine, its in zip(astuple(self), astuple(other), strict=True))


@dataclass(frozen=True)
class Timing:
    """What a probe found of one model.

    Attributes:
        flops_per_token: of training.
        rate: of whole steps, the optimiser's part in them too.
        part: of the tokens of a step that were in the timed one: less than 1 where a whole step would take too long.
        busy: how many times as long as it computed a step took by the clock, as the CPU did something else, too.
        once: seconds that the first step took longer than others: code is loaded or compiled.
    """

    kind: Kind
    flops_per_token: int
    rate: Rate
    part: float = 1.0
    busy: float = 1.0
    once: float = 0.0


def rate_at(timings: Iterable[Timing], kind: Kind, flops_per_token: int) -> tuple[Rate, str]:
    """The rate of a model, and how it is known: "measured", "between" two measured ones, or "beyond" all of them.

    It is interpolated over the logarithm of FLOP a token, within the kind; where nothing was measured of that, over
    those of the architecture that share most of its settings, or over all that do, and the rate is known as "akin".
    Beyond the largest measured model its rate is taken, and beyond the smallest that one's.

    Raises:
        InputError: nothing was measured.
    """
    timings = list(timings)
    near = [timing for timing in timings if timing.kind.arch == kind.arch] or timings
    most = max((timing.kind.shared(kind) for timing in near), default=0)
    known = sorted(
        (timing for timing in near if timing.kind.shared(kind) == most),
        key=lambda timing: (timing.flops_per_token, timing.rate.train),
    )
    if not known:
        raise InputError("not even the smallest model could be timed here: name a device, as --device h100")
    sizes = [timing.flops_per_token for timing in known]
    at, logs = math.log(flops_per_token), np.log(sizes)
    rate = Rate(
        *(
            float(np.interp(at, logs, values))
            for values in zip(*((t.rate.train, t.rate.score) for t in known), strict=True)
        )
    )
    if known[0].kind != kind:
        return rate, "akin"
    if flops_per_token in sizes:
        return rate, "measured"
    return rate, "between" if sizes[0] < flops_per_token < sizes[-1] else "beyond"


def seconds_of(
    work: Work, tokens_per_step: int, eval_tokens: int, flops_per_token: int, rate: Rate, gpus: int = 1
) -> float:
    """Seconds of a job's steps and validations, without its start; ``gpus`` share each step, without loss."""
    steps = work.steps * tokens_per_step * flops_per_token / rate.train / gpus
    return steps + work.validations * eval_tokens * SCORING * flops_per_token / rate.score


def by_the_clock(seconds: Iterable[float], at_once: int) -> float:
    """Seconds until all jobs are done if the longest start first, ``at_once`` at a time."""
    free = [0.0] * at_once
    for job in sorted(seconds, reverse=True):
        heapq.heapreplace(free, free[0] + job)
    return max(free)


def disk_mb(params: int, runs: int, unfinished: bool = False) -> int:
    """MB of the weights of so many runs; or, of a job under way, of its states, while one is written."""
    return math.ceil(params * (STATE * STATES_AT_ONCE if unfinished else WEIGHTS * runs) / MB)


def for_slurm(
    plan: dict[str, dict], name: str, kind: str, attempt: int, tokens: int | str | None = None
) -> dict[str, int]:
    """What a job asks SLURM for: ``runtime`` in minutes, and ``mem_mb`` of the host, which SLURM counts as we do.

    Args:
        plan: what `read_plan` gave. A model that is not in it gets as much as any that is.
        name: of the model.
        kind: "train" for a job of the suite; "trial" or "target" for a run that is trained by itself.
        attempt: 1 for the first; each later one gets as much again.
        tokens: of a run that is trained by itself; without them it gets what the longest one does.
    """
    jobs = [plan[name]] if name in plan else list(plan.values())
    minutes = MORE_MINUTES + max(
        math.ceil(seconds_by_plan(job, kind, tokens) / 60 * margin(job["rate"])) for job in jobs
    )
    memory_mb = max(100 * math.ceil(job["host_mb"] * MEMORY_MARGIN / 100) for job in jobs)
    return {"runtime": attempt * minutes, "mem_mb": attempt * memory_mb}


def seconds_by_plan(job: dict, kind: str, tokens: int | str | None) -> float:
    """Seconds of a job of a planned model; more tokens than any planned run has take as many times as long."""
    if kind == "train":
        return job["train_seconds"]
    alone = {int(budget): seconds for budget, seconds in job.get("alone_seconds", {}).items()}
    if not alone:
        return job["trial_seconds"]
    wanted, largest = int(tokens or 0), max(alone)
    enough = [budget for budget in alone if budget >= wanted] if wanted else [largest]
    return alone[min(enough)] if enough else alone[largest] * wanted / largest


def margin(known: str) -> float:
    """By what a time is multiplied, by how its rate is known."""
    return TIME_MARGIN if known in ("measured", "between") else UNSURE_TIME_MARGIN


def read_plan(path: Path, asked: dict[str, str], tokens: list[int]) -> tuple[dict[str, dict], str]:
    """The models of a plan, by name; none, and a sentence why not, if it is not of this study.

    Args:
        path: of plan.json, which need not exist.
        asked: the flags of `train` of each model that the study has.
        tokens: its budgets.
    """
    if not path.exists():
        return {}, ""
    try:
        plan = read_json(path)
        schema.check(plan, SCHEMA, str(path))
    except InputError as error:
        return {}, f"{error}; it is not used: make the plan again"
    found = plan["models"]
    other = [f"of {name}" for name, flags in asked.items() if name not in found or found[name]["flags"] != flags]
    if plan["tokens"] != sorted(tokens):
        other = ["tokens"]
    if other:
        return {}, f"{path} was made with other settings ({other[0]}), and is not used: make the plan again"
    return found, ""
