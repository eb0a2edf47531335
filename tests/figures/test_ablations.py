"""The figure of the ablations."""

from itertools import pairwise

import numpy as np
import pytest

from workflow.scripts.figures.ablations import draw

LONG = "all three parts of modern, 12 layers of 512, heads of 128, context 1,024, 65,536 tokens a step, beta1 0.95"


def entry(group: str, setting: str, difference: float, **other: object) -> dict:
    ends = None if setting == "the base" else [difference - 0.01, difference + 0.02]
    name = f"{group}_base" if setting == "the base" else setting
    return {"group": group, "model": name, "setting": setting, "difference": difference, "difference_ci95": ends,
            "best_loss": 1.2 + difference, "bracketed": True, "flops_relative": 1.0, **other}  # fmt: skip


@pytest.fixture
def summary() -> dict:
    settings = [
        entry("gpt", "context 512", -0.03, flops_relative=1.25),
        entry("gpt", "Muon", -0.01, bracketed=False, flops_relative=1.05),
        entry("gpt", "the base", 0.0),
        entry("gpt", LONG, 0.4),
        entry("lstm", "the base", 0.0),
    ]
    bound = {"difference_below": -0.02, "flops_relative_at_most": 1.1}
    return {"bases": {"gpt": "gpt_base", "lstm": "lstm_base"}, "better": bound, "settings": settings}


def marks(ax) -> list:
    return [line for line in ax.lines if line.get_marker() not in ("None", "")]


def test_settings_are_from_the_lowest_loss_down_with_their_intervals(summary):
    gpt, lstm = draw(summary).figure.axes
    assert [mark.get_xdata()[0] for mark in marks(gpt)] == [-0.03, -0.01, 0.0, 0.4]
    assert [mark.get_ydata()[0] for mark in marks(gpt)] == [0, 1, 2, 3]
    assert gpt.get_ylim()[0] > gpt.get_ylim()[1]  # so that the first is above
    bars = [line for line in gpt.lines if line.get_marker() == "None" and len(set(line.get_ydata())) == 1]
    np.testing.assert_allclose([bar.get_xdata() for bar in bars], [[-0.04, -0.01], [-0.02, 0.01], [0.39, 0.42]])
    assert [(line.get_xdata()[0], line.get_linestyle()) for line in gpt.lines[:2]] == [(0, "-"), (-0.02, ":")]
    assert len(marks(lstm)) == 1
    assert gpt.get_title(loc="right") == "Transformer: base gpt_base, loss 1.200"


def test_a_mark_is_open_where_the_optimum_was_not_bracketed(summary):
    gpt, _ = draw(summary).figure.axes
    assert [mark.get_markerfacecolor() == "white" for mark in marks(gpt)] == [False, True, False, False]


def test_a_label_names_flop_that_are_not_those_of_the_base(summary):
    gpt, _ = draw(summary).figure.axes
    labels = [label.get_text() for label in gpt.get_yticklabels()]
    assert labels[:3] == ["context 512 (FLOP ×1.25)", "Muon", "the base"]
    assert labels[3].endswith("…")
    assert labels[3].count("\n") == 1


def test_all_that_is_written_is_inside_the_picture(summary):
    for settings in (summary["settings"], summary["settings"][2:3], summary["settings"] * 4):
        groups = {row["group"] for row in settings}
        bases = {group: name for group, name in summary["bases"].items() if group in groups}
        unique = [row | {"model": f"{row['model']}{i}" if i > 4 else row["model"]} for i, row in enumerate(settings)]
        fig, _ = draw(summary | {"settings": unique, "bases": bases})
        for artist in (*fig.axes, *fig.legends, *fig.texts):
            box = artist.get_tightbbox() if hasattr(artist, "get_tightbbox") else artist.get_window_extent()
            box = box.transformed(fig.transFigure.inverted())
            assert min(box.x0, box.y0) > 0
            assert max(box.x1, box.y1) < 1
        lowest = min(ax.get_tightbbox().y0 for ax in fig.axes)
        assert fig.legends[0].get_window_extent().y1 <= lowest + 2
        for ax in fig.axes:
            boxes = [label.get_window_extent() for label in ax.get_yticklabels()]
            assert all(above.y0 > below.y1 for above, below in pairwise(boxes))
