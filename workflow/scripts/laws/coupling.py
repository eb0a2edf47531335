"""The law in which one exponent ties N and D, so that more data make more parameters worth more.

Needs N, D and the loss of each run; see `laws.forms` for shapes and coordinates.
"""

import numpy as np

from workflow.scripts.laws.forms import (
    COUPLINGS,
    EXPONENTS,
    LARGEST,
    N_AND_D,
    VANISHED,
    Constraint,
    Data,
    Form,
    log_sum_exp,
    mean_log,
    non_negative_weights,
)

LEAST = COUPLINGS[0] / 10  # held coefficients may push k below all that is searched, where nothing is defined


class Coupled(Form):
    """L = E + (A/N^alpha + B/D^beta)^k (Videau et al. 2026): Chinchilla's law at k = 1.

    Below 1 more data make more parameters worth more, as in Kaplan's law, which this is where E = 0 and beta = 1.

    Searched for are k alpha and k beta, with which loss falls where one term alone is left, and the coefficients of
    those terms, A^k and B^k at the means. Then k only says how one term passes into the other, and the rest hardly
    follows it.
    """

    name = "coupled"
    formula = "L = E + (A/N^alpha + B/D^beta)^k"
    theta = ("log_e", "log_a", "log_b", "alpha", "beta", "k")
    exponents = N_AND_D

    def predict(self, theta: np.ndarray, data: Data) -> tuple[np.ndarray, np.ndarray]:
        log_e, log_a, log_b, alpha, beta, k = theta
        k = np.maximum(k, LEAST)
        terms = np.stack((log_a - alpha * data.log_n, log_b - beta * data.log_d))
        inner, (first, second) = log_sum_exp(terms / k)
        reducible = k * inner
        total, (e, rest) = log_sum_exp(np.stack((np.full_like(reducible, log_e), reducible)))
        by_k = rest * (inner - (first * terms[0] + second * terms[1]) / k)
        first, second = rest * first, rest * second
        gradient = (e, first, second, -first * data.log_n, -second * data.log_d, by_k)
        return total, np.moveaxis(np.stack(gradient), 0, -1)

    shape_names = ("alpha", "beta", "k", "log_ratio")

    def project(self, shape: np.ndarray, data: Data) -> tuple[np.ndarray, np.ndarray]:
        alpha, beta, k, ratio = shape
        both, _ = log_sum_exp(np.stack((ratio - alpha * data.log_n, -beta * data.log_d)) / k)
        top = (k * both).max()  # taken out, as a search may try what no number holds
        (e, b), residuals = non_negative_weights(np.stack((np.ones_like(both), np.exp(k * both - top)), axis=1), data)
        log_b = np.log(b) - top
        return np.array([np.log(e), log_b + ratio, log_b, alpha, beta, k]), residuals

    def printed(self, theta: np.ndarray, data: Data) -> dict[str, float]:
        log_e, log_a, log_b, alpha, beta, k = map(float, theta)
        k = max(k, LEAST)
        gone = data.log_loss.min() - VANISHED + 1e-3
        logs = {"A": log_a / k + alpha / k * data.mean_n, "B": log_b / k + beta / k * data.mean_d}
        found = {"E": float(np.exp(log_e)) if log_e > gone else 0.0}
        for (name, log), inner in zip(logs.items(), (log_a, log_b), strict=True):
            found[name] = float(np.exp(np.clip(log, -LARGEST, LARGEST))) if inner > gone else 0.0
        return found | {"alpha": alpha / k, "beta": beta / k, "k": k}

    def limits(self, name: str, value: float, data: Data) -> tuple[float, float]:
        if name == "k":
            return COUPLINGS
        if name in ("alpha", "beta"):
            return EXPONENTS[0] / COUPLINGS[1], EXPONENTS[1] / COUPLINGS[0]
        return super().limits(name, value, data)

    def constraint(self, name: str, value: float, data: Data) -> Constraint:
        k = self.theta.index("k")
        if name in ("alpha", "beta"):
            return Constraint(self.theta.index(name), 0.0, ((k, value),))
        if name in ("A", "B"):  # k log A = a + k alpha mean
            inner = f"log_{name.lower()}"
            index, exponent = self.theta.index(inner), self.theta.index(self.exponents[inner])
            mean = mean_log(inner, data)
            if abs(mean) < 1:
                return Constraint(index, 0.0, ((k, np.log(value)), (exponent, -mean)))
            return Constraint(exponent, 0.0, ((k, np.log(value) / mean), (index, -1 / mean)))
        return super().constraint(name, value, data)


COUPLED = Coupled()
