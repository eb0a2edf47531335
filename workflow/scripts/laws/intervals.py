"""How well a table pins down a law: profiles of the objective, and resampled rows.

Needs a `laws.problem.Problem` and the best fit to it. Gives 95% intervals of parameters.
"""

from collections.abc import Callable
from dataclasses import dataclass, replace

import numpy as np
from scipy.optimize.elementwise import find_root
from scipy.special import fdtri, ndtr

from workflow.scripts.laws.batched_bfgs import minimise_all
from workflow.scripts.laws.estimate import LOOSE, local_optima
from workflow.scripts.laws.forms import COEFFICIENTS, LARGEST
from workflow.scripts.laws.problem import Fit, Problem

LEVEL = 0.95
GROWTH = 1.7  # of the steps in which an end is looked for
FAR = 1e12  # times the bound: how far above that the objective is makes no difference
AT_ONCE = 2_000_000  # resampled rows in memory
FEWEST_DRAWS = 20  # of which a percentile interval is made
ON_LOG_SCALE = ("A", "B", "d", "N_c", "D_c", "R_D", "R_N")


def allowed_rise(problem: Problem, best: Fit) -> float:
    """How far the objective may rise above its minimum with one parameter held, at 95%.

    Of squares: the F bound of one parameter (Bates and Watts 1988, section 6.1), by the problem's ``noise`` if that is
    given. Of Huber's loss: half the F quantile,
    scaled by mean psi^2 / mean psi', as the difference of objectives is distributed (Ronchetti 1982), where psi is the
    derivative of the loss; mean psi' is estimated from a kernel density of the residuals, for few lie within a small
    delta.
    """
    if problem.noise is not None:
        variance, known = problem.noise
        return float(0.5 * variance * fdtri(1, known, LEVEL))
    rows = len(problem.data.log_loss)
    dof = rows - problem.parameters
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
    """The values of one parameter from its best one to an end of its range, on the scale of its profile.

    Attributes:
        name: the parameter's printed name.
        centre: place of the best fit; its log where the name is in `ON_LOG_SCALE`, as are all places.
        end: place of the end of the range.
        first: first step from the centre towards the end.
        known: fits with the parameter held, by place.
    """

    name: str
    centre: float
    end: float
    first: float
    known: dict[float, Fit]

    def value(self, place: float) -> float:
        """The parameter as printed."""
        return float(np.exp(min(place, LARGEST))) if self.name in ON_LOG_SCALE else float(place)


def profile_interval(problem: Problem, best: Fit, name: str) -> list[float]:
    """`profile_intervals` of one parameter: [low, high]."""
    return profile_intervals(problem, best, [name])[name]


def profile_intervals(problem: Problem, best: Fit, names: list[str]) -> dict[str, list[float]]:
    """The 95% profile interval, [low, high], of each parameter, by its printed name.

    The profile of a parameter is the lowest objective with it held at a value; its ends are where that crosses its
    bound (`allowed_rise`), found by root-finding. A side on which it never does ends where the parameter's range does:
    0 for E, the limits of the search for the rest. All sides are followed in step: to fit a law at a place on each
    takes little longer than to fit it at one.
    """
    sides = [side for name in names for side in sides_of(problem, best, name)]
    allowed = max(allowed_rise(problem, best), 1e-300)

    def excess(places: np.ndarray, which: np.ndarray) -> np.ndarray:
        """Above the bound if positive; of the root of the rise, which is nearly straight."""
        asked = [sides[i] for i in which]
        fit_held(problem, [(side, place) for side, place in zip(asked, places, strict=True) if place not in side.known])
        risen = [side.known[place].objective - best.objective for side, place in zip(asked, places, strict=True)]
        return np.sqrt(np.clip(np.array(risen) / allowed, 0.0, FAR)) - 1

    found = first_crossings(excess, *np.array([(side.centre, side.end, side.first) for side in sides]).T)
    ends = [side.value(place) for side, place in zip(sides, found, strict=True)]
    return {name: ends[2 * i : 2 * i + 2] for i, name in enumerate(names)}


def sides_of(problem: Problem, best: Fit, name: str) -> list[Side]:
    """The lower side of a parameter and the upper."""
    centre = problem.form.value(name, best.theta, problem.data)
    low, high = problem.form.limits(name, centre, problem.data)
    limits = [min(low, centre), max(high, centre)]  # what is held may leave an exponent no place within them
    if name in ON_LOG_SCALE:
        centre, *limits = np.log(np.maximum((centre, *limits), 1e-300)).tolist()
        first = 0.02
    else:
        first = max(0.02 * centre, 1e-4 * min(limits[1], 10.0))
    return [Side(name, centre, end, float(np.copysign(first, end - centre)), {centre: best}) for end in limits]


def fit_held(problem: Problem, asked: list[tuple[Side, float]]) -> None:
    """Fit with each side's parameter held at a place, and keep the fit with the side.

    Between two places whose fits are known a fit starts from both; beyond them from the last, and once more from the
    last with no term gone.
    """
    tries = []
    for side, place in asked:
        held = problem.form.constraint(side.name, side.value(place), problem.data)
        below = max((known for known in side.known if known < place), default=None)
        above = min((known for known in side.known if known > place), default=None)
        starts = [side.known[known].theta for known in (below, above) if known is not None]
        if len(starts) == 1:
            starts.append(with_all_terms(problem, starts[0]))
        one, two = starts
        tries += [(side, place, held, start) for start in ([one] if np.array_equal(one, two) else starts)]
    if tries:
        *_, constraints, thetas = zip(*tries, strict=True)
        fits = local_optima(problem, np.array(thetas), LOOSE, list(constraints))
        for (side, place, *_), fit in zip(tries, fits, strict=True):
            if place not in side.known or fit.objective < side.known[place].objective:
                side.known[place] = fit


def with_all_terms(problem: Problem, theta: np.ndarray) -> np.ndarray:
    """The same theta (p,) with no term gone, as from zero no gradient leads back."""
    least = problem.data.log_loss.min() - np.log(3)
    is_coefficient = np.array([name in COEFFICIENTS for name in problem.form.theta])
    return np.where(is_coefficient, np.maximum(theta, least), theta)


def first_crossings(
    excess: Callable[[np.ndarray, np.ndarray], np.ndarray], centre: np.ndarray, end: np.ndarray, first: np.ndarray
) -> np.ndarray:
    """Where ``excess`` turns positive on each of k sides, (k,); where it never does, the side's end.

    Args:
        excess: of places and which sides they are on, each (j,); gives (j,).
        centre: where each side begins, (k,).
        end: where each side ends, (k,).
        first: the first step from the centre, (k,); steps grow until one is beyond, and a root-finder does the rest.
    """
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
    """(draws, p) thetas fitted to rows drawn again with replacement (pairs, Efron 1979), each fit begun at the best.

    Args:
        groups: (n,) numbers of what is drawn as one, such as runs that share a trunk, whose noise is not independent;
            None: each row is drawn alone.
    """
    rows = len(problem.data.log_loss)
    groups = np.arange(rows) if groups is None else np.unique(groups, return_inverse=True)[1]
    count = int(groups.max()) + 1
    times = np.random.default_rng(0).multinomial(count, np.full(count, 1 / count), size=draws)
    blocks = [
        minimise_all(replace(problem, weights=some[:, groups].astype(float)), best.theta, LOOSE).theta
        for some in np.array_split(times, draws * rows // AT_ONCE + 1)
    ]
    return np.concatenate(blocks)


def percentile_interval(values: np.ndarray) -> list[float] | None:
    """The 95% percentile interval, [low, high], of resampled values (draws,); None of fewer than `FEWEST_DRAWS`."""
    if len(values) < FEWEST_DRAWS:
        return None
    low, high = np.quantile(values, (0.025, 0.975)).tolist()
    return [low, high]
