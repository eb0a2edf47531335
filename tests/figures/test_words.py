"""Words in and around figures are bounded by what fits, and drawn as they are."""

import matplotlib.pyplot as plt
import pytest

from workflow.scripts.figures.look import text_width
from workflow.scripts.figures.words import REST, WORDS_SHARE, bounded, plain, shortened, under_figure, wrapped

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


def test_told_words_are_cut_at_the_same_sentence_of_each_group():
    told = [["GPT: first.", "Second.", "Third."], ["LSTM: first.", "Second."], []]
    assert bounded(told, 2, 9, 7.5) == ["GPT: first. Second. Third.", "LSTM: first. Second."]
    many = [[f"{name}: first.", "Second is here.", f"Third {LONG}."] for name in ("GPT", "LSTM")]
    assert bounded(many, 3, 6, 7.5) == ["GPT: first. Second is here. …", f"LSTM: first. Second is here. {REST}"]


def test_of_groups_without_room_for_a_sentence_the_first_are_told():
    told = [[f"G{i}: first.", "Second."] for i in range(50)]
    assert bounded(told, 4, 6, 7.5) == ["G0: first.", "G1: first.", "G2: first.", REST]
    assert bounded([[LONG]], 1, 1, 7.5) == [REST]


def test_words_never_shrink_the_axes():
    heights = []
    for told in ([], [["Sentence of a group. " * 3] * 400]):
        fig, ax = plt.subplots(figsize=(3.3, 2.4))
        under_figure(fig, ["A note that is there whole."], "A title", told)
        box, height = ax.get_position(), fig.get_figheight()
        heights.append(box.height * height)
        words = fig.texts[0].get_window_extent()
        assert 0 <= words.y0 < words.y1 < ax.xaxis.get_tightbbox().y0
        assert words.height < WORDS_SHARE * height * fig.dpi
        plt.close(fig)
    assert heights[0] == pytest.approx(heights[1], rel=0.01)
    assert heights[0] > 1.8
