"""Tables in and out: CSV that somebody may have edited, and Markdown for a page."""

import csv
import io
from collections.abc import Collection
from pathlib import Path
from typing import NamedTuple

import pandas as pd

from workflow.scripts.base.errors import InputError
from workflow.scripts.base.files import write_text
from workflow.scripts.base.latex import tabular

CORPUS_NAME = (
    "corpus_name"  # column of runs.csv: what the corpus is called, beside ``corpus``, the digest of its content
)


def read_csv(path: str | Path, *columns: str, text: Collection[str] = ()) -> pd.DataFrame:
    """Rows of a CSV file.

    Args:
        columns: that it must have.
        text: columns that are no numbers, whatever they look like.

    Raises:
        InputError: it is no CSV, has no row, or lacks one of ``columns``.
    """
    try:
        table = pd.read_csv(path, dtype=dict.fromkeys(text, str))
    except (pd.errors.ParserError, pd.errors.EmptyDataError, UnicodeDecodeError) as error:
        raise InputError(f"{path} is not readable as CSV ({error})") from error
    for name in columns:
        if name not in table:
            raise InputError(f"{path} has no column {name!r}")
    if table.empty:
        raise InputError(f"{path} has no rows")
    return table


def with_kept(rows: pd.DataFrame, path: Path, key: list[str]) -> pd.DataFrame:
    """Rows, after those of an earlier table in which ``key`` has other values: these are kept as they were written.

    Raises:
        InputError: the earlier table is no CSV, or lacks a column of the key.
    """
    read_csv(path, *key)
    kept = pd.read_csv(path, dtype=str)
    new, old = (map(tuple, table[key].astype(object).fillna("").astype(str).to_numpy()) for table in (rows, kept))
    again = set(new)
    others = [row not in again for row in old]
    return pd.concat([kept[others], rows.astype(object)], ignore_index=True)


class Cells(NamedTuple):
    """A table as people read it: its header, and rows of as many texts."""

    header: list[str]
    rows: list[list[str]]

    def markdown(self) -> str:
        return table(self.header, self.rows)

    def csv(self) -> str:
        text = io.StringIO()
        csv.writer(text, lineterminator="\n").writerows([self.header, *self.rows])
        return text.getvalue()

    def write(self, path: Path) -> None:
        """Write it as ``path``.csv, .md, and .tex with the rules of the package booktabs."""
        forms = {"csv": self.csv(), "md": self.markdown() + "\n", "tex": tabular(self.header, self.rows)}
        for suffix, text in forms.items():
            write_text(path.with_name(f"{path.name}.{suffix}"), text)


def table(header: list[str], rows: list[list[str]]) -> str:
    """A table in Markdown, without a line end after its last row."""
    lines = [header, ["---"] * len(header), *rows]
    return "\n".join("| " + " | ".join(line) + " |" for line in lines)
