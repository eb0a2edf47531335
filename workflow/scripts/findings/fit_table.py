"""A table of runs -> every law that it supports, for each architecture, and how architectures differ: fit.json.

Needs a CSV that `tables.table.read_table` can read. What each key of fit.json means is in
workflow/schemas/fit.schema.json.
"""

import itertools
import types
from collections.abc import Callable, Mapping
from pathlib import Path

import numpy as np
import pandas as pd
from tqdm import tqdm

from workflow.scripts.base.errors import InputError
from workflow.scripts.findings.comparison import compare_groups
from workflow.scripts.findings.odd_runs import doubts_of_runs
from workflow.scripts.findings.verdict import judge, sentences
from workflow.scripts.findings.words import law_words
from workflow.scripts.forecasts.ask import Questions, answers
from workflow.scripts.forecasts.largest import forecast_largest
from workflow.scripts.laws.estimate import Settings
from workflow.scripts.laws.forms import Form
from workflow.scripts.laws.isoflop import fit_compute, fit_isoflop
from workflow.scripts.laws.line import Points, curvature
from workflow.scripts.laws.loss_surface import CANDIDATES, ONCE, fit_surface
from workflow.scripts.laws.power_law import fit_power, fit_power_irreducible, one_budget, points_at
from workflow.scripts.laws.repetition import REPEAT, SMS
from workflow.scripts.laws.report import Outcome
from workflow.scripts.tables.table import read_table

# What can be asked for: keys of fit.json.
FORMS = (
    "power", "power_irreducible", "chinchilla", "chinchilla_tied", "kaplan", "coupled", "repeat", "repeat_sms",
    "isoflop", "compute",
)  # fmt: skip
SURFACES: dict[str, Form] = {form.name: form for form in (*CANDIDATES, REPEAT, SMS)}
OF_COMPUTE: dict[str, Callable[[pd.DataFrame], Outcome]] = {"isoflop": fit_isoflop, "compute": fit_compute}
OF_N = ("power", "power_irreducible")
NOTHING_ASKED = Questions((), ())
NO_COLUMNS: Mapping[str, str] = types.MappingProxyType({})
SLOW = 5.0  # seconds after which progress is shown
READ_ONCE = "forecasts are of runs that read their data once, and some of these repeat them"
UNKNOWN_NOISE = "the noise of the test set is not known, so the intervals of E, A and B are too narrow"


def fit_table(
    path: str | Path,
    by: str = "arch",
    exclude_highest: int = 0,
    form: str = "all",
    settings: Settings | None = None,
    flops_from: float | None = None,
    questions: Questions = NOTHING_ASKED,
    columns: Mapping[str, str] = NO_COLUMNS,
    loss_unit: str = "nats",
) -> tuple[pd.DataFrame, dict]:
    """The table as it was read, and what goes into fit.json.

    Args:
        by: column whose values are fitted apart.
        exclude_highest: so many of the highest losses of each are left out.
        form: one of `FORMS`, or all.
        flops_from: runs of at least so many FLOP are predicted from the rest, as a forecast; else the top half decade.
        questions: runs whose loss is to be forecast, and amounts of compute whose best run is.
        columns: see ``given`` of `read_table`.
        loss_unit: see `read_table`.

    Raises:
        InputError: see `read_table`; or more is to be left out than there is.
    """
    settings = settings or Settings()
    table, assumed = read_table(path, by, given=columns, loss_unit=loss_unit)
    forms = FORMS if form == "all" else (form,)
    kept, groups = [], {}
    for name, rows in table.groupby(by, sort=True):
        if exclude_highest >= len(rows):
            raise InputError(f"{path}: {name} has {len(rows)} rows, so {exclude_highest} cannot be left out")
        rows = rows.sort_values("loss", kind="stable").iloc[: len(rows) - exclude_highest].sort_index()
        kept.append(rows)
        groups[name] = fit_group(rows, name, settings, forms, flops_from, questions)
    table = pd.concat(kept).sort_index()
    return table, {"notes": assumed, "groups": groups, "comparison": compare_groups(table, groups, by)}


def fit_group(
    rows: pd.DataFrame,
    name: str,
    settings: Settings,
    forms: tuple[str, ...],
    flops_from: float | None = None,
    questions: Questions = NOTHING_ASKED,
) -> dict:
    """What fit.json says of one architecture: its points, every law, its verdict, and the reasons to doubt either.

    If no law can be fitted, its points and why.

    Args:
        rows: its runs.
        forms: keys of fit.json, of those in `FORMS`, that are to be filled. The power law is always fitted; the largest
            size is forecast where both laws of N alone are asked for.
        flops_from: see `fit_table`.
        questions: see `fit_table`.
    """
    budget = one_budget(rows)
    points = points_at(budget.rows)
    sizes = [budget.rows.loc[budget.rows["params"] == n, "size"].iloc[0] for n in points.n]
    evaluation_se = relative_error(rows)
    measured = {
        "tokens": budget.tokens,
        "unique_tokens": round(budget.rows["unique_tokens"].median()) if budget.tokens else None,
        "n_rows": len(rows),
        "n_sizes": rows["params"].nunique(),
        "evaluation_se": evaluation_se,
        "points": point_entries(points, sizes),
    }
    asked = answers(rows, settings, questions)
    if why := no_law(points):
        return measured | without_laws(name, why, forms) | asked

    known_se = evaluation_se or 0.0
    absent = Outcome(None, [], "")
    irreducible = fit_power_irreducible(points, settings, known_se) if "power_irreducible" in forms else absent
    in_n = {
        "power": fit_power(points, settings, known_se),
        "power_irreducible": irreducible.law,
        "curvature": curvature(points),
        "forecast": forecast_largest(rows, settings) if set(OF_N) <= set(forms) else None,
    }
    verdict = judge(points, in_n) if budget.alike else "inconclusive"
    asked_for = [form for form in forms if form not in in_n]
    progress = tqdm(asked_for, desc=name, unit=" laws", delay=SLOW, leave=False)
    others = {form: fit_form(form, rows, settings, known_se, flops_from) for form in progress}
    outcomes = {"power_irreducible": irreducible} | others
    laws = {form: outcome.law for form, outcome in others.items()}
    of_n = sentences(name.upper(), points, sizes, in_n | {"tokens": budget.tokens, "verdict": verdict}, budget.alike)
    of_all = law_words(name.upper(), laws)
    return {
        **measured,
        **in_n,
        "verdict": verdict,
        "said": of_n if budget.alike else [*of_all, *of_n],
        **laws,
        "said_of_laws": of_all,
        **asked,
        "absent": {form: outcome.absent for form, outcome in outcomes.items() if outcome.absent},
        "warnings": [
            *budget.warnings,
            *(doubts_of_runs(points, budget.rows) if budget.alike else []),
            *([UNKNOWN_NOISE] if evaluation_se is None else []),
            *([READ_ONCE] if questions.runs and (rows["tokens"] > ONCE * rows["unique_tokens"]).any() else []),
            *itertools.chain(*(outcome.warnings for outcome in outcomes.values())),
        ],
    }


def fit_form(
    form: str, rows: pd.DataFrame, settings: Settings, evaluation_se: float, flops_from: float | None
) -> Outcome:
    """A law over all budgets of tokens, by its key in fit.json."""
    if form in SURFACES:
        return fit_surface(SURFACES[form], rows, settings, evaluation_se, flops_from)
    return OF_COMPUTE[form](rows)


def relative_error(rows: pd.DataFrame) -> float | None:
    """Standard error of the loss by the test tunes, which all runs share, as a share of it; None if it is not known."""
    relative = (rows["loss_se"] / rows["loss"]).median()
    return None if np.isnan(relative) else float(relative)


def point_entries(points: Points, sizes: list[str]) -> list[dict]:
    """What fit.json says of the points that a law in N is fitted to; ``sizes``: names of their sizes."""
    return [
        {"size": size, "params": float(n), "loss": float(loss), "seeds": int(count)}
        for size, n, loss, count in zip(sizes, points.n, points.loss, np.bincount(points.run_size), strict=True)
    ]


def no_law(points: Points) -> str:
    """Why no law can be fitted to the sizes at one budget; empty if one can."""
    if len(points.n) < 3:
        count = "one distinct size" if len(points.n) == 1 else f"{len(points.n)} distinct sizes"
        return f"{count}: a law needs at least 3"
    if np.ptp(np.log(points.loss)) < 1e-9:
        return "the same loss at every size: there is nothing to fit"
    return ""


def without_laws(name: str, why: str, forms: tuple[str, ...]) -> dict:
    """What fit.json has in the place of the laws, for an architecture that has none."""
    return {
        "power": None,
        "power_irreducible": None,
        "curvature": None,
        "forecast": None,
        "verdict": "inconclusive",
        "said": [f"{name.upper()} has {why}."],
        "said_of_laws": [],
        **dict.fromkeys(forms),
        "absent": dict.fromkeys(("power", *forms), why),
        "warnings": [],
    }
