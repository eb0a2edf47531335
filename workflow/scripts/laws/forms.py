"""The laws that are fitted by optimisation: log loss as a function of a few parameters, with its derivatives.

Needs N (parameters outside the embedding), D (tokens read), U (unique tokens among them) and the loss of each run.

A law has p parameters, ``theta`` (p,). They belong to centred data: log N, log D and log U less the means of log N and
log D over the table, where coefficients and exponents are nearly uncorrelated and any optimiser finds them. A
coefficient is the log of its term's size at those means; `Form.printed` gives A and B as papers print them, for N and D
as counts.

For n rows, functions of one law take theta (p,) and give (n,) and (n, p). Of m laws at once they take theta (p, m, 1)
and give (m, n) and (m, n, p).
"""

from typing import NamedTuple

import numpy as np
from scipy.optimize import nnls

VANISHED = 20.0  # a term this far below the loss, in logs, is none: e^-20 is 2e-9
EXPONENTS = (1e-3, 3.0)  # range of alpha and beta; 3 is steeper than any published one
COEFFICIENTS = ("log_e", "log_a", "log_b", "log_d")
DECAYS = (np.log(1e-5), np.log(0.999))  # range of log (1 - k), what each epoch takes from the worth of the next
LARGEST = np.log(np.finfo(float).max)
REPEATS = (np.log(0.01), np.log(1e8))  # range of log R*, how many epochs repeated data can be worth
COUPLINGS = (0.01, 2.0)  # range of k, which ties N and D, as the authors search it (Videau et al. 2026)
N_AND_D = {"log_a": "alpha", "log_b": "beta"}  # each coefficient's exponent

Counts = np.ndarray | float


class Data(NamedTuple):
    """Rows of a table, each (n,), and the means that their coordinates are centred at.

    Attributes:
        log_n: log N less ``mean_n``.
        log_d: log D less ``mean_d``.
        log_u: log U less ``mean_d``.
        log_loss: as it is, not centred; for m problems it may be (m, n).
        mean_n: mean of log N over the table.
        mean_d: mean of log D over the table.
    """

    log_n: np.ndarray
    log_d: np.ndarray
    log_u: np.ndarray
    log_loss: np.ndarray
    mean_n: float
    mean_d: float

    def take(self, rows: np.ndarray | slice) -> "Data":
        """Some of the rows, in the same coordinates."""
        return self._replace(**{name: getattr(self, name)[..., rows] for name in self._fields[:4]})

    def at(self, n: Counts, d: Counts, unique: Counts | None = None) -> "Data":
        """Other places in the same coordinates, whose log loss is NaN: it is not known there.

        ``n``, ``d`` and ``unique`` are N, D and U (D itself where that is None or larger), broadcast to one shape and
        flattened.
        """
        unique = d if unique is None else np.minimum(unique, d)
        log_n, log_d, log_u = (np.log(values).ravel() for values in np.broadcast_arrays(n, d, unique))
        unknown = np.full(len(log_n), np.nan)
        return Data(log_n - self.mean_n, log_d - self.mean_d, log_u - self.mean_d, unknown, self.mean_n, self.mean_d)


def data_of(n: np.ndarray, d: np.ndarray, loss: np.ndarray, unique: np.ndarray | None = None) -> Data:
    """From N, D, loss and unique tokens (D itself where that is None or larger), all (n,) and positive."""
    empty = np.zeros(len(n))
    means = float(np.log(n).mean()), float(np.log(d).mean())
    return Data(empty, empty, empty, empty, *means).at(n, d, unique)._replace(log_loss=np.log(loss))


class Constraint(NamedTuple):
    """What holds one parameter: theta[target] = constant + the sum of factor * theta[i] over (i, factor) of ``by``."""

    target: int
    constant: float
    by: tuple[tuple[int, float], ...] = ()


class Form:
    """A law: its functional form, whose parameters are still to be found.

    Attributes:
        name: its key in fit.json.
        formula: as fit.json says it.
        theta: names of the p parameters; those in `COEFFICIENTS` are logs.
        exponents: the name of each coefficient's exponent, by the coefficient's name.
        shape_names: names of the values that `project` takes.
    """

    name: str
    formula: str
    theta: tuple[str, ...]
    exponents: dict[str, str]

    def predict(self, theta: np.ndarray, data: Data) -> tuple[np.ndarray, np.ndarray]:
        """Log loss (n,) and its derivative by each parameter (n, p); for theta (p, m, 1) (m, n) and (m, n, p)."""
        raise NotImplementedError

    def project(self, shape: np.ndarray, data: Data) -> tuple[np.ndarray, np.ndarray]:
        """The best theta (p,) for given ``shape`` (the values of ``shape_names``) and its residuals (n,).

        With the exponents given a law is linear in E, A and B: they are found by least squares of the loss, not of
        its log, each at least 0 (variable projection, Golub and Pereyra 1973). Residuals are in the unit of the loss.
        """
        raise NotImplementedError

    @property
    def shape_names(self) -> tuple[str, ...]:
        """The exponents and whatever else is no coefficient."""
        return tuple(name for name in self.theta if name not in COEFFICIENTS)

    def bounds(self, data: Data) -> np.ndarray:
        """(p, 2) lowest and highest value of each parameter that a search tries."""
        low, high = data.log_loss.min(), data.log_loss.max()
        ranges = {"alpha": EXPONENTS, "beta": EXPONENTS, "log_r_d": REPEATS, "log_r_n": REPEATS,
                  "log_decay": DECAYS, "k": COUPLINGS, "log_e": (low - VANISHED, high)}  # fmt: skip
        return np.array([ranges.get(name, (low - VANISHED, high + 2)) for name in self.theta])

    def printed(self, theta: np.ndarray, data: Data) -> dict[str, float]:
        """The parameters theta (p,) as papers and fit.json print them, by their printed names (E, A, alpha, ...).

        A term that vanished has a coefficient of 0.
        """
        values = dict(zip(self.theta, theta, strict=True))
        gone = data.log_loss.min() - VANISHED + 1e-3
        found = {}
        for name, value in values.items():
            if name in ("alpha", "beta"):
                found[name] = value
            elif name in COEFFICIENTS:
                exponent = self.exponents.get(name)
                shift = values[exponent] * mean_log(name, data) if exponent else 0.0
                found[name[-1].upper()] = np.exp(value + shift) if value > gone else 0.0
            else:
                found[name.removeprefix("log_").upper()] = np.exp(value)  # R_D, R_N
        return {name: float(value) for name, value in found.items()}

    def value(self, name: str, theta: np.ndarray, data: Data) -> float:
        """A printed parameter, or ``N_exponent``, beta / (alpha + beta): N grows by so much of C where 6 N D = C."""
        if name != "N_exponent":
            return self.printed(theta, data)[name]
        alpha, beta = (theta[self.theta.index(exponent)] for exponent in ("alpha", "beta"))
        return float(beta / (alpha + beta))

    def limits(self, name: str, value: float, data: Data) -> tuple[float, float]:
        """The lowest and the highest ``value`` that a search tries of what `value` gives."""
        if name in ("alpha", "beta"):
            return EXPONENTS
        if name.startswith("R_"):
            return float(np.exp(REPEATS[0])), float(np.exp(REPEATS[1]))
        if name == "E":
            return 0.0, float(np.exp(data.log_loss.max()))
        if name == "N_exponent":
            return EXPONENTS[0], 1 - EXPONENTS[0]
        log = np.log(max(value, 1e-300))  # a coefficient or a scale: far more than tables leave open
        low, high = np.clip((log - VANISHED, log + 2 * VANISHED), -LARGEST, LARGEST)
        return float(np.exp(low)), float(np.exp(high))

    def constraint(self, name: str, value: float, data: Data) -> Constraint:
        """What holds, for a profile, what `value` gives under ``name`` at ``value``."""
        if name in self.theta:
            return Constraint(self.theta.index(name), value)
        if name == "N_exponent":
            return Constraint(self.theta.index("beta"), 0.0, ((self.theta.index("alpha"), value / (1 - value)),))
        inner = f"log_{name.lower()}"
        index = self.theta.index(inner)
        if inner not in self.exponents:
            lowest = self.bounds(data)[index, 0]
            return Constraint(index, max(np.log(value), lowest) if value > 0 else lowest)
        mean, exponent = mean_log(inner, data), self.theta.index(self.exponents[inner])
        if abs(mean) < 1:
            return Constraint(index, np.log(value), ((exponent, -mean),))
        # log A = a + alpha * mean: the exponent follows the coefficient, which keeps the problem well conditioned.
        return Constraint(exponent, np.log(value) / mean, ((index, -1 / mean),))


def mean_log(coefficient: str, data: Data) -> float:
    """Mean log of the count, N or D, that a coefficient's term falls with."""
    return data.mean_n if coefficient == "log_a" else data.mean_d


def log_count(coefficient: str, data: Data) -> np.ndarray:
    """(n,) centred log of the count, N or D, that a coefficient's term falls with."""
    return data.log_n if coefficient == "log_a" else data.log_d


def log_sum_exp(terms: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Log of the sum of exp(``terms``) over the first axis, and each term's share of the sum.

    (k, ..., n) -> (..., n) and (k, ..., n). Scipy's function takes longer than the rest of a fit of a few rows.
    """
    top = terms.max(axis=0)
    shares = terms - top
    np.exp(shares, out=shares)
    total = shares.sum(axis=0)
    shares /= total
    np.log(total, out=total)
    total += top
    return total, shares


def non_negative_weights(columns: np.ndarray, data: Data) -> tuple[np.ndarray, np.ndarray]:
    """Weights (k,), at least 0, of the ``columns`` (n, k) that best add up to the loss, and the residuals (n,).

    A weight of 0 is given as one too small to matter, so that it has a log.
    """
    loss = np.exp(data.log_loss)
    weights, _ = nnls(columns, loss)
    return np.maximum(weights, loss.min() * np.exp(-VANISHED)), columns @ weights - loss


class Sum(Form):
    """E + A N^-alpha + B D^-beta (Hoffmann et al. 2022, equation 2), with or without some of it.

    Log loss is the log-sum-exp of straight lines in log N and log D.
    """

    def __init__(self, name: str, formula: str, theta: tuple[str, ...], exponents: dict[str, str]):
        self.name, self.formula, self.theta, self.exponents = name, formula, theta, exponents
        self.terms = tuple(name for name in theta if name in COEFFICIENTS)

    def predict(self, theta: np.ndarray, data: Data) -> tuple[np.ndarray, np.ndarray]:
        total, shares = log_sum_exp(self.log_terms(theta, data))
        slopes = np.zeros((len(self.theta), *total.shape))
        for share, name in zip(shares, self.terms, strict=True):
            slopes[self.theta.index(name)] = share
            if name in self.exponents:
                slopes[self.theta.index(self.exponents[name])] -= share * log_count(name, data)
        return total, np.moveaxis(slopes, 0, -1)

    def project(self, shape: np.ndarray, data: Data) -> tuple[np.ndarray, np.ndarray]:
        theta = np.zeros(len(self.theta))
        theta[[self.theta.index(name) for name in self.shape_names]] = shape
        weights, residuals = non_negative_weights(np.exp(self.log_terms(theta, data)).T, data)
        theta[[self.theta.index(name) for name in self.terms]] = np.log(weights)
        return theta, residuals

    def log_terms(self, theta: np.ndarray, data: Data) -> np.ndarray:
        """Log of each term, (k, n); for theta (p, m, 1) (k, m, n)."""
        made = np.empty((len(self.terms), *theta.shape[1:-1], len(data.log_n)))
        for term, name in zip(made, self.terms, strict=True):
            term[:] = theta[self.theta.index(name)]
            if name in self.exponents:
                term -= theta[self.theta.index(self.exponents[name])] * log_count(name, data)
        return made


class Kaplan(Form):
    """L = ((N_c / N)^(alpha / beta) + D_c / D)^beta (Kaplan et al. 2020, equation 1.5).

    Its coefficients are log_a = alpha log N_c and log_b = beta log D_c, each less the exponent times the mean log. The
    shape is alpha / beta and (log_a - log_b) / beta.
    """

    name = "kaplan"
    formula = "L = ((N_c/N)^(alpha/beta) + D_c/D)^beta"
    theta = ("log_a", "log_b", "alpha", "beta")
    exponents = N_AND_D

    def predict(self, theta: np.ndarray, data: Data) -> tuple[np.ndarray, np.ndarray]:
        log_a, log_b, alpha, beta = theta
        terms = np.stack((log_a - alpha * data.log_n, log_b - beta * data.log_d))
        total, (first, second) = log_sum_exp(terms / beta)
        by_beta = total - (first * terms[0] + second * terms[1]) / beta - second * data.log_d
        return beta * total, np.moveaxis(np.stack((first, second, -first * data.log_n, by_beta)), 0, -1)

    shape_names = ("alpha_over_beta", "log_ratio")

    def project(self, shape: np.ndarray, data: Data) -> tuple[np.ndarray, np.ndarray]:
        """By least squares of log loss here: with the shape given, it is linear in beta and log_b."""
        slope, ratio = shape
        x, _ = log_sum_exp(np.stack((ratio - slope * data.log_n, -data.log_d)))
        centred = x - x.mean()
        beta = float(np.clip(centred @ data.log_loss / (centred @ centred), *EXPONENTS))
        log_b = float(data.log_loss.mean() - beta * x.mean())
        theta = np.array([log_b + ratio * beta, log_b, slope * beta, beta])
        return theta, log_b + beta * x - data.log_loss

    def printed(self, theta: np.ndarray, data: Data) -> dict[str, float]:
        log_a, log_b, alpha, beta = map(float, theta)
        # A resample may leave an exponent near 0, and then a scale that no number holds: JSON has no infinity.
        scales = np.minimum((log_a / alpha + data.mean_n, log_b / beta + data.mean_d), LARGEST)
        n_c, d_c = np.exp(scales).tolist()
        return {"alpha": alpha, "beta": beta, "N_c": n_c, "D_c": d_c}

    def constraint(self, name: str, value: float, data: Data) -> Constraint:
        if name not in ("N_c", "D_c"):
            return super().constraint(name, value, data)
        coefficient, mean = ("log_a", data.mean_n) if name == "N_c" else ("log_b", data.mean_d)
        exponent = self.theta.index(self.exponents[coefficient])
        return Constraint(self.theta.index(coefficient), 0.0, ((exponent, np.log(value) - mean),))


POWER_IRREDUCIBLE = Sum("power_irreducible", "L = E + A/N^alpha", ("log_e", "log_a", "alpha"), {"log_a": "alpha"})
CHINCHILLA = Sum("chinchilla", "L = E + A/N^alpha + B/D^beta", ("log_e", "log_a", "log_b", "alpha", "beta"), N_AND_D)
CHINCHILLA_TIED = Sum(
    "chinchilla_tied",
    "L = E + A/N^alpha + B/D^alpha",
    ("log_e", "log_a", "log_b", "alpha"),
    {"log_a": "alpha", "log_b": "alpha"},
)
KAPLAN = Kaplan()
