"""How architectures differ: by their losses at the same size and the same FLOP, never by their exponents.

Needs the runs of each at one budget of tokens, and their laws as fit.json has them. Each is described by its curve
(`findings.curves`); where one has no law, the two are compared as measured. A size whose one run is far out is left
aside, which is said. Exponents are not ranked: the smaller one may belong to the architecture that is ahead everywhere.
"""

import itertools

import numpy as np
import pandas as pd

from workflow.scripts.findings.curves import crossing, fit_curve, gaps_at, sizes_to_equal
from workflow.scripts.findings.odd_runs import apart, name_of, odd_size
from workflow.scripts.findings.words import span
from workflow.scripts.laws.power_law import one_budget, points_at, same_tokens

MATCHED = 1.10  # sizes within this factor count as the same


def compare_groups(table: pd.DataFrame, groups: dict, by: str) -> dict:
    """What fit.json says under ``comparison``: of each pair of groups at one budget of tokens.

    Args:
        groups: what fit.json says of each, by name.
        by: the column of the table that has their names.
    """
    pairs: list[dict] = []
    said: list[str] = []
    headline = ""
    budgets = {name: one_budget(table[table[by] == name]) for name in groups}
    for one, two in itertools.combinations(sorted(groups), 2):
        a, b = budgets[one], budgets[two]
        if not (a.alike and b.alike) or not same_tokens(a.tokens, b.tokens):
            said.append(f"{one.upper()} and {two.upper()} have no budget of tokens in common.")
            continue
        laws = groups[one]["power"], groups[two]["power"]
        if all(laws):
            pair, sentences = compare_curves(a.rows, b.rows, (one, two), (laws[0]["alpha"], laws[1]["alpha"]))
        else:
            pair, sentences = compare_measured(a.rows, b.rows, (one, two))
        pairs.append(pair | {"tokens": a.tokens})
        headline = headline or headline_of(pair)
        said += sentences
    return {"pairs": pairs, "headline": headline, "said": said}


def headline_of(pair: dict) -> str:
    """What a pair shows first, in a few words; ``pair`` as fit.json has it."""
    a, b = (name.upper() for name in pair["archs"])
    gaps = pair["params"]["gaps"] if pair["params"] else []
    if any(gap["ci95"] is None for gap in gaps):
        return measured_leader(gaps, a, b)
    return "".join(lead_and_rest(gaps, (a, b), "size"))


def compare_curves(
    a: pd.DataFrame, b: pd.DataFrame, names: tuple[str, str], alphas: tuple[float, float]
) -> tuple[dict, list[str]]:
    """Two architectures at one budget of tokens, by their curves; and sentences about them.

    They are compared at the sizes of both, but for those beyond what the other has, and those whose one run is far out.

    Args:
        a: runs of the one, with params, flops and loss. Without all flops they are not compared by FLOP.
        b: those of the other.
        alphas: their pure laws' exponents, of which it is said only whether they would mislead.
    """
    rng = np.random.default_rng(0)
    pair: dict = {"archs": list(names)}
    (a, b), aside = without_odd_sizes(a, b, names)
    for column in ("params", "flops"):
        if a[column].isna().any() or b[column].isna().any():
            pair[column] = None
            continue
        one, two = (fit_curve(points_at(rows, column), rng) for rows in (a, b))
        low, high = max(one.low, two.low) / MATCHED, min(one.high, two.high) * MATCHED
        places = np.unique(np.concatenate([rows[column].to_numpy() for rows in (a, b)]))
        places = without_matches(places[(places >= low) & (places <= high)])
        gaps = gaps_at(one, two, places) if len(places) else []
        pair[column] = {"gaps": gaps, "crossing": crossing(one, two)}
        if column == "params":
            first_leads = np.mean([gap["gap"] for gap in gaps] or [0]) <= 0
            ahead, behind, rows = (one, two, a) if first_leads else (two, one, b)
            measured = points_at(rows)
            leader, other = names if first_leads else names[::-1]
            sizes = sizes_to_equal(ahead, behind, measured)
            pair["to_equal"] = {"ahead": leader, "behind": other, "sizes": sizes}
    return pair, sentences_of(pair, None if aside else alphas) + aside


def without_odd_sizes(
    a: pd.DataFrame, b: pd.DataFrame, names: tuple[str, str]
) -> tuple[tuple[pd.DataFrame, pd.DataFrame], list[str]]:
    """The runs of both, less those of a size whose one run is far from the curve of the rest; and sentences on them."""
    tables, said = [], []
    points = points_at(a), points_at(b)
    for rows, own, other, name in zip((a, b), points, points[::-1], names, strict=True):
        if odd := odd_size(own, other):
            place, off = odd
            out = rows["params"] == own.n[place]
            run = f"Of the {name.upper()}, {name_of(rows[out].iloc[0])}"
            said.append(f"{run} is {apart(np.expm1(off))} the curve through its other sizes; it is left aside here.")
            rows = rows[~out]
        tables.append(rows)
    return (tables[0], tables[1]), said


def without_matches(places: np.ndarray) -> np.ndarray:
    """The ascending sizes of both architectures, of which those that match are one place."""
    kept: list[float] = []
    for place in places:
        if not kept or place > MATCHED * kept[-1]:
            kept.append(float(place))
    return np.array(kept)


def compare_measured(a: pd.DataFrame, b: pd.DataFrame, names: tuple[str, str]) -> tuple[dict, list[str]]:
    """Two architectures of which one has no law, by their losses as measured; and a sentence about them.

    They are compared at the sizes that both have, without intervals, as no curve says how sure they are.
    """
    one, two = points_at(a), points_at(b)
    found = []
    for n, loss in zip(one.n, one.loss, strict=True):
        nearest = np.abs(np.log(two.n / n)).argmin()
        if max(two.n[nearest] / n, n / two.n[nearest]) <= MATCHED:
            found.append({"at": float(n), "gap": float(loss - two.loss[nearest]), "ci95": None})
    pair = {"archs": list(names), "params": {"gaps": found, "crossing": None}, "flops": None, "to_equal": None}
    return pair, [measured_sentence(found, *(name.upper() for name in names))]


def measured_sentence(found: list[dict], a: str, b: str) -> str:
    """Who is ahead by gaps without intervals."""
    if not found:
        return f"{a} and {b} are not compared: one of them has no law, and they have no size in common."
    ahead = [abs(gap["gap"]) for gap in leads(found, a, b)[1]]
    if not ahead:
        return f"{measured_leader(found, a, b)}."
    span = f"{min(ahead):.2f} to {max(ahead):.2f}" if len(ahead) > 1 else f"{ahead[0]:.2f}"
    return (
        f"{measured_leader(found, a, b)}, by {span} nats; how sure that is cannot be told, as one of them has no law."
    )


def measured_leader(found: list[dict], a: str, b: str) -> str:
    """Who is ahead at how many of the sizes that both have."""
    ahead, won = leads(found, a, b)
    sizes = "the one size" if len(found) == 1 else f"the {len(found)} sizes"
    if not won:
        return f"{a} and {b} have the same loss at {sizes} that both have"
    part = "" if len(won) == len(found) else f"{len(won)} of "
    return f"{ahead} is ahead of {b if ahead == a else a} at {part}{sizes} that both have"


def leads(gaps: list[dict], a: str, b: str) -> tuple[str, list[dict]]:
    """The name of the one that is ahead at more places, and the gaps there; gaps are of a's loss less b's."""
    of_a, of_b = [gap for gap in gaps if gap["gap"] < 0], [gap for gap in gaps if gap["gap"] > 0]
    return (a, of_a) if len(of_a) >= len(of_b) else (b, of_b)


def sentences_of(pair: dict, alphas: tuple[float, float] | None) -> list[str]:
    """Who is ahead, where the curves cross, and what the other needs to be equal; ``pair`` as fit.json has it.

    ``alphas``: see `compare_curves`; None: not to be told of.
    """
    a, b = (name.upper() for name in pair["archs"])
    steeper = None if alphas is None else a if alphas[0] > alphas[1] else b
    said = []
    for column, of in (("params", "size"), ("flops", "compute budget")):
        if pair[column] is None:
            continue
        said.append(gaps_sentence(pair[column]["gaps"], (a, b), of, steeper))
        place = pair[column]["crossing"]
        if pair[column]["gaps"] and place and place["within_measured"]:
            near = f"{'N' if column == 'params' else 'C'} = {place['at']:.3g}"
            said.append(f"Their curves cross near {near}, 95% {span(place['ci95'], '{:.3g}'.format)}.")
    return [*said, *equals_sentences(pair)]


def gaps_sentence(gaps: list[dict], names: tuple[str, str], of: str, steeper: str | None) -> str:
    """Who is ahead by gaps with intervals.

    Args:
        names: of the one whose loss the gap is, and of the one whose loss is taken off.
        of: what both are compared at, size or compute budget.
        steeper: which of them has the larger exponent; None: not to be told of.
    """
    (said, rest), sure = lead_and_rest(gaps, names, of), list(filter(is_sure, gaps))
    ahead, won = leads(sure, *names)
    if not sure or len(won) < len(sure):
        return f"{said}{rest}."
    small, large = (pick(abs(gap["gap"]) for gap in won) for pick in (min, max))
    by = f"{small:.2f} to {large:.2f}" if len(won) > 1 else f"{small:.2f}"
    although = f", although the {steeper}'s α is larger" if of == "size" and steeper not in (None, ahead) else ""
    return f"{said}, by {by} nats{although}{rest}."


def lead_and_rest(gaps: list[dict], names: tuple[str, str], of: str) -> tuple[str, str]:
    """Who is ahead where, by gaps with intervals, and at how many places nobody is, as an interval holds zero.

    Arguments as of `gaps_sentence`.
    """
    a, b = names
    if not gaps:
        return f"{a} and {b} have no {of} in common", ""
    sure = list(filter(is_sure, gaps))
    if not sure:
        return f"{a} and {b} cannot be told apart at any {of} compared", ""
    ahead, won = leads(sure, a, b)
    if len(won) == len(gaps):
        return f"{ahead} is ahead at every {of}" + (" compared" if of != "size" else ""), ""
    said = f"{ahead} is ahead at {len(won)} of {len(gaps)} {of}s"
    if lost := len(sure) - len(won):
        said += f", {b if ahead == a else a} at {lost}"
    unsure = len(gaps) - len(sure)
    return said, f"; at {unsure} the two cannot be told apart" if unsure else ""


def is_sure(gap: dict) -> bool:
    """Whether the interval of a gap leaves out zero."""
    return gap["ci95"] is not None and bool(gap["ci95"][1] < 0 or gap["ci95"][0] > 0)


def equals_sentences(pair: dict) -> list[str]:
    """How many times the parameters the one behind needs, if that is more than once at every size; else nothing."""
    factors = [size for size in pair.get("to_equal", {}).get("sizes", []) if size["factor"]]
    if not factors or any(size["factor"] <= 1 for size in factors):
        return []
    least, most = (pick(size["factor"] for size in factors) for pick in (min, max))
    times = f"{least:.1f} to {most:.1f} times the parameters"
    behind = pair["to_equal"]["behind"].upper()
    if any(size["extrapolated"] for size in factors):
        return [f"Extrapolating, the {behind} would need {times} to equal it; that is not measured."]
    return [f"To equal it, the {behind} needs {times}."]
