"""The straight line of log loss on log size that is a power law, and its confidence band.

Needs the parameters and their covariance, as `laws.line` fits them or as fit.json keeps them. Figures import this file
and not `laws.line`: what draws a law need not load, nor depend on, the code that fits it.
"""

from dataclasses import dataclass

import numpy as np
from scipy.special import stdtrit


@dataclass(frozen=True)
class Line:
    """log L = log A - alpha log N, that is L = A N^-alpha, and how sure its two parameters are.

    Attributes:
        log_a: natural log of A, which has the unit of the loss.
        alpha: the exponent, positive where loss falls.
        covariance: (2, 2) of the estimates of (log A, alpha).
        dof: degrees of freedom of the noise: of the sizes less 2, and of the seeds where they are pooled.
    """

    log_a: float
    alpha: float
    covariance: np.ndarray
    dof: float

    @classmethod
    def from_fit(cls, power: dict) -> "Line":
        """From the entry ``power`` of a group of fit.json."""
        return cls(np.log(power["A"]), power["alpha"], np.array(power["covariance_log_A_alpha"]), power["dof"])

    def log_loss(self, n: np.ndarray | float) -> np.ndarray:
        """Log loss at N, in the shape of ``n``."""
        return self.log_a - self.alpha * np.log(n)

    def variance(self, n: np.ndarray | float) -> np.ndarray:
        """Variance of the line's log loss at N, in the shape of ``n``, by the errors of both parameters."""
        basis = np.stack((np.ones_like(np.log(n)), -np.log(n)))
        variance: np.ndarray = np.einsum("i...,ij,j...->...", basis, self.covariance, basis)
        return variance

    def confidence_half_width(self, n: np.ndarray | float) -> np.ndarray:
        """Half the 95% t interval of the line's log loss at N, in the shape of ``n``."""
        half: np.ndarray = t_quantile(self.dof) * np.sqrt(self.variance(n))
        return half


def t_quantile(dof: float) -> float:
    """The 97.5% quantile of Student's t: 95% of it lies within so many standard errors of 0."""
    return float(stdtrit(dof, 0.975))
