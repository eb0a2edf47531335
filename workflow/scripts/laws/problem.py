"""What is minimised to fit a law to rows: the sum of squares or of Huber's losses, and its gradient.

Needs a law (`laws.forms`) and the rows of a table. One `Problem` may also be m of them, such as the resamples of
a table, which `laws.batched_bfgs` solves at once.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from typing import NamedTuple

import numpy as np

from workflow.scripts.laws.forms import Constraint, Data, Form

EXACT = 1e-9  # residuals of log loss below which a law is exact: tables do not have so many digits
FAR_ABOVE = 50.0  # the highest log loss, no prediction is worse
IN_CACHE = 1 << 15  # residuals at a time: what is computed of them then stays in a processor's cache


class Held(NamedTuple):
    """What is held in each of m problems, or alike in all of them (m = 1): theta = constant + matrix @ free.

    Free is what a search changes. What it has in the place of a held parameter counts for nothing: that column of the
    matrix is zero.

    Attributes:
        constant: (m, p).
        matrix: (m, p, p).
    """

    constant: np.ndarray
    matrix: np.ndarray

    @classmethod
    def nothing(cls, parameters: int) -> "Held":
        """All of so many ``parameters`` are free."""
        return cls(np.zeros((1, parameters)), np.eye(parameters)[None])

    @classmethod
    def of(cls, each: Sequence[Constraint], parameters: int) -> "Held":
        """One constraint a problem, of so many ``parameters``."""
        return cls.nothing(parameters).also(each)

    def also(self, each: Sequence[Constraint]) -> "Held":
        """The same and one more constraint in each of m problems.

        Raises:
            ValueError: a constraint contradicts what is held.
        """
        before = [(self.constant[i % len(self.constant)], self.matrix[i % len(self.matrix)]) for i in range(len(each))]
        after = [substituted(*held, one) for held, one in zip(before, each, strict=True)]
        return Held(*(np.array(values) for values in zip(*after, strict=True)))

    def take(self, which: np.ndarray) -> "Held":
        """What is held in some of the problems."""
        return self if len(self.constant) == 1 else Held(self.constant[which], self.matrix[which])

    def free(self) -> int:
        """How many parameters are free, in the first problem."""
        return int((self.matrix[0] != 0).any(axis=0).sum())

    def determines(self, constraint: Constraint) -> bool:
        """Whether what ``constraint`` would hold has one value already, in the first problem."""
        row, _ = equation(self.constant[0], self.matrix[0], constraint)
        return bool(np.abs(row).max() < 1e-12)


def equation(constant: np.ndarray, matrix: np.ndarray, one: Constraint) -> tuple[np.ndarray, float]:
    """What a constraint says of the free parameters: row (p,) times them is a number.

    ``constant`` (p,) and ``matrix`` (p, p) are `Held`'s of one problem.
    """
    row, number = matrix[one.target].copy(), one.constant - constant[one.target]
    for source, factor in one.by:
        row -= factor * matrix[source]
        number += factor * constant[source]
    return row, float(number)


def substituted(constant: np.ndarray, matrix: np.ndarray, one: Constraint) -> tuple[np.ndarray, np.ndarray]:
    """Constant (p,) and matrix (p, p) of `Held` with one more constraint, by elimination of one free parameter.

    It is the constraint's target, or, where that is held already, the one that moves what is constrained most.
    """
    row, wanted = equation(constant, matrix, one)
    pivot = one.target if abs(row[one.target]) > 1e-12 else int(np.abs(row).argmax())
    if abs(row[pivot]) < 1e-12:
        if abs(wanted) > 1e-9 * (1 + abs(one.constant)):
            raise ValueError("two held parameters contradict each other")
        return constant, matrix
    column = matrix[:, pivot]
    factors = -row / row[pivot]
    factors[pivot] = 0.0
    by_others = matrix + np.outer(column, factors)
    by_others[:, pivot] = 0.0
    return constant + column * (wanted / row[pivot]), by_others


@dataclass(frozen=True)
class Problem:
    """A law to be fitted to n rows; or m such problems that differ in weights, perhaps in losses and in what is held.

    Attributes:
        form: the law, of p parameters.
        data: the rows; the log losses of m problems may be (m, n).
        delta: where Huber's loss turns from squares to absolute values, of log loss; infinite is least squares.
        linear: residuals are of the loss rather than of its log.
        weights: how often each row counts, (n,) or (m, n); a resample has whole numbers. None: once.
        held: what is not free, of each of m problems or of all. Residuals and objective are then functions of the
            rest: what theta has in a held place is not looked at, and no derivative is by it.
        noise: variance of the residual of a row that counts once, and its degrees of freedom, where more is known of
            it than the residuals of these rows tell (`laws.line.pooled_noise`).
    """

    form: Form
    data: Data
    delta: float = np.inf
    linear: bool = False
    weights: np.ndarray | None = None
    held: Held | None = None
    noise: tuple[float, float] | None = None

    @property
    def row_weights(self) -> np.ndarray:
        """``weights``, ones if they are not given."""
        return np.ones(len(self.data.log_n)) if self.weights is None else self.weights

    @property
    def parameters(self) -> int:
        """How many parameters are free, in the first of m problems."""
        return len(self.form.theta) if self.held is None else self.held.free()

    @property
    def nothing(self) -> float:
        """An objective so small that the law is as good as exact: of residuals of `EXACT`, as a share of the loss."""
        scale = np.exp(self.data.log_loss).mean() if self.linear else 1.0
        return float(len(self.data.log_n) / 2 * (EXACT * scale) ** 2)

    def residuals(self, theta: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """Residuals (n,) and their derivatives (n, p) at theta (p,); of m problems, at (p, m, 1), (m, n) and (m, n, p).

        They are the law's log loss (or loss, if ``linear``) less the measured one, without weights.
        """
        residuals, slopes = self.unconstrained(self.complete(theta))
        if self.held is not None:
            slopes = slopes @ (self.held.matrix if theta.ndim > 1 else self.held.matrix[0])
        return residuals, slopes

    def unconstrained(self, theta: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """The same as if nothing were held."""
        predicted, slopes = self.form.predict(theta, self.data)
        if not self.linear:
            return predicted - self.data.log_loss, slopes
        # A search may try what no number holds; so far above all losses it makes no difference how far.
        loss = np.exp(np.minimum(predicted, self.data.log_loss.max() + FAR_ABOVE))
        return loss - np.exp(self.data.log_loss), slopes * loss[..., None]

    def objective(self, theta: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """The sum of Huber's losses at theta (p,), a scalar, and its gradient (p,); of m problems (m,) and (m, p).

        Of a residual r Huber's loss is r^2 / 2 within delta and delta (|r| - delta / 2) outside (Huber 1964), so with
        an infinite delta the objective is half the sum of squares. Theta of m problems is (p, m, 1).
        """
        complete, many = self.complete(theta), 1 if theta.ndim == 1 else theta.shape[1]
        first, *rest = self.parts(many)
        value, gradient = first.sums(complete)
        for part in rest:
            more, slope = part.sums(complete)
            value, gradient = value + more, gradient + slope
        if self.held is not None:
            matrix = self.held.matrix
            gradient = gradient @ matrix[0] if theta.ndim == 1 else (gradient[:, None, :] @ matrix)[:, 0, :]
        return value, gradient

    def sums(self, theta: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """`objective` and its gradient by all parameters, as if nothing were held and all rows fitted the cache."""
        residuals, slopes = self.unconstrained(theta)
        pulls = np.minimum(np.maximum(residuals, -self.delta), self.delta)
        costs = pulls * (residuals - pulls / 2)
        if self.weights is not None:
            costs, pulls = costs * self.weights, pulls * self.weights
        return costs.sum(axis=-1), np.moveaxis(np.vecdot(np.moveaxis(slopes, -1, 0), pulls), 0, -1)

    def curvature(self, theta: np.ndarray) -> np.ndarray:
        """(m, p, p) curvature at theta (p, m, 1) of the squares that touch Huber's loss at each residual."""
        total = np.zeros((theta.shape[1], len(theta), len(theta)))
        for part in self.parts(theta.shape[1]):
            residuals, slopes = part.residuals(theta)
            weights = part.row_weights * np.minimum(1.0, self.delta / np.maximum(np.abs(residuals), 1e-300))
            total += (slopes * weights[:, :, None]).swapaxes(1, 2) @ slopes
        return total

    def parts(self, many: int) -> Iterator["Problem"]:
        """The same of some rows at a time, so few that ``many`` problems of them fit a processor's cache."""
        rows = len(self.data.log_n)
        at_once = max(IN_CACHE // many, 64)
        if rows <= at_once:
            yield self
            return
        for start in range(0, rows, at_once):
            some = slice(start, start + at_once)
            weights = None if self.weights is None else self.weights[..., some]
            yield replace(self, data=self.data.take(some), weights=weights)

    def complete(self, theta: np.ndarray) -> np.ndarray:
        """Theta (p,), or (p, m, 1) of m problems, with the held parameters at what they are held at."""
        if (held := self.held) is None:
            return theta
        if theta.ndim == 1:
            whole: np.ndarray = held.constant[0] + held.matrix[0] @ theta
            return whole
        many: np.ndarray = held.constant[:, :, None] + held.matrix @ theta.swapaxes(0, 1)
        return many.swapaxes(0, 1)

    def take(self, which: np.ndarray) -> "Problem":
        """Some of m problems."""
        data = self.data
        if data.log_loss.ndim == 2:
            data = data._replace(log_loss=data.log_loss[which])
        weights = self.weights if self.weights is None or self.weights.ndim == 1 else self.weights[which]
        held = None if self.held is None else self.held.take(which)
        return replace(self, data=data, weights=weights, held=held)


@dataclass(frozen=True)
class Fit:
    """Where a search ended: theta (p,), the objective there, and whether no step leads on."""

    theta: np.ndarray
    objective: float
    converged: bool
