"""How often the interval of a forecast holds what a run then has, over tables made from known laws.

Each truth is a law with a design: so many sizes over one and a half decades, budgets of tokens (one, or four over a
factor of eight), seeds and noise. Each table of it forecasts one run at 2, 8 and 30 times the FLOP of its largest: of
one budget, of a larger model at that budget; of four, of N and D that grow alike. Beside it stands the interval of a
law as if it were right: the straight line of log loss on log N, or Chinchilla's law.

Example:
  python -m benchmarks.forecasts --tables 300
"""

import time
from collections.abc import Callable
from typing import NamedTuple

import numpy as np
import pandas as pd
import torch

from benchmarks.against import write_result
from workflow.scripts.base import cli
from workflow.scripts.forecasts.candidates import POWER
from workflow.scripts.forecasts.one_more import interval_if_right
from workflow.scripts.forecasts.predict import Forecaster
from workflow.scripts.laws.estimate import Settings, starting_points
from workflow.scripts.laws.forms import CHINCHILLA, data_of

N_LARGEST, D_LARGEST = 3e6, 8e7
DECADES = 1.5
TIMES = (2, 8, 30)
X = DECADES * np.log(10)  # the measured range of log N

LogLoss = Callable[[np.ndarray, np.ndarray], np.ndarray]  # of log N and log D, both 0 at the largest


class Truth(NamedTuple):
    """A law and how its tables are made.

    Attributes:
        name: what it is, for a reader.
        law: log loss at log N and log D, each 0 at the largest that is measured.
        sizes: how many.
        budgets: how many.
        seeds: runs of each size and budget.
        noise: standard deviation of log loss between seeds.
        of_size: the same of what all runs of a size share.
        of_trunk: the same of what all budgets of one size and seed share.
    """

    name: str
    law: LogLoss
    sizes: int
    budgets: int
    seeds: int
    noise: float
    of_size: float = 0.0
    of_trunk: float = 0.0


def power(alpha: float) -> LogLoss:
    return lambda x, z: -alpha * x


def floor(share: float, alpha: float) -> LogLoss:
    """E is ``share`` of the lowest measured loss."""
    return lambda x, z: np.log(share + (1 - share) * np.exp(-alpha * x))


def bent(slope: float, change: float) -> LogLoss:
    """A parabola: the slope at the largest, and by how much it was larger (or smaller) at the smallest."""
    return lambda x, z: -slope * x + change * x**2 / (2 * X)


def sum_of_terms(e: float, a: float, b: float, alpha: float, beta: float, both: float = 0.0) -> LogLoss:
    """Chinchilla's law, and with ``both`` MuPT's, which has a term that falls with N and with D."""
    return lambda x, z: np.log(
        e + a * np.exp(-alpha * x) + b * np.exp(-beta * z) + both * np.exp(-alpha * x - beta * z)
    )


def kaplan(alpha: float, beta: float) -> LogLoss:
    return lambda x, z: beta * np.log(np.exp(-alpha / beta * x) + 0.6 * np.exp(-z))


def coupled(e: float, alpha: float, beta: float, k: float) -> LogLoss:
    return lambda x, z: np.log(e + 0.6 * (0.5 * np.exp(-alpha / k * x) + 0.5 * np.exp(-beta / k * z)) ** k)


def bent_with_data(slope: float, change: float) -> LogLoss:
    of_n = bent(slope, change)
    return lambda x, z: of_n(x, z) + np.log(0.8 + 0.2 * np.exp(-0.3 * z))


TRUTHS = (
    Truth("power law, α 0.1", power(0.1), 5, 1, 1, 0.01),
    Truth("power law, α 0.3", power(0.3), 8, 1, 1, 0.03),
    Truth("power law, α 0.3", power(0.3), 4, 1, 3, 0.003),
    Truth("floor, 30% of the lowest loss", floor(0.3, 0.3), 6, 1, 1, 0.01),
    Truth("floor, 60%", floor(0.6, 0.4), 5, 1, 3, 0.01),
    Truth("floor, 60%", floor(0.6, 0.4), 4, 1, 1, 0.003),
    Truth("floor, 85%", floor(0.85, 0.7), 6, 1, 3, 0.01),
    Truth("floor, 60%, sizes vary as seeds do", floor(0.6, 0.4), 6, 1, 3, 0.01, of_size=0.01),
    Truth("parabola, slope halves", bent(0.1, 0.1), 6, 1, 1, 0.01),
    Truth("parabola, slope halves", bent(0.1, 0.1), 8, 1, 3, 0.003),
    Truth("parabola, slope doubles", bent(0.2, -0.1), 6, 1, 2, 0.01),
    Truth("Chinchilla, no floor", sum_of_terms(0, 0.6, 0.4, 0.2, 0.25), 5, 4, 1, 0.01),
    Truth("Chinchilla, floor 60%", sum_of_terms(0.6, 0.2, 0.2, 0.35, 0.3), 4, 4, 1, 0.003),
    Truth("Chinchilla, floor 60%", sum_of_terms(0.6, 0.2, 0.2, 0.35, 0.3), 6, 4, 2, 0.03),
    Truth("Chinchilla, floor 85%", sum_of_terms(0.85, 0.08, 0.07, 0.6, 0.5), 5, 4, 1, 0.01),
    Truth("Chinchilla, one exponent", sum_of_terms(0.5, 0.3, 0.2, 0.3, 0.3), 8, 4, 1, 0.01),
    Truth("Chinchilla, budgets share a trunk", sum_of_terms(0.6, 0.2, 0.2, 0.35, 0.3), 5, 4, 3, 0.007, of_trunk=0.007),
    Truth("Kaplan", kaplan(0.1, 0.2), 5, 4, 1, 0.01),
    Truth("Kaplan", kaplan(0.25, 0.3), 6, 4, 3, 0.003),
    Truth("coupled, k 0.5, floor 40%", coupled(0.4, 0.3, 0.3, 0.5), 5, 4, 1, 0.01),
    Truth("coupled, k 0.5, floor 20%", coupled(0.15, 0.2, 0.3, 0.5), 5, 4, 2, 0.003),
    Truth("MuPT's term of N and D", sum_of_terms(0.4, 0.25, 0.25, 0.3, 0.3, 0.1), 6, 4, 1, 0.01),
    Truth("parabola in N, slope halves", bent_with_data(0.1, 0.1), 5, 4, 1, 0.01),
    Truth("parabola in N, slope doubles", bent_with_data(0.2, -0.1), 5, 4, 1, 0.01),
)


def runs_of(truth: Truth, rng: np.random.Generator) -> pd.DataFrame:
    """One table, as `tables.table.read_table` gives it."""
    shape = truth.sizes, truth.budgets, truth.seeds
    size, budget, seed = (index.ravel() for index in np.indices(shape))
    x = np.linspace(-X, 0, truth.sizes)[size]
    z = np.linspace(-np.log(8), 0, truth.budgets)[budget] if truth.budgets > 1 else np.zeros(len(x))
    noise = rng.normal(0, truth.noise, len(x))
    noise += rng.normal(0, truth.of_size, truth.sizes)[size]
    noise += rng.normal(0, truth.of_trunk, shape[::2])[size, seed]
    n, d = N_LARGEST * np.exp(x), D_LARGEST * np.exp(z)
    return pd.DataFrame({
        "params": n, "tokens": d, "unique_tokens": d, "flops": 6 * n * d, "loss": np.exp(truth.law(x, z) + noise),
        "loss_se": np.nan, "seed": seed.astype(str), "size": size.astype(str),
    })  # fmt: skip


def coverage(truth: Truth, tables: int) -> dict:
    """Shares of tables whose interval holds one more run, at each of `TIMES` the FLOP, and the median widths."""
    rng = np.random.default_rng(1)
    held, plain = np.zeros((tables, len(TIMES)), bool), np.zeros((tables, len(TIMES)), bool)
    widths = np.zeros((tables, len(TIMES)))
    sd = float(np.sqrt(truth.noise**2 + truth.of_size**2 + truth.of_trunk**2))
    start = time.perf_counter()
    for i in range(tables):
        rows = runs_of(truth, rng)
        found = Forecaster(rows, Settings()).intervals(D_LARGEST)
        assert found is not None  # every design has enough runs
        form = POWER if truth.budgets == 1 else CHINCHILLA
        data = data_of(*(rows[name].to_numpy() for name in ("params", "tokens", "loss")))
        begin = starting_points(form, data).mean(axis=0)
        for j, times in enumerate(TIMES):
            more = np.log(times) if truth.budgets == 1 else np.log(times) / 2
            x, z = np.array([more]), np.array([0.0 if truth.budgets == 1 else more])
            observed = float(truth.law(x, z)[0] + rng.normal(0, sd))
            n, d = N_LARGEST * np.exp(x), D_LARGEST * np.exp(z)
            held[i, j], widths[i, j] = told(found.at(float(n[0]), float(d[0])), observed)
            plain[i, j], _ = told(interval_if_right(form, data, begin, data.at(n, d)), observed)
    row = {name: getattr(truth, name) for name in ("name", "sizes", "budgets", "seeds", "noise")}
    row |= {"tables": tables, "held": held.mean(axis=0).tolist(), "if_right": plain.mean(axis=0).tolist(),
            "width": np.median(widths, axis=0).tolist()}  # fmt: skip
    print(f"{truth.name}, {truth.sizes}x{truth.budgets}x{truth.seeds}, {truth.noise:.1%}:", row["held"],
          row["if_right"], np.round(row["width"], 2), f"{time.perf_counter() - start:.0f} s", flush=True)  # fmt: skip
    return row


def told(interval: list[float | None], observed: float) -> tuple[bool, float]:
    """Whether an interval of log loss holds what was observed, and how wide it is."""
    low, high = (-np.inf if interval[0] is None else interval[0]), (np.inf if interval[1] is None else interval[1])
    return low <= observed <= high, high - low


def main() -> None:
    parser = cli.parser(__doc__)
    parser.add_argument("--tables", type=cli.positive_int, default=300, help="of each truth")
    parser.add_argument("--only", default="", help="truths whose name holds this text; their results are not kept")
    args = parser.parse_args()
    torch.set_num_threads(1)
    rows = [coverage(truth, args.tables) for truth in TRUTHS if args.only in truth.name]
    if not args.only:
        write_result("forecasts", torch.device("cpu"), [], by_kind=False, forecasts=rows)


if __name__ == "__main__":
    cli.run(main)
