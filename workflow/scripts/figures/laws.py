"""The two figures of laws: loss against N at one budget of tokens, and loss over N and D with the best N for each FLOP.

Both need the table of runs as `tables.table.read_table` gives it and the contents of fit.json.
"""

import textwrap

import matplotlib.pyplot as plt
import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.lines import Line2D

from workflow.scripts.figures.look import ERROR_BAR, log_axis, loss_axis, shades, short, style_of, under_figure
from workflow.scripts.laws.band import Line

LOSS = "Test loss (nats a character)"
PARAMS = "Parameters outside the embedding, N"
SLICES = 5
DOTS = (0, (1, 1.5))
BEYOND = 4.0  # slices and the frontier go on to so many times the most tokens that a run read
NO_LAW = "no law can be fitted"
SURFACE_KEY = (
    "Marks: means over seeds; coloured lines: L = E + A/N^α + B/D^β, fitted to all runs at once. Dashes: runs of equal"
    " FLOP, large N with few tokens to small N with many; each one's lowest point is the best size for its FLOP."
)
NO_SURFACE = "No law of N and D: it needs 3 sizes and 3 budgets of tokens."
SHORT = {"power": "a power law, no floor in sight", "saturating": "levels off", "reversal": "largest size is worse",
         "flat": "no fall with N", "inconclusive": "undecided whether it levels off"}  # fmt: skip

Colour = tuple[float, float, float, float]


def scaling(table: pd.DataFrame, fit: dict, by: str = "arch", loss: str = LOSS) -> Figure:
    """Points, the pure law with its band, the law with irreducible loss, the forecast and the verdict of each group.

    A group without laws has its points alone.

    Args:
        by: the column of the table that has the groups' names.
        loss: label of the y axis.
    """
    fig, ax = plt.subplots(figsize=(6.6, 5.4))
    groups = fit["groups"]
    names = sorted(groups)
    sizes = pd.Series([point["params"] for group in groups.values() for point in group["points"]])
    grid = np.geomspace(sizes.min() / 1.15, sizes.max() * 1.15, 200)
    handles = []
    for name in names:
        group, style = groups[name], style_of(name, names)
        draw_laws(ax, group, style, grid)
        draw_points(ax, table[table[by] == name], group, style)
        if forecast := group["forecast"]:
            draw_forecast(ax, forecast, style["color"], 1.05 ** (1 + names.index(name)))
        label = f"{name.upper()}: {in_short(group)}"
        if power := group["power"]:
            low, high = power["ci95"]["alpha"]
            label += f"\nα = {power['alpha']:.3f}, 95% [{low:.3f}, {high:.3f}]"
        handles.append(Line2D([], [], **style if power else style | {"linestyle": "none"}, label=label))
    if any(group["power_irreducible"] for group in groups.values()):
        handles.append(Line2D([], [], color="#555555", linewidth=0.9, linestyle=DOTS, label="with irreducible loss E"))
    if any(group["forecast"] for group in groups.values()):
        handles.append(Line2D([], [], color="#555555", marker="D", markerfacecolor="white", markersize=5, linewidth=0.9,
                              label="forecast of the largest"))  # fmt: skip
    log_axis(ax, sizes, PARAMS)
    keep_to(ax, [point["loss"] for group in groups.values() for point in group["points"]])
    loss_axis(ax, loss)
    ax.set_title(headline(fit), loc="left", fontsize=10.5, fontweight="bold")
    ax.legend(handles=handles, loc="best", fontsize=8)
    words = [" ".join(groups[name]["said"]) for name in names]
    under_figure(fig, [" ".join(fit["comparison"]["said"]), *words, key_to(list(groups.values()))])
    return fig


def key_to(groups: list[dict]) -> str:
    """What the marks that are drawn mean."""
    said = "Filled marks: mean over seeds"
    if any(group["evaluation_se"] is not None for group in groups):
        said += ", with 95% from resampling test tunes (the same for all, so gaps are surer than they look)"
    said += "; open marks: runs"
    if any(group["power"] for group in groups):
        said += "; bands: 95% of the line"
    if any(group["forecast"] for group in groups):
        said += "; diamonds: largest size as forecast from the others, with 95% for one more size"
    return f"{said}. Losses at one budget of tokens end at E + B/D^β, which is not the entropy of music."


def draw_laws(ax: Axes, group: dict, style: dict, grid: np.ndarray) -> None:
    """The pure law with its band and the one with irreducible loss, whichever there are."""
    if power := group["power"]:
        line = Line.from_fit(power)
        centre, half = line.log_loss(grid), line.confidence_half_width(grid)
        ax.plot(grid, np.exp(centre), color=style["color"], linestyle=style["linestyle"])
        ax.fill_between(grid, np.exp(centre - half), np.exp(centre + half), color=style["color"], alpha=0.13,
                        linewidth=0)  # fmt: skip
    if floor := group["power_irreducible"]:
        ax.plot(grid, floor["E"] + floor["A"] * grid ** -floor["alpha"], color=style["color"], linewidth=0.9,
                linestyle=DOTS)  # fmt: skip


def in_short(group: dict) -> str:
    """The verdict on a group in a few words."""
    return SHORT[group["verdict"]] if group["power"] else NO_LAW


def headline(fit: dict) -> str:
    """What the figure shows, in one sentence, and at which budget."""
    said = fit["comparison"]["said"]
    budgets = {group["tokens"] for group in fit["groups"].values()}
    tokens = budgets.pop() if len(budgets) == 1 else None
    if said:
        first = said[0].split(", by ")[0].removesuffix(".")
    else:
        order = [*SHORT.values(), NO_LAW]
        verdicts = sorted({in_short(group) for group in fit["groups"].values()}, key=order.index)
        alike = [
            [name.upper() for name, group in fit["groups"].items() if in_short(group) == word] for word in verdicts
        ]
        first = "; ".join(f"{', '.join(names)}: {word}" for names, word in zip(alike, verdicts, strict=True))
    return textwrap.fill(first + (f" ({short(tokens)} training tokens)" if tokens else ""), 62)


def draw_points(ax: Axes, rows: pd.DataFrame, group: dict, style: dict) -> None:
    """The group's points with the error of the test tunes, and of ``rows`` the runs at its budget."""
    points = pd.DataFrame(group["points"])
    at = rows["tokens"].notna() & (np.abs(np.log(rows["tokens"] / (group["tokens"] or 1))) < 0.02)
    runs = rows[at] if group["tokens"] else rows.iloc[:0]
    ax.scatter(runs["params"], runs["loss"], s=9, facecolors="none", edgecolors=style["color"], linewidths=0.6,
               marker=style["marker"], zorder=3)  # fmt: skip
    errors = ERROR_BAR * runs.groupby("params")["loss_se"].mean().reindex(points["params"]).to_numpy()
    ax.errorbar(
        points["params"], points["loss"], yerr=None if np.isnan(errors).all() else errors, color=style["color"],
        marker=style["marker"], linestyle="none", markersize=5, capsize=2.5, elinewidth=0.9, zorder=4,
    )  # fmt: skip


def draw_forecast(ax: Axes, forecast: dict, colour: str, aside: float) -> None:
    """The forecast of the largest size, beside it by the factor ``aside``, so that what was measured is seen, too."""
    place, (low, high) = forecast["params"] * aside, forecast["power"]["pi95"]
    loss = forecast["power"]["loss"]
    ax.errorbar(place, loss, yerr=[[loss - low], [high - loss]], color=colour, marker="D", markerfacecolor="white",
                markersize=5, capsize=3, elinewidth=1.4, zorder=5)  # fmt: skip


def keep_to(ax: Axes, losses: list[float]) -> None:
    """Limit the y axis to the measured losses and a little around them: an interval may be endless."""
    low, high = np.log(min(losses)), np.log(max(losses))
    if low == high:
        ax.set_ylim(np.exp(low - 0.2), np.exp(high + 0.2))
        return
    margin = 0.35 * (high - low)
    shown = np.log(ax.get_ylim())
    ax.set_ylim(np.exp(max(shown[0], low - 2 * margin)), np.exp(min(shown[1], high + margin)))


def surfaces(fit: dict) -> list[str]:
    """The groups that have a law of N and D."""
    return [name for name in sorted(fit["groups"]) if fit["groups"][name].get("chinchilla")]


def surface(table: pd.DataFrame, fit: dict, by: str = "arch", loss: str = LOSS) -> Figure:
    """L(N, D) of each group: a line for each budget of tokens, slices of equal FLOP, and the best N for each FLOP.

    ``by`` and ``loss``: see `scaling`.
    """
    if not (names := surfaces(fit)):
        fig = plt.figure(figsize=(5.6, 1.6))
        fig.text(0.5, 0.5, NO_SURFACE, ha="center", va="center")
        return fig
    chosen = table[table[by].isin(names)]
    budgets = budget_lines(chosen)
    colours = {tokens: (r, g, b, a) for tokens, (r, g, b, a) in zip(budgets, shades(len(budgets)), strict=True)}
    widths = [4.2] * len(names) + [1.7]
    fig, (*axes, beside) = plt.subplots(1, len(widths), figsize=(sum(widths) + 0.3, 4.6), width_ratios=widths)
    read = []
    for ax, name in zip(axes, names, strict=True):
        law = fit["groups"][name]["chinchilla"]
        read.append(draw_surface(ax, chosen[chosen[by] == name], law, colours))
        log_axis(ax, chosen["params"], PARAMS)
        optimal = law["compute_optimal"]
        ends = optimal["bootstrap95"]["N_exponent"]
        span = f" [{ends[0]:.2f}, {ends[1]:.2f}]" if ends else ""
        ax.set_title(
            f"{name.upper()}: best N grows as C$^{{{optimal['N_exponent']:.2f}}}${span}", loc="left", fontsize=10
        )
        ax.set_ylim(chosen["loss"].min() * 0.93, chosen["loss"].max() * 1.02)
        loss_axis(ax, loss if ax is axes[0] else "")
    beside.axis("off")
    beside.legend(handles=surface_key(colours), fontsize=7.5, loc="center left", borderaxespad=0)
    if not any(read):
        title = "At equal FLOP, smaller models that read more than any did here would be best"
    else:
        title = "Loss over size and tokens, and the best size for each FLOP"
    under_figure(fig, [SURFACE_KEY], title)
    return fig


def surface_key(colours: dict[float, Colour]) -> list[Line2D]:
    """Entries of the legend; ``colours`` of the lines by their tokens."""
    lines = [
        Line2D([], [], color=shade, marker="o", markersize=3.5, linewidth=1, label=f"D = {short(tokens)}")
        for tokens, shade in colours.items()
    ]
    return [
        *lines,
        Line2D([], [], color="#777777", linewidth=0.7, linestyle=(0, (4, 3)), label="equal FLOP"),
        Line2D([], [], color="black", linewidth=1.6, label="best size for\nits FLOP"),
        Line2D(
            [],
            [],
            color="black",
            linewidth=1.6,
            linestyle=(0, (1, 1)),
            label="the same, with\nmore tokens\nthan any run",
        ),
    ]


def draw_surface(ax: Axes, rows: pd.DataFrame, law: dict, colours: dict[float, Colour]) -> bool:
    """Draw one group's law of N and D; whether any of its compute-optimal sizes reads no more tokens than a run did."""
    n = np.geomspace(rows["params"].min(), rows["params"].max(), 300)
    for tokens, means in budget_lines(rows, list(colours)).items():
        ax.plot(n, predicted(law, n, tokens), color=colours[tokens], linewidth=1)
        ax.plot(means.index, means, color=colours[tokens], marker="o", linestyle="none", markersize=3.5)
    per_token = flops_per_token(rows, n)
    least, most = rows["tokens"].min(), rows["tokens"].max()
    span = np.log(rows["flops"].min()), np.log(rows["flops"].max())
    for flops in np.exp(np.linspace(*span, SLICES + 2)[1:-1]):
        tokens = flops / per_token
        near = (tokens >= least) & (tokens <= BEYOND * most)
        loss = predicted(law, n[near], tokens[near])
        ax.plot(n[near], loss, color="#777777", linewidth=0.7, linestyle=(0, (4, 3)), zorder=1)
        ax.annotate(f"{flops:.0e} FLOP".replace("e+", "e"), (n[near][-1], loss[-1]), fontsize=6, color="#777777",
                    ha="right", va="bottom")  # fmt: skip
    best = [best_size(law, n, flops / per_token) for flops in np.exp(np.linspace(*span, 200))]
    frontier = np.array([place for place in best if place is not None and place[2] <= BEYOND * most]).reshape(-1, 3)
    read = frontier[:, 2] <= most
    ax.plot(*frontier[:, :2].T, color="black", linewidth=1.6, linestyle=(0, (1, 1)), zorder=4)
    ax.plot(*frontier[read, :2].T, color="black", linewidth=1.6, zorder=4)
    return bool(read.any())


def budget_lines(rows: pd.DataFrame, known: list[float] | None = None) -> dict[float, pd.Series]:
    """Mean loss by N at each budget of tokens: of ``known``, or of the rows.

    Where the rows have more than 12 budgets, as if each run had its own, there are 8 amounts from the least to the most
    instead, at which few runs or none lie.
    """
    rounded = rows["tokens"].map(lambda tokens: float(f"{tokens:.3g}"))
    if known is None:
        few = rounded.nunique() <= 12
        amounts = np.geomspace(rows["tokens"].min(), rows["tokens"].max(), 8)
        known = sorted(rounded.unique()) if few else [float(f"{tokens:.2g}") for tokens in amounts]
    return {tokens: rows[rounded == tokens].groupby("params")["loss"].mean() for tokens in known}


def predicted(law: dict, n: np.ndarray, tokens: np.ndarray | float) -> np.ndarray:
    """Loss at each N (k,) and D, one or (k,), by the entry ``chinchilla`` of fit.json."""
    return law["E"] + law["A"] * n ** -law["alpha"] + law["B"] * np.asarray(tokens, float) ** -law["beta"]


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
    loss = predicted(law, n, tokens)
    best = int(loss.argmin())
    return None if best in (0, len(n) - 1) else (n[best], loss[best], tokens[best])
