"""What is minimised to fit a law to rows, for one table or for many resamples of it at once."""

from dataclasses import dataclass, replace

import numpy as np

from workflow.scripts.laws.forms import Constraint, Data, Form


@dataclass(frozen=True)
class Problem:
    """A law to be fitted to rows.

    ``delta``: where Huber's loss turns from squares to absolute values, of log loss; infinite is least squares.
    ``linear``: residuals are of the loss rather than of its log.
    ``weights``: how often each row counts (n,); a resample has whole numbers, (m, n) are m of them.
    ``held``: what is not free in each of m problems, of (m,) arrays. Residuals and objective are then functions of the
    rest: what theta has in that place is not looked at, and no derivative is by it.
    """

    form: Form
    data: Data
    delta: float = np.inf
    linear: bool = False
    weights: np.ndarray | None = None
    held: Constraint | None = None

    def residuals(self, theta: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """Residuals (n,) and their derivatives (n, p); of m problems (m, n) and (m, n, p)."""
        residuals, slopes = self.by_all(self.complete(theta))
        return residuals, self.by_free(slopes)

    def by_all(self, theta: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """The same as if nothing were held."""
        predicted, slopes = self.form.predict(theta, self.data)
        if not self.linear:
            return predicted - self.data.log_loss, slopes
        loss = np.exp(predicted)
        return loss - np.exp(self.data.log_loss), slopes * loss[..., None]

    def objective(self, theta: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """The sum of Huber's losses (r^2 / 2 within delta, delta (|r| - delta / 2) outside), and its gradient (p,).

        Of m problems at once, with theta (p, m, 1) and weights and log losses (m, n), (m,) and (m, p).
        """
        residuals, slopes = self.by_all(self.complete(theta))
        pulls = np.minimum(np.maximum(residuals, -self.delta), self.delta)
        costs = pulls * (residuals - pulls / 2)
        if self.weights is not None:
            costs, pulls = costs * self.weights, pulls * self.weights
        return costs.sum(axis=-1), self.by_free(pulls[..., None, :] @ slopes)[..., 0, :]

    def complete(self, theta: np.ndarray) -> np.ndarray:
        """Theta (p, m, 1) with what is held where it must be."""
        if (held := self.held) is not None:
            theta, each = theta.copy(), np.arange(len(held.index))
            theta[held.index, each, 0] = held.constant + held.factor * theta[held.of, each, 0]
        return theta

    def by_free(self, slopes: np.ndarray) -> np.ndarray:
        """Derivatives (m, n, p) by all parameters, turned in place into those by the free ones."""
        if (held := self.held) is not None:
            each = np.arange(len(held.index))
            slopes[each, :, held.of] += held.factor[:, None] * slopes[each, :, held.index]
            slopes[each, :, held.index] = 0.0
        return slopes

    def part(self, which: np.ndarray) -> "Problem":
        """Some of m problems."""
        data, held = self.data, self.held
        if data.log_loss.ndim == 2:
            data = data._replace(log_loss=data.log_loss[which])
        if held is not None:
            held = Constraint(*(values[which] for values in held))
        return replace(self, data=data, weights=self.weights[which], held=held)


@dataclass(frozen=True)
class Fit:
    theta: np.ndarray
    objective: float
    converged: bool
