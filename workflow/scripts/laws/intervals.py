"""How well a table pins down a law: profiles of the objective, and resampled rows."""

from collections.abc import Callable
from dataclasses import replace

import numpy as np
from scipy.optimize import brentq
from scipy.special import fdtri, ndtr

from workflow.scripts.laws.estimate import DRAWN, descend
from workflow.scripts.laws.forms import COEFFICIENTS, EXPONENTS, REPEATS, VANISHED
from workflow.scripts.laws.problem import Fit, Problem
from workflow.scripts.laws.together import descend_all

LEVEL = 0.95
AT_ONCE = 1000  # resamples in memory
ON_LOG_SCALE = ("A", "B", "N_c", "D_c", "R_D", "R_N")


def rise(problem: Problem, best: Fit) -> float:
    """How far the objective may rise above its minimum with one parameter held, at 95%.

    Of squares: the F bound of one parameter (Bates and Watts 1988, section 6.1). Of Huber's loss: half the F quantile,
    scaled by mean psi^2 / mean psi', as the difference of objectives is distributed (Ronchetti 1982); mean psi' is told
    from a kernel density of the residuals, for few lie within a small delta.
    """
    rows = len(problem.data.log_loss)
    dof = rows - len(problem.form.theta)
    quantile = fdtri(1, dof, LEVEL)
    if np.isinf(problem.delta):
        return float(best.objective / dof * quantile)
    residuals, _ = problem.residuals(best.theta)
    spread = min(residuals.std(), np.subtract(*np.quantile(residuals, (0.75, 0.25))) / 1.349) or residuals.std()
    bandwidth = max(1.06 * spread * rows**-0.2, 1e-300)
    curvature = np.mean(ndtr((problem.delta - residuals) / bandwidth) - ndtr((-problem.delta - residuals) / bandwidth))
    scale = np.mean(np.clip(residuals, -problem.delta, problem.delta) ** 2) / max(curvature, 1e-12)
    return float(0.5 * quantile * scale * rows / dof)


def profile_interval(problem: Problem, best: Fit, name: str) -> list[float]:
    """All values of one parameter between the two where the profiled objective crosses its bound, by root-finding.

    A side on which it never does ends where the parameter's range does: 0 for E, the limits of the search for the rest.
    """
    value = problem.form.natural(best.theta, problem.data)[name]
    limit = best.objective + rise(problem, best)
    if name in ON_LOG_SCALE:
        encode, decode = np.log, np.exp
        first = 0.02
        low, high = np.log(value or 1e-300) - VANISHED, np.log(value or 1e-300) + 2 * VANISHED
        if name.startswith("R_"):
            low, high = REPEATS
    else:
        encode, decode = float, float
        low, high = {"E": (0.0, float(np.exp(problem.data.log_loss.max()))), "k": (0.001, 1 - 1e-5)}.get(
            name, EXPONENTS
        )
        first = max(0.02 * value, 1e-4 * high)
    centre = encode(value) if value > 0 or name not in ON_LOG_SCALE else low

    known: dict[float, Fit] = {centre: best}

    def excess(place: float) -> float:
        """Above the limit if positive; each place starts from the nearest one solved, and from the best."""
        if place in known:
            return known[place].objective - limit
        nearest = known[min(known, key=lambda other: abs(other - place))]
        held = replace(problem, held=problem.form.held(name, decode(place), problem.data))
        begun = [nearest.theta]
        if not np.array_equal(raised := lifted(problem, nearest.theta), nearest.theta):
            begun.append(raised)
        tried = [descend(held, start) for start in begun]
        known[place] = min(tried, key=lambda fit: fit.objective)
        return known[place].objective - limit

    return [float(decode(edge(excess, centre, end, first))) for end in (low, high)]


def lifted(problem: Problem, theta: np.ndarray) -> np.ndarray:
    """The same with no term gone: from zero no gradient leads back."""
    least = problem.data.log_loss.min() - np.log(3)
    is_coefficient = np.array([name in COEFFICIENTS for name in problem.form.theta])
    return np.where(is_coefficient, np.maximum(theta, least), theta)


def edge(excess: Callable[[float], float], inside: float, end: float, first: float) -> float:
    """Where ``excess`` turns positive between ``inside`` and ``end``, looked for in growing steps."""
    step = np.copysign(first, end - inside)
    while inside != end:
        ahead = inside + step
        outside = min(ahead, end) if step > 0 else max(ahead, end)
        if excess(outside) > 0:
            return float(brentq(excess, inside, outside, xtol=1e-7 * max(1e-3, abs(outside)), rtol=1e-7))
        inside, step = outside, step * 1.7
    return end


def bootstrap(problem: Problem, best: Fit, draws: int, groups: np.ndarray | None = None) -> np.ndarray:
    """(draws, p) thetas of rows drawn again with replacement (pairs, Efron 1979), each fit begun at the best.

    ``groups`` (n,), if given, numbers what is drawn as one: runs that share a trunk, whose noise is not independent.
    """
    rows = len(problem.data.log_loss)
    groups = np.arange(rows) if groups is None else np.unique(groups, return_inverse=True)[1]
    count = int(groups.max()) + 1
    times = np.random.default_rng(0).multinomial(count, np.full(count, 1 / count), size=draws)
    blocks = [
        descend_all(replace(problem, weights=some[:, groups].astype(float)), best.theta, DRAWN).theta
        for some in np.array_split(times, draws // AT_ONCE + 1)
    ]
    return np.concatenate(blocks)
