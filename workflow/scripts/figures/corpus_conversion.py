"""The panel of the conversion: how far the tunes that were made of MIDI say what it plays."""

from matplotlib.axes import Axes

from workflow.scripts.figures.corpus_panel import GREY, INK, PINK, few, percent, right_of, rows_axis, title

VIEWS = {"notes": "Notes", "onsets": "… and onsets", "lengths": "… and lengths"}


def conversion(ax: Axes, corpus: dict, letter: str) -> None:
    """A row for each way to compare: F1 of the least file, the middle half of the files, and the median."""
    found = corpus["conversion"]
    for y, table in enumerate(found["agreement"][name] for name in VIEWS):
        ax.plot([100 * table["min"], 100 * table["75%"]], [y, y], color=GREY, linewidth=0.8)
        ax.plot([100 * table["25%"], 100 * table["75%"]], [y, y], color=PINK, linewidth=3.5, solid_capstyle="butt")
        ax.plot(100 * table["50%"], y, "o", color=INK, markersize=4, zorder=3, clip_on=False)
        said = (
            f"median {table['50%']:.1%}, tenth percentile {table['10%']:.1%};"
            f" {percent(table['good'])} of files from {found['good_from']:.0%} on"
        )
        right_of(ax, y, said)
    rows_axis(ax, list(VIEWS.values()))
    ax.set_xlim(None, 100)
    ax.xaxis.set_major_locator(few(5))
    ax.set_xlabel("F1 of a tune's notes and those of its MIDI, %")
    below = (
        f"{found['files']:,} file{'s' * (found['files'] != 1)}; onsets and lengths within a 32nd."
        " Line from the least file, bar of the middle half, dot at the median."
    )
    title(ax, f"{letter}  Conversion of MIDI", below)
