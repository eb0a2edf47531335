"""A law that may be a little wrong: its log loss drifts from the law's by a parabola in log N and log D.

Few runs cannot show that a law is 1% off over the sizes that were trained, and 30 times farther that is 20%. An
interval that takes the law for exact holds only if it is. So a forecast's interval is of a law with a drift (a
discrepancy, in the words of Kennedy 2001): c times a parabola that no straight line can stand in for, and c
has a prior.

Needs a law (`laws.forms`) and the rows that it is fitted to.
"""

import numpy as np

from workflow.scripts.laws.forms import Data, Form

WIDEST = 2.0  # a drift of e^2 is none that rows allow
SAME = 1e-9


class Drift(Form):
    """A law times exp(sum of c_j q_j), each q_j a parabola that has a root mean square of 1 over the rows.

    The q_j are log^2 N, log^2 D and log N log D less the best plane in log N and log D, as far as the rows tell them
    from a plane: three sizes are needed for the first, three budgets for the second, both for the third.

    Attributes:
        base: the law without drift, of p parameters.
        theta: names of its parameters and of the c_j.
    """

    def __init__(self, base: Form, data: Data):
        self.base, self.name, self.formula = base, f"{base.name}_drift", base.formula
        self.exponents = base.exponents
        planes, squares = plane(data), parabolas(data)
        fitted, *_ = np.linalg.lstsq(planes, squares, rcond=None)
        left = np.sqrt(np.mean((squares - planes @ fitted) ** 2, axis=0))
        self.kept = left > SAME * (1 + np.abs(squares).max(axis=0))
        # A third that is made of the other two, as where all runs have one FLOP, tells nothing.
        self.kept &= independent((squares - planes @ fitted) / np.where(self.kept, left, 1.0))
        self.plane, self.scale = fitted[:, self.kept], left[self.kept]
        self.terms = int(self.kept.sum())
        self.theta = (*base.theta, *(f"c_{j}" for j in range(self.terms)))

    def drifts(self, data: Data) -> np.ndarray:
        """(..., n, k) the k parabolas at places of any shape (..., n)."""
        found: np.ndarray = (parabolas(data)[..., self.kept] - plane(data) @ self.plane) / self.scale
        return found

    def predict(self, theta: np.ndarray, data: Data) -> tuple[np.ndarray, np.ndarray]:
        p = len(self.base.theta)
        log_loss, slopes = self.base.predict(theta[:p], data)
        drifts = self.drifts(data)
        log_loss = log_loss + sum(c * drifts[..., j] for j, c in enumerate(theta[p:]))
        by_drift = np.broadcast_to(drifts, (*log_loss.shape, self.terms))
        return log_loss, np.concatenate((slopes, by_drift), axis=-1)

    def bounds(self, data: Data) -> np.ndarray:
        return np.concatenate((self.base.bounds(data), np.tile([-WIDEST, WIDEST], (self.terms, 1))))


class WithPrior(Form):
    """A `Drift` whose last rows are no runs: row j of them says that c_j / ``size`` is 0, in units of a run's noise.

    Attributes:
        size: the drift that is expected, as root mean square of log loss over the rows, in units of a run's noise.
    """

    def __init__(self, drift: Drift, size: float):
        self.drift, self.size = drift, size
        self.name, self.formula, self.theta, self.exponents = drift.name, drift.formula, drift.theta, drift.exponents

    def rows(self, data: Data) -> Data:
        """The runs ``data`` with the rows of the prior after them."""
        none = np.zeros(self.drift.terms)
        n, d, u = (np.concatenate((values, none)) for values in (data.log_n, data.log_d, data.log_u))
        losses = np.concatenate((data.log_loss, np.zeros((*data.log_loss.shape[:-1], self.drift.terms))), axis=-1)
        return data._replace(log_n=n, log_d=d, log_u=u, log_loss=losses)

    def runs(self, data: Data) -> Data:
        """The runs of rows that `rows` made."""
        count = len(data.log_n) - self.drift.terms
        n, d, u = data.log_n[:count], data.log_d[:count], data.log_u[:count]
        return data._replace(log_n=n, log_d=d, log_u=u, log_loss=data.log_loss[..., :count])

    def predict(self, theta: np.ndarray, data: Data) -> tuple[np.ndarray, np.ndarray]:
        log_loss, slopes = self.drift.predict(theta, self.runs(data))
        p, terms = len(self.drift.base.theta), self.drift.terms
        prior = np.moveaxis(theta[p:, ..., 0] if theta.ndim > 1 else theta[p:], 0, -1) / self.size  # (..., terms)
        by_prior = np.zeros((*log_loss.shape[:-1], terms, p + terms))
        by_prior[..., np.arange(terms), p + np.arange(terms)] = 1 / self.size
        return np.concatenate((log_loss, prior), axis=-1), np.concatenate((slopes, by_prior), axis=-2)

    def bounds(self, data: Data) -> np.ndarray:
        return self.drift.bounds(self.runs(data))


def plane(data: Data) -> np.ndarray:
    """(..., n, 3) of 1, log N and log D."""
    return np.stack((np.ones_like(data.log_n), data.log_n, data.log_d), axis=-1)


def parabolas(data: Data) -> np.ndarray:
    """(..., n, 3) of log^2 N, log^2 D and log N log D."""
    return np.stack((data.log_n**2, data.log_d**2, data.log_n * data.log_d), axis=-1)


def independent(columns: np.ndarray) -> np.ndarray:
    """(k,) which of the ``columns`` (n, k) are no combination of those before them."""
    found = np.zeros(columns.shape[1], bool)
    for j in range(columns.shape[1]):
        found[j] = np.linalg.matrix_rank(columns[:, [*np.flatnonzero(found), j]], tol=1e-6) > found.sum()
    return found
