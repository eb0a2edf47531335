"""Amounts of tokens or of FLOP as the colours of a figure: which are shown, and in what shade a run is."""

from typing import Literal, NamedTuple

import numpy as np
import pandas as pd
from matplotlib.lines import Line2D

from workflow.scripts.base.amounts import short
from workflow.scripts.figures.look import digits, shades, thin
from workflow.scripts.tables.levels import SAME_FLOPS, SAME_TOKENS, levels

FEW = 12  # amounts that are shown one by one; of more, `SHOWN` from the least to the most
SHOWN = 8

Colour = tuple[float, float, float, float]


class Amounts(NamedTuple):
    """Tokens or FLOP that colours stand for.

    Attributes:
        column: tokens or flops.
        shown: the amounts that lines are drawn at, ascending: the levels of the runs, or, where there are many, some
            between the least and the most.
        level: place in ``shown`` of each run's level, by the index of the table; None where there are too many.
    """

    column: str
    shown: list[float]
    level: pd.Series | None

    def colours(self, amounts: np.ndarray) -> np.ndarray:
        """(n, 4) colours of amounts (n,), darker for more."""
        span = np.log(self.shown[-1] / self.shown[0]) or 1.0
        return shades(np.clip(np.log(amounts / self.shown[0]) / span, 0, 1))

    def colour(self, amount: float) -> Colour:
        """That of one amount."""
        r, g, b, a = map(float, self.colours(np.array([amount]))[0])
        return r, g, b, a

    def shades(self) -> list[tuple[float, Colour]]:
        """Each of the amounts shown, with its colour."""
        return [(amount, self.colour(amount)) for amount in self.shown]

    def handles(self, line: Literal["-", "none"] = "-") -> list[Line2D]:
        """Entries of a legend."""
        return [
            Line2D([], [], color=shade, marker="o", linestyle=line, label=self.name(amount), **thin(3.5, 1))
            for amount, shade in self.shades()
        ]

    def name(self, amount: float) -> str:
        """What the legend says of an amount."""
        return f"D = {short(amount)}" if self.column == "tokens" else f"{digits(amount, 3)} FLOP"


def amounts_of(rows: pd.DataFrame, column: str) -> Amounts:
    """The amounts of tokens or FLOP, as ``column`` says, that ``rows`` are shown by."""
    values = rows[column].to_numpy(float)
    level = levels(values, SAME_TOKENS if column == "tokens" else SAME_FLOPS)
    if level.max() < FEW:
        shown = [float(np.median(values[level == i])) for i in range(level.max() + 1)]
        return Amounts(column, shown, pd.Series(level, rows.index))
    return Amounts(column, np.geomspace(values.min(), values.max(), SHOWN).tolist(), None)
