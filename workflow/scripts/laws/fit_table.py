"""A table of runs -> every law that it supports, for each architecture, and how architectures differ: fit.json."""

import itertools
from pathlib import Path
from typing import NamedTuple

import numpy as np
import pandas as pd

from workflow.scripts.base.errors import InputError
from workflow.scripts.laws import gaps, of_n, of_n_and_d
from workflow.scripts.laws.describe import Settings
from workflow.scripts.laws.forms import CHINCHILLA, CHINCHILLA_TIED, KAPLAN, Form, data_of
from workflow.scripts.laws.isoflop import fit_compute, fit_isoflop, levels
from workflow.scripts.laws.line import Points, curvature, points_of
from workflow.scripts.laws.repetition import REPEAT, SMS
from workflow.scripts.laws.table import read_table
from workflow.scripts.laws.verdict import judge, sentences

FORMS = {
    "power": ("power",),
    "power_irreducible": ("power_irreducible",),
    "chinchilla": ("chinchilla", "chinchilla_tied"),
    "kaplan": ("kaplan",),
    "repeat": ("repeat", "repeat_sms"),
    "isoflop": ("isoflop", "compute"),
}


SURFACES: dict[str, Form] = {form.name: form for form in (CHINCHILLA, CHINCHILLA_TIED, KAPLAN, REPEAT, SMS)}


SAME_TOKENS = 0.01  # budgets that differ by less, in logs, are one


ONCE = 1.05  # tokens read per unique token up to which nothing is called repeated


UNKNOWN_NOISE = "the noise of the test set is not known, so the intervals of E, A and B are too narrow"


MANY_EPOCHS = 4.0  # beyond, repeated tokens are worth clearly less than new ones (Muennighoff et al. 2023)


def fit_group(
    rows: pd.DataFrame, name: str, settings: Settings, forms: tuple[str, ...], flops_from: float | None
) -> dict:
    """Every law of one architecture, its verdict, and the reasons to doubt either; or its points, and why no law."""
    chosen, tokens, alike, notes = one_budget(rows)
    points = points_of(chosen["params"].to_numpy(), chosen["loss"].to_numpy())
    sizes = [chosen.loc[chosen["params"] == n, "size"].iloc[0] for n in points.n]
    relative = (rows["loss_se"] / rows["loss"]).median()
    evaluation_se = None if np.isnan(relative) else float(relative)
    group: dict = {
        "tokens": tokens,
        "n_rows": len(rows),
        "n_sizes": rows["params"].nunique(),
        "evaluation_se": evaluation_se,
        "points": [
            {"size": size, "params": float(n), "loss": float(loss), "seeds": int(count)}
            for size, n, loss, count in zip(sizes, points.n, points.loss, np.bincount(points.run_size), strict=True)
        ],
    }
    if why := no_law(points):
        return group | without_laws(name, why, forms)
    if evaluation_se is None:
        notes.append(UNKNOWN_NOISE)
    shared = evaluation_se or 0.0
    group |= {
        "power": of_n.fit_power(points, settings, shared),
        "power_irreducible": None,
        "curvature": curvature(points),
        "forecast": of_n.forecast(points, sizes),
    }
    absent: dict[str, str] = {}
    if len(points.n) > 3:
        group["power_irreducible"], more = of_n.fit_power_irreducible(points, settings, shared)
        notes += more
    else:
        absent["power_irreducible"] = "three sizes cannot tell an irreducible loss"
    group["verdict"] = judge(points, group) if alike else "inconclusive"
    group["said"] = sentences(name.upper(), points, sizes, group)
    for form in forms:
        if form in SURFACES:
            group[form], more, absent[form] = surface(SURFACES[form], rows, settings, shared, flops_from)
        elif form in ("isoflop", "compute"):
            group[form], more, absent[form] = compute(form, rows)
        else:
            continue
        notes += more
    if "power_irreducible" not in forms:
        group["power_irreducible"] = None
    return group | {"absent": {form: why for form, why in absent.items() if why}, "warnings": notes}


def no_law(points: Points) -> str:
    """Why no law can be fitted to the sizes at one budget, if none can."""
    if len(points.n) < 3:
        count = "one distinct size" if len(points.n) == 1 else f"{len(points.n)} distinct sizes"
        return f"{count}: a law needs at least 3"
    if np.ptp(np.log(points.loss)) < 1e-9:
        return "the same loss at every size: there is nothing to fit"
    return ""


def without_laws(name: str, why: str, forms: tuple[str, ...]) -> dict:
    """What stands for the laws of an architecture that has none: what it was trained for is told all the same."""
    return {
        "power": None,
        "power_irreducible": None,
        "curvature": None,
        "forecast": None,
        "verdict": "inconclusive",
        "said": [f"{name.upper()} has {why}."],
        **dict.fromkeys(forms),
        "absent": dict.fromkeys(("power", *forms), why),
        "warnings": [],
    }


class Budget(NamedTuple):
    """The runs that a law in N alone is fitted to."""

    rows: pd.DataFrame
    tokens: int | None  # of each; None if that is not known, or not one number
    alike: bool  # of one budget, as far as is known
    notes: list[str]


def one_budget(rows: pd.DataFrame) -> Budget:
    """Runs of one budget of tokens, and of one amount of unique ones.

    The cell that most sizes have; among equals one whose data were not read too often, then the largest budget, then
    the most unique tokens. Where none has three sizes (or all, if there are fewer): the best run of each size, and a
    warning.
    """
    notes = []
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
        said = (
            "power: no budget of tokens has three sizes, so each size's best run was taken; their tokens differ, and"
            " the exponent is not that of N alone"
        )
        return Budget(lowest, None, False, [said])
    chosen = rows[cell == best]
    tokens = round(chosen["tokens"].median())
    absent = sorted(set(rows["params"]) - set(chosen["params"]))
    if absent:
        notes.append(f"power: {len(absent)} sizes have no run at {tokens:,} tokens")
    epochs = float((chosen["tokens"] / chosen["unique_tokens"]).max())
    if epochs > MANY_EPOCHS:
        notes.append(f"power: the runs read their data {epochs:.1f} times")
    named = chosen[chosen["seed"] != ""]
    if named.duplicated(["params", "seed"]).any():
        notes.append("power: a size has several rows of one seed, taken for several seeds")
    return Budget(chosen, tokens, True, notes)


def surface(
    form: Form, rows: pd.DataFrame, settings: Settings, shared: float, flops_from: float | None
) -> tuple[dict | None, list[str], str]:
    """A law of N and D over all budgets, and what to know of it; or why there is none."""
    if rows["tokens"].isna().any():
        return None, [], "tokens are not given"
    notes = []
    repeated = rows["tokens"] > ONCE * rows["unique_tokens"]
    if form in (REPEAT, SMS):
        if not repeated.any():
            return None, [], "no run reads its data more than once"
    elif repeated.any():
        once = rows[~repeated]
        if lacks(form, once):
            notes.append(f"{form.name}: {repeated.sum()} runs repeat data, which this law knows nothing of")
        else:
            notes.append(f"{form.name}: {repeated.sum()} runs that repeat data are left out")
            rows = once
    if lack := lacks(form, rows):
        return None, [], lack
    data = data_of(*(rows[column].to_numpy() for column in ("params", "tokens", "loss", "unique_tokens")))
    result, more, best = of_n_and_d.fit_surface(form, data, settings, shared, trunks(rows))
    largest = flops_from or rows["flops"].max() / np.sqrt(10)
    result["forecast"] = of_n_and_d.forecast_rows(form, data, settings, best, (rows["flops"] >= largest).to_numpy())
    if result["forecast"]:
        result["forecast"]["flops_from"] = float(largest)
    return result, [*notes, *more], ""


def lacks(form: Form, rows: pd.DataFrame) -> str:
    """What rows lack for a law of N and D, if anything."""
    budgets = len(np.unique(levels(rows["tokens"].to_numpy(), SAME_TOKENS))) if len(rows) else 0
    sizes = rows["params"].nunique()
    if sizes < 3 or budgets < 3:
        return f"{sizes} sizes and {budgets} budgets of tokens; it needs 3 of each"
    if len(rows) < len(form.theta) + 3:
        return f"{len(rows)} runs for {len(form.theta)} parameters"
    return ""


def trunks(rows: pd.DataFrame) -> np.ndarray | None:
    """Which runs a resample draws as one: those of a size and seed, where there are seeds. They may share a trunk."""
    if (rows["seed"] == "").any() or rows["seed"].nunique() < 2:
        return None
    return rows.groupby(["params", "seed"]).ngroup().to_numpy()


def compute(form: str, rows: pd.DataFrame) -> tuple[dict | None, list[str], str]:
    if rows[["flops", "tokens"]].isna().any(axis=None):
        return None, [], "flops and tokens are not given"
    return fit_isoflop(rows) if form == "isoflop" else fit_compute(rows)


def one_amount(a: int | None, b: int | None) -> bool:
    """Whether two budgets are the same; those of tables that tell none may be."""
    return a == b if a is None or b is None else bool(abs(np.log(a / b)) < SAME_TOKENS)


def compare(table: pd.DataFrame, groups: dict, by: str) -> dict:
    """Each pair of groups at one budget of tokens: by their laws in N, or by what was measured where one has none."""
    comparison: dict = {"pairs": [], "said": []}
    budgets = {name: one_budget(table[table[by] == name]) for name in groups}
    for one, two in itertools.combinations(sorted(groups), 2):
        a, b = budgets[one], budgets[two]
        if not (a.alike and b.alike) or not one_amount(a.tokens, b.tokens):
            comparison["said"].append(f"{one.upper()} and {two.upper()} have no budget of tokens in common.")
            continue
        laws = groups[one]["power"], groups[two]["power"]
        if all(laws):
            pair, said = gaps.compare(a.rows, b.rows, (one, two), (laws[0]["alpha"], laws[1]["alpha"]))
        else:
            pair, said = gaps.compare_measured(a.rows, b.rows, (one, two))
        comparison["pairs"].append(pair | {"tokens": a.tokens})
        comparison["said"] += said
    return comparison


def fit_table(
    path: str | Path,
    by: str = "arch",
    exclude_highest: int = 0,
    form: str = "all",
    settings: Settings | None = None,
    flops_from: float | None = None,
) -> tuple[pd.DataFrame, dict]:
    """The table as it was read, and what goes into fit.json.

    Args:
        by: column whose values are fitted apart.
        exclude_highest: so many of the highest losses of each are left out.
        flops_from: runs of at least so many FLOP are predicted from the rest, as a forecast; else the top half decade.

    Raises:
        InputError: see `read_table`; or more is to be left out than there is.
    """
    settings = settings or Settings()
    table, taken = read_table(path, by)
    forms = tuple(itertools.chain(*FORMS.values())) if form == "all" else FORMS[form]
    kept, groups = [], {}
    for name, rows in table.groupby(by, sort=True):
        if exclude_highest >= len(rows):
            raise InputError(f"{path}: {name} has {len(rows)} rows, so {exclude_highest} cannot be left out")
        rows = rows.sort_values("loss", kind="stable").iloc[: len(rows) - exclude_highest].sort_index()
        kept.append(rows)
        groups[name] = fit_group(rows, name, settings, forms, flops_from)
        groups[name]["warnings"] = [*taken, *groups[name]["warnings"]]
    table = pd.concat(kept).sort_index()
    return table, {"groups": groups, "comparison": compare(table, groups, by)}
