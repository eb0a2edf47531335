"""A fitted straight line of log loss on log size with its t intervals; what draws it need not load what fits it."""

from typing import NamedTuple

import numpy as np
from scipy.special import stdtrit


class Line(NamedTuple):
    """log L = log A - alpha log N: both with their covariance (2, 2), and what is left over."""

    log_a: float
    alpha: float
    covariance: np.ndarray
    dof: int
    rss: float

    def log_loss(self, n: np.ndarray | float) -> np.ndarray:
        return self.log_a - self.alpha * np.log(n)

    def half_width(self, n: np.ndarray | float, new_run: bool = False) -> np.ndarray:
        """Half the 95% t interval of log loss at N: of the line, or of the next size to be trained."""
        basis = np.stack((np.ones_like(np.log(n)), -np.log(n)))
        variance = np.einsum("i...,ij,j...->...", basis, self.covariance, basis)
        return quantile(self.dof) * np.sqrt(variance + new_run * self.rss / self.dof)


def quantile(dof: int) -> float:
    """Student's t: 95% lie within so many standard errors."""
    return float(stdtrit(dof, 0.975))
