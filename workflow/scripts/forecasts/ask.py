"""The questions that a table is asked: the loss of runs that were not trained, and the best run for so much compute.

Needs the runs of one architecture, as `tables.table.read_table` gives them.
"""

from typing import NamedTuple

import numpy as np
import pandas as pd

from workflow.scripts.base.errors import InputError
from workflow.scripts.forecasts.best_size import best_for
from workflow.scripts.forecasts.predict import Forecaster
from workflow.scripts.laws.estimate import Settings
from workflow.scripts.laws.power_law import one_budget
from workflow.scripts.tables.numbers import number_of


class Place(NamedTuple):
    """A run: N and D; D is None where it is that of the runs at the budget that most sizes have."""

    params: float
    tokens: float | None


class Questions(NamedTuple):
    """What a table is asked.

    Attributes:
        runs: whose loss is to be forecast.
        flops: amounts of compute whose best run is.
    """

    runs: tuple[Place, ...]
    flops: tuple[float, ...]


def parse_place(text: str) -> Place:
    """A run from N,D such as 6.3M,16M, or from N alone.

    Raises:
        InputError: it is neither.
    """
    params, *tokens = text.split(",")
    if len(tokens) > 1:
        raise InputError(f"{text!r} is not N,D, such as 6.3M,16M, nor N alone")
    return Place(parse_amount(params), parse_amount(tokens[0]) if tokens else None)


def parse_amount(text: str) -> float:
    """A count such as 6.3M, 1e18 or 20000.

    Raises:
        InputError: it is no number of at least 1.
    """
    value = number_of(text.strip(), amounts=True, commas=False)
    if not (np.isfinite(value) and value >= 1):
        raise InputError(f"{text!r} is not a number of at least 1, such as 6.3M or 1e18")
    return value


def answers(rows: pd.DataFrame, settings: Settings, questions: Questions) -> dict:
    """What fit.json says under ``predictions`` and ``best_for``: of each question an answer, or why there is none."""
    forecaster = Forecaster(rows, settings)
    return {
        "predictions": [answer_of_run(forecaster, *place) for place in questions.runs],
        "best_for": [answer_of_flops(forecaster, flops) for flops in questions.flops],
    }


def answer_of_run(forecaster: Forecaster, n: float, d: float | None) -> dict:
    """The forecast of a run, where it is beside the runs of the table, and why there is none (``absent``, or empty)."""
    d = one_budget(forecaster.rows).tokens if d is None else d
    outcome = forecaster.at(n, d)
    forecast = outcome.law or dict.fromkeys(("loss", "pi95", "told", "origins", "laws", "average"))
    return {"params": n, "tokens": d, **forecast, "beyond": forecaster.beyond(n, d), "absent": outcome.absent}


def answer_of_flops(forecaster: Forecaster, flops: float) -> dict:
    """The best run for so much compute, and why there is none (``absent``, or empty)."""
    outcome = best_for(forecaster, flops)
    best = outcome.law or dict.fromkeys(
        ("params", "tokens", "told", "ci95", "loss", "pi95", "loss_told", "draws_with_optimum", "beyond")
    )
    return {"flops": flops, **best, "absent": outcome.absent}
