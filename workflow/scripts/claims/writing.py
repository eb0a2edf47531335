"""Evidence from what models wrote without a prompt: whether a rate rises with size, and from which size on it is there.

No row has a prompt, so none of the answer is given to a model. Rates have Wilson's intervals over the tunes of all
seeds; what is no rate, a mean over tunes, has Student's t over seeds.
"""

from collections.abc import Sequence

import numpy as np
import pandas as pd
from scipy.special import stdtrit

from workflow.scripts.base import measures
from workflow.scripts.base.uncertainty import wilson
from workflow.scripts.claims.claim import (
    OURS,
    REFUTED,
    SUPPORTED,
    UNDECIDED,
    Evidence,
    Point,
    Verdict,
    above,
    nothing_measured,
)  # fmt: skip
from workflow.scripts.claims.sources import Study

OF_REAL = 0.5  # a model has an ability once it shows it this often, as a share of how often real tunes do
SEEN = 0.05  # that real tunes must show it, at least, for that to mean anything
COPIES = 0.05  # a rise of the copied tunes by less is none
NOTHING = "nothing was written"


def counted(rows: pd.DataFrame, measure: str) -> tuple[int, int]:
    """(passed, judged) of a rate over several rows."""
    rate = measures.Rate(measure)
    n = rows[rate.n].fillna(0)
    return round(float((rows[rate.rate].fillna(0) * n).sum())), int(n.sum())


def point_of(rows: pd.DataFrame, measure: str) -> Point | None:
    """A measure at one size, its seeds together; None where it was not taken."""
    first = rows.iloc[0]
    where = int(first["params_non_embedding"]), int(first["tokens"])
    if isinstance(measure, measures.Rate):
        passed, n = counted(rows, measure)
        return Point(*where, n, passed / n, wilson(passed, n), first["file"]) if n else None
    values = rows[measure].dropna().to_numpy(float)
    if not len(values):
        return None
    half = stdtrit(len(values) - 1, 0.975) * values.std(ddof=1) / np.sqrt(len(values)) if len(values) > 1 else None
    mean = float(values.mean())
    interval = None if half is None else (mean - float(half), mean + float(half))
    return Point(*where, int(rows["samples"].sum()), mean, interval, first["file"])


def points_by_size(rows: pd.DataFrame, measure: str) -> list[Point]:
    """A measure at each size, ascending."""
    found = [point_of(some, measure) for _, some in rows.groupby(["params_non_embedding", "tokens"])]
    return [point for point in found if point]


def first_above(points: Sequence[Point], threshold: float) -> int | None:
    """The smallest size from which on every interval lies above the threshold.

    One size may pass by chance where smaller and larger ones do not, so it is the first of an unbroken end. A size
    whose interval is not known, as of one seed, counts neither way.
    """
    first = None
    for point in reversed([point for point in points if point.interval]):
        assert point.interval is not None
        if point.interval[0] <= threshold:
            break
        first = point.params
    return first


def ability(study: Study, arch: str, measure: str, beyond: float, by: float) -> Evidence:
    """From which size on an architecture has an ability, and whether that is where the claim says.

    Args:
        beyond: the size that does not have it yet, by the claim; 0 if there is none.
        by: the size that has it.
    """
    name = study.names[arch]
    rows = study.writing
    real = None if rows is None else rows[rows["writer"] == "real"]
    own = None if rows is None else rows[rows["arch"] == arch]
    if real is None or own is None or real.empty or own.empty or (among := real_share(real, measure)) is None:
        return nothing_measured(OURS, f"{name}: {NOTHING}")
    points, threshold = points_by_size(own, measure), OF_REAL * among
    column = measures.column_of(measure)
    first, largest = first_above(points, threshold), points[-1].params if points else 0
    verdict = UNDECIDED if among < SEEN else where_it_begins(first, largest, beyond, by)
    said = f"smallest size whose interval lies above {threshold:.1%} (half of the {among:.1%} of real tunes)"
    if among < SEEN:
        said, first = f"real tunes of this corpus have it in {among:.1%}, so no size can be told", None
    return Evidence(
        OURS, name, said, first, None, "params", study.file("writing.csv"), column, verdict, None, points, threshold
    )


def real_share(real: pd.DataFrame, measure: str) -> float | None:
    """How often real tunes show a thing, or its mean among them; None where it was not taken."""
    column = measures.column_of(measure)
    return float(real[column].iloc[0]) if real[column].notna().any() else None


def where_it_begins(first: int | None, largest: int, beyond: float, by: float) -> Verdict:
    """Whether an ability begins beyond one size and by another."""
    if first is None:
        return REFUTED if largest >= by else UNDECIDED
    return SUPPORTED if beyond < first <= by else REFUTED


def trend(study: Study, arch: str, measure: measures.Rate) -> Evidence:
    """Whether a rate rises with size: the slope of its log odds on log10 N over all runs, by least squares and t."""
    name = study.names[arch]
    rows = None if study.models is None else study.models[study.models["arch"] == arch]
    if rows is None or len(rows) < 4 or rows["params_non_embedding"].nunique() < 3:
        return nothing_measured(OURS, f"{name}: fewer than three sizes and four runs")
    n = rows[measure.n].to_numpy(float)
    passed = rows[measure.rate].to_numpy(float) * n
    odds = np.log((passed + 0.5) / (n - passed + 0.5))
    if not np.ptp(odds):
        return nothing_measured(OURS, f"{name}: the rate is the same in all runs")
    x = np.log10(rows["params_non_embedding"].to_numpy(float))
    x -= x.mean()
    slope = float(x @ odds / (x @ x))
    rest = odds - odds.mean() - slope * x
    half = float(stdtrit(len(rows) - 2, 0.975) * np.sqrt(rest @ rest / (len(rows) - 2) / (x @ x)))
    interval = slope - half, slope + half
    return Evidence(
        OURS, name, f"slope of the log odds of {measure} a decade of N", slope, interval, "plain",
        study.file("writing.csv"), measure.rate, above(interval, 0), None, points_by_size(rows, measure),
    )  # fmt: skip


def no_more_copies(study: Study, arch: str) -> Evidence:
    """Whether the largest size copies no more than the smallest (Newcombe's interval of a difference of rates)."""
    name = study.names[arch]
    rows = None if study.models is None else study.models[study.models["arch"] == arch]
    points = [] if rows is None else points_by_size(rows, measures.COPIED)
    if len(points) < 2:
        return nothing_measured(OURS, f"{name}: fewer than two sizes")
    value, interval = difference(points[-1], points[0])
    verdict = SUPPORTED if interval[1] < COPIES else REFUTED if interval[0] > 0 else UNDECIDED
    return Evidence(
        OURS, name, f"copied tunes of the largest size less those of the smallest ({points[-1].n} tunes each)", value,
        interval, "share", study.file("writing.csv"), measures.COPIED.rate, verdict, None, points,
    )  # fmt: skip


def difference(one: Point, other: Point) -> tuple[float, tuple[float, float]]:
    """One rate less another, with its 95% interval (Newcombe 1998, method 10)."""
    assert one.interval is not None  # as rates have one
    assert other.interval is not None
    value = one.value - other.value
    down = np.hypot(one.value - one.interval[0], other.interval[1] - other.value)
    up = np.hypot(one.interval[1] - one.value, other.value - other.interval[0])
    return value, (float(value - down), float(value + up))
