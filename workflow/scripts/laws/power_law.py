"""Power laws in N at one budget of tokens: the runs they are fitted to, and the fits.

Needs the runs of one architecture, as `tables.table.read_table` gives them. A law in N alone holds at one D, so only
runs of one budget of tokens are used, and of each size one point, the mean over seeds of log loss.
"""

from dataclasses import replace
from typing import NamedTuple

import numpy as np
import pandas as pd

from workflow.scripts.laws.batched_bfgs import minimise_all
from workflow.scripts.laws.estimate import LOOSE, Search, Settings, search, starting_points, variable_projection
from workflow.scripts.laws.forms import LARGEST, POWER_IRREDUCIBLE, Data, data_of
from workflow.scripts.laws.intervals import percentile_interval
from workflow.scripts.laws.line import (
    Noise,
    Points,
    lack_of_fit,
    leave_one_out_error,
    points_of,
    pooled_line,
    pooled_noise,
    r_squared,
    sizes_noise,
    t_interval,
)  # fmt: skip
from workflow.scripts.laws.problem import Problem
from workflow.scripts.laws.report import SHARED, Outcome, left_out_error, summarise, widened
from workflow.scripts.tables.levels import SAME_TOKENS, levels

MANY_EPOCHS = 4.0  # beyond, repeated tokens are worth clearly less than new ones (Muennighoff et al. 2023)
MISFIT = 0.05  # no seed moves a loss by so much: residuals beyond are the law's fault


class Budget(NamedTuple):
    """The runs that a law in N alone is fitted to.

    Attributes:
        rows: of the table.
        tokens: D of each; None if that is not known, or not one number.
        alike: they are of one budget, as far as is known, and it is that of at least half of the sizes.
        warnings: what a reader has to know of the choice, as sentences.
    """

    rows: pd.DataFrame
    tokens: int | None
    alike: bool
    warnings: list[str]


def one_budget(rows: pd.DataFrame) -> Budget:
    """Runs of one budget of tokens, and of one amount of unique ones.

    The budget that most sizes have; among equals one whose data were not read too often, then the largest budget, then
    the most unique tokens. Where none has three sizes (or all, if there are fewer): the best run of each size, and a
    warning. One that less than half of the sizes have is none that the table is of.
    """
    if rows["tokens"].isna().all():
        return Budget(rows, None, True, ["tokens are not given: the runs are taken to be of one budget"])
    cell = pd.Series(
        list(zip(levels(rows["tokens"].to_numpy(), SAME_TOKENS), levels(rows["unique_tokens"].to_numpy(), SAME_TOKENS),
                 strict=True)), index=rows.index,
    )  # fmt: skip
    counts = rows.groupby(cell)["params"].nunique()
    fresh = (rows["tokens"] / rows["unique_tokens"]).groupby(cell).max() <= MANY_EPOCHS
    best = max(counts.index, key=lambda key: (counts[key], fresh[key], key))
    if counts[best] < min(3, rows["params"].nunique()):
        lowest = rows.loc[rows.groupby("params")["loss"].idxmin()]
        warning = (
            "power: no budget of tokens has three sizes, so each size's best run was taken; their tokens differ, and"
            " the exponent is not that of N alone"
        )
        return Budget(lowest, None, False, [warning])
    chosen = rows[cell == best]
    tokens = round(chosen["tokens"].median())
    common = counts[best] >= rows["params"].nunique() / 2
    return Budget(chosen, tokens, bool(common), doubts_of_budget(rows, chosen, tokens))


def points_at(rows: pd.DataFrame, column: str = "params") -> Points:
    """One point a size of runs of one budget; or a FLOP count, by ``column``.

    Sizes are weighted by their errors of evaluation where these differ much.
    """
    loss = rows["loss"].to_numpy()
    return points_of(
        rows[column].to_numpy(), loss, rows["loss_se"].to_numpy(float) / loss if "loss_se" in rows else None
    )


def doubts_of_budget(rows: pd.DataFrame, chosen: pd.DataFrame, tokens: int) -> list[str]:
    """What a reader has to know of the runs ``chosen`` among ``rows`` for their budget."""
    doubts = []
    absent = sorted(set(rows["params"]) - set(chosen["params"]))
    if absent:
        doubts.append(f"power: {len(absent)} sizes have no run at {tokens:,} tokens")
    epochs = float((chosen["tokens"] / chosen["unique_tokens"]).max())
    if epochs > MANY_EPOCHS:
        doubts.append(f"power: the runs read their data {epochs:.1f} times")
    named = chosen[chosen["seed"] != ""]
    if named.duplicated(["params", "seed"]).any():
        doubts.append("power: a size has several rows of one seed, taken for several seeds")
    return doubts


def same_tokens(a: int | None, b: int | None) -> bool:
    """Whether two budgets are the same: two unknown ones may be, a known and an unknown one are not."""
    return a == b if a is None or b is None else bool(abs(np.log(a / b)) < SAME_TOKENS)


def fit_power(points: Points, settings: Settings, evaluation_se: float) -> dict:
    """L = A N^-alpha by `curve_fit` of log L on log N, with t intervals by `pooled_noise`; needs three sizes.

    ``evaluation_se``: relative standard error of the loss that all runs share, as they were measured on the same text.
    It moves A and not alpha; what it does to single runs is in the residuals already.
    """
    line = pooled_line(points)
    log_loss = np.log(points.loss)
    rss = float(np.sum((log_loss - line.log_loss(points.n)) ** 2))
    errors = np.sqrt(np.diag(line.covariance))
    log_a = [line.log_a, *widened(t_interval(line.log_a, errors[0], line.dof), line.log_a, SHARED * evaluation_se)]
    a, *ends = np.exp(np.clip(log_a, -LARGEST, LARGEST)).tolist()  # sizes that are nearly one leave A without a bound
    return {
        "formula": "L = A/N^alpha",
        "alpha": line.alpha,
        "A": a,
        "ci95": {"alpha": t_interval(line.alpha, errors[1], line.dof), "A": ends},
        "bootstrap95": {"alpha": percentile_interval(resampled_slopes(points, settings.draws))},
        "covariance_log_A_alpha": line.covariance.tolist(),
        "dof": line.dof,
        "noise": line.noise.entry(),
        "objective": line.rss,
        "n_rows": len(points.run_log_loss),
        "n_sizes": len(points.n),
        "r2": r_squared(log_loss, rss),
        "aicc": aicc(rss, len(points.n), 3),
        "loo_error": leave_one_out_error(points) if len(points.n) > 3 else None,
        "lack_of_fit": lack_of_fit(points, line.log_loss(points.n), 2),
        "converged": True,
    }


def aicc(rss: float, n: int, k: int) -> float | None:
    """Akaike's criterion for few points (Hurvich and Tsai 1989), of n points and k parameters with the noise.

    None below 6 points, and of a perfect fit.
    """
    if n < 6 or n - k - 1 < 1 or rss <= 0:
        return None
    return float(n * np.log(rss / n) + 2 * k + 2 * k * (k + 1) / (n - k - 1))


def resamples(points: Points, draws: int, fewest: int) -> tuple[np.ndarray, np.ndarray]:
    """Runs drawn again with replacement, ``draws`` times, less the draws that have not the ``fewest`` sizes.

    Returns:
        Which sizes are in each of m draws, and their mean log losses, both (m, k). A size that is not drawn has the
        mean of all its runs.
    """
    runs, sizes = len(points.run_log_loss), len(points.n)
    times = np.random.default_rng(0).multinomial(runs, np.full(runs, 1 / runs), size=draws) * points.run_weight
    of_size = points.run_size[:, None] == np.arange(sizes)
    counts = times @ of_size
    sums = times * points.run_log_loss @ of_size
    means = np.where(counts > 0, sums / np.where(counts > 0, counts, 1), np.log(points.loss))
    enough = (counts > 0).sum(axis=1) >= fewest
    return counts[enough] > 0, means[enough]


def resampled_slopes(points: Points, draws: int) -> np.ndarray:
    """(m,) alphas of the lines through resampled runs."""
    drawn, means = resamples(points, draws, 3)
    x = np.log(points.n)
    return np.array([-np.polyfit(x[sizes], y[sizes], 1)[0] for sizes, y in zip(drawn, means, strict=True)])


def fit_power_irreducible(points: Points, settings: Settings, evaluation_se: float) -> Outcome:
    """L = E + A N^-alpha by least squares of log L over one point a size; absent below four sizes.

    Squares rather than Huber's loss: of so few points none can be known to be an outlier. Intervals are by
    `pooled_noise`. ``evaluation_se``: see `fit_power`.
    """
    if len(points.n) < 4:
        return Outcome(None, [], "three sizes cannot tell an irreducible loss")
    data = data_of(points.n, points.n, points.loss)
    problem, found, noise = fit_floor(points, data)
    law, warnings = summarise(problem, found, variable_projection(POWER_IRREDUCIBLE, data), evaluation_se)
    fitted = POWER_IRREDUCIBLE.predict(found.best.theta, data)[0]
    rss = float(np.sum((fitted - np.log(points.loss)) ** 2))
    misfit = float(np.sqrt(rss / (len(points.n) - 3)))
    if misfit > MISFIT:
        warnings.append(f"power_irreducible: the law misses its sizes by {misfit:.0%}, so its E says little")
    drawn, means = resamples(points, settings.draws, 4)
    many = Problem(POWER_IRREDUCIBLE, data._replace(log_loss=means), weights=drawn.astype(float))
    log_e, _, alphas = minimise_all(many, found.best.theta, LOOSE).theta.T
    law |= {
        "bootstrap95": {"alpha": percentile_interval(alphas), "E": percentile_interval(np.exp(log_e))},
        "dof": noise.dof,
        "noise": noise.entry(),
        "misfit": misfit if misfit > MISFIT else None,
        "n_rows": len(points.run_log_loss),
        "n_sizes": len(points.n),
        "aicc": aicc(rss, len(points.n), 4),
        "loo_error": irreducible_leave_one_out_error(problem) if len(points.n) > 4 else None,
        "lack_of_fit": lack_of_fit(points, fitted, 3),
    }
    return Outcome(law, warnings, "")


def fit_floor(points: Points, data: Data) -> tuple[Problem, Search, Noise]:
    """The law with irreducible loss of ``data``, one row a size of ``points``, and the noise that its intervals are by.

    Sizes are weighted only as long as seeds explain how far they lie from the law.
    """
    problem = Problem(POWER_IRREDUCIBLE, data, weights=points.weight)
    found = search(problem)
    noise = pooled_noise(points, POWER_IRREDUCIBLE.predict(found.best.theta, data)[0], 3)
    if noise.source == "sizes" and points.seeds_tell and np.ptp(points.weight) > 0:
        problem = Problem(POWER_IRREDUCIBLE, data)
        found = search(problem)
        fitted = POWER_IRREDUCIBLE.predict(found.best.theta, data)[0]
        noise = sizes_noise(points, fitted, 3, problem.row_weights)
    return replace(problem, noise=(noise.variance, noise.dof)), found, noise


def irreducible_leave_one_out_error(problem: Problem) -> float:
    """Mean relative error of the loss at each size, predicted by the law with irreducible loss of all the others.

    All are fitted at once, each from the whole grid of starts.
    """
    starts = starting_points(problem.form, problem.data)
    count, many = len(problem.data.log_loss), len(starts)
    rest = np.repeat(1 - np.eye(count), many, axis=0)
    ended = minimise_all(replace(problem, weights=rest), np.tile(starts, (count, 1)), LOOSE)
    lowest = ended.objective.reshape(count, many).argmin(axis=1) + many * np.arange(count)
    return left_out_error(problem, ended.theta[lowest])
