"""Laws in N and D over runs of several budgets of tokens, with what follows from them."""

from dataclasses import replace

import numpy as np
from scipy.optimize import least_squares
from scipy.special import ndtr

from workflow.scripts.laws.describe import Settings, described, error_left_out, quantiles
from workflow.scripts.laws.estimate import DRAWN, descend, polish, search, variable_projection
from workflow.scripts.laws.forms import CHINCHILLA, CHINCHILLA_TIED, KAPLAN, Data, Form
from workflow.scripts.laws.intervals import bootstrap
from workflow.scripts.laws.line import lack_of_fit, points_of
from workflow.scripts.laws.problem import Fit, Problem
from workflow.scripts.laws.repetition import SMS
from workflow.scripts.laws.together import descend_all

WIDER = 1.5  # a bootstrap interval so many times as wide as the profile's doubts what the profile takes for granted


def fit_surface(
    form: Form, data: Data, settings: Settings, evaluation_se: float, groups: np.ndarray | None
) -> tuple[dict, list[str], Fit]:
    """A law of N and D over rows, by the estimator of ``settings``, the other one beside it.

    ``groups``: see `bootstrap`.
    """
    huber, squares = problems(form, data, settings)
    by_huber, by_projection = search(huber), variable_projection(form, data)
    if settings.loss == "huber":
        problem, found, other = huber, by_huber, by_projection
    else:
        projected = polish(squares, Fit(by_projection.theta, squares.objective(by_projection.theta)[0], True))
        elsewhere = search(squares)
        best = min(projected, elsewhere.best, key=lambda fit: fit.objective)
        problem, found, other = squares, replace(elsewhere, best=best), by_huber.best
    result, notes = described(problem, found, other, evaluation_se)
    drawn = [form.natural(theta, data) for theta in bootstrap(problem, found.best, settings.draws, groups)]
    result |= {
        "bootstrap95": {name: quantiles(np.array([one[name] for one in drawn])) for name in result["ci95"]},
        "n_rows": len(data.log_loss),
        "n_sizes": len(np.unique(data.log_n)),
        "loo_error": rows_left_out(problem, found.best),
        "lack_of_fit": lack_of_surface(form, data, found.best),
    }
    if (test := result["lack_of_fit"]) and test["p"] < 0.05:
        notes.append(f"{form.name}: seeds vary too little for it to be right (F test, p = {test['p']:.2g})")
    wider = [
        f"{name} from {ends[0]:.4g} to {ends[1]:.4g}"
        for name, ends in result["bootstrap95"].items()
        if ends and np.ptp(ends) > max(WIDER * np.ptp(result["ci95"][name]), 1e-6 * result[name])
    ]
    if wider:
        notes.append(
            f"{form.name}: resampled runs leave {', '.join(wider)}, much wider than the profiles: the runs are not"
            " equally noisy, or not independent"
        )
    if form in (CHINCHILLA, CHINCHILLA_TIED):
        result["compute_optimal"] = compute_optimal(result, drawn)
    if form is SMS:
        result["overfit"] = overfit(data, found.best)
    return result, notes, found.best


def problems(form: Form, data: Data, settings: Settings) -> tuple[Problem, Problem]:
    """What each of the two estimators minimises."""
    return Problem(form, data, settings.delta), Problem(form, data, linear=form is not KAPLAN)


def lack_of_surface(form: Form, data: Data, best: Fit) -> dict | None:
    """`lack_of_fit` of a law of N and D, its cells being the (N, D, U) that several runs share."""
    cells, places = np.unique(np.stack((data.log_n, data.log_d, data.log_u)), axis=1, return_inverse=True)
    points = points_of(places.ravel() + 1.0, np.exp(data.log_loss))
    at = data._replace(log_n=cells[0], log_d=cells[1], log_u=cells[2])
    return lack_of_fit(points, form.predict(best.theta, at)[0], len(form.theta))


def rows_left_out(problem: Problem, best: Fit) -> float:
    """Mean relative error of the loss of each row, predicted from all the others."""
    rest = 1 - np.eye(len(problem.data.log_loss))
    return error_left_out(problem, descend_all(replace(problem, weights=rest), best.theta, DRAWN).theta)


def compute_optimal(result: dict, drawn: list[dict]) -> dict:
    """N_opt = G (C/6)^a and D_opt = (C/6)^b / G at C = 6 N D (Hoffmann et al. 2022, equation 4)."""

    def shares(law: dict) -> tuple[float, float]:
        alpha, beta = law["alpha"], law.get("beta", law["alpha"])
        ratio = alpha * law["A"] / (beta * law["B"]) if law["B"] > 0 and law["A"] > 0 else np.nan
        return beta / (alpha + beta), ratio ** (1 / (alpha + beta))

    a, g = shares(result)
    ends = quantiles(np.array([shares(law)[0] for law in drawn]))
    return {"N_exponent": a, "D_exponent": 1 - a, "G": float(g) if np.isfinite(g) else None,
            "bootstrap95": {"N_exponent": ends, "D_exponent": ends and [1 - ends[1], 1 - ends[0]]}}  # fmt: skip


def overfit(data: Data, best: Fit) -> dict:
    """What repeated data cost beyond the law of `SMS` (Qu et al. 2024): GELU(k_d D + k_n log N - k_u log U - k_in), by
    least squares of the loss that is left over. k_d is per geometric mean of D."""
    loss, under = np.exp(data.log_loss), np.exp(SMS.predict(best.theta, data)[0])
    basis = np.stack((np.exp(data.log_d), data.log_n + data.mean_n, -data.log_u - data.mean_d, -np.ones_like(loss)))

    def extra(k: np.ndarray) -> np.ndarray:
        x = k @ basis
        return x * ndtr(x)

    begun, *_ = np.linalg.lstsq(basis.T, loss - under)
    starts = [begun, np.zeros(4), *(begun * factor for factor in (0.1, 3.0))]
    ended = [least_squares(lambda k: under + extra(k) - loss, start, x_scale="jac", max_nfev=2000) for start in starts]
    done = min(ended, key=lambda one: one.cost)
    total = np.sum((loss - loss.mean()) ** 2)
    return {**dict(zip(("k_d", "k_n", "k_u", "k_in"), done.x.tolist(), strict=True)),
            "r2_of_loss": float(1 - 2 * done.cost / total),
            "r2_of_loss_without": float(1 - np.sum((under - loss) ** 2) / total)}  # fmt: skip


def forecast_rows(form: Form, data: Data, settings: Settings, best: Fit, held_out: np.ndarray) -> dict | None:
    """Rows held out, predicted from a fit to the rest; None where too few are left for one."""
    rest = data.take(~held_out)
    if not held_out.any() or len(rest.log_loss) < len(form.theta) + 3:
        return None
    huber, squares = problems(form, rest, settings)
    problem = huber if settings.loss == "huber" else squares
    found = min(search(problem).best, descend(problem, best.theta), key=lambda fit: fit.objective)
    predicted = form.predict(found.theta, data.take(held_out))[0]
    errors = np.exp(predicted - data.log_loss[held_out]) - 1
    return {"n_rows": int(held_out.sum()), "mean_relative_error": float(np.abs(errors).mean()),
            "mean_error": float(errors.mean())}  # fmt: skip
