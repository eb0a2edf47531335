"""A power law of fit.json has the band that it was fitted with."""

import json

import numpy as np
import pytest

from tests.conftest import ROOT
from workflow.scripts.laws.band import Line
from workflow.scripts.laws.estimate import Settings
from workflow.scripts.laws.line import FittedLine, fit_line, points_of
from workflow.scripts.laws.power_law import fit_power

N = np.geomspace(1e4, 1e6, 5)


def test_the_band_of_fit_json_is_that_of_the_fit():
    points = points_of(N, 5 * N**-0.1 * np.exp(0.03 * np.array([1, -2, 0.5, 1, -1])))
    line = fit_line(points)
    read = Line.from_fit(json.loads(json.dumps(fit_power(points, Settings(draws=0), 0.0))))
    places = np.geomspace(1e3, 1e8, 9)
    assert read.log_loss(places) == pytest.approx(line.log_loss(places), rel=1e-12)
    assert read.confidence_half_width(places) == pytest.approx(line.confidence_half_width(places), rel=1e-12)
    assert (line.prediction_half_width(places) > read.confidence_half_width(places)).all()


def test_what_fit_json_does_not_say_is_not_there():
    """It has no residuals by which one more size could be predicted."""
    power = json.loads((ROOT / "docs/default-study/fit.json").read_text())["groups"]["gpt"]["power"]
    line = Line.from_fit(power)
    assert not isinstance(line, FittedLine)
    assert not hasattr(line, "rss")
    assert line.log_loss(1.0) == pytest.approx(np.log(power["A"]))
    assert line.alpha == power["alpha"]
