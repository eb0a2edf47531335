"""How claims are shown: as claims.json, and as values of the page's template."""

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np

from workflow.scripts.base.amounts import short
from workflow.scripts.claims.claim import ORIGINAL, OURS, REFUTED, SUPPORTED, UNDECIDED, Claim, Evidence, Verdict
from workflow.scripts.pages.render import render

LEVEL = 0.95
MARKS = {SUPPORTED: ("✓", "good"), REFUTED: ("✗", "bad"), UNDECIDED: ("?", "doubt")}
WIDTH, HEIGHT, MARGIN = 132, 34, 5  # of a sparkline, in pixels


class Spark(NamedTuple):
    """A small picture of a rate by size: what the SVG of the template draws.

    Attributes:
        line: points of a polyline.
        bars: (x, low, high) of each interval.
        dots: (x, y) of each size.
        threshold: height of the threshold; None without one.
        said: the same in words, for who does not see it.
    """

    line: str
    bars: list[tuple[float, float, float]]
    dots: list[tuple[float, float]]
    threshold: float | None
    said: str


def facts(claims: Sequence[Claim], tables: str, original: str) -> dict:
    """The contents of claims.json."""
    return {
        "level": LEVEL,
        "tables": tables,
        "original": original,
        "claims": [
            {
                "key": claim.key,
                "by": claim.by,
                "where": claim.where,
                "says": claim.says,
                "test": claim.test,
                "note": claim.note,
                "verdict": {on: claim.verdict(on) for on in (ORIGINAL, OURS)},
                "evidence": [
                    one._asdict() | {"points": [point._asdict() for point in one.points]} for one in claim.evidence
                ],
            }
            for claim in claims
        ],
    }


def page(claims: Sequence[Claim], tables: str) -> str:
    """The page of HTML."""
    abilities = [claim for claim in claims if claim.key.startswith("ability-")]
    rest = [claim for claim in claims if not claim.key.startswith("ability-")]
    return render(
        "claims/claims.html.j2",
        groups=[
            ("Claims of the original README", "original", [claim for claim in rest if claim.by == ORIGINAL]),
            ("Claims of this study", "ours", [claim for claim in rest if claim.by == OURS]),
            ("“Emergent capabilities” of the original README", "abilities", abilities),
        ],
        counts=counts(claims),
        tables=tables,
        mark=mark,
        number=number,
        telling=telling,
        interval=interval_words,
        spark=spark,
        short=short,
    )


def counts(claims: Sequence[Claim]) -> list[tuple[str, dict[Verdict, int]]]:
    """How many verdicts of each kind there are, of whose claims by whose tables."""
    kinds = (
        ("The original's claims, on its own tables", ORIGINAL, ORIGINAL),
        ("The original's claims, on ours", ORIGINAL, OURS),
        ("This study's claims, on its tables", OURS, OURS),
    )
    found: list[tuple[str, dict[Verdict, int]]] = []
    for words, by, on in kinds:
        verdicts = [claim.verdict(on) for claim in claims if claim.by == by]
        found.append((words, {verdict: verdicts.count(verdict) for verdict in MARKS}))
    return found


def mark(verdict: Verdict) -> tuple[str, str]:
    """The sign and the class of a verdict."""
    return MARKS[verdict]


def telling(claim: Claim) -> Evidence | None:
    """The one number that a claim is shown with: the first that decided its verdict, on our tables if there is one."""
    for on in (OURS, ORIGINAL):
        verdict = claim.verdict(on)
        for one in claim.evidence:
            if one.on == on and one.verdict == verdict and one.value is not None:
                return one
    return next((one for one in claim.evidence if one.value is not None), None)


def number(value: float | None, shown: str) -> str:
    """A number as it is printed."""
    if value is None:
        return "–"
    if shown == "share":
        return f"{value:.1%}"
    if shown == "params":
        return short(value)
    return f"{value:.3f}" if abs(value) < 1000 else short(value)


def interval_words(one: Evidence) -> str:
    """The 95% interval of an evidence as it is printed; empty if there is none."""
    if one.interval is None:
        return ""
    low, high = ("open" if end is None else number(end, one.shown) for end in one.interval)
    return f"[{low}, {high}]"


def spark(one: Evidence) -> Spark | None:
    """The sparkline of an evidence that has a rate at two sizes or more."""
    points = one.points
    if len(points) < 2:
        return None
    ends = [end for point in points for end in (point.interval or (point.value,))]
    low = min(0.0, *ends)
    high = max([*ends, one.threshold or 0.0, low + 1e-9])
    logs = np.log([point.params for point in points])
    across = MARGIN + (WIDTH - 2 * MARGIN) * (logs - logs[0]) / max(logs[-1] - logs[0], 1e-9)

    def up(value: float) -> float:
        return round(HEIGHT - MARGIN - (HEIGHT - 2 * MARGIN) * (value - low) / (high - low), 1)

    dots = [(round(float(x), 1), up(point.value)) for x, point in zip(across, points, strict=True)]
    bars = [
        (x, up(point.interval[0]), up(point.interval[1]))
        for (x, _), point in zip(dots, points, strict=True)
        if point.interval
    ]
    return Spark(
        " ".join(f"{x},{y}" for x, y in dots), bars, dots, None if one.threshold is None else up(one.threshold),
        f"{one.of}: " + ", ".join(f"{point.value:.0%} at {short(point.params)}" for point in points),
    )  # fmt: skip
