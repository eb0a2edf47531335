"""Which size is best for a budget of compute: parabolas at equal FLOP, how their optima grow, and the envelope L(C)."""

import numpy as np
import pandas as pd

from workflow.scripts.laws.line import fit_line, interval, left_out, line_of, points_of, r_squared

SAME_BUDGET = 0.10  # FLOP that differ by no more, in logs, are one budget: sizes and steps are whole numbers
WINDOW = np.log(2)  # a parabola is fitted to sizes within this of the best one, in logs: farther, loss is none


def levels(values: np.ndarray, within: float) -> np.ndarray:
    """(n,) number of the level that each value is of, ascending; no level spans more than ``within`` in logs."""
    logs = np.log(values)
    found, level, start = np.empty(len(values), int), -1, -np.inf
    for place in np.argsort(logs, kind="stable"):
        if logs[place] - start > within:
            level, start = level + 1, logs[place]
        found[place] = level
    return found


def optimum(rows: pd.DataFrame) -> dict | None:
    """The vertex of a parabola of loss in log N at one budget (Hoffmann et al. 2022, approach 2).

    None where the smallest or the largest size is best, or loss is no valley.
    """
    sizes = rows.groupby("params", sort=True)[["loss", "tokens"]].mean()
    best = int(sizes["loss"].to_numpy().argmin())
    if best in (0, len(sizes) - 1):
        return None
    x = np.log(sizes.index.to_numpy(float)) - np.log(sizes.index[best])
    # As far on both sides, or loss, which rises faster below the optimum than above it, pulls the vertex to one.
    reach = max(min(WINDOW, -x[0], x[-1]), -x[best - 1], x[best + 1])
    near, x = sizes[np.abs(x) <= reach + 1e-9], x[np.abs(x) <= reach + 1e-9] + np.log(sizes.index[best])
    centre = x.mean()
    basis = np.stack((np.ones_like(x), x - centre, (x - centre) ** 2), axis=1)
    values, *_ = np.linalg.lstsq(basis, near["loss"].to_numpy())
    vertex = centre - values[1] / (2 * values[2])
    lowest = values[0] - values[1] ** 2 / (4 * values[2])
    if values[2] <= 0 or not x[0] <= vertex <= x[-1] or lowest < near["loss"].min() / 2:
        return None
    tokens = float(np.exp(np.interp(vertex, x, np.log(near["tokens"].to_numpy()))))
    flops = float(np.exp(np.log(rows["flops"]).mean()))
    found = {"flops": flops, "params": float(np.exp(vertex)), "tokens": tokens, "sizes": len(sizes),
             "loss": float(lowest), "params_log_se": None}  # fmt: skip
    if len(near) > 3:
        variance = np.sum((near["loss"].to_numpy() - basis @ values) ** 2) / (len(near) - 3)
        covariance = variance * np.linalg.inv(basis.T @ basis)
        by = np.array([0, -1 / (2 * values[2]), values[1] / (2 * values[2] ** 2)])
        found["params_log_se"] = float(np.sqrt(by @ covariance @ by))
    return found


def optima_given(rows: pd.DataFrame) -> bool:
    """Whether the rows are optima themselves: each budget once, and both N and D rise with it."""
    if len(rows) < 3:
        return False
    ordered = rows.sort_values("flops")
    return all((np.diff(np.log(ordered[name])) > 1e-6).all() for name in ("flops", "params", "tokens"))


def fit_isoflop(rows: pd.DataFrame) -> tuple[dict | None, list[str], str]:
    """Optima of every budget that has three sizes, and N_opt = g C^a, D_opt = h C^b; and what to know of them, or why
    there are none.

    Rows that are optima already are taken as such, weighted by 1 / ``params_log_se``^2 where all have one.
    """
    if optima_given(rows):
        names = ["flops", "params", "tokens", "loss"]
        optima, notes = rows.sort_values("flops")[names].astype(float).to_dict("records"), []
        given = rows.sort_values("flops")["params_log_se"] if "params_log_se" in rows else pd.Series([np.nan])
        weights = 1 / given.to_numpy(float) ** 2 if given.notna().all() else np.ones(len(optima))
    else:
        tried = [
            optimum(level)
            for _, level in rows.groupby(levels(rows["flops"].to_numpy(), SAME_BUDGET))
            if level["params"].nunique() >= 3
        ]
        optima = [found for found in tried if found is not None]
        notes = []
        if optima and len(optima) < len(tried):
            notes.append(
                f"isoflop: {len(tried) - len(optima)} of {len(tried)} budgets of FLOP do not bracket an optimum"
            )
        weights = np.ones(len(optima))
    if len(optima) < 3:
        return None, notes, f"{len(optima)} budgets of FLOP have an optimum, and exponents need 3"
    flops = np.array([found["flops"] for found in optima])
    result = {"optima": optima, "optima_given": optima_given(rows), "ci95": {}, "n_rows": len(rows),
              "n_sizes": int(rows["params"].nunique()), "converged": True}  # fmt: skip
    for name, of in (("N_exponent", "params"), ("D_exponent", "tokens")):
        values = np.array([found[of] for found in optima])
        slope, se = weighted_slope(np.log(flops), np.log(values), weights)
        result[name] = slope
        result["ci95"][name] = interval(slope, se, len(optima) - 2)
    losses = np.array([found["loss"] for found in optima])
    points = points_of(flops, losses)
    line = fit_line(points)
    sizes = points_of(flops, np.array([found["params"] for found in optima]))
    result |= {
        "loo_error": left_out(sizes, line_of) if len(optima) > 3 else None,
        "objective": line.rss,
        "r2": r_squared(np.log(losses), line.rss),
        "loss_exponent": line.alpha,
    }
    result["ci95"]["loss_exponent"] = interval(line.alpha, np.sqrt(line.covariance[1, 1]), line.dof)
    return result, notes, ""


def weighted_slope(x: np.ndarray, y: np.ndarray, weights: np.ndarray) -> tuple[float, float]:
    """Slope of y on x by weighted least squares, and its standard error, the weights known up to a factor."""
    share = weights / weights.sum()
    dx, dy = x - share @ x, y - share @ y
    slope = (share @ (dx * dy)) / (share @ dx**2)
    variance = share @ (dy - slope * dx) ** 2 / (len(x) - 2)
    return float(slope), float(np.sqrt(variance / (share @ dx**2)))


def frontier(rows: pd.DataFrame) -> pd.DataFrame:
    """The runs that no other run beats with as little FLOP, by FLOP."""
    ordered = rows.sort_values(["flops", "loss"], kind="stable")
    return ordered[ordered["loss"] < ordered["loss"].cummin().shift(fill_value=np.inf)]


def fit_compute(rows: pd.DataFrame) -> tuple[dict | None, list[str], str]:
    """L = A C^-alpha by least squares on log-log over the frontier of runs."""
    best = frontier(rows)
    if len(best) < 3:
        return None, [], f"{len(best)} runs are on the frontier of loss against FLOP, and a law needs 3"
    points = points_of(best["flops"].to_numpy(), best["loss"].to_numpy())
    line = fit_line(points)
    se = np.sqrt(np.diag(line.covariance))
    log_a = interval(line.log_a, se[0], line.dof)
    return {
        "alpha": line.alpha, "A": float(np.exp(line.log_a)),
        "ci95": {"alpha": interval(line.alpha, se[1], line.dof), "A": np.exp(log_a).tolist()},
        "frontier": best[["size", "params", "tokens", "flops", "loss"]].to_dict("records"),
        "objective": line.rss, "r2": r_squared(np.log(best["loss"]), line.rss), "n_rows": len(best),
        "loo_error": left_out(points, line_of) if len(best) > 3 else None,
        "n_sizes": int(best["params"].nunique()), "converged": True,
    }, [], ""  # fmt: skip
