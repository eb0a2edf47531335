"""Gather what every run of a study left behind into two tables.

  runs.csv    one row a run: what it was, what it cost, how well it predicts, how often it writes music
  curves.csv  one row a validation: how the loss fell over tokens and FLOP

Losses are nats a character; tokens are what the model reads, of ``chars_per_token`` characters of the test split.

These two and fit.json are all that the figures read, so they can be redrawn where no model is.
"""

from pathlib import Path

import pandas as pd

from workflow.scripts import cli
from workflow.scripts.cli import InputError
from workflow.scripts.files import read_json, write_text
from workflow.scripts.tables import read_csv

JUDGED = ("syntax", "tools", "compiles", "music21", "rhythm", "abc2midi", "valid")
NOT_JUDGED = {"n": 0, "rate": None, "ci95": (None, None)}


def read_run(folder: Path, sampled: bool) -> dict:
    """One row of runs.csv; without rates of validity where no tunes were drawn."""
    config = read_json(folder / "config.json")
    if (perplexity := read_json(folder / "perplexity.json"))["split"] != "test":
        raise InputError(f"{folder / 'perplexity.json'} is not of the test split: run calc_perplexity once more")
    validity = read_json(folder / "validity.json")["rates"] if sampled else dict.fromkeys(JUDGED, NOT_JUDGED)
    history = read_csv(folder / "history.csv", "train_loss", "val_loss")
    model, training = config["model"], config["training"]
    row = {
        "model": training["model_name"],
        "arch": model["arch"],
        "n_layer": model["n_layer"],
        "n_embd": model["n_embd"],
        "n_head": model["n_head"] if model["arch"] != "lstm" else None,
        "block_size": model["block_size"],
        "params": training["params"],
        "params_non_embedding": training["params_non_embedding"],
        "tokens": training["tokens"],
        "unique_tokens": training["unique_tokens"],
        "flops": training["flops"],
        "seed": training["options"]["seed"],
        "learning_rate": training["options"]["learning_rate"],
        "train_loss": history["train_loss"].iloc[-1],
        "val_loss": history["val_loss"].iloc[-1],
        "test_loss": perplexity["loss"],
        "test_loss_se": perplexity["loss_se"],
        "perplexity": perplexity["perplexity"],
        "bits_per_char": perplexity["bits_per_char"],
    }
    for name in JUDGED:
        rate = validity.get(name, NOT_JUDGED)  # no tune may have a meter to keep
        row |= {f"{name}_rate": rate["rate"], f"{name}_low": rate["ci95"][0], f"{name}_high": rate["ci95"][1]}
    return row | {
        "samples": validity["valid"]["n"],
        "seconds": training["train_seconds"],
        "trunk_seconds": training["trunk_seconds"],
        "tokens_per_second": round(training["tokens"] / training["train_seconds"]),
        "device": training["device_name"],
        "precision": training["precision"],
        "tokenizer": config["tokenizer"]["kind"],
        "chars_per_token": perplexity["chars"] / perplexity["tokens"],
        "corpus": training["corpus"][:12],
    }


def read_curve(folder: Path, row: dict) -> pd.DataFrame:
    curve = read_csv(folder / "history.csv", "tokens", "flops", "val_loss")
    for position, name in enumerate(("model", "arch", "params_non_embedding", "seed")):
        curve.insert(position, name, row[name])
    curve.insert(4, "budget", row["tokens"])
    return curve


def main(argv: list[str] | None = None) -> None:
    parser = cli.parser(__doc__)
    parser.add_argument("--folders", required=True, nargs="+", help="folders of the runs")
    parser.add_argument("--sampled", nargs="*", default=[], help="those of them that tunes were drawn from")
    parser.add_argument("--runs", default="results/runs.csv", help="table of runs to write")
    parser.add_argument("--curves", default="results/curves.csv", help="table of loss curves to write")
    args = parser.parse_args(argv)
    rows, curves = [], []
    sampled = set(map(Path, args.sampled))
    for folder in map(Path, args.folders):
        try:
            rows.append(read_run(folder, folder in sampled))
            curves.append(read_curve(folder, rows[-1]))
        except (KeyError, TypeError) as error:
            raise InputError(f"{folder} is not a finished run: its results lack {error}") from error
    if len({row["corpus"] for row in rows}) > 1:
        raise InputError("the runs learnt from different corpora and cannot stand in one table")
    runs = pd.DataFrame(rows).sort_values(["arch", "params_non_embedding", "tokens", "seed"], kind="stable")
    write_text(args.runs, runs.to_csv(index=False, lineterminator="\n"))
    write_text(args.curves, pd.concat(curves).to_csv(index=False, lineterminator="\n"))
    print(f"wrote {len(runs)} runs to {args.runs}")


if __name__ == "__main__":
    cli.run(main)
