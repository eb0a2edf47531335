"""The panel of the leak: how many test tunes have a relative in training, by this split and by two simpler ones."""

from matplotlib.axes import Axes

from workflow.scripts.base.uncertainty import wilson
from workflow.scripts.corpus_figure.panel import (
    BLUE,
    GREEN,
    GREY,
    NOTE,
    ORANGE,
    PINK,
    few,
    points,
    right_of,
    rows_axis,
    title,
)

SCHEMES = {"exact_duplicates_only": "Only exact\ncopies removed", "random": "Random split"}
WAYS = {
    "cluster": "This split:\nversions together",
    "random": "This split:\neach tune alone",
    "random_apart": "This split:\nrelatives apart",
    "md5": "This split:\nMD5 of the file",
    "md5_apart": "This split: MD5,\nrelatives apart",
}
RELATIVES = {  # view -> its words, colour and marker; tunes read as ABC have none that was played
    "notes": ("by notes", GREEN, "^"),
    "steps": ("by melody", PINK, "D"),
    "played": ("by the MIDI", GREY, "v"),
}
HALVES = ("contained", "containing")  # half of one tune stands in the other; drawn as one mark, the larger of the two
HALF = ("half in one", ORANGE, "s")
DOT, MARKER = 5, 3.4  # points
NOT_MEASURED = "The leak is not measured: this corpus was made without looking for versions of one tune."


def schemes(corpus: dict) -> list[str]:
    """The ways to split that were measured and have a name here, from the top."""
    return [name for name in ("in_force", *SCHEMES) if name in corpus["leakage"]]


def words_of(corpus: dict) -> dict[str, str]:
    """What each way to split is called."""
    return {"in_force": WAYS.get(corpus["options"]["split_by"], "This split")} | SCHEMES


def leak(ax: Axes, corpus: dict) -> None:
    """A row for each way to split: share of test tunes with a relative in training, its interval, and the counts."""
    names, words = schemes(corpus), words_of(corpus)
    marks = marks_of(corpus)
    ends = []
    for y, name in enumerate(names):
        found = corpus["leakage"][name]
        said = "no test tunes"
        if n := found["test_tunes"]:
            count = round(found["either"] * n)
            low, high = wilson(count, n)
            draw_row(ax, y, found, marks, low, high)
            ends += [100 * high, *(100 * found[kind]["either"] for kind in HALVES)]
            said = f"{count:,} of {n:,}"
        right_of(ax, y, said)
    rows_axis(ax, [words[name] for name in names])
    ax.set_ylim(len(names) - 0.35, -0.5)
    ax.get_yticklabels()[0].set_fontweight("bold" if names[:1] == ["in_force"] else "normal")
    top = min(100, 1.05 * max(ends, default=1))
    ax.set_xlim(-0.02 * top, top)
    ax.xaxis.set_major_locator(few(6))
    ax.set_xlabel("Test tunes with a relative in training (%)", loc="right")
    title(ax, "a  Leak")
    add_legend(ax, marks)


def marks_of(corpus: dict) -> list[str]:
    """The views of `RELATIVES` that are drawn."""
    names = schemes(corpus)
    return [view for view in RELATIVES if view != "played" or any(corpus["leakage"][name][view] for name in names)]


def leak_caption(corpus: dict) -> str:
    """The shares that the panel has, in words."""
    said = []
    for name in schemes(corpus):
        found, words = corpus["leakage"][name], " ".join(words_of(corpus)[name].split())
        if n := found["test_tunes"]:
            count = round(found["either"] * n)
            low, high = wilson(count, n)
            halves = "half in one {contained:.2%}, hold half of one {containing:.2%}".format(
                **{kind: found[kind]["either"] for kind in HALVES}
            )
            said.append(f"{words}: {count:,} of {n:,}, {found['either']:.2%} [{low:.2%}, {high:.2%}]; {halves}.")
        else:
            said.append(f"{words}: no test tunes.")
    return (
        "(a) Test tunes with a relative in training, by the split in force and by two simpler ones. Relatives share"
        " much of their notes or their melody; half in one: half of its windows are in one training tune. Bars,"
        f" brackets: 95% by Wilson. {' '.join(said)}"
    )


def draw_row(ax: Axes, y: int, found: dict, marks: list[str], low: float, high: float) -> None:
    """One way to split: the share by any view on its 95% interval, and below it by each, and of halves in one tune."""
    ax.plot([100 * low, 100 * high], [y, y], color=BLUE, linewidth=1.4, solid_capstyle="butt", zorder=3)
    ax.plot(100 * found["either"], y, color=BLUE, marker="o", markersize=DOT, zorder=4, clip_on=False)
    each = [(found[view], *RELATIVES[view][1:]) for view in marks]
    for share, colour, marker in [*each, (max(found[kind]["either"] for kind in HALVES), *HALF[1:])]:
        ax.plot(
            100 * share, y + 0.3, color=colour, marker=marker, markersize=MARKER, markerfacecolor="white",
            markeredgewidth=0.9, zorder=3, clip_on=False,
        )  # fmt: skip


def add_legend(ax: Axes, marks: list[str]) -> None:
    """The marks, under the axis's label."""
    handles = [ax.plot([], [], color=BLUE, marker="o", markersize=DOT, linewidth=1.4, label="by any")[0]] + [
        ax.plot([], [], color=c, marker=m, markersize=MARKER, markerfacecolor="white", linestyle="none", label=label)[0]
        for label, c, m in [*(RELATIVES[view] for view in marks), HALF]
    ]
    ax.legend(
        handles=handles, ncols=5, loc="upper right", bbox_to_anchor=(1.15, -0.36), fontsize=points(NOTE), borderpad=0,
        handletextpad=0.4, columnspacing=1, borderaxespad=0, handlelength=1.4,
    )  # fmt: skip
