"""The laws that are fitted by optimisation: log loss as a function of a few parameters, with its derivatives.

Parameters are those of centred data: log N, log D and log U (parameters, tokens read, unique tokens) less their means
over the table, where coefficients and exponents are nearly uncorrelated and any optimiser finds them. A coefficient is
the log of its term's size at those means; ``natural`` gives A and B as papers print them, N and D being counts.
"""

from typing import NamedTuple

import numpy as np
from scipy.optimize import nnls

VANISHED = 20.0  # a term this far below the loss, in logs, is none: e^-20 is 2e-9
EXPONENTS = (1e-3, 3.0)  # 3 is steeper than any published one
COEFFICIENTS = ("log_e", "log_a", "log_b", "log_d")
DECAYS = (np.log(1e-5), np.log(0.999))  # of log (1 - k), what each epoch takes from the worth of the next
LARGEST = np.log(np.finfo(float).max)
REPEATS = (np.log(0.01), np.log(1e8))  # of log R*, how many epochs repeated data can be worth
N_AND_D = {"log_a": "alpha", "log_b": "beta"}  # each coefficient's exponent


class Data(NamedTuple):
    """Rows of a table: centred log N, log D, log U and log loss as it is, each (n,); and the two means."""

    log_n: np.ndarray
    log_d: np.ndarray
    log_u: np.ndarray
    log_loss: np.ndarray
    mean_n: float
    mean_d: float

    def take(self, rows: np.ndarray) -> "Data":
        """Some of the rows, in the same coordinates."""
        return self._replace(**{name: getattr(self, name)[rows] for name in self._fields[:4]})

    def at(self, n, d, unique=None) -> "Data":
        """Other places, of any one shape, flattened; what the loss is there is not known."""
        unique = d if unique is None else np.minimum(unique, d)
        n, d, unique = (np.log(values).ravel() for values in np.broadcast_arrays(n, d, unique))
        return Data(n - self.mean_n, d - self.mean_d, unique - self.mean_d, np.full(len(n), np.nan), *self[4:])


def data_of(n: np.ndarray, d: np.ndarray, loss: np.ndarray, unique: np.ndarray | None = None) -> Data:
    """From N, D, loss and unique tokens (D itself where that is None or larger), all (n,) and positive."""
    empty = np.zeros(len(n))
    means = float(np.log(n).mean()), float(np.log(d).mean())
    return Data(empty, empty, empty, empty, *means).at(n, d, unique)._replace(log_loss=np.log(loss))


class Constraint(NamedTuple):
    """theta[index] = constant + factor * theta[of]; of m problems each is (m,)."""

    index: int
    constant: float
    factor: float = 0.0
    of: int = 0


class Form:
    """A law with parameters named in ``theta``; coefficients are logs: log_a, log_b, log_e."""

    name: str
    formula: str
    theta: tuple[str, ...]
    exponents: dict[str, str]  # each coefficient's exponent, by name

    def predict(self, theta: np.ndarray, data: Data) -> tuple[np.ndarray, np.ndarray]:
        """Log loss (n,), and its derivative by each parameter (n, p); for theta (p, m, 1) those of m laws, (m, n) and
        (m, n, p)."""
        raise NotImplementedError

    def project(self, shape: np.ndarray, data: Data) -> tuple[np.ndarray, np.ndarray]:
        """The best theta (p,) for given ``shape`` (the values of ``shape_names``) and its residuals (n,).

        With the exponents given a law is linear in E, A and B: they are found by least squares of the loss, not of
        its log, subject to being at least 0 (variable projection, Golub and Pereyra 1973).
        """
        raise NotImplementedError

    @property
    def shape_names(self) -> tuple[str, ...]:
        return tuple(name for name in self.theta if name not in COEFFICIENTS)

    def bounds(self, data: Data) -> np.ndarray:
        """(p, 2) range of each parameter."""
        low, high = data.log_loss.min(), data.log_loss.max()
        ranges = {"alpha": EXPONENTS, "beta": EXPONENTS, "log_r_d": REPEATS, "log_r_n": REPEATS,
                  "log_decay": DECAYS, "log_e": (low - VANISHED, high)}  # fmt: skip
        return np.array([ranges.get(name, (low - VANISHED, high + 2)) for name in self.theta])

    def natural(self, theta: np.ndarray, data: Data) -> dict[str, float]:
        """Parameters as they are printed; a term that vanished has a coefficient of 0."""
        values = dict(zip(self.theta, theta, strict=True))
        gone = data.log_loss.min() - VANISHED + 1e-3
        found = {}
        for name, value in values.items():
            if name in ("alpha", "beta"):
                found[name] = value
            elif name in COEFFICIENTS:
                exponent = self.exponents.get(name)
                shift = values[exponent] * self.centre(name, data) if exponent else 0.0
                found[name[-1].upper()] = np.exp(value + shift) if value > gone else 0.0
            else:
                found[name.removeprefix("log_").upper()] = np.exp(value)  # R_D, R_N
        return {name: float(value) for name, value in found.items()}

    @staticmethod
    def centre(coefficient: str, data: Data) -> float:
        return data.mean_n if coefficient == "log_a" else data.mean_d

    def held(self, name: str, value: float, data: Data) -> Constraint:
        """What holds the printed parameter ``name`` at ``value``, for a profile."""
        if name in self.theta:
            return Constraint(self.theta.index(name), value)
        inner = f"log_{name.lower()}"
        index = self.theta.index(inner)
        if inner not in self.exponents:
            lowest = self.bounds(data)[index, 0]
            return Constraint(index, max(np.log(value), lowest) if value > 0 else lowest)
        # log A = a + alpha * mean: the exponent follows the coefficient, which keeps the problem well conditioned.
        mean = self.centre(inner, data)
        return Constraint(self.theta.index(self.exponents[inner]), np.log(value) / mean, -1 / mean, index)


def log_sum_exp(terms: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """(k, ..., n) -> (..., n) and the (k, ..., n) shares; scipy's costs more than the rest of a fit of a few rows."""
    top = terms.max(axis=0)
    shares = np.exp(terms - top)
    total = shares.sum(axis=0)
    return top + np.log(total), shares / total


def non_negative(columns: np.ndarray, data: Data) -> tuple[np.ndarray, np.ndarray]:
    """Weights (k,) of columns (n, k) that the loss is a sum of, and the residuals (n,); a zero is told as tiny."""
    loss = np.exp(data.log_loss)
    weights, _ = nnls(columns, loss)
    return np.maximum(weights, loss.min() * np.exp(-VANISHED)), columns @ weights - loss


class Sum(Form):
    """E + A N^-alpha + B D^-beta, with or without some of it: log loss is the log-sum-exp of lines."""

    def __init__(self, name: str, formula: str, theta: tuple[str, ...], exponents: dict[str, str]):
        self.name, self.formula, self.theta, self.exponents = name, formula, theta, exponents
        self.terms = tuple(name for name in theta if name in COEFFICIENTS)

    def predict(self, theta, data):
        total, shares = log_sum_exp(self.log_terms(theta, data))
        slopes = np.zeros((*total.shape, len(self.theta)))
        for share, name in zip(shares, self.terms, strict=True):
            slopes[..., self.theta.index(name)] = share
            if name in self.exponents:
                slopes[..., self.theta.index(self.exponents[name])] -= share * along(name, data)
        return total, slopes

    def project(self, shape, data):
        theta = np.zeros(len(self.theta))
        theta[[self.theta.index(name) for name in self.shape_names]] = shape
        weights, residuals = non_negative(np.exp(self.log_terms(theta, data)).T, data)
        theta[[self.theta.index(name) for name in self.terms]] = np.log(weights)
        return theta, residuals

    def log_terms(self, theta: np.ndarray, data: Data) -> np.ndarray:
        """(k, n), or (k, m, n) of m laws: the log of each term."""
        made = np.empty((len(self.terms), *theta.shape[1:-1], len(data.log_n)))
        for term, name in zip(made, self.terms, strict=True):
            term[:] = theta[self.theta.index(name)]
            if name in self.exponents:
                term -= theta[self.theta.index(self.exponents[name])] * along(name, data)
        return made


def along(coefficient: str, data: Data) -> np.ndarray:
    """The (n,) logs that a coefficient's term falls with."""
    return data.log_n if coefficient == "log_a" else data.log_d


class Kaplan(Form):
    """L = ((N_c / N)^(alpha / beta) + D_c / D)^beta (Kaplan et al. 2020, equation 1.5).

    In terms of log_a = alpha log N_c and log_b = beta log D_c, both less the exponent times the mean.
    """

    name = "kaplan"
    formula = "L = ((N_c/N)^(alpha/beta) + D_c/D)^beta"
    theta = ("log_a", "log_b", "alpha", "beta")
    exponents = N_AND_D

    def predict(self, theta, data):
        log_a, log_b, alpha, beta = theta
        terms = np.stack((log_a - alpha * data.log_n, log_b - beta * data.log_d))
        total, (first, second) = log_sum_exp(terms / beta)
        by_beta = total - (first * terms[0] + second * terms[1]) / beta - second * data.log_d
        return beta * total, np.stack((first, second, -first * data.log_n, by_beta), axis=-1)

    shape_names = ("alpha_over_beta", "log_ratio")  # of coefficients: (log_a - log_b) / beta

    def project(self, shape, data):
        """Least squares of log loss here: with these two given, it is linear in beta and log_b."""
        slope, ratio = shape
        x, _ = log_sum_exp(np.stack((ratio - slope * data.log_n, -data.log_d)))
        centred = x - x.mean()
        beta = float(np.clip(centred @ data.log_loss / (centred @ centred), *EXPONENTS))
        log_b = float(data.log_loss.mean() - beta * x.mean())
        theta = np.array([log_b + ratio * beta, log_b, slope * beta, beta])
        return theta, log_b + beta * x - data.log_loss

    def natural(self, theta, data):
        log_a, log_b, alpha, beta = map(float, theta)
        # A resample may leave an exponent near 0, and then a scale that no number holds: JSON has no infinity.
        scales = np.minimum((log_a / alpha + data.mean_n, log_b / beta + data.mean_d), LARGEST)
        n_c, d_c = np.exp(scales).tolist()
        return {"alpha": alpha, "beta": beta, "N_c": n_c, "D_c": d_c}

    def held(self, name, value, data):
        if name in self.theta:
            return Constraint(self.theta.index(name), value)
        coefficient, mean = ("log_a", data.mean_n) if name == "N_c" else ("log_b", data.mean_d)
        exponent = self.theta.index(self.exponents[coefficient])
        return Constraint(self.theta.index(coefficient), 0.0, np.log(value) - mean, exponent)


POWER_IRREDUCIBLE = Sum("power_irreducible", "L = E + A/N^alpha", ("log_e", "log_a", "alpha"), {"log_a": "alpha"})
CHINCHILLA = Sum("chinchilla", "L = E + A/N^alpha + B/D^beta", ("log_e", "log_a", "log_b", "alpha", "beta"), N_AND_D)
CHINCHILLA_TIED = Sum(
    "chinchilla_tied",
    "L = E + A/N^alpha + B/D^alpha",
    ("log_e", "log_a", "log_b", "alpha"),
    {"log_a": "alpha", "log_b": "alpha"},
)
KAPLAN = Kaplan()
