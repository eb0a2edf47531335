"""The straight line of log loss on log size, the noise about it, and the tests that ask whether a line is right.

Needs runs' sizes and losses. All of it is on one point a size, the mean over seeds of log loss: more seeds of the same
sizes are not more sizes. What seeds do say is how far a point lies from any law by chance (`pooled_noise`). Intervals
and tests are the textbook ones (Draper and Smith 1998, chapters 1 and 2).
"""

from dataclasses import dataclass, replace
from typing import NamedTuple

import numpy as np
from scipy.optimize import curve_fit
from scipy.special import fdtrc, stdtr

from workflow.scripts.laws.band import Line, t_quantile
from workflow.scripts.laws.outliers import error_weights, run_weights, seed_spread

LEVEL = 0.25  # p of the F test of lack of fit from which seeds are pooled with sizes (Bancroft 1964)
# With one degree of freedom that test does not see sizes that deviate by as much as their seeds do. There seeds are
# pooled from p = 0.05, and each size is allowed a deviation of its own, with the variance of one seed.
ONE_DEGREE_LEVEL = 0.05


class Points(NamedTuple):
    """One point a size, ascending, and the runs behind them.

    Attributes:
        n: (k,) the distinct sizes N.
        loss: (k,) the geometric mean of the loss at each; a run that is far out counts little.
        run_size: (n,) the place in ``n`` of each run's size.
        run_log_loss: (n,) each run's log loss.
        run_weight: (n,) 1, and nearly 0 for a run that is far out (`laws.outliers.run_weights`).
        spread: (k,) the variance between runs of each size, relative to that of others: all 1 unless seeds show that
            it differs (`laws.outliers.seed_spread`).
        weight: (k,) how much each size counts in a weighted fit, 1 on average, in proportion to 1 / variance of its
            mean: by its runs and their spread, or by errors of evaluation that differ (`laws.outliers.error_weights`).
        seeds_tell: what seeds differ by is all the noise that is known of. Not so where errors of evaluation differ.
    """

    n: np.ndarray
    loss: np.ndarray
    run_size: np.ndarray
    run_log_loss: np.ndarray
    run_weight: np.ndarray
    spread: np.ndarray
    weight: np.ndarray
    seeds_tell: bool

    @property
    def runs(self) -> np.ndarray:
        """(k,) how many runs each size has, less those that are far out."""
        return np.bincount(self.run_size[self.run_weight == 1], minlength=len(self.n))

    def first(self, count: int) -> "Points":
        """The ``count`` smallest sizes."""
        return self.only(np.arange(len(self.n)) < count)

    def without(self, size: int) -> "Points":
        """All sizes but the one at place ``size``."""
        return self.only(np.arange(len(self.n)) != size)

    def only(self, kept: np.ndarray) -> "Points":
        """The sizes at which ``kept`` (k,) is true."""
        runs = kept[self.run_size]
        places = (np.cumsum(kept) - 1)[self.run_size[runs]]
        return self._replace(
            n=self.n[kept],
            loss=self.loss[kept],
            run_size=places,
            run_log_loss=self.run_log_loss[runs],
            run_weight=self.run_weight[runs],
            spread=self.spread[kept],
            weight=self.weight[kept] / self.weight[kept].mean(),
        )


def points_of(n: np.ndarray, loss: np.ndarray, se: np.ndarray | None = None) -> Points:
    """From the runs' N and losses, each (n,) and positive.

    ``se``: (n,) relative standard errors of the losses by the text they were measured on, NaN where not known. Where
    they are much alike they are taken for one error that all runs share, and weigh nothing.
    """
    sizes, places = np.unique(n, return_inverse=True)
    log_loss = np.log(loss)
    weights = run_weights(np.log(n), log_loss, places)
    means = np.bincount(places, weights * log_loss) / np.bincount(places, weights)
    ones = np.ones(len(sizes))
    points = Points(sizes, np.exp(means), places, log_loss, weights, ones, ones, True)
    by_errors = None if se is None else error_weights(np.log(sizes), means, places, se)
    if by_errors is not None:
        return points._replace(weight=by_errors, seeds_tell=False)
    spread = seed_spread(*seed_variances(points))
    return points._replace(spread=spread, weight=points.runs / spread / np.mean(points.runs / spread))


class Noise(NamedTuple):
    """How far the mean log loss of a size lies from its law by chance, and how well that is known.

    Attributes:
        variance: of a size that counts once (`Points.weight`) about its law.
        dof: degrees of freedom of Student's t that go with it.
        between: variance of a size about its law beyond what seeds explain, as of a learning rate that suits it less.
        within: variance between seeds of the largest size; 0 where no size has two runs: ``between`` is then all.
        source: "seeds pooled", or "sizes" where residuals of the sizes alone say it.
    """

    variance: float
    dof: float
    between: float
    within: float
    source: str

    def of_mean(self, runs: float) -> float:
        """Variance about the law of the mean log loss of so many runs of one more size."""
        return self.between + self.within / runs

    def entry(self) -> dict:
        """What fit.json says of it."""
        return {"from": self.source, "sd": float(np.sqrt(self.variance)), "dof": float(self.dof)}


@dataclass(frozen=True)
class FittedLine(Line):
    """A line with ``rss``, the weighted sum of squares of its residuals of log loss, and the noise that it implies."""

    rss: float
    noise: Noise

    def prediction_half_width(self, n: np.ndarray | float, runs: float | None = None) -> np.ndarray:
        """Half the 95% t interval of the log loss of one more size, trained at N; in the shape of ``n``.

        ``runs``: how many runs that loss is the mean of; None: as many as those of a size that the line is fitted to.
        """
        new = self.noise.variance if runs is None else self.noise.of_mean(runs)
        return t_quantile(self.dof) * np.sqrt(self.variance(n) + new)


def log_power(log_n: np.ndarray, log_a: float, alpha: float) -> np.ndarray:
    """Log loss at ``log_n`` by a power law."""
    return log_a - alpha * log_n


def fit_line(points: Points, weight: np.ndarray | None = None) -> FittedLine:
    """L = A N^-alpha by scipy's `curve_fit` of log L on log N; needs three sizes.

    Least squares with a ``weight`` (k,) of each size, 1 if None. The covariance is by the residuals of the sizes alone.
    """
    weight = np.ones(len(points.n)) if weight is None else weight
    x, y = np.log(points.n), np.log(points.loss)
    # The slope at the mean of x is where curve_fit does best; covariances are carried back to log N = 0.
    (centred, alpha), covariance = curve_fit(log_power, x - x.mean(), y, p0=(y.mean(), 0.1), sigma=weight**-0.5)
    back = np.array([[1, x.mean()], [0, 1]])
    fitted = log_power(x - x.mean(), centred, alpha)
    noise = sizes_noise(points, fitted, 2, weight)
    log_a = float(centred + alpha * x.mean())
    return FittedLine(log_a, float(alpha), back @ covariance @ back.T, noise.dof, noise.variance * noise.dof, noise)


def pooled_line(points: Points) -> FittedLine:
    """The same line with covariance and degrees of freedom by sizes and seeds together (`pooled_noise`).

    Sizes are weighted only as long as seeds explain how far they lie from the line.
    """
    line = fit_line(points, points.weight)
    noise = pooled_noise(points, line.log_loss(points.n), 2)
    if noise.source == "sizes":
        return line if not points.seeds_tell else fit_line(points)
    scale = noise.variance / line.noise.variance if line.noise.variance > 0 else 0.0
    return replace(line, covariance=line.covariance * scale, dof=noise.dof, noise=noise)


def sizes_noise(points: Points, fitted: np.ndarray, parameters: int, weight: np.ndarray) -> Noise:
    """Noise by the residuals of the sizes alone, of a fit with a ``weight`` (k,) of each; see `pooled_noise`."""
    dof = len(points.n) - parameters
    variance = float(weight @ (np.log(points.loss) - fitted) ** 2) / dof
    pure, dof_pure = seed_noise(points)
    within = pure / max(dof_pure, 1)
    between = max(variance - within * float(np.mean(points.spread / points.runs)), 0.0)
    return Noise(variance, dof, between, within * float(points.spread[-1]), "sizes")


def pooled_noise(points: Points, fitted: np.ndarray, parameters: int) -> Noise:
    """Noise about a law by the residuals of the sizes and, where these are no larger than seeds explain, by seeds too.

    Lack of fit is tested against the noise between seeds at a liberal level (`LEVEL`; Bancroft 1964). If it is not
    found, both are estimates of one variance, and are pooled. If it is, sizes differ from the law by more than seeds
    do, and only they tell by how much.

    Args:
        fitted: (k,) the law's log loss at each size, fitted with ``points.weight``.
        parameters: how many the law has; needs more sizes.
    """
    alone = sizes_noise(points, fitted, parameters, points.weight)
    pure, dof_pure = seed_noise(points)
    if dof_pure == 0 or pure == 0:
        return alone
    unit = pure / dof_pure / float(np.mean(points.runs / points.spread))  # seeds' variance of a size that counts once
    pooled, one, dof = pool(np.array(alone.variance), int(alone.dof), np.array(unit), dof_pure)
    if not pooled:
        return alone
    within = alone.within * float(one) / unit
    between = own_deviation(int(alone.dof)) * within
    return Noise(float(one) + between, float(dof), between, within, "seeds pooled")


def pool(
    sizes: np.ndarray, dof_sizes: int, seeds: np.ndarray, dof_seeds: int
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Whether two estimates of a variance are pooled, and the variance and degrees of freedom to go on with.

    All are of one shape, one a table; ``sizes`` by the residuals of a law, ``seeds`` by runs of one size.
    """
    level = ONE_DEGREE_LEVEL if dof_sizes == 1 else LEVEL
    pooled = fdtrc(dof_sizes, dof_seeds, sizes / seeds) >= level
    both = (sizes * dof_sizes + seeds * dof_seeds) / (dof_sizes + dof_seeds)
    return pooled, np.where(pooled, both, sizes), np.where(pooled, dof_sizes + dof_seeds, dof_sizes)


def own_deviation(dof_sizes: int) -> float:
    """The variance that a pooled size is allowed beyond its seeds, in that of one seed, by the law's freedom."""
    return 1.0 if dof_sizes == 1 else 0.0


def r_squared(log_loss: np.ndarray, rss: float) -> float:
    """The share of the variance of log loss (n,) that a law with this residual sum of squares explains."""
    return float(1 - rss / np.sum((log_loss - log_loss.mean()) ** 2))


def t_interval(value: float, se: float, dof: float) -> list[float]:
    """The 95% t interval, [low, high], of an estimate with standard error ``se``."""
    half = t_quantile(dof) * se
    return [float(value - half), float(value + half)]


def curvature(points: Points) -> dict | None:
    """The coefficient of log^2 N beside the line, and the slope of log loss at the largest size, with t intervals.

    Positive curvature: the fall slows. Intervals are by `pooled_noise`. None of fewer than 5 sizes, where one degree of
    freedom or none is left.
    """
    if len(points.n) < 5:
        return None
    x = np.log(points.n) - np.log(points.n[-1])  # so that the linear coefficient is the slope at the largest
    basis = np.stack((np.ones_like(x), x, x**2), axis=1)
    values, inverse = parabola(points, basis, points.weight)
    noise = pooled_noise(points, basis @ values, 3)
    if noise.source == "sizes" and points.seeds_tell:
        ones = np.ones(len(x))
        values, inverse = parabola(points, basis, ones)
        noise = sizes_noise(points, basis @ values, 3, ones)
    errors = np.sqrt(noise.variance * np.diag(inverse))
    return {
        "curvature": float(values[2]),
        "slope_at_largest": float(values[1]),
        "p": t_probability(values[2], errors[2], noise.dof),
        "ci95": {
            "curvature": t_interval(values[2], errors[2], noise.dof),
            "slope_at_largest": t_interval(values[1], errors[1], noise.dof),
        },
    }


def parabola(points: Points, basis: np.ndarray, weight: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """The weighted least squares of log loss by a ``basis`` (k, 3): coefficients (3,) and their covariance (3, 3) for
    a variance of 1."""
    root = np.sqrt(weight)
    values, *_ = np.linalg.lstsq(basis * root[:, None], np.log(points.loss) * root)
    return values, np.linalg.inv(basis.T @ (weight[:, None] * basis))


def t_probability(value: float, se: float, dof: float) -> float:
    """p of an estimate so far from 0, or farther, on either side, by Student's t."""
    return float(2 * stdtr(dof, -abs(value) / se)) if se > 0 else float(value == 0)


def seed_variances(points: Points) -> tuple[np.ndarray, np.ndarray]:
    """Sums of squares of log loss within each size (k,), and their degrees of freedom (k,); runs far out left aside."""
    near = points.run_weight == 1
    places = points.run_size[near]
    counts = np.bincount(places, minlength=len(points.n))
    means = np.bincount(places, points.run_log_loss[near], minlength=len(points.n)) / np.maximum(counts, 1)
    squares = (points.run_log_loss[near] - means[places]) ** 2
    return np.bincount(places, squares, minlength=len(points.n)), np.maximum(counts - 1, 0)


def seed_noise(points: Points) -> tuple[float, int]:
    """Pure error: the sum of squares of log loss within sizes, and its degrees of freedom; 0 if none has two runs.

    Where the noise of sizes differs, squares are relative to each one's ``spread``. It is 0, too, where seeds are not
    all the noise (`Points.seeds_tell`).
    """
    if not points.seeds_tell:
        return 0.0, 0
    squares, dof = seed_variances(points)
    return float((squares / points.spread).sum()), int(dof.sum())


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
    lack = float(points.runs / points.spread @ (np.log(points.loss) - fitted_log_loss) ** 2)
    ratio = (lack / dof) / (pure / dof_pure)
    return {"F": ratio, "dof": [dof, dof_pure], "p": float(fdtrc(dof, dof_pure, ratio))}


def leave_one_out_error(points: Points) -> float:
    """Mean relative error of the loss at each size, predicted by the line through all the others; needs four sizes."""
    errors = []
    for size in range(len(points.n)):
        predicted = fit_line(points.without(size)).log_loss(points.n[size : size + 1])
        errors.append(abs(np.exp(predicted[0]) / points.loss[size] - 1))
    return float(np.mean(errors))
