"""Gather what every run of a study left behind into three tables.

  runs.csv    one row a run: what it was, what it cost, how well it predicts, how often it writes music
  curves.csv  one row a validation: how the loss fell over tokens and FLOP
  strata.csv  one row for each kind of test tunes and each stretch of them, of each run at the largest budget

Losses are nats a character; tokens are what the model reads, of ``chars_per_token`` characters of the test split.

These, writing.csv and fit.json are all that the figures read, so they can be redrawn where no model is.
"""

from pathlib import Path

import pandas as pd

from workflow.scripts.base import cli
from workflow.scripts.base.errors import InputError
from workflow.scripts.base.files import read_json, write_text
from workflow.scripts.base.tables import read_csv
from workflow.scripts.writing.columns import BARS, JUDGED

# What runs.csv has of writing.csv: rates with their intervals, and other figures.
RATES = (*JUDGED, *BARS, "ended", "copied")
FIGURES = ("originality", "in_key", "pitch_class_overlap", "note_length_overlap")


def with_writing(runs: pd.DataFrame, writing: pd.DataFrame) -> pd.DataFrame:
    """The runs with what the tunes are like that they wrote without a prompt; empty for a run that wrote none."""
    columns = ["samples", *(f"{name}_{part}" for name in RATES for part in ("rate", "low", "high")), *FIGURES]
    own = writing[writing["prompt"].isna() & writing["arch"].notna()].rename(columns={"writer": "model"})
    key = ["model", "tokens", "seed"]
    joined = runs.merge(own[key + columns], on=key, how="left", validate="one_to_one")
    return joined.assign(samples=joined["samples"].fillna(0).astype(int))


def read_run(folder: Path) -> dict:
    """One row of runs.csv, without what its tunes are like."""
    config = read_json(folder / "config.json")
    if (perplexity := read_json(folder / "perplexity.json"))["split"] != "test":
        raise InputError(f"{folder / 'perplexity.json'} is not of the test split: run calc_perplexity once more")
    history = read_csv(folder / "history.csv", "train_loss", "val_loss")
    model, training = config["model"], config["training"]
    return {
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
        "test_loss_low": (perplexity["loss_ci95"] or [None, None])[0],
        "test_loss_high": (perplexity["loss_ci95"] or [None, None])[1],
        "perplexity": perplexity["perplexity"],
        "bits_per_char": perplexity["bits_per_char"],
        "bits_per_byte": perplexity["bits_per_byte"],
        "seconds": training["train_seconds"],
        "trunk_seconds": training["trunk_seconds"],
        "tokens_per_second": round(training["tokens"] / training["train_seconds"]),
        "device": training["device_name"],
        "precision": training["precision"],
        "tokenizer": config["tokenizer"]["kind"],
        "chars_per_token": perplexity["chars"] / perplexity["tokens"],
        "corpus": training["corpus"][:12],
    }


def run_columns(row: dict) -> dict:
    """Which run a row of another table is of."""
    return {name: row[name] for name in ("model", "arch", "params_non_embedding", "seed")} | {"budget": row["tokens"]}


def read_curve(folder: Path, row: dict) -> pd.DataFrame:
    curve = read_csv(folder / "history.csv", "tokens", "flops", "val_loss")
    for position, (name, value) in enumerate(run_columns(row).items()):
        curve.insert(position, name, value)
    return curve


def read_strata(folder: Path, row: dict) -> list[dict]:
    """Losses of the kinds of test tunes by name, and of places in a tune by tokens from its start."""
    perplexity = read_json(folder / "perplexity.json")
    found = [{"by": "position", "name": None} | place for place in perplexity["positions"]]
    for by, kinds in perplexity["strata"].items():
        found += [{"by": by, "start": None, "stop": None} | kind for kind in kinds]
    rows = []
    for kind in found:
        low, high = kind.pop("loss_ci95") or (None, None)
        rows.append(run_columns(row) | kind | {"loss_low": low, "loss_high": high})
    return rows


def main(argv: list[str] | None = None) -> None:
    parser = cli.parser(__doc__)
    parser.add_argument("--folders", required=True, nargs="+", help="folders of the runs")
    parser.add_argument("--writing", required=True, help="table that collect_writing wrote")
    parser.add_argument("--runs", default="results/runs.csv", help="table of runs to write")
    parser.add_argument("--curves", default="results/curves.csv", help="table of loss curves to write")
    parser.add_argument("--strata", default="results/strata.csv", help="table of losses by kind and place to write")
    args = parser.parse_args(argv)
    writing = read_csv(args.writing, "writer", "arch", "tokens", "seed", "prompt", "samples")
    folders = list(map(Path, args.folders))
    rows, curves = [], []
    for folder in folders:
        try:
            rows.append(read_run(folder))
            curves.append(read_curve(folder, rows[-1]))
        except (KeyError, TypeError) as error:
            raise InputError(f"{folder} is not a finished run: its results lack {error}") from error
    if len({row["corpus"] for row in rows}) > 1:
        raise InputError("the runs learnt from different corpora and cannot stand in one table")
    most = max(row["tokens"] for row in rows)
    finished = [(folder, row) for folder, row in zip(folders, rows, strict=True) if row["tokens"] == most]
    strata = pd.DataFrame([line for folder, row in finished for line in read_strata(folder, row)])
    strata = strata.astype({"start": "Int64", "stop": "Int64"})
    runs = with_writing(pd.DataFrame(rows), writing)
    runs = runs.sort_values(["arch", "params_non_embedding", "tokens", "seed"], kind="stable")
    for path, table in ((args.runs, runs), (args.curves, pd.concat(curves)), (args.strata, strata)):
        write_text(path, table.to_csv(index=False, lineterminator="\n"))
    print(f"wrote {len(runs)} runs to {args.runs}")


if __name__ == "__main__":
    cli.run(main)
