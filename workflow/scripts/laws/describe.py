"""What is told of every law that was fitted by optimisation: parameters, intervals and doubts."""

from dataclasses import dataclass

import numpy as np

from workflow.scripts.laws.estimate import Search
from workflow.scripts.laws.forms import EXPONENTS, POWER_IRREDUCIBLE, REPEATS
from workflow.scripts.laws.intervals import profile_intervals
from workflow.scripts.laws.line import r_squared
from workflow.scripts.laws.problem import Fit, Problem

SHARED = 1.96  # standard errors of the loss of all models at once, as far as they all were evaluated on the same tunes


@dataclass(frozen=True)
class Settings:
    """``loss``: which estimator the laws of N and D are told by, huber or mse; ``delta``: of Huber's loss, in log loss;
    ``draws``: bootstrap resamples."""

    loss: str = "huber"
    delta: float = 1e-3
    draws: int = 400


def described(problem: Problem, found: Search, other: Fit, evaluation_se: float) -> tuple[dict, list[str]]:
    """Parameters, intervals and doubts of a nonlinear fit, and the doubts as sentences."""
    form, data = problem.form, problem.data
    best = found.best
    values, second = form.natural(best.theta, data), form.natural(other.theta, data)
    told = [name for name in values if (values[name] > 0 or name == "E") and name != "d"]
    intervals = profile_intervals(problem, best, told)
    for name in ("E", "A", "B"):
        if name in intervals:
            low, high = widened(intervals[name], values[name], SHARED * evaluation_se * values[name])
            intervals[name] = [max(low, 0.0), high]
    predicted, _ = form.predict(best.theta, data)
    squares = np.isinf(problem.delta)
    bounds = at_bounds(values)
    notes = []
    if not found.moved:
        notes.append("the result is where the search began")
    if not best.converged:
        notes.append("the optimiser did not converge")
    if bounds:
        notes.append(f"{', '.join(bounds)} at a bound")
    if found.basins > 1:
        notes.append(f"{found.basins} different optima lie within 1% of the best objective")
    for name in ("E", "alpha", "beta"):
        if name in intervals and disagree(values[name], second[name], intervals[name]):
            names = ("least squares", "Huber's loss") if squares else ("Huber's loss", "least squares")
            if form is POWER_IRREDUCIBLE:
                names = "least squares of log loss", "least squares of loss"
            both = f"{values[name]:.4g} by {names[0]}, {second[name]:.4g} by {names[1]}"
            notes.append(f"the two estimators disagree: {name} is {both}")
    for name in ("alpha", "beta"):
        if name in intervals and intervals[name][1] > 5 * intervals[name][0]:
            low, high = intervals[name]
            notes.append(f"{name} is weakly identified: anything from {low:.2g} to {high:.2g}")
    return {
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
    }, [f"{form.name}: {note}" for note in notes]


def widened(ends: list[float], value: float, half: float) -> list[float]:
    """An interval with an independent error added in quadrature."""
    return [value - np.hypot(value - ends[0], half), value + np.hypot(ends[1] - value, half)]


def at_bounds(values: dict[str, float]) -> list[str]:
    ends = {"alpha": EXPONENTS, "beta": EXPONENTS, "R_D": tuple(np.exp(REPEATS)), "R_N": tuple(np.exp(REPEATS))}
    zero = [name for name in ("E", "A", "B") if values.get(name) == 0]
    return zero + [name for name, limits in ends.items() if name in values and np.isclose(values[name], limits).any()]


def disagree(value: float, other: float, ends: list[float]) -> bool:
    return not ends[0] <= other <= ends[1] and abs(other - value) > 1e-3 * max(abs(value), 1e-3)


def quantiles(values: np.ndarray) -> list[float] | None:
    """95% percentile interval; None of too few draws."""
    return np.quantile(values, (0.025, 0.975)).tolist() if len(values) >= 20 else None


def error_left_out(problem: Problem, thetas: np.ndarray) -> float:
    """Mean relative error of the loss of each row, by the law (n, p) that was fitted to all the others."""
    log_loss = problem.data.log_loss
    predicted = problem.form.predict(thetas.T[:, :, None], problem.data)[0].diagonal()
    return float(np.abs(np.exp(predicted - log_loss) - 1).mean())
