"""What fit.json says of a law that was fitted by optimisation: parameters, intervals, and reasons to doubt them.

Needs the `laws.problem.Problem`, what the search for its optimum found, and the fit of the other estimator.
"""

from typing import NamedTuple

import numpy as np

from workflow.scripts.laws.coupling import COUPLED
from workflow.scripts.laws.estimate import Search
from workflow.scripts.laws.forms import COEFFICIENTS, POWER_IRREDUCIBLE
from workflow.scripts.laws.intervals import profile_intervals
from workflow.scripts.laws.line import r_squared
from workflow.scripts.laws.problem import Fit, Problem

SHARED = 1.96  # standard errors of the loss of all models at once, as far as they all were evaluated on the same tunes
WEAK = 5.0  # an interval whose ends differ by more than this factor says little
PRINTED_AS = {"log_r_d": "R_D", "log_r_n": "R_N", "log_decay": "k"}  # of parameters that are searched for otherwise
ALIKE = 1e-3  # estimates that differ by less, as a share, agree


class Outcome(NamedTuple):
    """A law for fit.json, or why there is none.

    Attributes:
        law: what fit.json says under the law's name; None if the rows support no such law.
        warnings: reasons to doubt it, as sentences.
        absent: why there is none, as a phrase; empty if there is one.
    """

    law: dict | None
    warnings: list[str]
    absent: str


def summarise(problem: Problem, found: Search, other: Fit, evaluation_se: float) -> tuple[dict, list[str]]:
    """What fit.json says of a nonlinear fit, and the reasons to doubt it as sentences.

    Args:
        other: the fit of the other estimator, which is reported beside it.
        evaluation_se: relative standard error of the loss that all runs share, as they were measured on the same text.
    """
    form, data, best = problem.form, problem.data, found.best
    values, second = form.printed(best.theta, data), form.printed(other.theta, data)
    intervals, bounds = parameter_intervals(problem, best, values, evaluation_se), at_bounds(problem, best, values)
    predicted, _ = form.predict(best.theta, data)
    squares = np.isinf(problem.delta)
    law = {
        "formula": form.formula,
        **values,
        "ci95": intervals,
        "estimator": "mse" if squares else "huber",
        "objective": best.objective * (2 if squares else 1),
        "other_estimate": second | {"objective": other.objective},
        "r2": r_squared(data.log_loss, float(np.sum((predicted - data.log_loss) ** 2))),
        "basins": found.basins,
        "at_bound": bounds,
        "converged": best.converged,
    }
    warnings = [
        *doubts_of_search(found, bounds),
        *disagreements(problem, values, second, intervals),
        *weakly_identified(intervals),
    ]
    return law, [f"{form.name}: {warning}" for warning in warnings]


def parameter_intervals(
    problem: Problem, best: Fit, values: dict[str, float], evaluation_se: float
) -> dict[str, list[float]]:
    """95% intervals of the printed parameters ``values``, but for those that are held or of terms that vanished.

    They are profile intervals; those of E and of coefficients, which have the unit of the loss, are wider by the error
    that all runs share.
    """
    names = [name for name, value in values.items() if (value > 0 or name == "E") and is_free(problem, name, value)]
    intervals = profile_intervals(problem, best, names)
    for name in ("E", "A", "B", "d"):
        if name in intervals:
            unit = values["k"] if problem.form is COUPLED and name != "E" else 1.0  # A^k has the unit of the loss
            half = SHARED * evaluation_se * values[name] / unit
            with np.errstate(over="ignore"):  # the widest end may be the largest number there is
                low, high = map(float, widened(intervals[name], values[name], half))
            intervals[name] = [max(low, 0.0), min(high, float(np.finfo(float).max))]
    return intervals


def is_free(problem: Problem, name: str, value: float) -> bool:
    """Whether what `Form.value` gives under ``name`` is not held."""
    held = problem.held
    return held is None or not held.determines(problem.form.constraint(name, value or 1.0, problem.data))


def doubts_of_search(found: Search, bounds: list[str]) -> list[str]:
    """Reasons to doubt that the optimum is the one that was looked for; ``bounds`` as `at_bounds` gives them."""
    doubts = []
    if not found.moved:
        doubts.append("the result is where the search began")
    if not found.best.converged:
        doubts.append("the optimiser did not converge")
    if bounds:
        doubts.append(f"{', '.join(bounds)} at a bound")
    if found.basins > 1:
        doubts.append(f"{found.basins} different optima lie within 1% of the best objective")
    return doubts


def disagreements(
    problem: Problem, values: dict[str, float], second: dict[str, float], intervals: dict[str, list[float]]
) -> list[str]:
    """Where the other estimate, ``second``, is outside the interval of ``values``."""
    names = ("least squares", "Huber's loss") if np.isinf(problem.delta) else ("Huber's loss", "least squares")
    if problem.form is POWER_IRREDUCIBLE:
        names = "least squares of log loss", "least squares of loss"
    return [
        f"the two estimators disagree: {name} is {values[name]:.4g} by {names[0]}, {second[name]:.4g} by {names[1]}"
        for name in ("E", "alpha", "beta")
        if name in intervals and disagree(values[name], second[name], intervals[name])
    ]


def disagree(value: float, other: float, interval: list[float]) -> bool:
    """Whether ``other`` is outside the interval of ``value``, and not by rounding alone."""
    return not interval[0] <= other <= interval[1] and abs(other - value) > ALIKE * max(abs(value), 1e-3)


def weakly_identified(intervals: dict[str, list[float]]) -> list[str]:
    """Exponents, and worths of what is repeated, of which the table says little."""
    return [
        f"{name} is weakly identified: anything from {intervals[name][0]:.2g} to {intervals[name][1]:.2g}"
        for name in ("alpha", "beta", "R_D", "R_N")
        if name in intervals and intervals[name][1] > WEAK * intervals[name][0]
    ]


def widened(interval: list[float], value: float, half: float) -> list[float]:
    """The interval of ``value`` with an independent error, of half-width ``half``, added in quadrature."""
    return [value - np.hypot(value - interval[0], half), value + np.hypot(interval[1] - value, half)]


def at_bounds(problem: Problem, best: Fit, values: dict[str, float]) -> list[str]:
    """Names of the printed parameters, ``values``, at an end of what was searched; a coefficient is if it is 0.

    What is held is not.
    """
    form = problem.form
    found = [name for name in ("E", "A", "B") if values.get(name) == 0]
    for i, name in enumerate(form.theta):
        low, high = form.bounds(problem.data)[i]
        value = best.theta[i]  # which may be beyond, where a coefficient is held that it follows
        if name not in COEFFICIENTS and (np.isclose(value, (low, high)).any() or not low < value < high):
            found.append(PRINTED_AS.get(name, name))
    return [name for name in found if is_free(problem, name, values[name])]


def left_out_error(problem: Problem, thetas: np.ndarray, fold: np.ndarray | None = None) -> float:
    """Mean relative error of the loss of each row, by the law that was fitted without it.

    Args:
        thetas: (folds, p), the parameters found without each part of the rows.
        fold: (n,) the part that each row is of; None: its own.
    """
    rows = np.arange(len(problem.data.log_loss))
    predicted, _ = problem.form.predict(thetas.T[:, :, None], problem.data)
    errors = np.exp(predicted[rows if fold is None else fold, rows] - problem.data.log_loss) - 1
    return float(np.abs(errors).mean())
