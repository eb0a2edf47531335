"""The best N and D for so much compute, and the loss that a run of them will reach, each with an interval.

Needs the runs of one architecture, as `tables.table.read_table` gives them, of several sizes and budgets.
"""

from dataclasses import replace

import numpy as np
import pandas as pd

from workflow.scripts.forecasts.hedged import Hedged
from workflow.scripts.forecasts.least_squares import least_squares_all
from workflow.scripts.forecasts.predict import Forecaster, Interval
from workflow.scripts.forecasts.rolling import by_flops, tried
from workflow.scripts.laws.allocation import FlopsPerToken, best_size
from workflow.scripts.laws.report import Outcome

DRAWS = 400
TAIL = 0.025
ENOUGH = 1e-4  # share of the objective that a draw is fitted to


def best_for(forecaster: Forecaster, flops: float) -> Outcome:
    """What fit.json says of the best run of so many FLOP, or why nothing can be said.

    N and D are of the law of N and D that forecasts runs of more FLOP best (`forecasts.rolling`); their intervals are
    of the law with a drift (`forecasts.hedged`), drawn again. A token costs what it costs the runs.
    """
    laws = forecaster.of_all
    intervals = forecaster.of_surface
    if not laws or intervals is None:
        return Outcome(None, [], forecaster.why_not(np.inf))
    trial = tried(laws, by_flops(forecaster.rows))
    cost = cost_of_a_token(forecaster.rows)
    for law in sorted(laws, key=lambda one: trial.errors.get(one.name, np.inf)):
        found = best_size(law.problem.form, law.whole, law.problem.data, flops, cost)
        n, d = float(found.params[0, 0]), float(found.tokens[0, 0])
        if np.isfinite(n):
            break
    else:
        return Outcome(None, [], "by no law is there a best size: a term of N or of D vanished")
    drawn = best_size(intervals.law.drift, draws(intervals.law), intervals.data, flops, cost)
    ends = sure(drawn.params[:, 0], n)
    forecast = forecaster.at(n, d).law
    return Outcome({
        "flops": flops, "params": n, "tokens": d, "told": law.name,
        "ci95": {"params": ends, "tokens": sure(drawn.tokens[:, 0], d)},
        "loss": forecast and forecast["loss"], "pi95": forecast and forecast["pi95"],
        "loss_told": forecast and forecast["told"],
        "draws_with_optimum": float(np.isfinite(drawn.params).mean()), "beyond": forecaster.beyond(n, d),
    }, [], "")  # fmt: skip


def draws(law: Hedged) -> np.ndarray:
    """(m, p) laws with a drift fitted to runs, and to a prior, that are moved by their noise (`DRAWS` times).

    So each is drawn from what the runs leave possible, as far as the law is linear within it (Bardsley et al. 2014,
    randomise then optimise). The noise itself is drawn from the chi-square distribution that its estimate leaves.
    """
    rng = np.random.default_rng(0)
    data, weights = law.problem.data, law.problem.row_weights
    variance = law.noise.variance * law.noise.dof / rng.chisquare(law.noise.dof, (DRAWS, 1))
    moved = data.log_loss + np.sqrt(variance / weights) * rng.standard_normal((DRAWS, len(weights)))
    many = replace(law.problem, data=data._replace(log_loss=moved), weights=np.tile(weights, (DRAWS, 1)))
    return least_squares_all(many, np.tile(law.best.theta, (DRAWS, 1)), ENOUGH).theta


def sure(drawn: np.ndarray, told: float) -> Interval:
    """95% interval of draws (m,), NaN where there is none, that holds what is ``told``; an end is None if it is open.

    A draw without an optimum may have it beyond either end.
    """
    missing = float(np.isnan(drawn).mean())
    if missing > TAIL:
        return [None, None]
    low, high = np.nanquantile(drawn, (TAIL - missing / 2, 1 - TAIL + missing / 2)).tolist()
    return [min(low, told), max(high, told)]


def cost_of_a_token(rows: pd.DataFrame) -> FlopsPerToken:
    """FLOP per token of N parameters, as the runs have it; beyond them in the same ratio to 6 N as at the nearest."""
    sizes = (rows["flops"] / rows["tokens"]).groupby(rows["params"]).mean()
    log_n = np.log(sizes.index.to_numpy(float))
    log_ratio = np.log(sizes.to_numpy()) - np.log(6) - log_n

    def cost(n: np.ndarray) -> np.ndarray:
        ratio: np.ndarray = np.exp(np.interp(np.log(n), log_n, log_ratio))
        return 6 * n * ratio

    return cost
