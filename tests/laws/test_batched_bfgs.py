"""Many fits at once end where each would alone, by scipy's optimiser as a reference."""

import itertools

import numpy as np
import pytest
from scipy.optimize import OptimizeResult, minimize

from tests.laws.known_laws import chinchilla, grid
from workflow.scripts.laws.batched_bfgs import minimise_all
from workflow.scripts.laws.estimate import LOOSE, local_optima, search
from workflow.scripts.laws.forms import CHINCHILLA, KAPLAN, POWER_IRREDUCIBLE, Constraint, data_of
from workflow.scripts.laws.problem import Problem


def alone(problem: Problem, start: np.ndarray, held: Constraint | None = None) -> OptimizeResult:
    """What scipy's L-BFGS-B finds, as a reference; of the parameters that are not held."""
    bounds = problem.form.bounds(problem.data)
    free = np.array([held is None or i != held.target for i in range(len(start))])
    full, scale = start.copy(), 1 / problem.objective(start)[0]

    def complete(values: np.ndarray) -> np.ndarray:
        full[free] = values
        if held:
            full[held.target] = held.constant + sum(factor * full[i] for i, factor in held.by)
        return full.copy()

    def scaled(values: np.ndarray) -> tuple[float, np.ndarray]:
        value, gradient = problem.objective(complete(values))
        if held:
            for i, factor in held.by:
                gradient[i] += factor * gradient[held.target]
        return value * scale, gradient[free] * scale

    options = {"maxiter": 3000, "maxfun": 6000, "ftol": 1e-12, "gtol": 1e-8, "maxcor": 20}
    found = minimize(scaled, start[free], jac=True, method="L-BFGS-B", bounds=bounds[free], options=options)
    return OptimizeResult(theta=complete(found.x), objective=found.fun / scale)


@pytest.mark.parametrize("delta", [1e-3, np.inf])
@pytest.mark.parametrize("form", [CHINCHILLA, KAPLAN], ids=lambda form: form.name)
def test_fits_together_end_where_scipys_do_alone(form, delta):
    n, d = grid()
    rng = np.random.default_rng(7)
    data = data_of(n, d, chinchilla(n, d) * np.exp(rng.normal(0, 5e-3, len(n))))
    start = search(Problem(form, data, delta)).best.theta
    times = rng.multinomial(len(n), np.full(len(n), 1 / len(n)), size=24).astype(float)
    together = minimise_all(Problem(form, data, delta, weights=times), start, LOOSE)
    each = [alone(Problem(form, data, delta, weights=weights), start) for weights in times]
    assert together.converged.all()
    better = together.objective / np.array([fit.objective for fit in each]) - 1
    assert (better < 1e-6).mean() > 0.9  # of a few optima one may find the one and one the other
    same = np.abs(better) < 1e-6
    assert same.mean() > 0.9
    for theta, fit in zip(together.theta[same], itertools.compress(each, same), strict=True):
        assert form.printed(theta, data)["alpha"] == pytest.approx(form.printed(fit.theta, data)["alpha"], rel=0.01)
    # What it says of the objective is so, and each is itself, whoever is fitted beside it.
    for theta, value, weights in zip(together.theta, together.objective, times, strict=True):
        assert Problem(form, data, delta, weights=weights).objective(theta)[0] == pytest.approx(value, rel=1e-9)
    some = minimise_all(Problem(form, data, delta, weights=times[3:5]), start, LOOSE)
    np.testing.assert_allclose(some.theta, together.theta[3:5], rtol=1e-4, atol=1e-6)


@pytest.mark.parametrize("delta", [1e-3, np.inf])
@pytest.mark.parametrize("form", [CHINCHILLA, KAPLAN], ids=lambda form: form.name)
def test_fits_with_a_parameter_held_end_no_higher_than_scipys(form, delta):
    """Each printed parameter, moved up: some are held themselves, through some an exponent follows a coefficient."""
    n, d = grid()
    data = data_of(n, d, chinchilla(n, d) * np.exp(np.random.default_rng(8).normal(0, 5e-3, len(n))))
    problem = Problem(form, data, delta)
    best = search(problem).best
    printed = form.printed(best.theta, data)
    held = [form.constraint(name, 1.1 * value, data) for name, value in printed.items()]
    found = local_optima(problem, np.tile(best.theta, (len(held), 1)), LOOSE, held)
    for (name, value), constraint, fit in zip(printed.items(), held, found, strict=True):
        assert form.printed(fit.theta, data)[name] == pytest.approx(1.1 * value, rel=1e-9), name
        assert problem.objective(fit.theta)[0] == pytest.approx(fit.objective, rel=1e-9), name
        assert fit.objective > best.objective, name
        assert fit.objective <= alone(problem, best.theta, constraint).objective * (1 + 1e-6), name


def test_fits_together_of_several_losses_keep_to_their_bounds():
    """One table with a floor and one that would have a negative one: E ends at nothing, not below."""
    n = np.geomspace(1e5, 1e9, 7)
    losses = np.stack((0.8 + 20 * n**-0.3, 30 * n**-0.2 - 0.1))
    data = data_of(n, n, losses[0])._replace(log_loss=np.log(losses))
    found = minimise_all(Problem(POWER_IRREDUCIBLE, data, weights=np.ones((2, 7))), np.array([-0.5, 0.0, 0.2]), 1e-13)
    laws = [POWER_IRREDUCIBLE.printed(theta, data) for theta in found.theta]
    assert laws[0] == pytest.approx({"E": 0.8, "A": 20, "alpha": 0.3}, rel=1e-4)
    assert laws[1]["E"] < 1e-5
    low, high = POWER_IRREDUCIBLE.bounds(data).T
    assert ((found.theta >= low) & (found.theta <= high)).all()
    assert minimise_all(Problem(POWER_IRREDUCIBLE, data, weights=np.ones((0, 7))), low, 1e-13).theta.shape == (0, 3)
