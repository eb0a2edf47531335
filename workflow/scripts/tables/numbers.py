"""Numbers in the cells of a table, as people and spreadsheets write them: 1.05M, 10K, 10,000, or 1,91 for 1.91."""

import re
from collections.abc import Iterable, Sequence

import numpy as np
import pandas as pd

from workflow.scripts.tables.headings import SCALES

PLAIN = r"(?:\d+\.?\d*|\.\d+)(?:[eE][+-]?\d+)?"
GROUPED = r"\d{1,3}(?:(?P<by>[,_'’ \u00a0\u2009\u202f])\d{3})(?:(?P=by)\d{3})*(?:\.\d+)?"
SCALE = rf"[ \u00a0\u202f]?(?P<scale>{'|'.join(SCALES)})?"
AMOUNT = re.compile(rf"\+?(?P<number>{PLAIN}|{GROUPED}){SCALE}", re.IGNORECASE | re.ASCII)
# With commas and points of either meaning: in English 1,234.5, in German 1.234,5.
THOUSANDS = re.compile(rf"[+-]?\d{{1,3}}(?:,\d{{3}})+(?:\.\d+)?{SCALE}", re.IGNORECASE | re.ASCII)
COMMA = re.compile(rf"[+-]?(?:\d*|\d{{1,3}}(?:\.\d{{3}})+),\d+(?:e[+-]?\d+)?{SCALE}", re.IGNORECASE | re.ASCII)
POINT = re.compile(rf"[+-]?\d*\.\d+(?:e[+-]?\d+)?{SCALE}", re.IGNORECASE | re.ASCII)
DOTS = re.compile(rf"[+-]?\d{{1,3}}(?:\.\d{{3}})+{SCALE}", re.IGNORECASE | re.ASCII)


def decimal_commas(cells: Iterable[Sequence[str]], separator: str) -> bool:
    """Whether commas are decimal points: where they do not split cells, and cannot all be between thousands.

    '1,912' can be either: a semicolon is what spreadsheets that write decimal commas split by, if no cell has a point.
    """
    if separator == ",":
        return False
    some, points = False, False
    for row in cells:
        for cell in row:
            if COMMA.fullmatch(cell):
                if not THOUSANDS.fullmatch(cell):
                    return True
                some = True
            points = points or POINT.fullmatch(cell) is not None
    return some and separator == ";" and not points


def numbers_of(cells: Sequence[str], amounts: bool, commas: bool, scale: float = 1.0) -> np.ndarray:
    """(n,) numbers in cells, NaN where a cell is none.

    Args:
        amounts: cells may be such as 1.05M, 10K, 10,000 or 1 000 000: counts, not losses.
        commas: see `decimal_commas`.
        scale: what numbers are multiplied by that do not say their own, such as K.
    """
    text = pd.Series(cells, dtype=str)
    if commas:
        return text.map({cell: number_of(cell, amounts, commas, scale) for cell in set(cells)}).to_numpy(float)
    with np.errstate(over="ignore"):  # what is too large becomes infinite, and is refused as such
        numbers = pd.to_numeric(text, errors="coerce").to_numpy(float) * scale
    for place in np.flatnonzero(np.isnan(numbers)).tolist() if amounts else ():
        numbers[place] = number_of(text.iloc[place], amounts, commas, scale)
    return numbers


def number_of(cell: str, amounts: bool, commas: bool, scale: float = 1.0) -> float:
    """The number in one cell, NaN if it is none; see `numbers_of`."""
    if commas and (COMMA.fullmatch(cell) or DOTS.fullmatch(cell)):
        cell = cell.replace(".", "").replace(",", ".")
    if amounts and (found := AMOUNT.fullmatch(cell)):
        number = float(re.sub(r"[^0-9.eE+-]", "", found["number"]))
        return number * (SCALES[found["scale"].lower()] if found["scale"] else scale)
    return float(pd.to_numeric(cell, errors="coerce")) * scale
