"""A law with a drift: what the drift is, its prior, and the derivatives of both."""

import numpy as np
import pytest

from tests.laws.known_laws import chinchilla, grid
from workflow.scripts.forecasts.drift import Drift, WithPrior, plane
from workflow.scripts.laws.forms import CHINCHILLA, POWER_IRREDUCIBLE, data_of
from workflow.scripts.laws.problem import Problem

N, D = grid()
DATA = data_of(N, D, chinchilla(N, D))


def test_a_drift_is_no_plane_and_has_a_root_mean_square_of_one():
    drifts = Drift(CHINCHILLA, DATA).drifts(DATA)
    assert drifts.shape == (30, 3)
    assert plane(DATA).T @ drifts == pytest.approx(np.zeros((3, 3)), abs=1e-8)
    assert np.sqrt(np.mean(drifts**2, axis=0)) == pytest.approx([1, 1, 1])


@pytest.mark.parametrize(
    ("n", "d", "terms"),
    [
        ([1e4, 1e5, 1e6, 1e7], [1, 1, 1, 1], 1),  # one budget: log^2 N alone
        ([1e4, 1e5, 1e4, 1e5], [1e6, 1e6, 1e7, 1e7], 1),  # two of each: log N log D alone
        ([1e4, 1e5, 1e6, 1e7], [1e7, 1e6, 1e5, 1e4], 1),  # one FLOP: all three are the same
    ],
)
def test_what_the_runs_cannot_tell_from_a_plane_is_left_out(n, d, terms):
    data = data_of(np.array(n), np.array(d), np.full(4, 2.0))
    assert Drift(POWER_IRREDUCIBLE, data).terms == terms


def test_without_a_drift_it_is_the_law_and_its_prior_is_kept():
    drift = Drift(CHINCHILLA, DATA)
    theta = np.array([0.1, -0.5, -0.4, 0.3, 0.28, 0.0, 0.0, 0.0])
    assert drift.predict(theta, DATA)[0] == pytest.approx(CHINCHILLA.predict(theta[:5], DATA)[0])
    form = WithPrior(drift, 0.5)
    theta[-1] = 0.1
    rows = form.rows(DATA)
    assert form.predict(theta, rows)[0][-3:] == pytest.approx([0, 0, 0.2])
    assert form.runs(rows).log_loss == pytest.approx(DATA.log_loss)


def test_derivatives_are_those_of_the_objective():
    rng = np.random.default_rng(0)
    form = WithPrior(Drift(CHINCHILLA, DATA), 0.7)
    problem = Problem(form, form.rows(DATA), weights=np.tile(rng.uniform(0.5, 2, 33), (2, 1)))
    theta = rng.normal(0, 0.3, (2, 8))
    _, gradient = problem.objective(theta.T[:, :, None])
    steps = 1e-6 * np.eye(8)
    numeric = [
        (problem.objective((theta + step).T[:, :, None])[0] - problem.objective((theta - step).T[:, :, None])[0]) / 2e-6
        for step in steps
    ]
    assert gradient == pytest.approx(np.array(numeric).T, rel=1e-5, abs=1e-6)
