"""Tables of runs of a known law, as `tables.table.read_table` gives them."""

from collections.abc import Callable

import numpy as np
import pandas as pd

SIZES, BUDGETS = np.geomspace(1e5, 3e6, 5), np.geomspace(1e7, 8e7, 4)


def chinchilla(n: np.ndarray, d: np.ndarray) -> np.ndarray:
    return 0.6 + 30 * n**-0.35 + 60 * d**-0.3


def kaplan(n: np.ndarray, d: np.ndarray) -> np.ndarray:
    return ((1e7 / n) ** 0.6 + 1e8 / d) ** 0.2


def runs_of(
    law: Callable[[np.ndarray, np.ndarray], np.ndarray],
    noise: float = 0.0,
    sizes: np.ndarray = SIZES,
    budgets: np.ndarray = BUDGETS,
    seeds: int = 1,
) -> pd.DataFrame:
    """Every size at every budget, with as many seeds."""
    n, d, seed = (values.ravel() for values in np.meshgrid(sizes, budgets, np.arange(seeds), indexing="ij"))
    loss = law(n, d) * np.exp(np.random.default_rng(0).normal(0, noise, len(n)))
    return pd.DataFrame({
        "params": n, "tokens": d, "unique_tokens": d, "flops": 6 * n * d, "loss": loss, "loss_se": np.nan,
        "seed": seed.astype(int).astype(str), "size": [f"s{value:.0f}" for value in n],
    })  # fmt: skip
