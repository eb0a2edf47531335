"""Two independent ways to the parameters of a law, each from many starts, and what gives a reader reason to doubt them.

huber  sum of Huber losses of the residuals of log loss (Hoffmann et al. 2022, appendix D.3): BFGS with the analytic
       gradient from a grid of starts, the best again by trust-region least squares
mse    least squares by variable projection: exponents by trust region, coefficients by non-negative least squares
"""

import itertools
from dataclasses import dataclass, replace

import numpy as np
from scipy.optimize import least_squares

from workflow.scripts.laws.forms import COEFFICIENTS, DECAYS, EXPONENTS, REPEATS, Constraint, Data, Form
from workflow.scripts.laws.problem import Fit, Problem
from workflow.scripts.laws.together import descend_all

EXPONENT_STARTS = (0.05, 0.12, 0.25, 0.45, 0.8, 1.4)
REPEAT_STARTS = (0.0, 2.5, 5.0)  # log R*
SHAPES = {"alpha": EXPONENTS, "beta": EXPONENTS, "log_r_d": REPEATS, "log_r_n": REPEATS, "alpha_over_beta": (0.01, 100),
          "log_ratio": (-50, 50), "log_decay": DECAYS}  # fmt: skip
EXACT, DRAWN = 1e-13, 1e-10  # tolerance of fits, and of those that are one of many: starts, draws, places of a profile
SAME_BASIN = 1e-2  # of exponents, and of E as a share of the loss: what is closer is one optimum
AS_GOOD = 1.01  # objectives within 1% are told apart by no data


def descend(problem: Problem, start: np.ndarray) -> Fit:
    """The local optimum that `descend_all` finds from one ``start`` (p,)."""
    return descents(problem, start[None], EXACT)[0]


def descents(problem: Problem, begun: np.ndarray, tolerance: float, held: list[Constraint] | None = None) -> list[Fit]:
    """The local optima of one problem from each of several starts (m, p), each perhaps with its own parameter held."""
    weights = np.ones(len(problem.data.log_loss)) if problem.weights is None else problem.weights
    constraint = held and Constraint(*map(np.array, zip(*held, strict=True)))
    many = replace(problem, weights=np.tile(weights, (len(begun), 1)), held=constraint)
    found = descend_all(many, begun, tolerance)
    return [Fit(theta, float(value), bool(done)) for theta, value, done in zip(*found, strict=True)]


def polish(problem: Problem, fit: Fit) -> Fit:
    """The same optimum to machine precision where the data allow it; and a term that does nothing is taken out."""
    bounds = problem.form.bounds(problem.data)
    weights = 1.0 if problem.weights is None else np.sqrt(problem.weights)
    # A gap from the bounds, as the trust region wants a start strictly inside.
    inside = np.clip(fit.theta, bounds[:, 0] + 1e-9, bounds[:, 1] - 1e-9)
    huber = {} if np.isinf(problem.delta) else {"loss": "huber", "f_scale": problem.delta}
    done = least_squares(
        lambda theta: problem.residuals(theta)[0] * weights,
        inside,
        jac=lambda theta: problem.residuals(theta)[1] * (weights if np.isscalar(weights) else weights[:, None]),
        bounds=bounds.T,
        xtol=1e-15, ftol=1e-15, gtol=1e-15, max_nfev=200, **huber,
    )  # fmt: skip
    if problem.objective(done.x)[0] < fit.objective:
        fit = Fit(done.x, problem.objective(done.x)[0], True)
    for i, name in enumerate(problem.form.theta):
        if name in COEFFICIENTS:
            without = fit.theta.copy()
            without[i] = bounds[i, 0]
            value = problem.objective(without)[0]
            if value <= fit.objective * (1 + 1e-9):
                fit = replace(fit, theta=without, objective=value)
    return fit


def grid(form: Form) -> list[np.ndarray]:
    """Shapes (see `Form.project`) to start from."""
    coarse = len(form.shape_names) > 3
    exponents = EXPONENT_STARTS[1::2] if coarse else EXPONENT_STARTS
    values = {"alpha": exponents, "beta": exponents, "log_r_d": REPEAT_STARTS, "log_r_n": REPEAT_STARTS,
              "log_decay": (-4.0, -2.0, -0.5), "alpha_over_beta": (0.25, 0.5, 1.0, 2.0),
              "log_ratio": (0.0,) if coarse else (-4.0, 0.0, 4.0)}  # fmt: skip
    return [np.array(shape) for shape in itertools.product(*(values[name] for name in form.shape_names))]


def starts(form: Form, data: Data) -> list[np.ndarray]:
    """Exponents from a grid, and for each the coefficients that suit them, none of them gone."""
    lowest = data.log_loss.min() - np.log(50)
    found = []
    for shape in grid(form):
        theta, _ = form.project(shape, data)
        for i, name in enumerate(form.theta):
            if name in COEFFICIENTS:
                theta[i] = max(theta[i], lowest)  # from zero no gradient leads back
        found.append(theta)
    return found


@dataclass(frozen=True)
class Search:
    """The best of the optima found from all starts, and how many others are as good."""

    best: Fit
    basins: int
    moved: bool  # the best is not merely where its search began


def search(problem: Problem) -> Search:
    """The global optimum, as far as a grid of starts finds it."""
    begun = np.array(starts(problem.form, problem.data))
    ended = descents(problem, begun, DRAWN)
    order = sorted(range(len(ended)), key=lambda i: ended[i].objective)
    near = [i for i in order if ended[i].objective <= ended[order[0]].objective * AS_GOOD]
    # Only what may be the best is worth the last digits, and optima are told apart by nothing less.
    again = descents(problem, np.array([ended[i].theta for i in near]), EXACT)
    polished = [polish(problem, fit) for fit in sorted(again, key=lambda fit: fit.objective)[:3]]
    best = min(polished, key=lambda fit: fit.objective)
    # Of many that end at one place some stop for want of precision, which says nothing against the place.
    settled = any(fit.converged and fit.objective <= best.objective * (1 + 1e-9) for fit in (*polished, *again, *ended))
    best = replace(best, converged=settled)
    moved = not np.allclose(best.theta, begun[order[0]], rtol=1e-6, atol=1e-9)
    good = [fit for fit in again if fit.objective <= best.objective * AS_GOOD]
    distinct: list[Fit] = [best]
    for fit in good:
        if all(apart(problem, fit, other) for other in distinct):
            distinct.append(fit)
    return Search(best, len(distinct), moved)


def apart(problem: Problem, a: Fit, b: Fit) -> bool:
    """Whether two optima mean different laws: other exponents, or another irreducible loss."""
    smallest = float(np.exp(problem.data.log_loss.min()))
    one, two = (problem.form.natural(fit.theta, problem.data) for fit in (a, b))
    scales = {"alpha": 1.0, "beta": 1.0, "E": smallest}
    return any(abs(one[name] - two[name]) > SAME_BASIN * scale for name, scale in scales.items() if name in one)


def variable_projection(form: Form, data: Data) -> Fit:
    """Least squares of the loss (of its log for Kaplan's law); ``objective`` is the residual sum of squares."""
    bounds = np.array([SHAPES[name] for name in form.shape_names])
    begun = sorted(grid(form), key=lambda shape: float(np.sum(form.project(shape, data)[1] ** 2)))
    ended = [
        least_squares(lambda shape: form.project(shape, data)[1], start, bounds=bounds.T, x_scale="jac",
                      xtol=1e-12, ftol=1e-12, gtol=1e-12, max_nfev=300)
        for start in begun[:8]
    ]  # fmt: skip
    best = min(ended, key=lambda done: done.cost)
    theta, residuals = form.project(best.x, data)
    return Fit(theta, float(residuals @ residuals), best.status > 0)
