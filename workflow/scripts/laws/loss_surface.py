"""Laws in N and D over runs of several budgets of tokens: the runs that they are fitted to, the fits, what follows.

Needs the runs of one architecture, as `tables.table.read_table` gives them.
"""

from dataclasses import replace
from typing import NamedTuple

import numpy as np
import pandas as pd

from workflow.scripts.laws.allocation import WITH_OPTIMUM, optimum_exponents
from workflow.scripts.laws.batched_bfgs import minimise_all
from workflow.scripts.laws.coupling import COUPLED
from workflow.scripts.laws.estimate import (
    ENOUGH,
    LOOSE,
    Search,
    Settings,
    held_at,
    local_optimum,
    not_held,
    polish,
    search,
    variable_projection,
)
from workflow.scripts.laws.forms import CHINCHILLA, CHINCHILLA_TIED, KAPLAN, Data, Form, data_of
from workflow.scripts.laws.intervals import bootstrap, percentile_interval, profile_interval
from workflow.scripts.laws.line import lack_of_fit, points_of
from workflow.scripts.laws.problem import Fit, Problem
from workflow.scripts.laws.repetition import REPEAT, SMS, overfit
from workflow.scripts.laws.report import Outcome, is_free, left_out_error, summarise
from workflow.scripts.tables.levels import SAME_TOKENS, levels

CANDIDATES = (CHINCHILLA, CHINCHILLA_TIED, KAPLAN, COUPLED)  # laws of runs that read their data once
ONCE = 1.05  # tokens read per unique token up to which nothing is called repeated
WIDER = 1.5  # a bootstrap interval so many times as wide as the profile's doubts what the profile takes for granted
FOLDS = 10  # parts in which the rows are left out where there are more than `ENOUGH`


class Usable(NamedTuple):
    """The runs that a law is fitted to.

    Attributes:
        rows: of the table.
        warnings: what a reader has to know of the choice, as sentences.
        absent: why they do not suffice, as a phrase; empty if they do.
    """

    rows: pd.DataFrame
    warnings: list[str]
    absent: str


def fit_surface(
    form: Form, rows: pd.DataFrame, settings: Settings, evaluation_se: float, flops_from: float | None
) -> Outcome:
    """A law of N and D over all budgets for fit.json, or why there is none.

    Args:
        evaluation_se: see `fit_data`.
        flops_from: runs of at least so many FLOP are predicted from the rest, as a forecast; else the top half decade.
    """
    rows, warnings, absent = rows_for(form, rows, len(settings.fixed))
    if absent:
        return Outcome(None, [], absent)
    data = data_for(rows)
    if absent := not_held(form, settings.fixed, data):
        return Outcome(None, [], absent)
    law, more, best = fit_data(form, data, settings, evaluation_se, trunks(rows))
    largest = flops_from or rows["flops"].max() / np.sqrt(10)
    law["forecast"] = forecast_rows(form, data, settings, best, (rows["flops"] >= largest).to_numpy())
    if law["forecast"]:
        law["forecast"]["flops_from"] = float(largest)
    return Outcome(law, [*warnings, *more], "")


def rows_for(form: Form, rows: pd.DataFrame, held: int = 0) -> Usable:
    """The runs of one architecture that a law of N and D, of which ``held`` parameters are held, is fitted to.

    Laws of repeated data are fitted to all runs; the others to those that read their data once, where these suffice.
    """
    if rows["tokens"].isna().any():
        return Usable(rows, [], "tokens are not given")
    warnings = []
    repeated = rows["tokens"] > ONCE * rows["unique_tokens"]
    if form in (REPEAT, SMS):
        if not repeated.any():
            return Usable(rows, [], "no run reads its data more than once")
    elif repeated.any():
        once = rows[~repeated]
        if too_few(form, once, held):
            warnings.append(f"{form.name}: {repeated.sum()} runs repeat data, which this law knows nothing of")
        else:
            warnings.append(f"{form.name}: {repeated.sum()} runs that repeat data are left out")
            rows = once
    return Usable(rows, warnings, too_few(form, rows, held))


def too_few(form: Form, rows: pd.DataFrame, held: int) -> str:
    """Why rows do not suffice for a law of N and D, of which ``held`` parameters are held; empty if they do."""
    budgets = len(np.unique(levels(rows["tokens"].to_numpy(), SAME_TOKENS))) if len(rows) else 0
    sizes = rows["params"].nunique()
    if sizes < 3 or budgets < 3:
        return f"{sizes} sizes and {budgets} budgets of tokens; it needs 3 of each"
    if len(rows) < len(form.theta) - held + 3:
        return f"{len(rows)} runs for {len(form.theta) - held} parameters"
    if np.ptp(np.log(rows["loss"])) < 1e-9:
        return "the same loss in every run: there is nothing to fit"
    return ""


def data_for(rows: pd.DataFrame) -> Data:
    """The runs in the coordinates of `laws.forms`."""
    return data_of(*(rows[column].to_numpy() for column in ("params", "tokens", "loss", "unique_tokens")))


def quick_fit(form: Form, data: Data, settings: Settings, start: np.ndarray | None = None) -> Fit:
    """A law by the estimator of ``settings`` alone: no intervals, no second estimator.

    Args:
        start: (p,) where to begin, in the coordinates of ``data``; None: from a grid of starts.
    """
    problem = chosen(form, data, settings)
    return search(problem).best if start is None else local_optimum(problem, start)


def trunks(rows: pd.DataFrame) -> np.ndarray | None:
    """(n,) numbers of the runs that a resample draws as one, for `bootstrap`; None where each is drawn alone.

    Runs of one size and seed may share a trunk: one training that is branched off at several budgets. None where seeds
    are not given, or there is one.
    """
    if (rows["seed"] == "").any() or rows["seed"].nunique() < 2:
        return None
    numbers: np.ndarray = rows.groupby(["params", "seed"]).ngroup().to_numpy()
    return numbers


def fit_data(
    form: Form, data: Data, settings: Settings, evaluation_se: float, groups: np.ndarray | None
) -> tuple[dict, list[str], Fit]:
    """A law of N and D by the estimator of ``settings``, with the other one beside it.

    Args:
        evaluation_se: relative standard error of the loss that all runs share, as they were measured on the same text.
        groups: see `bootstrap`.

    Returns:
        What fit.json says of the law, reasons to doubt it as sentences, and the fit itself.
    """
    problem, found, other = estimated(form, data, settings)
    law, warnings = summarise(problem, found, other, evaluation_se)
    drawn = [form.printed(theta, data) for theta in bootstrap(problem, found.best, settings.draws, groups)]
    error, folds = left_out(problem, found.best)
    law |= {
        "bootstrap95": {name: percentile_interval(np.array([one[name] for one in drawn])) for name in law["ci95"]},
        "n_rows": len(data.log_loss),
        "n_sizes": len(np.unique(data.log_n)),
        "loo_error": error,
        "loo_folds": folds,
        "lack_of_fit": surface_lack_of_fit(problem, found.best),
    }
    if settings.fixed:
        law |= settings.fixed | {"fixed": dict(settings.fixed)}
        law["other_estimate"] |= settings.fixed
    if form in WITH_OPTIMUM:
        law["compute_optimal"] = compute_optimal(problem, found.best, law, drawn)
    if form is SMS:
        law["overfit"] = overfit(data, found.best.theta)
    warnings += [f"{form.name}: {doubt}" for doubt in doubts_of_noise(law)]
    return law, warnings, found.best


def estimated(form: Form, data: Data, settings: Settings) -> tuple[Problem, Search, Fit]:
    """What the chosen estimator minimises, what it found, and the fit of the other estimator.

    Where parameters are held, squares are minimised as Huber's loss is, with the same parameters held.
    """
    huber, squares = problems(form, data, settings)
    by_huber = search(huber)
    if settings.fixed:
        by_squares = search(squares)
        if settings.loss == "huber":
            return huber, by_huber, replace(by_squares.best, objective=2 * by_squares.best.objective)
        return squares, by_squares, by_huber.best
    by_projection = variable_projection(form, data)
    if settings.loss == "huber":
        return huber, by_huber, by_projection
    start = Fit(by_projection.theta, float(squares.objective(by_projection.theta)[0]), True)
    elsewhere = search(squares)
    best = min(polish(squares, start), elsewhere.best, key=lambda fit: fit.objective)
    return squares, replace(elsewhere, best=best), by_huber.best


def problems(form: Form, data: Data, settings: Settings) -> tuple[Problem, Problem]:
    """What each of the two estimators minimises: Huber's loss and squares, of the loss but for Kaplan's law."""
    held = held_at(form, settings.fixed, data)
    return Problem(form, data, settings.delta, held=held), Problem(form, data, linear=form is not KAPLAN, held=held)


def chosen(form: Form, data: Data, settings: Settings) -> Problem:
    """What the estimator of ``settings`` minimises."""
    huber, squares = problems(form, data, settings)
    return huber if settings.loss == "huber" else squares


def doubts_of_noise(law: dict) -> list[str]:
    """What seeds and resampled runs say against a law: that it is wrong, or that its runs are not equally noisy."""
    doubts = []
    if (test := law["lack_of_fit"]) and test["p"] < 0.05:
        doubts.append(f"misfit exceeds seed noise: the law is rejected (F test, p = {test['p']:.2g})")
    wider = [
        f"{name} from {ends[0]:.4g} to {ends[1]:.4g}"
        for name, ends in law["bootstrap95"].items()
        if ends and np.ptp(ends) / WIDER > max(np.ptp(law["ci95"][name]), 1e-6 * law[name])
    ]
    if wider:
        doubts.append(
            f"resampled runs leave {', '.join(wider)}, much wider than the profiles: the runs are not equally noisy, or"
            " not independent"
        )
    return doubts


def surface_lack_of_fit(problem: Problem, best: Fit) -> dict | None:
    """`lack_of_fit` of a law of N and D, its cells being the (N, D, U) that several runs share."""
    data = problem.data
    cells, places = np.unique(np.stack((data.log_n, data.log_d, data.log_u)), axis=1, return_inverse=True)
    points = points_of(places.ravel() + 1.0, np.exp(data.log_loss))
    at = data._replace(log_n=cells[0], log_d=cells[1], log_u=cells[2])
    return lack_of_fit(points, problem.form.predict(best.theta, at)[0], problem.parameters)


def left_out(problem: Problem, best: Fit) -> tuple[float, int]:
    """Mean relative error of the loss of each row, predicted by fits to others begun at the best; and their number.

    Each row is left out alone; of more than `ENOUGH` rows a tenth at a time, drawn at random.
    """
    rows = len(problem.data.log_loss)
    folds = rows if rows <= ENOUGH else FOLDS
    fold = np.random.default_rng(0).permutation(rows) % folds if folds < rows else np.arange(rows)
    rest = (fold != np.arange(folds)[:, None]).astype(float)
    return left_out_error(problem, minimise_all(replace(problem, weights=rest), best.theta, LOOSE).theta, fold), folds


def compute_optimal(problem: Problem, best: Fit, law: dict, drawn: list[dict]) -> dict | None:
    """`optimum_exponents` of a law, with intervals: by the profile of the exponent, and of resampled runs.

    Args:
        law: its printed parameters.
        drawn: printed parameters of resampled runs.
    """
    form = problem.form
    found = optimum_exponents(form, law)
    if found is None:
        return None
    known = [one for one in (optimum_exponents(form, one) for one in drawn) if one]
    ends, profile = percentile_interval(np.array([one["N_exponent"] for one in known])), None
    if form is not CHINCHILLA_TIED and is_free(problem, "N_exponent", found["N_exponent"]):
        profile = profile_interval(problem, best, "N_exponent")
        found["N_exponent"] = form.value("N_exponent", best.theta, problem.data)
        found["D_exponent"] = 1 - found["N_exponent"]
    return found | {
        key: {"N_exponent": both, "D_exponent": both and [1 - both[1], 1 - both[0]]}
        for key, both in (("ci95", profile), ("bootstrap95", ends))
    }


def forecast_rows(form: Form, data: Data, settings: Settings, best: Fit, held_out: np.ndarray) -> dict | None:
    """Rows held out, predicted from a fit to the rest; None where too few are left for one.

    Args:
        best: the fit to all rows, from which the fit to the rest is begun once more.
        held_out: (n,) which rows are.
    """
    rest = data.take(~held_out)
    if not held_out.any() or len(rest.log_loss) < len(form.theta) - len(settings.fixed) + 3:
        return None
    problem = chosen(form, rest, settings)
    found = min(search(problem).best, local_optimum(problem, best.theta), key=lambda fit: fit.objective)
    predicted = form.predict(found.theta, data.take(held_out))[0]
    errors = np.exp(predicted - data.log_loss[held_out]) - 1
    return {"n_rows": int(held_out.sum()), "mean_relative_error": float(np.abs(errors).mean()),
            "mean_error": float(errors.mean())}  # fmt: skip
