"""How well a table pins down a law: profiles of the objective, and resampled rows."""

from collections.abc import Callable
from dataclasses import dataclass, replace

import numpy as np
from scipy.optimize.elementwise import find_root
from scipy.special import fdtri, ndtr

from workflow.scripts.laws.estimate import DRAWN, descents
from workflow.scripts.laws.forms import COEFFICIENTS, EXPONENTS, REPEATS, VANISHED
from workflow.scripts.laws.problem import Fit, Problem
from workflow.scripts.laws.together import descend_all

LEVEL = 0.95
GROWTH = 1.7  # of the steps in which an end is looked for
FAR = 1e12  # times the bound: farther above, it makes no odds how far
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


@dataclass(frozen=True)
class Side:
    """A parameter from where the fit is best to an end of its range, on the scale that it is looked at on; and the fits
    with it held that are known, by place."""

    name: str
    centre: float
    end: float
    first: float  # step
    known: dict[float, Fit]

    def decode(self, place: float) -> float:
        return float(np.exp(place)) if self.name in ON_LOG_SCALE else float(place)


def profile_interval(problem: Problem, best: Fit, name: str) -> list[float]:
    """`profile_intervals` of one parameter."""
    return profile_intervals(problem, best, [name])[name]


def profile_intervals(problem: Problem, best: Fit, names: list[str]) -> dict[str, list[float]]:
    """All values of each parameter between the two where its profiled objective crosses its bound, by root-finding.

    A side on which it never does ends where the parameter's range does: 0 for E, the limits of the search for the rest.
    All sides are followed in step: to fit a law at a place on each costs little more than to fit it at one.
    """
    sides = [side for name in names for side in sides_of(problem, best, name)]
    allowed = max(rise(problem, best), 1e-300)

    def excess(places: np.ndarray, which: np.ndarray) -> np.ndarray:
        """Above the bound if positive; of the root of the rise, which is nearly straight."""
        asked = [sides[i] for i in which]
        solve(problem, [(side, place) for side, place in zip(asked, places, strict=True) if place not in side.known])
        risen = [side.known[place].objective - best.objective for side, place in zip(asked, places, strict=True)]
        return np.sqrt(np.clip(np.array(risen) / allowed, 0.0, FAR)) - 1

    found = edges(excess, *np.array([(side.centre, side.end, side.first) for side in sides]).T)
    ends = [side.decode(place) for side, place in zip(sides, found, strict=True)]
    return {name: ends[2 * i : 2 * i + 2] for i, name in enumerate(names)}


def sides_of(problem: Problem, best: Fit, name: str) -> list[Side]:
    """The lower side of a parameter and the upper."""
    value = problem.form.natural(best.theta, problem.data)[name]
    if name in ON_LOG_SCALE:
        centre, first = np.log(value or 1e-300), 0.02
        limits = REPEATS if name.startswith("R_") else (centre - VANISHED, centre + 2 * VANISHED)
    else:
        highest = float(np.exp(problem.data.log_loss.max()))
        limits = {"E": (0.0, highest), "k": (0.001, 1 - 1e-5)}.get(name, EXPONENTS)
        centre, first = value, max(0.02 * value, 1e-4 * limits[1])
    return [Side(name, centre, end, float(np.copysign(first, end - centre)), {centre: best}) for end in limits]


def solve(problem: Problem, asked: list[tuple[Side, float]]) -> None:
    """Fit with each side's parameter held at a place, and let the side know.

    Between two places that it knows a fit starts from both; beyond them from the last, also with no term gone, as from
    zero no gradient leads back.
    """
    begun = []
    for side, place in asked:
        held = problem.form.held(side.name, side.decode(place), problem.data)
        below = max((known for known in side.known if known < place), default=None)
        above = min((known for known in side.known if known > place), default=None)
        thetas = [side.known[known].theta for known in (below, above) if known is not None]
        if len(thetas) == 1:
            thetas.append(lifted(problem, thetas[0]))
        begun += [(side, place, held, theta) for theta in thetas[: 1 if np.array_equal(*thetas) else 2]]
    if begun:
        *_, held, thetas = zip(*begun, strict=True)
        for (side, place, *_), fit in zip(begun, descents(problem, np.array(thetas), DRAWN, list(held)), strict=True):
            if place not in side.known or fit.objective < side.known[place].objective:
                side.known[place] = fit


def lifted(problem: Problem, theta: np.ndarray) -> np.ndarray:
    """The same with no term gone: from zero no gradient leads back."""
    least = problem.data.log_loss.min() - np.log(3)
    is_coefficient = np.array([name in COEFFICIENTS for name in problem.form.theta])
    return np.where(is_coefficient, np.maximum(theta, least), theta)


def edges(
    excess: Callable[[np.ndarray, np.ndarray], np.ndarray], centre: np.ndarray, end: np.ndarray, first: np.ndarray
) -> np.ndarray:
    """Where ``excess`` (of places and which of the k sides they are on) turns positive on each side, looked for in
    growing steps from ``first``; else its end. All (k,)."""
    inside, outside, step = centre.copy(), end.copy(), first.copy()
    crossed = np.zeros(len(end), bool)
    looking = np.flatnonzero(centre != end)
    while len(looking):
        ahead = inside[looking] + step[looking]
        ahead = np.where(step[looking] > 0, np.minimum(ahead, end[looking]), np.maximum(ahead, end[looking]))
        beyond = excess(ahead, looking) > 0
        crossed[looking] = beyond
        outside[looking[beyond]], inside[looking[~beyond]] = ahead[beyond], ahead[~beyond]
        looking = looking[~beyond & (ahead != end[looking])]
        step *= GROWTH
    if crossed.any():
        which = np.flatnonzero(crossed)
        ends = inside[which], outside[which]
        outside[which] = find_root(
            excess, ends, args=(which,), tolerances={"xatol": 1e-10, "xrtol": 1e-7, "fatol": 1e-7}
        ).x
    return outside


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
