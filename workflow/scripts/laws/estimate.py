"""Two independent ways to the parameters of a law, each from many starts, and what gives a reader reason to doubt them.

huber  sum of Huber losses of the residuals of log loss (Hoffmann et al. 2022, appendix D.3): BFGS with the analytic
       gradient from a grid of starts, the best again by trust-region least squares
mse    least squares by variable projection (Golub and Pereyra 1973): exponents by trust region, coefficients by
       non-negative least squares

Needs a law and the rows of a table, as a `laws.problem.Problem`.
"""

import itertools
from collections.abc import Sequence
from dataclasses import dataclass, field, replace

import numpy as np
from scipy.optimize import OptimizeResult, least_squares

from workflow.scripts.base.errors import InputError
from workflow.scripts.laws.batched_bfgs import Minima, minimise_all
from workflow.scripts.laws.forms import COEFFICIENTS, COUPLINGS, DECAYS, EXPONENTS, REPEATS, Constraint, Data, Form
from workflow.scripts.laws.problem import Fit, Held, Problem

EXPONENT_STARTS = (0.05, 0.12, 0.25, 0.45, 0.8, 1.4)
REPEAT_STARTS = (0.0, 2.5, 5.0)  # log R*
SHAPE_BOUNDS = {"alpha": EXPONENTS, "beta": EXPONENTS, "log_r_d": REPEATS, "log_r_n": REPEATS,
                "alpha_over_beta": (0.01, 100), "log_ratio": (-50, 50), "log_decay": DECAYS,
                "k": COUPLINGS}  # fmt: skip
HOLDABLE = ("E", "A", "B", "d", "alpha", "beta", "k", "R_D", "R_N", "N_c", "D_c")
ENOUGH = 500  # rows by which a search finds where the optimum of any more is
TIGHT, LOOSE = 1e-13, 1e-9  # tolerances: of one fit, and of one of many (starts, resamples, places of a profile)
SAME_PLACE = 1e-4  # of every parameter: fits that loose tolerances leave so close would end at one place
SAME_BASIN = 1e-2  # of exponents, and of E as a share of the loss: what is closer is one optimum
AS_GOOD = 1.01  # no data decide between objectives within 1%


@dataclass(frozen=True)
class Settings:
    """How laws are fitted.

    Attributes:
        loss: which estimator the laws of N and D are reported by, huber or mse; the other is reported beside it.
        delta: where Huber's loss turns from squares to absolute values, of log loss.
        draws: bootstrap resamples of each law.
        fixed: values at which parameters of laws of N and D are held, by their printed names.
    """

    loss: str = "huber"
    delta: float = 1e-3
    draws: int = 400
    fixed: dict[str, float] = field(default_factory=dict)


def local_optimum(problem: Problem, start: np.ndarray) -> Fit:
    """The local optimum that BFGS finds from one ``start`` (p,)."""
    return local_optima(problem, start[None], TIGHT)[0]


def local_optima(problem: Problem, starts: np.ndarray, tolerance: float, held: Sequence[Constraint] = ()) -> list[Fit]:
    """The local optima of one problem from each of several starts (m, p), each perhaps with a parameter more held.

    ``tolerance``: see `minimise_all`.
    """
    if held:
        problem = replace(problem, held=(problem.held or Held.nothing(len(problem.form.theta))).also(held))
    found = minimise_all(problem, starts, tolerance)
    if problem.held is not None:
        found = within_bounds(problem, problem.held, found, tolerance)
    return [Fit(theta, float(value), bool(done)) for theta, value, done in zip(*found, strict=True)]


def within_bounds(problem: Problem, held: Held, found: Minima, tolerance: float) -> Minima:
    """The same, but for those in which an exponent that follows what is ``held`` left its bounds.

    These are found again with that exponent held at the bound, too, where that contradicts nothing.
    """
    for _ in problem.form.theta:
        at, which, bound = left_bounds(problem, found.theta)
        if not len(at):
            break
        try:
            both = held.take(at).also([Constraint(*each) for each in zip(which, bound, strict=True)])
        except ValueError:
            break
        again = minimise_all(replace(problem.take(at), held=both), found.theta[at], tolerance)
        for kept, values in zip(found, again, strict=True):
            kept[at] = values
    return found


def left_bounds(problem: Problem, theta: np.ndarray) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Which of theta (m, p) have an exponent, or another parameter that is no coefficient, out of bounds.

    Returns:
        Each (j,): the numbers of the fits, the first such parameter of each, and the bound that it passed.
    """
    low, high = problem.form.bounds(problem.data).T
    inside = np.clip(theta, low, high)
    out = np.abs(theta - inside) > 1e-9
    out[:, [name in COEFFICIENTS for name in problem.form.theta]] = False
    at = np.flatnonzero(out.any(axis=1))
    which = out[at].argmax(axis=1)
    return at, which, inside[at, which]


def polish(problem: Problem, fit: Fit) -> Fit:
    """The same optimum to machine precision where the data allow it; and a term that does nothing is taken out."""
    bounds = problem.form.bounds(problem.data)
    weights = np.sqrt(problem.row_weights)
    # A gap from the bounds, as the trust region wants a start strictly inside.
    inside = np.clip(fit.theta, bounds[:, 0] + 1e-9, bounds[:, 1] - 1e-9)
    huber = {} if np.isinf(problem.delta) else {"loss": "huber", "f_scale": problem.delta}
    done = least_squares(
        lambda theta: problem.residuals(theta)[0] * weights,
        inside,
        jac=lambda theta: problem.residuals(theta)[1] * weights[:, None],
        bounds=bounds.T,
        xtol=1e-15, ftol=1e-15, gtol=1e-15, max_nfev=200, **huber,
    )  # fmt: skip
    reached, theta = float(problem.objective(done.x)[0]), problem.complete(done.x)
    if reached < fit.objective and not len(left_bounds(problem, theta[None])[0]):
        fit = Fit(theta, reached, True)
    for i, name in enumerate(problem.form.theta):
        if name in COEFFICIENTS:
            without = fit.theta.copy()
            without[i] = bounds[i, 0]
            value, without = float(problem.objective(without)[0]), problem.complete(without)
            if value <= fit.objective * (1 + 1e-9) and not len(left_bounds(problem, without[None])[0]):
                fit = replace(fit, theta=without, objective=value)
    return fit


def grid(form: Form) -> list[np.ndarray]:
    """Shapes to start from, each of the values that `Form.project` takes."""
    coarse = len(form.shape_names) > 3
    exponents = EXPONENT_STARTS[1::2] if coarse else EXPONENT_STARTS
    values = {"alpha": exponents, "beta": exponents, "log_r_d": REPEAT_STARTS, "log_r_n": REPEAT_STARTS,
              "log_decay": (-4.0, -2.0, -0.5), "k": (0.3, 1.0), "alpha_over_beta": (0.25, 0.5, 1.0, 2.0),
              "log_ratio": (0.0,) if coarse else (-4.0, 0.0, 4.0)}  # fmt: skip
    return [np.array(shape) for shape in itertools.product(*(values[name] for name in form.shape_names))]


def starting_points(form: Form, data: Data) -> np.ndarray:
    """(m, p) thetas: exponents from a grid, and for each the coefficients that suit them, with no term gone."""
    lowest = data.log_loss.min() - np.log(50)
    found = []
    for shape in grid(form):
        theta, _ = form.project(shape, data)
        for i, name in enumerate(form.theta):
            if name in COEFFICIENTS:
                theta[i] = max(theta[i], lowest)  # from zero no gradient leads back
        found.append(theta)
    return np.array(found)


def best_starts(problem: Problem, most: int) -> np.ndarray:
    """(m, p) of the starting points those ``most`` where the objective is least."""
    grid = starting_points(problem.form, problem.data)
    values, _ = problem.objective(grid.T[:, :, None])
    return grid[np.argsort(values, kind="stable")[:most]]


@dataclass(frozen=True)
class Search:
    """What a search from many starts found.

    Attributes:
        best: the best of the optima.
        basins: how many different optima are within 1% of the best objective, itself included.
        moved: the best is not merely where its search began.
    """

    best: Fit
    basins: int
    moved: bool


def search(problem: Problem) -> Search:
    """The global optimum, as far as a grid of starts finds it.

    Of more than `ENOUGH` rows so many, drawn at random, say which starts lead to an optimum worth the rest.
    """
    few = thinned(problem)
    starts = few.complete(starting_points(few.form, few.data).T[:, :, None])[:, :, 0].T
    starts = np.unique(starts, axis=0)  # with parameters held many are one
    ended = sorted(local_optima(few, starts, LOOSE), key=lambda fit: fit.objective)
    near = [fit for fit in ended if fit.objective <= ended[0].objective * AS_GOOD]
    # Only what may be the best is worth the last digits, and nothing less shows which optima are different.
    again = local_optima(problem, np.array([fit.theta for fit in apart(near)]), TIGHT)
    polished = [polish(problem, fit) for fit in sorted(again, key=lambda fit: fit.objective)[:3]]
    best = min(polished, key=lambda fit: fit.objective)
    # Of many that end at one place some stop for want of precision, which says nothing against the place.
    places = (*polished, *again, *(ended if few is problem else ()))
    settled = any(fit.converged and fit.objective <= best.objective * (1 + 1e-9) for fit in places)
    best = replace(best, converged=settled)
    moved = not np.isclose(starts, best.theta, rtol=1e-6, atol=1e-9).all(axis=1).any()
    different = [best]
    for fit in again:
        as_good = fit.objective <= best.objective * AS_GOOD
        if as_good and all(are_different(problem, fit, other) for other in different):
            different.append(fit)
    return Search(best, len(different), moved)


def thinned(problem: Problem) -> Problem:
    """The problem itself, or as many of its rows as are `ENOUGH`, drawn at random."""
    rows = len(problem.data.log_n)
    if rows <= ENOUGH:
        return problem
    some = np.random.default_rng(0).choice(rows, ENOUGH, replace=False)
    weights = None if problem.weights is None else problem.weights[some]
    return replace(problem, data=problem.data.take(some), weights=weights)


def apart(fits: list[Fit]) -> list[Fit]:
    """Those of ``fits`` that are not where one before them is."""
    kept: list[Fit] = []
    for fit in fits:
        if not any(np.abs(fit.theta - other.theta).max() < SAME_PLACE for other in kept):
            kept.append(fit)
    return kept


def are_different(problem: Problem, a: Fit, b: Fit) -> bool:
    """Whether two optima mean different laws: other exponents, or another irreducible loss."""
    smallest = float(np.exp(problem.data.log_loss.min()))
    one, two = (problem.form.printed(fit.theta, problem.data) for fit in (a, b))
    scales = {"alpha": 1.0, "beta": 1.0, "E": smallest}
    return any(abs(one[name] - two[name]) > SAME_BASIN * scale for name, scale in scales.items() if name in one)


def variable_projection(form: Form, data: Data) -> Fit:
    """Least squares of the loss (of its log for Kaplan's law), by the search of `Form.project` for the best shape.

    The ``objective`` of the result is the residual sum of squares.
    """
    bounds = np.array([SHAPE_BOUNDS[name] for name in form.shape_names])

    def solved(start: np.ndarray, data: Data) -> OptimizeResult:
        return least_squares(
            lambda shape: form.project(shape, data)[1], start, bounds=bounds.T, x_scale="jac",
            xtol=1e-12, ftol=1e-12, gtol=1e-12, max_nfev=300,
        )  # fmt: skip

    few = thinned(Problem(form, data)).data
    starts = sorted(grid(form), key=lambda shape: float(np.sum(form.project(shape, few)[1] ** 2)))
    best = min((solved(start, few) for start in starts[:8]), key=lambda done: float(done.cost))
    if few is not data:
        best = solved(np.clip(best.x, bounds[:, 0] + 1e-9, bounds[:, 1] - 1e-9), data)
    theta, residuals = form.project(best.x, data)
    return Fit(theta, float(residuals @ residuals), best.status > 0)


def held_at(form: Form, fixed: dict[str, float], data: Data) -> Held | None:
    """What holds the printed parameters of a law at their ``fixed`` values; None if none is.

    Raises:
        ValueError: see `not_held`, which says why not.
    """
    held = Held.nothing(len(form.theta))
    for name, value in fixed.items():
        held = held.also([form.constraint(name, value, data)])
    return held if fixed else None


def not_held(form: Form, fixed: dict[str, float], data: Data) -> str:
    """Why a law cannot have its printed parameters at their ``fixed`` values, as a phrase; empty if it can."""
    known = form.printed(np.ones(len(form.theta)), data)
    if absent := [name for name in fixed if name not in known]:
        return f"it has no {' and no '.join(absent)} that could be held"
    for name, value in fixed.items():
        low, high = form.limits(name, value, data)
        if not low <= value <= high:
            return f"{name} = {value:g} is outside {low:.4g} to {high:.4g}, where it is looked for"
    try:
        held = held_at(form, fixed, data)
    except ValueError as error:
        return str(error)
    return "all its parameters are held" if held and not held.free() else ""


def parse_fixed(text: str) -> dict[str, float]:
    """Values at which parameters are to be held, such as ``E=1.69,A=406.4``, by their names.

    Raises:
        InputError: a name is not one of `HOLDABLE` or comes twice, or a value is not a positive number (E may be 0).
    """
    found: dict[str, float] = {}
    for part in text.split(","):
        name, equals, number = (piece.strip() for piece in part.partition("="))
        if name not in HOLDABLE:
            raise InputError(f"--fix {text}: no law has a parameter {name!r} (known: {', '.join(HOLDABLE)})")
        if name in found:
            raise InputError(f"--fix {text}: {name} is there twice")
        try:
            value = float(number)
        except ValueError:
            value = np.nan
        if not (0 < value < np.inf or (name == "E" and value == 0)):
            wanted = "a number of at least 0" if name == "E" else "a positive number"
            raise InputError(f"--fix {text}: {name}{equals}{number} does not say {wanted}")
        found[name] = value
    return found
