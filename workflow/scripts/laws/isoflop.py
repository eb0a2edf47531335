"""Which size is best for a budget of compute: parabolas at equal FLOP, how their optima grow, and the envelope L(C).

Needs the runs of one architecture with params, tokens, flops and loss, as `tables.table.read_table` gives them. The
parabolas are approach 2 of Hoffmann et al. 2022, section 3.2; the envelope is approach 1, section 3.1.
"""

from typing import NamedTuple

import numpy as np
import pandas as pd
from scipy.optimize import minimize_scalar

from workflow.scripts.laws.allocation import predicted_loss
from workflow.scripts.laws.coupling import COUPLED
from workflow.scripts.laws.estimate import Settings
from workflow.scripts.laws.forms import LARGEST, Data
from workflow.scripts.laws.line import fit_line, leave_one_out_error, points_of, r_squared, t_interval
from workflow.scripts.laws.loss_surface import data_for, quick_fit, rows_for
from workflow.scripts.laws.report import Outcome
from workflow.scripts.tables.levels import levels

SAME_BUDGET = 0.10  # FLOP that differ by no more, in logs, are one budget: sizes and steps are whole numbers
SAME_FLOP = 1e-3  # FLOP that differ by no more, in logs, are the same
WINDOW = np.log(2)  # a parabola is fitted to sizes within this of the best one, in logs: farther, loss is no parabola
DIP = np.log(1.25)  # so far tokens of given optima may fall while FLOP rise: a best size is known no better
SAME_LOSS = 1e-9  # losses that differ by no more, in logs, are one
BEYOND = np.log(4)  # how far beyond the sizes of a budget the best one by a law may be, in logs


class Parabola(NamedTuple):
    """A parabola of loss in log N through the sizes near the best of one budget of FLOP.

    Attributes:
        log_n: log N at its vertex.
        lowest: loss there.
        curvature: half the second derivative, positive in a valley.
        log_n_se: standard error of log N by the delta method; None below 4 sizes.
    """

    log_n: float
    lowest: float
    curvature: float
    log_n_se: float | None


def parabola(log_n: np.ndarray, loss: np.ndarray) -> Parabola:
    """By least squares of the losses (k,) at sizes ``log_n`` (k,), three or more."""
    centre = log_n.mean()
    x = log_n - centre
    basis = np.stack((np.ones_like(x), x, x**2), axis=1)
    values, *_ = np.linalg.lstsq(basis, loss)
    flat = values[2] == 0
    shift = 0.0 if flat else -values[1] / (2 * values[2])
    log_n_se = None
    if len(x) > 3 and not flat:
        variance = np.sum((loss - basis @ values) ** 2) / (len(x) - 3)
        covariance = variance * np.linalg.inv(basis.T @ basis)
        by = np.array([0, -1 / (2 * values[2]), values[1] / (2 * values[2] ** 2)])
        log_n_se = float(np.sqrt(by @ covariance @ by))
    return Parabola(float(centre + shift), float(values[0] + values[1] * shift / 2), float(values[2]), log_n_se)


class Slice(NamedTuple):
    """The runs of one budget of FLOP, one point a size, ascending; each (k,).

    Attributes:
        log_n: log N.
        log_d: log of the mean tokens.
        loss: mean loss.
        near: which sizes are so near the best that loss is nearly a parabola there; none where the smallest or the
            largest size is best.
        flops: geometric mean of the runs' FLOP, a number.
    """

    log_n: np.ndarray
    log_d: np.ndarray
    loss: np.ndarray
    near: np.ndarray
    flops: float


def slice_of(rows: pd.DataFrame) -> Slice:
    """From the runs of one budget of FLOP."""
    sizes = rows.groupby("params", sort=True)[["loss", "tokens"]].mean()
    log_n, loss = np.log(sizes.index.to_numpy(float)), sizes["loss"].to_numpy(float)
    near, best = np.zeros(len(sizes), bool), int(loss.argmin())
    if 0 < best < len(sizes) - 1:
        x = log_n - log_n[best]
        # As far on both sides, or loss, which rises faster below the optimum than above it, pulls the vertex to one.
        reach = max(min(WINDOW, -x[0], x[-1]), -x[best - 1], x[best + 1])
        near = np.abs(x) <= reach + 1e-9
    flops = float(np.exp(np.log(rows["flops"]).mean()))
    return Slice(log_n, np.log(sizes["tokens"].to_numpy(float)), loss, near, flops)


def optimum(rows: pd.DataFrame) -> dict | None:
    """The vertex of a parabola of loss in log N through the runs of one budget of FLOP.

    None where the smallest or the largest size is best, or loss is no valley.

    Returns:
        Its flops (the geometric mean of the rows), params, tokens, loss and the number of sizes of the budget; and
        params_log_se, the standard error of log N by the delta method, None below 4 sizes in the window.
    """
    budget = slice_of(rows)
    if not budget.near.any():
        return None
    x, loss = budget.log_n[budget.near], budget.loss[budget.near]
    found = parabola(x, loss)
    if found.curvature <= 0 or not x[0] <= found.log_n <= x[-1] or found.lowest < loss.min() / 2:
        return None
    return {"flops": budget.flops, "params": float(np.exp(found.log_n)), "tokens": tokens_at(budget, found.log_n),
            "sizes": len(budget.loss), "loss": found.lowest, "params_log_se": found.log_n_se}  # fmt: skip


def log_tokens_at(budget: Slice, log_n: np.ndarray | float) -> np.ndarray:
    """Log D of a budget at log N, in its shape: between two sizes, or beyond the last two, straight in logs."""
    place = np.clip(np.searchsorted(budget.log_n, log_n) - 1, 0, len(budget.log_n) - 2)
    slope = np.diff(budget.log_d) / np.diff(budget.log_n)
    return np.asarray(budget.log_d[place] + slope[place] * (log_n - budget.log_n[place]))


def tokens_at(budget: Slice, log_n: float) -> float:
    """D of a budget at log N."""
    return float(np.exp(log_tokens_at(budget, log_n)))


def parabola_bias(budget: Slice, data: Data, theta: np.ndarray) -> float | None:
    """By how much a parabola's vertex is above the best log N if the loss is that of a law, without any noise.

    A valley is steeper on one side than on the other where alpha and beta differ, and sizes are rarely as far on both
    sides of the best. None where the law has no best size near the budget's. ``data`` and ``theta``: see `surface_of`.
    """

    def loss(log_n: np.ndarray) -> np.ndarray:
        places = np.exp(log_n), np.exp(log_tokens_at(budget, log_n))
        found: np.ndarray = predicted_loss(COUPLED, theta, data, *places)[0]
        return found

    x = budget.log_n[budget.near]
    ends = budget.log_n[0] - BEYOND, budget.log_n[-1] + BEYOND
    grid = np.linspace(*ends, 200)
    best = int(loss(grid).argmin())
    vertex = parabola(x, loss(x))
    if best in (0, len(grid) - 1) or vertex.curvature <= 0 or not x[0] <= vertex.log_n <= x[-1]:
        return None
    found = minimize_scalar(
        lambda at: float(loss(np.array([at]))[0]), bounds=(grid[best - 1], grid[best + 1]), method="bounded",
        options={"xatol": 1e-9},
    )  # fmt: skip
    return vertex.log_n - float(found.x)


def optima_given(rows: pd.DataFrame) -> bool:
    """Whether the rows are optima themselves: each budget of FLOP once, and N and D rise with it.

    D may fall by `DIP` from one to another, if it rises by more over all: the best size is known to some percent only.
    """
    if len(rows) < 3:
        return False
    log_c, log_n, log_d = np.log(rows.sort_values("flops")[["flops", "params", "tokens"]].to_numpy(float)).T
    fall = (np.maximum.accumulate(log_d) - log_d).max()
    one_each = all((np.diff(values) > 1e-6).all() for values in (log_c, log_n, np.sort(log_d)))
    return bool(one_each and fall <= DIP and log_d[-1] - log_d[0] > fall)


def fit_isoflop(rows: pd.DataFrame) -> Outcome:
    """N_opt = g C^a and D_opt = h C^b over the optima of all budgets of FLOP that have three sizes; and L_opt(C).

    Rows that are optima already are taken as such, weighted by 1 / ``params_log_se``^2 where all have one. Beside what
    the parabolas give stands the same without their bias, where the rows support a law of N and D.
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
    flops, params, losses = (np.array([found[name] for found in optima]) for name in ("flops", "params", "loss"))
    if np.ptp(np.log(losses)) < SAME_LOSS:
        return Outcome(None, warnings, "the same loss at every optimum: there is nothing to fit")
    line = fit_line(points_of(flops, losses))
    grown = exponents(optima, "params", "tokens", weights)
    law = {
        "optima": optima,
        "optima_given": given,
        **grown,
        "ci95": grown["ci95"] | {"loss_exponent": t_interval(line.alpha, np.sqrt(line.covariance[1, 1]), line.dof)},
        "corrected": None if given else corrected(optima),
        "n_rows": len(rows),
        "n_sizes": int(rows["params"].nunique()),
        "converged": True,
        "loo_error": leave_one_out_error(points_of(flops, params)) if len(optima) > 3 else None,
        "objective": line.rss,
        "r2": r_squared(np.log(losses), line.rss),
        "loss_exponent": line.alpha,
    }
    return Outcome(law, warnings, "")


def exponents(optima: list[dict], params: str, tokens: str, weights: np.ndarray) -> dict:
    """How ``params`` and ``tokens`` of optima grow with their FLOP: N_exponent, D_exponent and their t intervals."""
    log_c = np.log([found["flops"] for found in optima])
    found: dict = {"ci95": {}}
    for exponent, name in (("N_exponent", params), ("D_exponent", tokens)):
        found[exponent], se = weighted_slope(log_c, np.log([one[name] for one in optima]), weights)
        found["ci95"][exponent] = t_interval(found[exponent], se, len(optima) - 2)
    return found


def corrected(optima: list[dict]) -> dict | None:
    """The exponents of optima less the bias of their parabolas, where that is known of three or more; else None.

    Returns:
        N_exponent, D_exponent and their intervals as ``ci95``; ``bias``, by how much the parabolas are off: of params
        as a mean share, and of N_exponent.
    """
    known = [found for found in optima if found["params_corrected"] is not None]
    if len(known) < 3:
        return None
    equal = np.ones(len(known))
    grown = exponents(known, "params_corrected", "tokens_corrected", equal)
    before = exponents(known, "params", "tokens", equal)
    bias = float(np.mean([found["params"] / found["params_corrected"] - 1 for found in known]))
    return grown | {"bias": {"params": bias, "N_exponent": before["N_exponent"] - grown["N_exponent"]}}


def surface_of(rows: pd.DataFrame) -> tuple[Data, np.ndarray] | None:
    """The runs that the coupled law is fitted to, and its parameters (p,); None where they do not suffice.

    Its valleys are those of Chinchilla's law and of Kaplan's, too; a parabola's bias hangs on their shape alone.
    """
    usable = rows_for(COUPLED, rows)
    if usable.absent:
        return None
    data = data_for(usable.rows)
    return data, quick_fit(COUPLED, data, Settings()).theta


def without_flops(rows: pd.DataFrame) -> str:
    """Why nothing can be said of compute; empty if it can."""
    return "flops and tokens are not given" if rows[["flops", "tokens"]].isna().any(axis=None) else ""


def optima_of(rows: pd.DataFrame) -> tuple[list[dict], int]:
    """The optimum of each budget of FLOP that has one, and how many budgets have three sizes.

    Beside params and tokens of each stand those without the bias of its parabola, None where that is not known.
    """
    tried = [
        level
        for _, level in rows.groupby(levels(rows["flops"].to_numpy(), SAME_BUDGET))
        if level["params"].nunique() >= 3
    ]
    found = [(level, best) for level in tried if (best := optimum(level)) is not None]
    law = surface_of(rows) if len(found) >= 3 else None
    for level, best in found:
        budget = slice_of(level)
        bias = None if law is None else parabola_bias(budget, *law)
        log_n = None if bias is None else np.log(best["params"]) - bias
        best["params_corrected"] = None if log_n is None else float(np.exp(log_n))
        best["tokens_corrected"] = None if log_n is None else tokens_at(budget, log_n)
    return [best for _, best in found], len(tried)


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
    """The runs that no other run beats with as little FLOP (`SAME_FLOP` apart or less), by FLOP."""
    level = levels(rows["flops"].to_numpy(float), SAME_FLOP)
    ordered = rows.iloc[np.lexsort((rows["loss"].to_numpy(), level))]
    return ordered[ordered["loss"] < ordered["loss"].cummin().shift(fill_value=np.inf)]


def fit_compute(rows: pd.DataFrame) -> Outcome:
    """L = A C^-alpha by least squares on log-log over the frontier of runs."""
    if unknown := without_flops(rows):
        return Outcome(None, [], unknown)
    best = frontier(rows)
    if len(best) < 3:
        why = f"{len(best)} runs are on the frontier of loss against FLOP, and a law needs 3"
        return Outcome(None, [], why)
    if np.ptp(np.log(best["loss"])) < SAME_LOSS:
        return Outcome(None, [], "the same loss at every run on the frontier: there is nothing to fit")
    points = points_of(best["flops"].to_numpy(), best["loss"].to_numpy())
    line = fit_line(points)
    log_a_se, alpha_se = np.sqrt(np.diag(line.covariance))
    law = {
        "alpha": line.alpha,
        "A": float(np.exp(np.clip(line.log_a, -LARGEST, LARGEST))),
        "ci95": {
            "alpha": t_interval(line.alpha, alpha_se, line.dof),
            "A": np.exp(np.clip(t_interval(line.log_a, log_a_se, line.dof), -LARGEST, LARGEST)).tolist(),
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
