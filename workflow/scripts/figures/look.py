"""How every figure looks: its colours, axes and numbers, and the words around the axes.

Importing it sets matplotlib up for all figures of the process.
"""

from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from functools import cache

import matplotlib

matplotlib.use("Agg")
import matplotlib.pyplot as plt
import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.axis import Axis, XAxis
from matplotlib.backends.backend_agg import RendererAgg
from matplotlib.collections import PathCollection, PolyCollection
from matplotlib.figure import Figure
from matplotlib.font_manager import FontProperties
from matplotlib.ticker import Formatter, FuncFormatter, Locator, MaxNLocator, NullFormatter
from matplotlib.typing import ColorType, RcKeyType

from workflow.scripts.base.amounts import short
from workflow.scripts.base.errors import InputError

# Colours of Okabe and Ito, which any colour vision tells apart; marks and dashes tell them apart in grey.
STYLES = [("#0072B2", "o", "-"), ("#D55E00", "s", "--"), ("#009E73", "^", "-."), ("#CC79A7", "D", ":")]
MORE_STYLES = [("#A6761D", "v", "-"), ("#7570B3", "P", "--"), ("#000000", "X", "-.")]  # two of ColorBrewer's Dark2
NOTE_COLOUR = "#333333"
SMALL = 7.5  # points, of notes and legends
MEDIUM = 6.6  # inches: a figure of this width has text of 9 points, and notes of `SMALL`
WIDTHS = 2.5, 20.0  # inches
SMALLEST = 0.8  # times that in a column of a paper, where notes are of 6 points then
NARROWEST = 3.0  # inches of a panel with text of 9 points, if nothing else is asked for
LIGHTEST = 0.6  # of the colour map: from here on down a line has a contrast of at least 3 to 1 on white (WCAG 1.4.11)
DPI = 200  # of a PNG
FINE = 10  # pixels a point where text is measured
ERROR_BAR = 1.96  # standard errors to each side of a mark: 95%
LEAST_SPAN = 1e-3  # in logs: losses nearer to each other than that are drawn as if they were so far apart

Interval = Sequence[float | None]  # its ends; None where it is not bounded

matplotlib.rcParams |= {
    "figure.dpi": DPI,  # while it is laid out, too: on coarser dots letters are narrower
    "pdf.fonttype": 42,
    "font.size": 9,
    "axes.spines.top": False,
    "axes.spines.right": False,
    "axes.grid": True,
    "grid.color": "#dddddd",
    "grid.linewidth": 0.6,
    "axes.axisbelow": True,
    "legend.frameon": False,
}


def style_of(arch: str, archs: list[str]) -> dict:
    """Colour, marker and line of an architecture among all that a figure shows."""
    styles = [*STYLES, *MORE_STYLES]
    colour, marker, line = styles[archs.index(arch) % len(styles)]
    return {"color": colour, "marker": marker, "linestyle": line}


def shades(places: np.ndarray) -> np.ndarray:
    """(n, 4) colours that darken from 0 to 1, the ``places`` (n,), for what grows."""
    found: np.ndarray = plt.get_cmap("viridis")(LIGHTEST * (1 - places))
    return found


def even_shades(n: int) -> np.ndarray:
    """(n, 4) colours that darken in even steps."""
    return shades(np.linspace(0, 1, n))


def check_width(width: float) -> None:
    """Refuse a width in inches that words and numbers have no room in.

    Raises:
        InputError: it is not one of the `WIDTHS`.
    """
    if not WIDTHS[0] <= width <= WIDTHS[1]:
        raise InputError(f"a figure is {WIDTHS[0]:g} to {WIDTHS[1]:g} inches wide, not {width:g}")


@contextmanager
def page(width: float) -> Iterator[float]:
    """Text, lines and marks that suit a figure so many inches wide: small in a column, large on a slide.

    Gives how large they are, beside those of a figure of the width `MEDIUM`.

    Raises:
        InputError: it is not one of the `WIDTHS`.
    """
    check_width(width)
    scale = max(SMALLEST, (width / MEDIUM) ** 0.7)
    sizes: dict[RcKeyType, float] = {
        "font.size": 9 * scale, "lines.linewidth": 1.5 * scale, "lines.markersize": 5 * scale,
        "errorbar.capsize": 2.5 * scale, "axes.linewidth": 0.8 * scale, "grid.linewidth": 0.6 * scale,
    }  # fmt: skip
    with plt.rc_context(sizes):
        yield scale


def small() -> float:
    """Points of a note or a legend."""
    return SMALL / 9 * plt.rcParams["font.size"]


def grid_of(
    count: int, width: float, scale: float, titles: int = 0, narrowest: float = NARROWEST, most: int = 99
) -> tuple[Figure, list[Axes], float]:
    """A figure of so many axes, in columns as wide as text can be read in, and the width of a column in inches.

    Args:
        titles: lines that each of the axes has above it.
        narrowest: inches of a column with text of 9 points.
        most: so many columns at most.
    """
    columns = max(1, min(count, most, int(width / scale / narrowest)))
    rows = -(-count // columns)
    each = width / columns
    height = min(0.85 * each, 1.7 + 0.3 * each, max(4.4, each / 3.2)) + titles * 0.16 * scale
    fig, axes = plt.subplots(rows, columns, figsize=(width, rows * height), squeeze=False)
    for ax in axes.flat[count:]:
        ax.set_axis_off()
    return fig, list(axes.flat[:count]), each


def log_axis(ax: Axes, values: pd.Series, label: str) -> None:
    """A logarithmic x axis just as wide as its values, with readable numbers."""
    ax.set_xscale("log")
    ax.set_xlim(values.min() / 1.25, values.max() * 1.25)
    number(ax.xaxis, 7, label)


def flop_axis(ax: Axes, values: pd.Series) -> None:
    """A logarithmic x axis of training FLOP. Its powers of ten stand on one line, as text in an exponent is small."""
    log_axis(ax, values, "Training FLOP")
    ax.xaxis.set_major_locator(Ticks(ax.xaxis, 7))
    ax.xaxis.set_major_formatter(Numbers())


def loss_axis(ax: Axes, label: str = "Test loss (nats a character)") -> None:
    """A logarithmic y axis with readable numbers; of several axes beside each other the first has the label."""
    ax.set_yscale("log")
    spec = ax.get_subplotspec()
    number(ax.yaxis, 9, label if spec is None or spec.is_first_col() else "")


def number(axis: Axis, most: int, label: str) -> None:
    """Ticks with numbers, of which there are at most ``most`` and no two overlap."""
    size = plt.rcParams["font.size"]
    axis.set_tick_params(labelsize=size, width=size / 11, length=size / 2.6)
    axis.set_tick_params(which="minor", width=size / 15, length=size / 4.5)
    axis.set_major_locator(Ticks(axis, most))
    axis.set_major_formatter(FuncFormatter(short) if isinstance(axis, XAxis) else Numbers())
    axis.set_minor_formatter(NullFormatter())
    axis.set_label_text(label)


class Ticks(Locator):
    """Round places on a logarithmic axis: as many as there is room for their numbers at the size it is drawn in.

    Args:
        of: the axis.
        most: so many places at most.
    """

    def __init__(self, of: Axis, most: int) -> None:
        self.of, self.most, self.size = of, most, plt.rcParams["font.size"]

    def __call__(self) -> list[float]:
        low, high = sorted(self.of.get_view_interval())
        return self.tick_values(low, high)

    def tick_values(self, vmin: float, vmax: float) -> list[float]:
        places: list[float] = []
        for places in round_places(vmin, vmax):
            if len(places) <= self.most and self.fit(places, vmin, vmax):
                break
        return places

    def fit(self, places: list[float], low: float, high: float) -> bool:
        """Whether the numbers at ``places`` leave space between them."""
        along_x, box = isinstance(self.of, XAxis), self.of.axes.bbox
        length = (box.width if along_x else box.height) / dots_a_point(self.of.axes)
        at = np.log(np.array(places) / low) / np.log(high / low) * length
        names = self.of.get_major_formatter().format_ticks(places)
        takes = np.array([text_width(name, self.size) if along_x else self.size for name in names])
        return bool((np.diff(at) >= (takes[1:] + takes[:-1]) / 2 + 0.35 * self.size).all())


def round_places(low: float, high: float) -> Iterator[list[float]]:
    """Ever fewer round numbers from ``low`` to ``high``, of which a logarithmic axis can name one lot; at last one."""
    found: list[Iterable[float]] = []
    if high / low < 5:
        found = [MaxNLocator(count, steps=[1, 2, 5, 10]).tick_values(low, high) for count in range(10, 1, -1)]
    decades = np.arange(np.floor(np.log10(low)), np.ceil(np.log10(high)) + 1)
    found += [
        (10.0 ** decades[:, None] * parts).ravel() for parts in ((1, 1.5, 2, 3, 4, 5, 7), (1, 2, 5), (1, 3), (1,))
    ]
    found += [10.0 ** decades[decades % stride == 0] for stride in (2, 3, 5, 10, 20, 50, 100)]
    lots = [[float(place) for place in places if low <= place <= high] for places in found]
    lots = [places for places in lots if len(places) > 1]
    yield from lots
    yield lots[0][len(lots[0]) // 2 :][:1]


class Numbers(Formatter):
    """Numbers at ticks, with as few digits as tell each exactly."""

    def __call__(self, x: float, pos: int | None = None) -> str:
        return digits(x, 3)

    def format_ticks(self, values: Sequence[float]) -> list[str]:
        exact = [digits(value, 9) for value in values]
        for count in range(2, 9):
            if (names := [digits(value, count) for value in values]) == exact:
                return names
        return exact


def digits(value: float, count: int) -> str:
    """A value to so many digits, without zeros at the end: 2.50 -> 2.5, 1000 -> 1000, 1e-7 -> 1e-7."""
    if 1e-3 <= value < 1e5:
        return np.format_float_positional(value, count, unique=False, fractional=False, trim="-")
    base, _, power = f"{value:.{count - 1}e}".partition("e")
    return f"{base.rstrip('0').rstrip('.') if '.' in base else base}e{int(power)}"


def thin(mark: float, line: float = 1.0) -> dict:
    """Sizes of a mark and a line, in points where text is of 9."""
    scale = plt.rcParams["font.size"] / 9
    return {"markersize": mark * scale, "linewidth": line * scale}


def loss_limits(marks: Iterable[float], ends: Iterable[float | None] = ()) -> tuple[float, float]:
    """Limits of a logarithmic axis of loss: always finite, whatever intervals are.

    Args:
        marks: losses, all of which are seen.
        ends: of intervals and bands, which are seen as far as they leave most of the axis to the marks.
    """
    logs = np.log(finite(marks))
    low, high = logs.min(), logs.max()
    span = max(high - low, LEAST_SPAN)
    low, high = (low + high - span) / 2, (low + high + span) / 2
    reached = np.log(finite(ends))
    bottom, top = min([low, *reached]), max([high, *reached])
    pad = 0.05 * (min(top, high + span) - max(bottom, low - span))
    return float(np.exp(max(bottom - pad, low - 0.7 * span))), float(np.exp(min(top + pad, high + 0.35 * span)))


def finite(losses: Iterable[float | None]) -> list[float]:
    """Those that can be drawn on a logarithmic axis."""
    return [loss for loss in losses if loss is not None and 0 < loss < np.inf]


def draw_interval(
    ax: Axes,
    place: float,
    loss: float,
    ends: Interval,
    colour: ColorType,
    marker: str,
    across: Interval | None = None,
) -> None:
    """An open mark with its 95% interval, and that of its place if there is one; set the limits of the axes before.

    An end that is unbounded, or beyond the axes, is an arrow at their edge.
    """
    for i, (interval, limits) in enumerate(((ends, ax.get_ylim()), (across, ax.get_xlim()))):
        if interval is None:
            continue
        low, high = limits
        edge = (high / low) ** 0.02
        for end, limit, mark in zip(interval, (low * edge, high / edge), ("v^", "<>")[i], strict=True):
            seen = [stop for stop in finite([end]) if low <= stop <= high]
            stop = seen[0] if seen else limit
            x, y = ([place, place], [loss, stop]) if i == 0 else ([place, stop], [loss, loss])
            ax.plot(x, y, color=colour, zorder=5, **thin(0, 1.4))
            ax.plot(x[1], y[1], color=colour, marker="_|"[i] if seen else mark, zorder=5, **thin(6 if seen else 4))
    size = thin(8 if marker == "*" else 5)
    ax.plot(place, loss, color=colour, marker=marker, markerfacecolor="white", linestyle="none", zorder=6, **size)


def pixels(ax: Axes) -> tuple[np.ndarray, np.ndarray]:
    """Where the marks of axes are, and where their lines and the edges of bands run, each (n, 2) in pixels.

    Lines have a place at every few pixels.
    """
    marks, lines = [np.empty((0, 2))], [np.empty((0, 2))]
    for line in ax.lines:
        places = line.get_transform().transform(np.asarray(line.get_xydata(), float))
        if line.get_marker() not in ("None", None, ""):
            marks.append(places)
        if line.get_linestyle() != "None" and len(places) > 1:
            at = np.arange(len(places))
            between = np.linspace(0, len(places) - 1, max(200, len(places)))
            lines.append(np.stack([np.interp(between, at, column) for column in places.T], axis=1))
    for drawn in ax.collections:
        if isinstance(drawn, PathCollection):
            marks.append(ax.transData.transform(drawn.get_offsets()))
        elif isinstance(drawn, PolyCollection):
            lines += [ax.transData.transform(path.vertices) for path in drawn.get_paths()]
    return np.concatenate(marks), np.concatenate(lines)


def dots_a_point(ax: Axes) -> float:
    """How many of a figure's pixels a point is."""
    figure = ax.get_figure()
    assert figure is not None  # axes are made with one
    return float(figure.dpi) / 72


@cache
def text_width(text: str, size: float, weight: str = "normal") -> float:
    """Width in points of a line of text of a size in points."""
    font = FontProperties(size=size, weight=weight)
    return float(measure().get_text_width_height_descent(text, font, ismath=False)[0]) / FINE


@cache
def measure() -> RendererAgg:
    """What measures text, with so many pixels a point that their number does not matter."""
    return RendererAgg(1, 1, 72 * FINE)


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
