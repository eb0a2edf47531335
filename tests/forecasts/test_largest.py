"""The largest size, forecast from the smaller ones."""

import numpy as np
import pytest
from scipy.stats import linregress, t

from workflow.scripts.forecasts.largest import forecast
from workflow.scripts.laws.line import points_of

N = np.geomspace(1e4, 1e7, 6)


def test_the_forecast_is_the_textbook_prediction_interval():
    rng = np.random.default_rng(0)
    loss = 6 * N**-0.12 * np.exp(rng.normal(0, 0.02, 6))
    found = forecast(points_of(N, loss), list("abcdef"))
    x, y = np.log(N[:-1]), np.log(loss[:-1])
    line = linregress(x, y)
    s = np.sqrt(np.sum((y - line.intercept - line.slope * x) ** 2) / 3)
    at = np.log(N[-1])
    half = t.ppf(0.975, 3) * s * np.sqrt(1 + 1 / 5 + (at - x.mean()) ** 2 / np.sum((x - x.mean()) ** 2))
    expected = line.intercept + line.slope * at
    assert np.log(found["power"]["pi95"]) == pytest.approx([expected - half, expected + half])
    assert (found["size"], found["from_sizes"]) == ("f", 5)
