"""How far a set of tunes is from another, by histograms of their notes.

After Yang and Lerch, "On the evaluation of generative models in music" (Neural Computing and Applications 32, 2020),
and their toolbox, mgeval.
"""

from dataclasses import dataclass

import numpy as np

ROUNDING = 1e-3  # of distances, which go up to sqrt(2): far less than they are smoothed by
REACH = 4  # of the grid beyond the distances, in bandwidths: what lies farther out is 1e-4 of the area
POINTS = 1000  # of the grid for each set of distances


@dataclass(frozen=True)
class Distances:
    """Distances among tunes, smoothed to a density by Gaussian kernels.

    Attributes:
        values, shares: (n_values,) the distances, as multiples of `ROUNDING`, and how many of all have each.
        bandwidth: after Scott (1992), as scipy's gaussian_kde has it: standard deviation times n^(-1/5).
    """

    values: np.ndarray
    shares: np.ndarray
    bandwidth: float

    @classmethod
    def of(cls, distances: np.ndarray) -> "Distances | None":
        """None if there are not two that differ, so that there is nothing to smooth."""
        if not len(distances):
            return None
        values, counts = np.unique(np.rint(distances / ROUNDING), return_counts=True)
        if len(values) < 2:
            return None
        values, n = values * ROUNDING, len(distances)
        shares = counts / n
        spread = np.sqrt(((values - values @ shares) ** 2) @ shares * n / (n - 1))
        return cls(values, shares, float(spread * n**-0.2))

    @property
    def mean(self) -> float:
        return float(self.values @ self.shares)

    def grid(self) -> np.ndarray:
        """(POINTS,) over all that matters of the density."""
        margin = REACH * self.bandwidth
        return np.linspace(self.values[0] - margin, self.values[-1] + margin, POINTS)

    def log_density(self, grid: np.ndarray) -> np.ndarray:
        """Logarithm of the density at each point: far from all values the density itself would be 0."""
        logs = -0.5 * ((grid[:, None] - self.values) / self.bandwidth) ** 2 + np.log(self.shares)
        most = logs.max(axis=1)
        sums = np.exp(logs - most[:, None]).sum(axis=1)
        return most + np.log(sums) - np.log(self.bandwidth * np.sqrt(2 * np.pi))


def between(some: np.ndarray, others: np.ndarray) -> np.ndarray:
    """(n, m) Euclidean distances of (n, 12) from (m, 12)."""
    squares = (some**2).sum(axis=1)[:, None] + (others**2).sum(axis=1) - 2 * some @ others.T
    return np.sqrt(np.maximum(squares, 0))


def within(tunes: np.ndarray) -> np.ndarray:
    """(n (n - 1) / 2,) Euclidean distances of each pair of (n, 12)."""
    return between(tunes, tunes)[np.triu_indices(len(tunes), 1)]


def compare(samples: np.ndarray, reference: np.ndarray) -> dict:
    """How far histograms of samples, (n, 12), are from those of a reference, (m, 12).

    The distances among the reference's tunes (intra) and of the samples from them (inter) are smoothed to densities.
    Of these, the area that both cover and the divergence KL(intra || inter), in nats, its direction as in mgeval,
    by the trapezoidal rule on a grid that both share. None where there are no two samples, or distances that differ.
    """
    found = {"overlap": None, "kl": None, "intra": None, "inter": None}
    if len(samples) < 2 or len(reference) < 2:
        return found
    intra, inter = Distances.of(within(reference)), Distances.of(between(samples, reference).ravel())
    if not intra or not inter:
        return found
    grid = np.union1d(intra.grid(), inter.grid())
    p, q = intra.log_density(grid), inter.log_density(grid)
    overlap = np.trapezoid(np.exp(np.minimum(p, q)), grid)
    kl = np.trapezoid(np.exp(p) * (p - q), grid)
    return {
        "overlap": round(min(float(overlap), 1.0), 4),
        "kl": round(max(float(kl), 0.0), 4),
        "intra": round(intra.mean, 4),
        "inter": round(inter.mean, 4),
    }
