"""How fast a model trains, against nanoGPT (or torch's own LSTM and AdamW) at the same shapes, turn by turn.

On a CPU nanoGPT trains as it does there: single precision, without torch.compile; a second row gives it bfloat16 by
autocast, which it could have for a line. On a GPU: bfloat16, torch.compile and its fused AdamW. A step is all that a
step of training does: forward, backward, clipping, the optimiser.

Examples:
  python -m benchmarks.train --nanogpt ../nanoGPT --threads 1
  python -m benchmarks.train --nanogpt ../nanoGPT --device cuda
"""

import contextlib
import io
from collections.abc import Callable
from functools import partial
from pathlib import Path

import numpy as np
import torch
import torch.nn.functional as F
import yaml
from torch import nn

from benchmarks.against import VOCABULARY, alternate, nanogpt_model, parser, product_flops, timed, write_result
from workflow.scripts import models
from workflow.scripts.base import cli
from workflow.scripts.corpus.dataset import Split
from workflow.scripts.machine.device import autocast, pick_device, pick_precision, set_up_cpu
from workflow.scripts.models import ModelConfig
from workflow.scripts.training.batches import Batches
from workflow.scripts.training.memory import micro_batch_for
from workflow.scripts.training.optim import Optimizer
from workflow.scripts.training.stepper import Stepper

STEPS = 8  # of data, read round and round
# n_layer, n_embd, n_head, block_size, windows a step: of GPTs two that a CPU can train in an hour, then the default
# study's; of LSTMs the default study's, then wider ones.
ON_CPU = {
    "gpt": [
        *[(4, 128, 4, 256, 16), (4, 256, 8, 256, 8)],
        *[(2, 24, 2, 128, 8), (2, 32, 2, 128, 8), (2, 48, 3, 128, 8), (2, 64, 4, 128, 8), (3, 80, 4, 128, 8)],
    ],
    "lstm": [(1, width, 1, 128, 8) for width in (40, 56, 80, 112, 168, 316, 448, 888)],
}
LAKH = Path(__file__).parents[1] / "studies" / "lakh.yaml"


def shapes(memory_mb: int | None) -> list[tuple[ModelConfig, int, int]]:
    """(shape, windows a step, windows in one pass) of every row: on a GPU those of the Lakh study.

    A pass takes at most half of a GPU's ``memory_mb``, for the baseline is on the card at the same time.
    """
    if memory_mb is None:
        return [
            (ModelConfig(arch, VOCABULARY, block_size, n_layer, n_embd, n_head), lanes, lanes)
            for arch, rows in ON_CPU.items()
            for n_layer, n_embd, n_head, block_size, lanes in rows
        ]
    study = yaml.safe_load(LAKH.read_text())
    rows = []
    for name in study["suite"]:
        model = study["models"][name]
        shape = ModelConfig(
            model["arch"], VOCABULARY, study["block_size"], model["n_layer"], model["n_embd"], model.get("n_head", 1)
        )
        lanes = study["batch_size"]
        rows.append((shape, lanes, micro_batch_for(memory_mb // 2, lanes, precision="auto", **sizes(shape))))
    return rows


def sizes(config: ModelConfig) -> dict[str, object]:
    """Of a shape what `vram_mb` asks for."""
    return {name: getattr(config, name) for name in ("arch", "n_layer", "n_embd", "vocab_size", "block_size")}


def our_step(config: ModelConfig, lanes: int, at_once: int, device: torch.device, precision: str) -> Callable:
    model = models.module_for(config.arch).Model(config).to(device)
    tokens = np.random.default_rng(0).integers(2, config.vocab_size, lanes * (STEPS * config.block_size + 1))
    split = Split(tokens.astype(np.uint8), np.array([0, len(tokens)]))
    batches = Batches(split, 0, lanes, config.block_size, device, 0, STEPS)
    stepper = Stepper(model, Optimizer(model.param_groups(), 0.1), batches, at_once, device, precision)
    steps = iter(range(1 << 30))
    return lambda: stepper.step(next(steps) % STEPS, 1e-3)


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
    if config.arch == "lstm":
        model = PlainLSTM(config).to(device)
        optimizer = torch.optim.AdamW(model.parameters(), 1e-3, (0.9, 0.95), weight_decay=0.1)
    else:
        model = nanogpt_model(clone, config).to(device)
        with contextlib.redirect_stdout(io.StringIO()):
            optimizer = model.configure_optimizers(0.1, 1e-3, (0.9, 0.95), device.type)
    on_gpu = device.type == "cuda"
    forward = torch.compile(model) if on_gpu and config.arch != "lstm" else model
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


def main() -> None:
    args = parser(__doc__, rounds=15).parse_args()
    torch.set_num_threads(args.threads)
    device = pick_device(args.device)
    precision = pick_precision("auto", device)
    rows = []
    memory_mb = torch.cuda.mem_get_info()[0] >> 20 if device.type == "cuda" else None
    for config, lanes, at_once in shapes(memory_mb):
        shape = f"{config.arch} {config.n_layer}x{config.n_embd}, T={config.block_size}, B={lanes}"
        baseline = "nn.LSTM" if config.arch == "lstm" else "nanoGPT"
        small = config.n_embd <= 168 and config.block_size == 128  # of the default study, in single precision
        if device.type == "cuda":
            pairs = [(precision, precision)]
        elif small or config.arch == "lstm":
            pairs = [("float32", "float32"), (precision, "float32")]
        else:
            pairs = [(precision, "float32"), (precision, precision)]
        for own, other in dict.fromkeys(pairs):
            name = f"{shape}, {own}"
            if args.only not in name:
                continue
            work = lanes * config.block_size
            size = config, lanes, at_once, device
            with (
                timed(partial(set_up_cpu, args.threads), device, our_step, *size, own) as ours,
                timed(
                    partial(torch.set_num_threads, args.threads), device, their_step, args.nanogpt, *size, other
                ) as theirs,
            ):
                row = alternate(ours, theirs, (work, work), args.rounds * (4 if small else 1))
            peak = {kind: product_flops(device, kind) for kind in dict.fromkeys((own, "float32"))}
            flops = models.module_for(config.arch).flops_per_token(config)
            used = {side: flops * row[side][1] / peak[own] for side in ("ours", "baseline")}
            # Autocast runs cuDNN's LSTM in float16, whatever it is told.
            against = f"{baseline}, {'float16' if baseline == 'nn.LSTM' and other == 'bfloat16' else other}"
            head = {"name": name, "against": against, "unit": "tokens/s"}
            rows.append(head | row | {"product_flops": peak, "utilisation": used})
            print(f"{name}: {row['ours'][1]:,.0f} tokens/s, {row['ratio'][1]:.2f} x {against}", flush=True)
    if not args.only:
        write_result("train", device, rows)


if __name__ == "__main__":
    cli.run(main)
