"""How far parabolas at equal FLOP put the best size from where it is, without noise, and what the correction leaves.

Runs are made from known laws at five budgets, so that the best N of each is known. Sizes are spread evenly in log N
around it ("centred"), around 1.7 times as much ("off"), or around what drifts to three times as much ("drifting").

  whole      a parabola through all sizes of a budget, as in the published analyses
  window     through the sizes within a factor of two of the best, which is what `fit_scaling` does
  corrected  the same less the bias that a parabola has on the law fitted to all runs
  noisy      the last two with 0.3% noise, as root mean squares over studies

Example:
  python -m benchmarks.isoflop_bias
"""

from collections.abc import Callable

import numpy as np
import pandas as pd
import torch
from scipy.optimize import minimize_scalar

from benchmarks.against import write_result
from workflow.scripts.base import cli
from workflow.scripts.laws.isoflop import fit_isoflop, parabola

Law = Callable[[np.ndarray, np.ndarray], np.ndarray]  # loss of N and D


def coupled(e: float, a: float, b: float, alpha: float, beta: float, k: float = 1.0) -> Law:
    """L = E + (A/N^alpha + B/D^beta)^k, Chinchilla's law at k = 1: what the correction fits, so it undoes the bias."""
    return lambda n, d: e + (a / n**alpha + b / d**beta) ** k


def crossed(n: np.ndarray, d: np.ndarray) -> np.ndarray:
    """A law that is none of these: that of MuPT, whose last term falls with N and with D (Qu et al. 2024)."""
    return 1.5 + 400 / n**0.4 + 400 / d**0.25 + 2e5 / (n**0.4 * d**0.25)


LAWS = {
    "Chinchilla's, as replicated": coupled(1.8172, 482.01, 2085.43, 0.3478, 0.3658),
    "Chinchilla's, as published": coupled(1.69, 406.4, 410.7, 0.34, 0.28),
    "alpha three times beta": coupled(1.69, 400.0, 400.0, 0.465, 0.155),
    "coupled, k = 0.4": coupled(0.5, 3e7, 3e6, 1.0, 0.8, 0.4),
    "coupled, alpha twice beta": coupled(0.5, 1e8, 3e4, 1.1, 0.5, 0.4),
    "with a crossed term": crossed,
}
GRIDS = ((4, 5), (8, 9), (16, 9))  # widest factor from the middle size, and how many sizes
CENTRES = {"centred": (0.0, 0.0), "off": (np.log(3) / 2, 0.0), "drifting": (0.0, np.log(3))}
BUDGETS = np.geomspace(1e17, 1e21, 5)
NOISE = 0.003


def best_sizes(law: Law, flops: np.ndarray) -> np.ndarray:
    """N of the least loss at each C = 6 N D, (k,)."""
    log_n = [
        minimize_scalar(
            lambda at, c=c: float(law(np.exp(at), c / (6 * np.exp(at)))),
            bounds=(np.log(1e2), np.log(1e16)), method="bounded", options={"xatol": 1e-9},
        ).x
        for c in flops
    ]  # fmt: skip
    return np.exp(log_n)


def study(law: Law, width: float, sizes: int, shift: float, drift: float, noise: np.ndarray) -> pd.DataFrame:
    """Runs of every budget; ``noise`` of log loss, (budgets, sizes)."""
    middle = best_sizes(law, BUDGETS) * np.exp(shift + drift * np.linspace(0, 1, len(BUDGETS)))
    n = middle[:, None] * np.geomspace(1 / width, width, sizes)
    c = np.broadcast_to(BUDGETS[:, None], n.shape)
    d = c / (6 * n)
    loss = law(n, d) * np.exp(noise)
    columns = {"params": n, "tokens": d, "unique_tokens": d, "flops": c, "loss": loss}
    return pd.DataFrame({name: values.ravel() for name, values in columns.items()}).assign(size="")


def error_of_whole(rows: pd.DataFrame, law: Law) -> float:
    """Mean relative error of N by parabolas through all sizes of each budget."""
    vertices = [
        parabola(np.log(level["params"].to_numpy()), level["loss"].to_numpy()) for _, level in rows.groupby("flops")
    ]
    return float(np.mean([np.exp(one.log_n) for one in vertices] / best_sizes(law, BUDGETS) - 1))


def errors(rows: pd.DataFrame, law: Law) -> dict | None:
    """Relative errors of N, means over budgets, and errors of the exponent; None where there are no three optima."""
    found, _, _ = fit_isoflop(rows)
    if found is None or found["corrected"] is None:
        return None
    optima = pd.DataFrame(found["optima"]).dropna(subset="params_corrected")
    flops = optima["flops"].to_numpy()
    true = best_sizes(law, flops)
    exponent = float(np.polyfit(np.log(flops), np.log(true), 1)[0])
    return {
        "window": float(np.mean(optima["params"] / true - 1)),
        "corrected": float(np.mean(optima["params_corrected"] / true - 1)),
        "window_exponent": found["N_exponent"] - exponent,
        "corrected_exponent": found["corrected"]["N_exponent"] - exponent,
    }


def measured(name: str, width: float, sizes: int, centre: str, studies: int) -> dict:
    """One row of the table: errors without noise, and root mean squares of errors with it."""
    law, (shift, drift) = LAWS[name], CENTRES[centre]
    rng, shape = np.random.default_rng(0), (len(BUDGETS), sizes)
    clean = study(law, width, sizes, shift, drift, np.zeros(shape))
    row: dict = {"law": name, "factor": width, "sizes": sizes, "sizes_are": centre, "whole": error_of_whole(clean, law)}
    row |= errors(clean, law) or {}
    tried = [errors(study(law, width, sizes, shift, drift, rng.normal(0, NOISE, shape)), law) for _ in range(studies)]
    kept = pd.DataFrame([found for found in tried if found is not None])
    row["noisy"] = {key: float(value) for key, value in np.sqrt((kept**2).mean()).items()}
    row["noisy_studies"] = len(kept)
    print(row, flush=True)
    return row


def main() -> None:
    parser = cli.parser(__doc__)
    parser.add_argument("--studies", type=cli.positive_int, default=40, help="with noise, of each row")
    args = parser.parse_args()
    torch.set_num_threads(1)
    rows = [measured(name, *grid, centre, args.studies) for name in LAWS for grid in GRIDS for centre in CENTRES]
    write_result("isoflop_bias", torch.device("cpu"), [], by_kind=False, bias=rows)


if __name__ == "__main__":
    cli.run(main)
