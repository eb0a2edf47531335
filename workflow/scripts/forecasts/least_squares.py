"""Levenberg and Marquardt's least squares for many small problems at once (Marquardt 1963).

An interval asks for a few dozen fits of nearly the same rows. Their curvature is known from the slopes, so that each
takes some ten steps, where `laws.batched_bfgs`, which serves Huber's loss too, learns it on the way in a hundred.

Needs one `laws.problem.Problem` of squares of log loss that holds all of them.
"""

import numpy as np

from workflow.scripts.laws.batched_bfgs import Minima
from workflow.scripts.laws.problem import Problem

STEPS = 100
EASED, RAISED = 0.2, 5.0  # factors of the damping after a step that gains, and after one that does not
LEAST, MOST = 1e-12, 1e12  # damping
TINY = 1e-14  # share of the largest curvature that each parameter has at least


def least_squares_all(problem: Problem, start: np.ndarray, tolerance: float, steps: int = STEPS) -> Minima:
    """The local minima of m problems from ``start`` (m, p), within the bounds of the form.

    Args:
        problem: with weights (m, n), and log losses (n,) or (m, n).
        tolerance: a fit ends where a step gains, or promises, less than this share of the objective.
        steps: after which it ends wherever it is.
    """
    low, high = problem.form.bounds(problem.data).T
    theta = np.clip(start, low, high)
    value, gradient, curvature = normal_equations(problem, theta)
    damping = np.full(len(theta), 1e-3)
    done = np.zeros(len(theta), bool)
    for _ in range(steps):
        going = np.flatnonzero(~done)
        if not len(going):
            break
        at, slope = theta[going], gradient[going]
        free = ~((at <= low) & (slope > 0) | (at >= high) & (slope < 0))
        ahead = np.clip(at + damped_step(slope, curvature[going], damping[going], free), low, high)
        promised = -(slope * (ahead - at)).sum(axis=1)  # a straight line's gain, twice a parabola's
        found, its_slope, its_curvature = normal_equations(problem.take(going), ahead)
        gains = found < value[going]
        small = promised <= tolerance * value[going]
        over = small & (damping[going] <= 1) | gains & (value[going] - found <= tolerance * value[going])
        over |= ~gains & (damping[going] >= MOST)
        better = going[gains]
        theta[better], value[better] = ahead[gains], found[gains]
        gradient[better], curvature[better] = its_slope[gains], its_curvature[gains]
        damping[going] = np.clip(damping[going] * np.where(gains, EASED, RAISED), LEAST, MOST)
        done[going[over]] = True
    return Minima(theta, value, done)


def normal_equations(problem: Problem, theta: np.ndarray) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Half the weighted sum of squares (m,) at theta (m, p), its gradient (m, p) and Gauss's curvature (m, p, p)."""
    residuals, slopes = problem.residuals(theta.T[:, :, None])
    weighted = slopes * problem.row_weights[..., None]
    value = (residuals**2 * problem.row_weights).sum(axis=-1) / 2
    return value, (residuals[:, None, :] @ weighted)[:, 0, :], slopes.swapaxes(1, 2) @ weighted


def damped_step(gradient: np.ndarray, curvature: np.ndarray, damping: np.ndarray, free: np.ndarray) -> np.ndarray:
    """(m, p) steps of the ``free`` parameters (m, p); the others stay."""
    diagonal = np.diagonal(curvature, axis1=1, axis2=2)
    least = TINY * diagonal.max(axis=1, keepdims=True) + 1e-300
    added = damping[:, None] * np.maximum(diagonal, least) + least
    both = free[:, :, None] & free[:, None, :]
    held = np.where(free, added, 1.0)
    matrix = np.where(both, curvature, 0.0) + held[:, :, None] * np.eye(gradient.shape[1])
    step: np.ndarray = -np.linalg.solve(matrix, np.where(free, gradient, 0.0)[:, :, None])[:, :, 0]
    return step
