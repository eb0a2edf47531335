"""The law that intervals of forecasts are of: one with a floor and a drift, fitted to the runs with honest weights.

Which law forecasts best is chosen elsewhere (`forecasts.rolling`), and no choice is sure. The interval does not hang on
it: it is that of E + A/N^alpha, or of the coupled law of N and D, with a drift (`forecasts.drift`). The first holds a
straight line, the second Chinchilla's law and Kaplan's. benchmarks/README.md has how often it held the truth.

Needs the runs of one architecture as `laws.forms.Data`.
"""

from dataclasses import dataclass

import numpy as np
from scipy.special import fdtrc

from workflow.scripts.forecasts.drift import Drift, WithPrior
from workflow.scripts.forecasts.one_more import RunNoise, from_starts, prediction_interval, with_terms
from workflow.scripts.laws.estimate import LOOSE, best_starts, local_optima
from workflow.scripts.laws.forms import Data, Form
from workflow.scripts.laws.problem import Fit, Problem

EXPECTED_DRIFT = 0.01  # root mean square over the runs that a law is taken to be off by, in log loss
DRIFT_IN_NOISE = (0.3, 3.3)  # the same in units of a run's noise, within what was tried
OUTLYING = 6.0  # robust standard deviations; a run beyond pulls as one there
STARTS = 8  # of the grid that a law without drift is begun at
SPARE = 4  # runs beyond the parameters from which on outlying ones can be told
ALIKE = 0.1  # level of the test whether runs of a group are alike, beyond what the law says


@dataclass(frozen=True)
class Hedged:
    """A law with a drift and how sure it is.

    Attributes:
        drift: the law with a drift.
        problem: what it was fitted by, squares of log loss; its last rows are the prior of the drift.
        best: the fit.
        noise: of one more run.
    """

    drift: Drift
    problem: Problem
    best: Fit
    noise: RunNoise

    def expected(self, place: Data) -> float:
        """Log loss at one place, in the coordinates of the runs."""
        return float(self.drift.predict(self.best.theta, place)[0][0])

    def interval(self, place: Data) -> list[float | None]:
        """95% interval of the log loss of one more run at one place; see `prediction_interval`."""
        return prediction_interval(self.problem, self.best, place, self.expected(place), self.noise)


def hedge(form: Form, data: Data, groups: list[np.ndarray]) -> Hedged | None:
    """Fit a law with a drift to runs; None if there are no more runs than parameters.

    A run that is far out, and runs that vary together, count for less: the first pulls no more than one that is
    `OUTLYING`, the others by the design effect 1 + (m - 1) rho of their group.

    Args:
        form: the law without drift.
        groups: ways to group the runs, each (n,) numbers of what may vary together, such as seeds of one size or
            budgets that branch off one training.
    """
    dof = len(data.log_loss) - len(form.theta)
    if dof < 1:
        return None
    weights = robust_weights(form, data)
    problem = Problem(form, data, weights=weights)
    plain = from_starts(problem, best_starts(problem, STARTS))
    drift = Drift(form, data)
    spread = max(np.sqrt(2 * plain.objective / dof), 1e-12)
    with_prior = WithPrior(drift, float(np.clip(EXPECTED_DRIFT / spread, *DRIFT_IN_NOISE)))
    fitted = fit(with_prior, data, weights, plain)
    residuals = drift.predict(fitted.theta, data)[0] - data.log_loss
    effect = max((design_effect(residuals, group, len(form.theta)) for group in groups), default=1.0)
    variance = 2 * fitted.objective / dof
    if effect > 1:
        weights = weights / effect
        fitted = fit(with_prior, data, weights, plain)
    # The prior counts as rows of weight 1, and the new run too: what is shared makes the fit less sure, not the run.
    return Hedged(drift, problem_of(with_prior, data, weights), fitted, RunNoise(variance, dof))


def problem_of(form: WithPrior, data: Data, weights: np.ndarray) -> Problem:
    """The runs with the prior of the drift, and their weights."""
    return Problem(form, form.rows(data), weights=np.concatenate((weights, np.ones(form.drift.terms))))


def fit(form: WithPrior, data: Data, weights: np.ndarray, plain: Fit) -> Fit:
    """The law with its drift, from where the law without drift was best and from one with no term gone."""
    problem = problem_of(form, data, weights)
    start = np.append(plain.theta, np.zeros(form.drift.terms))
    return from_starts(problem, with_terms(problem, start[None]))


def robust_weights(form: Form, data: Data) -> np.ndarray:
    """(n,) 1 for most runs; for one that is z > `OUTLYING` robust deviations off the law (OUTLYING / z)^2."""
    count, p = len(data.log_loss), len(form.theta)
    if count < p + SPARE:
        return np.ones(count)
    # Nearly absolute deviations: one run far out hardly moves the law that the others lie on.
    problem = Problem(form, data, 1e-3)
    ended = local_optima(problem, best_starts(problem, STARTS), LOOSE)
    residuals = problem.residuals(min(ended, key=lambda one: one.objective).theta)[0]
    # The p smallest residuals are of runs that the law goes through.
    scale = np.median(np.sort(np.abs(residuals))[p - 1 :]) / 0.6745
    return np.minimum(1.0, OUTLYING * max(scale, 1e-12) / np.maximum(np.abs(residuals), 1e-12)) ** 2


def design_effect(residuals: np.ndarray, groups: np.ndarray, parameters: int) -> float:
    """1 + (m - 1) rho of residuals (n,) in groups of about m; 1 where an F test finds none alike, or none can be made.

    rho is the correlation within a group by analysis of variance.
    """
    numbers, counts = np.unique(groups, return_inverse=True, return_counts=True)[1:]
    count, total = len(counts), len(residuals)
    dof_between, dof_within = count - parameters, total - count
    if dof_between < 1 or dof_within < 1:
        return 1.0
    means = np.bincount(numbers, residuals) / counts
    between = float(counts @ means**2) / dof_between
    within = float(np.sum((residuals - means[numbers]) ** 2)) / dof_within
    if within <= 0 or fdtrc(dof_between, dof_within, between / within) > ALIKE:
        return 1.0
    size = total / count
    rho = (between - within) / (between + (size - 1) * within)
    return float(1 + (size - 1) * max(rho, 0.0))
