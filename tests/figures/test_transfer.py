"""The figure of the learning rates."""

import pandas as pd
import pytest

from tests.conftest import ROOT
from workflow.scripts.base.files import read_json
from workflow.scripts.figures.transfer import draw

STUDY = ROOT / "docs" / "default-study"


@pytest.mark.parametrize("diverged", [False, True])
def test_all_that_is_written_is_inside_the_picture(diverged):
    """Whether or not a trial diverged, whose mark is at the edge of its panel."""
    trials = pd.read_csv(STUDY / "lr_transfer.csv")
    if diverged:
        trials.loc[trials["learning_rate"] == trials["learning_rate"].max(), "val_loss"] = float("inf")
    fig = draw(trials, read_json(STUDY / "lr_transfer.json"))
    for ax in fig.axes:
        box = ax.get_tightbbox().transformed(fig.transFigure.inverted())
        assert box.x0 > 0
        assert box.y0 > 0
        assert box.x1 < 1
        assert box.y1 < 1
