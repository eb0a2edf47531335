"""Laws in N alone, at one budget of tokens, fitted to one point a size; and forecasts of the largest size."""

from dataclasses import replace

import numpy as np

from workflow.scripts.laws.band import quantile
from workflow.scripts.laws.describe import SHARED, Settings, described, error_left_out, quantiles, widened
from workflow.scripts.laws.estimate import DRAWN, search, starts, variable_projection
from workflow.scripts.laws.forms import POWER_IRREDUCIBLE, data_of
from workflow.scripts.laws.line import Points, fit_line, interval, lack_of_fit, left_out, line_of, r_squared
from workflow.scripts.laws.problem import Problem
from workflow.scripts.laws.together import descend_all

MISFIT = 0.05  # no seed moves a loss by so much: residuals beyond are the law's fault, and E is below every loss then


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


def aicc(rss: float, n: int, k: int) -> float | None:
    """Akaike's criterion for few points (Hurvich and Tsai 1989), of k parameters with the noise; from 6 points on."""
    if n < 6 or n - k - 1 < 1 or rss <= 0:
        return None
    return float(n * np.log(rss / n) + 2 * k + 2 * k * (k + 1) / (n - k - 1))


def resamples(points: Points, draws: int, fewest: int) -> tuple[np.ndarray, np.ndarray]:
    """Which sizes are in each draw of runs, with replacement, that has ``fewest`` of them, and the sizes' mean log
    losses, both (m, k); a size that is not drawn has that of all runs."""
    runs, sizes = len(points.run_log_loss), len(points.n)
    times = np.random.default_rng(0).multinomial(runs, np.full(runs, 1 / runs), size=draws)
    of_size = points.run_size[:, None] == np.arange(sizes)
    counts = times @ of_size
    sums = times * points.run_log_loss @ of_size
    means = np.where(counts > 0, sums / np.maximum(counts, 1), np.log(points.loss))
    enough = (counts > 0).sum(axis=1) >= fewest
    return counts[enough] > 0, means[enough]


def resampled_slopes(points: Points, draws: int) -> np.ndarray:
    drawn, means = resamples(points, draws, 3)
    x = np.log(points.n)
    return np.array([-np.polyfit(x[sizes], y[sizes], 1)[0] for sizes, y in zip(drawn, means, strict=True)])


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
    drawn, means = resamples(points, settings.draws, 4)
    many = Problem(POWER_IRREDUCIBLE, data._replace(log_loss=means), weights=drawn.astype(float))
    log_e, _, alphas = descend_all(many, found.best.theta, DRAWN).theta.T
    result |= {
        "bootstrap95": {"alpha": quantiles(alphas), "E": quantiles(np.exp(log_e))},
        "dof": len(points.n) - 3,
        "n_rows": len(points.run_log_loss),
        "n_sizes": len(points.n),
        "aicc": aicc(rss, len(points.n), 4),
        "loo_error": sizes_left_out(problem) if len(points.n) > 4 else None,
        "lack_of_fit": lack_of_fit(points, POWER_IRREDUCIBLE.predict(found.best.theta, data)[0], 3),
    }
    return result, notes


def sizes_left_out(problem: Problem) -> float:
    """`left_out` of the law with irreducible loss; all are fitted at once, each from the whole grid of starts."""
    begun = np.array(starts(problem.form, problem.data))
    count, many = len(problem.data.log_loss), len(begun)
    rest = np.repeat(1 - np.eye(count), many, axis=0)
    ended = descend_all(replace(problem, weights=rest), np.tile(begun, (count, 1)), DRAWN)
    lowest = ended.objective.reshape(count, many).argmin(axis=1) + many * np.arange(count)
    return error_left_out(problem, ended.theta[lowest])


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
