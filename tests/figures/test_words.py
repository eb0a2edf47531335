"""Words in and around figures are bounded by what fits, and drawn as they are."""

import matplotlib.pyplot as plt
import pytest
from matplotlib.lines import Line2D

from workflow.scripts.figures.look import text_width
from workflow.scripts.figures.words import legend_below, plain, shortened, wrapped

LONG = "x" * 200


@pytest.mark.parametrize("text", ["a law of N and D is fitted to all runs at once " * 5, f"one {LONG} word", LONG])
@pytest.mark.parametrize("inches", [1.0, 3.0])
def test_lines_are_as_wide_as_there_is_room_for(text, inches):
    lines = wrapped(text, inches, 7.5)
    assert max(text_width(line, 7.5) for line in lines) <= 72 * inches
    assert "".join(lines).replace(" ", "") == text.replace(" ", "")


def test_what_is_cut_ends_in_dots():
    assert shortened("short", 2, 9) == "short"
    first, second = shortened(f"a {LONG}", 2, 9, most=2).split("\n")
    assert first == "a"
    assert second.endswith("x…")
    assert text_width(second, 9) <= 144


def test_names_are_drawn_as_they_are():
    """No formulas, no letters that the font has not, no name that a legend leaves out."""
    assert plain("cost $5\tor $6\n") == r"cost \$5 or \$6"
    assert plain("_日本 α") == " _?? α"


def test_a_legend_below_never_shrinks_the_axes():
    heights = []
    for entries in (1, 12):
        fig, ax = plt.subplots(figsize=(3.3, 2.4))
        fig.tight_layout()
        legend_below(fig, [Line2D([], [], label=f"entry {i} of the legend") for i in range(entries)])
        heights.append(ax.get_position().height * fig.get_figheight())
        box = fig.legends[0].get_window_extent()
        assert 0 <= box.y0 < box.y1 < ax.xaxis.get_tightbbox().y0
        assert 0 <= box.x0 < box.x1 <= fig.bbox.x1
        plt.close(fig)
    assert heights[0] == pytest.approx(heights[1], rel=0.01)
    assert heights[0] > 1.8
