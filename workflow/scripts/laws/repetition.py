"""Laws of runs that read their data more than once: tokens read again are worth less than new ones.

Needs unique tokens U beside N, D and the loss of each run; see `laws.forms` for shapes and coordinates.
"""

from typing import NamedTuple

import numpy as np
from scipy.optimize import least_squares
from scipy.special import ndtr

from workflow.scripts.laws.forms import EXPONENTS, N_AND_D, Constraint, Data, Form, log_sum_exp, non_negative_weights

WORTHS = (0.001, 1 - 1e-5)  # range of k, what an epoch is worth beside the one before
Values = np.ndarray | float  # of one law a number, of m laws (m, 1)


class EffectiveParameters(NamedTuple):
    """Centred log N' of each row and its derivatives, each (n,), or (m, n) of m laws."""

    log_n: np.ndarray
    by_ratio: np.ndarray  # log (A / B), both coefficients taken at the means
    by_alpha: np.ndarray
    by_beta: np.ndarray
    by_r_n: np.ndarray  # log R_N


class EffectiveTokens(NamedTuple):
    """Centred log D' (or D'') of each row and its derivative by log R_D (or by log (1 - k)), each (n,) or (m, n)."""

    log_d: np.ndarray
    by_worth: np.ndarray


class Repeat(Form):
    """E + A N'^-alpha + B D'^-beta with effective parameters and tokens (Muennighoff et al. 2023, equations 5 to 10).

    With U unique tokens read 1 + R times, D' = U + U R_D (1 - e^(-R / R_D)); N' likewise from U_N, the parameters that
    are compute-optimal for U, or N where that is less. The shape holds log (A / B), too, as U_N depends on it.
    """

    name = "repeat"
    formula = "L = E + A/N'^alpha + B/D'^beta"
    theta = ("log_e", "log_a", "log_b", "alpha", "beta", "log_r_d", "log_r_n")
    exponents = N_AND_D

    def predict(self, theta: np.ndarray, data: Data) -> tuple[np.ndarray, np.ndarray]:
        log_e, log_a, log_b, alpha, beta, log_r_d, log_r_n = theta
        log_n, by_ratio, by_alpha, by_beta, by_r_n = self.parameters(log_a - log_b, alpha, beta, log_r_n, data)
        log_d, by_r_d = self.tokens(log_r_d, data)
        terms = np.stack((np.full_like(log_n, log_e), log_a - alpha * log_n, log_b - beta * log_d))
        total, (e, a, b) = log_sum_exp(terms)
        through_n = -a * alpha
        gradient = (
            e, a + through_n * by_ratio, b - through_n * by_ratio, -a * log_n + through_n * by_alpha,
            -b * log_d + through_n * by_beta, -b * beta * by_r_d, through_n * by_r_n,
        )  # fmt: skip
        return total, np.moveaxis(np.stack(gradient), 0, -1)

    @staticmethod
    def tokens(log_r_d: Values, data: Data) -> EffectiveTokens:
        """What the tokens read are worth."""
        log_d, _, by_r_d = saturated(data.log_d - data.log_u, log_r_d)
        return EffectiveTokens(data.log_u + log_d, by_r_d)

    @staticmethod
    def parameters(ratio: Values, alpha: Values, beta: Values, log_r_n: Values, data: Data) -> EffectiveParameters:
        """What the parameters are worth; ``ratio`` is log (A / B), both coefficients taken at the means."""
        # A coefficient that is held can push its exponent below all that is searched, where nothing is defined.
        alpha, beta = np.maximum(alpha, EXPONENTS[0]), np.maximum(beta, EXPONENTS[0])
        # The optimum in these coordinates: alpha A' N^-alpha = beta B' U^-beta, A' and B' taken at the means.
        optimal = (np.log(alpha / beta) + ratio + beta * data.log_u) / alpha
        excess = np.maximum(data.log_n - optimal, 0.0)
        more, by_excess, by_r_n = saturated(excess, log_r_n)
        base = np.minimum(data.log_n, optimal)
        above = excess > 0
        by_optimal = np.where(above, 1 - by_excess, 0.0)
        by_alpha = by_optimal * (1 / alpha**2 - optimal / alpha)
        by_beta = by_optimal * (data.log_u - 1 / beta) / alpha
        return EffectiveParameters(base + more, by_optimal / alpha, by_alpha, by_beta, by_r_n)

    shape_names = ("alpha", "beta", "log_r_d", "log_r_n", "log_ratio")

    def project(self, shape: np.ndarray, data: Data) -> tuple[np.ndarray, np.ndarray]:
        alpha, beta, log_r_d, log_r_n, ratio = shape
        log_n, log_d = self.parameters(ratio, alpha, beta, log_r_n, data).log_n, self.tokens(log_r_d, data).log_d
        both = np.exp(ratio - alpha * log_n) + np.exp(-beta * log_d)
        (e, b), residuals = non_negative_weights(np.stack((np.ones_like(both), both), axis=1), data)
        return np.array([np.log(e), np.log(b) + ratio, np.log(b), alpha, beta, log_r_d, log_r_n]), residuals


def saturated(excess: np.ndarray, log_r: Values) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Log of what 1 + R readings are worth in first ones, log (1 + r (1 - e^(-R / r))); its derivatives.

    Args:
        excess: log (1 + R), at least 0, (n,) or (m, n).
        log_r: log r, where r is what endless repetition is worth beyond the first reading; of m laws (m, 1).

    Returns:
        The log, its derivative by ``excess`` and that by ``log_r``, each (n,) or (m, n).
    """
    r = np.exp(log_r)
    repetitions = np.expm1(np.minimum(excess, 300.0))  # a search may try what no table has
    decay = np.exp(-repetitions / r)
    worth = 1 - r * np.expm1(-repetitions / r)
    return np.log(worth), decay * (repetitions + 1) / worth, (worth - 1 - repetitions * decay) / worth


class Sms(Form):
    """E + A N^-alpha + B D''^-beta + d N^-alpha D''^-beta, with D'' = U (1 - k^(D/U)) / (1 - k).

    This is the part of MuPT's symbolic music scaling (SMS) law that leaves out over-fitting (Qu et al. 2024, equation
    2): each epoch adds k times as much as the one before. `overfit` fits the other part.
    """

    name = "repeat_sms"
    formula = "L = E + A/N^alpha + B/D''^beta + d/(N^alpha D''^beta)"
    theta = ("log_e", "log_a", "log_b", "log_d", "alpha", "beta", "log_decay")
    exponents = N_AND_D

    def predict(self, theta: np.ndarray, data: Data) -> tuple[np.ndarray, np.ndarray]:
        *coefficients, alpha, beta, log_decay = theta
        log_d, by_decay = geometric(data, log_decay)
        by_n, by_d = -alpha * data.log_n, -beta * log_d
        shapes = np.zeros_like(by_n), by_n, by_d, by_n + by_d
        total, shares = log_sum_exp(np.stack([c + shape for c, shape in zip(coefficients, shapes, strict=True)]))
        of_n, of_d = shares[1] + shares[3], shares[2] + shares[3]
        gradient = (*shares, -of_n * data.log_n, -of_d * log_d, -of_d * beta * by_decay)
        return total, np.moveaxis(np.stack(gradient), 0, -1)

    def project(self, shape: np.ndarray, data: Data) -> tuple[np.ndarray, np.ndarray]:
        alpha, beta, log_decay = shape
        log_d, _ = geometric(data, log_decay)
        n, d = np.exp(-alpha * data.log_n), np.exp(-beta * log_d)
        weights, residuals = non_negative_weights(np.stack((np.ones_like(n), n, d, n * d), axis=1), data)
        return np.array([*np.log(weights), *shape]), residuals

    def printed(self, theta: np.ndarray, data: Data) -> dict[str, float]:
        found = super().printed(theta, data)
        log_d, alpha, beta, log_decay = theta[3:]
        gone = found.pop("D") == 0
        found["d"] = 0.0 if gone else float(np.exp(log_d + alpha * data.mean_n + beta * data.mean_d))
        del found["DECAY"]
        return found | {"k": float(1 - np.exp(log_decay))}

    def limits(self, name: str, value: float, data: Data) -> tuple[float, float]:
        return WORTHS if name == "k" else super().limits(name, value, data)

    def constraint(self, name: str, value: float, data: Data) -> Constraint:
        if name == "d":  # log d = log_d + alpha mean_n + beta mean_d
            of_d, alpha, beta = (self.theta.index(inner) for inner in ("log_d", "alpha", "beta"))
            if abs(mean := data.mean_n) < 1:
                return Constraint(of_d, np.log(value), ((alpha, -mean), (beta, -data.mean_d)))
            return Constraint(alpha, np.log(value) / mean, ((of_d, -1 / mean), (beta, -data.mean_d / mean)))
        if name == "k":
            return Constraint(self.theta.index("log_decay"), np.log1p(-value))
        return super().constraint(name, value, data)


def geometric(data: Data, log_decay: Values) -> EffectiveTokens:
    """What the tokens read are worth if each epoch adds k times as much as the one before.

    ``log_decay``: log (1 - k).
    """
    decay = np.exp(log_decay)
    epochs = np.exp(data.log_d - data.log_u)
    kept = np.exp(epochs * np.log1p(-decay))  # k^(D/U)
    by_decay = decay * epochs * kept / ((1 - decay) * (1 - kept)) - 1
    return EffectiveTokens(data.log_u + np.log1p(-kept) - log_decay, by_decay)


REPEAT, SMS = Repeat(), Sms()


def overfit(data: Data, theta: np.ndarray) -> dict:
    """What repeated data add to the loss beyond the law of `SMS`, of parameters ``theta`` (p,) (Qu et al. 2024).

    It is GELU(k_d D + k_n log N - k_u log U - k_in), by least squares of the loss that is left over; k_d is per
    geometric mean of D.
    """
    loss, under = np.exp(data.log_loss), np.exp(SMS.predict(theta, data)[0])
    basis = np.stack((np.exp(data.log_d), data.log_n + data.mean_n, -data.log_u - data.mean_d, -np.ones_like(loss)))

    def extra(k: np.ndarray) -> np.ndarray:
        x = k @ basis
        gelu: np.ndarray = x * ndtr(x)
        return gelu

    start, *_ = np.linalg.lstsq(basis.T, loss - under)
    starts = [start, np.zeros(4), *(start * factor for factor in (0.1, 3.0))]
    ended = [least_squares(lambda k: under + extra(k) - loss, start, x_scale="jac", max_nfev=2000) for start in starts]
    done = min(ended, key=lambda one: one.cost)
    total = np.sum((loss - loss.mean()) ** 2)
    return {**dict(zip(("k_d", "k_n", "k_u", "k_in"), done.x.tolist(), strict=True)),
            "r2_of_loss": float(1 - 2 * done.cost / total),
            "r2_of_loss_without": float(1 - np.sum((under - loss) ** 2) / total)}  # fmt: skip
