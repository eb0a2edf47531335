"""Loss against N: at one budget of tokens, with the laws in N; or, without one, at several amounts of FLOP or tokens.

Needs the table of runs as `tables.table.read_table` gives it and the contents of fit.json.
"""

import matplotlib.pyplot as plt
import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.lines import Line2D

from workflow.scripts.base.amounts import short
from workflow.scripts.figures.amounts import amounts_of
from workflow.scripts.figures.asked import answers, answers_key, sizes_of
from workflow.scripts.figures.baselines import draw_levels, ngram_levels, spread
from workflow.scripts.figures.look import (
    ERROR_BAR,
    MEDIUM,
    draw_interval,
    grid_of,
    log_axis,
    loss_axis,
    loss_limits,
    page,
    small,
    style_of,
    thin,
)
from workflow.scripts.figures.save import Picture
from workflow.scripts.figures.slices import draw_slices, growths, slices_key, slices_legend
from workflow.scripts.figures.surface import GREY, HALO, LOSS, PANELS, PARAMS, at_equal_flop, title_panel
from workflow.scripts.figures.words import legend_below, legend_in_a_corner, shortened
from workflow.scripts.findings.ngram_losses import ngram_sentence
from workflow.scripts.laws.band import Line
from workflow.scripts.tables.levels import SAME_TOKENS, levels

DOTS = (0, (1, 1.5))
LARGE = 700.0  # a log of which the exponential is a number still
ENTRIES = 12  # of a legend
OF_ALL = ("with irreducible loss E", "forecast of the largest")  # entries that are of several groups
NO_LAW = "no law can be fitted"
SHORT = {"power": "a power law, no floor in sight", "saturating": "levels off", "reversal": "largest size is worse",
         "flat": "no fall with N", "inconclusive": "undecided whether it levels off"}  # fmt: skip


def scaling(
    table: pd.DataFrame,
    fit: dict,
    by: str = "arch",
    loss: str = LOSS,
    width: float = MEDIUM,
    ngrams: pd.DataFrame | None = None,
    note: str = "",
) -> Picture:
    """Points, the pure law with its band, the law with irreducible loss, the forecast and the verdict of each group.

    A group without laws has its points alone. One whose runs have no budget of tokens in common has axes of its own,
    with all its runs; see `slices.draw_slices`.

    Args:
        by: the column of the table that has the groups' names.
        loss: label of the y axis.
        width: of the figure, in inches.
        ngrams: losses of n-grams, as baselines.csv has them.
        note: what the caption ends in.

    Raises:
        InputError: it is too narrow or too wide for that; see `page`.
    """
    groups = fit["groups"]
    rows = {name: table[table[by] == name] for name in sorted(groups)}
    lined = [name for name in rows if of_one_budget(groups[name], rows[name])]
    apart = [name for name in rows if name not in lined]
    with page(width) as scale:
        fig, axes, each = grid_of(bool(lined) + len(apart[:PANELS]), width, scale, titles=3 if apart else 0)
        handles, said = [], [f"{loss} against parameters outside the embedding, N."]
        names = []
        if lined:
            alone = {name: groups[name] for name in lined}
            handles = draw_lines(axes[0], rows, alone, loss, each - 0.9 * scale)
            names = draw_levels(axes[0], ngram_levels(ngrams))
            said.append(key_to(alone, rows))
            if not apart:
                fig.tight_layout()
                handles = [] if legend_in_a_corner(axes[0], handles) else handles
        if apart:
            runs = pd.concat([rows[name] for name in apart])
            column = "flops" if all(at_equal_flop(rows[name], groups[name]) for name in apart) else "tokens"
            amounts = amounts_of(runs, column)
            for ax, name in zip(axes[bool(lined) :], apart, strict=False):
                draw_slices(ax, rows[name], groups[name], amounts, loss)
                title_panel(ax, name, each - 0.8 * scale, growths(groups[name]))
            said.append(slices_key({name: groups[name] for name in apart}, column))
            handles += slices_legend(amounts, [groups[name] for name in apart])
        if handles:
            legend_below(fig, handles)
        spread(names)
    verdicts = [sentence for name in rows for sentence in groups[name]["said"]]
    said[1:1] = [*at_tokens([groups[name] for name in lined]), *fit["comparison"]["said"], *verdicts]
    return Picture(fig, " ".join(filter(None, [*said, ngram_sentence(ngrams), note])))


def at_tokens(groups: list[dict]) -> list[str]:
    """The budget of tokens that all laws in N are of, if there is one."""
    budgets = {group["tokens"] for group in groups}
    tokens = budgets.pop() if len(budgets) == 1 else None
    return [f"All at {short(tokens)} training tokens."] if tokens else []


def of_one_budget(group: dict, rows: pd.DataFrame) -> bool:
    """Whether the laws in N are of one budget of tokens that at least half of the sizes have, as far as is known."""
    if group["tokens"] is None:
        return bool(rows["tokens"].isna().all())
    return bool(2 * rows_fitted(rows, group)["params"].nunique() >= rows["params"].nunique())


def rows_fitted(rows: pd.DataFrame, group: dict) -> pd.DataFrame:
    """The runs that a group's laws in N are fitted to: those at its budget of tokens, and of unique tokens."""
    chosen = np.full(len(rows), True)
    for column in ("tokens", "unique_tokens"):
        if amount := group.get(column):
            level = levels(rows[column].to_numpy(), SAME_TOKENS)
            chosen &= level == level[np.abs(np.log(rows[column] / amount)).argmin()]
    return rows[chosen]


def key_to(groups: dict, rows: dict[str, pd.DataFrame]) -> str:
    """What the marks that are drawn mean, and what share of the runs they are."""
    has_seeds = any(has_several(group) for group in groups.values())
    said = "Filled marks: mean over seeds" if has_seeds else "Marks: runs"
    if any(group["evaluation_se"] is not None for group in groups.values()):
        said += ", with 95% from resampling test tunes (the same for all, so gaps are surer than they look)"
    said += "; open marks: runs" if has_seeds else ""
    if any(group["power"] for group in groups.values()):
        said += "; bands: 95% of the line"
    if any(group["forecast"] for group in groups.values()):
        said += "; diamonds: largest size as forecast from the others, with 95% for one more size (arrows: it goes on)"
    shown = {name: (len(rows_fitted(rows[name], group)), len(rows[name])) for name, group in groups.items()}
    if some := [f"{name.upper()} {few} of {all_}" for name, (few, all_) in shown.items() if few < all_]:
        said += f". Only runs at the budget of the laws are shown: {', '.join(some[:ENTRIES])}"
    if any(group["tokens"] for group in groups.values()):
        said += (
            ". At one budget of tokens a plateau includes what too few data cost, B/D^β; it is not the data's entropy"
        )
    return " ".join(filter(None, [f"{said}.", answers_key(list(groups.values()), "predictions")]))


def has_several(group: dict) -> bool:
    """Whether some point of a group is a mean over several runs."""
    return any(point["seeds"] > 1 for point in group["points"])


def draw_lines(
    ax: Axes, rows: dict[str, pd.DataFrame], groups: dict, loss: str, room: float, shown: list[str] | None = None
) -> list[Line2D]:
    """Draw ``groups``, by name as fit.json has them, each at its one budget of tokens.

    Args:
        rows: the runs of each.
        loss: label of the y axis.
        room: inches that an entry of the legend is wide at most.
        shown: names of all groups that the figure has, if these are not all.

    Returns:
        Entries of a legend.
    """
    names = shown or list(groups)
    predictions = [one for group in groups.values() for one in answers(group, "predictions")]
    sizes = pd.Series([point["params"] for group in groups.values() for point in group["points"]])
    sizes = pd.concat([sizes, sizes_of(predictions)])
    grid = np.geomspace(sizes.min() / 1.15, sizes.max() * 1.15, 200)
    aside = 0.018 * np.log(grid[-1] / grid[0])
    beside = {  # of what was measured, so that both are seen
        name: group["forecast"]["params"] * np.exp(aside * (1 + i % 4))
        for i, (name, group) in enumerate(groups.items())
        if group["forecast"]
    }
    log_axis(ax, pd.concat([sizes, pd.Series(beside)]), PARAMS)
    fitted = {name: rows_fitted(rows[name], group) for name, group in groups.items()}
    marks, ends = [], []
    for name, group in groups.items():
        marks += [*fitted[name]["loss"], *(point["loss"] for point in group["points"])]
        ends += [end for curve in curves_of(group, grid) for end in (curve.min(), curve.max())]
    for one in [*predictions, *(group["forecast"] for group in groups.values() if group["forecast"])]:
        marks.append(one["loss"])
        ends += one["pi95"]
    ax.set_ylim(loss_limits(marks, ends))
    loss_axis(ax, loss)
    for name, group in groups.items():
        style = style_of(name, names)
        draw_laws(ax, group, style, grid)
        draw_points(ax, fitted[name], group, style)
        if forecast := group["forecast"]:
            draw_interval(ax, beside[name], forecast["loss"], forecast["pi95"], style["color"], "D")
        draw_predictions(ax, group, style["color"])
    return lines_legend(groups, room, names)


def lines_legend(groups: dict, room: float, names: list[str]) -> list[Line2D]:
    """Entries of the legend of ``groups``, which are among ``names``; those at most ``room`` inches wide."""
    handles = []
    for name, group in list(groups.items())[:ENTRIES]:
        style = style_of(name, names)
        label = shortened(f"{name.upper()}: {in_short(group)}", room, small(), 2)
        if (power := group["power"]) and len(groups) <= 6:
            low, high = power["ci95"]["alpha"]
            label += f"\nα = {power['alpha']:.3f}, 95% [{low:.3f}, {high:.3f}]"
        handles.append(Line2D([], [], **style if power else style | {"linestyle": "none"}, label=label))
    if len(groups) > ENTRIES:
        handles.append(Line2D([], [], linestyle="none", label=f"and {len(groups) - ENTRIES} more"))
    if any(group["power_irreducible"] for group in groups.values()):
        handles.append(Line2D([], [], color="#555555", linestyle=DOTS, label=OF_ALL[0], **thin(0, 0.9)))
    if any(group["forecast"] for group in groups.values()):
        handles.append(Line2D([], [], color="#555555", marker="D", markerfacecolor="white",
                              label=OF_ALL[1], **thin(5, 0.9)))  # fmt: skip
    return handles


def curves_of(group: dict, grid: np.ndarray) -> list[np.ndarray]:
    """Losses at N (k,) of ``grid``, each (k,): the pure law and its band's ends, and the one with irreducible loss."""
    curves = []
    if power := group["power"]:
        line = Line.from_fit(power)
        centre, half = line.log_loss(grid), line.confidence_half_width(grid)
        curves = [np.exp(np.clip(place, -LARGE, LARGE)) for place in (centre, centre - half, centre + half)]
    if floor := group["power_irreducible"]:
        curves.append(floor["E"] + floor["A"] * grid ** -floor["alpha"])
    return curves


def draw_laws(ax: Axes, group: dict, style: dict, grid: np.ndarray) -> None:
    """The pure law with its band and the one with irreducible loss, whichever there are; set the limits before."""
    low, high = ax.get_ylim()
    curves = [np.clip(curve, low / 10, 10 * high) for curve in curves_of(group, grid)]
    if group["power"]:
        ax.plot(grid, curves[0], color=style["color"], linestyle=style["linestyle"])
        ax.fill_between(grid, curves[1], curves[2], color=style["color"], alpha=0.13, linewidth=0)
    if group["power_irreducible"]:
        ax.plot(grid, curves[-1], color=style["color"], linestyle=DOTS, **thin(0, 0.9))


def in_short(group: dict) -> str:
    """The verdict on a group in a few words."""
    return SHORT[group["verdict"]] if group["power"] else NO_LAW


def draw_predictions(ax: Axes, group: dict, colour: str) -> None:
    """Losses predicted, with their intervals; their tokens are named where they are not those of the group's laws."""
    size = small()
    for one in answers(group, "predictions"):
        tokens = one["tokens"]
        if tokens and not (group["tokens"] and abs(np.log(tokens / group["tokens"])) < SAME_TOKENS):
            ax.annotate(f"D = {short(tokens)}", (one["params"], one["loss"]), (-size, 0), color=GREY, fontsize=size,
                        textcoords="offset points", ha="right", va="center", path_effects=HALO, zorder=6)  # fmt: skip
        draw_interval(ax, one["params"], one["loss"], one["pi95"], colour, "d")


def draw_points(ax: Axes, runs: pd.DataFrame, group: dict, style: dict) -> None:
    """The group's points with the error of the test tunes, and the ``runs`` that they are of."""
    points = pd.DataFrame(group["points"])
    scale = plt.rcParams["font.size"] / 9
    if has_several(group):
        ax.scatter(runs["params"], runs["loss"], s=9 * scale**2, facecolors="none", edgecolors=style["color"],
                   linewidths=0.6 * scale, marker=style["marker"], zorder=3)  # fmt: skip
    nearest = np.abs(np.log(np.divide.outer(runs["params"].to_numpy(), points["params"].to_numpy()))).argmin(axis=1)
    errors = ERROR_BAR * runs["loss_se"].groupby(nearest).mean().reindex(range(len(points))).to_numpy()
    ax.errorbar(
        points["params"], points["loss"], yerr=None if np.isnan(errors).all() else errors, color=style["color"],
        marker=style["marker"], linestyle="none", elinewidth=0.9 * scale, zorder=4,
    )  # fmt: skip
