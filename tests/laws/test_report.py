"""What gives a reader reason to doubt a fit is said, and what is at a bound is exactly there."""

import numpy as np

from tests.laws.known_laws import chinchilla, grid
from workflow.scripts.laws.estimate import Settings
from workflow.scripts.laws.forms import CHINCHILLA, data_of
from workflow.scripts.laws.loss_surface import fit_data


def test_data_without_a_floor_have_none():
    """E is exactly zero by both estimators, not merely small, and said to be at a bound."""
    n, d = grid()
    noise = np.exp(np.random.default_rng(3).normal(0, 1e-3, len(n)))
    data = data_of(n, d, (410 / n**0.2 + 1500 / d**0.25) * noise)
    # Taken off until no floor is left: what remains is convex enough for E to want to be negative.
    data = data._replace(log_loss=np.log(np.exp(data.log_loss) - 0.5 * np.exp(data.log_loss.min())))
    for loss in ("huber", "mse"):
        result, notes, _ = fit_data(CHINCHILLA, data, Settings(loss, draws=0), 0.0, None)
        assert result["E"] == 0.0
        assert result["at_bound"] == ["E"]
        assert result["other_estimate"]["E"] < 1e-6
        assert result["ci95"]["E"][0] == 0.0
        assert any("E at a bound" in note for note in notes)


def test_estimators_that_disagree_are_reported():
    """Outliers that Huber's loss disregards and squares do not."""
    n, d = grid()
    loss = chinchilla(n, d) * np.exp(np.random.default_rng(4).normal(0, 5e-4, len(n)))
    loss[(n < 2e7) & (d < 1e10)] *= 1.3
    _, notes, _ = fit_data(CHINCHILLA, data_of(n, d, loss), Settings(draws=0), 0.0, None)
    assert any("the two estimators disagree: beta is" in note for note in notes), notes


def test_weak_identification_is_reported():
    """Sizes within a tenth of each other say nothing of alpha."""
    rng = np.random.default_rng(5)
    n, d = map(np.ravel, np.meshgrid(np.geomspace(1e7, 1.2e7, 4), np.geomspace(1e9, 2e11, 4)))
    loss = chinchilla(n, d) * np.exp(rng.normal(0, 2e-2, len(n)))
    _, notes, _ = fit_data(CHINCHILLA, data_of(n, d, loss), Settings(draws=0), 0.0, None)
    assert any("alpha is weakly identified" in note for note in notes), notes
