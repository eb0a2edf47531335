"""What every figure's axes, numbers and marks look like."""

import matplotlib.pyplot as plt
import numpy as np
import pandas as pd
import pytest

from workflow.scripts.base.amounts import short
from workflow.scripts.base.errors import InputError
from workflow.scripts.figures.look import (
    MORE_STYLES,
    STYLES,
    draw_interval,
    grid_of,
    log_axis,
    loss_axis,
    loss_limits,
    page,
    style_of,
    text_width,
    tight_within,
)


@pytest.fixture(scope="module")
def axes():
    fig, ax = plt.subplots()
    ax.set_yscale("log")
    yield ax
    plt.close(fig)


@pytest.mark.parametrize(
    ("low", "high", "named"),
    [
        (1.2, 1.9, "1.2 1.3 1.4 1.5 1.6 1.7 1.8"),
        (1.2, 2.9, "1.2 1.4 1.6 1.8 2 2.2 2.4 2.6 2.8"),
        (1.2, 5.0, "1.5 2 2.5 3 3.5 4 4.5 5"),
        (1.2, 9.0, "1.5 2 3 4 5 7"),
        (0.9, 1.3, "0.9 0.95 1 1.05 1.1 1.15 1.2 1.25 1.3"),
        (2.3, 2.3005, "2.3 2.3001 2.3002 2.3003 2.3004 2.3005"),
        (1e-6, 1e6, "1e-6 1e-4 0.01 1 100 10000 1e6"),
        (1e-90, 1e90, "1e-80 1e-60 1e-40 1e-20 1 1e20 1e40 1e60 1e80"),
    ],
)
def test_a_loss_axis_names_fewer_places_where_it_spans_more(axes, low, high, named):
    """At most nine, each by as few digits as tell it exactly."""
    axes.set_ylim(low, high)
    loss_axis(axes)
    assert axes.yaxis.get_major_formatter().format_ticks(axes.get_yticks()) == named.split()


@pytest.mark.parametrize("width", [0.9, 2.0, 4.0, 12.0])
@pytest.mark.parametrize("span", [(1e6, 1.2e6), (13e3, 230e3), (1e5, 1e11)])
def test_numbers_of_sizes_do_not_overlap_however_narrow_the_axes(width, span):
    fig, ax = plt.subplots(figsize=(width, 2))
    log_axis(ax, pd.Series(span), "N")
    places = ax.get_xticks()
    at = ax.transData.transform(np.stack((places, np.ones_like(places)), axis=1))[:, 0] * 72 / fig.dpi
    half = [text_width(short(place), 9) / 2 for place in places]
    assert all(b - a > left + right for a, b, left, right in zip(at, at[1:], half, half[1:], strict=False))
    assert 1 <= len(places) <= 7
    assert len(places) > 1 or width < 2
    plt.close(fig)


def test_text_is_of_six_points_in_a_column_and_larger_on_a_slide():
    sizes = []
    for width in (2.5, 3.3, 6.6, 13.3):
        with page(width):
            sizes.append(plt.rcParams["font.size"])
    small, column, medium, slide = (7.5 / 9 * size for size in sizes)
    assert (small, column, medium) == pytest.approx((6, 6, 7.5))
    assert slide > 12


@pytest.mark.parametrize("width", [2.4, 21])
def test_a_width_without_room_for_words_is_refused(width):
    with pytest.raises(InputError, match=f"2.5 to 20 inches wide, not {width}"), page(width):
        pass


def test_panels_stand_beside_each_other_only_where_text_can_be_read():
    shapes = []
    for width in (3.3, 6.6, 13.3):
        with page(width) as scale:
            fig, axes, _ = grid_of(5, width, scale)
        shapes.append(axes[0].get_gridspec().get_geometry())
        assert len([ax for ax in fig.axes if ax.axison]) == len(axes) == 5
        plt.close(fig)
    assert shapes == [(5, 1), (3, 2), (3, 2)]


def test_seven_architectures_look_different():
    names = [f"a{i}" for i in range(8)]
    looks = [tuple(style_of(name, names).values()) for name in names]
    assert len(set(looks[:7])) == len(STYLES) + len(MORE_STYLES) == 7
    assert looks[7] == looks[0]


def test_limits_are_finite_and_hold_all_marks():
    """Whatever intervals and bands are, the marks have most of the axis."""
    none, far = loss_limits([2.0, 3.0]), loss_limits([2.0, 3.0], [None, np.inf, 0.0, np.nan, 1e-300, 1e300])
    assert none[0] < 2 < 3 < none[1] < 3.1
    assert far == pytest.approx((2 / 1.5**0.7, 3 * 1.5**0.35))
    near = loss_limits([2.0, 3.0], [1.9, 3.1])
    assert far[0] < near[0] < 1.9 < 3.1 < near[1] < far[1]
    same = loss_limits([2.3, 2.3])
    assert 2.29 < same[0] < 2.3 < same[1] < 2.31


def test_an_end_beyond_the_axes_is_an_arrow_at_their_edge(axes):
    axes.set_ylim(1, 3)
    for ends in ([1.5, 2.5], [None, 2.5], [0.5, float("inf")]):
        draw_interval(axes, 1e6, 2.0, ends, "black", "D")
    marks = [line.get_marker() for line in axes.lines if line.get_marker() != "None"]
    assert marks == ["_", "_", "D", "v", "_", "D", "v", "^", "D"]
    assert all(1 <= y <= 3 for line in axes.lines for y in line.get_ydata())


def test_axes_in_rows_are_laid_out_between_two_heights():
    fig, axes = plt.subplots(2, 2)
    tight_within(fig, 0, 1)
    before = [ax.get_position() for ax in axes.flat]
    tight_within(fig, 0.2, 0.9)
    after = [ax.get_position() for ax in axes.flat]
    assert after[-1].y0 == pytest.approx(before[-1].y0 + 0.2)
    assert after[0].y1 == pytest.approx(before[0].y1 - 0.1)
    assert after[0].y0 - after[2].y1 == pytest.approx(before[0].y0 - before[2].y1)  # the same gap between rows
    plt.close(fig)
