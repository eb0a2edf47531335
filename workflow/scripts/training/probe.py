"""How fast models train here: real steps on random tokens, for some seconds in all, in processes of their own.

Each process times the same models at the same time as the others, as a study's jobs would, and reports each when it is
done. One that is killed, as by a lack of memory, loses what it had not reported.

Where each process has a CPU for its one thread, the time that it computes is what counts, and not that in which the
system lets something else compute; how much longer a step took by the clock is told.
"""

import gc
import itertools
import multiprocessing
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from multiprocessing.connection import Connection

import numpy as np
import torch

from workflow.scripts import models
from workflow.scripts.base.errors import InputError
from workflow.scripts.corpus.dataset import Split
from workflow.scripts.evaluation.scoring import score_tunes
from workflow.scripts.machine.device import give_back_memory, set_up_cpu
from workflow.scripts.models import ModelConfig
from workflow.scripts.training.batches import Batches
from workflow.scripts.training.cost import SCORING, Kind, Rate, Timing
from workflow.scripts.training.optim import Optimizer
from workflow.scripts.training.stepper import Stepper, divisor

Clock = Callable[[], float]

STEPS = 8  # of data, read round and round
UNTIMED = {"cpu": 2, "cuda": 4}  # first steps: caches fill, kernels are made, a CUDA graph is recorded
FEWEST = 3  # timed steps of which a mean is taken; 1 where a step takes long
COMPILED = 2.0  # seconds that a first step takes longer if code is compiled for it; to load what is kept takes less
LONG = 0.5  # seconds of a step
AT_FIRST = {"cpu": 5e9, "cuda": 1e13}  # FLOP a second, by which the first model's steps are counted
FOR_ONE = 0.3  # most of the time that one model may have for two windows, if that is more than its share
FOR_TARGETS = 0.5  # of the time that targets may have for whole steps, each by its FLOP
LEAST = 0.5  # seconds for a model, before its step is cut
FOR_STEPS = 0.8  # of a model's time; the rest is for scoring


@dataclass(frozen=True)
class Probed:
    """A model to time: its shape, and what one of its steps reads.

    Attributes:
        windows: of a step, on one device.
        micro_batch: windows in one forward pass, for which there must be memory here.
        is_target: whether it counts more than others: a whole step of it is timed, if there is time for one.
        is_extra: whether it counts less, and waits until the others are timed.
    """

    name: str
    config: ModelConfig
    precision: str
    windows: int
    micro_batch: int
    is_target: bool = False
    is_extra: bool = False

    @property
    def kind(self) -> Kind:
        """What its speed depends on beside its size."""
        config = self.config
        return Kind(config.arch, self.precision, config.parts, config.block_size, self.windows)

    @property
    def flops_per_token(self) -> int:
        """Of training."""
        return models.module_for(self.config.arch).flops_per_token(self.config)


@dataclass(frozen=True)
class Settings:
    """What the probe's steps have in common with the study's, and how long it takes.

    Attributes:
        seconds: in all, once torch is loaded; torch.compile comes on top.
        tune: tokens of a tune to score.
        is_computing: whether to count the time that a process computes; else that of the clock.
    """

    device: str
    compile: str
    threads: int
    eval_tokens: int
    seconds: float
    tune: int
    is_computing: bool


def probe(wanted: Sequence[Probed], settings: Settings, at_once: int) -> tuple[dict[str, Timing], float]:
    """Time models in ``at_once`` processes; what was found by name, and the seconds until a process could begin.

    Where code for this CPU had to be compiled, which is then kept, all is timed again: a study compiles it but once.

    Raises:
        InputError: no process could begin, or a model cannot be made.
    """
    found, start = begin(wanted, settings, at_once)
    if settings.device == "cpu" and max((timing.once for timing in found.values()), default=0.0) > COMPILED:
        found, start = begin(wanted, settings, at_once)
    return found, start


def begin(wanted: Sequence[Probed], settings: Settings, at_once: int) -> tuple[dict[str, Timing], float]:
    """Start the processes of a probe, and wait for what they find.

    Raises:
        InputError: no process could begin, or a model cannot be made.
    """
    context = multiprocessing.get_context("spawn")
    pipes, processes = [], []
    begun = time.monotonic()
    for _ in range(at_once):
        pipe, end = context.Pipe(duplex=False)
        processes.append(context.Process(target=work, args=(end, list(wanted), settings, begun), daemon=True))
        processes[-1].start()
        end.close()
        pipes.append(pipe)
    found: dict[str, list[Timing]] = {}
    starts: list[float] = []
    try:
        for pipe in pipes:
            while True:
                try:
                    name, said = pipe.recv()
                except EOFError:
                    break
                if isinstance(said, InputError):
                    raise InputError(f"{name}: {said}")
                if name:
                    found.setdefault(name, []).append(said)
                else:
                    starts.append(said)
    finally:
        for process in processes:
            process.terminate() if process.is_alive() else None
            process.join()
    if not starts:
        raise InputError("the probe could not start: see what is printed above")
    return {name: middle(timings) for name, timings in found.items()}, max(starts)


def middle(timings: list[Timing]) -> Timing:
    """One timing of a model from those of several processes: the mean time of a FLOP."""
    rates = [1 / np.mean([1 / getattr(t.rate, part) for t in timings]) for part in ("train", "score")]
    first, (busy, once) = timings[0], (max(getattr(t, name) for t in timings) for name in ("busy", "once"))
    return Timing(first.kind, first.flops_per_token, Rate(*map(float, rates)), first.part, busy, once)


def in_order(wanted: Sequence[Probed], device: str) -> list[Probed]:
    """The smallest of each kind, then the others from the largest: what lies between them can do without.

    On a GPU, where each is compiled for up to a minute, only the smallest and the largest of each, and targets. What is
    extra comes last, in the same order.
    """
    found: list[Probed] = []
    for is_extra in (False, True):
        by_size = sorted((m for m in wanted if m.is_extra == is_extra), key=lambda model: model.flops_per_token)
        first = {model.kind: model for model in reversed(by_size)}
        last = {model.kind: model for model in by_size}
        smallest = [model for model in by_size if first[model.kind] is model]
        others = [model for model in reversed(by_size) if model not in smallest]
        found += smallest
        found += [m for m in others if device != "cuda" or m.is_target or last[m.kind] is m]
    return found


def work(pipe: Connection, wanted: list[Probed], settings: Settings, begun: float) -> None:
    """What one process does: send how long it took to begin, then (name, Timing) of each model it has time for."""
    set_up_cpu(settings.threads)
    device = torch.device(settings.device)
    torch.empty(1, device=device)
    clock = time.process_time if settings.is_computing else time.perf_counter
    pipe.send(("", clock() if settings.is_computing else time.monotonic() - begun))
    left = settings.seconds
    timings: list[Timing] = []
    waiting = in_order(wanted, device.type)
    for_targets = sum(model.flops_per_token for model in waiting if model.is_target)
    while waiting and left > 0:
        model = waiting.pop(0)
        known = [t for t in timings if t.kind.arch == model.config.arch] or timings
        near = min(known, key=lambda t: abs(t.flops_per_token - model.flops_per_token), default=None)
        rate = near.rate.train if near else AT_FIRST.get(device.type, AT_FIRST["cpu"]) * settings.threads
        busy = near.busy if near else 1.0  # what is left is by the wall, and what a step takes by our clock
        share = left / busy / (len(waiting) + 1)
        a_window = model.config.block_size * model.flops_per_token / rate
        if timings and 2 * a_window > min(left, max(share * busy, FOR_ONE * settings.seconds)) / busy:
            continue
        a_step = model.windows * a_window
        seconds = max(share, 2 * a_window)
        if model.is_target:
            whole = n_steps(a_step, device.type) * a_step / FOR_STEPS
            allowed = FOR_TARGETS * settings.seconds * model.flops_per_token / for_targets
            seconds = max(seconds, min(whole, allowed / busy, left / busy))
        begun = time.monotonic()
        try:
            found = time_one(model, settings, device, clock, (seconds, a_step))
        except InputError as error:
            pipe.send((model.name, error))
            return
        took = time.monotonic() - begun
        make_room(device)
        left -= min(took, share) if device.type == "cuda" else took
        timings.append(found)
        pipe.send((model.name, found))


def make_room(device: torch.device) -> None:
    """Have a GPU's memory free for the next model: what was compiled for the last one keeps its weights and graphs."""
    if device.type == "cuda":
        torch.compiler.reset()
        gc.collect()
        give_back_memory(device)


def n_steps(seconds: float, device: str) -> int:
    """Steps that a model is timed by at least, if one takes so long, with those that are not counted."""
    return UNTIMED.get(device, UNTIMED["cpu"]) + FEWEST if seconds < LONG else 2


class TimedOptimizer(Optimizer):
    """The optimiser, and the seconds that it takes, by a clock if it has one: as many if a step reads fewer tokens."""

    clock: Clock | None = None
    seconds = 0.0

    def step(self, learning_rate: float) -> None:
        """Update every parameter."""
        begun = self.clock() if self.clock else 0.0
        super().step(learning_rate)
        self.seconds += (self.clock() - begun) if self.clock else 0.0


def time_one(
    model: Probed, settings: Settings, device: torch.device, clock: Clock, expected: tuple[float, float]
) -> Timing:
    """Time one model.

    A step that would take too long is cut: to fewer windows, or to shorter ones where a model reads token by token, of
    all windows at once. What the optimiser takes is counted as often as in whole steps.

    Args:
        clock: to time it by.
        expected: seconds to spend, and seconds of a whole step.

    Raises:
        InputError: there is no such model, or not even a part of its step has memory.
    """
    seconds, a_step = expected
    config = model.config
    torch.manual_seed(0)
    network = models.module_for(config.arch).Model(config).to(device)
    part = min(1.0, FOR_STEPS * max(seconds, LEAST) / a_step / n_steps(a_step, device.type))
    windows = model.windows if network.carries_state else divisor(model.windows, int(part * model.windows))
    length = divisor(config.block_size, int(part * config.block_size)) if network.carries_state else config.block_size
    data = np.random.default_rng(0).integers(2, config.vocab_size, windows * (STEPS * length + 1))
    data = data.astype(np.uint8 if config.vocab_size <= 256 else np.uint16)
    optimizer = TimedOptimizer(network.param_groups(), 0.1, precision=model.precision)
    stepper = Stepper(
        network, optimizer, Batches(Split(data, np.array([0, len(data)])), 0, windows, length, device, 0, STEPS),
        divisor(windows, model.micro_batch), device, model.precision, compile=settings.compile,
    )  # fmt: skip
    steps = itertools.cycle(range(STEPS))

    def step() -> None:
        stepper.step(next(steps), 1e-3)[0].item()  # which waits for the device

    tokens = windows * length
    first = timed(step, clock)
    is_short = first < LONG or device.type == "cuda"
    for _ in range(UNTIMED.get(device.type, UNTIMED["cpu"]) - 1 if is_short else 0):
        step()
    optimizer.clock = clock if device.type == "cpu" else None  # a GPU computes while we go on
    begun = time.perf_counter()
    train, taken = mean_of(step, clock, FOR_STEPS * seconds, FEWEST if is_short else 1)
    busy = (time.perf_counter() - begun) / (train * taken)

    affordable = int((1 - FOR_STEPS) * seconds * tokens / train)  # to train on: to score as many takes a third of it
    tune = min(settings.tune, max(1, affordable))
    tunes = [np.resize(data, tune + 1).astype(np.int64)] * max(1, min(settings.eval_tokens, affordable) // tune)

    def score() -> None:
        score_tunes(network, tunes, device, model.precision)

    if is_short:
        score()
    scored, _ = mean_of(score, clock, (1 - FOR_STEPS) * seconds / 2, 1)
    part = tokens / (model.windows * config.block_size)
    whole = whole_step(train, min(optimizer.seconds / taken, train), part)
    rate = Rate(
        model.windows * config.block_size * model.flops_per_token / whole,
        SCORING * model.flops_per_token * tune * len(tunes) / scored,
    )
    return Timing(model.kind, model.flops_per_token, rate, part, busy, max(0.0, first - train))


def whole_step(seconds: float, update: float, part: float) -> float:
    """Seconds of a step, from those of one with part of its tokens and of the optimiser's update in it."""
    return (seconds - update) / part + update


def timed(task: Callable[[], None], clock: Clock) -> float:
    """Seconds of a task by a clock."""
    begun = clock()
    task()
    return clock() - begun


def mean_of(task: Callable[[], None], clock: Clock, seconds: float, fewest: int) -> tuple[float, int]:
    """Mean seconds of a task, done again and again for about so long but at least so often, and how often it was."""
    times = [timed(task, clock)]
    while len(times) < fewest or sum(times) + times[0] < seconds:
        times.append(timed(task, clock))
    return sum(times) / len(times), len(times)
