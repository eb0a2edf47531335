"""The straight line of log loss on log size, and the tests that ask whether a straight line is right.

Needs runs' sizes and losses. All of it is on one point a size, the mean over seeds of log loss: more seeds of the same
sizes are not more sizes. Intervals and tests are the textbook ones (Draper and Smith 1998, chapters 1 and 2).
"""

from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
from scipy.optimize import curve_fit
from scipy.special import fdtrc

from workflow.scripts.laws.band import Line, t_quantile


class Points(NamedTuple):
    """One point a size, ascending, and the runs behind them.

    Attributes:
        n: (k,) the distinct sizes N.
        loss: (k,) the geometric mean of the loss at each.
        run_size: (n,) the place in ``n`` of each run's size.
        run_log_loss: (n,) each run's log loss.
    """

    n: np.ndarray
    loss: np.ndarray
    run_size: np.ndarray
    run_log_loss: np.ndarray

    def first(self, count: int) -> "Points":
        """The ``count`` smallest sizes."""
        kept = self.run_size < count
        return Points(self.n[:count], self.loss[:count], self.run_size[kept], self.run_log_loss[kept])

    def without(self, size: int) -> "Points":
        """All sizes but the one at place ``size``."""
        kept = self.run_size != size
        places = self.run_size[kept]
        return Points(np.delete(self.n, size), np.delete(self.loss, size), places - (places > size),
                      self.run_log_loss[kept])  # fmt: skip


def points_of(n: np.ndarray, loss: np.ndarray) -> Points:
    """From the runs' N and losses, each (n,) and positive."""
    sizes, places = np.unique(n, return_inverse=True)
    log_loss = np.log(loss)
    means = np.bincount(places, log_loss) / np.bincount(places)
    return Points(sizes, np.exp(means), places, log_loss)


@dataclass(frozen=True)
class FittedLine(Line):
    """A line with ``rss``, the residual sum of squares of log loss over the points that it was fitted to."""

    rss: float

    def prediction_half_width(self, n: np.ndarray | float) -> np.ndarray:
        """Half the 95% t interval of the log loss of one more size, trained at N; in the shape of ``n``."""
        return t_quantile(self.dof) * np.sqrt(self.variance(n) + self.rss / self.dof)


def log_power(log_n: np.ndarray, log_a: float, alpha: float) -> np.ndarray:
    """Log loss at ``log_n`` by a power law."""
    return log_a - alpha * log_n


def fit_line(points: Points) -> FittedLine:
    """L = A N^-alpha by scipy's `curve_fit` of log L on log N, an unweighted least squares; needs three sizes."""
    x, y = np.log(points.n), np.log(points.loss)
    # The slope at the mean of x is where curve_fit does best; covariances are carried back to log N = 0.
    (centred, alpha), covariance = curve_fit(log_power, x - x.mean(), y, p0=(y.mean(), 0.1))
    back = np.array([[1, x.mean()], [0, 1]])
    rss = float(np.sum((y - log_power(x - x.mean(), centred, alpha)) ** 2))
    return FittedLine(float(centred + alpha * x.mean()), float(alpha), back @ covariance @ back.T, len(x) - 2, rss)


def r_squared(log_loss: np.ndarray, rss: float) -> float:
    """The share of the variance of log loss (n,) that a law with this residual sum of squares explains."""
    return float(1 - rss / np.sum((log_loss - log_loss.mean()) ** 2))


def t_interval(value: float, se: float, dof: int) -> list[float]:
    """The 95% t interval, [low, high], of an estimate with standard error ``se``."""
    half = t_quantile(dof) * se
    return [float(value - half), float(value + half)]


def curvature(points: Points) -> dict | None:
    """The coefficient of log^2 N beside the line, and the slope of log loss at the largest size, with t intervals.

    Positive curvature: the fall slows. None of fewer than 5 sizes, where one degree of freedom or none is left.
    """
    x, y = np.log(points.n), np.log(points.loss)
    if (dof := len(x) - 3) < 2:
        return None
    x = x - x[-1]  # so that the linear coefficient is the slope at the largest
    basis = np.stack((np.ones_like(x), x, x**2), axis=1)
    values, *_ = np.linalg.lstsq(basis, y)
    variance = np.sum((y - basis @ values) ** 2) / dof * np.linalg.inv(basis.T @ basis)
    errors = np.sqrt(np.diag(variance))
    return {
        "curvature": float(values[2]),
        "slope_at_largest": float(values[1]),
        "ci95": {
            "curvature": t_interval(values[2], errors[2], dof),
            "slope_at_largest": t_interval(values[1], errors[1], dof),
        },
    }


def seed_noise(points: Points) -> tuple[float, int]:
    """Pure error: the sum of squares of log loss within sizes, and its degrees of freedom; 0 if none has two runs."""
    within = points.run_log_loss - np.log(points.loss)[points.run_size]
    return float(within @ within), len(within) - len(points.n)


def lack_of_fit(points: Points, fitted_log_loss: np.ndarray, parameters: int) -> dict | None:
    """F test of a law against the noise between seeds; None where there is no such noise or no freedom is left.

    Args:
        fitted_log_loss: (k,) the law's log loss at each size.
        parameters: how many the law has.
    """
    pure, dof_pure = seed_noise(points)
    dof = len(points.n) - parameters
    if dof_pure == 0 or dof < 1 or pure == 0:
        return None
    counts = np.bincount(points.run_size)
    lack = float(counts @ (np.log(points.loss) - fitted_log_loss) ** 2)
    ratio = (lack / dof) / (pure / dof_pure)
    return {"F": ratio, "dof": [dof, dof_pure], "p": float(fdtrc(dof, dof_pure, ratio))}


def leave_one_out_error(points: Points) -> float:
    """Mean relative error of the loss at each size, predicted by the line through all the others; needs four sizes."""
    errors = []
    for size in range(len(points.n)):
        predicted = fit_line(points.without(size)).log_loss(points.n[size : size + 1])
        errors.append(abs(np.exp(predicted[0]) / points.loss[size] - 1))
    return float(np.mean(errors))
