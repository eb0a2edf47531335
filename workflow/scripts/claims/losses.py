"""Evidence from losses: laws, plateaus, which architecture is ahead, forecasts, and the noise of seeds."""

from collections.abc import Mapping, Sequence

import numpy as np
import pandas as pd
from scipy.special import bdtrc, fdtri

from workflow.scripts.base.uncertainty import wilson
from workflow.scripts.claims.claim import (
    ORIGINAL,
    OURS,
    REFUTED,
    SUPPORTED,
    UNDECIDED,
    Evidence,
    Interval,
    Verdict,
    above,
    below,
    nothing_measured,
)  # fmt: skip
from workflow.scripts.claims.sources import Study
from workflow.scripts.findings.evidence import evidence
from workflow.scripts.findings.headline import NAMES
from workflow.scripts.findings.words import LAWS
from workflow.scripts.laws.line import Points
from workflow.scripts.laws.power_law import one_budget

LEVEL = 0.05  # of tests that reject something
SATURATES: Mapping[str, Verdict] = {"saturating": REFUTED, "reversal": REFUTED, "flat": REFUTED, "power": SUPPORTED}
PLATEAU: Mapping[str, Verdict] = {"saturating": SUPPORTED, "reversal": REFUTED, "flat": REFUTED, "power": REFUTED}
TRANSFORMER = "Transformer"
TARGET = ("model", "tokens")  # what names a run that was forecast
CROSS = 0.95  # share of draws that two curves must cross in, or miss each other in, for a verdict

POWER_TEST = (
    "Supported if the 95% interval of α lies above zero and neither the lack-of-fit test, the curvature nor the largest"
    " size rejects the straight line of log loss on log N (all together at 5%, Bonferroni); not supported if they"
    " reject it or α's interval lies below zero; undecided otherwise, or where fewer than four sizes can be tested."
)
SATURATION_TEST = (
    "The saturation verdict of the table (docs/method.md, Laws): supported if it is power, not supported if it is"
    " saturating, reversal or flat, undecided if it is inconclusive. The number is the law's irreducible loss."
)
AHEAD_TEST = (
    "Supported if the 95% interval of the difference of loss lies on its side of zero at every place compared; not"
    " supported if it lies on the other side at any; undecided otherwise."
)


def power_law(on: str, of: str, points: Points | None, group: Mapping, at: tuple[str, str]) -> Evidence:
    """Whether a power law of N holds; ``at`` is the file and column of α."""
    if points is None or not group["power"]:
        return nothing_measured(on, f"{of}: too few sizes share a budget of tokens")
    power = group["power"]
    interval = tuple(power["ci95"]["alpha"])
    tested = len(points.n) > 3 or power["lack_of_fit"] is not None
    p = evidence(points, dict(group)).straight if tested else None
    verdict = power_verdict(interval, p)
    return Evidence(on, of, "exponent α", power["alpha"], interval, "plain", *at, verdict, p)


def power_verdict(alpha: Interval, p: float | None) -> Verdict:
    """By `POWER_TEST`; ``p`` that the straight line is right, None where nothing could be tested."""
    rises = above(alpha, 0)
    if rises == REFUTED or (p is not None and p < LEVEL):
        return REFUTED
    return rises if p is not None else UNDECIDED


def falls(study: Study, arch: str) -> Evidence:
    """Whether loss falls with size."""
    power = study.fit["groups"][arch]["power"]
    name = study.names[arch]
    if study.points(arch) is None or not power:
        return nothing_measured(OURS, f"{name}: too few sizes share a budget of tokens")
    interval = tuple(power["ci95"]["alpha"])
    column = f"groups.{arch}.power.alpha"
    return Evidence(
        OURS, name, "exponent α", power["alpha"], interval, "plain", study.file("fit.json"), column, above(interval, 0)
    )


def saturation(
    on: str, of: str, group: Mapping, at: tuple[str, str], verdicts: Mapping[str, Verdict] = SATURATES
) -> Evidence:
    """What the saturation verdict says; ``at`` is the file and column of the irreducible loss."""
    law = group["power_irreducible"]
    value, interval = (law["E"], tuple(law["ci95"]["E"])) if law else (None, None)
    verdict = verdicts.get(group["verdict"], UNDECIDED)
    return Evidence(on, of, f"irreducible loss; verdict {group['verdict']}", value, interval, "plain", *at, verdict)


def told_law(study: Study, arch: str) -> Evidence:
    """Whether the law of N and D that forecasts best fits all runs."""
    group, name = study.fit["groups"][arch], study.names[arch]
    told: str = (group["forecast"] or {}).get("told") or ""
    law = group.get(told)
    if not law or "alpha" not in law:
        return nothing_measured(OURS, f"{name}: no law of N and D was chosen")
    p = (law["lack_of_fit"] or {}).get("p")
    verdict = UNDECIDED if p is None else SUPPORTED if p >= LEVEL else REFUTED
    ends = law["ci95"].get("alpha")
    return Evidence(
        OURS, name, f"exponent α of {LAWS[told]} over {law['n_rows']} runs", law["alpha"], ends and tuple(ends),
        "plain", study.file("fit.json"), f"groups.{arch}.{told}.alpha", verdict, p,
    )  # fmt: skip


def ahead(
    on: str, pair: Mapping, leader: str, names: Mapping[str, str], at: tuple[str, str], by: str = "params"
) -> Evidence:
    """Whether one of a pair of fit.json has the lower loss.

    The number is the difference at the place that speaks most against the leader.

    Args:
        at: the file and the keys that lead to the pair; of the original the table and column that it is computed of.
        by: what the two are equal in, params or flops.
    """
    other = next(arch for arch in pair["archs"] if arch != leader)
    of = f"{names[leader]} against {names[other]}, equal {'N' if by == 'params' else 'FLOP'}"
    gaps = pair[by]["gaps"] if pair[by] else []
    if not gaps or any(gap["ci95"] is None for gap in gaps):
        return nothing_measured(on, f"{of}: no interval")
    sign = 1 if pair["archs"][0] == leader else -1
    sides = [below(ordered([sign * end for end in gap["ci95"]]), 0) for gap in gaps]
    sure, against = sides.count(SUPPORTED), sides.count(REFUTED)
    verdict = REFUTED if against else SUPPORTED if sure == len(gaps) else UNDECIDED
    worst = max(range(len(gaps)), key=lambda i: sign * gaps[i]["gap"])
    what = (
        f"loss of {names[pair['archs'][0]]} less that of {names[pair['archs'][1]]} at"
        f" {'N' if by == 'params' else 'C'} = {gaps[worst]['at']:.3g}; {sure} of {len(gaps)} intervals on its side"
        f" of zero, {against} on the other"
    )
    column = at[1] if on == ORIGINAL else f"{at[1]}.{by}.gaps.{worst}.gap"
    return Evidence(on, of, what, gaps[worst]["gap"], tuple(gaps[worst]["ci95"]), "plain", at[0], column, verdict)


def ordered(ends: Sequence[float]) -> Interval:
    return min(ends), max(ends)


def leader_of(pair: Mapping, by: str = "params") -> str:
    """The one of a pair that has the lower loss over all places compared together."""
    gaps = [gap["gap"] for gap in pair[by]["gaps"]] if pair[by] else []
    return pair["archs"][0] if sum(gaps) <= 0 else pair["archs"][1]


def transformer_of(pair: Mapping) -> str | None:
    """The one of a pair that is a Transformer, if the other is none."""
    found = [arch for arch in pair["archs"] if NAMES.get(arch) == TRANSFORMER]
    return found[0] if len(found) == 1 else None


def crosses(study: Study, number: int, by: str) -> Evidence:
    """Whether the curves of a pair cross within what was measured."""
    pair = study.fit["comparison"]["pairs"][number]
    of = f"{' and '.join(study.names[arch] for arch in pair['archs'])}, {'N' if by == 'params' else 'FLOP'}"
    place = pair[by] and pair[by]["crossing"]
    keys = f"comparison.pairs.{number}.{by}.crossing"
    at = study.file("fit.json"), f"{keys}.at"
    if not pair[by] or not pair[by]["gaps"] or "to_equal" not in pair or pair["to_equal"] is None:
        return nothing_measured(OURS, f"{of}: no curves to compare")
    if not place:
        return Evidence(OURS, of, "no crossing of the fitted curves", None, None, "params", at[0], keys, REFUTED)
    share, measured = place["draws_that_cross"], place["within_measured"]
    verdict = SUPPORTED if measured and share >= CROSS else REFUTED if share <= 1 - CROSS else UNDECIDED
    where = "within" if measured else "outside"
    what = f"crossing, {where} what was measured; {share:.0%} of the redrawn pairs of curves cross"
    return Evidence(OURS, of, what, place["at"], tuple(place["ci95"]), "params", *at, verdict)


def registered_targets(forecast: Mapping) -> list[dict]:
    """The measured targets of forecast.json, each as it was registered first: an outcome counts once."""
    first: dict[tuple, dict] = {}
    for one in forecast["registrations"]:
        for target in one["targets"]:
            if target["observed"] is not None and not target["after_outcome"]:
                first.setdefault(tuple(target[name] for name in TARGET), target)
    return list(first.values())


def forecast_inside(study: Study) -> list[Evidence]:
    """Whether the intervals of registered forecasts held what was measured; of none, those of the largest sizes."""
    if study.forecast and (targets := registered_targets(study.forecast)):
        return [inside_of([target["inside"] for target in targets], study.file("forecast.json"))]
    groups = study.fit["groups"]
    found = [groups[arch]["forecast"] for arch in study.archs if groups[arch]["forecast"]]
    held = [low_of(one["pi95"]) <= one["observed"] <= high_of(one["pi95"]) for one in found]
    if not held:
        return [nothing_measured(OURS, "no forecast was made")]
    return [inside_of(held, study.file("fit.json"))]


def inside_of(held: Sequence[bool], file: str) -> Evidence:
    """How many intervals held their outcomes, and the p of as many misses if each had 95%."""
    n, misses = len(held), len(held) - sum(held)
    p = float(bdtrc(misses - 1, n, LEVEL))
    verdict = SUPPORTED if not misses else REFUTED if p < LEVEL else UNDECIDED
    column = "registrations.*.targets.*.inside" if file.endswith("forecast.json") else "groups.*.forecast.pi95"
    return Evidence(
        OURS, f"{n} runs", f"{n - misses} of {n} measured losses inside their 95% intervals", (n - misses) / n,
        wilson(n - misses, n), "share", file, column, verdict, p,
    )  # fmt: skip


def low_of(interval: Interval) -> float:
    return -np.inf if interval[0] is None else interval[0]


def high_of(interval: Interval) -> float:
    return np.inf if interval[1] is None else interval[1]


def seeds_against_sizes(study: Study, arch: str) -> Evidence:
    """The variance of log loss over seeds against that over sizes, at one budget (one-way analysis of variance)."""
    name = study.names[arch]
    rows = one_budget(study.table[study.table["arch"] == arch]).rows
    ratio = variance_ratio(rows)
    if ratio is None:
        return nothing_measured(OURS, f"{name}: one seed, or one size")
    value, interval = ratio
    return Evidence(
        OURS, name, "variance of log loss between seeds / between sizes", value, interval, "plain",
        study.file("runs.csv"), "test_loss", below(interval, 1),
    )  # fmt: skip


def variance_ratio(rows: pd.DataFrame) -> tuple[float, Interval] | None:
    """Mean square of log loss within sizes over that between them, with its 95% interval by F; None of too few runs.

    Args:
        rows: runs of one architecture and budget, with params and loss.
    """
    logs = np.log(rows["loss"]).groupby(rows["params"])
    within_dof, between_dof = len(rows) - logs.ngroups, logs.ngroups - 1
    if within_dof < 1 or between_dof < 1:
        return None
    within = float(((logs.count() - 1) * logs.var().fillna(0.0)).sum() / within_dof)
    between = float((logs.count() * (logs.mean() - np.log(rows["loss"]).mean()) ** 2).sum() / between_dof)
    if between == 0:
        return None
    low, high = fdtri(within_dof, between_dof, (0.025, 0.975))
    ratio = within / between
    return ratio, (float(ratio / high), float(ratio / low))
