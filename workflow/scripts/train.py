"""Train one model on a prepared corpus, to one or several budgets of tokens.

Writes into each --output_dir: model.safetensors and config.json (the model), history.csv (how the loss
fell; train_loss and val_loss are nats a character, whatever the tokenizer), and while it runs
checkpoint.pt, from which the same command goes on after a kill. On a CPU a run that was killed and
resumed ends with the same weights, byte for byte, as one that was not.

Runs of several budgets share all but their cooldowns: the longest is trained, and each shorter one branches off it on
the way and ends with the weights that it would have if trained by itself. What is finished is not trained again.

Examples:
  python -m workflow.scripts.train --model_name debug_tiny --n_layer 2 --n_embd 256 --n_head 4 --max_iters 500 --batch_size 64
  python -m workflow.scripts.train --arch lstm --model_name rnn_large --n_layer 5 --n_embd 1472 --context_size 128 --max_iters 3000
  python -m workflow.scripts.train --model_name gpt_xxl --n_layer 24 --n_embd 1600 --n_head 25 --batch_size 1 --grad_accum 32 --max_iters 10000
  python -m workflow.scripts.train --model_name small --tokens 1000000 8000000 --output_dir small/1m small/8m
  torchrun --standalone --nproc_per_node 4 -m workflow.scripts.train --model_name gpt_xxl --batch_size 8 --grad_accum 4
"""  # noqa: E501

import os
import signal

from workflow.scripts import models as architectures
from workflow.scripts.base import cli
from workflow.scripts.base.errors import InputError
from workflow.scripts.base.files import lock
from workflow.scripts.machine.device import PRECISIONS, set_up_cpu
from workflow.scripts.machine.ranks import Ranks
from workflow.scripts.models import PARAMETRIZATIONS
from workflow.scripts.training.loop import train
from workflow.scripts.training.run import Run, Training


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
    length.add_argument(
        "--tokens", type=cli.positive_int, nargs="+", default=[1 << 20], help="training tokens, of one run or several"
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
    batch.add_argument("--beta1", type=cli.below_one, default=0.9, help="of AdamW: memory of the gradient's mean")
    batch.add_argument("--weight_decay", type=cli.non_negative_float, default=0.1, help="decay of matrices")
    batch.add_argument("--grad_clip", type=cli.positive_float, default=1.0, help="largest gradient norm")
    batch.add_argument("--seed", type=cli.non_negative_int, default=0, help="of initial weights and data order")

    where = parser.add_argument_group("files")
    where.add_argument("--model_name", type=cli.name, required=True, help="name of the model")
    where.add_argument("--data_dir", default="data/processed", help="corpus that prepare wrote")
    where.add_argument(
        "--output_dir", nargs="+", help="folder to write, one for each of --tokens (default: checkpoints/<model_name>)"
    )

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
    budgets = 1 if args.max_iters else len(args.tokens)
    if len(args.output_dir or [""]) != budgets:
        parser.error(f"--output_dir: give {budgets}, one for each of --tokens")
    if args.keep_diverged and budgets > 1:
        parser.error("--keep_diverged goes with one of --tokens, as runs that share their steps diverge together")

    set_up_cpu(args.threads)
    training = Training(args, Ranks.start())
    if not unfinished(training):
        return
    training.build()
    if training.ranks.is_first:
        take_folders(training)
    if not (runs := unfinished(training, tell=False)):  # another process was at it, while this one was getting ready
        return
    tell_plan(training, runs)
    stopped_by: list[int] = []
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, lambda got, frame: stopped_by.append(got))
    train(training, runs, stopped_by)


def unfinished(training: Training, tell: bool = True) -> list[Run]:
    """The runs that are still to be trained."""
    left = training.ranks.from_first(
        [run for run in training.runs if not run.is_finished()] if training.ranks.is_first else None
    )
    for run in training.runs if tell or not left else []:
        if run not in left:
            training.say(f"{run.folder} already holds this run; delete it to train again")
    return left


def tell_plan(training: Training, runs: list[Run]) -> None:
    """Say what is going to be trained, and what is odd about it."""
    args, longest = training.args, runs[-1]
    n_tokens = longest.schedule.steps * training.tokens_per_step
    epochs = n_tokens / len(training.train_split.tokens)
    shorter = f", with branches for {', '.join(f'{run.tokens:,}' for run in runs[:-1])}" if runs[:-1] else ""
    ranks = f", {training.ranks.world} processes" if training.ranks.world > 1 else ""
    training.say(
        f"{args.model_name}: {args.arch} {args.n_layer}x{args.n_embd}, {training.params[0]:,} parameters outside the"
        f" embedding, {training.params[1]:,} in all; {n_tokens:,} tokens ({epochs:.2f} epochs) in"
        f" {longest.schedule.steps:,} steps{shorter}, on {training.device} in {training.precision}{ranks}"
    )
    if epochs > 4:
        training.say(
            f"warning: {epochs:.1f} epochs repeat the data more than 4 times; gains from repetition fade there"
        )
    if runs[0].schedule.never_peaks:
        training.say(f"warning: {runs[0].schedule.never_peaks}; lower --warmup_steps")


def take_folders(training: Training) -> None:
    """Lock the folders of all runs for this process.

    Raises:
        InputError: another holds one, and we were not told to wait.
    """
    for run in training.runs:
        run.folder.mkdir(parents=True, exist_ok=True)
        if lock(run.folder / ".lock", exclusive=True) is None:
            if not training.args.wait:
                raise InputError(f"another process is training into {run.folder}: wait for it or stop it")
            training.say(f"waiting for the process that trains into {run.folder}")
            lock(run.folder / ".lock", exclusive=True, wait=True)


if __name__ == "__main__":
    cli.run(main)
