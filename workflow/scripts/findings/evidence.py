"""What a verdict rests on: intervals and probabilities of one architecture's laws, each at its own level.

Needs the points of one architecture at one budget of tokens (`laws.line.Points`) and its laws as fit.json has them:
``laws`` is a dict with the keys power, power_irreducible and curvature.
"""

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from scipy.special import fdtrc, stdtr

from workflow.scripts.laws.band import Line
from workflow.scripts.laws.forms import POWER_IRREDUCIBLE, data_of
from workflow.scripts.laws.line import FittedLine, Noise, Points, fit_line, pooled_line, seed_noise
from workflow.scripts.laws.power_law import fit_floor


@dataclass(frozen=True)
class Evidence:
    """Of what kind the fall of loss is. Each p is the probability of as much against its statement if that is true.

    Attributes:
        alpha: 95% interval of the straight line's exponent.
        rising: p that loss does not rise: that alpha is not negative, or that the largest size is not worse than the
            next smaller and than the law of the smaller sizes allows; of both by Bonferroni.
        floor: 95% interval of the irreducible loss as a share of the lowest loss; None where no law has one.
        early: p that loss is constant, against the law with irreducible loss.
        saturation: p that the law with irreducible loss is right, by its lack-of-fit F test.
        floored: the same, and that it holds for the largest size.
        straight: the same of the straight line; its curvature is asked about, too.
        misfit: the law with irreducible loss misses its sizes by more than any noise.
    """

    alpha: tuple[float, float]
    rising: float
    floor: tuple[float, float] | None
    early: float
    saturation: float
    floored: float
    straight: float
    misfit: bool


def bonferroni(*probabilities: float | None) -> float:
    """p that all of several statements hold, from the p of each; those that could not be asked are None."""
    asked = [p for p in probabilities if p is not None]
    return min(1.0, len(asked) * min(asked)) if asked else 1.0


def evidence(points: Points, laws: dict) -> Evidence:
    """See `Evidence`. Laws are fitted to the smaller sizes here, as fit.json has none of these."""
    power, irreducible, curvature = laws["power"], laws["power_irreducible"], laws["curvature"]
    rest = points.first(len(points.n) - 1)
    by_line = surprise(points, line_forecast(rest, points.n[-1], pooled_line)) if len(rest.n) > 2 else None
    by_floor = surprise(points, floor_forecast(rest, points.n[-1])) if len(rest.n) > 3 else None
    lowest = points.loss.min()
    return Evidence(
        alpha=tuple(power["ci95"]["alpha"]),
        rising=bonferroni(negative(power), worse(points, rest, by_floor)),
        floor=tuple(end / lowest for end in irreducible["ci95"]["E"]) if irreducible else None,
        early=constant(points, irreducible) if irreducible else 1.0,
        saturation=bonferroni(lack(irreducible)) if irreducible else 1.0,
        floored=bonferroni(lack(irreducible), both_sides(by_floor)) if irreducible else 1.0,
        straight=bonferroni(lack(power), curvature and curvature["p"], both_sides(by_line)),
        misfit=bool(irreducible and irreducible["misfit"]),
    )


def negative(power: dict) -> float:
    """p that the exponent of the straight line is not below zero."""
    line = Line.from_fit(power)
    error = np.sqrt(line.covariance[1, 1])
    return float(stdtr(line.dof, line.alpha / error)) if error > 0 else float(line.alpha >= 0)


def lack(law: dict) -> float | None:
    """p of the lack-of-fit F test."""
    return (law["lack_of_fit"] or {}).get("p")


def constant(points: Points, irreducible: dict) -> float:
    """p that loss is the same at all sizes, by an F test against the law with irreducible loss."""
    if irreducible["A"] == 0:
        return 1.0
    noise = irreducible["noise"]
    log_loss = np.log(points.loss)
    explained = np.sum((log_loss - log_loss.mean()) ** 2) - irreducible["objective"]
    if noise["sd"] == 0:
        return float(explained <= 0)
    return float(fdtrc(2, noise["dof"], max(explained, 0.0) / 2 / noise["sd"] ** 2))


def both_sides(statistic: tuple[float, float] | None) -> float | None:
    """p of a t statistic and its degrees of freedom, on both sides."""
    return None if statistic is None else float(2 * stdtr(statistic[1], -abs(statistic[0])))


def worse(points: Points, rest: Points, by_floor: tuple[float, float] | None) -> float | None:
    """p that the largest size is not worse than the next smaller and than the smaller sizes' law; None of 3 sizes.

    That law is the one with irreducible loss, as a curve that flattens has not turned. Where its noise has one degree
    of freedom it is the straight line by the residuals of sizes, and the two largest are compared by the noise of
    seeds, too.

    Args:
        rest: the smaller sizes.
        by_floor: `surprise` by the law with irreducible loss of these; None where they have none.
    """
    if len(rest.n) < 3:
        return None
    if points.loss[-1] <= points.loss[-2]:
        return 1.0
    if by_floor and by_floor[1] >= 2:
        return float(stdtr(by_floor[1], -by_floor[0]))
    t, dof = surprise(points, line_forecast(rest, points.n[-1], fit_line))
    return bonferroni(float(stdtr(dof, -t)), by_seeds(points))


def by_seeds(points: Points) -> float | None:
    """p that the largest size is not worse than the next smaller, by a t test against the noise between seeds."""
    within, dof = seed_noise(points)
    if dof == 0 or within == 0:
        return None
    error = np.sqrt(within / dof * (points.spread[-2:] / points.runs[-2:]).sum())
    return float(stdtr(dof, -np.log(points.loss[-1] / points.loss[-2]) / error))


def surprise(points: Points, forecast: tuple[float, float, Noise]) -> tuple[float, float]:
    """How far the largest size is above its ``forecast``, in standard errors, and their degrees of freedom.

    The forecast is as `line_forecast` gives it; the largest size's own noise comes to its variance.
    """
    expected, variance, noise = forecast
    error = np.sqrt(variance + noise.of_mean(points.runs[-1]))
    above = float(np.log(points.loss[-1]) - expected)
    return above / max(float(error), 1e-300), noise.dof


def line_forecast(rest: Points, n: float, fit: Callable[[Points], FittedLine]) -> tuple[float, float, Noise]:
    """Log loss at N by a straight line of the points ``rest``, the variance of it, and the noise."""
    line = fit(rest)
    return float(line.log_loss(n)), float(line.variance(n)), line.noise


def floor_forecast(rest: Points, n: float) -> tuple[float, float, Noise]:
    """The same by the law with irreducible loss; the variance is by the delta method (Bates and Watts 1988, 2.3)."""
    data = data_of(rest.n, rest.n, rest.loss)
    problem, found, noise = fit_floor(rest, data)
    expected, by = POWER_IRREDUCIBLE.predict(found.best.theta, data.at(n, n))
    _, slopes = POWER_IRREDUCIBLE.predict(found.best.theta, data)
    inverse = np.linalg.pinv(slopes.T @ (problem.row_weights[:, None] * slopes))
    return float(expected[0]), float(noise.variance * (by[0] @ inverse @ by[0])), noise
