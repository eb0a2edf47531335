"""What every run of a study left behind -> three tables: of runs, of loss curves, of losses by kind and place."""

from pathlib import Path

import numpy as np
import pandas as pd

from workflow.scripts.base import measures
from workflow.scripts.base.errors import InputError
from workflow.scripts.base.files import read_json
from workflow.scripts.base.tables import read_csv
from workflow.scripts.models import kind_of

# What runs.csv has of writing.csv: rates with their intervals, and other figures.
RATES = (*measures.JUDGED, *measures.BARS, measures.ENDED, measures.COPIED)
FIGURES = (measures.ORIGINALITY, measures.IN_KEY, measures.PITCH_CLASS.overlap, measures.NOTE_LENGTH.overlap)
ROUNDED = 1.05  # a run reads whole steps, and so a little more or less than its budget


def runs_tables(
    folders: list[Path], writing: pd.DataFrame | None, strata_tokens: float = np.inf
) -> tuple[pd.DataFrame, pd.DataFrame, pd.DataFrame]:
    """runs.csv, curves.csv and strata.csv of the runs in some folders.

    Args:
        writing: what `collect_writing` wrote; None if no run of these wrote anything.
        strata_tokens: strata.csv is of the runs at the largest budget up to this one, and of none where all are longer.

    Raises:
        InputError: a run is not finished, or two learnt from different corpora.
    """
    rows, curves = [], []
    for folder in folders:
        try:
            rows.append(read_run(folder))
            curves.append(read_curve(folder, rows[-1]))
        except (KeyError, TypeError) as error:
            raise InputError(f"{folder} is not a finished run: its results lack {error}") from error
    if len({row["corpus"] for row in rows}) > 1:
        raise InputError("the runs learnt from different corpora and cannot stand in one table")
    budgets = {row["tokens"] for row in rows if row["tokens"] < ROUNDED * strata_tokens}
    most = max(budgets, default=0)
    finished = [(folder, row) for folder, row in zip(folders, rows, strict=True) if row["tokens"] == most]
    lines = [line for folder, row in finished for line in read_strata(folder, row)]
    strata = pd.DataFrame(lines, columns=None if lines else [*run_columns(rows[0]), "start", "stop"])
    runs = with_writing(pd.DataFrame(rows), writing)
    runs = runs.sort_values(["arch", "params_non_embedding", "tokens", "seed"], kind="stable")
    return runs, pd.concat(curves), strata.astype({"start": "Int64", "stop": "Int64"})


def with_writing(runs: pd.DataFrame, writing: pd.DataFrame | None) -> pd.DataFrame:
    """The runs with what the tunes are like that they wrote without a prompt; empty for a run that wrote none."""
    columns = ["samples", *(name for rate in RATES for name in (rate.rate, rate.low, rate.high)), *FIGURES]
    if writing is None:
        return runs.reindex(columns=[*runs.columns, *columns]).assign(samples=0)
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
        "n_head": model["n_head"] if kind_of(model["arch"]) != "lstm" else None,
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
