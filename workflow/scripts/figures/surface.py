"""Loss over N and D: slices at equal tokens or equal FLOP, the best N for each FLOP, and marks with their intervals.

Needs the table of runs as `tables.table.read_table` gives it and the contents of fit.json.
"""

from collections.abc import Mapping, Sequence
from typing import NamedTuple

import matplotlib.pyplot as plt
import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.lines import Line2D
from matplotlib.patheffects import withStroke
from matplotlib.transforms import Bbox

from workflow.scripts.base.amounts import short
from workflow.scripts.figures.amounts import Amounts, amounts_of
from workflow.scripts.figures.asked import ASKED_KEY, answers, answers_key, draw_answers, sizes_of
from workflow.scripts.figures.baselines import draw_levels, ngram_levels, spread
from workflow.scripts.figures.look import (
    MEDIUM,
    digits,
    dots_a_point,
    grid_of,
    log_axis,
    loss_axis,
    loss_limits,
    page,
    pixels,
    small,
    text_width,
    thin,
)
from workflow.scripts.figures.save import Picture
from workflow.scripts.figures.words import heading, legend_below, shortened
from workflow.scripts.findings.crossings import OF_N_AND_D
from workflow.scripts.findings.ngram_losses import ngram_sentence
from workflow.scripts.findings.words import formula
from workflow.scripts.laws.allocation import printed_loss
from workflow.scripts.tables.levels import SAME_FLOPS, levels

LOSS = "Test loss (nats a character)"
PARAMS = "Parameters outside the embedding, N"
SLICES = 5
PANELS = 12  # groups that are drawn at most, where each has its own axes
DASHES, DOTS = (0, (4, 3)), (0, (1, 1))
GREY = "#777777"
HALO = [withStroke(linewidth=1.5, foreground="white")]  # around words that a line may run behind
BEYOND = 4.0  # slices and the frontier go on to so many times the most tokens that a run read
TITLE = "Loss over parameters outside the embedding, N, and training tokens, D, and the best N for each FLOP, C."
SURFACE_KEY = (
    "Marks: {marks}; coloured lines: {laws}, fitted to all runs at once. Brackets: 95%. Dashes: runs of equal FLOP,"
    " of which the number is at the line, large N with few tokens to small N with many; each one's lowest point is the"
    " best size for its FLOP."
)
ADDITIVE = "chinchilla"  # the law that is drawn where no other is asked for
UNREAD = "{names}: all best sizes drawn read more tokens than any run did (dotted): extrapolated, not measured."
REJECTED = (
    "{name}: misfit exceeds seed noise: the law drawn is rejected (F test, p = {p:.2g}), and with it its best sizes."
)
DOUBTED = 0.05  # level of that test
NO_SURFACE = "No law of N and D: it needs 3 sizes and 3 budgets of tokens."
LATER_KEY = "Stars: runs that the laws were not fitted to; the thin line at each: the law at its tokens."
STAR: dict = {
    "marker": "*",
    "color": "#E69F00",
    "markeredgecolor": "black",
    "markeredgewidth": 0.6,
    "linestyle": "none",
}


def at_equal_flop(rows: pd.DataFrame, group: dict) -> bool:
    """Whether most runs of a group are of a budget of FLOP that has three sizes, or all are the optima of budgets."""
    level = levels(rows["flops"].to_numpy(), SAME_FLOPS)
    sizes = rows.groupby(level)["params"].transform("nunique")
    return bool(2 * (sizes >= 3).sum() > len(rows)) or bool((group.get("isoflop") or {}).get("optima_given"))


class Slice(NamedTuple):
    """A line of equal FLOP: what it is called, and its N and losses, each (k,)."""

    name: str
    n: np.ndarray
    loss: np.ndarray


def surfaces(fit: dict) -> list[str]:
    """The groups that have a law of N and D."""
    return [name for name in sorted(fit["groups"]) if fit["groups"][name].get("chinchilla")]


def surface(
    table: pd.DataFrame,
    fit: dict,
    by: str = "arch",
    loss: str = LOSS,
    width: float = MEDIUM,
    later: pd.DataFrame | None = None,
    told: Mapping[str, str] | None = None,
    ngrams: pd.DataFrame | None = None,
) -> Picture:
    """L(N, D) of each group: runs coloured by their tokens, slices of equal FLOP, and the best N for each FLOP.

    Args:
        by: the column of the table that has the groups' names.
        loss: label of the y axis.
        width: of the figure, in inches.
        later: runs that the laws were not fitted to, such as those of a forecast.
        told: which of the laws in `OF_N_AND_D` is drawn of a group that has it; else Chinchilla's.
        ngrams: losses of n-grams, as baselines.csv has them.

    Raises:
        InputError: it is too narrow or too wide for that; see `page`.
    """
    with page(width) as scale:
        if not (names := surfaces(fit)[:PANELS]):
            fig = plt.figure(figsize=(width, 1.2 * scale))
            fig.text(0.5, 0.5, shortened(NO_SURFACE, width - 0.3, 9 * scale, 3), ha="center", va="center")
            return Picture(fig, NO_SURFACE)
        chosen = table[table[by].isin(names)]
        amounts = amounts_of(chosen, "tokens")
        fig, axes, each = grid_of(len(names), width, scale, titles=3)
        asked = [one for name in names for one in answers(fit["groups"][name], *ASKED_KEY)]
        later = (chosen[:0] if later is None else later).pipe(lambda runs: runs[runs[by].isin(names)])
        seen = [*chosen["loss"], *later["loss"], *(one["loss"] for one in asked)]
        drawn: list[Drawn] = []
        laws = {name: law_of(fit["groups"][name], (told or {}).get(name, ADDITIVE)) for name in names}
        levels = []
        for ax, name in zip(axes, names, strict=True):
            law, rows = laws[name], chosen[chosen[by] == name]
            log_axis(ax, pd.concat([chosen["params"], later["params"], sizes_of(asked)]), PARAMS)
            ax.set_ylim(loss_limits(seen, [0.95 * min(seen), max(seen)]))
            loss_axis(ax, loss)
            drawn.append(draw_surface(ax, rows, law, amounts))
            levels.append(draw_levels(ax, ngram_levels(ngrams)))
            draw_answers(ax, fit["groups"][name], amounts)
            draw_later(ax, rows, later[later[by] == name], law)
            title_panel(ax, name, each - 0.8 * scale, [growth(law["compute_optimal"]), *doubts(law, drawn[-1])])
        legend_below(fig, surface_key(amounts, drawn, bool(len(later))))
        for ax, one, names_here in zip(axes, drawn, levels, strict=True):
            spread(names_here)
            label_slices(ax, one.slices)
    return Picture(fig, surface_caption(fit, laws, amounts, drawn, later, ngrams))


def surface_caption(
    fit: dict, laws: Mapping[str, dict], amounts: Amounts, drawn: Sequence["Drawn"], later: pd.DataFrame,
    ngrams: pd.DataFrame | None,
) -> str:  # fmt: skip
    """What `surface` shows, and what is not sure of it; ``laws`` and ``drawn`` are of each group."""
    found, groups = fit["groups"], len(surfaces(fit))
    marks = "means over seeds" if amounts.level is not None else "runs"
    said = [TITLE] + ([f"{PANELS} of {groups} groups."] if groups > PANELS else [])
    said.append(SURFACE_KEY.format(marks=marks, laws=formulas(laws)))
    for name, law in laws.items():
        if (p := misfit(law)) is not None:
            said.append(REJECTED.format(name=heading(name), p=p))
    if unread := [heading(name) for name, one in zip(laws, drawn, strict=True) if one.beyond and not one.read]:
        said.append(UNREAD.format(names=", ".join(unread)))
    said += [answers_key([found[name] for name in laws], *ASKED_KEY), LATER_KEY * bool(len(later))]
    return " ".join(filter(None, [*said, ngram_sentence(ngrams)]))


def doubts(law: Mapping, drawn: "Drawn") -> list[str]:
    """Why the best sizes of a panel are not sure, on a line under how they grow; no line if nothing speaks against."""
    p = misfit(law)
    said = [] if p is None else [f"law rejected, p = {p:.2g}"]
    said += ["extrapolated"] if drawn.beyond and not drawn.read else []
    return [", ".join(said)] if said else []


def misfit(law: Mapping) -> float | None:
    """p of the lack-of-fit F test of a law, if the test rejects it."""
    p = (law.get("lack_of_fit") or {}).get("p")
    return p if p is not None and p < DOUBTED else None


def law_of(group: dict, told: str) -> dict:
    """The law of a group that is drawn: that which is ``told``, if it has it."""
    return group[told if told in OF_N_AND_D and group.get(told) else ADDITIVE]


def formulas(laws: Mapping[str, Mapping]) -> str:
    """The law that is drawn of all groups, or of each."""
    each = {name: formula(law) for name, law in laws.items()}
    if len(set(each.values())) == 1:
        return next(iter(each.values()))
    return ", ".join(f"{said} ({heading(name)})" for name, said in each.items())


def growth(optimal: dict) -> str:
    """How the best N grows with FLOP, and the 95% interval of the exponent if it has one."""
    ends = optimal["ci95"]["N_exponent"] or optimal.get("bootstrap95", {}).get("N_exponent")
    return f"best N ∝ C^{optimal['N_exponent']:.2f}" + (f" [{ends[0]:.2f}, {ends[1]:.2f}]" if ends else "")


def title_panel(ax: Axes, name: str, room: float, lines: list[str]) -> None:
    """A group's name above its axes, on so many inches, and under it what is said of the group."""
    size = plt.rcParams["font.size"]
    ax.set_title("\n".join([shortened(heading(name), room, size), *lines]), loc="left", fontsize=size)


def surface_key(amounts: Amounts, drawn: Sequence["Drawn"], later: bool) -> list[Line2D]:
    """Entries of the legend: of what some of the panels show."""
    handles = amounts.handles()
    if any(one.slices for one in drawn):
        handles.append(Line2D([], [], color=GREY, linestyle=DASHES, label="equal FLOP", **thin(1, 0.7)))
    if any(one.read for one in drawn):
        handles.append(Line2D([], [], color="black", label="best size for its FLOP", **thin(1, 1.6)))
    if any(one.beyond for one in drawn):
        handles.append(Line2D([], [], color="black", linestyle=DOTS, label="best size, extrapolated", **thin(1, 1.6)))
    if later:
        handles.append(Line2D([], [], **STAR, label="run beyond the fit", **thin(8)))
    return handles


class Drawn(NamedTuple):
    """What is drawn of a law of N and D.

    Attributes:
        slices: of equal FLOP.
        read: whether some of its compute-optimal sizes read no more tokens than a run did.
        beyond: whether some read more.
    """

    slices: list[Slice]
    read: bool
    beyond: bool


def draw_surface(ax: Axes, rows: pd.DataFrame, law: dict, amounts: Amounts) -> Drawn:
    """Draw one group's law of N and D."""
    n = np.geomspace(rows["params"].min(), rows["params"].max(), 300)
    draw_marks(ax, rows, amounts)
    for tokens, shade in amounts.shades():
        ax.plot(n, printed_loss(law, n, tokens), color=shade, **thin(0, 1))
    per_token = flops_per_token(rows, n)
    least, most = rows["tokens"].min(), rows["tokens"].max()
    span = np.log(rows["flops"].min()), np.log(rows["flops"].max())
    slices = []
    for flops in np.exp(np.linspace(*span, SLICES + 2)[1:-1]):
        tokens = flops / per_token
        near = (tokens >= least) & (tokens <= BEYOND * most)
        if near.any():
            slices.append(Slice(digits(flops, 1), n[near], printed_loss(law, n[near], tokens[near])))
            ax.plot(*slices[-1][1:], color=GREY, linestyle=DASHES, zorder=1, **thin(0, 0.7))
    best = [best_size(law, n, flops / per_token) for flops in np.exp(np.linspace(*span, 200))]
    frontier = np.array([place for place in best if place is not None and place[2] <= BEYOND * most]).reshape(-1, 3)
    read = frontier[:, 2] <= most
    if (~read).any():
        ax.plot(*frontier[:, :2].T, color="black", linestyle=DOTS, zorder=4, **thin(0, 1.6))
    if read.any():
        ax.plot(*frontier[read, :2].T, color="black", zorder=4, **thin(0, 1.6))
    return Drawn(slices, bool(read.any()), bool((~read).any()))


def draw_later(ax: Axes, rows: pd.DataFrame, later: pd.DataFrame, law: dict) -> None:
    """Runs that a law was not fitted to, and the law at their tokens, from the largest size of ``rows`` on."""
    for (params, tokens), loss in later.groupby(["params", "tokens"])["loss"].mean().items():
        n = np.geomspace(min(rows["params"].max(), params), 1.2 * params, 100)
        ax.plot(n, printed_loss(law, n, tokens), color=GREY, zorder=1, **thin(0, 0.8))
        ax.plot(params, loss, zorder=6, **STAR, **thin(9))
        above = bool(loss > printed_loss(law, params, tokens))  # its name is not on the line
        ax.annotate(f"D = {short(tokens)}", (params, loss), (4, 6 if above else -6), textcoords="offset points",
                    ha="right", va="bottom" if above else "top", zorder=6, color=GREY, path_effects=HALO,
                    fontsize=small())  # fmt: skip


def draw_marks(ax: Axes, rows: pd.DataFrame, amounts: Amounts) -> None:
    """Means over seeds at each of the amounts, if they are levels of the runs; else the runs, each in its colour."""
    if amounts.level is None:
        draw_runs(ax, rows, amounts)
        return
    for i, (_, shade) in enumerate(amounts.shades()):
        means = rows[amounts.level.loc[rows.index] == i].groupby("params")["loss"].mean()
        ax.plot(means.index, means, color=shade, marker="o", linestyle="none", zorder=2, **thin(3.5, 1))


def draw_runs(ax: Axes, rows: pd.DataFrame, amounts: Amounts) -> None:
    """The runs, each in the colour of its amount."""
    size = thin(3.5 if len(rows) < 300 else 2)["markersize"]
    shades = amounts.colours(rows[amounts.column].to_numpy())
    ax.scatter(rows["params"], rows["loss"], s=size**2, c=shades, linewidths=0, zorder=2)


def flops_per_token(rows: pd.DataFrame, n: np.ndarray) -> np.ndarray:
    """FLOP a token at each N (k,), by a parabola on log-log through those of the runs.

    They are 6 N and what attention and the output layer take.
    """
    cost = (rows["flops"] / rows["tokens"]).groupby(rows["params"]).mean()
    x = np.log(cost.index.to_numpy(float))
    curve = np.polyfit(x - x.mean(), np.log(cost.to_numpy()), min(2, len(x) - 1))
    return np.exp(np.polyval(curve, np.log(n) - x.mean()))


def best_size(law: dict, n: np.ndarray, tokens: np.ndarray) -> tuple[float, float, float] | None:
    """N, loss and D at the lowest point of a slice, N and D (k,); None where that is an end of it."""
    loss = printed_loss(law, n, tokens)
    best = int(loss.argmin())
    return None if best in (0, len(n) - 1) else (n[best], loss[best], tokens[best])


def label_slices(ax: Axes, slices: list[Slice]) -> None:
    """Name lines of equal FLOP where the names cover no mark, no other name, and as little of the lines as can be.

    A line beside which there is no such place has no name. Needs axes that lie where they will stay.
    """
    size, dot = small(), dots_a_point(ax)
    marks, lines = pixels(ax)
    taken: list[Bbox] = [text.get_window_extent() for text in ax.texts]
    for name, n, loss in slices:
        wide, high = text_width(name, size) * dot, size * dot
        found = []
        for i, (x, y) in enumerate(ax.transData.transform(np.stack((n, loss), axis=1))[::-8]):
            for across in (1.0, 0.5, 0.0):
                for up in (0.3 * high, -1.3 * high):
                    box = Bbox.from_bounds(x - across * wide, y + up, wide, high)
                    near = box.padded(0.55 * high)  # as much as the largest mark reaches from its middle
                    if inside(ax.bbox, near) and not near.count_contains(marks) and not box.count_overlaps(taken):
                        found.append((near.count_contains(lines), i, across, up, box))
        if found:
            box = min(found, key=lambda place: place[:3])[4]
            taken.append(box)
            x, y = ax.transData.inverted().transform((box.x0, box.y0))
            ax.text(x, y, name, fontsize=size, color=GREY, va="baseline", zorder=6, path_effects=HALO)


def inside(outer: Bbox, box: Bbox) -> bool:
    return bool(outer.x0 <= box.x0 and box.x1 <= outer.x1 and outer.y0 <= box.y0 and box.y1 <= outer.y1)
