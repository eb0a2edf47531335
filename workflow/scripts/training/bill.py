"""What a study's training costs where it is to be: of each model, and in all. Needs torch."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from workflow.scripts.models import ModelConfig
from workflow.scripts.training import cost
from workflow.scripts.training.loop import is_eval_step
from workflow.scripts.training.memory import host_mb
from workflow.scripts.training.place import Place
from workflow.scripts.training.probe import Probed, Settings, probe
from workflow.scripts.training.schedule import Schedule

ASSUMED_START = 60.0  # seconds until the first step where nothing is measured: torch, CUDA, torch.compile; a guess


@dataclass(frozen=True)
class Corpus:
    """Of the study's corpus, what costs depend on.

    Attributes:
        tune: mean tokens of a tune.
        is_there: whether it is prepared; else both are assumed.
    """

    vocab_size: int
    tune: int
    is_there: bool


@dataclass(frozen=True)
class Model:
    """A model of the study, as it will be trained.

    Attributes:
        windows: that one device reads in a step.
        micro_batch: windows in one forward pass.
        memory_mb: at that, of the GPU or of the machine; host_mb: of the machine in any case.
        jobs: of the suite, one for each seed; trials: of learning rates.
    """

    name: str
    config: ModelConfig
    windows: int
    micro_batch: int
    memory_mb: int
    host_mb: int
    params: tuple[int, int]
    flops_per_token: int
    jobs: int
    trials: int


@dataclass(frozen=True)
class Rates:
    """How fast the place trains.

    Attributes:
        timings: by model; none where rates are assumed.
        start: seconds of a process before its first step.
    """

    timings: dict[str, cost.Timing]
    start: float
    assumed: float | None = None

    def start_of(self, model: Model) -> float:
        """Seconds of a job before its first step, and what that takes longer than others."""
        once = [timing.once for timing in self.timings.values() if timing.arch == model.config.arch]
        return self.start + max(once, default=0.0)

    def of(self, model: Model) -> tuple[cost.Rate, str]:
        """A model's rate, and how it is known."""
        if self.assumed:
            return cost.Rate(self.assumed, self.assumed), "assumed"
        return cost.rate_at(self.timings.values(), model.config.arch, model.flops_per_token)


def rates_of(found: Sequence[Model], place: Place, at_once: int, settings: Settings) -> Rates:
    """What is assumed of the place, or measured there: on a CPU by ``at_once`` processes.

    Models that only trials train are timed where the suite has none of their architecture.

    Raises:
        InputError: nothing could be measured.
    """
    if place.flops is not None:
        return Rates({}, ASSUMED_START, place.flops)
    memory_mb = place.memory_mb and place.memory_mb // at_once
    kinds = {model.config.arch for model in found if model.jobs}
    wanted = [
        Probed(model.name, model.config, model.windows, micro_batch)
        for model in found
        if (model.jobs or model.config.arch not in kinds) and (micro_batch := fitting(model, place, memory_mb))
    ]
    return Rates(*probe(wanted, settings, 1 if place.on_gpu else at_once))


def fitting(model: Model, place: Place, memory_mb: int | None) -> int:
    """Windows in a pass for which there is memory here: the model's own, or fewer; 0 if there is none for one."""
    if memory_mb is None or place.on_gpu:
        return model.micro_batch
    sizes = [size for size in range(model.micro_batch, 0, -1) if model.micro_batch % size == 0]
    need = (host_mb(model.config, size, place.precision, 0) for size in sizes)
    return next((size for size, mb in zip(sizes, need, strict=True) if mb <= memory_mb), 0)


@dataclass(frozen=True)
class Row:
    """What one model costs.

    Attributes:
        start: seconds of a job before it trains.
        seconds: of one job, with its start; trial_seconds: of a trial of a learning rate.
        rate: FLOP a second of its training steps, and how that is known.
    """

    model: Model
    work: cost.Work
    flops: int
    start: float
    seconds: float
    trial_seconds: float
    rate: float
    known: str
    disk_mb: int
    unfinished_mb: int


def rows_of(
    found: Iterable[Model], rates: Rates, schedules: Sequence[Schedule], tokens: int, eval_tokens: int, gpus: int
) -> list[Row]:
    """The costs of each model.

    Args:
        schedules: of the budgets.
        tokens: that a step reads; eval_tokens: that a validation does.
        gpus: that share a job.
    """
    all_budgets = cost.work_of(schedules, is_watched)
    longest = cost.work_of([max(schedules, key=lambda schedule: schedule.steps)], is_watched)
    rows = []
    for model in found:
        (rate, known), start = rates.of(model), rates.start_of(model)
        seconds, trial_seconds = (
            start + cost.seconds_of(work, tokens, eval_tokens, model.flops_per_token, rate, gpus)
            for work in (all_budgets, longest)
        )
        flops = all_budgets.steps * tokens * model.flops_per_token
        weights, states = (
            cost.disk_mb(model.params[1], len(schedules)),
            cost.disk_mb(model.params[1], 1, unfinished=True),
        )
        rows.append(Row(model, all_budgets, flops, start, seconds, trial_seconds, rate.train, known, weights, states))
    return rows


def is_watched(step: int) -> bool:
    """Whether training looks at the validation tunes after a step."""
    return is_eval_step(step, None)


@dataclass(frozen=True)
class Totals:
    """What the suite costs in all.

    Attributes:
        job_seconds: of all jobs, one after the other; clock_seconds: so many at once.
        unfinished_mb: on disk, of the jobs under way at once.
    """

    jobs: int
    runs: int
    flops: int
    job_seconds: float
    start_seconds: float
    clock_seconds: float
    disk_mb: int
    unfinished_mb: int
    trials: int
    trial_seconds: float


def totals_of(rows: list[Row], budgets: int, at_once: int) -> Totals:
    """Sums over the suite, a run of it for each of so many budgets, and over the trials of learning rates."""
    suite = [row for row in rows if row.model.jobs]
    jobs = [row.seconds for row in suite for _ in range(row.model.jobs)]
    states = sorted((row.unfinished_mb for row in suite for _ in range(row.model.jobs)), reverse=True)
    return Totals(
        jobs=len(jobs),
        runs=len(jobs) * budgets,
        flops=sum(row.flops * row.model.jobs for row in suite),
        job_seconds=sum(jobs),
        start_seconds=sum(row.start * row.model.jobs for row in suite),
        clock_seconds=cost.by_the_clock(jobs, at_once),
        disk_mb=sum(row.disk_mb * row.model.jobs for row in suite),
        unfinished_mb=sum(states[:at_once]),
        trials=sum(row.model.trials for row in rows),
        trial_seconds=sum(row.trial_seconds * row.model.trials for row in rows),
    )
