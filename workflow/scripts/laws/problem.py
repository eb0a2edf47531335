"""What is minimised to fit a law to rows: the sum of squares or of Huber's losses, and its gradient.

Needs a law (`laws.forms`) and the rows of a table. One `Problem` may also be m of them, such as the resamples of
a table, which `laws.batched_bfgs` solves at once.
"""

from dataclasses import dataclass, replace
from typing import NamedTuple

import numpy as np

from workflow.scripts.laws.forms import Constraint, Data, Form


class Constraints(NamedTuple):
    """A `Constraint` of each of m problems: theta[target] = constant + factor * theta[source]. Each field is (m,)."""

    target: np.ndarray
    constant: np.ndarray
    factor: np.ndarray
    source: np.ndarray

    @classmethod
    def of(cls, each: list[Constraint]) -> "Constraints":
        """From m constraints, one a problem."""
        return cls(*map(np.array, zip(*each, strict=True)))

    def take(self, which: np.ndarray) -> "Constraints":
        """Those of some of the problems."""
        return Constraints(*(values[which] for values in self))


@dataclass(frozen=True)
class Problem:
    """A law to be fitted to n rows; or m such problems that differ in weights, perhaps in losses and in what is held.

    Attributes:
        form: the law, of p parameters.
        data: the rows; the log losses of m problems may be (m, n).
        delta: where Huber's loss turns from squares to absolute values, of log loss; infinite is least squares.
        linear: residuals are of the loss rather than of its log.
        weights: how often each row counts, (n,) or (m, n); a resample has whole numbers. None: once.
        held: a parameter of each of m problems that is not free. Residuals and objective are then functions of the
            rest: what theta has in that place is not looked at, and no derivative is by it.
    """

    form: Form
    data: Data
    delta: float = np.inf
    linear: bool = False
    weights: np.ndarray | None = None
    held: Constraints | None = None

    @property
    def row_weights(self) -> np.ndarray:
        """``weights``, ones if they are not given."""
        return np.ones(len(self.data.log_n)) if self.weights is None else self.weights

    def residuals(self, theta: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """Residuals (n,) and their derivatives (n, p) at theta (p,); of m problems, at (p, m, 1), (m, n) and (m, n, p).

        They are the law's log loss (or loss, if ``linear``) less the measured one, without weights.
        """
        residuals, slopes = self.unconstrained(self.complete(theta))
        return residuals, self.by_free(slopes)

    def unconstrained(self, theta: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """The same as if nothing were held."""
        predicted, slopes = self.form.predict(theta, self.data)
        if not self.linear:
            return predicted - self.data.log_loss, slopes
        loss = np.exp(predicted)
        return loss - np.exp(self.data.log_loss), slopes * loss[..., None]

    def objective(self, theta: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """The sum of Huber's losses at theta (p,), a scalar, and its gradient (p,); of m problems (m,) and (m, p).

        Of a residual r Huber's loss is r^2 / 2 within delta and delta (|r| - delta / 2) outside (Huber 1964), so with
        an infinite delta the objective is half the sum of squares. Theta of m problems is (p, m, 1).
        """
        residuals, slopes = self.unconstrained(self.complete(theta))
        pulls = np.minimum(np.maximum(residuals, -self.delta), self.delta)
        costs = pulls * (residuals - pulls / 2)
        if self.weights is not None:
            costs, pulls = costs * self.weights, pulls * self.weights
        return costs.sum(axis=-1), self.by_free(pulls[..., None, :] @ slopes)[..., 0, :]

    def complete(self, theta: np.ndarray) -> np.ndarray:
        """Theta (p, m, 1) with the held parameters at what they are held at."""
        if (held := self.held) is not None:
            theta, each = theta.copy(), np.arange(len(held.target))
            theta[held.target, each, 0] = held.constant + held.factor * theta[held.source, each, 0]
        return theta

    def by_free(self, slopes: np.ndarray) -> np.ndarray:
        """Derivatives (m, n, p) by all parameters, turned in place into those by the free ones."""
        if (held := self.held) is not None:
            each = np.arange(len(held.target))
            slopes[each, :, held.source] += held.factor[:, None] * slopes[each, :, held.target]
            slopes[each, :, held.target] = 0.0
        return slopes

    def take(self, which: np.ndarray) -> "Problem":
        """Some of m problems."""
        data = self.data
        if data.log_loss.ndim == 2:
            data = data._replace(log_loss=data.log_loss[which])
        held = None if self.held is None else self.held.take(which)
        return replace(self, data=data, weights=self.row_weights[which], held=held)


@dataclass(frozen=True)
class Fit:
    """Where a search ended: theta (p,), the objective there, and whether no step leads on."""

    theta: np.ndarray
    objective: float
    converged: bool
