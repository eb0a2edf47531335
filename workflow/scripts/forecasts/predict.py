"""The loss that a run of any N and D will reach: by the law that forecasts best, with an interval.

Needs the runs of one architecture, as `tables.table.read_table` gives them.
"""

from dataclasses import dataclass
from functools import cached_property
from typing import NamedTuple

import numpy as np
import pandas as pd

from workflow.scripts.forecasts.candidates import OF_N, POWER, Candidate, of_all_budgets, of_one_budget
from workflow.scripts.forecasts.hedged import Hedged, hedge
from workflow.scripts.forecasts.one_more import interval_if_right
from workflow.scripts.forecasts.rolling import Tried, origins, tried, weights
from workflow.scripts.laws.coupling import COUPLED
from workflow.scripts.laws.estimate import Settings
from workflow.scripts.laws.forms import CHINCHILLA, POWER_IRREDUCIBLE, Data, data_of
from workflow.scripts.laws.loss_surface import data_for, rows_for
from workflow.scripts.laws.power_law import one_budget
from workflow.scripts.laws.report import Outcome
from workflow.scripts.tables.levels import SAME_TOKENS

WITHOUT_TRIAL = ("power", "chinchilla_tied", "chinchilla", "kaplan")  # told, in this order, where none could be tried
INSIDE = 1.01  # a place so many times as far as the runs go is as far as they go

Interval = list[float | None]


class Intervals(NamedTuple):
    """The law that the intervals of forecasts are of, and its runs."""

    law: Hedged
    data: Data

    def at(self, n: float, d: float | None) -> Interval:
        """95% interval of the log loss of one more run at N and D."""
        of_n = d is None or self.law.drift.base in (*OF_N, POWER)
        return self.law.interval(self.data.at(np.array([n]), np.array([1.0 if of_n else d])))


@dataclass(frozen=True)
class Forecaster:
    """Forecasts from the runs of one architecture, wherever they are asked for.

    Attributes:
        rows: the runs.
        settings: how the laws are fitted.
    """

    rows: pd.DataFrame
    settings: Settings

    def at(self, n: float, d: float | None) -> Outcome:
        """What fit.json says of the loss at N and D (None where tokens are not known), or why nothing can be said.

        Keys: loss and pi95 of the law that is told; told, its name; origins, how many times the laws were tried; laws,
        each with its loss, pi95 as if it were right, and rolling_error, the root mean square relative error when it was
        tried; average, with its loss, pi95 and weights.
        """
        found = self.candidates(d)
        intervals = self.intervals(d)
        if not found or intervals is None:
            return Outcome(None, [], self.why_not(d))
        trial = tried(found, origins(self.rows, n, d))
        interval = intervals.at(n, d)
        laws = {law.name: law_at(law, n, d, trial) for law in found}
        log_losses = {name: float(np.log(law["loss"])) for name, law in laws.items()}
        told = choose(log_losses, trial, interval)
        shares = weights({name: trial.errors[name] for name in laws if name in trial.errors}) or {told: 1.0}
        average = sum(share * log_losses[name] for name, share in shares.items())
        forecast = {
            "loss": laws[told]["loss"],
            "pi95": exp_ends(interval, log_losses[told]),
            "told": told,
            "origins": trial.origins,
            "laws": laws,
            "average": {"loss": float(np.exp(average)), "pi95": exp_ends(interval, average), "weights": shares},
        }
        return Outcome(forecast, [], "")

    def candidates(self, d: float | None) -> list[Candidate]:
        """The laws that can say what a run at D will reach."""
        return [*of_one_budget(self.rows, d), *(self.of_all if d is not None else [])]

    @cached_property
    def of_all(self) -> list[Candidate]:
        """The laws of N and D that the runs support."""
        return of_all_budgets(self.rows, self.settings)

    def intervals(self, d: float | None) -> Intervals | None:
        """What intervals at D are of: the law of N and D, else that of N at the budget that most sizes have."""
        return self.of_surface or (self.of_budget if self.is_at_budget(d) else None)

    @cached_property
    def of_surface(self) -> Intervals | None:
        """The law of N and D with a drift: the coupled one, which holds Chinchilla's and Kaplan's, if runs suffice."""
        for form in (COUPLED, CHINCHILLA):
            used, _, absent = rows_for(form, self.rows)
            if not absent:
                data = data_for(used)
                law = hedge(form, data, groups(used))
                return Intervals(law, data) if law else None
        return None

    @cached_property
    def of_budget(self) -> Intervals | None:
        """The law of N with a drift."""
        used = one_budget(self.rows).rows
        sizes = used["params"].nunique()
        if sizes < 3:
            return None
        data = data_of(used["params"].to_numpy(), np.ones(len(used)), used["loss"].to_numpy())
        law = hedge(POWER_IRREDUCIBLE if sizes > 3 else POWER, data, groups(used))
        return Intervals(law, data) if law else None

    def is_at_budget(self, d: float | None) -> bool:
        """Whether runs at D are of the budget that most sizes have."""
        budget = one_budget(self.rows)
        if not budget.alike or budget.tokens is None or d is None:
            return budget.alike and budget.tokens is None and d is None
        return bool(abs(np.log(d / budget.tokens)) <= SAME_TOKENS)

    def why_not(self, d: float | None) -> str:
        """Why there is no forecast at D, as a phrase."""
        if self.is_at_budget(d):
            return f"{one_budget(self.rows).rows['params'].nunique()} distinct sizes: a forecast needs at least 3"
        if d is None:
            return "it needs the tokens of the run"
        return f"a law of N and D is needed, and there is none: {rows_for(CHINCHILLA, self.rows).absent}"

    def beyond(self, n: float, d: float | None) -> dict:
        """How far outside the runs a place is: params, tokens and flops, each the factor to the nearest run's; inside.

        A factor is 1 inside, above 1 beyond the largest and below 1 under the smallest; None of what is not known.
        """
        flops = None if d is None else n * d
        known = {"params": (n, self.rows["params"]), "tokens": (d, self.rows["tokens"]),
                 "flops": (flops, self.rows["params"] * self.rows["tokens"])}  # fmt: skip
        factors = {name: outside(value, runs.to_numpy()) for name, (value, runs) in known.items()}
        return factors | {"inside": all(factor in (1.0, None) for factor in factors.values())}


def law_at(law: Candidate, n: float, d: float | None, trial: Tried) -> dict:
    """What fit.json says of one law's forecast."""
    place = law.place(np.array([n]), np.array([np.nan if d is None else d]))
    expected = float(law.problem.form.predict(law.whole, place)[0][0])
    interval = interval_if_right(law.problem.form, law.problem.data, law.whole, place)
    return {
        "loss": float(np.exp(expected)),
        "pi95": exp_ends(interval, expected),
        "rolling_error": trial.errors.get(law.name),
    }


def groups(rows: pd.DataFrame) -> list[np.ndarray]:
    """Numbers of the runs that may vary together: seeds of one N and D; budgets of one N and seed."""
    cells = rows.groupby(["params", rows["tokens"].fillna(0.0)]).ngroup().to_numpy()
    trunks = rows.groupby(["params", "seed"]).ngroup().to_numpy()
    return [cells, trunks] if (rows["seed"] != "").all() else [cells]


def choose(log_losses: dict[str, float], trial: Tried, interval: Interval) -> str:
    """The law with the least error among those whose forecast is in the interval; if none is, of all."""
    low, high = (-np.inf if interval[0] is None else interval[0]), (np.inf if interval[1] is None else interval[1])
    inside = [name for name, value in log_losses.items() if low <= value <= high] or list(log_losses)
    if by_error := [name for name in inside if name in trial.errors]:
        return min(by_error, key=lambda name: trial.errors[name])
    return next((name for name in WITHOUT_TRIAL if name in inside), inside[0])


def exp_ends(interval: Interval, log_loss: float) -> Interval:
    """The interval of the loss, which holds the forecast ``log_loss`` itself."""
    low, high = interval
    return [None if low is None else float(np.exp(min(low, log_loss))),
            None if high is None else float(np.exp(max(high, log_loss)))]  # fmt: skip


def outside(value: float | None, runs: np.ndarray) -> float | None:
    """``value`` over the nearest of the ``runs`` (n,) if it is outside them, else 1; None if either is not known."""
    if value is None or not np.isfinite(runs).all():
        return None
    low, high = runs.min(), runs.max()
    if low / INSIDE <= value <= high * INSIDE:
        return 1.0
    return float(value / high if value > high else value / low)
