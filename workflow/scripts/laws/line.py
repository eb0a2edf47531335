"""The straight line of log loss on log size, and the tests that ask whether a straight line is right.

All of it is on one point a size, the mean over seeds of log loss: more seeds of the same sizes are not more sizes.
"""

from collections.abc import Callable
from typing import NamedTuple

import numpy as np
from scipy.optimize import curve_fit
from scipy.special import fdtrc

from workflow.scripts.laws.band import Line, quantile


class Points(NamedTuple):
    """One entry a size, ascending: N and the geometric mean of the loss, each (k,); and the runs behind them.

    ``run_size`` (n,) is each run's place in ``n``; ``run_log_loss`` (n,) its log loss.
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
        kept = self.run_size != size
        places = self.run_size[kept]
        return Points(np.delete(self.n, size), np.delete(self.loss, size), places - (places > size),
                      self.run_log_loss[kept])  # fmt: skip


def points_of(n: np.ndarray, loss: np.ndarray) -> Points:
    """From the runs' N and losses, each (n,)."""
    sizes, places = np.unique(n, return_inverse=True)
    log_loss = np.log(loss)
    means = np.bincount(places, log_loss) / np.bincount(places)
    return Points(sizes, np.exp(means), places, log_loss)


def log_power(log_n, log_a, alpha):
    return log_a - alpha * log_n


def fit_line(points: Points) -> Line:
    """L = A N^-alpha by scipy's curve_fit on log-log; needs three sizes."""
    x, y = np.log(points.n), np.log(points.loss)
    # The slope at the mean of x is where curve_fit does best; covariances are carried back to log N = 0.
    (centred, alpha), covariance = curve_fit(log_power, x - x.mean(), y, p0=(y.mean(), 0.1))
    back = np.array([[1, x.mean()], [0, 1]])
    rss = float(np.sum((y - log_power(x - x.mean(), centred, alpha)) ** 2))
    return Line(float(centred + alpha * x.mean()), float(alpha), back @ covariance @ back.T, len(x) - 2, rss)


def r_squared(log_loss: np.ndarray, rss: float) -> float:
    return float(1 - rss / np.sum((log_loss - log_loss.mean()) ** 2))


def interval(value: float, se: float, dof: int) -> list[float]:
    half = quantile(dof) * se
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
            "curvature": interval(values[2], errors[2], dof),
            "slope_at_largest": interval(values[1], errors[1], dof),
        },
    }


def seed_noise(points: Points) -> tuple[float, int]:
    """Sum of squares of log loss within sizes, and its degrees of freedom (0 where no size has two runs)."""
    within = points.run_log_loss - np.log(points.loss)[points.run_size]
    return float(within @ within), len(within) - len(points.n)


def lack_of_fit(points: Points, fitted_log_loss: np.ndarray, parameters: int) -> dict | None:
    """F test of a law (its log loss at each size) against the noise between seeds; None where there is none."""
    pure, dof_pure = seed_noise(points)
    dof = len(points.n) - parameters
    if dof_pure == 0 or dof < 1 or pure == 0:
        return None
    counts = np.bincount(points.run_size)
    lack = float(counts @ (np.log(points.loss) - fitted_log_loss) ** 2)
    ratio = (lack / dof) / (pure / dof_pure)
    return {"F": ratio, "dof": [dof, dof_pure], "p": float(fdtrc(dof, dof_pure, ratio))}


def left_out(points: Points, fit: Callable[[Points], Callable[[np.ndarray], np.ndarray]]) -> float:
    """Mean relative error of the loss at each size, predicted from all the others."""
    errors = []
    for size in range(len(points.n)):
        predicted = fit(points.without(size))(points.n[size : size + 1])
        errors.append(abs(np.exp(predicted[0]) / points.loss[size] - 1))
    return float(np.mean(errors))


def line_of(points: Points) -> Callable[[np.ndarray], np.ndarray]:
    """Log loss at N by the straight line of these points."""
    return fit_line(points).log_loss
