"""What a law of N and D says of how to spend compute: loss at any N and D, and the best N and D for so many FLOP.

Needs a law (`laws.forms`), its parameters in the coordinates of the data that it was fitted to, and what a token costs.
"""

from collections.abc import Callable, Mapping
from typing import NamedTuple

import numpy as np
from scipy.optimize.elementwise import find_minimum

from workflow.scripts.laws.coupling import COUPLED
from workflow.scripts.laws.forms import CHINCHILLA, CHINCHILLA_TIED, KAPLAN, LARGEST, Counts, Data, Form

WITH_OPTIMUM = (CHINCHILLA, CHINCHILLA_TIED, KAPLAN, COUPLED)  # laws of which N_opt is a power of C
REACH = np.log(1e6)  # how far beyond the sizes of the data a best one is looked for, in logs
PLACES = 121  # sizes tried at first, 26% to 60% from one to the next

FlopsPerToken = Callable[[np.ndarray], np.ndarray]


class BestSize(NamedTuple):
    """The best way to spend each of k amounts of compute by each of m laws, (m, k).

    NaN where loss has no minimum over N: a term vanished, or the best is farther than `REACH` from the data.

    Attributes:
        params: N.
        tokens: D.
        loss: at N and D, not its log.
    """

    params: np.ndarray
    tokens: np.ndarray
    loss: np.ndarray


def six_per_parameter(n: np.ndarray) -> np.ndarray:
    """FLOP per token of training N parameters, 6 N (Kaplan et al. 2020, section 2.1)."""
    return 6.0 * n


def predicted_loss(
    form: Form, theta: np.ndarray, data: Data, n: Counts, d: Counts, unique: Counts | None = None
) -> np.ndarray:
    """Loss (m, k), not its log, at k places by laws theta (m, p), or (p,), in the coordinates of ``data``.

    Args:
        n: N, broadcast with the next two to (k,).
        d: D.
        unique: unique tokens U; None: none is read twice.
    """
    places = data.at(n, d, unique)
    log_loss, _ = form.predict(np.atleast_2d(theta).T[:, :, None], places)
    loss: np.ndarray = np.exp(np.minimum(log_loss, LARGEST))
    return loss


def printed_loss(law: Mapping, n: Counts, d: Counts) -> np.ndarray:
    """Loss at N and D, which are broadcast, by the parameters of a law of both as fit.json has them.

    Raises:
        KeyError: it is none of the laws that are told of runs which read their data once.
    """
    n, d = np.asarray(n, float), np.asarray(d, float)
    if "N_c" in law:
        alpha, beta = law["alpha"], law["beta"]
        kaplan: np.ndarray = ((law["N_c"] / n) ** (alpha / beta) + law["D_c"] / d) ** beta
        return kaplan
    beta = law.get("beta", law["alpha"])  # with one exponent it is that of both
    loss: np.ndarray = law["E"] + (law["A"] * n ** -law["alpha"] + law["B"] * d**-beta) ** law.get("k", 1.0)
    return loss


def best_size(
    form: Form,
    theta: np.ndarray,
    data: Data,
    flops: Counts,
    flops_per_token: FlopsPerToken = six_per_parameter,
    unique: float | None = None,
) -> BestSize:
    """N and D = C / f(N) of the least loss at C FLOP, by a grid in log N and Chandrupatla's search around its best.

    Args:
        theta: parameters of m laws in the coordinates of ``data``, (m, p), or of one, (p,).
        flops: C, (k,) or a number.
        flops_per_token: f, of N in any shape.
        unique: unique tokens that there are; None: no token is read twice.
    """
    theta = np.atleast_2d(theta)
    log_c = np.log(np.atleast_1d(np.asarray(flops, float)))
    many, most = len(theta), len(log_c)
    which_law, which_c = (index.ravel() for index in np.indices((many, most)))

    def log_loss(log_n: np.ndarray, law: np.ndarray, budget: np.ndarray) -> np.ndarray:
        """At log N of any shape, by laws and amounts of compute of that shape."""
        log_d = log_c[budget] - np.log(flops_per_token(np.exp(log_n)))
        log_u = log_d if unique is None else np.minimum(np.log(unique), log_d)
        nothing = np.empty(0)
        places = Data(log_n[..., None] - data.mean_n, log_d[..., None] - data.mean_d, log_u[..., None] - data.mean_d,
                      nothing, data.mean_n, data.mean_d)  # fmt: skip
        found: np.ndarray = form.predict(np.moveaxis(theta[law], -1, 0)[..., None], places)[0][..., 0]
        return found

    ends = data.log_n.min() + data.mean_n - REACH, data.log_n.max() + data.mean_n + REACH
    grid = np.linspace(max(ends[0], 0.0), ends[1], PLACES)
    tried = log_loss(*np.broadcast_arrays(grid, which_law[:, None], which_c[:, None]))
    best = tried.argmin(axis=1)
    inside = (best > 0) & (best < PLACES - 1)
    log_n, lowest = np.full(many * most, np.nan), np.full(many * most, np.nan)
    if inside.any():
        at = best[inside]
        found = find_minimum(
            log_loss, (grid[at - 1], grid[at], grid[at + 1]), args=(which_law[inside], which_c[inside]),
            tolerances={"xatol": 1e-7},
        )  # fmt: skip
        log_n[inside], lowest[inside] = found.x, found.f_x
    params = np.exp(log_n)
    tokens = np.exp(log_c[which_c] - np.log(flops_per_token(params)))
    return BestSize(*(values.reshape(many, most) for values in (params, tokens, np.exp(lowest))))


def optimum_exponents(form: Form, law: dict) -> dict | None:
    """N_opt = G (C/6)^a and D_opt = (C/6)^b / G at C = 6 N D (Hoffmann et al. 2022, equation 4): a, b and G.

    In the other laws, too, what falls is a function of A N^-alpha + B D^-beta alone: Kaplan's has (N_c/N)^(alpha/beta)
    and D_c/D for these, and the coupled one raises them to k, which moves no optimum.

    Args:
        law: its printed parameters.

    Returns:
        N_exponent, D_exponent and G, which is None where a term vanished or no number holds it; None of a law whose
        N_opt is no power of C, and where an exponent is not positive.
    """
    if form not in WITH_OPTIMUM or min(law["alpha"], law.get("beta", 1.0)) <= 0:
        return None
    with np.errstate(divide="ignore", over="ignore", invalid="ignore"):
        if form is KAPLAN:
            alpha, beta = law["alpha"] / law["beta"], 1.0
            log_a, log_b = alpha * np.log(law["N_c"]), np.log(law["D_c"])
        else:
            alpha, beta = law["alpha"], law.get("beta", law["alpha"])
            log_a, log_b = np.log(law["A"]), np.log(law["B"])
        g = np.exp((np.log(alpha / beta) + log_a - log_b) / (alpha + beta))
    exponent = beta / (alpha + beta)
    return {"N_exponent": exponent, "D_exponent": 1 - exponent, "G": float(g) if 0 < g < np.inf else None}
