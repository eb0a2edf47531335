"""Where the losses of two architectures cross: at equal N, and at equal FLOP along what the best size of each reaches.

Needs a table of runs as `tables.table.read_table` gives it, of the runs that laws are fitted to, perhaps with larger
ones. At equal N the two are described by `findings.curves`, at one budget of tokens. Along FLOP each has a law of N and
D, fitted again to runs that are drawn with replacement: runs that share a trunk are drawn as one, and where the two
have as many sizes and seeds, trunks of the same rank and seed are drawn together. Which law is right moves a crossing
more than the noise does, so Chinchilla's law and the coupled one are drawn as often as the law that is told.
"""

from collections.abc import Mapping
from typing import NamedTuple

import numpy as np
import pandas as pd

from workflow.scripts.findings.curves import REACH, Curve, fit_curve, open_interval
from workflow.scripts.forecasts.best_size import cost_of_a_token
from workflow.scripts.forecasts.candidates import Candidate, of_all_budgets
from workflow.scripts.laws.allocation import FlopsPerToken, predicted_loss, printed_loss
from workflow.scripts.laws.estimate import Settings
from workflow.scripts.laws.intervals import bootstrap, percentile_interval
from workflow.scripts.laws.loss_surface import trunks
from workflow.scripts.laws.power_law import points_at
from workflow.scripts.laws.problem import Fit
from workflow.scripts.tables.levels import SAME_TOKENS, levels

OF_N_AND_D = ("chinchilla", "chinchilla_tied", "kaplan", "coupled")  # that `printed_loss` knows
ALSO_DRAWN = ("chinchilla", "coupled")
DRAWS = 80  # of each law
PLACES = 161  # amounts of FLOP that are looked at, and
SIZES = 150  # sizes at each, from a tenth of the smallest to a hundred times the largest
SMALLER, LARGER = 10.0, 100.0
FEWEST = 3  # sizes that a curve at one budget needs


class Frontier(NamedTuple):
    """The lowest loss of one architecture for its FLOP.

    Attributes:
        flops: (k,) ascending.
        loss: (1 + m, k), by the law that is told and then by each draw.
    """

    flops: np.ndarray
    loss: np.ndarray


def crossings(table: pd.DataFrame, archs: tuple[str, str], told: Mapping[str, str], most_flops: float = 0.0) -> dict:
    """Both crossings of two architectures; null in the place of one that these runs do not support.

    Args:
        told: the law of N and D of each architecture, by its key in fit.json; any other where the runs have none of it.
        most_flops: FLOP that are looked at in any case, such as those of the largest forecast.
    """
    rows = [table[table["arch"] == arch] for arch in archs]
    return {
        "archs": list(archs),
        "size": at_equal_size(rows[0], rows[1], archs),
        "flops": along_flops(rows[0], rows[1], archs, told, most_flops),
    }


def at_equal_size(a: pd.DataFrame, b: pd.DataFrame, archs: tuple[str, str]) -> dict | None:
    """Where the losses cross at equal N, at the largest of the budgets of tokens at which both have the most sizes."""
    level = levels(pd.concat([a["tokens"], b["tokens"]]).to_numpy(), SAME_TOKENS)
    cells = [(a[level[: len(a)] == one], b[level[len(a) :] == one]) for one in range(max(level, default=-1) + 1)]
    sizes = [min(part["params"].nunique() for part in cell) for cell in cells]
    if max(sizes, default=0) < FEWEST:
        return None
    parts = cells[max(range(len(cells)), key=lambda one: (sizes[one], one))]
    rng = np.random.default_rng(0)
    curves: list[Curve] = [fit_curve(points_at(part), rng) for part in parts]
    common = max(curve.low for curve in curves), min(curve.high for curve in curves)
    grid = np.geomspace(common[0], common[1] * REACH, 401)
    gap = np.exp(curves[0].log_loss(grid)) - np.exp(curves[1].log_loss(grid))
    return {"tokens": round(float(pd.concat(parts)["tokens"].median())), **crossing_of(grid, gap, common, archs)}


def along_flops(
    a: pd.DataFrame, b: pd.DataFrame, archs: tuple[str, str], told: Mapping[str, str], most_flops: float
) -> dict | None:
    """Where the lowest losses for their FLOP cross: up to ten times the FLOP of the largest run, or ``most_flops``."""
    laws = [{law.name: law for law in of_all_budgets(rows, Settings())} for rows in (a, b)]
    if not all(laws):
        return None
    names = [
        told[arch] if told.get(arch) in found else list(found)[-1] for arch, found in zip(archs, laws, strict=True)
    ]
    both = [name for name in ALSO_DRAWN if all(name in found for found in laws)]
    low = max(rows["flops"].min() for rows in (a, b))
    high = min(rows["flops"].max() for rows in (a, b))
    flops = np.geomspace(low, max(high * REACH, most_flops), PLACES)
    lines = [
        frontier(rows, [found[told_here], *(found[name] for name in both)], flops)
        for rows, found, told_here in zip((a, b), laws, names, strict=True)
    ]
    found = crossing_of(flops, lines[0].loss - lines[1].loss, (low, high), archs)
    return {"laws": dict(zip(archs, names, strict=True)), **found}


def frontier(rows: pd.DataFrame, laws: list[Candidate], flops: np.ndarray) -> Frontier:
    """The lowest loss at each FLOP (k,) by the first of the laws, and by draws of each of them."""
    groups, cost, losses = trunks(rows), cost_of_a_token(rows), []
    for i, law in enumerate(laws):
        drawn = bootstrap(law.problem, Fit(law.whole, 0.0, True), DRAWS, groups if groups_fit(law, groups) else None)
        thetas = drawn if i else np.vstack((law.whole, drawn))
        losses.append(lowest_of(law, thetas, flops, sizes_for(rows), cost))
    return Frontier(flops, np.concatenate(losses))


def groups_fit(law: Candidate, groups: np.ndarray | None) -> bool:
    """Whether the trunks are those of the runs that the law is of, and not of more: some may repeat their data."""
    return groups is not None and len(groups) == len(law.n)


def sizes_for(rows: pd.DataFrame) -> np.ndarray:
    """(SIZES,) sizes among which the best is looked for."""
    return np.geomspace(rows["params"].min() / SMALLER, rows["params"].max() * LARGER, SIZES)


def lowest_of(law: Candidate, thetas: np.ndarray, flops: np.ndarray, n: np.ndarray, cost: FlopsPerToken) -> np.ndarray:
    """(m, k) the lowest loss over sizes ``n`` (j,) at each FLOP (k,), by each law theta (m, p)."""
    d = flops[:, None] / cost(n)
    many = predicted_loss(law.problem.form, thetas, law.problem.data, np.tile(n, len(flops)), d.ravel())
    lowest: np.ndarray = many.reshape(len(thetas), len(flops), len(n)).min(axis=2)
    return lowest


def crossing_of(grid: np.ndarray, gap: np.ndarray, measured: tuple[float, float], archs: tuple[str, str]) -> dict:
    """Where a gap first changes its sign, from the smallest place that both have runs at.

    An end of the interval is None where it lies beyond the grid: a draw that never crosses has its crossing, if any,
    beyond the end towards which the one that begins lower still is the lower.

    Args:
        grid: (k,) places, ascending.
        gap: (1 + m, k) loss of the first of ``archs`` less that of the second, by the best fit and by draws.
        measured: the places from and to which both have runs.
    """
    signs = np.sign(gap)
    turns = np.diff(signs, axis=1) != 0
    beyond = np.where(signs[:, 0] == signs[0, 0], np.inf, -np.inf)
    where = np.where(turns.any(axis=1), zeros(grid, gap, turns.argmax(axis=1)), beyond)
    at = float(where[0]) if turns[0].any() else None
    low, high = open_interval(where[1:])
    largest = int(np.abs(np.log(grid / measured[1])).argmin())
    return {
        "at": at,
        "ci95": None if at is None else [low and min(low, at), high and max(high, at)],
        "share_of_draws": float(turns[1:].any(axis=1).mean()),
        "within_measured": at is not None and bool(measured[0] <= at <= measured[1]),
        "looked_at": [float(grid[0]), float(grid[-1])],
        "ahead_below": archs[int(gap[0, 0] > 0)],
        "at_largest": {
            "at": float(grid[largest]),
            "gap": float(gap[0, largest]),
            "ahead": archs[int(gap[0, largest] > 0)],
            "ci95": percentile_interval(gap[1:, largest]),
        },
    }


def zeros(grid: np.ndarray, gap: np.ndarray, before: np.ndarray) -> np.ndarray:
    """(m,) where each gap (m, k) is zero, linear in log ``grid`` from the place ``before`` to the next."""
    rows = np.arange(len(gap))
    first, second = gap[rows, before], gap[rows, before + 1]
    share = np.divide(first, first - second, out=np.zeros(len(gap)), where=first != second).clip(0, 1)
    logs = np.log(grid)
    places: np.ndarray = np.exp(logs[before] + share * (logs[before + 1] - logs[before]))
    return places


def best_loss(law: Mapping, rows: pd.DataFrame, flops: np.ndarray) -> np.ndarray:
    """(k,) the lowest loss at each FLOP by the printed parameters of a law, a token costing what it does ``rows``."""
    n = sizes_for(rows)
    lowest: np.ndarray = printed_loss(law, n, flops[:, None] / cost_of_a_token(rows)(n)).min(axis=1)
    return lowest
