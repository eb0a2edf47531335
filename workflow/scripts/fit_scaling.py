"""Fit scaling laws to a table of runs, and say in words what the table can and cannot decide.

For each architecture, at its largest token budget, to the mean over seeds of log loss at each size:
  power              L = A N^-alpha              scipy's curve_fit of log L on log N
  power_irreducible  L = E + A N^-alpha          the same with one parameter more; from 4 sizes on

TABLE.csv is runs.csv, or any table with the columns arch, params, loss (size, tokens, seed are used if
there): params is N, the parameters outside the embedding.

Example:
  python -m workflow.scripts.fit_scaling results/runs.csv --output results/fit.json
"""

import itertools
import warnings
from pathlib import Path

import numpy as np
import pandas as pd
from scipy.optimize import OptimizeWarning, brentq, curve_fit
from scipy.stats import f as f_distribution
from scipy.stats import t as t_distribution

from workflow.scripts import cli
from workflow.scripts.cli import InputError
from workflow.scripts.files import write_json
from workflow.scripts.tables import read_csv

FROM_RUNS = {"params_non_embedding": "params", "test_loss": "loss", "model": "size"}
MATCHED = 1.10  # two models count as equally large if their N differ by no more than this factor


def read_table(path: str | Path) -> pd.DataFrame:
    """Rows with arch, size, params, tokens, seed, loss.

    Raises:
        InputError: a column is missing or a cell is not a positive number; names the first bad line.
    """
    table = read_csv(path, "arch")
    if "params_non_embedding" in table:
        table = table.drop(columns="params", errors="ignore").rename(columns=FROM_RUNS)
    for name in ("params", "loss"):
        if name not in table:
            raise InputError(f"{path} has no column {name!r}")
    if table["arch"].isna().any():
        raise InputError(f"{path} line {int(table['arch'].isna().argmax()) + 2}: arch is empty")
    tokens_known = "tokens" in table and table["tokens"].notna().any()
    if not tokens_known:
        table["tokens"] = 0.0  # the same for all
    for name in ("params", "loss", "tokens") if tokens_known else ("params", "loss"):
        numbers = pd.to_numeric(table[name], errors="coerce")
        bad = np.flatnonzero(~(np.isfinite(numbers) & (numbers > 0)))
        if bad.size:
            cell = table[name].iloc[bad[0]]
            raise InputError(f"{path} line {bad[0] + 2}: {name} is '{cell}', not a positive number")
        table[name] = numbers.astype(float)
    if "size" not in table:
        table["size"] = table["params"].astype(str)
    return table


def sizes_of(rows: pd.DataFrame) -> pd.DataFrame:
    """One row a size, ascending in N: the geometric mean of the loss over seeds."""
    grouped = rows.assign(log_loss=np.log(rows["loss"])).groupby("params", sort=True)
    points = grouped.agg(size=("size", "first"), log_loss=("log_loss", "mean"), seeds=("loss", "size")).reset_index()
    return points.assign(loss=np.exp(points["log_loss"]))


def log_power(log_n, log_a, alpha):
    return log_a - alpha * log_n


def r_squared(y: np.ndarray, residuals: np.ndarray) -> float:
    return float(1 - np.sum(residuals**2) / np.sum((y - y.mean()) ** 2))


def t_intervals(names: list[str], values: np.ndarray, covariance: np.ndarray, dof: int) -> dict:
    half = t_distribution.ppf(0.975, dof) * np.sqrt(np.diag(covariance))
    return {name: [float(v - h), float(v + h)] for name, v, h in zip(names, values, half, strict=True)}


def fit_power(n: np.ndarray, loss: np.ndarray) -> dict:
    """L = A N^-alpha by least squares of log L on log N, with t intervals of n - 2 degrees of freedom."""
    x, y = np.log(n), np.log(loss)
    values, covariance = curve_fit(log_power, x, y, p0=(y.mean(), 0.1))
    dof = len(n) - 2
    return {
        "alpha": float(values[1]),
        "A": float(np.exp(values[0])),
        "ci95": t_intervals(["log_A", "alpha"], values, covariance, dof),
        "covariance_log_A_alpha": covariance.tolist(),
        "dof": dof,
        "r2": r_squared(y, y - log_power(x, *values)),
    }


def fit_power_irreducible(n: np.ndarray, loss: np.ndarray) -> dict:
    """L = E + A N^-alpha by least squares of log L, E >= 0; the interval of E is by profile likelihood.

    For each E the other two are fitted anew; E is in the interval while the residual sum of squares
    stays under the F bound of one parameter (Bates and Watts 1988, section 6.1).
    """
    n0 = np.exp(np.log(n).mean())
    x, y, lowest = np.log(n / n0), np.log(loss), loss.min()

    def residuals_at(e: float) -> tuple[np.ndarray, np.ndarray]:
        def log_loss(x, log_a, alpha):
            return np.log(e + np.exp(np.clip(log_a - alpha * x, -700, 700)))

        start = np.polyfit(x, np.log(loss - e), 1)
        values, _ = curve_fit(log_loss, x, y, p0=(start[1], -start[0]), maxfev=20000)
        return values, y - log_loss(x, *values)

    def rss(e: float) -> float:
        return float(np.sum(residuals_at(e)[1] ** 2))

    # RSS over E can have a second, useless minimum against the bound, so the whole range is looked at.
    grid = np.concatenate((np.linspace(0, 0.99, 100), 1 - np.geomspace(0.01, 1e-6, 20)[1:])) * lowest
    values_on_grid = np.array([rss(e) for e in grid])
    best = int(values_on_grid.argmin())
    bracket = grid[max(best - 1, 0)], grid[min(best + 1, len(grid) - 1)]
    fine = np.linspace(*bracket, 41)
    e = float(min([grid[best], *fine], key=rss))
    minimum = rss(e)
    dof = len(n) - 3
    bound = minimum * (1 + f_distribution.ppf(0.95, 1, dof) / dof)

    def crossing(inside: float, outside: float) -> float:
        return float(brentq(lambda value: rss(value) - bound, inside, outside, xtol=1e-9 * lowest))

    below, above = grid[(grid < e) & (values_on_grid > bound)], grid[(grid > e) & (values_on_grid > bound)]
    low = crossing(e, below.max()) if below.size else 0.0
    high = crossing(e, above.min()) if above.size else float(lowest)
    (log_a, alpha), residuals = residuals_at(e)
    return {
        "alpha": float(alpha),
        "A": float(np.exp(log_a + alpha * np.log(n0))),
        "E": e,
        "ci95": {"E": [low, high]},
        "dof": dof,
        "r2": r_squared(y, residuals),
        "at_bound": e == 0,
    }


def fit_group(rows: pd.DataFrame, arch: str) -> dict:
    """Every law of one architecture, and its verdict.

    Raises:
        InputError: fewer than three distinct sizes.
    """
    budget = rows["tokens"].max()
    rows = rows[rows["tokens"] == budget]
    points = sizes_of(rows)
    if len(points) < 3:
        count = "one distinct size" if len(points) == 1 else f"{len(points)} distinct sizes"
        raise InputError(f"{arch} has {count}: a law needs at least 3")
    n, loss = points["params"].to_numpy(), points["loss"].to_numpy()
    if np.ptp(np.log(loss)) < 1e-9:
        raise InputError(f"{arch} has the same loss at every size: there is nothing to fit")
    group = {
        "tokens": int(budget) or None,
        "n_rows": len(rows),
        "n_sizes": len(points),
        "points": points[["size", "params", "loss", "seeds"]].to_dict("records"),
        "power": fit_power(n, loss),
        "power_irreducible": fit_power_irreducible(n, loss) if len(points) > 3 else None,
    }
    return group | {"verdict": verdict(arch, group)}


def verdict(arch: str, group: dict) -> list[str]:
    """Plain sentences about what the fit of one architecture shows and what it leaves open."""
    power, irreducible, points = group["power"], group["power_irreducible"], group["points"]
    low, high = power["ci95"]["alpha"]
    said = [
        f"{arch.upper()}: loss falls as N^-{power['alpha']:.3f} (95% interval {low:.3f} to {high:.3f},"
        f" {group['n_sizes']} sizes, R² {power['r2']:.3f})."
        if low > 0
        else f"{arch.upper()}: no fall of loss with N is shown: the exponent's 95% interval, {low:.3f} to {high:.3f},"
        " holds zero."
    ]
    rises = [
        f"{b['size']} ({b['loss']:.3f}) is worse than {a['size']} ({a['loss']:.3f})"
        for a, b in itertools.pairwise(points)
        if b["loss"] >= a["loss"]
    ]
    said.append("Not every step up helps: " + "; ".join(rises) + "." if rises else "Every step up in size helps.")
    if irreducible is None:
        said.append("Three sizes cannot tell whether it levels off.")
    else:
        e_low, e_high = irreducible["ci95"]["E"]
        span = f"95% interval of the floor: {e_low:.2f} to {e_high:.2f} nats"
        said.append(
            f"Whether it levels off is not decided ({span})."
            if e_low == 0
            else f"It levels off: a floor at this budget fits better than none ({span})."
        )
    return said


def compare(groups: dict) -> dict:
    """Loss gaps between architectures at sizes matched within `MATCHED`, and a sentence about them."""
    archs = sorted(groups)
    comparison: dict = {"pairs": [], "verdict": []}
    for i, a in enumerate(archs):
        for b in archs[i + 1 :]:
            gaps = [
                {"params": [p["params"], q["params"]], "loss_gap": p["loss"] - q["loss"]}
                for p in groups[a]["points"]
                for q in groups[b]["points"]
                if max(p["params"], q["params"]) <= MATCHED * min(p["params"], q["params"])
            ]
            comparison["pairs"].append({"archs": [a, b], "tokens": groups[a]["tokens"], "matched": gaps})
            if not gaps or groups[a]["tokens"] != groups[b]["tokens"]:
                comparison["verdict"].append(f"{a.upper()} and {b.upper()} have no matched runs to compare.")
                continue
            values = [gap["loss_gap"] for gap in gaps]
            wins = sum(value < 0 for value in values)
            if 0 < wins < len(values):
                comparison["verdict"].append(
                    f"{a.upper()} has the lower loss at {wins} of {len(values)} matched sizes, {b.upper()} at the rest."
                )
            else:
                winner = a if wins else b
                small, large = min(map(abs, values)), max(map(abs, values))
                comparison["verdict"].append(
                    f"{winner.upper()} has the lower loss at all {len(values)} matched sizes,"
                    f" by {small:.2f} to {large:.2f} nats."
                )
    return comparison


def main(argv: list[str] | None = None) -> None:
    parser = cli.parser(__doc__)
    parser.add_argument("table", metavar="TABLE.csv", help="table of runs")
    parser.add_argument("--output", default="fit.json", help="JSON to write")
    args = parser.parse_args(argv)
    warnings.simplefilter("error", OptimizeWarning)  # a covariance that cannot be estimated is not a result
    table = read_table(args.table)
    try:
        groups = {arch: fit_group(rows, arch) for arch, rows in table.groupby("arch", sort=True)}
    except (OptimizeWarning, RuntimeError) as error:
        raise InputError(f"{args.table} cannot be fitted ({error})") from error
    result = {"groups": groups, "comparison": compare(groups)}
    write_json(args.output, result)
    for group in groups.values():
        print(" ".join(group["verdict"]))
    print(" ".join(result["comparison"]["verdict"]))


if __name__ == "__main__":
    cli.run(main)
