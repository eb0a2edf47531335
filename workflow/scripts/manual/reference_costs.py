"""Of the page on a study with a registered forecast: what a GPU would add, hours, the corpus."""

from collections.abc import Mapping
from typing import NamedTuple

import numpy as np
import pandas as pd

from workflow.scripts.base.amounts import short
from workflow.scripts.base.tables import table
from workflow.scripts.evaluation.runs_table import ROUNDED
from workflow.scripts.figures.summary import corpus_table, leak_sentence, seconds_spent
from workflow.scripts.manual.record import Record
from workflow.scripts.manual.reference_known import TOKENS_A_PARAMETER
from workflow.scripts.training.cost import DEVICES

HOUR = 3600.0
GPUS, PRECISION = ("rtx3090", "h100"), "bfloat16"
UTILISATION = 0.35  # share of a card's FLOP that a well-fed training step reaches; assumed, not measured here
DECADE = 10.0
STAGES = {
    "suite": "runs of the fit",
    "longer": "longer runs of it",
    "targets": "forecast runs",
    "settings": "other settings",
    "trials": "learning rates",
}


def gpus(record: Record, original: pd.DataFrame | None) -> list[str]:
    """Hours of cards, computed from FLOP of 6 N D, data sheets, and a share that is assumed."""
    runs = record.runs if record.targets is None else pd.concat([record.runs, record.targets])
    speed = runs["flops"].sum() / runs["seconds"].sum()  # both with the trunk of each run
    plans = {}
    if original is not None:
        n = float(original["params"].max())
        d = TOKENS_A_PARAMETER * n
        plans[f"the original study's largest, {short(n)} parameters, on {short(d)} tokens"] = 6 * n * d
    largest = max([*runs["flops"], *(target.flops for target in record.head.targets)])
    plans[f"one run of {DECADE:g} times the FLOP of the largest here"] = DECADE * largest
    plans[f"all runs here again, with {DECADE:g} times the FLOP"] = DECADE * runs["flops"].sum()
    rows = []
    for what, flops in plans.items():
        hours = [flops / (DEVICES[name].tflops[PRECISION] * 1e12 * UTILISATION) / HOUR for name in GPUS]
        rows.append([what, f"{flops:.2g}", *map(duration, hours), duration(flops / speed / HOUR)])
    devices = ", ".join(sorted(runs["device"].dropna().unique())) if "device" in runs else "this machine"
    return [
        f"A GPU would add decades of compute. Of one card at {UTILISATION:.0%} of the {PRECISION} FLOP of its data"
        f" sheet (assumed; small models reach less), and at the {speed:.2g} FLOP a second that the runs here had on"
        f" {devices}:",
        table(["run", "FLOP", *GPUS, "as here"], rows),
    ]


def duration(hours: float) -> str:
    """Hours as they are told."""
    if hours < 1:
        return f"{hours * 60:.2g} minutes"
    return f"{hours:.3g} hours" if hours < 100 else f"{hours / 24:,.0f} days"


class Spent(NamedTuple):
    """Runs of a stage, their seconds of training, and those of the plans of the machines that they ran on, if known."""

    runs: int
    seconds: float
    planned: float | None = None


def hours(record: Record) -> list[str]:
    """Hours of training by kind, each trunk once, beside what was planned."""
    plan = record.json("plan.json")
    is_longer = record.runs["tokens"] > ROUNDED * max((plan or {}).get("tokens") or [np.inf])
    suite, longer = record.runs[~is_longer], record.runs[is_longer]
    spent = {
        "suite": Spent(len(suite), seconds_spent(suite)),
        "longer": Spent(len(longer), seconds_spent(record.runs) - seconds_spent(suite)),
        "targets": alone(record.targets),
        "settings": alone(record.csv("ablations.csv")),
        "trials": alone(record.csv("lr_transfer.csv")),
    }
    rows = []
    for stage, what in STAGES.items():
        if stage == "longer" and longer.empty:
            continue
        found = spent[stage]
        cells = ["", "not recorded"] if found is None else [f"{found.runs:,}", f"{found.seconds / HOUR:.2f}"]
        seconds = found.planned if found and found.planned is not None else planned(plan, stage)
        rows.append([what, *cells, *beside(seconds, found)])
    known_ = [found for found in spent.values() if found]
    total = [f"{sum(each.runs for each in known_):,}", f"{sum(each.seconds for each in known_) / HOUR:.2f}"]
    rows.append(["**together**", *total, "", ""])
    header = ["what", "runs", "hours of training", "hours planned", "planned / measured - 1"]
    return [
        "Runs that branch off one trunk share its hours, which are counted once. Planned: of jobs one after the other,"
        " with their start and their validations, by the plan of the machine that trained them, where their table has"
        " that, and otherwise of the one that trained the runs of the fit"
        + ("." if plan else "; no plan.json is recorded."),
        table(header, rows),
    ]


def alone(runs: pd.DataFrame | None) -> Spent | None:
    """What runs took that were each trained by themselves, if a table has it."""
    if runs is None or "seconds" not in runs:
        return None
    is_planned = "planned_seconds" in runs and runs["planned_seconds"].notna().all()
    return Spent(len(runs), float(runs["seconds"].sum()), float(runs["planned_seconds"].sum()) if is_planned else None)


def planned(plan: Mapping | None, stage: str) -> float | None:
    """Seconds of a stage by the plan; of an older one the suite and the trials alone are known."""
    if not plan:
        return None
    sums = plan.get("stages", {}).get(stage)
    older = {"suite": "job_seconds", "trials": "trial_seconds"}
    return sums["job_seconds"] if sums else plan["total"].get(older.get(stage, ""))


def beside(seconds: float | None, found: Spent | None) -> list[str]:
    """Hours that were planned, and how far they are from those measured."""
    if seconds is None:
        return ["", ""]
    return [f"{seconds / HOUR:.2f}", f"{seconds / found.seconds - 1:+.0%}" if found else ""]


def corpus(record: Record) -> list[str]:
    """What the models learnt from."""
    found = record.json("corpus.json")
    if not found:
        return ["`corpus.json` is not recorded yet."]
    dropped = ", ".join(f"{count:,} {reason}" for reason, count in found["rejected"].items()) or "nothing"
    licences = sorted({source["licence"] for source in found["sources"] if source.get("licence")})
    terms = f"Licence, as `corpus.json` has it: {'; '.join(licences)}. " if licences else ""
    figure = ["![What the corpus is made of](corpus.png)"] if record.has("corpus.png") else []
    return [
        f"`{found['input']}`: {found['tunes']:,} tunes of {found['files']:,} files kept, {found['chars']:,} characters,"
        f" {found['distinct_chars']} of them distinct; dropped: {dropped}. {terms}"
        "[data/README.md](../../data/README.md)"
        f" has its terms and how to get it. Its content has the SHA-256 `{found['content_sha256']}`.",
        corpus_table(found),
        *leak_sentence(found["leakage"]),
        *figure,
    ]
