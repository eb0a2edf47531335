"""Which runs are far from all others, such as one that diverged, and how that is told.

Needs the points of one architecture at one budget of tokens (`laws.line.Points`) and the rows of the table that they
are of. A run among several seeds of its size is told from these (`laws.outliers.run_weights`); the one run of a size,
from the curve through the other sizes.
"""

import numpy as np
import pandas as pd
from scipy.special import fdtrc

from workflow.scripts.findings.curves import curves_through
from workflow.scripts.laws.line import Points
from workflow.scripts.laws.outliers import SEED

ODD = 0.01  # level of the test, of all sizes together
FEWEST = 5  # sizes, of which four leave a degree of freedom to the curve when one is left out
MOST = 12  # sizes that are left out in turn, those farthest from the curve through all


def odd_size(points: Points, other: Points | None = None) -> tuple[int, float] | None:
    """The place of a size whose one run is far from the curve through the other sizes, and by how much of log loss.

    By an F test of leaving it out (Bonferroni over the sizes) against the residuals that remain, and those of an
    ``other`` architecture: the run that is asked about does not widen the noise by which it is judged. It must be off
    by more than any seed is. None where there is no such size.
    """
    single = np.flatnonzero(points.runs == 1)
    if len(points.n) < FEWEST or not len(single):
        return None
    off, squares = left_out(points)
    place = int(single[squares[single].argmin()])
    if not np.isfinite(squares[place]):
        return None
    noise, dof = squares[place], len(points.n) - 4
    if other is not None and len(other.n) >= FEWEST:
        noise, dof = noise + left_out(other)[1].min(), dof + len(other.n) - 4
    everything = float(np.sum(residuals(points) ** 2))
    ratio = (everything - squares[place]) / max(noise / dof, 1e-300)
    far = abs(off[place]) > SEED and fdtrc(1, dof, ratio) * len(points.n) < ODD
    return (place, float(off[place])) if far else None


def left_out(points: Points) -> tuple[np.ndarray, np.ndarray]:
    """(k,) how far each size is above the curve through the others, in log loss; and these others' sum of squares.

    The latter is infinite, and the former 0, of sizes near the curve through all (`MOST`).
    """
    off, squares = np.zeros(len(points.n)), np.full(len(points.n), np.inf)
    for place in np.argsort(-np.abs(residuals(points)))[:MOST]:
        about = residuals(points, np.arange(len(points.n)) != place)
        off[place], squares[place] = about[place], np.sum(np.delete(about, place) ** 2)
    return off, squares


def residuals(points: Points, kept: np.ndarray | None = None) -> np.ndarray:
    """(k,) log loss less that of the curve through the sizes ``kept`` (k,), all of them if None."""
    kept = np.ones(len(points.n), bool) if kept is None else kept
    x = np.log(points.n) - np.log(points.n[kept]).mean()
    log_e, log_a, alpha = curves_through(x[kept], np.log(points.loss[kept])[None])[0]
    return np.asarray(np.log(points.loss) - np.logaddexp(log_e, log_a - alpha * x))


def doubts_of_runs(points: Points, rows: pd.DataFrame) -> list[str]:
    """Warnings that name the runs that are far out; ``rows`` are those that the points are of, in their order."""
    doubts = []
    for run in np.flatnonzero(points.run_weight < 1):
        row = rows.iloc[run]
        beside = (points.run_size == points.run_size[run]) & (points.run_weight == 1)
        off = np.expm1(points.run_log_loss[run] - points.run_log_loss[beside].mean())
        doubts.append(f"{name_of(row)} is {apart(off)} the other seeds of its size: it counts next to nothing")
    if odd := odd_size(points):
        row = rows.iloc[int(np.flatnonzero(points.run_size == odd[0])[0])]
        doubts.append(f"{name_of(row)} is {apart(np.expm1(odd[1]))} the curve through the other sizes")
    return [f"power: {doubt}" for doubt in doubts]


def name_of(row: pd.Series) -> str:
    """A run by its size, its seed if that is known, and its loss."""
    seed = f", seed {row['seed']}" if str(row["seed"]) else ""
    return f"the run of size {row['size']}{seed} (loss {row['loss']:.3f})"


def apart(off: float) -> str:
    """A share above or below, in words."""
    return f"{abs(off):.0%} {'above' if off > 0 else 'below'}"
