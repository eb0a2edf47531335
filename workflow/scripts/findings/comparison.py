"""How architectures differ: by their losses at the same size and the same FLOP, never by their exponents.

Needs the runs of each at one budget of tokens, and their laws as fit.json has them. Each is described by its curve
(`findings.curves`); where one has no law, the two are compared as measured. Exponents are not ranked: the smaller one
may belong to the architecture that is ahead everywhere.
"""

import itertools

import numpy as np
import pandas as pd

from workflow.scripts.findings.curves import crossing, fit_curve, gaps_at, sizes_to_equal
from workflow.scripts.laws.line import points_of
from workflow.scripts.laws.power_law import one_budget, same_tokens

MATCHED = 1.10  # sizes within this factor count as the same


def compare_groups(table: pd.DataFrame, groups: dict, by: str) -> dict:
    """What fit.json says under ``comparison``: of each pair of groups at one budget of tokens.

    Args:
        groups: what fit.json says of each, by name.
        by: the column of the table that has their names.
    """
    pairs: list[dict] = []
    said: list[str] = []
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
        said += sentences
    return {"pairs": pairs, "said": said}


def compare_curves(
    a: pd.DataFrame, b: pd.DataFrame, names: tuple[str, str], alphas: tuple[float, float]
) -> tuple[dict, list[str]]:
    """Two architectures at one budget of tokens, by their curves; and sentences about them.

    They are compared at the sizes of both, but for those beyond what the other has.

    Args:
        a: runs of the one, with params, flops and loss. Without all flops they are not compared by FLOP.
        b: those of the other.
        alphas: their pure laws' exponents, of which it is said only whether they would mislead.
    """
    rng = np.random.default_rng(0)
    pair: dict = {"archs": list(names)}
    for column in ("params", "flops"):
        if a[column].isna().any() or b[column].isna().any():
            pair[column] = None
            continue
        one, two = (fit_curve(rows[column].to_numpy(), rows["loss"].to_numpy(), rng) for rows in (a, b))
        low, high = max(one.low, two.low) / MATCHED, min(one.high, two.high) * MATCHED
        places = np.unique(np.concatenate([rows[column].to_numpy() for rows in (a, b)]))
        places = without_matches(places[(places >= low) & (places <= high)])
        gaps = gaps_at(one, two, places) if len(places) else []
        pair[column] = {"gaps": gaps, "crossing": crossing(one, two)}
        if column == "params":
            first_leads = np.mean([gap["gap"] for gap in gaps] or [0]) <= 0
            ahead, behind, rows = (one, two, a) if first_leads else (two, one, b)
            measured = points_of(rows["params"].to_numpy(), rows["loss"].to_numpy())
            leader, other = names if first_leads else names[::-1]
            sizes = sizes_to_equal(ahead, behind, measured)
            pair["to_equal"] = {"ahead": leader, "behind": other, "sizes": sizes}
    return pair, sentences_of(pair, alphas)


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
    one, two = (points_of(rows["params"].to_numpy(), rows["loss"].to_numpy()) for rows in (a, b))
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
    wins = {a: [-gap["gap"] for gap in found if gap["gap"] < 0], b: [gap["gap"] for gap in found if gap["gap"] > 0]}
    ahead, behind = sorted(wins, key=lambda name: -len(wins[name]))
    sizes = "the one size" if len(found) == 1 else f"the {len(found)} sizes"
    if not wins[ahead]:
        return f"{a} and {b} have the same loss at {sizes} that both have."
    part = "" if len(wins[ahead]) == len(found) else f"{len(wins[ahead])} of "
    span = f"{min(wins[ahead]):.2f} to {max(wins[ahead]):.2f}" if len(wins[ahead]) > 1 else f"{wins[ahead][0]:.2f}"
    return (
        f"{ahead} is ahead of {behind} at {part}{sizes} that both have, by {span} nats; how sure that is cannot be"
        " told, as one of them has no law."
    )


def sentences_of(pair: dict, alphas: tuple[float, float]) -> list[str]:
    """Who is ahead, where the curves cross, and what the other needs to be equal; ``pair`` as fit.json has it."""
    a, b = (name.upper() for name in pair["archs"])
    steeper = a if alphas[0] > alphas[1] else b
    said = []
    for column, of in (("params", "size"), ("flops", "FLOP")):
        if pair[column] is None:
            continue
        said.append(gaps_sentence(pair[column]["gaps"], (a, b), of, steeper))
        place = pair[column]["crossing"]
        if pair[column]["gaps"] and place and place["within_measured"]:
            said.append(f"Their curves cross near {'N' if column == 'params' else 'C'} = {place['at']:.3g}.")
    return [*said, *equals_sentences(pair)]


def gaps_sentence(gaps: list[dict], names: tuple[str, str], of: str, steeper: str) -> str:
    """Who is ahead by gaps with intervals.

    Args:
        names: of the one whose loss the gap is, and of the one whose loss is taken off.
        of: what both are compared at, size or FLOP.
        steeper: which of them has the larger exponent.
    """
    a, b = names
    if not gaps:
        return f"{a} and {b} have no {of} in common."
    wins = {a: [gap for gap in gaps if gap["gap"] < 0], b: [gap for gap in gaps if gap["gap"] >= 0]}
    sure = {name: sum(gap["ci95"][1] < 0 or gap["ci95"][0] > 0 for gap in won) for name, won in wins.items()}
    ahead, behind = (a, b) if len(wins[a]) >= len(wins[b]) else (b, a)
    if not any(sure.values()):
        return f"{a} and {b} cannot be told apart at any {of} compared."
    if wins[behind]:
        places = "sizes" if of == "size" else "FLOP"
        return f"{ahead} is ahead at {len(wins[ahead])} of {len(gaps)} {places}, {behind} at the rest."
    small, large = (pick(abs(gap["gap"]) for gap in wins[ahead]) for pick in (min, max))
    where = "at every size" if of == "size" else f"at every {of} compared"
    sentence = f"{ahead} is ahead {where}, by {small:.2f} to {large:.2f} nats"
    if sure[ahead] < len(gaps):
        sentence += f" ({sure[ahead]} of {len(gaps)} intervals leave out zero)"
    if of == "size" and steeper == behind:
        sentence += f", although the {behind}'s α is larger"
    return f"{sentence}."


def equals_sentences(pair: dict) -> list[str]:
    """How many times the parameters the one behind needs, if that is more than once at every size; else nothing."""
    factors = [size for size in pair.get("to_equal", {}).get("sizes", []) if size["factor"]]
    if not factors or any(size["factor"] <= 1 for size in factors):
        return []
    least, most = (pick(size["factor"] for size in factors) for pick in (min, max))
    beyond = " (beyond the largest measured)" if any(size["extrapolated"] for size in factors) else ""
    behind = pair["to_equal"]["behind"].upper()
    return [f"To equal it, the {behind} needs {least:.1f} to {most:.1f} times the parameters{beyond}."]
