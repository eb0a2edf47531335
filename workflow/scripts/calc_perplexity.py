"""Perplexity of trained models on a whole split: every tune by itself, every character once.

Writes for each, beside its weights, a JSON file with the mean loss (nats a character; the end of a tune counts as one),
perplexity, and bits a character and a byte, which can be compared whatever the tokenizer; their standard error and 95%
interval by resampling tunes; the loss and perplexity a token; the loss of kinds of tunes (by source, compressibility,
voices, length) and of places in a tune. Beside it, a CSV with the loss of every tune: `compare` tells from it which
differences between models are real. A run that diverged has a loss of null, and no tunes.

Examples:
  python -m workflow.scripts.calc_perplexity --checkpoint checkpoints/gpt_xxl
  python -m workflow.scripts.calc_perplexity --checkpoint results/models/gpt_tiny/*
"""

from pathlib import Path

import torch

from workflow.scripts.base import cli
from workflow.scripts.base.files import write_json, write_text
from workflow.scripts.corpus.dataset import SPLITS
from workflow.scripts.evaluation.perplexity import Evaluator, tunes_csv
from workflow.scripts.machine.device import pick_device, set_up_cpu
from workflow.scripts.machine.options import add_machine_flags


def main(argv: list[str] | None = None) -> None:
    parser = cli.parser(__doc__)
    parser.add_argument(
        "--checkpoint", required=True, nargs="+", help="folders of trained models, or their weights files"
    )
    parser.add_argument("--data_dir", help="corpus that prepare wrote (default: what each was trained on)")
    parser.add_argument("--split", default="test", choices=SPLITS, help="which tunes to score")
    parser.add_argument("--output", help="JSON to write, of one model (default: beside the weights)")
    parser.add_argument("--batch_size", type=cli.positive_int, default=16, help="windows in one forward pass")
    add_machine_flags(parser)
    args = parser.parse_args(argv)
    if args.output and len(args.checkpoint) > 1:
        parser.error("--output takes the result of one --checkpoint")

    set_up_cpu(args.threads)
    torch.backends.cuda.matmul.fp32_precision = "tf32"  # as cuDNN's LSTM has by itself; several times as fast
    evaluator = Evaluator(args.split, pick_device(args.device, args.vram_mb), args.batch_size, args.data_dir)
    for checkpoint in args.checkpoint:
        summary, table = evaluator.evaluate(checkpoint)
        output = Path(args.output or default_output(Path(checkpoint), args.split))
        write_text(output.with_name(output.stem + "_tunes.csv"), tunes_csv(table))
        write_json(output, summary)
        print(f"{checkpoint}: {sentence(summary)}", flush=True)


def default_output(checkpoint: Path, split: str) -> Path:
    """The JSON file beside a model's weights, named by the split unless that is the test."""
    folder = checkpoint.parent if checkpoint.is_file() else checkpoint
    return folder / f"perplexity{'' if split == 'test' else f'_{split}'}.json"


def sentence(summary: dict) -> str:
    """What was found, for the terminal."""
    if summary["loss"] is None:
        return f"no loss, for the run diverged at step {summary['diverged_at_step']}"
    error = f" ± {summary['loss_se']:.4f}" if summary["loss_se"] is not None else ""
    alone = "" if error else "; one tune, so there is no interval"
    return (
        f"perplexity {summary['perplexity']:.4f} on {summary['tunes']:,} {summary['split']} tunes; loss"
        f" {summary['loss']:.4f}{error} nats, {summary['bits_per_char']:.4f} bits a character{alone}"
    )


if __name__ == "__main__":
    cli.run(main)
