"""Read a table of training runs, ours or anybody's; refuse what no law can be fitted to.

Needs a CSV with at least params and loss.
"""

import csv
from pathlib import Path

import numpy as np
import pandas as pd

from workflow.scripts.base.errors import InputError

# Names in runs.csv, and in published tables, of the columns that the laws use.
ALIASES = {"params_non_embedding": "params", "test_loss": "loss", "test_loss_se": "loss_se", "model": "size",
           "n_star": "params", "tok_star": "tokens", "loss_star": "loss", "n_star_logstd": "params_log_se"}  # fmt: skip
NEEDED = ("params", "loss")
POSITIVE = (*NEEDED, "tokens", "unique_tokens", "flops", "params_log_se")
NON_NEGATIVE = ("loss_se",)


def read_table(path: str | Path, group: str = "arch", columns: tuple[str, ...] = ()) -> tuple[pd.DataFrame, list[str]]:
    """Runs, one a row, and sentences about what was taken for granted.

    Columns: ``group`` ('all' throughout if the table has no column 'arch'), size (its N if it has no name), params
    (N), loss (in the table's unit, nats a character in runs.csv), tokens (D; NaN if not known), unique_tokens (U;
    tokens if not known), flops (C; 6 N D if not known), loss_se, seed; others are kept as text.
    The file itself must have ``columns``, under these names.

    Raises:
        InputError: it is no CSV, a column is missing, or cells are not numbers above 0: one line for each bad row.
    """
    rows, lines = read_rows(path)
    table = pd.DataFrame(rows, dtype=str)
    for name in columns:
        if name not in table:
            raise InputError(f"{path} has no column {name!r}")
    table = with_our_names(table)
    for name in NEEDED:
        if name not in table:
            raise InputError(f"{path} has no column {name!r}")
    if group not in table:
        if group != "arch":
            raise InputError(f"{path} has no column {group!r}")
        table[group] = "all"
    bad = [(place, f"{group} is empty") for place in np.flatnonzero(table[group] == "").tolist()]
    for name in (*POSITIVE, *NON_NEGATIVE):
        bad += to_numbers(table, name)
    if bad:
        problems: dict[int, list[str]] = {}
        for place, problem in bad:
            problems.setdefault(place, []).append(problem)
        sentences = [f"{path} line {lines[place]}: {'; '.join(problems[place])}" for place in sorted(problems)]
        raise InputError("\n".join(sentences))
    if "size" not in table:
        table["size"] = ""
    table["size"] = table["size"].where(table["size"] != "", table["params"].map("{:.4g}".format))
    if "seed" not in table:
        table["seed"] = ""
    return complete(table)


def with_our_names(table: pd.DataFrame) -> pd.DataFrame:
    """The table with the columns in `ALIASES` under the names that the laws use."""
    for name, standard in ALIASES.items():
        if name in table:
            table = table.drop(columns=standard, errors="ignore").rename(columns={name: standard})
    return table


def to_numbers(table: pd.DataFrame, name: str) -> list[tuple[int, str]]:
    """Turn a column of text into numbers, in place; the cells that are none, as (row, what is wrong).

    A column that is not needed and not given becomes NaN throughout.
    """
    if name not in table or (name not in NEEDED and (table[name] == "").all()):
        table[name] = np.nan
        return []
    text, numbers = table[name], pd.to_numeric(table[name], errors="coerce")
    fine = np.isfinite(numbers) & ((numbers >= 0) if name in NON_NEGATIVE else (numbers > 0))
    if name in ("unique_tokens", *NON_NEGATIVE):
        fine |= text == ""  # may be given for some rows only
    table[name] = numbers.astype(float)
    kind = "a number of at least 0" if name in NON_NEGATIVE else "a positive number"
    return [(place, f"{name} is '{text.iloc[place]}', not {kind}") for place in np.flatnonzero(~fine).tolist()]


def read_rows(path: str | Path) -> tuple[list[dict[str, str]], list[int]]:
    """Cells of a CSV with a header, as stripped text, and the line that each row ends on; empty lines are no rows.

    Raises:
        InputError: it is no CSV, it has no rows, or a row has not as many cells as the header.
    """
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


def complete(table: pd.DataFrame) -> tuple[pd.DataFrame, list[str]]:
    """Tokens and FLOP from each other by C = 6 N D (Kaplan et al. 2020, section 2.1), where a whole column is missing.

    Also holds unique tokens to those read. Gives the table, changed in place, and sentences about what was assumed.
    """
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
