"""Perplexity of a trained model on a whole split: every tune by itself, every character once.

Writes a JSON file with the mean loss (nats a character; the end of a tune counts as one), its standard
error by resampling tunes, perplexity and bits a character, which can be compared whatever the tokenizer;
the loss and perplexity a token; and beside it a CSV with the loss of every tune, so that models can be
compared tune by tune. A run that diverged has a loss of null, and no tunes.

Example:
  python -m workflow.scripts.calc_perplexity --checkpoint checkpoints/gpt_xxl
"""

import csv
import io
import math
import os
from pathlib import Path

import numpy as np
import torch

from workflow.scripts import cli
from workflow.scripts.checkpoint import load_model
from workflow.scripts.cli import InputError
from workflow.scripts.corpus import SPLITS, Corpus
from workflow.scripts.device import pick_device, set_up_cpu
from workflow.scripts.files import write_json, write_text
from workflow.scripts.scoring import mean_and_error, score_tunes


def evaluate(checkpoint: str, data_dir: str | None, split_name: str, device: torch.device, batch: int):
    """Loss summary (dict) and per-tune (tokens, chars, nats) arrays of a model on a split; empty if it diverged.

    Raises:
        InputError: the corpus has another vocabulary than the model.
    """
    model, tokenizer, training = load_model(checkpoint, device)
    if (step := training.get("diverged_at_step")) is not None:
        summary = {"split": split_name, "loss": None, "loss_se": None, "diverged_at_step": step}
        return summary, *3 * [np.array([])]
    corpus = Corpus.load(data_dir or training["data_dir"])
    if corpus.tokenizer != tokenizer:
        raise InputError(f"{checkpoint} was trained with another vocabulary than that of {corpus.folder}")
    split = corpus.split(split_name)
    tunes = [split.tune(i) for i in range(split.n_tunes)]
    tokens = np.array([len(tune) - 1 for tune in tunes])
    chars = np.array([tokenizer.count_chars(tune) for tune in tunes])
    nats = score_tunes(model, tunes, device, batch=batch)
    loss, error = mean_and_error(nats, chars)
    if not math.isfinite(loss):
        raise InputError(f"{checkpoint} gives a loss of {loss}: its weights are not those of a trained model")
    loss_per_token = math.fsum(nats) / int(tokens.sum())
    summary = {
        "split": split_name,
        "tunes": len(tunes),
        "tokens": int(tokens.sum()),
        "chars": int(chars.sum()),
        "loss": loss,
        "loss_se": error,
        "loss_ci95": [loss - 1.96 * error, loss + 1.96 * error],
        "perplexity": math.exp(loss),
        "bits_per_char": loss / math.log(2),
        "loss_per_token": loss_per_token,
        "perplexity_per_token": math.exp(loss_per_token),
        "corpus_sha256": corpus.content_sha256,
        "trained_on_this_corpus": corpus.content_sha256 == training["corpus"],
    }
    return summary, tokens, chars, nats


def main(argv: list[str] | None = None) -> None:
    parser = cli.parser(__doc__)
    parser.add_argument("--checkpoint", required=True, help="folder of a trained model, or its weights file")
    parser.add_argument("--data_dir", help="corpus that prepare wrote (default: the one the model was trained on)")
    parser.add_argument("--split", default="test", choices=SPLITS, help="which tunes to score")
    parser.add_argument("--output", help="JSON to write (default: beside the weights)")
    parser.add_argument("--batch_size", type=cli.positive_int, default=32, help="windows in one forward pass")
    parser.add_argument("--device", default="auto", help="auto, cpu, cuda, cuda:1, mps")
    parser.add_argument("--vram_mb", type=cli.non_negative_int, default=0, help="share of a GPU to take; 0: all of it")
    parser.add_argument("--threads", type=cli.positive_int, default=os.cpu_count(), help="CPU threads")
    args = parser.parse_args(argv)

    set_up_cpu(args.threads)
    torch.backends.cuda.matmul.fp32_precision = "tf32"  # as cuDNN's LSTM has by itself; several times as fast
    summary, tokens, chars, nats = evaluate(
        args.checkpoint, args.data_dir, args.split, pick_device(args.device, args.vram_mb), args.batch_size
    )
    checkpoint = Path(args.checkpoint)
    folder = checkpoint.parent if checkpoint.is_file() else checkpoint
    suffix = "" if args.split == "test" else f"_{args.split}"
    output = Path(args.output or folder / f"perplexity{suffix}.json")
    table = io.StringIO()
    rows = csv.writer(table, lineterminator="\n")
    rows.writerow(["tune", "tokens", "chars", "nats"])
    rows.writerows((i, n, c, f"{loss:.6f}") for i, (n, c, loss) in enumerate(zip(tokens, chars, nats, strict=True)))
    write_text(output.with_name(output.stem + "_tunes.csv"), table.getvalue())
    write_json(output, summary)
    if summary["loss"] is None:
        print(f"{args.checkpoint}: no loss, for the run diverged at step {summary['diverged_at_step']}")
        return
    print(
        f"{args.checkpoint}: perplexity {summary['perplexity']:.4f} on {summary['tunes']:,} {args.split} tunes;"
        f" loss {summary['loss']:.4f} ± {summary['loss_se']:.4f} nats, {summary['bits_per_char']:.4f} bits a character"
    )


if __name__ == "__main__":
    cli.run(main)
