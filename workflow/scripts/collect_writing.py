"""Gather what was found of all that was written into one table: by models, by n-grams and by people.

A row is what one writer (a run of a model, or a baseline) wrote, without a prompt or after one of the study's. A
model's columns say which run it is. Then come the rates with their 95% intervals, the means of style, the distances
from real tunes, and of copying the medians. After a prompt, only form and style were judged.
"""

from pathlib import Path

import pandas as pd

from workflow.scripts.base import cli
from workflow.scripts.base.errors import InputError
from workflow.scripts.base.files import read_json, write_text
from workflow.scripts.writing.columns import BARS, DISTANCES, FORM, JUDGED, MEANS, MEDIANS


def rate_columns(name: str, rate: dict | None) -> dict:
    """A rate and its interval; empty where nothing was judged, as no tune may have a meter to keep."""
    low, high = (rate and rate["ci95"]) or (None, None)
    return {
        f"{name}_rate": rate and rate["rate"],
        f"{name}_low": low,
        f"{name}_high": high,
        f"{name}_n": rate["n"] if rate else 0,
    }


def style_columns(style: dict) -> dict:
    row = {}
    for name in FORM:
        row |= rate_columns(name, style["rates"][name])
    for name in MEANS:
        row[name] = style["means"][name] and style["means"][name]["mean"]
    for name in DISTANCES:
        row |= {f"{name}_{measure}": style["distances"][name][measure] for measure in ("overlap", "kl")}
    return row


def copying_columns(copying: dict) -> dict:
    row = rate_columns("copied", copying["copied"])
    for name in MEDIANS:
        row[name] = copying[name] and copying[name]["median"]
    return row


def read_writer(folder: Path) -> list[dict]:
    """The rows of one writer: what it wrote by itself, then prompt by prompt."""
    if (folder / "config.json").exists():
        config = read_json(folder / "config.json")
        training = config["training"]
        who = {
            "writer": training["model_name"],
            "arch": config["model"]["arch"],
            "params_non_embedding": training["params_non_embedding"],
            "tokens": training["tokens"],
            "seed": training["options"]["seed"],
        }
    else:
        who = {"writer": folder.name, "arch": None, "params_non_embedding": None, "tokens": None, "seed": None}
    validity, copying = read_json(folder / "validity.json"), read_json(folder / "copying.json")["summary"]
    rates, bars = validity["rates"], validity["bars"]
    unprompted, *prompted = read_json(folder / "style.json")["folders"].items()
    rows = []
    for prompt, style in [("", unprompted[1]), *prompted]:
        row = who | {"prompt": prompt, "samples": style["n"]}
        for name in JUDGED:
            row |= rate_columns(name, style["rates"].get(name) if prompt else rates.get(name))
        for name in BARS:
            row |= rate_columns(name, None if prompt else bars.get(name))
        rows.append(row | style_columns(style) | ({} if prompt else copying_columns(copying)))
    return rows


def main(argv: list[str] | None = None) -> None:
    parser = cli.parser(__doc__)
    parser.add_argument("--folders", required=True, nargs="+", help="folders of runs and baselines")
    parser.add_argument("--output", required=True, help="CSV to write")
    args = parser.parse_args(argv)

    rows = []
    for folder in map(Path, args.folders):
        try:
            rows += read_writer(folder)
        except (KeyError, TypeError, ValueError) as error:
            raise InputError(f"{folder}: its results are not what the judges write ({error!r})") from error
    table = pd.DataFrame(rows).astype(dict.fromkeys(("params_non_embedding", "tokens", "seed"), "Int64"))
    write_text(args.output, table.to_csv(index=False, lineterminator="\n"))
    print(f"wrote {len(rows)} rows to {args.output}")


if __name__ == "__main__":
    cli.run(main)
