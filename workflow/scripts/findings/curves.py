"""Loss against N (or FLOP) of one architecture as a curve, with draws that say how sure it is; and what two curves say.

Needs the sizes (or FLOP) and losses of runs at one budget of tokens. A curve is the law with irreducible loss, or the
straight line below four sizes. How sure it is comes from fitting it again to losses drawn around it (the parametric
bootstrap). Each draw has a noise of its own, from the chi-square distribution that residuals (and seeds, as
`laws.line.pooled_noise` has it) leave for it, so that few sizes give the wide intervals of Student's t and not those of
a normal.
"""

from dataclasses import dataclass

import numpy as np

from workflow.scripts.laws.forms import EXPONENTS, POWER_IRREDUCIBLE, VANISHED, Data, data_of
from workflow.scripts.laws.intervals import percentile_interval
from workflow.scripts.laws.line import Points, pooled_line
from workflow.scripts.laws.power_law import fit_floor

DRAWS = 400
ALPHAS = np.geomspace(*EXPONENTS, 200)  # 4% from one to the next
REACH = 10.0  # how far beyond the measured sizes a crossing or an equal is looked for, as a factor


@dataclass(frozen=True)
class Curve:
    """Loss against N (or FLOP) of one architecture.

    Attributes:
        data: the points that it was fitted to.
        thetas: (1 + DRAWS, p), the best fit and then the draws of it. Of a line (log_a, alpha), of a law with
            irreducible loss (log_e, log_a, alpha), in the coordinates of ``data``.
        low: the smallest N that was measured.
        high: the largest.
    """

    data: Data
    thetas: np.ndarray
    low: float
    high: float

    def log_loss(self, n: np.ndarray) -> np.ndarray:
        """(1 + DRAWS, k) log loss at N (k,), by the best fit and by each draw."""
        x = np.log(np.asarray(n, float)) - self.data.mean_n
        if self.thetas.shape[1] == 2:
            log_a, alpha = self.thetas.T[:, :, None]
            line: np.ndarray = log_a - alpha * x
            return line
        log_e, log_a, alpha = self.thetas.T[:, :, None]
        return np.asarray(np.logaddexp(log_e, log_a - alpha * x))


def fit_curve(points: Points, rng: np.random.Generator) -> Curve:
    """From points at sizes, or at FLOP in their place; needs three."""
    data = data_of(points.n, points.n, points.loss)
    few = len(points.n) < 4
    if few:
        line = pooled_line(points)
        best = np.array([line.log_loss(np.exp(data.mean_n)), line.alpha])
        fitted, noise, weight = line.log_loss(points.n), line.noise, np.ones(len(points.n))
    else:
        problem, found, noise = fit_floor(points, data)
        best, weight = found.best.theta, problem.row_weights
        fitted = POWER_IRREDUCIBLE.predict(best, data)[0]
    spread = np.sqrt(noise.variance * noise.dof / rng.chisquare(noise.dof, (DRAWS, 1)) / weight)
    # One degree of freedom leaves some draws a noise beyond all numbers; so far out it makes no difference how much.
    drawn = np.clip(spread * rng.standard_normal((DRAWS, len(fitted))), -VANISHED, VANISHED) + fitted
    thetas = lines_through(data.log_n, drawn) if few else curves_through(data.log_n, drawn, weight)
    return Curve(data, np.vstack((best, thetas)), float(points.n[0]), float(points.n[-1]))


def lines_through(x: np.ndarray, log_loss: np.ndarray) -> np.ndarray:
    """(draws, 2) log_a, alpha of straight lines in x (k,) through each row of ``log_loss`` (draws, k)."""
    slope, level = np.polyfit(x, log_loss.T, 1)
    return np.stack((level, -slope), axis=1)


def curves_through(x: np.ndarray, log_loss: np.ndarray, weight: np.ndarray | float = 1.0) -> np.ndarray:
    """(draws, 3) log_e, log_a, alpha of E + A N^-alpha through each row of ``log_loss`` (draws, k), all at once.

    For each alpha of a fine grid E and A are linear, and at least 0; the alpha with the least sum of squares is taken.
    Squares are of relative residuals, which stand in for those of log loss. ``x`` (k,) is centred log N; ``weight``
    (k,) is how much each place counts.
    """
    root = np.sqrt(weight)
    weights = root * np.exp(-log_loss)[:, None]  # (draws, 1, k); the loss itself becomes the root
    powers = np.exp(-ALPHAS[:, None] * x)  # (alphas, k)
    e, a = weights, weights * powers
    ee, ea, aa = (e * e).sum(-1), (e * a).sum(-1), (a * a).sum(-1)
    e1, a1 = (root * e).sum(-1), (root * a).sum(-1)
    determinant = np.maximum(ee * aa - ea**2, 1e-14 * ee * aa)
    floor, size = (aa * e1 - ea * a1) / determinant, (ee * a1 - ea * e1) / determinant
    size = np.where(floor < 0, a1 / aa, size)
    floor = np.where(floor < 0, 0.0, floor)
    floor = np.where(size < 0, e1 / ee, floor)
    size = np.maximum(size, 0.0)
    squares = ((floor[..., None] * e + size[..., None] * a - root) ** 2).sum(-1)
    best = squares.argmin(axis=1)
    rows = np.arange(len(log_loss))
    tiny = np.exp(log_loss.min() - VANISHED)
    logs = (np.log(np.maximum(values[rows, best], tiny)) for values in (floor, size))
    return np.stack((*logs, ALPHAS[best]), axis=1)


def gaps_at(a: Curve, b: Curve, places: np.ndarray) -> list[dict]:
    """Loss of a less loss of b at each N of ``places``, with its 95% interval."""
    gaps = np.exp(a.log_loss(places)) - np.exp(b.log_loss(places))
    return [
        {"at": float(place), "gap": float(column[0]), "ci95": percentile_interval(column[1:])}
        for place, column in zip(places, gaps.T, strict=True)
    ]


def crossing(a: Curve, b: Curve) -> dict | None:
    """Where the curves first cross, from ten times below to ten times above what was measured; None if they do not.

    An end of the interval is None where it lies beyond that: a draw that never crosses has its crossing, if any,
    beyond the end towards which the one that begins lower still is the lower.
    """
    grid = np.geomspace(min(a.low, b.low) / REACH, max(a.high, b.high) * REACH, 401)
    signs = np.sign(a.log_loss(grid) - b.log_loss(grid))
    turns = np.diff(signs, axis=1) != 0
    if not turns[0].any():
        return None
    beyond = np.where(signs[:, 0] == signs[0, 0], np.inf, -np.inf)
    where = np.where(turns.any(axis=1), grid[turns.argmax(axis=1)], beyond)
    place = float(where[0])
    return {
        "at": place,
        "ci95": open_interval(where[1:]),
        "within_measured": bool(max(a.low, b.low) <= place <= min(a.high, b.high)),
        "draws_that_cross": float(turns[1:].any(axis=1).mean()),
    }


def sizes_to_equal(a: Curve, b: Curve, points: Points) -> list[dict]:
    """For each size of a, how many times the parameters b needs for the loss measured there; None if it never has it.

    ``points``: those of a. The measured loss is as uncertain as a's curve is there.
    """
    curves = a.log_loss(points.n)
    grid = np.geomspace(b.low / REACH, b.high * REACH**2, 1201)
    others = b.log_loss(grid)
    found = []
    for place, wanted in zip(points.n, (np.log(points.loss) + curves - curves[0]).T, strict=True):
        reached = others <= wanted[:, None]
        factors = np.where(reached.any(axis=1), grid[reached.argmax(axis=1)] / place, np.inf)
        found.append({
            "at": float(place),
            "factor": finite_or_none(factors[0]),
            "ci95": open_interval(factors[1:]),
            "extrapolated": bool(factors[0] * place > b.high),
        })  # fmt: skip
    return found


def open_interval(values: np.ndarray) -> list[float | None]:
    """The 95% percentile interval of draws some of which are infinite; such an end is None."""
    return [finite_or_none(end) for end in np.quantile(values, (0.025, 0.975), method="inverted_cdf")]


def finite_or_none(value: float) -> float | None:
    """The value as JSON can hold it."""
    return float(value) if np.isfinite(value) else None
