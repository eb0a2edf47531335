"""How fast a model writes, in characters a second, against nanoGPT's `generate`, turn by turn.

Ours writes 16 tunes of 512 characters, or as many as a study may ask for: 200, 16 at a time. nanoGPT's sample.py writes
its samples one after another, which is one row; the other lets its `generate` write 16 in one batch, which it can.
Nobody's tune ends early. On a GPU, three Transformers of the Lakh study. Each row is kept as soon as it is measured.

Examples:
  python -m benchmarks.sample --nanogpt ../nanoGPT --threads 1
  python -m benchmarks.sample --nanogpt ../nanoGPT --device cuda --batched
"""

from argparse import Namespace
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from pathlib import Path

import torch

from benchmarks import against
from benchmarks.against import VOCABULARY, nanogpt_model, timed
from benchmarks.kept import Kept, keep_each
from benchmarks.shapes import best_precision, of_study, params
from workflow.scripts import models
from workflow.scripts.base import cli
from workflow.scripts.base.code_identity import code_digest
from workflow.scripts.machine.device import pick_device, set_up_cpu
from workflow.scripts.models import ModelConfig
from workflow.scripts.writing import generate

# Layers, width, heads, and tunes: the default study's smallest and largest, then those that are too wide for it.
ON_CPU = [(2, 24, 2, 16), (3, 80, 4, 16), (4, 128, 4, 16), (6, 384, 6, 16), (6, 288, 6, 200)]
BLOCK_SIZE, BATCH, LENGTH = 256, 16, 512
MANY = 200  # tunes of a run of a study
NO_END = -1  # an id that is never drawn


@dataclass(frozen=True)
class Race:
    """A row: a shape, how many tunes ours writes in which precision, and how many nanoGPT writes at a time."""

    config: ModelConfig
    samples: int
    precision: str
    batch: int

    @property
    def name(self) -> str:
        return f"gpt {self.config.n_layer}x{self.config.n_embd}, {self.samples} x {LENGTH} characters, {self.precision}"

    @property
    def against(self) -> str:
        return f"nanoGPT, {self.batch} at a time"

    @property
    def code(self) -> str:
        """Digest of the code that ours runs."""
        return code_digest("writing/generate", "models/gpt", late=True)


def races(device: torch.device, batched: bool) -> list[Race]:
    """Every row there is."""
    if device.type == "cuda":
        shapes, precisions = on_gpu(), (best_precision(device),)
    else:
        shapes = [
            (ModelConfig("gpt", VOCABULARY, BLOCK_SIZE, n_layer, n_embd, n_head), samples)
            for n_layer, n_embd, n_head, samples in ON_CPU
        ]
        precisions = (best_precision(device), "float32")
    return [
        Race(config, samples, precision, batch)
        for config, samples in shapes
        for batch in ((1, BATCH) if batched else (1,))
        for precision in dict.fromkeys(precisions if config.n_embd >= generate.BF16_PAYS_FROM else ("float32",))
    ]


def on_gpu() -> list[tuple[ModelConfig, int]]:
    """The smallest, the middle and the largest Transformer of the Lakh study, and the middle one with many tunes."""
    found = sorted(
        (shape.config for shape in of_study() if shape.is_trained and shape.config.arch == "gpt"), key=params
    )
    middle = found[len(found) // 2]
    return [(found[0], BATCH), (middle, BATCH), (found[-1], BATCH), (middle, MANY)]


def our_tunes(config: ModelConfig, samples: int, precision: str, device: torch.device) -> Callable:
    generate.END = NO_END
    model = models.module_for("gpt").Model(config).to(device).eval()
    model = generate.ready_to_write(model, precision)
    return lambda: generate.generate(model, [0], samples, LENGTH)


def their_tunes(clone: Path, config: ModelConfig, batch: int, device: torch.device) -> Callable:
    model = nanogpt_model(clone, config).to(device).eval()
    start = torch.zeros(batch, 1, dtype=torch.long, device=device)
    return lambda: model.generate(start, LENGTH)


def measure(race: Race, args: Namespace, device: torch.device) -> dict:
    """A row of the result.

    Raises:
        InputError: one of the two processes ended before it was done.
    """
    set_ups = (partial(set_up, args.threads) for set_up in (set_up_cpu, torch.set_num_threads))
    with (
        timed(next(set_ups), device, our_tunes, race.config, race.samples, race.precision, device) as ours,
        timed(next(set_ups), device, their_tunes, args.nanogpt, race.config, race.batch, device) as theirs,
    ):
        row = against.alternate(ours, theirs, (race.samples * LENGTH, race.batch * LENGTH), args.rounds)
    return {"name": race.name, "against": race.against, "unit": "characters/s", **row}


def main() -> None:
    arguments = against.parser(__doc__, rounds=3)
    arguments.add_argument("--batched", action="store_true", help="time nanoGPT's generate with 16 in one batch, too")
    against.keep_rows(arguments)
    args = arguments.parse_args()
    torch.set_num_threads(args.threads)
    device = pick_device(args.device)
    kept = Kept("sample", device, args.output, args.commit, {race.name for race in races(device, True)})
    keep_each(races(device, args.batched), kept, partial(measure, args=args, device=device), args)


if __name__ == "__main__":
    cli.run(main)
