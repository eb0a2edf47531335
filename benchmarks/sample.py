"""How fast a model writes, in characters a second, against nanoGPT's `generate`, turn by turn.

Ours writes 16 tunes of 512 characters, or as many as a study may ask for: 200, 16 at a time. nanoGPT's sample.py writes
its samples one after another, which is one row; the other lets its `generate` write 16 in one batch, which it can.
Nobody's tune ends early.

Example:
  python -m benchmarks.sample --nanogpt ../nanoGPT --threads 1
"""

from collections.abc import Callable
from functools import partial
from pathlib import Path

import torch

from benchmarks.against import VOCABULARY, alternate, nanogpt_model, parser, timed, write_result
from workflow.scripts import models
from workflow.scripts.base import cli
from workflow.scripts.machine.device import pick_device, pick_precision, set_up_cpu
from workflow.scripts.models import ModelConfig
from workflow.scripts.writing import generate

# Layers, width, heads, and tunes: the default study's smallest and largest, then those that are too wide for it.
SHAPES = [(2, 24, 2, 16), (3, 80, 4, 16), (4, 128, 4, 16), (6, 384, 6, 16), (6, 288, 6, 200)]
BLOCK_SIZE, BATCH, LENGTH = 256, 16, 512
NO_END = -1  # an id that is never drawn


def our_tunes(config: ModelConfig, samples: int, precision: str, device: torch.device) -> Callable:
    generate.END = NO_END
    model = models.module_for("gpt").Model(config).to(device).eval()
    model = generate.ready_to_write(model, precision)
    return lambda: generate.generate(model, [0], samples, LENGTH)


def their_tunes(clone: Path, config: ModelConfig, batch: int, device: torch.device) -> Callable:
    model = nanogpt_model(clone, config).to(device).eval()
    start = torch.zeros(batch, 1, dtype=torch.long, device=device)
    return lambda: model.generate(start, LENGTH)


def main() -> None:
    arguments = parser(__doc__, rounds=3)
    arguments.add_argument("--batched", action="store_true", help="time nanoGPT's generate with 16 in one batch, too")
    args = arguments.parse_args()
    torch.set_num_threads(args.threads)
    device = pick_device(args.device)
    rows = []
    for n_layer, n_embd, n_head, samples in SHAPES:
        config = ModelConfig("gpt", VOCABULARY, BLOCK_SIZE, n_layer, n_embd, n_head)
        best = pick_precision("auto", device) if n_embd >= generate.BF16_PAYS_FROM else "float32"
        for batch in (1, BATCH) if args.batched else (1,):
            for precision in dict.fromkeys((best, "float32")):
                name = f"gpt {n_layer}x{n_embd}, {samples} x {LENGTH} characters, {precision}"
                if args.only not in name:
                    continue
                set_ups = (partial(set_up, args.threads) for set_up in (set_up_cpu, torch.set_num_threads))
                with (
                    timed(next(set_ups), device, our_tunes, config, samples, precision, device) as ours,
                    timed(next(set_ups), device, their_tunes, args.nanogpt, config, batch, device) as theirs,
                ):
                    row = alternate(ours, theirs, (samples * LENGTH, batch * LENGTH), args.rounds)
                against = f"nanoGPT, {batch} at a time"
                rows.append({"name": name, "against": against, "unit": "characters/s", **row})
                print(f"{name}: {row['ours'][1]:,.0f} characters/s, {row['ratio'][1]:.0f} x {against}", flush=True)
    if not args.only:
        write_result("sample", device, rows)


if __name__ == "__main__":
    cli.run(main)
