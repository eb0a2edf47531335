"""How fast a model writes, in characters a second, against nanoGPT's `generate`, turn by turn.

Ours writes 16 tunes of 512 characters in one batch. nanoGPT's sample.py writes its samples one after another, which is
one row; the other lets its `generate` write 16 in one batch, which it can. Nobody's tune ends early.

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

SHAPES = [(4, 128, 4), (6, 384, 6)]
BLOCK_SIZE, SAMPLES, LENGTH = 256, 16, 512
NO_END = -1  # an id that is never drawn


def our_tunes(config: ModelConfig, precision: str, device: torch.device) -> Callable:
    generate.END = NO_END
    model = models.module_for("gpt").Model(config).to(device).eval()
    model = generate.ready_to_write(model, precision)
    return lambda: generate.generate(model, [0], SAMPLES, LENGTH)


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
    for n_layer, n_embd, n_head in SHAPES:
        config = ModelConfig("gpt", VOCABULARY, BLOCK_SIZE, n_layer, n_embd, n_head)
        for batch in (1, SAMPLES) if args.batched else (1,):
            for precision in dict.fromkeys((pick_precision("auto", device), "float32")):
                name = f"gpt {n_layer}x{n_embd}, {SAMPLES} x {LENGTH} characters, {precision}"
                if args.only not in name:
                    continue
                with (
                    timed(partial(set_up_cpu, args.threads), device, our_tunes, config, precision, device) as ours,
                    timed(
                        partial(torch.set_num_threads, args.threads),
                        device,
                        their_tunes,
                        args.nanogpt,
                        config,
                        batch,
                        device,
                    ) as theirs,
                ):
                    row = alternate(ours, theirs, (SAMPLES * LENGTH, batch * LENGTH), args.rounds)
                against = f"nanoGPT, {batch} at a time"
                rows.append({"name": name, "against": against, "unit": "characters/s", **row})
                print(f"{name}: {row['ours'][1]:,.0f} characters/s, {row['ratio'][1]:.0f} x {against}", flush=True)
    if not args.only:
        write_result("sample", device, rows)


if __name__ == "__main__":
    cli.run(main)
