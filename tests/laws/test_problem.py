"""What is minimised is the sum of Huber's losses, with its gradient, whatever the weights and whatever is held."""

import numpy as np
import pytest
from scipy.special import huber

from tests.laws.known_laws import chinchilla, grid
from workflow.scripts.laws.estimate import local_optimum, search
from workflow.scripts.laws.forms import CHINCHILLA, POWER_IRREDUCIBLE, Constraint, data_of
from workflow.scripts.laws.problem import Held, Problem


def test_the_objective_is_the_sum_of_hubers_losses():
    n, d = grid()
    data = data_of(n, d, chinchilla(n, d) * np.exp(np.random.default_rng(0).normal(0, 2e-3, len(n))))
    theta = np.array([0.4, -0.5, -0.7, 0.3, 0.3])
    problem = Problem(CHINCHILLA, data, 1e-3, weights=np.arange(len(n)) % 3.0)
    residuals = CHINCHILLA.predict(theta, data)[0] - data.log_loss
    value, gradient = problem.objective(theta)
    assert value == pytest.approx(np.sum(problem.weights * huber(1e-3, residuals)))
    for i, step in enumerate(1e-6 * np.eye(5)):
        numeric = (problem.objective(theta + step)[0] - problem.objective(theta - step)[0]) / 2e-6
        assert gradient[i] == pytest.approx(numeric, rel=1e-5, abs=1e-8)


def test_whole_weights_are_rows_given_several_times():
    n, d = grid()
    loss = chinchilla(n, d) * np.exp(np.random.default_rng(2).normal(0, 5e-3, len(n)))
    data = data_of(n, d, loss)
    times = np.arange(len(n)) % 3
    start = search(Problem(CHINCHILLA, data, 1e-3)).best.theta
    weighted = local_optimum(Problem(CHINCHILLA, data, 1e-3, weights=times.astype(float)), start)
    repeated = local_optimum(Problem(CHINCHILLA, data.take(np.repeat(np.arange(len(n)), times)), 1e-3), start)
    assert weighted.objective == pytest.approx(repeated.objective, rel=1e-9)
    assert weighted.theta == pytest.approx(repeated.theta, abs=1e-5)


def test_some_of_many_problems_are_themselves():
    """Each has its own weights, losses and held parameter, which theta shows wherever it was begun."""
    n = np.geomspace(1e5, 1e9, 7)
    rng = np.random.default_rng(0)
    losses = (0.8 + 20 * n**-0.3) * np.exp(rng.normal(0, 0.01, (3, 7)))
    data = data_of(n, n, losses[0])._replace(log_loss=np.log(losses))
    held = [Constraint(2, 0.3), Constraint(0, -0.5), Constraint(2, 0.1, ((1, 0.5),))]
    weights = rng.integers(0, 3, (3, 7)).astype(float)
    many = Problem(POWER_IRREDUCIBLE, data, weights=weights, held=Held.of(held, 3))
    theta = np.array([[-0.3, 0.1, 0.2]]).T[:, :, None]
    complete = many.complete(np.tile(theta, (1, 3, 1)))[:, :, 0].T
    assert complete == pytest.approx(np.array([[-0.3, 0.1, 0.3], [-0.5, 0.1, 0.2], [-0.3, 0.1, 0.15]]))
    some = many.take(np.array([2, 0]))
    values, gradients = some.objective(np.tile(theta, (1, 2, 1)))
    for value, gradient, i in zip(values, gradients, (2, 0), strict=True):
        alone = Problem(POWER_IRREDUCIBLE, data._replace(log_loss=data.log_loss[i]), weights=weights[i])
        expected, slopes = alone.objective(complete[i])
        for source, factor in held[i].by:
            slopes[source] += factor * slopes[held[i].target]
        slopes[held[i].target] = 0.0
        assert value == pytest.approx(expected)
        assert gradient == pytest.approx(slopes)


def test_without_weights_each_row_counts_once():
    n, d = grid()
    data = data_of(n, d, chinchilla(n, d) * 1.01)
    theta = np.array([0.4, -0.5, -0.7, 0.3, 0.3])
    plain = Problem(CHINCHILLA, data, 1e-3)
    assert (plain.row_weights == np.ones(len(n))).all()
    assert plain.objective(theta)[0] == Problem(CHINCHILLA, data, 1e-3, weights=np.ones(len(n))).objective(theta)[0]


def test_several_parameters_are_held_at_once():
    """A alone makes alpha follow; A and alpha leave their term no freedom, in whatever order they are held."""
    n, d = grid()
    data = data_of(n, d, chinchilla(n, d))
    theta = np.array([0.4, -0.5, -0.7, 0.3, 0.3])
    for names, free in ((("A",), 4), (("A", "alpha"), 3), (("alpha", "A", "B", "E"), 1), (("A", "B", "beta"), 2)):
        wanted = {"E": 1.5, "A": 300.0, "B": 900.0, "alpha": 0.32, "beta": 0.25}
        held = Held.nothing(5)
        for name in names:
            held = held.also([CHINCHILLA.constraint(name, wanted[name], data)])
        problem = Problem(CHINCHILLA, data, 1e-3, held=held)
        assert problem.parameters == free
        found = CHINCHILLA.printed(problem.complete(theta), data)
        assert {name: found[name] for name in names} == pytest.approx({name: wanted[name] for name in names})
        value, gradient = problem.objective(theta)
        assert (gradient != 0).sum() == free
        assert value == pytest.approx(Problem(CHINCHILLA, data, 1e-3).objective(problem.complete(theta))[0])
        for i, step in enumerate(1e-6 * np.eye(5)):
            numeric = (problem.objective(theta + step)[0] - problem.objective(theta - step)[0]) / 2e-6
            assert gradient[i] == pytest.approx(numeric, rel=1e-5, abs=1e-8)
        assert held.determines(CHINCHILLA.constraint(names[0], 1.0, data))
        assert not held.determines(CHINCHILLA.constraint("E" if "E" not in names else "beta", 1.0, data))


def test_what_is_held_may_not_contradict_itself():
    data = data_of(*grid(), np.ones(30))
    held = Held.nothing(5).also([CHINCHILLA.constraint("alpha", 0.3, data)])
    again = held.also([CHINCHILLA.constraint("alpha", 0.3, data)])
    assert np.array_equal(held.matrix, again.matrix)
    with pytest.raises(ValueError, match="contradict"):
        held.also([CHINCHILLA.constraint("alpha", 0.4, data)])


def test_many_rows_are_summed_in_parts(monkeypatch):
    """So that what is computed of them stays in a processor's cache; the sums are the same."""
    n, d = grid(20, 20)
    rng = np.random.default_rng(1)
    data = data_of(n, d, chinchilla(n, d) * np.exp(rng.normal(0, 0.01, len(n))))
    weights, thetas = rng.integers(0, 3, (4, 400)).astype(float), rng.normal(0.3, 0.1, (5, 4, 1))
    held = Held.of([Constraint(3, 0.3)] * 4, 5)
    problem = Problem(CHINCHILLA, data, 1e-3, weights=weights, held=held)
    whole, curvature = problem.objective(thetas), problem.curvature(thetas)
    monkeypatch.setattr("workflow.scripts.laws.problem.IN_CACHE", 280)
    assert len(list(problem.parts(4))) == 6
    for one, two in zip(problem.objective(thetas), whole, strict=True):
        np.testing.assert_allclose(one, two, rtol=1e-12)
    np.testing.assert_allclose(problem.curvature(thetas), curvature, rtol=1e-9, atol=1e-12)
