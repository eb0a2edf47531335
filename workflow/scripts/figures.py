"""How every figure looks: colours, axes, numbers, and files with the same bytes every time."""

import textwrap
from pathlib import Path

import matplotlib

matplotlib.use("Agg")
import matplotlib.pyplot as plt
import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import FuncFormatter, LogLocator, NullFormatter

from workflow.scripts.files import atomic_path

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
    "savefig.dpi": 200,
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
    if span < 2.5:
        return np.arange(1, 10, 0.1)
    return np.arange(1, 10, 0.5) if span < 5 else np.array([1, 1.5, 2, 3, 4, 5, 7])


def under_figure(fig: Figure, sentences: list[str], title: str = "") -> None:
    """Words below the axes, wrapped to the figure's width, and what it says above them all."""
    text = "\n".join(textwrap.fill(line, round(17 * fig.get_figwidth())) for line in sentences if line)
    inches = fig.get_figheight()
    height = 0.1344 * (text.count("\n") + 1) / inches
    fig.tight_layout(rect=(0, height + 0.01, 1, 1 - (0.25 / inches if title else 0)))
    fig.text(0.02, 0.008, text, fontsize=7.5, va="bottom", linespacing=1.3, color="#333333")
    if title:
        fig.text(0.02, 1 - 0.08 / inches, title, fontsize=10.5, fontweight="bold", va="top")


def save(fig: Figure, path: Path) -> None:
    for suffix, metadata in ((".pdf", {"CreationDate": None}), (".png", {"Software": None})):
        with atomic_path(path.with_name(path.name + suffix)) as temporary:
            fig.savefig(temporary, metadata=metadata)
    plt.close(fig)
