"""Many small least squares at once, against scipy's."""

import numpy as np
import pytest
from scipy.optimize import least_squares

from tests.laws.known_laws import chinchilla, grid
from workflow.scripts.forecasts.least_squares import least_squares_all
from workflow.scripts.laws.forms import CHINCHILLA, POWER_IRREDUCIBLE, data_of
from workflow.scripts.laws.problem import Problem

N, D = grid()


def test_it_ends_where_scipy_does():
    rng = np.random.default_rng(0)
    losses = np.log(chinchilla(N, D)) + rng.normal(0, 0.01, (5, 30))
    weights = rng.uniform(0.5, 2, (5, 30))
    data = data_of(N, D, np.exp(losses[0]))
    start = np.array([0.4, -0.5, -0.5, 0.3, 0.3])
    many = Problem(CHINCHILLA, data._replace(log_loss=losses), weights=weights)
    found = least_squares_all(many, np.tile(start, (5, 1)), 1e-13)
    assert found.converged.all()
    for i in range(5):
        one = Problem(CHINCHILLA, data._replace(log_loss=losses[i]))
        root = np.sqrt(weights[i])
        expected = least_squares(
            lambda theta, one=one, root=root: one.residuals(theta)[0] * root, start, xtol=1e-13, ftol=1e-13, gtol=1e-13
        )
        assert found.objective[i] == pytest.approx(expected.cost, rel=1e-7)
        assert found.theta[i] == pytest.approx(expected.x, abs=2e-3)


def test_it_keeps_within_the_bounds():
    """A straight line on which no floor is best: its log ends at the bound or where it does nothing."""
    n = np.geomspace(1e4, 1e7, 6)
    data = data_of(n, np.ones(6), 3 * n**-0.2)
    problem = Problem(POWER_IRREDUCIBLE, data, weights=np.ones((1, 6)))
    found = least_squares_all(problem, np.array([[-2.0, 0.1, 0.3]]), 1e-13)
    low, high = POWER_IRREDUCIBLE.bounds(data).T
    assert ((found.theta[0] >= low) & (found.theta[0] <= high)).all()
    assert found.objective[0] < 1e-9
    assert found.theta[0, 2] == pytest.approx(0.2, abs=1e-3)
