"""Takes the steps of one model and seed through all its budgets, saving, validating and branching on the way."""

import math
import signal
import sys
import time

from torch import Tensor
from tqdm import tqdm

from workflow.scripts.base.errors import InputError
from workflow.scripts.training.run import Run, Training

SECONDS_BETWEEN_LINES = 60  # of a log that nobody watches


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
        if not training.args.keep_diverged:
            raise
        training.say(f"diverged: {error}")
        diverged_at = error.step
    if training.ranks.is_first:
        training.finish(run, diverged_at)


def advance(training: Training, run: Run, until: int, stopped_by: list[int]) -> None:
    """Take the steps of a run up to step ``until``, saving its state now and then."""
    args, progress, ranks = training.args, training.progress, training.ranks
    end = run.schedule.steps
    quiet = not (ranks.is_first and sys.stderr.isatty())
    bar = tqdm(total=end, initial=progress.step, unit="step", disable=quiet, leave=until == end)
    pending: list[tuple[int, Tensor, Tensor]] = []  # losses not yet looked at: looking waits for the device
    opened = last_saved = last_line = time.monotonic()
    first_step, seconds_before = progress.step, progress.seconds
    save_cost = 0.0

    while progress.step < until:
        rate = run.schedule.rate(progress.step, args.learning_rate)
        pending.append((progress.step, *training.stepper.step(progress.step, rate)))
        progress.step += 1
        bar.update()
        at_eval = is_eval_step(progress.step, args.eval_interval) or progress.step == end
        # A large model takes long to save: keep that under a twentieth of the time, unless told to save always.
        pause = max(args.checkpoint_seconds, 20 * save_cost) if args.checkpoint_seconds else 0
        save_due = time.monotonic() - last_saved > pause
        stop, save_due = ranks.any(bool(stopped_by), save_due and ranks.is_first)
        if not (at_eval or progress.step == until or save_due or stop or len(pending) == args.log_interval):
            continue

        for step, loss, norm in pending:
            if not (math.isfinite(loss.item()) and math.isfinite(norm.item())):
                raise DivergenceError(
                    step,
                    f"the loss is {loss.item():g} and the gradient norm {norm.item():g} at step {step}"
                    f" (learning rate {args.learning_rate:g}): lower --learning_rate",
                )
            progress.losses.append(loss.item())
        pending.clear()
        now = time.monotonic()
        progress.seconds = seconds_before + now - opened
        speed = (progress.step - first_step) * training.tokens_per_step / (now - opened)
        train_loss = sum(progress.losses) / len(progress.losses) / training.chars_per_token
        line = f"step {progress.step}/{end}  train {train_loss:.4f}"
        if at_eval:
            val_loss = training.validate()
            training.record(rate, train_loss, val_loss)
            line += f"  val {val_loss:.4f}"
        bar.set_postfix_str(f"loss {train_loss:.3f}, {speed:,.0f} tokens/s")
        if bar.disable and (at_eval or now - last_line > SECONDS_BETWEEN_LINES):
            left = (end - progress.step) * training.tokens_per_step / speed
            training.say(f"{line}  {speed:,.0f} tokens/s  {left:.0f} s left")
            last_line = now
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
    bar.close()
