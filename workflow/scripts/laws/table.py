"""Read a table of training runs, ours or anybody's, and what was fitted to it; refuse what no law can be fitted to."""

import csv
from pathlib import Path

import numpy as np
import pandas as pd

from workflow.scripts.base.errors import InputError
from workflow.scripts.base.files import read_json

# Names in runs.csv, and in published tables, of the columns that the laws use.
ALIASES = {"params_non_embedding": "params", "test_loss": "loss", "test_loss_se": "loss_se", "model": "size",
           "n_star": "params", "tok_star": "tokens", "loss_star": "loss", "n_star_logstd": "params_log_se"}  # fmt: skip
NEEDED = ("params", "loss")
POSITIVE = (*NEEDED, "tokens", "unique_tokens", "flops", "params_log_se")
NON_NEGATIVE = ("loss_se",)


def read_table(path: str | Path, group: str = "arch") -> tuple[pd.DataFrame, list[str]]:
    """Runs, one a row, and sentences about what was taken for granted.

    Columns: ``group`` ('all' throughout if the table has no column 'arch'), size, params, loss, tokens (NaN if not
    known), unique_tokens (tokens if not known), flops (6 N D if not known), loss_se, seed; others are kept as text.

    Raises:
        InputError: it is no CSV, a column is missing, or cells are not numbers above 0: one line for each bad row.
    """
    rows, lines = read_rows(path)
    table = pd.DataFrame(rows, dtype=str)
    for name, standard in ALIASES.items():
        if name in table:
            table = table.drop(columns=standard, errors="ignore").rename(columns={name: standard})
    for name in NEEDED:
        if name not in table:
            raise InputError(f"{path} has no column {name!r}")
    if group not in table:
        if group != "arch":
            raise InputError(f"{path} has no column {group!r}")
        table[group] = "all"
    problems: dict[int, list[str]] = {}
    for place in np.flatnonzero(table[group] == ""):
        problems.setdefault(place, []).append(f"{group} is empty")
    for name in (*POSITIVE, *NON_NEGATIVE):
        if name not in table or (name not in NEEDED and (table[name] == "").all()):
            table[name] = np.nan
            continue
        numbers = pd.to_numeric(table[name], errors="coerce")
        zero = numbers == 0 if name in NON_NEGATIVE else False
        fine = (np.isfinite(numbers) & (numbers > 0)) | zero
        if name in ("unique_tokens", *NON_NEGATIVE):
            fine |= table[name] == ""  # told for some rows only
        for place in np.flatnonzero(~fine):
            kind = "a number of at least 0" if name in NON_NEGATIVE else "a positive number"
            problems.setdefault(place, []).append(f"{name} is '{table[name].iloc[place]}', not {kind}")
        table[name] = numbers.astype(float)
    if problems:
        said = [f"{path} line {lines[place]}: {'; '.join(what)}" for place, what in sorted(problems.items())]
        raise InputError("\n".join(said))
    if "size" not in table:
        table["size"] = ""
    table["size"] = table["size"].where(table["size"] != "", table["params"].map("{:.4g}".format))
    if "seed" not in table:
        table["seed"] = ""
    return complete(table)


def read_rows(path: str | Path) -> tuple[list[dict[str, str]], list[int]]:
    """Cells of a CSV with a header as stripped text, and the line that each row ends on; empty lines are none."""
    rows, lines = [], []
    try:
        with open(path, encoding="utf-8-sig", newline="") as file:
            reader = csv.reader(file, strict=True)
            header = [name.strip() for name in next(reader, [])]
            if not any(header):
                raise InputError(f"{path} is not readable as CSV (it is empty)")
            if twice := sorted({name for name in header if name and header.count(name) > 1}):
                raise InputError(f"{path} has more than one column {twice[0]!r}")
            for cells in reader:
                if not any(map(str.strip, cells)):
                    continue
                if len(cells) != len(header):
                    raise InputError(f"{path} line {reader.line_num}: {len(cells)} cells under {len(header)} headings")
                rows.append(dict(zip(header, map(str.strip, cells), strict=True)))
                lines.append(reader.line_num)
    except (csv.Error, UnicodeDecodeError) as error:
        raise InputError(f"{path} is not readable as CSV ({error})") from error
    if not rows:
        raise InputError(f"{path} has no rows")
    return rows, lines


def read_fit(path: Path) -> dict:
    """The contents of fit.json.

    Raises:
        InputError: it holds no fits, or those of an earlier version.
    """
    fit = read_json(path)
    if not fit.get("groups") or "said" not in fit.get("comparison", {}):
        raise InputError(f"{path} holds no fits that this version can read: make it again with fit_scaling")
    return fit


def complete(table: pd.DataFrame) -> tuple[pd.DataFrame, list[str]]:
    """Tokens and FLOP from each other, where a whole column is missing."""
    notes = []
    six = 6 * table["params"]
    if table["flops"].isna().all() and table["tokens"].notna().all():
        table["flops"] = six * table["tokens"]
        notes.append("flops are not given: 6 N D is taken for them")
    elif table["tokens"].isna().all() and table["flops"].notna().all():
        table["tokens"] = table["flops"] / six
        notes.append("tokens are not given: C / (6 N) is taken for them")
    table["unique_tokens"] = table[["unique_tokens", "tokens"]].min(axis=1)
    return table, notes
