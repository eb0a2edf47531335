"""What is minimised to fit a law to rows, for one table or for many resamples of it at once."""

from dataclasses import dataclass

import numpy as np

from workflow.scripts.laws.forms import Constraint, Data, Form


@dataclass(frozen=True)
class Problem:
    """A law to be fitted to rows.

    ``delta``: where Huber's loss turns from squares to absolute values, of log loss; infinite is least squares.
    ``linear``: residuals are of the loss rather than of its log.
    ``weights``: how often each row counts (n,); a resample has whole numbers, (m, n) are m of them.
    ``held``: a parameter that is not free.
    """

    form: Form
    data: Data
    delta: float = np.inf
    linear: bool = False
    weights: np.ndarray | None = None
    held: Constraint | None = None

    def residuals(self, theta: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """Residuals (n,) and their derivatives (n, p); of m problems (m, n) and (m, n, p)."""
        predicted, slopes = self.form.predict(theta, self.data)
        if not self.linear:
            return predicted - self.data.log_loss, slopes
        loss = np.exp(predicted)
        return loss - np.exp(self.data.log_loss), slopes * loss[..., None]

    def objective(self, theta: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """The sum of Huber's losses (r^2 / 2 within delta, delta (|r| - delta / 2) outside), and its gradient (p,).

        Of m problems at once, with theta (p, m, 1) and weights and log losses (m, n), (m,) and (m, p).
        """
        residuals, slopes = self.residuals(theta)
        pulls = np.minimum(np.maximum(residuals, -self.delta), self.delta)
        costs = pulls * (residuals - pulls / 2)
        if self.weights is not None:
            costs, pulls = costs * self.weights, pulls * self.weights
        return costs.sum(axis=-1), (pulls[..., None, :] @ slopes)[..., 0, :]

    def complete(self, theta: np.ndarray) -> np.ndarray:
        """Theta with the held parameter where it must be."""
        if (held := self.held) is not None:
            theta = theta.copy()
            theta[held.index] = held.constant + (held.factor * theta[held.of] if held.factor else 0.0)
        return theta


@dataclass(frozen=True)
class Fit:
    theta: np.ndarray
    objective: float
    converged: bool
