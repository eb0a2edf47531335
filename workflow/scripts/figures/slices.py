"""Loss against N of runs that have no budget of tokens in common, coloured by their FLOP or tokens, and the best sizes.

Needs the table of runs as `tables.table.read_table` gives it and the contents of fit.json.
"""

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.lines import Line2D

from workflow.scripts.figures.amounts import Amounts
from workflow.scripts.figures.asked import ASKED_KEY, answers, answers_key, draw_answers, sizes_of
from workflow.scripts.figures.look import log_axis, loss_axis, loss_limits, thin
from workflow.scripts.figures.surface import PANELS, PARAMS, draw_runs, flops_per_token, growth
from workflow.scripts.findings.words import formula
from workflow.scripts.laws.allocation import printed_loss

STAR: dict = {"marker": "*", "markeredgecolor": "black", "markeredgewidth": 0.6}


def growths(group: dict) -> list[str]:
    """How the best N grows by parabolas at equal FLOP, and by the law of N and D, whichever there are."""
    said = []
    if isoflop := group.get("isoflop"):
        how = "given" if isoflop["optima_given"] else "parabolas"
        said.append(f"{how}: {growth(isoflop)}")
    if law := group.get("chinchilla"):
        said.append(f"law: {growth(law['compute_optimal'])}")
    return said


def draw_slices(ax: Axes, rows: pd.DataFrame, group: dict, amounts: Amounts, loss: str) -> None:
    """Runs that have no budget of tokens in common, coloured by their tokens or FLOP, and the best sizes.

    With the law of N and D at those amounts, or, without one, lines from size to size at equal FLOP.

    Args:
        rows: runs of one group, and ``group`` what fit.json says of it.
        loss: label of the y axis.
    """
    column, law, asked = amounts.column, group.get("chinchilla"), answers(group, *ASKED_KEY)
    optima = (group.get("isoflop") or {}).get("optima", [])
    log_axis(ax, pd.concat([rows["params"], sizes_of(asked)]), PARAMS)
    seen = [*rows["loss"], *(best["loss"] for best in optima), *(one["loss"] for one in asked)]
    ax.set_ylim(loss_limits(seen))
    loss_axis(ax, loss)
    for number, (amount, shade) in enumerate(amounts.shades()):
        mine = rows if amounts.level is None else rows[amounts.level.loc[rows.index] == number]
        if mine.empty:
            continue
        n = np.geomspace(mine["params"].min() / 1.3, mine["params"].max() * 1.3, 200)
        if law:
            tokens = amount / flops_per_token(rows, n) if column == "flops" else amount
            ax.plot(n, printed_loss(law, n, tokens), color=shade, zorder=1, **thin(0, 1))
        elif column == "flops":
            means = mine.groupby("params")["loss"].mean()
            ax.plot(means.index, means, color=shade, zorder=1, **thin(0, 0.6))
    draw_runs(ax, rows, amounts)
    for best in optima:
        ax.plot(best["params"], best["loss"], color=amounts.colour(best[column]), zorder=5, **STAR, **thin(9))
    draw_answers(ax, group, amounts)


def slices_lines(groups: list[dict], column: str) -> str:
    """What lines `draw_slices` draws of groups coloured by ``column``; empty if none."""
    if drawn := [law for group in groups if (law := group.get("chinchilla"))]:
        return f"{formula(drawn[0])} at the amounts named, fitted to all runs at once"
    given = all((group.get("isoflop") or {}).get("optima_given") for group in groups)
    return "from size to size at equal FLOP" if column == "flops" and not given else ""


def slices_legend(amounts: Amounts, groups: list[dict]) -> list[Line2D]:
    """Entries of the legend of groups without a common budget."""
    handles = amounts.handles("-" if slices_lines(groups, amounts.column) else "none")
    if any(group.get("isoflop") for group in groups):
        star = thin(9) | {"color": "white", "linestyle": "none", "label": "best size for its FLOP"}
        handles.append(Line2D([], [], **STAR, **star))
    return handles


def slices_key(groups: dict, column: str) -> str:
    """What is drawn of ``groups`` without a common budget, coloured by ``column``."""
    names = [name.upper() for name in groups]
    of = ", ".join(names) if len(names) < 4 else f"{len(names)} groups"
    if len(names) > PANELS:
        of += f", of which {PANELS} are drawn"
    by, found = column.replace("flops", "FLOP"), list(groups.values())
    said = f"{of}: most sizes share no budget of tokens, so all runs are shown, coloured by their {by}."
    if lines := slices_lines(found, column):
        said += f" Lines: {lines}."
    if any(group.get("isoflop") for group in found):
        said += " Stars: best sizes, by parabolas at equal FLOP or as given."
    return " ".join(filter(None, [said, "Brackets: 95%.", answers_key(found, *ASKED_KEY)]))
