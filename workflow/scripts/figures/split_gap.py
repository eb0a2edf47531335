"""The figure of the split: how much loss the relatives of test tunes in training take away, against parameters.

Needs the summary as collect_split_gap writes it to split_gap.json.
"""

import matplotlib.pyplot as plt
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.lines import Line2D
from matplotlib.ticker import MaxNLocator

from workflow.scripts.base.amounts import short
from workflow.scripts.figures.look import MEDIUM, log_axis, page, style_of, thin
from workflow.scripts.figures.save import Picture
from workflow.scripts.figures.words import legend_below
from workflow.scripts.findings.headline import names_of

# What split_gap.json has of each model -> whether its marks are filled, how far they are moved aside, and its words.
KINDS = {
    "all": (False, 0.97, "all test tunes"),
    "with relatives beyond without": (True, 1.03, "tunes with a relative in training, beyond the others"),
}
HEIGHT = 3.0  # inches, at text of 9 points


def draw(summary: dict, width: float = MEDIUM) -> Picture:
    """Differences of each model with their intervals, of all test tunes and of those with relatives beyond the others.

    Args:
        summary: as `evaluation.split_gap.split_gap` returns it, with the name of the corpus.
        width: of the figure, in inches.
    """
    models = [model for model in summary["models"] if model["all"]]
    archs = list(dict.fromkeys(model["arch"] for model in models))
    names = names_of(archs)
    with page(width) as scale:
        fig, ax = plt.subplots(figsize=(width, scale * HEIGHT))
        ax.axhline(0, color="#555555", linewidth=0.9)
        for arch in archs:
            for kind in KINDS:
                marks(ax, [model for model in models if model["arch"] == arch], kind, style_of(arch, archs))
        log_axis(ax, pd.Series([model["params_non_embedding"] for model in models]), "Parameters outside the embedding")
        ax.yaxis.set_major_locator(MaxNLocator(5))
        ax.set_ylabel("Loss without relatives\nless with (nats a character)")
        handles = [Line2D([], [], linestyle="none", label=names[arch], **marker(arch, archs)) for arch in archs]
        grey: dict = {"color": "#555555", "linestyle": "none", "marker": "o"}
        handles += [
            Line2D([], [], markerfacecolor="#555555" if is_filled else "white", label=words, **grey, **thin(5))
            for is_filled, _, words in KINDS.values()
        ]
        legend_below(fig, handles)
    return Picture(fig, caption(summary))


def marker(arch: str, archs: list[str]) -> dict:
    style = style_of(arch, archs)
    return {"color": style["color"], "marker": style["marker"]} | thin(5)


def marks(ax: Axes, models: list[dict], kind: str, style: dict) -> None:
    """One architecture and kind of difference: a mark a model, on its interval."""
    is_filled, aside, _ = KINDS[kind]
    found = [(aside * model["params_non_embedding"], model[kind]) for model in models if model[kind]]
    for size, gap in found:
        if gap["difference_ci95"]:
            ax.plot([size, size], gap["difference_ci95"], color=style["color"], **thin(0, 1.2))
    ax.plot(
        [size for size, _ in found], [gap["difference"] for _, gap in found], style["marker"], color=style["color"],
        markerfacecolor=style["color"] if is_filled else "white", linestyle="none", **thin(5),
    )  # fmt: skip


def caption(summary: dict) -> str:
    """The differences in words, each with its interval."""
    said = []
    for model in summary["models"]:
        parts = []
        for kind, words in (("all", "in all"), ("with relatives beyond without", "more with relatives than without")):
            if (gap := model[kind]) and gap["difference_ci95"]:
                low, high = gap["difference_ci95"]
                parts.append(f"{gap['difference']:+.4f} [{low:+.4f}, {high:+.4f}] {words}")
        said.append(f"{model['model']} ({short(model['params_non_embedding'])}): {', '.join(parts)}.")
    seeds = "and seeds" if summary["seeds_in_intervals"] else "alone: how far seeds differ is not in them"
    return (
        "How much higher test loss is (nats a character) when the relatives of held-out tunes are left out of training,"
        f" on the same test tunes. {summary['with_relatives']:,} of {summary['test_tunes']:,} have a version in"
        " training otherwise. Above zero, relatives in training lower the loss. Filled: by how much more it rises for"
        " tunes with relatives than for the others; to have trained on other tunes moves both alike, so this is the"
        f" surer measure. {' '.join(said)} Bars: 95% over tunes {seeds}; losses are paired tune by tune."
        f" Corpus: {summary['corpus']}."
    )
