"""Tables in and out: CSV that somebody may have edited, and Markdown for a page."""

from pathlib import Path

import pandas as pd

from workflow.scripts.base.errors import InputError


def read_csv(path: str | Path, *columns: str) -> pd.DataFrame:
    """Rows of a CSV file.

    Raises:
        InputError: it is no CSV, has no row, or lacks one of ``columns``.
    """
    try:
        table = pd.read_csv(path)
    except (pd.errors.ParserError, pd.errors.EmptyDataError, UnicodeDecodeError) as error:
        raise InputError(f"{path} is not readable as CSV ({error})") from error
    for name in columns:
        if name not in table:
            raise InputError(f"{path} has no column {name!r}")
    if table.empty:
        raise InputError(f"{path} has no rows")
    return table


def table(header: list[str], rows: list[list[str]]) -> str:
    """A table in Markdown, without a line end after its last row."""
    lines = [header, ["---"] * len(header), *rows]
    return "\n".join("| " + " | ".join(line) + " |" for line in lines)
