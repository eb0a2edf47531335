"""Takes the steps of one model and seed through all its budgets, saving, validating and branching on the way."""

import math
import signal
import sys
import time

from torch import Tensor

from workflow.scripts.base.errors import InputError
from workflow.scripts.base.files import lock
from workflow.scripts.base.progress import Progress
from workflow.scripts.machine.ranks import Ranks
from workflow.scripts.training.options import TrainingOptions
from workflow.scripts.training.run import Run, Training

SECONDS_BETWEEN_LINES = 60  # of a log, where no validation comes between

# A step, its loss and the norm of its gradient, which stay on the device: to look at them waits for it.
Losses = tuple[int, Tensor, Tensor]


class DivergenceError(InputError):
    """The loss or the gradient is not finite; raised with the step and the sentence that says so."""

    def __init__(self, step: int, sentence: str):
        super().__init__(sentence)
        self.step = step


def is_eval_step(step: int, interval: int | None) -> bool:
    """Whether to validate after ``step``: each interval, else at 32 and each factor of sqrt 2 from there.

    It does not depend on how long the run is, so that a trunk is watched as the runs that branch off it.
    """
    if interval:
        return step % interval == 0
    return step >= 32 and step == round(2 ** (round(2 * math.log2(step)) / 2))


def train_all(options: TrainingOptions) -> None:
    """Train what was asked for and is not finished, into the folders asked for.

    Raises:
        InputError: the corpus or the options cannot be used, or another process trains into one of the folders.
    """
    training = Training(options, Ranks.start())
    if not unfinished(training):
        return
    training.build()
    if training.ranks.is_first:
        take_folders(training)
    if not (runs := unfinished(training, say=False)):  # another process was at it, while this one was getting ready
        return
    say_plan(training, runs)
    stopped_by: list[int] = []
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, lambda got, frame: stopped_by.append(got))
    train(training, runs, stopped_by)


def unfinished(training: Training, say: bool = True) -> list[Run]:
    """The runs that are still to be trained; ``say`` names the others."""
    mine = [run for run in training.runs if not run.is_finished()] if training.ranks.is_first else []
    left = training.ranks.from_first(mine)
    for run in training.runs if say or not left else []:
        if run not in left:
            training.say(f"{run.folder} already holds this run; delete it to train again")
    return left


def say_plan(training: Training, runs: list[Run]) -> None:
    """Say what is going to be trained, and what is odd about it."""
    options, longest = training.options, runs[-1]
    n_tokens = longest.schedule.steps * options.tokens_per_step
    epochs = n_tokens / len(training.train_split.tokens)
    shorter = f", with branches for {', '.join(f'{run.tokens:,}' for run in runs[:-1])}" if runs[:-1] else ""
    ranks = f", {training.ranks.world} processes" if training.ranks.world > 1 else ""
    training.say(
        f"{options.model_name}: {options.arch} {options.n_layer}x{options.n_embd}, {training.params[0]:,} parameters"
        f" outside the embedding, {training.params[1]:,} in all; {n_tokens:,} tokens ({epochs:.2f} epochs) in"
        f" {longest.schedule.steps:,} steps{shorter}, on {training.device} in {training.precision}{ranks}"
    )
    if epochs > 4:
        training.say(
            f"warning: {epochs:.1f} epochs repeat the data more than 4 times; gains from repetition fade there"
        )
    if runs[0].schedule.never_peaks:
        training.say(f"warning: {runs[0].schedule.never_peaks}; lower --warmup_steps")


def take_folders(training: Training) -> None:
    """Lock the folders of all runs, and of their states, for this process.

    Raises:
        InputError: another process holds one, and the options say not to wait.
    """
    for folder in dict.fromkeys(folder for run in training.runs for folder in (run.folder, run.state_folder)):
        folder.mkdir(parents=True, exist_ok=True)
        if lock(folder / ".lock", exclusive=True) is None:
            if not training.options.wait:
                raise InputError(f"another process is training into {folder}: wait for it or stop it")
            training.say(f"waiting for the process that trains into {folder}")
            lock(folder / ".lock", exclusive=True, wait=True)


def train(training: Training, runs: list[Run], stopped_by: list[int]) -> None:
    """Train runs of one model, ascending by budget: the longest, with the others branching off it on the way.

    One whose branch the longest has passed already, as its budget is new or its result was lost, comes afterwards.

    Args:
        stopped_by: numbers of the signals received, which a handler adds to.

    Raises:
        DivergenceError: the loss or the gradient is not finite; the last state before it stays.
    """
    *shorter, longest = runs
    training.open(longest)
    passed = [run for run in shorter if run.schedule.branch < training.progress.step]
    for run in shorter[len(passed) :]:
        advance(training, longest, run.schedule.branch, stopped_by)
        training.save(longest)
        training.branch_off(run)
        complete(training, run, stopped_by)
        training.return_to(longest)
    complete(training, longest, stopped_by)
    if passed:
        training.build()
        train(training, passed, stopped_by)


def complete(training: Training, run: Run, stopped_by: list[int]) -> None:
    """Take a run to its end, and write its results."""
    diverged_at = None
    try:
        if training.progress.step <= run.schedule.branch:
            advance(training, run, run.schedule.branch, stopped_by)
            training.progress.trunk_seconds = training.progress.seconds
        advance(training, run, run.schedule.steps, stopped_by)
    except DivergenceError as error:
        if not training.options.keep_diverged:
            raise
        training.say(f"diverged: {error}")
        diverged_at = error.step
    if training.ranks.is_first:
        training.finish(run, diverged_at)


def advance(training: Training, run: Run, until: int, stopped_by: list[int]) -> None:
    """Take the steps of a run up to step ``until``, saving its state now and then."""
    options, progress, ranks = training.options, training.progress, training.ranks
    end = run.schedule.steps
    pending: list[Losses] = []
    opened = last_saved = time.monotonic()
    first_step, seconds_before = progress.step, progress.seconds
    save_cost = 0.0

    with Progress("", end, "step", done=progress.step, keep=until == end, quiet=not ranks.is_first) as shown:
        while progress.step < until:
            rate = run.schedule.rate(progress.step, options.learning_rate)
            pending.append((progress.step, *training.stepper.step(progress.step, rate)))
            progress.step += 1
            shown.update(1)
            at_eval = is_eval_step(progress.step, options.eval_interval) or progress.step == end
            # A large model takes long to save: keep that under a twentieth of the time, unless it is to save always.
            pause = max(options.checkpoint_seconds, 20 * save_cost) if options.checkpoint_seconds else 0
            save_due = time.monotonic() - last_saved > pause
            stop, save_due = ranks.any(bool(stopped_by), save_due and ranks.is_first)
            if not (at_eval or progress.step == until or save_due or stop or len(pending) == options.log_interval):
                continue

            progress.losses += finite(pending, options.learning_rate)
            pending.clear()
            now = time.monotonic()
            progress.seconds = seconds_before + now - opened
            speed = (progress.step - first_step) * options.tokens_per_step / (now - opened)
            train_loss = sum(progress.losses) / len(progress.losses) / training.chars_per_token
            line = f"step {progress.step}/{end}  train {train_loss:.4f}"
            val_loss = training.validate() if at_eval else None
            if val_loss is not None:
                training.record(rate, train_loss, val_loss)
                line += f"  val {val_loss:.4f}"
            training.show(run, rate, train_loss, val_loss, speed)
            shown.show(f"loss {train_loss:.3f}, {speed:,.0f} tokens/s")
            if shown.is_line_due(0 if at_eval else SECONDS_BETWEEN_LINES):
                left = (end - progress.step) * options.tokens_per_step / speed
                training.say(f"{line}  {speed:,.0f} tokens/s  {left:.0f} s left")
            if stop or (save_due and progress.step < until):
                save_start = time.monotonic()
                training.save(run)
                last_saved = time.monotonic()
                save_cost = last_saved - save_start
            if stop:
                ranks.any(False)  # torchrun ends all of us once one has ended: not before the state is written
                number = stopped_by[0] if stopped_by else signal.SIGTERM
                training.say(f"stopped by signal {number} at step {progress.step}; the same command goes on from here")
                sys.exit(128 + number)


def finite(pending: list[Losses], learning_rate: float) -> list[float]:
    """The losses of some steps, in nats a token.

    Raises:
        DivergenceError: one of them, or a gradient's norm, is not finite.
    """
    losses = []
    for step, loss, norm in pending:
        if not (math.isfinite(loss.item()) and math.isfinite(norm.item())):
            raise DivergenceError(
                step,
                f"the loss is {loss.item():g} and the gradient norm {norm.item():g} at step {step}"
                f" (learning rate {learning_rate:g}): lower --learning_rate",
            )
        losses.append(loss.item())
    return losses
