"""Laws in N and D over runs of several budgets of tokens: the runs that they are fitted to, the fits, what follows.

Needs the runs of one architecture, as `tables.table.read_table` gives them.
"""

from dataclasses import replace

import numpy as np
import pandas as pd
from scipy.optimize import least_squares
from scipy.special import ndtr

from workflow.scripts.laws.batched_bfgs import minimise_all
from workflow.scripts.laws.estimate import LOOSE, Search, Settings, local_optimum, polish, search, variable_projection
from workflow.scripts.laws.forms import CHINCHILLA, CHINCHILLA_TIED, KAPLAN, Data, Form, data_of
from workflow.scripts.laws.intervals import bootstrap, percentile_interval
from workflow.scripts.laws.line import lack_of_fit, points_of
from workflow.scripts.laws.problem import Fit, Problem
from workflow.scripts.laws.repetition import REPEAT, SMS
from workflow.scripts.laws.report import Outcome, left_out_error, summarise
from workflow.scripts.tables.levels import SAME_TOKENS, levels

ONCE = 1.05  # tokens read per unique token up to which nothing is called repeated
WIDER = 1.5  # a bootstrap interval so many times as wide as the profile's doubts what the profile takes for granted


def fit_surface(
    form: Form, rows: pd.DataFrame, settings: Settings, evaluation_se: float, flops_from: float | None
) -> Outcome:
    """A law of N and D over all budgets, or why there is none.

    Laws of repeated data are fitted to all runs; the others to those that read their data once, where these suffice.

    Args:
        evaluation_se: see `fit_data`.
        flops_from: runs of at least so many FLOP are predicted from the rest, as a forecast; else the top half decade.
    """
    if rows["tokens"].isna().any():
        return Outcome(None, [], "tokens are not given")
    warnings = []
    repeated = rows["tokens"] > ONCE * rows["unique_tokens"]
    if form in (REPEAT, SMS):
        if not repeated.any():
            return Outcome(None, [], "no run reads its data more than once")
    elif repeated.any():
        once = rows[~repeated]
        if too_few(form, once):
            warnings.append(f"{form.name}: {repeated.sum()} runs repeat data, which this law knows nothing of")
        else:
            warnings.append(f"{form.name}: {repeated.sum()} runs that repeat data are left out")
            rows = once
    if why := too_few(form, rows):
        return Outcome(None, [], why)
    data = data_of(*(rows[column].to_numpy() for column in ("params", "tokens", "loss", "unique_tokens")))
    law, more, best = fit_data(form, data, settings, evaluation_se, trunks(rows))
    largest = flops_from or rows["flops"].max() / np.sqrt(10)
    law["forecast"] = forecast_rows(form, data, settings, best, (rows["flops"] >= largest).to_numpy())
    if law["forecast"]:
        law["forecast"]["flops_from"] = float(largest)
    return Outcome(law, [*warnings, *more], "")


def too_few(form: Form, rows: pd.DataFrame) -> str:
    """Why rows do not suffice for a law of N and D; empty if they do."""
    budgets = len(np.unique(levels(rows["tokens"].to_numpy(), SAME_TOKENS))) if len(rows) else 0
    sizes = rows["params"].nunique()
    if sizes < 3 or budgets < 3:
        return f"{sizes} sizes and {budgets} budgets of tokens; it needs 3 of each"
    if len(rows) < len(form.theta) + 3:
        return f"{len(rows)} runs for {len(form.theta)} parameters"
    return ""


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
    law |= {
        "bootstrap95": {name: percentile_interval(np.array([one[name] for one in drawn])) for name in law["ci95"]},
        "n_rows": len(data.log_loss),
        "n_sizes": len(np.unique(data.log_n)),
        "loo_error": leave_one_out_error(problem, found.best),
        "lack_of_fit": surface_lack_of_fit(form, data, found.best),
    }
    if form in (CHINCHILLA, CHINCHILLA_TIED):
        law["compute_optimal"] = compute_optimal(law, drawn)
    if form is SMS:
        law["overfit"] = overfit(data, found.best)
    return law, [*warnings, *(f"{form.name}: {doubt}" for doubt in doubts_of_noise(law))], found.best


def estimated(form: Form, data: Data, settings: Settings) -> tuple[Problem, Search, Fit]:
    """What the chosen estimator minimises, what it found, and the fit of the other estimator."""
    huber, squares = problems(form, data, settings)
    by_huber, by_projection = search(huber), variable_projection(form, data)
    if settings.loss == "huber":
        return huber, by_huber, by_projection
    start = Fit(by_projection.theta, float(squares.objective(by_projection.theta)[0]), True)
    elsewhere = search(squares)
    best = min(polish(squares, start), elsewhere.best, key=lambda fit: fit.objective)
    return squares, replace(elsewhere, best=best), by_huber.best


def problems(form: Form, data: Data, settings: Settings) -> tuple[Problem, Problem]:
    """What each of the two estimators minimises: Huber's loss and squares, of the loss but for Kaplan's law."""
    return Problem(form, data, settings.delta), Problem(form, data, linear=form is not KAPLAN)


def doubts_of_noise(law: dict) -> list[str]:
    """What seeds and resampled runs say against a law: that it is wrong, or that its runs are not equally noisy."""
    doubts = []
    if (test := law["lack_of_fit"]) and test["p"] < 0.05:
        doubts.append(f"seeds vary too little for it to be right (F test, p = {test['p']:.2g})")
    wider = [
        f"{name} from {ends[0]:.4g} to {ends[1]:.4g}"
        for name, ends in law["bootstrap95"].items()
        if ends and np.ptp(ends) > max(WIDER * np.ptp(law["ci95"][name]), 1e-6 * law[name])
    ]
    if wider:
        doubts.append(
            f"resampled runs leave {', '.join(wider)}, much wider than the profiles: the runs are not equally noisy, or"
            " not independent"
        )
    return doubts


def surface_lack_of_fit(form: Form, data: Data, best: Fit) -> dict | None:
    """`lack_of_fit` of a law of N and D, its cells being the (N, D, U) that several runs share."""
    cells, places = np.unique(np.stack((data.log_n, data.log_d, data.log_u)), axis=1, return_inverse=True)
    points = points_of(places.ravel() + 1.0, np.exp(data.log_loss))
    at = data._replace(log_n=cells[0], log_d=cells[1], log_u=cells[2])
    return lack_of_fit(points, form.predict(best.theta, at)[0], len(form.theta))


def leave_one_out_error(problem: Problem, best: Fit) -> float:
    """Mean relative error of the loss of each row, predicted from all the others by fits begun at the best."""
    rest = 1 - np.eye(len(problem.data.log_loss))
    return left_out_error(problem, minimise_all(replace(problem, weights=rest), best.theta, LOOSE).theta)


def compute_optimal(law: dict, drawn: list[dict]) -> dict:
    """N_opt = G (C/6)^a and D_opt = (C/6)^b / G at C = 6 N D (Hoffmann et al. 2022, equation 4).

    ``drawn``: printed parameters of resampled runs, of which the exponents' percentile intervals are.
    """

    def exponent_and_g(law: dict) -> tuple[float, float]:
        alpha, beta = law["alpha"], law.get("beta", law["alpha"])
        ratio = alpha * law["A"] / (beta * law["B"]) if law["B"] > 0 and law["A"] > 0 else np.nan
        return beta / (alpha + beta), ratio ** (1 / (alpha + beta))

    a, g = exponent_and_g(law)
    ends = percentile_interval(np.array([exponent_and_g(one)[0] for one in drawn]))
    return {"N_exponent": a, "D_exponent": 1 - a, "G": float(g) if np.isfinite(g) else None,
            "bootstrap95": {"N_exponent": ends, "D_exponent": ends and [1 - ends[1], 1 - ends[0]]}}  # fmt: skip


def overfit(data: Data, best: Fit) -> dict:
    """What repeated data add to the loss beyond the law of `SMS` (Qu et al. 2024).

    It is GELU(k_d D + k_n log N - k_u log U - k_in), by least squares of the loss that is left over; k_d is per
    geometric mean of D.
    """
    loss, under = np.exp(data.log_loss), np.exp(SMS.predict(best.theta, data)[0])
    basis = np.stack((np.exp(data.log_d), data.log_n + data.mean_n, -data.log_u - data.mean_d, -np.ones_like(loss)))

    def extra(k: np.ndarray) -> np.ndarray:
        x = k @ basis
        gelu: np.ndarray = x * ndtr(x)
        return gelu

    start, *_ = np.linalg.lstsq(basis.T, loss - under)
    starts = [start, np.zeros(4), *(start * factor for factor in (0.1, 3.0))]
    ended = [least_squares(lambda k: under + extra(k) - loss, start, x_scale="jac", max_nfev=2000) for start in starts]
    done = min(ended, key=lambda one: one.cost)
    total = np.sum((loss - loss.mean()) ** 2)
    return {**dict(zip(("k_d", "k_n", "k_u", "k_in"), done.x.tolist(), strict=True)),
            "r2_of_loss": float(1 - 2 * done.cost / total),
            "r2_of_loss_without": float(1 - np.sum((under - loss) ** 2) / total)}  # fmt: skip


def forecast_rows(form: Form, data: Data, settings: Settings, best: Fit, held_out: np.ndarray) -> dict | None:
    """Rows held out, predicted from a fit to the rest; None where too few are left for one.

    Args:
        best: the fit to all rows, from which the fit to the rest is begun once more.
        held_out: (n,) which rows are.
    """
    rest = data.take(~held_out)
    if not held_out.any() or len(rest.log_loss) < len(form.theta) + 3:
        return None
    huber, squares = problems(form, rest, settings)
    problem = huber if settings.loss == "huber" else squares
    found = min(search(problem).best, local_optimum(problem, best.theta), key=lambda fit: fit.objective)
    predicted = form.predict(found.theta, data.take(held_out))[0]
    errors = np.exp(predicted - data.log_loss[held_out]) - 1
    return {"n_rows": int(held_out.sum()), "mean_relative_error": float(np.abs(errors).mean()),
            "mean_error": float(errors.mean())}  # fmt: skip
