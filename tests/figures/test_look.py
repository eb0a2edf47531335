"""What every figure's axes and numbers look like."""

import matplotlib.pyplot as plt
import pytest

from workflow.scripts.figures.look import loss_axis, loss_ticks, short, tight_within


@pytest.mark.parametrize(
    ("value", "text"),
    [(0.5, "0.5"), (12_800, "12.8k"), (1_048_576, "1.05M"), (737_280_000, "737M"), (2e9, "2B"), (3e12, "3e12")],
)
def test_short_numbers(value, text):
    assert short(value) == text


@pytest.mark.parametrize(
    ("low", "high", "named"),
    [
        (1.2, 1.9, [1 + i / 10 for i in range(90)]),
        (1.2, 2.9, [1 + i / 5 for i in range(45)]),
        (1.2, 5.0, [1 + i / 2 for i in range(18)]),
        (1.2, 9.0, [1, 1.5, 2, 3, 4, 5, 7]),
        (0.9, 1.3, [1, 1.2, 1.5, 2, 3, 4, 5, 6, 7, 8, 9]),
    ],
)
def test_a_loss_axis_names_fewer_places_where_it_spans_more(low, high, named):
    fig, ax = plt.subplots()
    ax.set_ylim(low, high)
    assert loss_ticks(ax) == pytest.approx(named)
    loss_axis(ax)
    assert 3 <= len([place for place in ax.get_yticks() if low <= place <= high]) <= 9
    plt.close(fig)


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
