"""BFGS for many small problems at once: minimises m objectives that differ in weights, losses or what is held.

Needs one `laws.problem.Problem` that holds all of them. One pass of numpy serves hundreds of resamples, where one of
scipy's optimisers costs more to call than a law of a few rows takes to compute. BFGS is as in Nocedal and Wright 2006,
section 6.1.
"""

from typing import NamedTuple

import numpy as np

from workflow.scripts.laws.problem import Problem

MOST_TRIALS, MOST_LENGTHS = 1_000, 40  # evaluations of all fits, and lengths tried of one step
FALLS, FLATTENS = 1e-4, 0.9  # Wolfe's two conditions on a step (Wolfe 1969): shares of the slope at its start
RIDGE = 1e-3  # share of the largest curvature that a first metric gives a direction of which the rows say nothing


class Places(NamedTuple):
    """Where k fits are: theta (k, p), the objective (k,) and its gradient (k, p)."""

    theta: np.ndarray
    value: np.ndarray
    gradient: np.ndarray

    def take(self, which: np.ndarray) -> "Places":
        """Those of some of the fits."""
        return Places(*(values[which] for values in self))


class Minima(NamedTuple):
    """Where m fits ended: theta (m, p), the objective (m,), and whether no step led on (m,)."""

    theta: np.ndarray
    objective: np.ndarray
    converged: np.ndarray


def minimise_all(problem: Problem, start: np.ndarray, tolerance: float) -> Minima:
    """The local minima of m problems that differ in weights, perhaps in losses and in what is held.

    BFGS with an inexact line search, which copes with the corners of Huber's loss (Lewis and Overton 2013); a parameter
    at a bound stays there while its gradient points outwards.

    Args:
        problem: its weights are (m, n), or (n,) or None if they are those of all; its log losses (n,) or (m, n).
        start: where each begins, (m, p); or, if the weights are (m, n), where all do, (p,).
        tolerance: a fit ends where a step gains less than this share of the objective, also with a new metric, or
            where `Problem.nothing` is left.
    """
    start = np.tile(start, (len(problem.row_weights), 1)) if start.ndim == 1 else start
    whole, alive = problem, np.arange(len(start))
    if not len(alive):
        return Minima(np.empty(start.shape), np.empty(0), np.empty(0, bool))
    (low, high), nothing = problem.form.bounds(problem.data).T, problem.nothing
    now = evaluated(problem, np.clip(start, low, high))
    ended = Minima(now.theta.copy(), now.value.copy(), np.zeros(len(alive), bool))
    metric, stalled = first_metric(problem, now.theta), np.zeros(len(alive), bool)
    steps = Steps(now, downhill(now, metric, low, high))
    for _ in range(MOST_TRIALS):
        over = steps.try_lengths(problem, low, high)
        if not len(over):
            continue
        now, ahead = steps.start.take(over), steps.best.take(over)
        small = (now.value - ahead.value <= tolerance * now.value) | (ahead.value <= nothing)
        turned = np.where(free_at(now, low, high), ahead.gradient - now.gradient, 0.0)
        metric[over] = updated(metric[over], ahead.theta - now.theta, turned)
        done, anew = small & stalled[over], over[small & ~stalled[over]]
        stalled[over] = small
        at = alive[over]
        ended.theta[at], ended.objective[at], ended.converged[at] = ahead.theta, ahead.value, done
        if len(anew):
            metric[anew] = first_metric(problem.take(anew), steps.best.theta[anew])
        steps.begin(over, ahead, downhill(ahead, metric[over], low, high))
        if done.any():
            going = np.ones(len(alive), bool)
            going[over[done]] = False
            if not going.any():
                break
            alive, metric, stalled, problem = alive[going], metric[going], stalled[going], problem.take(going)
            steps.keep(going)
    return ended._replace(theta=whole.complete(ended.theta.T[:, :, None])[:, :, 0].T)


class Steps:
    """A step of each of k fits, and the search for its length.

    The length is bisected until it meets Wolfe's conditions or a bound; else it is the longest tried that falls. Each
    fit is at a trial of its own: none waits for another to end a step.

    Attributes:
        start: where the steps begin.
        best: the longest tried step of each that falls enough, the start where none does.
    """

    def __init__(self, start: Places, step: np.ndarray):
        self.start, self.step = start, step
        self.best = Places(*(values.copy() for values in start))
        self.slope = (start.gradient * step).sum(axis=1)
        self.length, self.least, self.most = np.ones(len(step)), np.zeros(len(step)), np.full(len(step), np.inf)
        self.tries = np.zeros(len(step), int)

    def try_lengths(self, problem: Problem, low: np.ndarray, high: np.ndarray) -> np.ndarray:
        """Try one length of each step; the numbers of the fits whose length is found now."""
        start = self.start
        wanted = start.theta + self.length[:, None] * self.step
        trial = evaluated(problem, np.minimum(np.maximum(wanted, low), high))
        falls = trial.value <= start.value + FALLS * (start.gradient * (trial.theta - start.theta)).sum(axis=1)
        flattens = (trial.gradient * self.step).sum(axis=1) >= FLATTENS * self.slope
        for kept, values in zip(self.best, trial, strict=True):
            kept[falls] = values[falls]
        self.most, self.least = np.where(falls, self.most, self.length), np.where(falls, self.length, self.least)
        self.length = np.where(np.isinf(self.most), 2 * self.length, (self.least + self.most) / 2)
        self.tries += 1
        return np.flatnonzero(falls & (flattens | (trial.theta != wanted).any(axis=1)) | (self.tries >= MOST_LENGTHS))

    def begin(self, which: np.ndarray, start: Places, step: np.ndarray) -> None:
        """Begin new steps of some fits."""
        for kept, values in zip(
            (*self.start, self.step, self.slope), (*start, step, (start.gradient * step).sum(axis=1)), strict=True
        ):
            kept[which] = values
        self.length[which], self.least[which], self.most[which], self.tries[which] = 1.0, 0.0, np.inf, 0

    def keep(self, which: np.ndarray) -> None:
        """Go on with only some of the fits."""
        self.start, self.best = self.start.take(which), self.best.take(which)
        for name in ("step", "slope", "length", "least", "most", "tries"):
            setattr(self, name, getattr(self, name)[which])


def free_at(now: Places, low: np.ndarray, high: np.ndarray) -> np.ndarray:
    """(k, p) where no bound, each (p,), holds a parameter that its gradient pulls outwards."""
    return ~((now.theta <= low) & (now.gradient > 0) | (now.theta >= high) & (now.gradient < 0))


def downhill(now: Places, metric: np.ndarray, low: np.ndarray, high: np.ndarray) -> np.ndarray:
    """(k, p) quasi-Newton steps of the free parameters by metrics (k, p, p)."""
    free = free_at(now, low, high)
    return np.where(free, -(metric @ np.where(free, now.gradient, 0.0)[:, :, None])[:, :, 0], 0.0)


def evaluated(problem: Problem, theta: np.ndarray) -> Places:
    """The objective and its gradient at theta (k, p)."""
    return Places(theta, *problem.objective(theta.T[:, :, None]))


def first_metric(problem: Problem, theta: np.ndarray) -> np.ndarray:
    """(m, p, p) inverse of the curvature at theta (m, p) of the squares that touch Huber's loss at each residual."""
    curvature = problem.curvature(theta.T[:, :, None])
    largest = np.diagonal(curvature, axis1=1, axis2=2).max(axis=1)
    largest = np.where(largest > 1e-200, largest, 1.0)  # no row says anything: any metric does
    return np.linalg.inv(curvature + RIDGE * largest[:, None, None] * np.eye(theta.shape[1]))


def updated(metric: np.ndarray, moved: np.ndarray, turned: np.ndarray) -> np.ndarray:
    """BFGS's update of inverse metrics (Nocedal and Wright 2006, equation 6.17).

    Args:
        metric: (m, p, p).
        moved: (m, p), the steps.
        turned: (m, p), the changes of the gradient. Where it does not curve upwards, the metric stays as it is.
    """
    curved = (moved * turned).sum(axis=1)
    fine = curved > np.maximum(1e-10 * np.linalg.norm(moved, axis=1) * np.linalg.norm(turned, axis=1), 1e-150)
    curved = np.where(fine, curved, 1.0)[:, None, None]
    along = (metric @ turned[:, :, None]) / curved
    s = moved[:, :, None]
    quadratic = 1 + turned[:, None, :] @ along
    change = quadratic / curved * (s @ s.swapaxes(1, 2)) - along @ s.swapaxes(1, 2) - s @ along.swapaxes(1, 2)
    return metric + np.where(fine[:, None, None], change, 0.0)
