"""The largest size at the budget that most sizes have, forecast from the smaller sizes alone, and what it was.

Needs the runs of one architecture, as `tables.table.read_table` gives them.
"""

import numpy as np
import pandas as pd

from workflow.scripts.forecasts.predict import Forecaster
from workflow.scripts.laws.estimate import Settings
from workflow.scripts.laws.power_law import one_budget


def forecast_largest(rows: pd.DataFrame, settings: Settings) -> dict | None:
    """What fit.json says of it under ``forecast``; None below four sizes or without a common budget.

    All runs of the largest size are left out, also those of other budgets. Each forecast has an ``error``, forecast /
    observed - 1, beside the keys of `Forecaster.at`.
    """
    budget = one_budget(rows)
    largest = budget.rows["params"].max()
    smaller = rows[rows["params"] < largest]
    if not budget.alike or budget.rows["params"].nunique() < 4:
        return None
    measured = budget.rows[budget.rows["params"] == largest]
    observed = float(np.exp(np.log(measured["loss"]).mean()))
    found = Forecaster(smaller, settings).at(float(largest), budget.tokens).law
    if found is None:
        return None
    for forecast in (found, found["average"], *found["laws"].values()):
        forecast["error"] = forecast["loss"] / observed - 1
    return {
        "size": measured["size"].iloc[0],
        "params": float(largest),
        "tokens": budget.tokens,
        "from_sizes": int(smaller["params"].nunique()),
        "observed": observed,
        **found,
    }
