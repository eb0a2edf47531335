"""The figure of the learning rates."""

import numpy as np
import pandas as pd
import pytest
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from tests.conftest import ROOT
from workflow.scripts.base.files import read_json
from workflow.scripts.base.rates import Rate
from workflow.scripts.evaluation.learning_rates import summarise
from workflow.scripts.figures.transfer import draw

STUDY = ROOT / "docs" / "default-study"
RATES = {arch: Rate(moves["rate_in_use"]) for arch, moves in read_json(STUDY / "lr_transfer.json")["archs"].items()}


@pytest.fixture
def trials() -> pd.DataFrame:
    return pd.read_csv(STUDY / "lr_transfer.csv")


def with_horizon(trials: pd.DataFrame, model: str) -> pd.DataFrame:
    """One model at 4 and at 16 times the tokens, too."""
    rows = trials[trials["model"] == model]
    longer = [
        rows.assign(tokens=ratio * rows["tokens"], val_loss=rows["val_loss"] - 0.1 * np.log(ratio)) for ratio in (4, 16)
    ]
    return pd.concat([trials, *longer])


def titled(fig: Figure, title: str) -> Axes:
    (ax,) = (ax for ax in fig.axes if ax.get_title(loc="left").startswith(title))
    return ax


@pytest.mark.parametrize("horizon", ["", "gpt_medium", "lstm_medium"])
@pytest.mark.parametrize("diverged", [False, True])
def test_all_that_is_written_is_inside_the_picture(trials, diverged, horizon):
    """Whether or not a trial diverged, whose mark is at the edge of its panel."""
    if horizon:
        trials = with_horizon(trials, horizon)
    if diverged:
        trials.loc[trials["learning_rate"] == trials["learning_rate"].max(), "val_loss"] = float("inf")
    fig, _ = draw(trials, summarise(trials, RATES))
    for ax in fig.axes:
        box = ax.get_tightbbox().transformed(fig.transFigure.inverted())
        assert box.x0 > 0
        assert box.y0 > 0
        assert box.x1 < 1
        assert box.y1 < 1


def test_one_model_is_drawn_at_each_horizon(trials):
    """Curves that are its trials, from few tokens to many, each with its optimum circled."""
    trials = with_horizon(trials, "lstm_medium")
    summary = summarise(trials, RATES)
    fig, _ = draw(trials, summary)
    ax = titled(fig, "LSTM, horizon")
    assert [text.get_text() for text in ax.get_legend().get_texts()] == ["1.05M", "4.19M", "16.8M"]
    for tokens, curve, ring in zip((2**20, 2**22, 2**24), ax.lines[:-1:2], ax.lines[1:-1:2], strict=True):
        rows = trials[(trials["model"] == "lstm_medium") & (trials["tokens"] == tokens)]
        np.testing.assert_allclose(curve.get_ydata(), rows.sort_values("learning_rate")["val_loss"])
        (found,) = (m for m in summary["models"] if (m["model"], m["tokens"]) == ("lstm_medium", tokens))
        assert (list(ring.get_xdata()), ring.get_fillstyle()) == ([found["optimum"]], "none")
        assert ring.get_color() is curve.get_color()
    assert ax.get_ylabel()  # as the first of its row, though GPT has no such panel
    assert any(label.label1.get_visible() for label in ax.yaxis.get_major_ticks())
    assert not [ax for ax in fig.axes if ax.axison and ax.get_title(loc="left").startswith("GPT, horizon")]


def test_widths_are_drawn_at_the_horizon_they_share(trials):
    """And on the scale of depths, with and without horizons."""
    for shown in (trials, with_horizon(trials, "gpt_medium")):
        fig, _ = draw(shown, summarise(shown, RATES))
        width, depth = titled(fig, "GPT, width"), titled(fig, "LSTM, depth")
        assert [len(line.get_xdata()) for line in width.lines[:-1]] == [6, 1] * 3
        assert width.get_ylim() == depth.get_ylim()
        assert ("1.05M tokens" in width.get_legend().get_title().get_text()) == (shown is not trials)
