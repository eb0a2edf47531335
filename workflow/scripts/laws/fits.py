"""One law fitted to rows, with all that a reader needs to trust it or not: a dictionary that goes into fit.json."""

from collections.abc import Callable
from dataclasses import dataclass, replace

import numpy as np
from scipy.optimize import least_squares
from scipy.stats import norm

from workflow.scripts.laws.estimate import DRAWN, Fit, Problem, Search, descend, polish, search, variable_projection
from workflow.scripts.laws.forms import EXPONENTS, KAPLAN, POWER_IRREDUCIBLE, REPEATS, SMS, Data, Form, data_of
from workflow.scripts.laws.intervals import bootstrap, profile_interval
from workflow.scripts.laws.line import (
    Points,
    fit_line,
    interval,
    lack_of_fit,
    left_out,
    line_of,
    points_of,
    quantile,
    r_squared,
)

MISFIT = 0.05  # no seed moves a loss by so much: residuals beyond are the law's fault, and E is below every loss then
WIDER = 1.5  # a bootstrap interval so many times as wide as the profile's doubts what the profile takes for granted
SHARED = 1.96  # standard errors of the loss of all models at once, as far as they all were evaluated on the same tunes


@dataclass(frozen=True)
class Settings:
    """``loss``: which estimator the laws of N and D are told by, huber or mse; ``delta``: of Huber's loss, in log loss;
    ``draws``: bootstrap resamples."""

    loss: str = "huber"
    delta: float = 1e-3
    draws: int = 400


def fit_power(points: Points, settings: Settings, evaluation_se: float) -> dict:
    """L = A N^-alpha by `curve_fit` of log L on log N, with t intervals of k - 2 degrees of freedom.

    ``evaluation_se``: relative standard error of the loss that all runs share, as they were measured on the same text.
    It moves A and not alpha; what it does to single runs is in the residuals already.
    """
    line = fit_line(points)
    log_loss = np.log(points.loss)
    errors = np.sqrt(np.diag(line.covariance))
    a = np.exp(widened(interval(line.log_a, errors[0], line.dof), line.log_a, SHARED * evaluation_se)).tolist()
    return {
        "formula": "L = A/N^alpha",
        "alpha": line.alpha,
        "A": float(np.exp(line.log_a)),
        "ci95": {"alpha": interval(line.alpha, errors[1], line.dof), "A": a},
        "bootstrap95": {"alpha": quantiles(resampled_slopes(points, settings.draws))},
        "covariance_log_A_alpha": line.covariance.tolist(),
        "dof": line.dof,
        "objective": line.rss,
        "n_rows": len(points.run_log_loss),
        "n_sizes": len(points.n),
        "r2": r_squared(log_loss, line.rss),
        "aicc": aicc(line.rss, len(points.n), 3),
        "loo_error": left_out(points, line_of) if len(points.n) > 3 else None,
        "lack_of_fit": lack_of_fit(points, line.log_loss(points.n), 2),
        "converged": True,
    }


def widened(ends: list[float], value: float, half: float) -> list[float]:
    """An interval with an independent error added in quadrature."""
    return [value - np.hypot(value - ends[0], half), value + np.hypot(ends[1] - value, half)]


def quantiles(values: np.ndarray) -> list[float] | None:
    """95% percentile interval; None of too few draws."""
    return np.quantile(values, (0.025, 0.975)).tolist() if len(values) >= 20 else None


def aicc(rss: float, n: int, k: int) -> float | None:
    """Akaike's criterion for few points (Hurvich and Tsai 1989), of k parameters with the noise; from 6 points on."""
    if n < 6 or n - k - 1 < 1 or rss <= 0:
        return None
    return float(n * np.log(rss / n) + 2 * k + 2 * k * (k + 1) / (n - k - 1))


def resamples(points: Points, draws: int, fewest: int):
    """Sizes and mean log losses of runs drawn again with replacement, where ``fewest`` sizes are among them."""
    rng = np.random.default_rng(0)
    runs, sizes = len(points.run_log_loss), len(points.n)
    for times in rng.multinomial(runs, np.full(runs, 1 / runs), size=draws):
        weights = np.bincount(points.run_size, times, sizes)
        drawn = weights > 0
        if drawn.sum() >= fewest:
            means = np.bincount(points.run_size, times * points.run_log_loss, sizes)[drawn] / weights[drawn]
            yield points.n[drawn], means


def resampled_slopes(points: Points, draws: int) -> np.ndarray:
    return np.array([-np.polyfit(np.log(n), y, 1)[0] for n, y in resamples(points, draws, 3)])


def fit_power_irreducible(points: Points, settings: Settings, evaluation_se: float) -> tuple[dict, list[str]]:
    """L = E + A N^-alpha by least squares of log L over one point a size; needs four sizes.

    Squares rather than Huber's loss: of so few points none can be told to be an outlier.
    """
    data = data_of(points.n, points.n, points.loss)
    problem = Problem(POWER_IRREDUCIBLE, data)
    found = search(problem)
    result, notes = described(problem, found, variable_projection(POWER_IRREDUCIBLE, data), evaluation_se)
    rss = result["objective"]
    if np.sqrt(rss / (len(points.n) - 3)) > MISFIT:
        low, high = result["ci95"]["E"]
        result["ci95"]["E"] = [low, min(high, float(points.loss.min()))]
    drawn = [
        descend(Problem(POWER_IRREDUCIBLE, data_of(n, n, np.exp(y))), start_at(found.best.theta, data, n), DRAWN).theta
        for n, y in resamples(points, settings.draws, 4)
    ]
    alphas = np.array([theta[2] for theta in drawn])
    floors = np.array([np.exp(theta[0]) for theta in drawn])
    result |= {
        "bootstrap95": {"alpha": quantiles(alphas), "E": quantiles(floors)},
        "dof": len(points.n) - 3,
        "n_rows": len(points.run_log_loss),
        "n_sizes": len(points.n),
        "aicc": aicc(rss, len(points.n), 4),
        "loo_error": left_out(points, irreducible_curve) if len(points.n) > 4 else None,
        "lack_of_fit": lack_of_fit(points, POWER_IRREDUCIBLE.predict(found.best.theta, data)[0], 3),
    }
    return result, notes


def start_at(theta: np.ndarray, data: Data, n: np.ndarray) -> np.ndarray:
    """The same law in the coordinates of other sizes."""
    log_e, log_a, alpha = theta
    return np.array([log_e, log_a - alpha * (np.log(n).mean() - data.mean_n), alpha])


def irreducible_curve(points: Points) -> Callable[[np.ndarray], np.ndarray]:
    """Log loss at N by the law with irreducible loss of these points."""
    data = data_of(points.n, points.n, points.loss)
    theta = search(Problem(POWER_IRREDUCIBLE, data)).best.theta
    return lambda n: POWER_IRREDUCIBLE.predict(theta, data.at(n, n))[0]


def fit_surface(
    form: Form, data: Data, settings: Settings, evaluation_se: float, groups: np.ndarray | None
) -> tuple[dict, list[str], Fit]:
    """A law of N and D over rows, by the estimator of ``settings``, the other one beside it.

    ``groups``: see `bootstrap`.
    """
    huber = Problem(form, data, settings.delta)
    squares = Problem(form, data, linear=form is not KAPLAN)
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
        if ends and np.ptp(ends) > WIDER * np.ptp(result["ci95"][name])
    ]
    if wider:
        notes.append(
            f"{form.name}: resampled runs leave {', '.join(wider)}, much wider than the profiles: the runs are not"
            " equally noisy, or not independent"
        )
    if {"alpha", "A", "B"} <= set(result) and form.name.startswith("chinchilla"):
        result["compute_optimal"] = compute_optimal(result, drawn)
    if form is SMS:
        result["overfit"] = overfit(data, found.best)
    return result, notes, found.best


def overfit(data: Data, best: Fit) -> dict:
    """What repeated data cost beyond the law of `SMS` (Qu et al. 2024): GELU(k_d D + k_n log N - k_u log U - k_in), by
    least squares of the loss that is left over. k_d is per geometric mean of D."""
    loss, under = np.exp(data.log_loss), np.exp(SMS.predict(best.theta, data)[0])
    basis = np.stack((np.exp(data.log_d), data.log_n + data.mean_n, -data.log_u - data.mean_d, -np.ones_like(loss)))

    def extra(k: np.ndarray) -> np.ndarray:
        x = k @ basis
        return x * norm.cdf(x)

    begun, *_ = np.linalg.lstsq(basis.T, loss - under)
    starts = [begun, np.zeros(4), *(begun * factor for factor in (0.1, 3.0))]
    ended = [least_squares(lambda k: under + extra(k) - loss, start, x_scale="jac", max_nfev=2000) for start in starts]
    done = min(ended, key=lambda one: one.cost)
    total = np.sum((loss - loss.mean()) ** 2)
    return {**dict(zip(("k_d", "k_n", "k_u", "k_in"), done.x.tolist(), strict=True)),
            "r2_of_loss": float(1 - 2 * done.cost / total),
            "r2_of_loss_without": float(1 - np.sum((under - loss) ** 2) / total)}  # fmt: skip


def lack_of_surface(form: Form, data: Data, best: Fit) -> dict | None:
    """`lack_of_fit` of a law of N and D, its cells being the (N, D, U) that several runs share."""
    cells, places = np.unique(np.stack((data.log_n, data.log_d, data.log_u)), axis=1, return_inverse=True)
    points = points_of(places.ravel() + 1.0, np.exp(data.log_loss))
    at = data._replace(log_n=cells[0], log_d=cells[1], log_u=cells[2])
    return lack_of_fit(points, form.predict(best.theta, at)[0], len(form.theta))


def rows_left_out(problem: Problem, best: Fit) -> float:
    """Mean relative error of the loss of each row, predicted from all the others."""
    rows = np.arange(len(problem.data.log_loss))
    errors = []
    for row in rows:
        rest = replace(problem, data=problem.data.take(rows != row))
        predicted = problem.form.predict(descend(rest, best.theta, DRAWN).theta, problem.data.take(rows == row))[0]
        errors.append(abs(np.exp(predicted[0] - problem.data.log_loss[row]) - 1))
    return float(np.mean(errors))


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


def described(problem: Problem, found: Search, other: Fit, evaluation_se: float) -> tuple[dict, list[str]]:
    """Parameters, intervals and doubts of a nonlinear fit, and the doubts as sentences."""
    form, data = problem.form, problem.data
    best = found.best
    values, second = form.natural(best.theta, data), form.natural(other.theta, data)
    intervals = {name: profile_interval(problem, best, name) for name in values
                 if (values[name] > 0 or name == "E") and name != "d"}  # fmt: skip
    for name in ("E", "A", "B"):
        if name in intervals:
            low, high = widened(intervals[name], values[name], SHARED * evaluation_se * values[name])
            intervals[name] = [max(low, 0.0), high]
    predicted, _ = form.predict(best.theta, data)
    squares = np.isinf(problem.delta)
    bounds = at_bounds(values)
    notes = []
    if not found.moved:
        notes.append("the result is where the search began")
    if not best.converged:
        notes.append("the optimiser did not converge")
    if bounds:
        notes.append(f"{', '.join(bounds)} at a bound")
    if found.basins > 1:
        notes.append(f"{found.basins} different optima lie within 1% of the best objective")
    for name in ("E", "alpha", "beta"):
        if name in intervals and disagree(values[name], second[name], intervals[name]):
            names = ("least squares", "Huber's loss") if squares else ("Huber's loss", "least squares")
            if form is POWER_IRREDUCIBLE:
                names = "least squares of log loss", "least squares of loss"
            both = f"{values[name]:.4g} by {names[0]}, {second[name]:.4g} by {names[1]}"
            notes.append(f"the two estimators disagree: {name} is {both}")
    for name in ("alpha", "beta"):
        if name in intervals and intervals[name][1] > 5 * intervals[name][0]:
            low, high = intervals[name]
            notes.append(f"{name} is weakly identified: anything from {low:.2g} to {high:.2g}")
    return {
        "formula": form.formula,
        **values,
        "ci95": intervals,
        "estimator": "mse" if squares else "huber",
        "objective": best.objective * (2 if squares else 1),
        "other_estimate": second | {"objective": other.objective},
        "r2": r_squared(data.log_loss, float(np.sum((predicted - data.log_loss) ** 2))),
        "basins": found.basins,
        "at_bound": bounds,
        "converged": best.converged,
    }, [f"{form.name}: {note}" for note in notes]


def at_bounds(values: dict[str, float]) -> list[str]:
    ends = {"alpha": EXPONENTS, "beta": EXPONENTS, "R_D": tuple(np.exp(REPEATS)), "R_N": tuple(np.exp(REPEATS))}
    zero = [name for name in ("E", "A", "B") if values.get(name) == 0]
    return zero + [name for name, limits in ends.items() if name in values and np.isclose(values[name], limits).any()]


def disagree(value: float, other: float, ends: list[float]) -> bool:
    return not ends[0] <= other <= ends[1] and abs(other - value) > 1e-3 * max(abs(value), 1e-3)


def forecast(points: Points, sizes: list[str]) -> dict | None:
    """The largest size, predicted from all smaller ones, with the 95% prediction interval of the straight line.

    ``sizes``: their names. Needs four sizes; five for the law with irreducible loss.
    """
    if len(points.n) < 4:
        return None
    rest, largest = points.first(len(points.n) - 1), points.n[-1]
    line, observed = fit_line(rest), float(points.loss[-1])
    expected, half = line.log_loss(largest), line.half_width(largest, new_run=True)
    result = {
        "size": sizes[-1],
        "params": float(largest),
        "from_sizes": len(rest.n),
        "observed": observed,
        "power": {
            "loss": float(np.exp(expected)),
            "pi95": np.exp([expected - half, expected + half]).tolist(),
            "error": float(np.exp(expected) / observed - 1),
            "t": float((np.log(observed) - expected) / (half / quantile(line.dof))) if half > 0 else None,
        },
        "power_irreducible": None,
    }
    if len(rest.n) >= 4:
        result["power_irreducible"] = irreducible_forecast(rest, float(largest), observed)
    return result


def irreducible_forecast(rest: Points, n: float, observed: float) -> dict:
    """The loss at N by the law with irreducible loss, its 95% prediction interval by the delta method."""
    data = data_of(rest.n, rest.n, rest.loss)
    best = search(Problem(POWER_IRREDUCIBLE, data)).best
    expected, by = POWER_IRREDUCIBLE.predict(best.theta, data.at(n, n))
    _, slopes = POWER_IRREDUCIBLE.predict(best.theta, data)
    dof = len(rest.n) - 3
    variance = 2 * best.objective / dof * (1 + by[0] @ np.linalg.pinv(slopes.T @ slopes) @ by[0])
    loss, half = float(np.exp(expected[0])), quantile(dof) * np.sqrt(variance)
    return {"loss": loss, "pi95": [loss * np.exp(-half), loss * np.exp(half)], "error": loss / observed - 1, "dof": dof}


def forecast_rows(form: Form, data: Data, settings: Settings, best: Fit, held_out: np.ndarray) -> dict | None:
    """Rows held out, predicted from a fit to the rest; None where too few are left for one."""
    rest = data.take(~held_out)
    if not held_out.any() or len(rest.log_loss) < len(form.theta) + 3:
        return None
    problem = (
        Problem(form, rest, settings.delta)
        if settings.loss == "huber"
        else Problem(form, rest, linear=form is not KAPLAN)
    )
    found = min(search(problem).best, descend(problem, best.theta), key=lambda fit: fit.objective)
    predicted = form.predict(found.theta, data.take(held_out))[0]
    errors = np.exp(predicted - data.log_loss[held_out]) - 1
    return {"n_rows": int(held_out.sum()), "mean_relative_error": float(np.abs(errors).mean()),
            "mean_error": float(errors.mean())}  # fmt: skip
