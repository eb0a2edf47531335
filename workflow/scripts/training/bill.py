"""What a study's training costs where it is to be: of each model, and in all. Needs torch."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

from workflow.scripts.models import ModelConfig
from workflow.scripts.training import cost
from workflow.scripts.training.loop import is_eval_step
from workflow.scripts.training.memory import host_mb
from workflow.scripts.training.place import Place
from workflow.scripts.training.probe import Probed, Settings, probe
from workflow.scripts.training.schedule import Schedule

# What a study trains, in this order: each begins when the one before is done.
STAGES = ("trials", "settings", "suite", "targets", "splits")
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
class Jobs:
    """The jobs of a model that are alike.

    Attributes:
        stage: one of `STAGES`.
        schedules: of each job's runs, by their tokens: the shorter ones branch off the longest.
        count: 0 of what the study does not train, but a user may ask for.
    """

    stage: str
    schedules: Mapping[int, Schedule]
    count: int


@dataclass(frozen=True)
class Model:
    """A model of the study, as it will be trained.

    Attributes:
        tokens_per_step: that all devices read together.
        windows: that one device reads in a step.
        micro_batch: windows in one forward pass.
        memory_mb: at that, of the GPU or of the machine; host_mb: of the machine in any case.
    """

    name: str
    config: ModelConfig
    precision: str
    tokens_per_step: int
    windows: int
    micro_batch: int
    memory_mb: int
    host_mb: int
    params: tuple[int, int]
    flops_per_token: int
    jobs: tuple[Jobs, ...]

    def count(self, *stages: str) -> int:
        """How many jobs the study has of it in these stages."""
        return sum(jobs.count for jobs in self.jobs if jobs.stage in stages)

    def probed(self, micro_batch: int) -> Probed:
        """The model as one to be timed, with so many windows in a pass."""
        is_target = self.count("targets") > 0
        is_extra = not self.count("suite", "targets")
        return Probed(self.name, self.config, self.precision, self.windows, micro_batch, is_target, is_extra)

    @property
    def kind(self) -> cost.Kind:
        """What its speed depends on beside its size."""
        return self.probed(self.micro_batch).kind


@dataclass(frozen=True)
class Rates:
    """How fast the place trains.

    Attributes:
        timings: by model; none where rates are assumed.
        start: seconds of a process before its first step.
        assumed: FLOP a second by precision.
    """

    timings: Mapping[str, cost.Timing]
    start: float
    assumed: Mapping[str, float] | None = None

    def start_of(self, model: Model) -> float:
        """Seconds of a job before its first step, and what that takes longer than others."""
        once = [timing.once for timing in self.timings.values() if timing.kind.arch == model.config.arch]
        return self.start + max(once, default=0.0)

    def of(self, model: Model) -> tuple[cost.Rate, str]:
        """A model's rate, and how it is known."""
        if self.assumed:
            return cost.Rate(*[self.assumed[model.precision]] * 2), "assumed"
        if model.name in self.timings:
            return self.timings[model.name].rate, "measured"
        return cost.rate_at(self.timings.values(), model.kind, model.flops_per_token)


def rates_of(found: Sequence[Model], place: Place, at_once: int, settings: Settings) -> Rates:
    """What is assumed of the place, or measured there: on a CPU by ``at_once`` processes.

    Models that are neither of the suite nor targets are timed where these have none of their kind and depth, or only
    larger ones; on a GPU, where each takes long, where they have none of their architecture.

    Raises:
        InputError: nothing could be measured.
    """
    if place.flops is not None:
        return Rates({}, ASSUMED_START, place.flops)
    memory_mb = place.memory_mb and place.memory_mb // at_once
    fit = [model.probed(size) for model in found if (size := fitting(model, place, memory_mb))]

    def alike(model: Probed) -> tuple:
        return (model.kind.arch,) if place.on_gpu else (model.kind, model.config.n_layer)

    smallest: dict[tuple, int] = {}
    for model in fit:
        if not model.is_extra:
            smallest[alike(model)] = min(model.flops_per_token, smallest.get(alike(model), model.flops_per_token))

    def is_wanted(model: Probed) -> bool:
        if not model.is_extra or alike(model) not in smallest:
            return True
        return not place.on_gpu and model.flops_per_token < smallest[alike(model)]

    return Rates(*probe(list(filter(is_wanted, fit)), settings, 1 if place.on_gpu else at_once))


def fitting(model: Model, place: Place, memory_mb: int | None) -> int:
    """Windows in a pass for which there is memory here: the model's own, or fewer; 0 if there is none for one."""
    if memory_mb is None or place.on_gpu:
        return model.micro_batch
    sizes = [size for size in range(model.micro_batch, 0, -1) if model.micro_batch % size == 0]
    need = (host_mb(model.config, size, model.precision, 0) for size in sizes)
    return next((size for size, mb in zip(sizes, need, strict=True) if mb <= memory_mb), 0)


@dataclass(frozen=True)
class Price:
    """What one job costs of those that are alike.

    Attributes:
        seconds: with its start.
    """

    jobs: Jobs
    work: cost.Work
    flops: int
    seconds: float
    disk_mb: int


@dataclass(frozen=True)
class Row:
    """What one model costs.

    Attributes:
        start: seconds of a job before it trains.
        prices: of its jobs, those that nothing asks for too.
        rate: FLOP a second of its training steps, and how that is known.
        unfinished_mb: on disk, of a job under way.
    """

    model: Model
    prices: tuple[Price, ...]
    start: float
    rate: float
    known: str
    unfinished_mb: int

    def of_stage(self, *stages: str) -> list[Price]:
        """Of the jobs of these stages."""
        return [price for price in self.prices if price.jobs.stage in stages]


def rows_of(found: Iterable[Model], rates: Rates, eval_tokens: int, gpus: int) -> list[Row]:
    """The costs of each model.

    Args:
        eval_tokens: that a validation reads.
        gpus: that share a job.
    """
    rows = []
    for model in found:
        (rate, known), start = rates.of(model), rates.start_of(model)
        prices = []
        for jobs in model.jobs:
            work = cost.work_of(jobs.schedules.values(), is_watched)
            seconds = cost.seconds_of(work, model.tokens_per_step, eval_tokens, model.flops_per_token, rate, gpus)
            flops = work.steps * model.tokens_per_step * model.flops_per_token
            weights = cost.disk_mb(model.params[1], len(jobs.schedules))
            prices.append(Price(jobs, work, flops, start + seconds, weights))
        states = cost.disk_mb(model.params[1], 1, unfinished=True)
        rows.append(Row(model, tuple(prices), start, rate.train, known, states))
    return rows


def is_watched(step: int) -> bool:
    """Whether training looks at the validation tunes after a step."""
    return is_eval_step(step, None)


@dataclass(frozen=True)
class Totals:
    """What a stage costs, or all of them.

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


def totals_of(rows: Iterable[Row], at_once: int) -> dict[str, Totals]:
    """The sums of each stage."""
    rows = list(rows)
    return {stage: totals_of_stage(rows, stage, at_once) for stage in STAGES}


def totals_of_stage(rows: Iterable[Row], stage: str, at_once: int) -> Totals:
    """Sums over the jobs of a stage."""
    each = [(row, price) for row in rows for price in row.of_stage(stage) for _ in range(price.jobs.count)]
    return Totals(
        jobs=len(each),
        runs=sum(len(price.jobs.schedules) for _, price in each),
        flops=sum(price.flops for _, price in each),
        job_seconds=sum(price.seconds for _, price in each),
        start_seconds=sum(row.start for row, _ in each),
        clock_seconds=cost.by_the_clock((price.seconds for _, price in each), at_once),
        disk_mb=sum(price.disk_mb for _, price in each),
        unfinished_mb=sum(sorted((row.unfinished_mb for row, _ in each), reverse=True)[:at_once]),
    )


def in_all(totals: Mapping[str, Totals]) -> Totals:
    """The sum of stages, one after the other."""
    values = [vars(each) for each in totals.values()]
    summed = {name: sum(each[name] for each in values) for name in values[0]}
    return Totals(**summed | {"unfinished_mb": max(each["unfinished_mb"] for each in values)})
