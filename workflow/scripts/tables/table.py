"""Read a table of training runs, ours or anybody's; refuse what no law can be fitted to.

Needs a table with at least params and loss, under these names or others that `tables.columns` knows or is told.
"""

from collections.abc import Mapping, Sequence
from functools import cache
from pathlib import Path

import numpy as np
import pandas as pd

from workflow.scripts.base.errors import InputError
from workflow.scripts.tables.columns import (
    AMOUNTS,
    NEEDED,
    OURS,
    Taken,
    called,
    check_names,
    find_columns,
    listing,
    short,
)
from workflow.scripts.tables.levels import joined_sizes
from workflow.scripts.tables.numbers import decimal_commas, numbers_of
from workflow.scripts.tables.rows import Rows, lines_of, read_rows
from workflow.scripts.tables.units import LOSS_UNITS, doubts, in_nats, refuse_impossible

POSITIVE = (*NEEDED, "tokens", "unique_tokens", "flops", "params_log_se")
NON_NEGATIVE = ("loss_se",)
FAILED = ("", "nan", "na", "n/a", "none", "null", "-", "inf", "+inf", "infinity", "diverged", "failed", "oom")  # a loss
FEW_DIGITS = 4  # of a loss: two runs may well have the same
LISTED = 20  # bad rows that are listed, a line each


def read_table(
    path: str | Path,
    group: str = "arch",
    columns: tuple[str, ...] = (),
    *,
    given: Mapping[str, str] | None = None,
    loss_unit: str = "nats",
) -> tuple[pd.DataFrame, list[str]]:
    """Runs, one a row, and sentences about what was taken for what, what was left out, and what looks wrong.

    Columns: ``group`` ('all' throughout if the table has no column 'arch'), size (its N if it has no name), params
    (N; one for sizes within 1%, see `levels.joined_sizes`), loss (in nats; per token or character as in the table),
    tokens (D; NaN if not known), unique_tokens (U; tokens if not known), flops (C; 6 N D if not known), loss_se, seed;
    others are kept as text. Of a run that is there twice one row is kept, and of one whose loss is NaN, infinite or
    not there none, if nothing else is wrong with the table.

    Args:
        columns: the file itself must have them, under these names.
        given: {our name: theirs} of columns that are not to be looked for, as `columns.parse_columns` reads them.
        loss_unit: of the losses, one of `LOSS_UNITS`; nats is also that of a column whose name tells another.

    Raises:
        InputError: it is no table, a column is missing, its numbers cannot be what they are said to be, or cells are
            not numbers above 0: one line for each bad row.
    """
    given = given or {}
    check_names(given)
    if loss_unit not in LOSS_UNITS:
        raise InputError(f"the unit of losses is {loss_unit!r}, not one of {', '.join(LOSS_UNITS)}")
    where, rows = str(path), read_rows(path)
    raw = named_columns(rows)
    for name in columns:
        if name not in raw:
            raise InputError(f"{where} has no column {name!r}")
    commas = decimal_commas(rows.cells, rows.separator)

    @cache
    def numbers(name: str) -> np.ndarray:
        return numbers_of(raw[name].tolist(), amounts=True, commas=commas)

    taken, notes = find_columns(rows.header, given, group, numbers, where)
    notes = [*rows.notes, *notes, *(["commas are read as decimal points"] if commas else [])]
    text = under_our_names(raw, taken)
    if group in raw and group not in text:
        text[group] = raw[group]
    if group not in text:
        if group != "arch":
            raise InputError(f"{where} has no column {group!r}; {listing(rows.header, [group])}")
        text[group] = "all"
    table = text.copy()
    bad = [(place, f"{group} is empty") for place in np.flatnonzero(text[group] == "").tolist()]
    for name in (*POSITIVE, *NON_NEGATIVE):
        table[name], problems, note = in_numbers(text, name, commas, taken)
        if problems and guessed(name, taken, given):
            told = lines_of([rows.lines[place] for place, _ in problems])
            note = [f"{name} are taken as unknown: {problems[0][1]} ({told})"]
            table[name], problems = np.nan, []
        bad += problems
        notes += note
    if (table["loss"] < 0).all() and len(table) > 1:
        raise InputError(f"{where}: every loss is below 0: if these are log-likelihoods, change their sign")
    lines = rows.lines
    if (failed := failed_runs(text["loss"], bad)).any():
        told = lines_of([lines[place] for place in np.flatnonzero(failed).tolist()])
        notes.append(f"runs without a loss are left out, as if they had diverged: {failed.sum()} ({told})")
        table, text, raw = (frame[~failed].reset_index(drop=True) for frame in (table, text, raw))
        lines = [line for line, out in zip(lines, failed, strict=True) if not out]
    else:
        refuse_bad_rows(bad, lines, where)
    unit = loss_unit if loss_unit != "nats" else taken["loss"].unit
    refuse_impossible(table, text, taken, lines, unit, where)
    notes += in_nats(table, unit)
    notes += doubts(table, raw, lines, unit)
    for name in ("size", "seed"):
        if name not in table:
            table[name] = ""
    table, once = without_twins(table, raw, text["loss"], lines)
    table, joined = with_joined_sizes(table, group)
    table["size"] = table["size"].where(table["size"] != "", table["params"].map("{:.4g}".format))
    table, assumed = complete(table)
    return table, [*notes, *once, *joined, *assumed]


def named_columns(rows: Rows) -> pd.DataFrame:
    """The columns that have a name, as text; those without are an index, or a separator at the end of each line."""
    table = pd.DataFrame(rows.cells, dtype=str)
    table.columns = pd.Index(rows.header)
    return table.loc[:, [name != "" for name in rows.header]]


def under_our_names(raw: pd.DataFrame, taken: Mapping[str, Taken]) -> pd.DataFrame:
    """The table with the columns that were taken for ours under our names; what else had one of them is not kept."""
    theirs = {one.column for one in taken.values()}
    others = [name for name in raw if name not in theirs and name not in taken]
    table = raw[others].copy()
    for name, one in taken.items():
        table[name] = raw[one.column]
    return table


def guessed(name: str, taken: Mapping[str, Taken], given: Mapping[str, str]) -> bool:
    """Whether the column of one of our names may not be it, and can be done without."""
    return name not in NEEDED and name not in given and taken[name].column not in OURS[name]


def in_numbers(
    text: pd.DataFrame, name: str, commas: bool, taken: Mapping[str, Taken]
) -> tuple[np.ndarray, list[tuple[int, str]], list[str]]:
    """(n,) numbers of a column, the cells that are none as (row, what is wrong), and how others were read.

    A column that is not needed and not given is NaN throughout.
    """
    one = taken.get(name)
    if one is None or (name not in NEEDED and (text[name] == "").all()):
        return np.full(len(text), np.nan), [], []
    cells, amounts = text[name].tolist(), name in AMOUNTS
    numbers = numbers_of(cells, amounts, commas)
    scale = one.scale if amounts and not np.nanmin(numbers, initial=np.inf) > 1e5 else 1.0
    if scale != 1:
        numbers = numbers_of(cells, amounts, commas, scale)
    fine = np.isfinite(numbers) & ((numbers >= 0) if name in NON_NEGATIVE else (numbers > 0))
    if name in ("unique_tokens", *NON_NEGATIVE):
        fine |= text[name].to_numpy() == ""  # may be given for some rows only
    kind = "a number of at least 0" if name in NON_NEGATIVE else "a positive number"
    bad = [
        (place, f"{called(name, taken)} is {short(cells[place])}, not {kind}")
        for place in np.flatnonzero(~fine).tolist()
    ]
    plain = numbers_of(cells, False, commas)
    read = np.flatnonzero(fine & (text[name].to_numpy() != "") & (np.isnan(plain) | (plain != numbers)))
    if not read.size:
        return numbers, bad, []
    return numbers, bad, [f"{name} such as {short(cells[read[0]])} are read as {numbers[read[0]]:.10g}"]


def failed_runs(loss: pd.Series, bad: Sequence[tuple[int, str]]) -> np.ndarray:
    """(n,) whether a run failed, by the cell where its loss (n,) should be.

    None if anything else is wrong, so that all of it is said, nor if half the losses are none: no column of losses.

    Args:
        bad: cells that are no numbers, as (row, what is wrong).
    """
    failed = loss.str.lower().isin(FAILED).to_numpy()
    others = len(bad) > failed.sum() or not failed[[place for place, _ in bad]].all()
    return failed & (not others and failed.sum() < len(failed) / 2)


def refuse_bad_rows(bad: Sequence[tuple[int, str]], lines: Sequence[int], where: str) -> None:
    """
    Raises:
        InputError: there are bad cells, given as (row, what is wrong): one line for each row, up to `LISTED`.
    """
    problems: dict[int, list[str]] = {}
    for place, problem in bad:
        problems.setdefault(place, []).append(problem)
    sentences = [f"{where} line {lines[place]}: {'; '.join(problems[place])}" for place in sorted(problems)]
    if len(sentences) > LISTED:
        sentences[LISTED:] = [f"and so in {len(sentences) - LISTED} more rows"]
    if sentences:
        raise InputError("\n".join(sentences))


def without_twins(
    table: pd.DataFrame, raw: pd.DataFrame, loss: pd.Series, lines: Sequence[int]
) -> tuple[pd.DataFrame, list[str]]:
    """The table without rows that are alike in every cell, as of a run that was written twice, and a note of it.

    Without a seed, and with a loss of few digits, such rows may be two runs, and are kept.

    Args:
        raw: all cells as they were written.
        loss: (n,) losses as they were written.
        lines: of each row in the file.
    """
    twins = raw.duplicated().to_numpy()
    if not twins.any():
        return table, []
    digits = loss.str.replace(r"[eE].*|\D", "", regex=True).str.lstrip("0").str.len()
    same_run = twins & ((table["seed"] != "") | (digits > FEW_DIGITS)).to_numpy()
    notes = []
    if same_run.any():
        told = lines_of([lines[place] for place in np.flatnonzero(same_run).tolist()])
        notes.append(f"rows alike in every cell are one run: {same_run.sum()} are left out ({told})")
    if (twins & ~same_run).any():
        told = lines_of([lines[place] for place in np.flatnonzero(twins & ~same_run).tolist()])
        notes.append(f"rows alike in every cell are kept as runs of their own, as they have no seed ({told})")
    return table[~same_run].reset_index(drop=True), notes


def with_joined_sizes(table: pd.DataFrame, group: str) -> tuple[pd.DataFrame, list[str]]:
    """The table, changed in place, with one N for sizes within 1% of each other in each group, and a note of it."""
    before, after = 0, 0
    for _, places in table.groupby(group, sort=False).indices.items():
        rows = table.iloc[places]
        names = rows["size"].where(pd.to_numeric(rows["size"], errors="coerce").isna(), "").tolist()
        budgets = rows["tokens"].where(rows["tokens"].notna(), rows["flops"]).to_numpy()
        params = joined_sizes(rows["params"].to_numpy(), names, budgets)
        before, after = before + rows["params"].nunique(), after + len(np.unique(params))
        table.iloc[places, table.columns.get_loc("params")] = params
    note = f"sizes within 1% of each other are one size: {before} are {after}"
    return table, [note] if after < before else []


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
    if (table["unique_tokens"] > table["tokens"]).any():
        notes.append("unique_tokens are more than tokens: such runs are taken to read nothing twice")
    table["unique_tokens"] = table[["unique_tokens", "tokens"]].min(axis=1)
    return table, notes
