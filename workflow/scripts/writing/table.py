"""The table of all that was written: a row for each writer and prompt, from what the judges found.

Without a prompt, a row has what is in validity.json, style.json and copying.json. After a prompt only form and style
are judged, so it has what is in style.json.
"""

from collections.abc import Iterable
from pathlib import Path

import pandas as pd

from workflow.scripts.base import measures
from workflow.scripts.base.errors import InputError
from workflow.scripts.base.files import read_json


def writing_table(folders: Iterable[str | Path]) -> pd.DataFrame:
    """The rows of some writers: folders of runs and baselines that were judged.

    Raises:
        InputError: a folder's results are missing, or are not what the judges write.
    """
    rows = []
    for folder in map(Path, folders):
        try:
            rows += rows_of(folder)
        except (KeyError, TypeError, ValueError) as error:
            raise InputError(f"{folder}: its results are not what the judges write ({error!r})") from error
    return pd.DataFrame(rows).astype(dict.fromkeys(("params_non_embedding", "tokens", "seed"), "Int64"))


def rows_of(folder: Path) -> list[dict]:
    """The rows of one writer: what it wrote by itself, then prompt by prompt."""
    writer = writer_of(folder)
    validity, copying = read_json(folder / "validity.json"), read_json(folder / "copying.json")["summary"]
    found = validity["rates"] | validity["bars"]
    unprompted, *prompted = read_json(folder / "style.json")["folders"].items()
    rows = []
    for prompt, style in [("", unprompted[1]), *prompted]:
        row = writer | {"prompt": prompt, "samples": style["n"]}
        for rate in (*measures.JUDGED, measures.CUT, *measures.BARS):
            row |= columns_of(rate, (style["rates"] if prompt else found).get(rate))
        rows.append(row | style_columns(style) | ({} if prompt else copying_columns(copying)))
    return rows


def writer_of(folder: Path) -> dict:
    """Who wrote what is in a folder: a model's run, or else a baseline of the folder's name."""
    if not (folder / "config.json").exists():
        return {"writer": folder.name} | dict.fromkeys(("arch", "params_non_embedding", "tokens", "seed"))
    config = read_json(folder / "config.json")
    training = config["training"]
    return {
        "writer": training["model_name"],
        "arch": config["model"]["arch"],
        "params_non_embedding": training["params_non_embedding"],
        "tokens": training["tokens"],
        "seed": training["options"]["seed"],
    }


def columns_of(rate: measures.Rate, found: dict | None) -> dict:
    """A rate and its interval; empty where nothing was judged, as no tune may have a meter to keep."""
    low, high = (found and found["ci95"]) or (None, None)
    return {
        rate.rate: found and found["rate"],
        rate.low: low,
        rate.high: high,
        rate.n: found["n"] if found else 0,
    }


def style_columns(style: dict) -> dict:
    """What a row has of style.json: rates of form, means, and distances from the reference."""
    row: dict = {}
    for rate in measures.FORM:
        row |= columns_of(rate, style["rates"][rate])
    for name in measures.MEANS:
        row[name] = style["means"][name] and style["means"][name]["mean"]
    for distance in measures.DISTANCES:
        found = style["distances"][distance]
        row |= {distance.overlap: found["overlap"], distance.kl: found["kl"]}
    return row


def copying_columns(copying: dict) -> dict:
    """What a row has of copying.json: the rate of copies and the medians of each measure."""
    row = columns_of(measures.COPIED, copying[measures.COPIED])
    for name in (*measures.LIKENESS, *measures.STRETCH):
        row[name] = copying[name] and copying[name]["median"]
    return row
