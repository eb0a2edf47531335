"""The rows of anybody's table: from bytes to a header and cells, with the line that each row is on.

A table is text with a header and one row a line, split by commas, tabs or semicolons. Comment lines, an index column
without a name, a comma at the end of each line, and a header that is itself a comment are no hindrance.
"""

import codecs
import csv
import io
import itertools
import re
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

from workflow.scripts.base.errors import InputError

SEPARATORS = {",": "commas", "\t": "tabs", ";": "semicolons"}
LOOKED_AT = 50  # rows that the separator is found from
NAMED = 5  # lines that a sentence names; of more it tells the number

# What begins a file that no text does: of zip (and so Excel), gzip, xz, Parquet, and HDF5.
BINARY = {b"PK\x03\x04": "a zip or Excel file", b"\x1f\x8b": "a gzip file", b"\xfd7zXZ": "an xz file",
          b"PAR1": "a Parquet file", b"\x89HDF": "an HDF5 file"}  # fmt: skip
MARKS = {codecs.BOM_UTF32_LE: "utf-32", codecs.BOM_UTF32_BE: "utf-32", codecs.BOM_UTF16_LE: "utf-16",
         codecs.BOM_UTF16_BE: "utf-16"}  # fmt: skip
# A cell of nothing but bytes that are no UTF-8, or a control character: no text of an older Windows either.
NO_WINDOWS_TEXT = re.compile(rb'(?:^|[,;\t\r\n"])[ ]*[\x80-\xff]+[ ]*(?=$|[,;\t\r\n"])|[\x00-\x08\x0e-\x1f]')
A_NUMBER = re.compile(r"[+-]?[\d.,]*\d[\d.,]*(?:[eE][+-]?\d+)?\s?[kKmMbBgGtT]?")


class Rows(NamedTuple):
    """A table as it was written."""

    header: list[str]  # names of the columns; '' for one without a name, as pandas writes its index
    cells: list[list[str]]  # text of each row, stripped, as many cells as the header has
    lines: list[int]  # line that each row ends on
    separator: str  # one of `SEPARATORS`
    notes: list[str]  # what was taken for granted


def read_rows(path: str | Path) -> Rows:
    """Header and rows of a table; empty lines are no rows.

    Raises:
        InputError: it is no table, it has no header or no rows, two columns have one name, or a row has not as many
            cells as the header.
    """
    text, notes = decoded(Path(path).read_bytes(), path)
    lines = list(io.StringIO(text, newline=""))
    separator = start_of(lines)
    rows, ends = [], []
    try:
        reader = csv.reader(iter(lines), delimiter=separator, strict=True)
        for cells in reader:
            stripped = [cell.strip() for cell in cells]
            if any(stripped):
                rows.append(stripped)
                ends.append(reader.line_num)
    except csv.Error as error:
        raise InputError(f"{path} is not readable as CSV ({error})") from error
    if not rows:
        raise InputError(f"{path} is not readable as CSV (it is empty)")
    header, rows, ends = rows[0], rows[1:], ends[1:]
    if all(A_NUMBER.fullmatch(name) for name in header if name):
        raise InputError(f"{path} has no header: its first row is {', '.join(header)[:80]}")
    if twice := sorted({name for name in header if name and header.count(name) > 1}):
        raise InputError(f"{path} has more than one column {twice[0]!r}")
    found = data_rows(header, rows, ends, path)
    if not found.cells:
        raise InputError(f"{path} has no rows")
    return found._replace(separator=separator, notes=notes + found.notes)


def decoded(raw: bytes, path: str | Path) -> tuple[str, list[str]]:
    """The text of a file in UTF-8, in UTF-16 with a byte order mark, or else in Windows-1252, which is noted.

    Raises:
        InputError: it is no text.
    """
    for mark, kind in BINARY.items():
        if raw.startswith(mark):
            raise InputError(f"{path} is not readable as CSV (it is {kind}: save the table as CSV)")
    encoding = next((name for mark, name in MARKS.items() if raw.startswith(mark)), "utf-8-sig")
    try:
        return raw.decode(encoding), []
    except UnicodeDecodeError as error:
        if encoding != "utf-8-sig" or NO_WINDOWS_TEXT.search(raw):
            raise InputError(f"{path} is not readable as CSV ({error})") from error
    return raw.decode("cp1252", "replace"), ["the table is no UTF-8: it is read as Windows-1252 (Latin-1)"]


def start_of(lines: list[str]) -> str:
    """The separator of a table; comments above its header become empty lines, in place.

    A comment is the header if it has as many cells as the first row, which has a number, as in '# params,loss'.
    """
    place = next((place for place, line in enumerate(lines) if line.strip()), len(lines))
    if place < len(lines) and (told := re.fullmatch(r'"?sep=(.)"?', lines[place].strip())):  # as Excel writes it
        lines[place] = "\n"
        if told[1] in SEPARATORS:
            return told[1]
    comments = []
    while place < len(lines) and (not lines[place].strip() or lines[place].lstrip().startswith("#")):
        if lines[place].strip():
            comments.append(place)
        place += 1
    for comment in comments[: -NAMED - 1 : -1]:  # from the last on
        begin = [lines[comment], *lines[place : place + LOOKED_AT]]
        begun = [row for row in first_rows(iter(begin), separator_of(begin)) if any(row)][:2]
        numbers = [sum(bool(A_NUMBER.fullmatch(cell.strip())) for cell in row) for row in begun]
        if len(begun) == 2 and len(begun[0]) == len(begun[1]) and not numbers[0] and numbers[1]:
            comments.remove(comment)
            break
    for place in comments:
        lines[place] = "\n"
    return separator_of(lines)


def separator_of(lines: list[str]) -> str:
    """The separator that gives the most rows as many cells as the header, more than one; commas where none does."""

    def share(separator: str) -> tuple[float, int]:
        rows = [row for row in first_rows(iter(lines), separator) if any(cell.strip() for cell in row)]
        if not rows or len(rows[0]) < 2:
            return -1.0, 0
        return sum(len(row) == len(rows[0]) for row in rows[1:]) / max(len(rows) - 1, 1), len(rows[0])

    return max(SEPARATORS, key=share)


def first_rows(lines: Iterator[str], separator: str) -> list[list[str]]:
    """The first rows if they are split by this separator, as far as they can be read."""
    rows = []
    try:
        for row in itertools.islice(csv.reader(lines, delimiter=separator, strict=True), LOOKED_AT):
            rows.append(row)
    except csv.Error:
        pass
    return rows


def data_rows(header: list[str], rows: list[list[str]], ends: list[int], path: str | Path) -> Rows:
    """The rows that are runs; comments among them and repeated headers are left out, which is noted.

    Raises:
        InputError: a row has not as many cells as the header, but for empty ones at the end.
    """
    comment = [row[0].startswith("#") for row in rows]
    if all(comment):  # a name of runs, then
        comment = [False] * len(rows)
    kept, lines, left_out, again = [], [], [], []
    for cells, line, is_comment in zip(rows, ends, comment, strict=True):
        if is_comment:
            left_out.append(line)
        elif cells == header:
            again.append(line)
        else:
            kept.append(as_many_as(header, cells, f"{path} line {line}"))
            lines.append(line)
    notes = []
    if left_out:
        notes.append(f"rows that begin with # are left out ({lines_of(left_out)})")
    if again:
        notes.append(f"the header is there again ({lines_of(again)}): such rows are left out")
    return Rows(header, kept, lines, ",", notes)


def as_many_as(header: list[str], cells: list[str], where: str) -> list[str]:
    """The cells of a row, as many as the header has: what is too much or missing must be empty.

    Raises:
        InputError: it is not.
    """
    n = len(header)
    if len(cells) == n:
        return cells
    if len(cells) > n and not any(cells[n:]):
        return cells[:n]
    if len(cells) < n and not any(header[len(cells) :]):
        return cells + [""] * (n - len(cells))
    split = {"\t": "tabs", ";": "semicolons", "|": "|", ",": "commas", " ": "spaces"}
    by = next((word for sign, word in split.items() if len(cells) == 1 and sign in cells[0]), None)
    raise InputError(f"{where}: {len(cells)} cells under {n} headings" + (f": is it split by {by}?" if by else ""))


def lines_of(lines: list[int]) -> str:
    """Words such as 'line 3' or 'lines 3, 4 and 7 more'."""
    shown = ", ".join(map(str, lines[:NAMED]))
    more = f" and {len(lines) - NAMED} more" if len(lines) > NAMED else ""
    return f"line{'s' if len(lines) > 1 else ''} {shown}{more}"
