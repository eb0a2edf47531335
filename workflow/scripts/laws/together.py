"""Many small fits at once: one pass of numpy serves hundreds of resamples, where one of scipy's optimisers costs more
to call than a law of a few rows takes to compute."""

from dataclasses import replace
from typing import NamedTuple

import numpy as np

from workflow.scripts.laws.problem import Problem

MOST_STEPS, MOST_TRIALS = 3000, 40  # of a fit, and of lengths of a step
FALLS, FLATTENS = 1e-4, 0.9  # Wolfe's conditions on a step: shares of the slope at its start
RIDGE = 1e-3  # of the largest curvature: what a first metric takes a direction to have that the rows say nothing of


class Places(NamedTuple):
    """Where k fits are: theta (k, p), the objective (k,) and its gradient (k, p)."""

    theta: np.ndarray
    value: np.ndarray
    gradient: np.ndarray

    def take(self, which: np.ndarray) -> "Places":
        return Places(*(values[which] for values in self))


class Ends(NamedTuple):
    """Where m fits ended: theta (m, p), the objective (m,), and whether no step led on (m,)."""

    theta: np.ndarray
    objective: np.ndarray
    converged: np.ndarray


def descend_all(problem: Problem, start: np.ndarray, tolerance: float) -> Ends:
    """The local optima of m problems that differ in weights and perhaps in losses, begun at ``start``, (p,) or (m, p).

    BFGS with an inexact line search, which copes with the corners of Huber's loss (Lewis and Overton 2013); a parameter
    at a bound stays there while its gradient points outwards.

    Args:
        problem: weights are (m, n), and log losses (n,) or (m, n).
        tolerance: a fit ends where a step gains less than this share of the objective, with a new metric, too.
    """
    alive = np.arange(len(problem.weights))
    if not len(alive):
        return Ends(np.empty((0, start.shape[-1])), np.empty(0), np.empty(0, bool))
    low, high = problem.form.bounds(problem.data).T
    now = places(problem, np.tile(np.clip(start, low, high), (len(alive) if start.ndim == 1 else 1, 1)))
    ended = Ends(now.theta.copy(), now.value.copy(), np.zeros(len(alive), bool))
    metric = first_metric(problem, now.theta)
    stalled = np.zeros(len(alive), bool)
    for _ in range(MOST_STEPS):
        free = ~((now.theta <= low) & (now.gradient > 0) | (now.theta >= high) & (now.gradient < 0))
        pull = np.where(free, now.gradient, 0.0)
        step = np.where(free, -(metric @ pull[:, :, None])[:, :, 0], 0.0)
        ahead = line_search(problem, now, step, (low, high))
        small = now.value - ahead.value <= tolerance * now.value
        metric = updated(metric, ahead.theta - now.theta, np.where(free, ahead.gradient - now.gradient, 0.0))
        done = small & stalled
        ended.theta[alive], ended.objective[alive], ended.converged[alive] = ahead.theta, ahead.value, done
        if done.all():
            break
        anew = small & ~stalled
        if anew.any():
            metric[anew] = first_metric(part(problem, anew), ahead.theta[anew])
        now, stalled = ahead, small
        if done.any():
            alive, now, metric, stalled = alive[~done], now.take(~done), metric[~done], stalled[~done]
            problem = part(problem, ~done)
    return ended


def part(problem: Problem, which: np.ndarray) -> Problem:
    """Some of m problems."""
    data = problem.data
    if data.log_loss.ndim == 2:
        data = data._replace(log_loss=data.log_loss[which])
    return replace(problem, data=data, weights=problem.weights[which])


def places(problem: Problem, theta: np.ndarray) -> Places:
    return Places(theta, *problem.objective(theta.T[:, :, None]))


def first_metric(problem: Problem, theta: np.ndarray) -> np.ndarray:
    """(m, p, p) inverse of the curvature that squares have which touch Huber's loss at each residual."""
    residuals, slopes = problem.residuals(theta.T[:, :, None])
    weights = problem.weights * np.minimum(1.0, problem.delta / np.maximum(np.abs(residuals), 1e-300))
    curvature = (slopes * weights[:, :, None]).swapaxes(1, 2) @ slopes
    largest = np.diagonal(curvature, axis1=1, axis2=2).max(axis=1)
    return np.linalg.inv(curvature + RIDGE * largest[:, None, None] * np.eye(theta.shape[1]))


def line_search(problem: Problem, now: Places, step: np.ndarray, bounds: tuple[np.ndarray, np.ndarray]) -> Places:
    """Where a step ends that meets Wolfe's conditions or a bound, by bisection; else the longest tried that falls."""
    length, least, most = np.ones(len(step)), np.zeros(len(step)), np.full(len(step), np.inf)
    slope = (now.gradient * step).sum(axis=1)
    best, tried = Places(*(values.copy() for values in now)), np.arange(len(step))
    for _ in range(MOST_TRIALS):
        everywhere = len(tried) == len(step)
        start, way = (now, step) if everywhere else (now.take(tried), step[tried])
        wanted = start.theta + length[tried, None] * way
        trial = places(problem if everywhere else part(problem, tried), np.clip(wanted, *bounds))
        falls = trial.value <= start.value + FALLS * (start.gradient * (trial.theta - start.theta)).sum(axis=1)
        flattens = (trial.gradient * way).sum(axis=1) >= FLATTENS * slope[tried]
        ends = falls & (flattens | (trial.theta != wanted).any(axis=1))
        if ends.all() and everywhere:
            return trial
        for kept, values in zip(best, trial, strict=True):
            kept[tried[falls]] = values[falls]
        most[tried[~falls]], least[tried[falls]] = length[tried[~falls]], length[tried[falls]]
        tried = tried[~ends]
        if not len(tried):
            break
        length[tried] = np.where(np.isinf(most[tried]), 2 * length[tried], (least[tried] + most[tried]) / 2)
    return best


def updated(metric: np.ndarray, moved: np.ndarray, turned: np.ndarray) -> np.ndarray:
    """BFGS's update of metrics (m, p, p) by steps and changes of the gradient, each (m, p), if that curves upwards."""
    curved = (moved * turned).sum(axis=1)
    fine = curved > 1e-10 * np.linalg.norm(moved, axis=1) * np.linalg.norm(turned, axis=1)
    curved = np.where(fine, curved, 1.0)[:, None, None]
    along = (metric @ turned[:, :, None]) / curved
    s = moved[:, :, None]
    quadratic = 1 + turned[:, None, :] @ along
    change = quadratic / curved * (s @ s.swapaxes(1, 2)) - along @ s.swapaxes(1, 2) - s @ along.swapaxes(1, 2)
    return metric + np.where(fine[:, None, None], change, 0.0)
