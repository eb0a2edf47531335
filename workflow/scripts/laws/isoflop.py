"""Which size is best for a budget of compute: parabolas at equal FLOP, how their optima grow, and the envelope L(C).

Needs the runs of one architecture with params, tokens, flops and loss, as `tables.table.read_table` gives them. The
parabolas are approach 2 of Hoffmann et al. 2022, section 3.2; the envelope is approach 1, section 3.1.
"""

import numpy as np
import pandas as pd

from workflow.scripts.laws.line import fit_line, leave_one_out_error, points_of, r_squared, t_interval
from workflow.scripts.laws.report import Outcome
from workflow.scripts.tables.levels import levels

SAME_BUDGET = 0.10  # FLOP that differ by no more, in logs, are one budget: sizes and steps are whole numbers
WINDOW = np.log(2)  # a parabola is fitted to sizes within this of the best one, in logs: farther, loss is no parabola


def optimum(rows: pd.DataFrame) -> dict | None:
    """The vertex of a parabola of loss in log N through the runs of one budget of FLOP.

    None where the smallest or the largest size is best, or loss is no valley.

    Returns:
        Its flops (the geometric mean of the rows), params, tokens, loss and the number of sizes of the budget; and
        params_log_se, the standard error of log N by the delta method, None below 4 sizes in the window.
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
    """Whether the rows are optima themselves: each budget of FLOP once, and both N and D rise with it."""
    if len(rows) < 3:
        return False
    ordered = rows.sort_values("flops")
    return all((np.diff(np.log(ordered[name])) > 1e-6).all() for name in ("flops", "params", "tokens"))


def fit_isoflop(rows: pd.DataFrame) -> Outcome:
    """N_opt = g C^a and D_opt = h C^b over the optima of all budgets of FLOP that have three sizes; and L_opt(C).

    Rows that are optima already are taken as such, weighted by 1 / ``params_log_se``^2 where all have one.
    """
    if unknown := without_flops(rows):
        return Outcome(None, [], unknown)
    given = optima_given(rows)
    warnings: list[str] = []
    if given:
        ordered = rows.sort_values("flops")
        optima = ordered[["flops", "params", "tokens", "loss"]].astype(float).to_dict("records")
        weights = weights_given(ordered)
    else:
        optima, tried = optima_of(rows)
        weights = np.ones(len(optima))
        if optima and len(optima) < tried:
            warnings.append(f"isoflop: {tried - len(optima)} of {tried} budgets of FLOP do not bracket an optimum")
    if len(optima) < 3:
        return Outcome(None, warnings, f"{len(optima)} budgets of FLOP have an optimum, and exponents need 3")
    flops, params, tokens, losses = (
        np.array([found[name] for found in optima]) for name in ("flops", "params", "tokens", "loss")
    )
    n_exponent, n_se = weighted_slope(np.log(flops), np.log(params), weights)
    d_exponent, d_se = weighted_slope(np.log(flops), np.log(tokens), weights)
    line = fit_line(points_of(flops, losses))
    law = {
        "optima": optima,
        "optima_given": given,
        "ci95": {
            "N_exponent": t_interval(n_exponent, n_se, len(optima) - 2),
            "D_exponent": t_interval(d_exponent, d_se, len(optima) - 2),
            "loss_exponent": t_interval(line.alpha, np.sqrt(line.covariance[1, 1]), line.dof),
        },
        "n_rows": len(rows),
        "n_sizes": int(rows["params"].nunique()),
        "converged": True,
        "N_exponent": n_exponent,
        "D_exponent": d_exponent,
        "loo_error": leave_one_out_error(points_of(flops, params)) if len(optima) > 3 else None,
        "objective": line.rss,
        "r2": r_squared(np.log(losses), line.rss),
        "loss_exponent": line.alpha,
    }
    return Outcome(law, warnings, "")


def without_flops(rows: pd.DataFrame) -> str:
    """Why nothing can be said of compute; empty if it can."""
    return "flops and tokens are not given" if rows[["flops", "tokens"]].isna().any(axis=None) else ""


def optima_of(rows: pd.DataFrame) -> tuple[list[dict], int]:
    """The optimum of each budget of FLOP that has one, and how many budgets have three sizes."""
    tried = [
        optimum(level)
        for _, level in rows.groupby(levels(rows["flops"].to_numpy(), SAME_BUDGET))
        if level["params"].nunique() >= 3
    ]
    return [found for found in tried if found is not None], len(tried)


def weights_given(optima: pd.DataFrame) -> np.ndarray:
    """(k,) inverse variances of log N, as the table gives their roots; ones where it does not for all rows."""
    if "params_log_se" not in optima or optima["params_log_se"].isna().any():
        return np.ones(len(optima))
    return 1 / np.asarray(optima["params_log_se"], float) ** 2


def weighted_slope(x: np.ndarray, y: np.ndarray, weights: np.ndarray) -> tuple[float, float]:
    """Slope of y on x by weighted least squares and its standard error, the weights known up to a factor; each (k,)."""
    share = weights / weights.sum()
    dx, dy = x - share @ x, y - share @ y
    slope = (share @ (dx * dy)) / (share @ dx**2)
    variance = share @ (dy - slope * dx) ** 2 / (len(x) - 2)
    return float(slope), float(np.sqrt(variance / (share @ dx**2)))


def frontier(rows: pd.DataFrame) -> pd.DataFrame:
    """The runs that no other run beats with as little FLOP, by FLOP."""
    ordered = rows.sort_values(["flops", "loss"], kind="stable")
    return ordered[ordered["loss"] < ordered["loss"].cummin().shift(fill_value=np.inf)]


def fit_compute(rows: pd.DataFrame) -> Outcome:
    """L = A C^-alpha by least squares on log-log over the frontier of runs."""
    if unknown := without_flops(rows):
        return Outcome(None, [], unknown)
    best = frontier(rows)
    if len(best) < 3:
        why = f"{len(best)} runs are on the frontier of loss against FLOP, and a law needs 3"
        return Outcome(None, [], why)
    points = points_of(best["flops"].to_numpy(), best["loss"].to_numpy())
    line = fit_line(points)
    log_a_se, alpha_se = np.sqrt(np.diag(line.covariance))
    law = {
        "alpha": line.alpha,
        "A": float(np.exp(line.log_a)),
        "ci95": {
            "alpha": t_interval(line.alpha, alpha_se, line.dof),
            "A": np.exp(t_interval(line.log_a, log_a_se, line.dof)).tolist(),
        },
        "frontier": best[["size", "params", "tokens", "flops", "loss"]].to_dict("records"),
        "objective": line.rss,
        "r2": r_squared(np.log(best["loss"]), line.rss),
        "n_rows": len(best),
        "loo_error": leave_one_out_error(points) if len(best) > 3 else None,
        "n_sizes": int(best["params"].nunique()),
        "converged": True,
    }
    return Outcome(law, [], "")
