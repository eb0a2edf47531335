"""How every figure looks: colours, axes, numbers, and files with the same bytes every time."""

import textwrap
from pathlib import Path

import matplotlib

matplotlib.use("Agg")
import matplotlib.pyplot as plt
import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.backends.backend_pdf import FigureCanvasPdf
from matplotlib.figure import Figure
from matplotlib.ticker import FuncFormatter, LogLocator, NullFormatter

from workflow.scripts.base.files import atomic_path

DPI = 200
# Colours of Okabe and Ito, told apart with any colour vision; marks and dashes tell them apart in grey.
STYLES = [("#0072B2", "o", "-"), ("#D55E00", "s", "--"), ("#009E73", "^", "-."), ("#CC79A7", "D", ":")]

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
    colour, marker, line = STYLES[archs.index(arch) % len(STYLES)]
    return {"color": colour, "marker": marker, "linestyle": line}


def shades(n: int) -> np.ndarray:
    """(n, 4) colours that darken, for things that grow."""
    return plt.get_cmap("viridis")(np.linspace(0.9, 0.1, n))


def shaded_sizes(rows: pd.DataFrame) -> list[tuple[int, np.ndarray]]:
    """Each N in ``params_non_embedding``, ascending, with a shade that darkens with it."""
    sizes = sorted(rows["params_non_embedding"].unique())
    return list(zip(sizes, shades(len(sizes)), strict=True))


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
    ax.set_yscale("log")
    ax.yaxis.set_major_locator(LogLocator(subs=marked(ax)))
    ax.yaxis.set_major_formatter(FuncFormatter(lambda value, _: f"{value:.2g}"))
    ax.yaxis.set_minor_formatter(NullFormatter())
    ax.set_ylabel(label)


def marked(ax: Axes) -> np.ndarray:
    """Multiples of powers of ten that a loss axis names: more where it spans less."""
    low, high = ax.get_ylim()
    span = high / low if low > 0 else np.inf
    if span < 2.5 and low > 0 and np.floor(np.log10(low)) != np.floor(np.log10(high)):
        return np.array([1, 1.2, 1.5, *range(2, 10)])  # from a power of ten down tenths are too many
    for most, step in ((1.8, 0.1), (2.5, 0.2), (5, 0.5)):
        if span < most:
            return np.arange(1, 10, step)
    return np.array([1, 1.5, 2, 3, 4, 5, 7])


def tight_within(fig: Figure, bottom: float, top: float) -> None:
    """`tight_layout` of the axes between two heights, as shares of the figure's.

    Told of a rectangle it measures every text twice, to no other end than to shift and squeeze what it found first.
    """
    fig.tight_layout()
    before = fig.subplotpars
    rows = fig.axes[0].get_gridspec().nrows
    height, gap = before.top - before.bottom, before.hspace
    between = height * gap / (rows + gap * (rows - 1))  # from one row to the next
    low, high = before.bottom + bottom, before.top - (1 - top)
    each = (high - low - between * (rows - 1)) / rows
    if each > 0:  # else words leave no room, and lie over the axes
        fig.subplots_adjust(bottom=low, top=high, hspace=between / each)


def under_figure(fig: Figure, sentences: list[str], title: str = "") -> None:
    """Words below the axes, wrapped to the figure's width, and what it says above them all."""
    text = "\n".join(textwrap.fill(line, round(17 * fig.get_figwidth())) for line in sentences if line)
    inches = fig.get_figheight()
    height = 0.1344 * (text.count("\n") + 1) / inches
    tight_within(fig, height + 0.01, 1 - (0.25 / inches if title else 0))
    fig.text(0.02, 0.008, text, fontsize=7.5, va="bottom", linespacing=1.3, color="#333333")
    if title:
        fig.text(0.02, 1 - 0.08 / inches, title, fontsize=10.5, fontweight="bold", va="top")


def save(fig: Figure, path: Path) -> None:
    """Write a figure as PDF and PNG. Its canvases are asked directly: `savefig` draws everything a second time to find
    out where it is, and here it is where the layout left it."""
    for suffix, write in ((".pdf", as_pdf), (".png", as_png)):
        with atomic_path(path.with_name(path.name + suffix)) as temporary:
            write(fig, temporary)
    plt.close(fig)


def as_pdf(fig: Figure, path: Path) -> None:
    fig.set_dpi(DPI)  # of what is a picture inside
    FigureCanvasPdf(fig).print_pdf(path, metadata={"CreationDate": None})


def as_png(fig: Figure, path: Path) -> None:
    fig.set_dpi(DPI)  # a PDF leaves its own
    FigureCanvasAgg(fig).print_png(path, metadata={"Software": None})
