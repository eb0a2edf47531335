"""Train one model on a prepared corpus.

Writes into --output_dir: model.safetensors and config.json (the model), history.csv (how the loss
fell; train_loss and val_loss are nats a character, whatever the tokenizer), and while it runs
checkpoint.pt, from which the same command goes on after a kill. On a CPU a run that was killed and
resumed ends with the same weights, byte for byte, as one that was not.

Examples:
  python -m workflow.scripts.train --model_name debug_tiny --n_layer 2 --n_embd 256 --n_head 4 --max_iters 500 --batch_size 64
  python -m workflow.scripts.train --arch lstm --model_name rnn_large --n_layer 5 --n_embd 1472 --context_size 128 --max_iters 3000
  python -m workflow.scripts.train --model_name gpt_xxl --n_layer 24 --n_embd 1600 --n_head 25 --batch_size 1 --grad_accum 32 --max_iters 10000
"""  # noqa: E501

import argparse
import csv
import io
import math
import os
import signal
import sys
import time
from pathlib import Path

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor, nn
from tqdm import tqdm

from workflow.scripts import cli
from workflow.scripts import models as architectures
from workflow.scripts.batches import Batches, sample_tunes, training_order
from workflow.scripts.checkpoint import WEIGHTS, fingerprint, is_whole, load_state, save_model, save_state
from workflow.scripts.cli import InputError
from workflow.scripts.corpus import Corpus
from workflow.scripts.device import PRECISIONS, autocast, pick_device, pick_precision
from workflow.scripts.files import lock, read_json, sha256
from workflow.scripts.models import ModelConfig
from workflow.scripts.optim import AdamW, warmup_stable_decay
from workflow.scripts.scoring import score_tunes
from workflow.scripts.tokenizer import BEGIN

HISTORY = ("step", "tokens", "flops", "lr", "train_loss", "val_loss", "seconds")
# Choices that change how a run goes but not what it is: they may differ between a run and its resumption.
# (Another number of threads rounds sums differently, no more.)
NOT_IDENTITY = {"output_dir", "data_dir", "model_name", "checkpoint_seconds", "threads", "wait"}
# Modules that decide what the weights become, beside the architecture's own.
CODE = ("train.py", "batches.py", "optim.py", "device.py")


class Run:
    """One training run: its model, optimiser, data and position, and how they are saved and restored."""

    def __init__(self, args: argparse.Namespace):
        self.args = args
        self.output = Path(args.output_dir or f"checkpoints/{args.model_name}")
        self.device = pick_device(args.device)
        self.precision = pick_precision(args.precision, self.device, args.n_embd)
        self.corpus = Corpus.load(args.data_dir)
        self.arch = architectures.module_for(args.arch)
        self.config = ModelConfig(
            args.arch, self.corpus.tokenizer.vocab_size, args.context_size, args.n_layer, args.n_embd, args.n_head
        )
        self.tokens_per_step = args.batch_size * args.grad_accum * args.context_size
        self.steps = args.max_iters or round(args.tokens / self.tokens_per_step)
        if self.steps < 1:
            raise InputError(f"{args.tokens} tokens are less than half of one step of {self.tokens_per_step}")
        self.warmup = max(1, round(args.warmup_fraction * self.steps))
        self.cooldown = max(1, round(args.cooldown_fraction * self.steps))
        self.eval_interval = args.eval_interval or max(1, math.ceil(self.steps / 10))
        self.step = 0
        self.seconds = 0.0
        self.history: list[tuple] = []
        self.losses: list[float] = []  # nats a token of the steps since the last row of history
        self.identity = {
            "options": {k: v for k, v in sorted(vars(args).items()) if k not in NOT_IDENTITY},
            "precision": self.precision,
            "device": self.device.type,
            "torch": torch.__version__,
            "corpus": self.corpus.content_sha256,
            "code": sha256(Path(self.arch.__file__), *(Path(__file__).with_name(name) for name in CODE)),
        }
        self.fingerprint = fingerprint(self.identity)

    def is_finished(self) -> bool:
        """Whether the folder already holds exactly this run."""
        files = (self.output / name for name in (WEIGHTS, "history.csv", "config.json"))
        if not all(file.exists() for file in files):
            return False
        training = read_json(self.output / "config.json").get("training", {})
        return training.get("fingerprint") == self.fingerprint and is_whole(self.output)

    def build(self) -> None:
        """Make the model and read the data."""
        args, split = self.args, self.corpus.split("train")
        if len(split.tokens) <= args.context_size:
            raise InputError(
                f"{args.data_dir}: {len(split.tokens)} training tokens are too few for a context of {args.context_size}"
            )
        torch.manual_seed(args.seed)
        self.model = self.arch.Model(self.config).to(self.device)
        self.forward = compiled(self.model, args.compile, self.device)
        self.optimizer = AdamW(self.model, args.weight_decay)
        self.n_tokens = self.steps * self.tokens_per_step
        self.unique_tokens = min(self.n_tokens, len(split.tokens))
        lanes = args.batch_size * args.grad_accum
        # One token more than is read as input: the last target.
        order = training_order(split, self.n_tokens + 1, args.seed)
        self.batches = Batches(order, lanes, args.context_size, len(split.tokens), self.device)
        tokenizer = self.corpus.tokenizer
        # Characters a token of all that the run reads, begin of tune aside: 1 where tokens are characters.
        self.chars_per_token = tokenizer.count_chars(order) / np.count_nonzero(order != BEGIN)
        self.val_tunes = sample_tunes(self.corpus.split("val"), args.eval_tokens)
        self.val_chars = sum(map(tokenizer.count_chars, self.val_tunes))
        self.params = self.arch.count_params(self.config)
        self.flops_per_token = self.arch.flops_per_token(self.config)
        self.carried = self.model.empty_state(lanes) if self.model.carries_state else None

    def train_step(self) -> tuple[Tensor, Tensor]:
        """One optimiser step; returns the mean loss and the gradient's norm, still on the device."""
        args = self.args
        total = torch.zeros((), device=self.device)
        for micro in range(args.grad_accum):
            lanes = slice(micro * args.batch_size, (micro + 1) * args.batch_size)
            x, y = self.batches.get(self.step, lanes)
            with autocast(self.device, self.precision):
                logits, state = self.forward(x, self.state_for(x, lanes))
                loss = F.cross_entropy(logits.float().flatten(0, 1), y.flatten())
            (loss / args.grad_accum).backward()
            if self.carried is not None:
                for kept, new in zip(self.carried, state, strict=True):
                    kept[:, lanes] = new.detach()
            total += loss.detach() / args.grad_accum
        norm = nn.utils.clip_grad_norm_(self.model.parameters(), args.grad_clip)
        self.optimizer.step(self.learning_rate())
        self.optimizer.zero_grad()
        return total, norm

    def state_for(self, x: Tensor, lanes: slice) -> tuple[Tensor, ...] | None:
        """The carried state of these lanes, zeroed where the window opens with the start of a tune."""
        if self.carried is None:
            return None
        keep = (x[:, 0] != BEGIN)[:, None]
        return tuple(state[:, lanes] * keep for state in self.carried)

    def learning_rate(self) -> float:
        return warmup_stable_decay(self.step, self.steps, self.args.learning_rate, self.warmup, self.cooldown)

    def validate(self) -> float:
        """Loss on the validation tunes, in nats a character (the end of a tune counts as one)."""
        nats = score_tunes(self.model, self.val_tunes, self.device, self.precision)
        self.model.train()
        return float(nats.sum() / self.val_chars)

    def save(self) -> None:
        save_state(
            self.output / "checkpoint.pt",
            {
                "fingerprint": self.fingerprint,
                "step": self.step,
                "seconds": self.seconds,
                "history": self.history,
                "losses": self.losses,
                "model": self.model.state_dict(),
                "optimizer": self.optimizer.state_dict(),
                "carried": self.carried,
            },
        )

    def resume(self) -> None:
        for torn in self.output.glob(".*.tmp.*"):  # what a kill in the middle of a write left behind
            torn.unlink(missing_ok=True)
        state = load_state(self.output / "checkpoint.pt", self.fingerprint)
        if state is None:
            return
        self.step, self.seconds = state["step"], state["seconds"]
        self.history, self.losses = state["history"], state["losses"]
        self.model.load_state_dict(state["model"])
        self.optimizer.load_state_dict(state["optimizer"])
        if self.carried is not None:
            for kept, saved in zip(self.carried, state["carried"], strict=True):
                kept.copy_(saved)
        print(f"resuming from step {self.step} of {self.steps}", flush=True)

    def finish(self) -> None:
        """Write the results; the checkpoint goes only when they are safely there."""
        table = io.StringIO()
        rows = csv.writer(table, lineterminator="\n")
        rows.writerow(HISTORY)
        rows.writerows(self.history)
        training = {
            "fingerprint": self.fingerprint,
            **self.identity,
            "model_name": self.args.model_name,
            "data_dir": str(self.args.data_dir),
            "steps": self.steps,
            "tokens": self.n_tokens,
            "unique_tokens": self.unique_tokens,
            "params_non_embedding": self.params[0],
            "params": self.params[1],
            "flops_per_token": self.flops_per_token,
            "flops": self.flops_per_token * self.n_tokens,
            "train_seconds": round(self.seconds, 3),
            "device_name": torch.cuda.get_device_name() if self.device.type == "cuda" else self.device.type,
        }
        save_model(self.output, self.model, self.corpus.tokenizer, training, table.getvalue())
        (self.output / "checkpoint.pt").unlink(missing_ok=True)


def compiled(model: nn.Module, when: str, device: torch.device):
    """The callable that training uses: torch.compile pays on GPUs for models that unroll no time loop."""
    wanted = when == "on" or (when == "auto" and device.type == "cuda" and not model.carries_state)
    return torch.compile(model) if wanted else model


def train(run: Run) -> None:
    """Go from wherever the run stands to its end.

    Raises:
        InputError: the loss or the gradient is not finite; the last checkpoint before it stays.
    """
    args = run.args
    stopped_by: list[int] = []
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, lambda got, frame: stopped_by.append(got))
    bar = tqdm(total=run.steps, initial=run.step, unit="step", disable=not sys.stderr.isatty())
    pending: list[tuple[int, Tensor, Tensor]] = []  # losses not yet looked at: looking waits for the device
    opened = last_saved = time.monotonic()
    seconds_before = run.seconds
    save_cost = 0.0

    while run.step < run.steps:
        rate = run.learning_rate()
        pending.append((run.step, *run.train_step()))
        run.step += 1
        bar.update()
        at_eval = run.step % run.eval_interval == 0 or run.step == run.steps
        # A large model takes long to save: keep that under a twentieth of the time.
        save_due = time.monotonic() - last_saved > max(args.checkpoint_seconds, 20 * save_cost)
        if not (at_eval or save_due or stopped_by or len(pending) == args.log_interval):
            continue

        for step, loss, norm in pending:
            if not (math.isfinite(loss.item()) and math.isfinite(norm.item())):
                raise InputError(
                    f"the loss is {loss.item():g} and the gradient norm {norm.item():g} at step {step}"
                    f" (learning rate {args.learning_rate:g}): lower --learning_rate"
                )
            run.losses.append(loss.item())
        pending.clear()
        run.seconds = seconds_before + time.monotonic() - opened
        speed = (run.step * run.tokens_per_step) / run.seconds
        bar.set_postfix_str(f"loss {run.losses[-1] / run.chars_per_token:.3f}, {speed:,.0f} tokens/s")
        if at_eval:
            val_loss = run.validate()
            tokens = run.step * run.tokens_per_step
            train_loss = sum(run.losses) / len(run.losses) / run.chars_per_token
            run.history.append(
                (
                    run.step,
                    tokens,
                    tokens * run.flops_per_token,
                    f"{rate:.6g}",
                    f"{train_loss:.6f}",
                    f"{val_loss:.6f}",
                    f"{run.seconds:.3f}",
                )
            )
            run.losses.clear()
            if bar.disable:
                left = run.seconds / run.step * (run.steps - run.step)
                print(
                    f"step {run.step}/{run.steps}  train {train_loss:.4f}  val {val_loss:.4f}"
                    f"  {speed:,.0f} tokens/s  {left:.0f} s left",
                    flush=True,
                )
        if stopped_by or (save_due and run.step < run.steps):
            save_start = time.monotonic()
            run.save()
            last_saved = time.monotonic()
            save_cost = last_saved - save_start
        if stopped_by:
            print(f"stopped by signal {stopped_by[0]} at step {run.step}; the same command goes on from here")
            sys.exit(128 + stopped_by[0])
    bar.close()


def main(argv: list[str] | None = None) -> None:
    parser = cli.parser(__doc__)
    model = parser.add_argument_group("model")
    model.add_argument("--arch", default="gpt", choices=architectures.names(), help="architecture")
    model.add_argument("--n_layer", type=cli.positive_int, default=4, help="layers")
    model.add_argument("--n_embd", type=cli.positive_int, default=128, help="width")
    model.add_argument("--n_head", type=cli.positive_int, default=4, help="attention heads (gpt only)")
    model.add_argument(
        "--context_size", "--block_size", type=cli.positive_int, default=256, help="training window, in tokens"
    )

    length = parser.add_argument_group("length and batch").add_mutually_exclusive_group()
    length.add_argument("--max_iters", type=cli.positive_int, help="optimiser steps (default: what --tokens needs)")
    length.add_argument("--tokens", type=cli.positive_int, default=1 << 20, help="training tokens")
    batch = parser.add_argument_group("optimisation")
    batch.add_argument("--batch_size", type=cli.positive_int, default=8, help="windows in one forward pass")
    batch.add_argument("--grad_accum", type=cli.positive_int, default=1, help="forward passes in one step")
    batch.add_argument("--learning_rate", type=cli.positive_float, default=1e-3, help="peak rate")
    batch.add_argument("--warmup_fraction", type=cli.fraction, default=0.02, help="share of steps to warm up")
    batch.add_argument(
        "--cooldown_fraction", type=cli.fraction, default=0.2, help="share of steps over which the rate falls to zero"
    )
    batch.add_argument("--weight_decay", type=cli.non_negative_float, default=0.1, help="decay of matrices")
    batch.add_argument("--grad_clip", type=cli.positive_float, default=1.0, help="largest gradient norm")
    batch.add_argument("--seed", type=cli.non_negative_int, default=0, help="of initial weights and data order")

    where = parser.add_argument_group("files")
    where.add_argument("--model_name", required=True, help="name of the run")
    where.add_argument("--data_dir", default="data/processed", help="corpus that prepare wrote")
    where.add_argument("--output_dir", help="folder to write (default: checkpoints/<model_name>)")

    how = parser.add_argument_group("machine")
    how.add_argument("--device", default="auto", help="auto, cpu, cuda, cuda:1, mps")
    how.add_argument("--precision", default="auto", choices=PRECISIONS, help="of matrix products")
    how.add_argument("--compile", default="auto", choices=("auto", "on", "off"), help="torch.compile")
    how.add_argument("--threads", type=cli.positive_int, default=os.cpu_count(), help="CPU threads")
    how.add_argument("--eval_interval", type=cli.positive_int, help="steps between validations (default: a tenth)")
    how.add_argument("--eval_tokens", type=cli.positive_int, default=16384, help="validation tokens to watch")
    how.add_argument("--log_interval", type=cli.positive_int, default=10, help="steps between looks at the loss")
    how.add_argument("--wait", action="store_true", help="wait for another process that trains into the same folder")
    how.add_argument(
        "--checkpoint_seconds", type=cli.non_negative_float, default=30, help="seconds between saves of the state"
    )
    args = parser.parse_args(argv)

    torch.set_num_threads(args.threads)
    run = Run(args)
    already = f"{run.output} already holds this run; delete it to train again"
    if run.is_finished():
        print(already)
        return
    run.build()
    run.output.mkdir(parents=True, exist_ok=True)
    if lock(run.output / ".lock", exclusive=True) is None:
        if not args.wait:
            raise InputError(f"another process is training into {run.output}: wait for it or stop it")
        print(f"waiting for the process that trains into {run.output}", flush=True)
        lock(run.output / ".lock", exclusive=True, wait=True)
    if run.is_finished():  # by another process, while this one was getting ready
        print(already)
        return
    epochs = run.n_tokens / len(run.corpus.split("train").tokens)
    print(
        f"{args.model_name}: {args.arch} {args.n_layer}x{args.n_embd}, {run.params[0]:,} parameters outside the"
        f" embedding, {run.params[1]:,} in all; {run.n_tokens:,} tokens ({epochs:.2f} epochs) in {run.steps:,} steps"
        f" on {run.device} in {run.precision}",
        flush=True,
    )
    if epochs > 4:
        print(f"warning: {epochs:.1f} epochs repeat the data more than 4 times; gains from repetition fade there")
    run.resume()
    train(run)
    run.finish()


if __name__ == "__main__":
    cli.run(main)
