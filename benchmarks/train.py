"""How fast a model trains, against nanoGPT (or torch's own LSTM and AdamW) at the same shapes, turn by turn.

On a CPU nanoGPT trains as it does there: single precision, without torch.compile; a second row gives it bfloat16 by
autocast, which it could have for a line. On a GPU, the shapes of the Lakh study: bfloat16, torch.compile and its fused
AdamW; a turn is ten steps, as training looks at its losses every ten, and the GPU runs behind. A step is all that a
step of training does: forward, backward, clipping, the optimiser. Each row is kept as soon as it is measured.

Examples:
  python -m benchmarks.train --nanogpt ../nanoGPT --threads 1
  python -m benchmarks.train --nanogpt ../nanoGPT --device cuda
  python -m benchmarks.train --nanogpt ../nanoGPT --device cuda --only 'gpt 24x1600' --seconds 500 --skip_measured
"""

import contextlib
import io
from argparse import Namespace
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from pathlib import Path

import numpy as np
import torch
import torch.nn.functional as F
from torch import nn

from benchmarks import against
from benchmarks.against import VOCABULARY, nanogpt_model, timed
from benchmarks.hardware import makers_flops
from benchmarks.kept import Kept, keep_each
from benchmarks.shapes import best_precision, of_study, sizes
from workflow.scripts import models
from workflow.scripts.base import cli
from workflow.scripts.base.code_identity import code_digest
from workflow.scripts.corpus.dataset import Split
from workflow.scripts.machine.device import autocast, pick_device, set_up_cpu
from workflow.scripts.models import ModelConfig
from workflow.scripts.training.batches import Batches
from workflow.scripts.training.memory import micro_batch_for
from workflow.scripts.training.optim import Optimizer
from workflow.scripts.training.stepper import Stepper

STEPS = 8  # of data, read round and round
A_TURN = {"cpu": 1, "cuda": 10}  # steps that are timed together
MOST_SECONDS = {"cpu": float("inf"), "cuda": 20.0}  # after which no further round of a row begins
# n_layer, n_embd, n_head, block_size, windows a step: of GPTs two that a CPU can train in an hour, then the default
# study's; of LSTMs the default study's, then wider ones.
ON_CPU = {
    "gpt": [
        *[(4, 128, 4, 256, 16), (4, 256, 8, 256, 8)],
        *[(2, 24, 2, 128, 8), (2, 32, 2, 128, 8), (2, 48, 3, 128, 8), (2, 64, 4, 128, 8), (3, 80, 4, 128, 8)],
    ],
    "lstm": [(1, width, 1, 128, 8) for width in (40, 56, 80, 112, 168, 316, 448, 888)],
}


@dataclass(frozen=True)
class Race:
    """A row: a shape, so many windows a step and in one pass, and the precision of ours and of the baseline."""

    config: ModelConfig
    lanes: int
    at_once: int
    precisions: tuple[str, str]

    @property
    def name(self) -> str:
        c = self.config
        return f"{c.arch} {c.n_layer}x{c.n_embd}, T={c.block_size}, B={self.lanes}, {self.precisions[0]}"

    @property
    def against(self) -> str:
        """The baseline and its precision: autocast runs cuDNN's LSTM in float16, whatever it is told."""
        other = self.precisions[1]
        if models.kind_of(self.config.arch) == "lstm":
            return f"nn.LSTM, {'float16' if other == 'bfloat16' else other}"
        return f"nanoGPT, {other}"

    @property
    def is_small(self) -> bool:
        """Whether it is of the default study."""
        return self.config.n_embd <= 168 and self.config.block_size == 128

    @property
    def code(self) -> str:
        """Digest of the code that ours runs."""
        return code_digest("training/stepper", f"models/{self.config.arch}")


def races(device: torch.device, memory_mb: int | None = None) -> list[Race]:
    """Every row there is; ``memory_mb`` of a GPU is what both sides have together, or not told."""
    best = best_precision(device)
    if device.type == "cuda":
        return [Race(config, lanes, at_once, (best, best)) for config, lanes, at_once in on_gpu(memory_mb)]
    found = []
    for config, lanes, at_once in on_cpu():
        if models.kind_of(config.arch) == "lstm" or Race(config, lanes, at_once, (best, best)).is_small:
            pairs = [("float32", "float32"), (best, "float32")]
        else:
            pairs = [(best, "float32"), (best, best)]
        found += [Race(config, lanes, at_once, pair) for pair in dict.fromkeys(pairs)]
    return found


def on_cpu() -> list[tuple[ModelConfig, int, int]]:
    """(shape, windows a step, windows in one pass) of the rows of a CPU."""
    return [
        (ModelConfig(arch, VOCABULARY, block_size, n_layer, n_embd, n_head), lanes, lanes)
        for arch, rows in ON_CPU.items()
        for n_layer, n_embd, n_head, block_size, lanes in rows
    ]


def on_gpu(memory_mb: int | None) -> list[tuple[ModelConfig, int, int]]:
    """The same of a GPU: the Lakh study's.

    A pass takes at most half of ``memory_mb``, if that is told, for the baseline is on the card at the same time.
    """
    found = []
    for shape in of_study():
        most = micro_batch_for(memory_mb // 2, shape.lanes, **sizes(shape.config)) if memory_mb else shape.lanes
        found.append((shape.config, shape.lanes, most))
    return found


def our_stepper(config: ModelConfig, lanes: int, at_once: int, device: torch.device, precision: str) -> Stepper:
    """A stepper over random tokens, of which there are `STEPS` steps."""
    model = models.module_for(config.arch).Model(config).to(device)
    tokens = np.random.default_rng(0).integers(2, config.vocab_size, lanes * (STEPS * config.block_size + 1))
    split = Split(tokens.astype(np.uint8), np.array([0, len(tokens)]))
    batches = Batches(split, 0, lanes, config.block_size, device, 0, STEPS)
    optimizer = Optimizer(model.param_groups(), 0.1, precision=precision)
    return Stepper(model, optimizer, batches, at_once, device, precision)


def our_step(config: ModelConfig, lanes: int, at_once: int, device: torch.device, precision: str) -> Callable:
    stepper = our_stepper(config, lanes, at_once, device, precision)
    steps = iter(range(1 << 30))
    return lambda: stepper.step(next(steps) % STEPS, 1e-3)


def turn(make: Callable[..., Callable[[], object]], times: int, *args) -> Callable[[], None]:
    """The step that ``make(*args)`` gives, so many times."""
    step = make(*args)

    def steps() -> None:
        for _ in range(times):
            step()

    return steps


class PlainLSTM(nn.Module):
    """Tied embeddings around torch.nn.LSTM, as the textbook has it."""

    def __init__(self, config: ModelConfig):
        super().__init__()
        self.wte = nn.Embedding(config.vocab_size, config.n_embd)
        self.lstm = nn.LSTM(config.n_embd, config.n_embd, config.n_layer, batch_first=True)

    def forward(self, x: torch.Tensor, y: torch.Tensor) -> tuple[None, torch.Tensor]:
        logits = F.linear(self.lstm(self.wte(x))[0], self.wte.weight)
        return None, F.cross_entropy(logits.flatten(0, 1), y.flatten())


def their_step(
    clone: Path, config: ModelConfig, lanes: int, at_once: int, device: torch.device, precision: str
) -> Callable:
    """A step of nanoGPT's training, or of a plain LSTM's, on a batch that is ready in memory."""
    torch.backends.cuda.matmul.allow_tf32 = torch.backends.cudnn.allow_tf32 = True  # as nanoGPT's train.py has it
    recurrent = models.kind_of(config.arch) == "lstm"
    if recurrent:
        model = PlainLSTM(config).to(device)
        optimizer = torch.optim.AdamW(model.parameters(), 1e-3, (0.9, 0.95), weight_decay=0.1)
    else:
        model = nanogpt_model(clone, config).to(device)
        with contextlib.redirect_stdout(io.StringIO()):
            optimizer = model.configure_optimizers(0.1, 1e-3, (0.9, 0.95), device.type)
    forward = torch.compile(model) if device.type == "cuda" and not recurrent else model
    x, y = (torch.randint(0, config.vocab_size, (at_once, config.block_size), device=device) for _ in range(2))
    passes = lanes // at_once

    def step() -> None:
        for _ in range(passes):
            with autocast(device, precision):
                _, loss = forward(x, y)
            (loss / passes).backward()
        nn.utils.clip_grad_norm_(model.parameters(), 1.0)
        optimizer.step()
        optimizer.zero_grad(set_to_none=True)

    return step


def measure(race: Race, args: Namespace, device: torch.device) -> dict:
    """A row of the result.

    Raises:
        InputError: one of the two processes ended before it was done.
    """
    times = A_TURN[device.type]
    size = race.config, race.lanes, race.at_once, device
    own, other = race.precisions
    plain = partial(torch.set_num_threads, args.threads)
    with (
        timed(partial(set_up_cpu, args.threads), device, turn, our_step, times, *size, own) as ours,
        timed(plain, device, turn, their_step, times, args.nanogpt, *size, other) as theirs,
    ):
        work = times * race.lanes * race.config.block_size
        rounds = args.rounds * (4 if race.is_small else 1)
        row = against.alternate(ours, theirs, (work, work), rounds, args.row_seconds or MOST_SECONDS[device.type])
    peak = {kind: against.product_flops(device, kind) for kind in dict.fromkeys((own, "float32"))}
    flops = models.module_for(race.config.arch).flops_per_token(race.config)
    head = {"name": race.name, "against": race.against, "unit": "tokens/s"}
    shares = {"product_flops": peak, "utilisation": share_of(peak[own], flops, row)}
    if device.type == "cuda":
        shares |= {"windows_in_a_pass": race.at_once, "flops_per_token": flops}
        if makers := makers_flops(against.machine(device), own):
            whole = flops + other_half(race.config)
            shares |= {"mfu": share_of(makers, flops, row), "mfu_whole_attention": share_of(makers, whole, row)}
    return head | row | shares


def share_of(peak: float, flops_per_token: float, row: dict) -> dict[str, float]:
    """Of so many FLOP a second the share that each side of a race uses."""
    return {side: flops_per_token * row[side][1] / peak for side in ("ours", "baseline")}


def other_half(config: ModelConfig) -> int:
    """FLOP a token of the half of the scores that the causal mask hides, which others count, too (Chowdhery 2022)."""
    return 6 * config.n_layer * config.block_size * config.n_embd if models.kind_of(config.arch) == "gpt" else 0


def main() -> None:
    arguments = against.parser(__doc__, rounds=15)
    arguments.add_argument("--row_seconds", type=cli.positive_float, help="of a row, after which no round begins")
    against.keep_rows(arguments)
    args = arguments.parse_args()
    torch.set_num_threads(args.threads)
    device = pick_device(args.device)
    found = races(device, torch.cuda.mem_get_info()[0] >> 20 if device.type == "cuda" else None)
    kept = Kept("train", device, args.output, args.commit, {race.name for race in found})
    keep_each(found, kept, partial(measure, args=args, device=device), args)


if __name__ == "__main__":
    cli.run(main)
