"""How often the intervals of laws hold the truth, and how fast a law of N and D is fitted to resampled runs.

  speed     fits of the five-parameter law to resamples of a table a second, against scipy's BFGS with numerical
            derivatives on the same objective, begun at the same place
  coverage  of 95% intervals, over tables of five sizes with 1% noise made from known laws

TABLE.csv is a table of runs, such as the 245 of Chinchilla (the 5 highest losses are left out).

Example:
  python -m benchmarks.laws chinchilla.csv
"""

import time

import numpy as np
import torch
from scipy.optimize import minimize

from benchmarks.against import alternate, write_result
from workflow.scripts.base import cli
from workflow.scripts.laws.estimate import search
from workflow.scripts.laws.forms import CHINCHILLA, POWER_IRREDUCIBLE, data_of
from workflow.scripts.laws.intervals import bootstrap, profile_interval
from workflow.scripts.laws.line import fit_line, points_of, t_interval
from workflow.scripts.laws.problem import Problem
from workflow.scripts.tables.table import read_table

SIZES = np.geomspace(1e4, 1e6, 5)
E = 0.8
LAWS = ((20.0, 0.3), (5.0, 0.3), (3.0, 0.12), (20.0, 0.5), (20.0, 0.6))  # A, alpha: from a slope to the floor
NOISE = 0.01


def speed(path: str, draws: int, rounds: int) -> dict:
    table, _ = read_table(path)
    table = table.sort_values("loss").iloc[:-5]
    data = data_of(*(table[name].to_numpy() for name in ("params", "tokens", "loss")))
    problem = Problem(CHINCHILLA, data, 1e-3)
    best = search(problem).best

    def ours() -> float:
        start = time.perf_counter()
        bootstrap(problem, best, draws)
        return time.perf_counter() - start

    def theirs() -> float:
        rng, rows = np.random.default_rng(0), len(data.log_loss)
        start = time.perf_counter()
        for _ in range(draws // 10):
            times = rng.multinomial(rows, np.full(rows, 1 / rows)).astype(float)
            resample = Problem(CHINCHILLA, data, 1e-3, weights=times)
            minimize(
                lambda theta, problem=resample: problem.objective(theta)[0] / best.objective, best.theta, method="BFGS"
            )
        return time.perf_counter() - start

    row = alternate(ours, theirs, (draws, draws // 10), rounds)
    row |= {"name": f"five parameters, {len(table)} runs", "against": "scipy's BFGS, numerical derivatives",
            "unit": "fits a second"}  # fmt: skip
    print(f"{row['name']}: {row['ours'][1]:.0f} a second, {row['ratio'][1]:.1f} times BFGS", flush=True)
    return row


def coverage(a: float, alpha: float, repetitions: int) -> dict:
    """Shares of repetitions whose intervals hold the truth; of E also when cut at the lowest loss, as is often done."""
    rng = np.random.default_rng(1)
    held = np.zeros((repetitions, 4), bool)
    for i in range(repetitions):
        noise = np.exp(rng.normal(0, NOISE, len(SIZES)))
        line = fit_line(points_of(SIZES, a * SIZES**-alpha * noise))
        low, high = t_interval(line.alpha, np.sqrt(line.covariance[1, 1]), line.dof)
        loss = (E + a * SIZES**-alpha) * noise
        problem = Problem(POWER_IRREDUCIBLE, data_of(SIZES, SIZES, loss))
        best = search(problem).best
        ends = {name: profile_interval(problem, best, name) for name in ("alpha", "E")}
        held[i] = (
            low <= alpha <= high,
            ends["alpha"][0] <= alpha <= ends["alpha"][1],
            ends["E"][0] <= E <= ends["E"][1],
            ends["E"][0] <= E <= min(ends["E"][1], loss.min()),
        )
    names = ("line_alpha", "alpha", "E", "E_cut_at_lowest_loss")
    found = {"A": a, "alpha_true": alpha, "E_true": E, "repetitions": repetitions}
    found |= dict(zip(names, held.mean(axis=0).tolist(), strict=True))
    print(found, flush=True)
    return found


def main() -> None:
    parser = cli.parser(__doc__)
    parser.add_argument("table", metavar="TABLE.csv", help="table of runs")
    parser.add_argument("--draws", type=cli.positive_int, default=1000, help="resamples in a round")
    parser.add_argument("--rounds", type=cli.positive_int, default=5)
    parser.add_argument("--repetitions", type=cli.positive_int, default=400)
    args = parser.parse_args()
    torch.set_num_threads(1)
    rows = [speed(args.table, args.draws, args.rounds)]
    found = [coverage(a, alpha, args.repetitions) for a, alpha in LAWS]
    write_result("laws", torch.device("cpu"), rows, coverage=found)


if __name__ == "__main__":
    cli.run(main)
