"""The interval of a forecast: every loss that one more run could have had without making the fit surprisingly worse.

Of a straight line this is the textbook t interval of one more observation (Draper and Smith 1998, section 3.1); of a
law that is curved, or has a parameter at its bound, it needs neither derivatives nor the bound to be far: the interval
of the likelihood ratio (Bates and Watts 1988, section 6.1), with the new run as one of the rows.

Needs the `laws.problem.Problem` that the law was fitted by, squares of log loss, and the fit.
"""

from dataclasses import replace
from typing import NamedTuple

import numpy as np

from workflow.scripts.forecasts.least_squares import least_squares_all
from workflow.scripts.laws.band import t_quantile
from workflow.scripts.laws.estimate import TIGHT
from workflow.scripts.laws.forms import Data, Form
from workflow.scripts.laws.intervals import first_crossings, with_all_terms
from workflow.scripts.laws.problem import Fit, Problem

ENOUGH = 3e-5  # share of the objective that a fit on the way to an end is exact to
STEPS = 25  # of such a fit: it begins near its end
FARTHEST = 12.0  # in log loss: beyond, an interval has no end that matters

SIGNS = (-1.0, 1.0)  # of the lower side and the upper


class RunNoise(NamedTuple):
    """What a run's log loss varies by about the law.

    Attributes:
        variance: of a run of weight 1.
        dof: degrees of freedom that it was estimated with.
    """

    variance: float
    dof: float


def with_run(problem: Problem, place: Data, log_loss: np.ndarray) -> Problem:
    """m problems with one more run at ``place`` (one row), before all others, of each ``log_loss`` (m,)."""
    data, many = problem.data, len(log_loss)
    n, d, u = (np.concatenate((getattr(place, name), getattr(data, name))) for name in ("log_n", "log_d", "log_u"))
    losses = np.concatenate((log_loss[:, None], np.tile(data.log_loss, (many, 1))), axis=1)
    weights = np.tile(np.concatenate(([1.0], problem.row_weights)), (many, 1))
    return replace(problem, data=data._replace(log_n=n, log_d=d, log_u=u, log_loss=losses), weights=weights)


def prediction_interval(
    problem: Problem, best: Fit, place: Data, expected: float, noise: RunNoise
) -> list[float | None]:
    """The 95% interval [low, high] of the log loss of one more run at ``place``; an end is None beyond `FARTHEST`.

    Args:
        problem: of squares, each row with the weight of the inverse of its variance, in units of the new run's.
        best: the fit without the new run.
        place: one row, in the coordinates of the problem's data.
        expected: log loss there by the fit.
    """
    allowed = t_quantile(noise.dof) ** 2 * max(noise.variance, 1e-24) / 2
    known: list[dict[float, np.ndarray]] = [{0.0: best.theta}, {0.0: best.theta}]
    rises: list[dict[float, float]] = [{0.0: 0.0}, {0.0: 0.0}]

    def excess(distances: np.ndarray, which: np.ndarray) -> np.ndarray:
        asked = list(zip(which.tolist(), distances.tolist(), strict=True))
        if new := [(side, distance) for side, distance in asked if distance not in rises[side]]:
            starts = [with_terms(problem, nearest(known[side], distance)) for side, distance in new]
            count = len(starts[0])
            wanted = [expected + SIGNS[side] * distance for side, distance in new]
            many = with_run(problem, place, np.repeat(wanted, count))
            ended = least_squares_all(many, np.concatenate(starts), ENOUGH, STEPS)
            objective = ended.objective.reshape(-1, count)
            for i, (side, distance) in enumerate(new):
                lowest = int(objective[i].argmin())
                known[side][distance] = ended.theta[i * count + lowest]
                rises[side][distance] = max(float(objective[i, lowest]) - best.objective, 0.0)
        return np.sqrt(np.array([rises[side][distance] for side, distance in asked]) / allowed) - 1

    first = np.sqrt(2 * allowed)  # where the new run alone would use up what is allowed
    ends = first_crossings(excess, np.zeros(2), np.full(2, FARTHEST), np.full(2, min(first, FARTHEST / 2)))
    return [None if end >= FARTHEST else float(expected + sign * end) for sign, end in zip(SIGNS, ends, strict=True)]


def nearest(known: dict[float, np.ndarray], distance: float) -> np.ndarray:
    """(2, p) the thetas found next to a distance, on both sides of it if there are."""
    below = max(place for place in known if place <= distance)
    above = min((place for place in known if place > distance), default=below)
    return np.stack((known[below], known[above]))


def interval_if_right(form: Form, data: Data, theta: np.ndarray, place: Data) -> list[float | None]:
    """The same by a law as if it were right, fitted by squares of log loss from ``theta`` (p,); no ends of too few."""
    dof = len(data.log_loss) - len(form.theta)
    if dof < 1:
        return [None, None]
    problem = Problem(form, data)
    best = from_starts(problem, with_terms(problem, theta[None]))
    expected = float(form.predict(best.theta, place)[0][0])
    return prediction_interval(problem, best, place, expected, RunNoise(2 * best.objective / dof, dof))


def with_terms(problem: Problem, thetas: np.ndarray) -> np.ndarray:
    """The thetas (k, p), and the first of them with no term gone: from zero no gradient leads back."""
    return np.vstack((thetas, with_all_terms(problem, thetas[0])))


def from_starts(problem: Problem, starts: np.ndarray) -> Fit:
    """The best that least squares finds from each of some starts (k, p)."""
    weights = np.tile(problem.row_weights, (len(starts), 1))
    ended = least_squares_all(replace(problem, weights=weights), starts, TIGHT)
    best = int(ended.objective.argmin())
    return Fit(ended.theta[best], float(ended.objective[best]), bool(ended.converged[best]))
