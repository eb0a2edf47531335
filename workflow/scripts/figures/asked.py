"""Runs that a fit was asked for: marks with their intervals, and what the marks mean.

Needs what fit.json says of a group under ``predictions`` and ``best_for``.
"""

import pandas as pd
from matplotlib.axes import Axes

from workflow.scripts.figures.amounts import Amounts
from workflow.scripts.figures.look import draw_interval, finite

ASKED_KEY = {"predictions": "thin diamonds: predictions, with 95% for one more run",
             "best_for": "open stars: best sizes asked for, with 95% of N and of loss"}  # fmt: skip


def answers(group: dict, *kinds: str) -> list[dict]:
    """Of the runs that a group was asked for, ``predictions`` or ``best_for`` as ``kinds`` say, those with a loss."""
    return [one for kind in kinds for one in group.get(kind) or [] if finite([one["loss"]])]


def answers_key(groups: list[dict], *kinds: str) -> str:
    """What the marks of the `answers` mean; empty if there are none."""
    drawn = [ASKED_KEY[kind] for kind in kinds if any(answers(group, kind) for group in groups)]
    said = "; ".join([*drawn, "arrows: the interval goes on"])
    return f"{said[0].upper()}{said[1:]}." if drawn else ""


def sizes_of(found: list[dict]) -> pd.Series:
    """N of each of the `answers`."""
    return pd.Series([one["params"] for one in found], dtype=float)


def draw_answers(ax: Axes, group: dict, amounts: Amounts) -> None:
    """Runs that were asked for, with intervals of their loss and of a best N, in the colours of ``amounts``."""
    for one in answers(group, *ASKED_KEY):
        tokens = one["tokens"]
        amount = tokens if amounts.column == "tokens" else one.get("flops") or (tokens and 6 * one["params"] * tokens)
        best = one.get("ci95")
        draw_interval(ax, one["params"], one["loss"], one["pi95"], amounts.colour(amount) if amount else "black",
                      "*" if best else "d", best and best["params"])  # fmt: skip
