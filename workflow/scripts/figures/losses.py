"""Figures of losses: on the way through training, against FLOP, and by place in the tune.

Needs the curves and strata of a study as read from curves.csv and strata.csv, and the runs as `tables.table` reads
them.
"""

from collections.abc import Iterator

import pandas as pd
from matplotlib.axes import Axes

from workflow.scripts.base.amounts import short
from workflow.scripts.figures.baselines import draw_levels, ngram_levels, spread
from workflow.scripts.figures.look import (
    ERROR_BAR,
    MEDIUM,
    even_shades,
    flop_axis,
    grid_of,
    log_axis,
    loss_axis,
    page,
    small,
    style_of,
    thin,
)
from workflow.scripts.figures.save import Picture
from workflow.scripts.figures.words import heading
from workflow.scripts.findings.ngram_losses import ngram_sentence
from workflow.scripts.findings.tune_start import start_sentence

RUN = ["model", "budget", "seed"]
CURVES = ("model", "arch", "params_non_embedding", "budget", "seed", "tokens", "flops", "val_loss")  # of curves.csv
CURVES_CAPTION = (
    "Validation loss over training tokens for every run, one panel an architecture, darker for a larger model. What"
    " runs of a model and seed have in common, as they branch off one trunk, is drawn once."
)
PLACES = (
    "Test loss by place in the tune, the mean over seeds, for each size of model. Farther in, a model has more of the"
    " tune before it, but the tunes that go on so far are others, and may be harder: compare models at one place. A"
    " Transformer sees its window at most; an LSTM carries its state from the start."
)


def shaded_sizes(rows: pd.DataFrame) -> list[tuple[int, tuple[float, ...]]]:
    """Each N in ``params_non_embedding``, ascending, with a shade that darkens with it."""
    sizes = sorted(rows["params_non_embedding"].unique())
    return list(zip(sizes, map(tuple, even_shades(len(sizes))), strict=True))


def ways(curves: pd.DataFrame) -> Iterator[pd.DataFrame]:
    """The rows of each run, ascending in tokens, without those of a trunk that a longer run of its model and seed has.

    The last of these stays, as the run branches off there.
    """
    for _, runs in curves.groupby(["model", "seed"]):
        drawn: set[tuple[float, float]] = set()
        for _, run in sorted(runs.groupby("budget"), key=lambda one: -one[0]):
            run = run.sort_values("tokens")
            places = list(zip(run["tokens"], run["val_loss"], strict=True))
            shared = next((i for i, place in enumerate(places) if place not in drawn), len(places))
            drawn.update(places)
            yield run[max(shared - 1, 0) :]


def loss_curves(curves: pd.DataFrame, width: float = MEDIUM) -> Picture:
    """Validation loss (nats a character) over training tokens, a line a run, darker for a larger model.

    Args:
        curves: the columns CURVES, a row for each time that a run was validated on its way.
        width: of the figure, in inches.
    """
    archs = sorted(curves["arch"].unique())
    with page(width) as scale:
        fig, axes, _ = grid_of(len(archs), width, scale, titles=1)
        limits = curves["val_loss"].min() / 1.03, curves["val_loss"].max() * 1.03
        for ax, arch in zip(axes, archs, strict=True):
            rows = curves[curves["arch"] == arch]
            for size, shade in shaded_sizes(rows):
                label: str | None = f"N = {short(size)}"
                for run in ways(rows[rows["params_non_embedding"] == size]):
                    ax.plot(run["tokens"], run["val_loss"], color=shade, label=label, **thin(0, 0.9))
                    label = None
            log_axis(ax, curves["tokens"], "Training tokens")
            ax.set_ylim(limits)
            loss_axis(ax, "Validation loss (nats a character)")
            ax.set_title(heading(arch), loc="left", fontsize=9 * scale)
            ax.legend(fontsize=small(), loc="upper right")
        fig.tight_layout()
    return Picture(fig, CURVES_CAPTION)


def loss_compute(
    table: pd.DataFrame, curves: pd.DataFrame | None, width: float = MEDIUM, ngrams: pd.DataFrame | None = None
) -> Picture:
    """Loss (nats a character) against training FLOP: runs at their end, and on their way where ``curves`` are given.

    Args:
        table: arch, flops, loss and loss_se (NaN without one) of each run, as `tables.table.read_table` names them.
        curves: as those of `loss_curves`.
        width: of the figure, in inches.
        ngrams: losses of n-grams, as baselines.csv has them.
    """
    archs = sorted(table["arch"].unique())
    with page(width) as scale:
        fig, (ax,), _ = grid_of(1, width, scale)
        for arch in archs:
            style = style_of(arch, archs)
            if curves is not None:
                draw_ways(ax, curves[curves["arch"] == arch], style["color"])
            rows = table[table["arch"] == arch]
            ax.errorbar(
                rows["flops"], rows["loss"], yerr=ERROR_BAR * rows["loss_se"], color=style["color"],
                marker=style["marker"], linestyle="none", markersize=4 * scale, capsize=2 * scale,
                elinewidth=0.8 * scale, label=heading(arch),
            )  # fmt: skip
        flop_axis(ax, table["flops"] if curves is None else pd.concat([table["flops"], curves["flops"]]))
        loss_axis(ax, "Loss (nats a character)")
        ax.set_ylim(ax.get_ylim())
        names = draw_levels(ax, ngram_levels(ngrams))
        ax.legend(fontsize=small(), loc="upper right")
        fig.tight_layout()
        spread(names)
    bars = "" if table["loss_se"].isna().all() else ", with 95% from resampling test tunes"
    said = f"Loss against training FLOP. Marks: finished runs on the test split{bars}."
    if curves is not None:
        said += " Faint lines: validation loss on the way; what runs of a model and seed share is drawn once."
    return Picture(fig, " ".join(filter(None, [said, ngram_sentence(ngrams)])))


def draw_ways(ax: Axes, curves: pd.DataFrame, colour: str) -> None:
    """A faint line for each run."""
    for run in ways(curves):
        ax.plot(run["flops"], run["val_loss"], color=colour, alpha=0.3, **thin(0, 0.7))


def loss_places(strata: pd.DataFrame, width: float = MEDIUM) -> Picture:
    """Test loss (nats a character) by place in the tune, the mean over seeds, for each size.

    Args:
        strata: the columns `findings.tune_start.STRATA`. Where ``by`` is "position", a row has the loss of a run in a
            stretch of the tunes: from ``start`` up to but not with ``stop``, in tokens from the start of a tune.
        width: of the figure, in inches.
    """
    places = strata[strata["by"] == "position"]
    archs = sorted(places["arch"].unique())
    with page(width) as scale:
        fig, axes, each = grid_of(len(archs), width, scale, titles=1)
        for ax, arch in zip(axes, archs, strict=True):
            rows = places[places["arch"] == arch]
            for size, shade in shaded_sizes(rows):
                means = rows[rows["params_non_embedding"] == size].groupby(["start", "stop"])["loss"].mean()
                means = means.reset_index()
                edges = [*means["start"] + 1, means["stop"].iloc[-1] + 1]  # from 1: the axis is logarithmic
                ax.stairs(means["loss"], edges, color=shade, linewidth=1.2 * scale, baseline=None,
                          label=f"N = {short(size)}")  # fmt: skip
            log_axis(ax, pd.concat([places["start"], places["stop"]]) + 1, "Place in the tune (tokens, from 1)")
            ax.set_title(heading(arch), loc="left", fontsize=9 * scale)
            ax.set_ylim(0, 1.25 * places["loss"].max())  # with room for the legend
            if ax in axes[:: max(1, int(width // each))]:
                ax.set_ylabel("Test loss (nats a character)")
            ax.legend(fontsize=small(), loc="upper right")
        fig.tight_layout()
    return Picture(fig, " ".join(filter(None, [PLACES, start_sentence(strata)])))
