"""How every figure looks: its colours, axes and numbers, and the words around the axes.

Importing it sets matplotlib up for all figures of the process.
"""

import textwrap

import matplotlib

matplotlib.use("Agg")
import matplotlib.pyplot as plt
import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import FuncFormatter, LogLocator, NullFormatter

# Colours of Okabe and Ito, which any colour vision tells apart; marks and dashes tell them apart in grey.
STYLES = [("#0072B2", "o", "-"), ("#D55E00", "s", "--"), ("#009E73", "^", "-."), ("#CC79A7", "D", ":")]
NOTE_COLOUR = "#333333"
SMALL = 7.5  # points, of notes and legends
LETTERS_AN_INCH = 17  # of that size
NOTE_LINE = 0.1344  # inches from one line of a note to the next
TITLE_ROOM = 0.25  # inches above the axes
ERROR_BAR = 1.96  # standard errors to each side of a mark: 95%

matplotlib.rcParams |= {
    "pdf.fonttype": 42,
    "font.size": 9,
    "axes.spines.top": False,
    "axes.spines.right": False,
    "axes.grid": True,
    "grid.color": "#dddddd",
    "grid.linewidth": 0.6,
    "legend.frameon": False,
}


def style_of(arch: str, archs: list[str]) -> dict:
    """Colour, marker and line of an architecture among all that a figure shows."""
    colour, marker, line = STYLES[archs.index(arch) % len(STYLES)]
    return {"color": colour, "marker": marker, "linestyle": line}


def shades(n: int) -> np.ndarray:
    """(n, 4) colours that darken, for things that grow."""
    return plt.get_cmap("viridis")(np.linspace(0.9, 0.1, n))


def short(value: float, _=None) -> str:
    """12800 -> 12.8k, 7.4e8 -> 740M; from 1e12 on a power of ten."""
    for size, suffix in ((1e9, "B"), (1e6, "M"), (1e3, "k")):
        if size <= value < 1000 * size:
            return f"{value / size:.3g}{suffix}"
    return f"{value:.3g}" if value < 1000 else f"{value:.0e}".replace("e+", "e")


def log_axis(ax: Axes, values: pd.Series, label: str) -> None:
    """A logarithmic x axis just as wide as its values, with readable numbers."""
    ax.set_xscale("log")
    ax.set_xlim(values.min() / 1.25, values.max() * 1.25)
    ax.xaxis.set_major_locator(LogLocator(subs=(1, 2, 5)))
    ax.xaxis.set_major_formatter(FuncFormatter(short))
    ax.xaxis.set_minor_formatter(NullFormatter())
    ax.set_xlabel(label)


def loss_axis(ax: Axes, label: str = "Test loss (nats a character)") -> None:
    """A logarithmic y axis with readable numbers; set its limits before."""
    ax.set_yscale("log")
    ax.yaxis.set_major_locator(LogLocator(subs=loss_ticks(ax)))
    ax.yaxis.set_major_formatter(FuncFormatter(lambda value, _: f"{value:.2g}"))
    ax.yaxis.set_minor_formatter(NullFormatter())
    ax.set_ylabel(label)


def loss_ticks(ax: Axes) -> list[float]:
    """Multiples of powers of ten that a loss axis names: more where it spans less."""
    low, high = ax.get_ylim()
    span = high / low if low > 0 else np.inf
    if span < 2.5 and low > 0 and np.floor(np.log10(low)) != np.floor(np.log10(high)):
        return [1, 1.2, 1.5, *range(2, 10)]  # from a power of ten down tenths are too many
    for most, step in ((1.8, 0.1), (2.5, 0.2), (5, 0.5)):
        if span < most:
            return np.arange(1, 10, step).tolist()
    return [1, 1.5, 2, 3, 4, 5, 7]


def tight_within(fig: Figure, bottom: float, top: float) -> None:
    """`tight_layout` of the axes between two heights, as shares of the figure's; its axes come from `plt.subplots`.

    Given a rectangle, `tight_layout` measures every text twice, only to shift and squeeze what it found first.
    """
    fig.tight_layout()
    before = fig.subplotpars
    grid = fig.axes[0].get_gridspec()
    assert grid is not None  # see above
    height, gap = before.top - before.bottom, before.hspace
    between = height * gap / (grid.nrows + gap * (grid.nrows - 1))  # from one row to the next
    low, high = before.bottom + bottom, before.top - (1 - top)
    each = (high - low - between * (grid.nrows - 1)) / grid.nrows
    if each > 0:  # else the words leave no room, and are over the axes
        fig.subplots_adjust(bottom=low, top=high, hspace=between / each)


def under_figure(fig: Figure, sentences: list[str], title: str = "") -> None:
    """Words below the axes, wrapped to the figure's width, and what it says above them all."""
    text = "\n".join(textwrap.fill(line, round(LETTERS_AN_INCH * fig.get_figwidth())) for line in sentences if line)
    inches = fig.get_figheight()
    height = NOTE_LINE * (text.count("\n") + 1) / inches
    tight_within(fig, height + 0.01, 1 - (TITLE_ROOM / inches if title else 0))
    fig.text(0.02, 0.008, text, fontsize=SMALL, va="bottom", linespacing=1.3, color=NOTE_COLOUR)
    if title:
        fig.text(0.02, 1 - 0.08 / inches, title, fontsize=10.5, fontweight="bold", va="top")
