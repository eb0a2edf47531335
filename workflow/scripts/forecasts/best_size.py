"""The best N and D for so much compute, and the loss that a run of them will reach, each with an interval.

Needs the runs of one architecture, as `tables.table.read_table` gives them: of several sizes and budgets, or the optima
of several amounts of compute.
"""

from dataclasses import replace

import numpy as np
import pandas as pd

from workflow.scripts.forecasts.hedged import STARTS
from workflow.scripts.forecasts.least_squares import least_squares_all
from workflow.scripts.forecasts.one_more import from_starts
from workflow.scripts.forecasts.predict import Forecaster, Interval
from workflow.scripts.forecasts.rolling import by_flops, tried
from workflow.scripts.laws.allocation import FlopsPerToken, best_size
from workflow.scripts.laws.coupling import COUPLED
from workflow.scripts.laws.estimate import best_starts
from workflow.scripts.laws.forms import CHINCHILLA, Data, Form
from workflow.scripts.laws.isoflop import optima_given, without_flops
from workflow.scripts.laws.line import fit_line, points_of
from workflow.scripts.laws.problem import Problem
from workflow.scripts.laws.report import Outcome

DRAWS = 200  # of each law
DRAWN = (CHINCHILLA, COUPLED)
TAIL = 0.025
ENOUGH = 1e-4  # share of the objective that a draw is fitted to


def best_for(forecaster: Forecaster, flops: float) -> Outcome:
    """What fit.json says of the best run of so many FLOP, or why nothing can be said.

    N and D are of the law of N and D that forecasts runs of more FLOP best (`forecasts.rolling`). Their intervals are
    of it, of Chinchilla's law and of the coupled one, drawn again alike often: which is right moves the optimum more
    than the noise does. A drift would leave no optimum at all. A token costs what it costs the runs. Where the rows are
    optima themselves, N and D are of the lines through them.
    """
    if not without_flops(forecaster.rows) and optima_given(forecaster.rows):
        return along_optima(forecaster, flops)
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
    weights = intervals.law.problem.row_weights[: len(intervals.data.log_loss)]
    forms = dict.fromkeys((*DRAWN, law.problem.form))
    drawn = [best_size(form, draws(form, intervals.data, weights), intervals.data, flops, cost) for form in forms]
    params, tokens = (np.concatenate([getattr(one, name)[:, 0] for one in drawn]) for name in ("params", "tokens"))
    forecast = forecaster.at(n, d).law
    return Outcome({
        "flops": flops, "params": n, "tokens": d, "told": law.name,
        "ci95": {"params": sure(params, n), "tokens": sure(tokens, d)},
        "loss": forecast and forecast["loss"], "pi95": forecast and forecast["pi95"],
        "loss_told": forecast and forecast["told"],
        "draws_with_optimum": float(np.isfinite(params).mean()), "beyond": forecaster.beyond(n, d),
    }, [], "")  # fmt: skip


def along_optima(forecaster: Forecaster, flops: float) -> Outcome:
    """The best run of so many FLOP by the lines of log N and log D of given optima over log C, with t intervals."""
    rows = forecaster.rows
    lines = {
        name: fit_line(points_of(rows["flops"].to_numpy(), rows[name].to_numpy())) for name in ("params", "tokens")
    }
    centre = {name: float(line.log_loss(flops)) for name, line in lines.items()}
    half = {name: float(line.confidence_half_width(flops)) for name, line in lines.items()}
    of_compute = rows.assign(params=rows["flops"], tokens=np.nan, unique_tokens=np.nan)
    loss = Forecaster(of_compute, forecaster.settings).at(flops, None).law
    n, d = (float(np.exp(centre[name])) for name in ("params", "tokens"))
    return Outcome({
        "flops": flops, "params": n, "tokens": d, "told": "isoflop",
        "ci95": {name: np.exp([centre[name] - half[name], centre[name] + half[name]]).tolist() for name in lines},
        "loss": loss and loss["loss"], "pi95": loss and loss["pi95"], "loss_told": loss and loss["told"],
        "draws_with_optimum": 1.0, "beyond": forecaster.beyond(n, d),
    }, [], "")  # fmt: skip


def draws(form: Form, data: Data, weights: np.ndarray) -> np.ndarray:
    """(m, p) a law fitted to runs that are moved by their noise, `DRAWS` times.

    So each is drawn from what the runs leave possible, as far as the law is linear within it (Bardsley et al. 2014,
    randomise then optimise). The noise itself is drawn from the chi-square distribution that its estimate leaves.

    Args:
        weights: (n,) of the runs, the inverse of each one's variance up to a factor.
    """
    rng, problem = np.random.default_rng(0), Problem(form, data, weights=weights)
    best = from_starts(problem, best_starts(problem, STARTS))
    dof = max(len(data.log_loss) - len(form.theta), 1)
    variance = 2 * best.objective / rng.chisquare(dof, (DRAWS, 1))
    moved = data.log_loss + np.sqrt(variance / weights) * rng.standard_normal((DRAWS, len(weights)))
    many = replace(problem, data=data._replace(log_loss=moved), weights=np.tile(weights, (DRAWS, 1)))
    return least_squares_all(many, np.tile(best.theta, (DRAWS, 1)), ENOUGH).theta


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
