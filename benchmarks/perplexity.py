"""How fast a split is scored, in characters a second, against nanoGPT's estimate of a loss, turn by turn.

nanoGPT's train.py draws 12 windows at random at a time and takes the mean of their losses: a character has half a
window before it in the mean, some have nothing, many are drawn twice and many never. Ours scores every character of
real tunes once, with half a window before it where the tune has it, and so reads most of them twice. The second
baseline has nanoGPT do that: windows one half apart, of which the second half counts.

Example:
  python -m benchmarks.perplexity --nanogpt ../nanoGPT data/corpora/music21
"""

from argparse import Namespace
from collections.abc import Callable
from functools import partial
from pathlib import Path

import numpy as np
import torch

from benchmarks.against import alternate, nanogpt_model, parser, product_flops, timed, write_result
from workflow.scripts import models
from workflow.scripts.base import cli
from workflow.scripts.corpus.dataset import Corpus
from workflow.scripts.evaluation.scoring import score_tunes, windows
from workflow.scripts.machine.device import pick_device, set_up_cpu
from workflow.scripts.models import ModelConfig

# Of the default study the middle and the largest, and one that fills a processor; each beside an LSTM of its size.
# Window, layers, width and heads; width of the LSTM.
SHAPES = [(128, 2, 48, 3, 80), (128, 3, 80, 4, 168), (256, 4, 128, 4, 316)]
WINDOWS, BATCHES, TUNES = 12, 8, 100


def our_scores(config: ModelConfig, data_dir: str, device: torch.device) -> Callable[[], object]:
    """What is timed of ours: every token of `TUNES` test tunes scored once."""
    model = models.module_for(config.arch).Model(config).to(device).eval()
    split = Corpus.load(data_dir).split("test")
    tunes = [split.tune(i) for i in range(min(TUNES, split.n_tunes))]
    return lambda: score_tunes(model, tunes, device)


def their_estimate(clone: Path, config: ModelConfig, data_dir: str, device: torch.device) -> Callable[[], object]:
    """What is timed of nanoGPT's: `BATCHES` of `WINDOWS` windows drawn at random."""
    model = nanogpt_model(clone, config).to(device).eval()
    tokens, T = torch.from_numpy(Corpus.load(data_dir).split("test").tokens.astype(np.int64)), config.block_size

    @torch.no_grad()
    def estimate() -> None:
        for _ in range(BATCHES):
            starts = torch.randint(len(tokens) - T, (WINDOWS,)).tolist()
            x = torch.stack([tokens[i : i + T] for i in starts]).to(device)
            y = torch.stack([tokens[i + 1 : i + 1 + T] for i in starts]).to(device)
            model(x, y)[1].item()

    return estimate


def tokens_read(config: ModelConfig, lengths: np.ndarray) -> int:
    """Tokens that pass through the model, some of them twice, for tunes with so many targets."""
    if config.arch == "lstm":
        return int(lengths.sum())
    return sum(stop - start for n in lengths.tolist() for start, stop, _ in windows(n, config.block_size))


def measure(
    config: ModelConfig, baseline: ModelConfig, lengths: np.ndarray, device: torch.device, args: Namespace
) -> tuple[dict, dict]:
    """Two rows of the result: ours against nanoGPT's estimate, and against one that reads half a window at a time.

    Args:
        lengths: (n_tunes,) targets of the tunes that ours scores.
    """
    chars = int(lengths.sum())
    plain = partial(torch.set_num_threads, args.threads)
    with (
        timed(partial(set_up_cpu, args.threads), device, our_scores, config, args.data_dir, device) as ours,
        timed(plain, device, their_estimate, args.nanogpt, baseline, args.data_dir, device) as theirs,
    ):
        row = alternate(ours, theirs, (chars, WINDOWS * BATCHES * baseline.block_size), args.rounds)
    peak = product_flops(device, "float32")
    # A forward pass takes a third of the FLOP of training.
    ours_flops, their_flops = (models.module_for(c.arch).flops_per_token(c) / 3 for c in (config, baseline))
    used = {
        "ours": ours_flops * tokens_read(config, lengths) / chars * row["ours"][1] / peak,
        "baseline": their_flops * row["baseline"][1] / peak,
    }
    row |= {"product_flops": {"float32": peak}, "utilisation": used}
    shape = f"nanoGPT {baseline.n_layer}x{baseline.n_embd}"
    whole = {"name": name_of(config), "against": f"{shape}, estimate", "unit": "characters/s", **row}
    half = {"baseline": [rate / 2 for rate in row["baseline"]], "ratio": [2 * ratio for ratio in row["ratio"]]}
    return whole, {**whole, "against": f"{shape}, half a window at a time", **half}


def name_of(config: ModelConfig) -> str:
    """A row's name."""
    return f"{config.arch} {config.n_layer}x{config.n_embd}, T={config.block_size}"


def main() -> None:
    arguments = parser(__doc__, rounds=5)
    arguments.add_argument("data_dir", help="corpus that prepare wrote, of characters")
    args = arguments.parse_args()
    torch.set_num_threads(args.threads)
    device = pick_device(args.device)
    corpus = Corpus.load(args.data_dir)
    lengths = np.diff(corpus.split("test").starts[: TUNES + 1]) - 1
    rows = []
    for T, n_layer, n_embd, n_head, width in SHAPES:
        baseline = ModelConfig("gpt", corpus.tokenizer.vocab_size, T, n_layer, n_embd, n_head)
        for config in (baseline, ModelConfig("lstm", corpus.tokenizer.vocab_size, T, 1, width, 1)):
            if args.only in name_of(config):
                whole, half = measure(config, baseline, lengths, device, args)
                rows += [whole, half]
                speed = f"{whole['ours'][1]:,.0f} characters/s, {whole['ratio'][1]:.2f} x {whole['against']}"
                print(f"{whole['name']}: {speed}", flush=True)
    if not args.only:
        write_result("perplexity", device, rows)


if __name__ == "__main__":
    cli.run(main)
