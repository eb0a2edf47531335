"""The laws that can say what loss a run will reach, each fitted to the runs of a table or to the smaller of them.

Needs the runs of one architecture, as `tables.table.read_table` gives them.
"""

from dataclasses import dataclass, replace
from functools import cached_property

import numpy as np
import pandas as pd

from workflow.scripts.laws.batched_bfgs import minimise_all
from workflow.scripts.laws.estimate import LOOSE, Settings, best_starts
from workflow.scripts.laws.forms import POWER_IRREDUCIBLE, Data, Form, Sum, data_of
from workflow.scripts.laws.line import points_of
from workflow.scripts.laws.loss_surface import CANDIDATES, chosen, data_for, rows_for
from workflow.scripts.laws.power_law import one_budget
from workflow.scripts.laws.problem import Problem
from workflow.scripts.tables.levels import SAME_TOKENS

STEEPEST = 3.0  # exponent of a straight line, up or down
STARTS = 12  # of the grid that a fit begins at
SPARE = 1  # runs, or sizes, more than parameters that a fit needs


class Power(Sum):
    """A/N^alpha, whose exponent may be below zero as that of any straight line."""

    def __init__(self) -> None:
        super().__init__("power", "L = A/N^alpha", ("log_a", "alpha"), {"log_a": "alpha"})

    def bounds(self, data: Data) -> np.ndarray:
        return np.array([super().bounds(data)[0], (-STEEPEST, STEEPEST)])


POWER = Power()
OF_N = (POWER, POWER_IRREDUCIBLE)


@dataclass(frozen=True)
class Candidate:
    """A law and the runs that it is fitted to: those of one budget, one point a size, or those of all budgets.

    Attributes:
        problem: what is minimised over all of them.
        n: (k,) N of each.
        d: (k,) D of each; NaN where it is not known.
        flops: (k,) C of each; NaN where it is not known.
    """

    problem: Problem
    n: np.ndarray
    d: np.ndarray
    flops: np.ndarray

    @property
    def name(self) -> str:
        """The law's key in fit.json."""
        return self.problem.form.name

    @cached_property
    def whole(self) -> np.ndarray:
        """(p,) the law fitted to all its runs."""
        theta: np.ndarray = self.fits(np.ones((1, len(self.n)), bool))[0]
        return theta

    def fits(self, some: np.ndarray) -> np.ndarray:
        """(m, p) the law fitted to each of m choices of its runs, ``some`` (m, k) True for those taken; NaN if too few.

        From the best of a grid of starts, all at once.
        """
        found = np.full((len(some), len(self.problem.form.theta)), np.nan)
        enough = np.array([self.suffice(one) for one in some])
        if not enough.any():
            return found
        starts = best_starts(self.problem, STARTS)
        many, of = len(starts), int(enough.sum())
        weights = np.repeat(some[enough].astype(float), many, axis=0)
        ended = minimise_all(replace(self.problem, weights=weights), np.tile(starts, (of, 1)), LOOSE)
        lowest = ended.objective.reshape(of, many).argmin(axis=1) + many * np.arange(of)
        found[enough] = ended.theta[lowest]
        return found

    def suffice(self, some: np.ndarray) -> bool:
        """Whether a choice of runs (k,) is enough to fit the law to: of three sizes, and budgets, at least."""
        sizes, budgets = len(np.unique(self.n[some])), len(np.unique(np.round(np.log(self.d[some]) / SAME_TOKENS)))
        wide = sizes >= 3 and (self.problem.form in OF_N or budgets >= 3)
        return wide and some.sum() >= len(self.problem.form.theta) + SPARE

    def place(self, n: np.ndarray, d: np.ndarray) -> Data:
        """Places N and D (k,) in the coordinates of the runs; D counts for nothing in a law of N."""
        return self.problem.data.at(n, np.ones_like(n) if self.problem.form in OF_N else d)

    def log_loss(self, theta: np.ndarray, n: np.ndarray, d: np.ndarray) -> np.ndarray:
        """(k,) log loss at N and D (k,) by the law theta (p,)."""
        return self.problem.form.predict(theta, self.place(n, d))[0]


def of_one_budget(rows: pd.DataFrame, tokens: float | None) -> list[Candidate]:
    """Laws of N alone, where the runs of the budget that most sizes have are at these tokens; None: none are known."""
    budget = one_budget(rows)
    if not budget.alike or (budget.tokens is None) != (tokens is None):
        return []
    if tokens is not None and budget.tokens is not None and abs(np.log(tokens / budget.tokens)) > SAME_TOKENS:
        return []
    points = points_of(budget.rows["params"].to_numpy(), budget.rows["loss"].to_numpy())
    flops = budget.rows.groupby("params")["flops"].mean().to_numpy()
    d = np.full(len(points.n), np.nan if tokens is None else tokens)
    data = data_of(points.n, np.ones(len(points.n)), points.loss)
    return [Candidate(Problem(form, data), points.n, d, flops) for form in OF_N if enough_sizes(form, len(points.n))]


def enough_sizes(form: Form, sizes: int) -> bool:
    """Whether a law of N can be fitted to so many sizes with `SPARE` left over."""
    return sizes >= len(form.theta) + SPARE


def of_all_budgets(rows: pd.DataFrame, settings: Settings) -> list[Candidate]:
    """Laws of N and D that the runs support."""
    found = []
    for form in CANDIDATES:
        used, _, absent = rows_for(form, rows, len(settings.fixed))
        if not absent:
            columns = (used[name].to_numpy() for name in ("params", "tokens", "flops"))
            found.append(Candidate(chosen(form, data_for(used), settings), *columns))
    return found
