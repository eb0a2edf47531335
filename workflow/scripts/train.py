"""Train one model on a prepared corpus.

Writes into --output_dir: model.safetensors and config.json (the model), history.csv (how the loss
fell; train_loss and val_loss are nats a character, whatever the tokenizer), and while it runs
checkpoint.pt, from which the same command goes on after a kill. On a CPU a run that was killed and
resumed ends with the same weights, byte for byte, as one that was not.

Runs of several lengths can share all but their cooldowns: --trunk_for trains up to the last cooldown and
leaves branch-<tokens>.pt for each length, and --branch goes on from one, to the same weights again.

Examples:
  python -m workflow.scripts.train --model_name debug_tiny --n_layer 2 --n_embd 256 --n_head 4 --max_iters 500 --batch_size 64
  python -m workflow.scripts.train --arch lstm --model_name rnn_large --n_layer 5 --n_embd 1472 --context_size 128 --max_iters 3000
  python -m workflow.scripts.train --model_name gpt_xxl --n_layer 24 --n_embd 1600 --n_head 25 --batch_size 1 --grad_accum 32 --max_iters 10000
  python -m workflow.scripts.train --model_name small --trunk_for 1000000 8000000 --output_dir trunk
  python -m workflow.scripts.train --model_name small --tokens 1000000 --branch trunk/branch-1000000.pt --output_dir short
  torchrun --standalone --nproc_per_node 4 -m workflow.scripts.train --model_name gpt_xxl --batch_size 8 --grad_accum 4
"""  # noqa: E501

import math
import os
import signal
import sys
import time

from torch import Tensor
from tqdm import tqdm

from workflow.scripts import cli
from workflow.scripts import models as architectures
from workflow.scripts.cli import InputError
from workflow.scripts.device import PRECISIONS, set_up_cpu
from workflow.scripts.files import lock
from workflow.scripts.models import PARAMETRIZATIONS
from workflow.scripts.parallel import Workers
from workflow.scripts.run import Run

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


def train(run: Run) -> None:
    """Go from wherever the run stands to its end.

    Raises:
        DivergenceError: the loss or the gradient is not finite; the last checkpoint before it stays.
    """
    args, progress, workers = run.args, run.progress, run.workers
    stopped_by: list[int] = []
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, lambda got, frame: stopped_by.append(got))
    quiet = not (workers.is_first and sys.stderr.isatty())
    bar = tqdm(total=run.end, initial=progress.step, unit="step", disable=quiet)
    pending: list[tuple[int, Tensor, Tensor]] = []  # losses not yet looked at: looking waits for the device
    opened = last_saved = last_line = time.monotonic()
    first_step, seconds_before = progress.step, progress.seconds
    save_cost = 0.0

    while progress.step < run.end:
        rate = run.schedule.rate(progress.step, args.learning_rate)
        pending.append((progress.step, *run.stepper.step(progress.step, rate)))
        progress.step += 1
        bar.update()
        at_eval = is_eval_step(progress.step, args.eval_interval) or (progress.step == run.end and not run.branches)
        # A large model takes long to save: keep that under a twentieth of the time, unless told to save always.
        pause = max(args.checkpoint_seconds, 20 * save_cost) if args.checkpoint_seconds else 0
        save_due = time.monotonic() - last_saved > pause
        stop, save_due = workers.any(bool(stopped_by), save_due and workers.is_first)
        branch = run.branches.get(progress.step)
        if not (at_eval or branch or save_due or stop or len(pending) == args.log_interval):
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
        speed = (progress.step - first_step) * run.tokens_per_step / (now - opened)
        train_loss = sum(progress.losses) / len(progress.losses) / run.chars_per_token
        line = f"step {progress.step}/{run.end}  train {train_loss:.4f}"
        if at_eval:
            val_loss = run.validate()
            run.record(rate, train_loss, val_loss)
            line += f"  val {val_loss:.4f}"
        bar.set_postfix_str(f"loss {train_loss:.3f}, {speed:,.0f} tokens/s")
        if bar.disable and (at_eval or now - last_line > SECONDS_BETWEEN_LINES):
            left = (run.end - progress.step) * run.tokens_per_step / speed
            run.say(f"{line}  {speed:,.0f} tokens/s  {left:.0f} s left")
            last_line = now
        if branch:
            run.save(run.branch_path(branch, pending=True).name)
        if stop or (save_due and progress.step < run.end):
            save_start = time.monotonic()
            run.save()
            last_saved = time.monotonic()
            save_cost = last_saved - save_start
        if stop:
            workers.any(False)  # torchrun ends all of us once one has ended: not before the state is written
            number = stopped_by[0] if stopped_by else signal.SIGTERM
            run.say(f"stopped by signal {number} at step {progress.step}; the same command goes on from here")
            sys.exit(128 + number)
    bar.close()


def main(argv: list[str] | None = None) -> None:
    parser = cli.parser(__doc__)
    model = parser.add_argument_group("model")
    model.add_argument("--arch", default="gpt", choices=architectures.names(), help="architecture")
    model.add_argument("--n_layer", type=cli.positive_int, default=4, help="layers")
    model.add_argument("--n_embd", type=cli.positive_int, default=128, help="width")
    model.add_argument("--n_head", type=cli.positive_int, default=4, help="attention heads (Transformers only)")
    model.add_argument(
        "--parametrization", default="mup", choices=PARAMETRIZATIONS, help="mup: one learning rate for all sizes"
    )
    model.add_argument(
        "--context_size", "--block_size", type=cli.positive_int, default=256, help="training window, in tokens"
    )

    length = parser.add_argument_group("length and batch").add_mutually_exclusive_group()
    length.add_argument("--max_iters", type=cli.positive_int, help="optimiser steps (default: what --tokens needs)")
    length.add_argument("--tokens", type=cli.positive_int, default=1 << 20, help="training tokens")
    length.add_argument(
        "--trunk_for", type=cli.positive_int, nargs="+", metavar="TOKENS", help="leave a branch for each"
    )
    batch = parser.add_argument_group("optimisation")
    batch.add_argument(
        "--batch_size", type=cli.positive_int, default=8, help="windows in one forward pass; fewer if memory runs out"
    )
    batch.add_argument("--grad_accum", type=cli.positive_int, default=1, help="passes of that size in one step")
    batch.add_argument("--learning_rate", type=cli.positive_float, default=1e-3, help="peak rate")
    batch.add_argument("--warmup_steps", type=cli.non_negative_int, default=20, help="steps of rising rate")
    batch.add_argument(
        "--cooldown_fraction", type=cli.fraction, default=0.2, help="share of steps over which the rate falls to zero"
    )
    batch.add_argument("--beta1", type=cli.fraction, default=0.9, help="of AdamW: memory of the gradient's mean")
    batch.add_argument("--weight_decay", type=cli.non_negative_float, default=0.1, help="decay of matrices")
    batch.add_argument("--grad_clip", type=cli.positive_float, default=1.0, help="largest gradient norm")
    batch.add_argument("--seed", type=cli.non_negative_int, default=0, help="of initial weights and data order")

    where = parser.add_argument_group("files")
    where.add_argument("--model_name", required=True, help="name of the run")
    where.add_argument("--data_dir", default="data/processed", help="corpus that prepare wrote")
    where.add_argument("--output_dir", help="folder to write (default: checkpoints/<model_name>)")
    where.add_argument("--branch", help="state of a trunk to go on from")

    how = parser.add_argument_group("machine")
    how.add_argument("--device", default="auto", help="auto, cpu, cuda, cuda:1, mps")
    how.add_argument("--vram_mb", type=cli.non_negative_int, default=0, help="share of a GPU to take; 0 takes it whole")
    how.add_argument("--precision", default="auto", choices=PRECISIONS, help="of matrix products")
    how.add_argument("--compile", default="auto", choices=("auto", "always", "never"), help="torch.compile")
    how.add_argument("--threads", type=cli.positive_int, default=os.cpu_count(), help="CPU threads")
    how.add_argument(
        "--eval_interval", type=cli.positive_int, help="steps between validations (default: factors of sqrt 2)"
    )
    how.add_argument("--eval_tokens", type=cli.positive_int, default=16384, help="validation tokens to watch")
    how.add_argument("--log_interval", type=cli.positive_int, default=10, help="steps between looks at the loss")
    how.add_argument(
        "--keep_diverged", action="store_true", help="finish a run whose loss is not finite as one that diverged"
    )
    how.add_argument("--wait", action="store_true", help="wait for another process that trains into the same folder")
    how.add_argument(
        "--checkpoint_seconds",
        type=cli.non_negative_float,
        default=30,
        help="seconds between saves of the state; 0 saves after every step",
    )
    args = parser.parse_args(argv)
    if args.trunk_for and (args.branch or args.keep_diverged):
        parser.error("--branch and --keep_diverged go with the --tokens of one run, not with --trunk_for")

    set_up_cpu(args.threads)
    workers = Workers.start()
    run = Run(args, workers)
    already = f"{run.output} already holds this run; delete it to train again"
    if run.is_finished():
        run.say(already)
        return
    run.build()
    if workers.is_first:
        take_folder(run)
    if workers.from_first(run.is_finished()):  # by another process, while this one was getting ready
        run.say(already)
        return
    n_tokens = run.end * run.tokens_per_step
    epochs = n_tokens / len(run.train_split.tokens)
    run.say(
        f"{args.model_name}: {args.arch} {args.n_layer}x{args.n_embd}, {run.params[0]:,} parameters outside the"
        f" embedding, {run.params[1]:,} in all; {n_tokens:,} tokens ({epochs:.2f} epochs) in {run.end:,} steps"
        f" on {run.device} in {run.precision}" + (f", {workers.world} processes" if workers.world > 1 else "")
    )
    if epochs > 4:
        run.say(f"warning: {epochs:.1f} epochs repeat the data more than 4 times; gains from repetition fade there")
    run.resume()
    try:
        train(run)
    except DivergenceError as error:
        if not args.keep_diverged:
            raise
        run.say(f"diverged: {error}")
        run.diverged_at = error.step
    if workers.is_first:
        run.finish()


def take_folder(run: Run) -> None:
    """Lock the run's folder for this process.

    Raises:
        InputError: another holds it, and we were not told to wait.
    """
    run.output.mkdir(parents=True, exist_ok=True)
    if lock(run.output / ".lock", exclusive=True) is None:
        if not run.args.wait:
            raise InputError(f"another process is training into {run.output}: wait for it or stop it")
        run.say(f"waiting for the process that trains into {run.output}")
        lock(run.output / ".lock", exclusive=True, wait=True)


if __name__ == "__main__":
    cli.run(main)
