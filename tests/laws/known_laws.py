"""Tables of which the law is known, for the tests of this folder."""

from pathlib import Path

import numpy as np
import pandas as pd

SIZES, BUDGETS = np.geomspace(1e5, 1e7, 5), np.geomspace(1e6, 1e8, 4)
TRUE = {"E": 1.7, "A": 410.0, "B": 1500.0, "alpha": 0.34, "beta": 0.28}


def grid(sizes: int = 6, budgets: int = 5) -> tuple[np.ndarray, np.ndarray]:
    """N and D of every size at every budget."""
    n, d = np.meshgrid(np.geomspace(1e7, 1e10, sizes), np.geomspace(1e9, 2e11, budgets))
    return n.ravel(), d.ravel()


def chinchilla(n, d, law=TRUE):
    """Loss at N and D, equation 2 of Hoffmann et al. 2022."""
    return law["E"] + law["A"] / n ** law["alpha"] + law["B"] / d ** law["beta"]


def repeated(epochs=(1, 3, 10, 40)) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """N, D and U of every size, amount of unique tokens and number of epochs."""
    rows = [
        (n, unique * times, unique)
        for n in np.geomspace(7e6, 4e9, 6)
        for unique in (1e8, 4e8, 1.6e9)
        for times in epochs
    ]
    return tuple(np.array(rows).T)


def muennighoff(law: dict, n: float, d: float, unique: float) -> float:
    """Equations 5 to 10 of Muennighoff et al. 2023, one run, in their words."""
    a, b, alpha, beta = (law[name] for name in ("A", "B", "alpha", "beta"))
    r_d = max(d / unique - 1, 0)
    effective_d = unique + unique * law["R_D"] * (1 - np.exp(-r_d / law["R_D"]))
    # G (U / ...) of their appendix: the N for which U is the compute-optimal number of tokens, where
    # alpha A N^-alpha = beta B U^-beta.
    base = min((alpha * a / (beta * b) * unique**beta) ** (1 / alpha), n)
    r_n = max(n / base - 1, 0)
    effective_n = base + base * law["R_N"] * (1 - np.exp(-r_n / law["R_N"]))
    return law["E"] + a / effective_n**alpha + b / effective_d**beta


def write_grid(path: Path, rng=None, arch="gpt", sizes=SIZES, epochs=(1,), seeds=(0,), noise=0.003) -> Path:
    """A table of every size, budget, number of epochs and seed."""
    rng = rng or np.random.default_rng(0)
    rows = [
        {"arch": arch, "size": f"s{i}", "params": n, "tokens": d, "unique_tokens": d / repeats, "seed": seed,
         "loss": (0.5 + 30 * n**-0.3 + 40 * (d / repeats**0.5) ** -0.3) * np.exp(rng.normal(0, noise))}
        for i, n in enumerate(sizes) for d in BUDGETS for repeats in epochs for seed in seeds
    ]  # fmt: skip
    pd.DataFrame(rows).to_csv(path, index=False)
    return path
