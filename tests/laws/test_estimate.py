"""Both estimators find the parameters that the data were made of, and the published ones of published data."""

import itertools
import json
from dataclasses import replace

import numpy as np
import pytest
from scipy.optimize import OptimizeResult, minimize
from scipy.special import huber

from tests.laws.test_forms import muennighoff
from workflow.scripts.laws.describe import Settings
from workflow.scripts.laws.estimate import DRAWN, Problem, descend, descents, search, starts, variable_projection
from workflow.scripts.laws.forms import CHINCHILLA, CHINCHILLA_TIED, KAPLAN, POWER_IRREDUCIBLE, Constraint, data_of
from workflow.scripts.laws.intervals import profile_interval
from workflow.scripts.laws.of_n_and_d import fit_surface, forecast_rows
from workflow.scripts.laws.repetition import REPEAT, SMS
from workflow.scripts.laws.table import read_table
from workflow.scripts.laws.together import descend_all

TRUE = {"E": 1.7, "A": 410.0, "B": 1500.0, "alpha": 0.34, "beta": 0.28}


def grid(sizes: int = 6, budgets: int = 5) -> tuple[np.ndarray, np.ndarray]:
    n, d = np.meshgrid(np.geomspace(1e7, 1e10, sizes), np.geomspace(1e9, 2e11, budgets))
    return n.ravel(), d.ravel()


def chinchilla(n, d, law=TRUE):
    return law["E"] + law["A"] / n ** law["alpha"] + law["B"] / d ** law["beta"]


def natural(form, fit, data):
    return form.natural(fit.theta, data)


def alone(problem: Problem, start: np.ndarray, held: Constraint | None = None) -> OptimizeResult:
    """What scipy's L-BFGS-B finds, as a reference; of the parameters that are not held."""
    bounds = problem.form.bounds(problem.data)
    free = np.array([held is None or i != held.index for i in range(len(start))])
    full, scale = start.copy(), 1 / problem.objective(start)[0]

    def complete(values: np.ndarray) -> np.ndarray:
        full[free] = values
        if held:
            full[held.index] = held.constant + held.factor * full[held.of]
        return full.copy()

    def scaled(values: np.ndarray) -> tuple[float, np.ndarray]:
        value, gradient = problem.objective(complete(values))
        if held:
            gradient[held.of] += held.factor * gradient[held.index]
        return value * scale, gradient[free] * scale

    options = {"maxiter": 3000, "maxfun": 6000, "ftol": 1e-12, "gtol": 1e-8, "maxcor": 20}
    found = minimize(scaled, start[free], jac=True, method="L-BFGS-B", bounds=bounds[free], options=options)
    return OptimizeResult(theta=complete(found.x), objective=found.fun / scale)


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


def test_a_grid_without_noise_gives_all_five_parameters():
    """By Huber's loss, by squares of log loss, by squares of loss, and by variable projection."""
    n, d = grid()
    data = data_of(n, d, chinchilla(n, d))
    fits = [
        search(Problem(CHINCHILLA, data, 1e-3)).best,
        search(Problem(CHINCHILLA, data)).best,
        search(Problem(CHINCHILLA, data, linear=True)).best,
        variable_projection(CHINCHILLA, data),
    ]
    for fit in fits:
        assert natural(CHINCHILLA, fit, data) == pytest.approx(TRUE, rel=1e-6)
        assert fit.converged


@pytest.mark.parametrize("loss", ["huber", "mse"])
def test_either_setting_gives_all_five_and_no_doubts(loss):
    n, d = grid()
    result, notes, _ = fit_surface(CHINCHILLA, data_of(n, d, chinchilla(n, d)), Settings(loss, draws=0), 0.0, None)
    assert {name: result[name] for name in TRUE} == pytest.approx(TRUE, rel=1e-6)
    assert result["converged"]
    assert result["loo_error"] < 1e-6
    assert not notes


def test_units_of_n_and_d_change_nothing_but_coefficients():
    n, d = grid()
    loss = chinchilla(n, d) * np.exp(np.random.default_rng(1).normal(0, 5e-3, len(n)))
    one, two = data_of(n, d, loss), data_of(n / 1e6, d / 1e9, loss)
    fits = [natural(CHINCHILLA, search(Problem(CHINCHILLA, data, 1e-3)).best, data) for data in (one, two)]
    for name in ("E", "alpha", "beta"):
        assert fits[0][name] == pytest.approx(fits[1][name], rel=1e-6)
    assert fits[1]["A"] * 1e6 ** fits[1]["alpha"] == pytest.approx(fits[0]["A"], rel=1e-5)


def test_whole_weights_are_rows_told_several_times():
    n, d = grid()
    loss = chinchilla(n, d) * np.exp(np.random.default_rng(2).normal(0, 5e-3, len(n)))
    data = data_of(n, d, loss)
    times = np.arange(len(n)) % 3
    start = search(Problem(CHINCHILLA, data, 1e-3)).best.theta
    weighted = descend(Problem(CHINCHILLA, data, 1e-3, weights=times.astype(float)), start)
    repeated = descend(Problem(CHINCHILLA, data.take(np.repeat(np.arange(len(n)), times)), 1e-3), start)
    assert weighted.objective == pytest.approx(repeated.objective, rel=1e-9)
    assert weighted.theta == pytest.approx(repeated.theta, abs=1e-5)


@pytest.mark.parametrize("delta", [1e-3, np.inf])
@pytest.mark.parametrize("form", [CHINCHILLA, KAPLAN], ids=lambda form: form.name)
def test_fits_together_end_where_scipys_do_alone(form, delta):
    n, d = grid()
    rng = np.random.default_rng(7)
    data = data_of(n, d, chinchilla(n, d) * np.exp(rng.normal(0, 5e-3, len(n))))
    start = search(Problem(form, data, delta)).best.theta
    times = rng.multinomial(len(n), np.full(len(n), 1 / len(n)), size=40).astype(float)
    together = descend_all(Problem(form, data, delta, weights=times), start, DRAWN)
    each = [alone(Problem(form, data, delta, weights=weights), start) for weights in times]
    assert together.converged.all()
    better = together.objective / np.array([fit.objective for fit in each]) - 1
    assert (better < 1e-6).mean() > 0.9  # of a few optima one may find the one and one the other
    same = np.abs(better) < 1e-6
    assert same.mean() > 0.9
    for theta, fit in zip(together.theta[same], itertools.compress(each, same), strict=True):
        assert form.natural(theta, data)["alpha"] == pytest.approx(form.natural(fit.theta, data)["alpha"], rel=0.01)
    # What it says of the objective is so, and each is itself, whoever is fitted beside it.
    for theta, value, weights in zip(together.theta, together.objective, times, strict=True):
        assert Problem(form, data, delta, weights=weights).objective(theta)[0] == pytest.approx(value, rel=1e-9)
    some = descend_all(Problem(form, data, delta, weights=times[3:5]), start, DRAWN)
    np.testing.assert_allclose(some.theta, together.theta[3:5], rtol=1e-4, atol=1e-6)


@pytest.mark.parametrize("delta", [1e-3, np.inf])
@pytest.mark.parametrize("form", [CHINCHILLA, KAPLAN], ids=lambda form: form.name)
def test_fits_with_a_parameter_held_end_no_higher_than_scipys(form, delta):
    """Each printed parameter, moved up: some are held themselves, through some an exponent follows a coefficient."""
    n, d = grid()
    data = data_of(n, d, chinchilla(n, d) * np.exp(np.random.default_rng(8).normal(0, 5e-3, len(n))))
    problem = Problem(form, data, delta)
    best = search(problem).best
    printed = form.natural(best.theta, data)
    held = [form.held(name, 1.1 * value, data) for name, value in printed.items()]
    found = descents(problem, np.tile(best.theta, (len(held), 1)), DRAWN, held)
    for (name, value), constraint, fit in zip(printed.items(), held, found, strict=True):
        assert form.natural(fit.theta, data)[name] == pytest.approx(1.1 * value, rel=1e-9), name
        assert problem.objective(fit.theta)[0] == pytest.approx(fit.objective, rel=1e-9), name
        assert fit.objective > best.objective, name
        assert fit.objective <= alone(problem, best.theta, constraint).objective * (1 + 1e-6), name


def test_fits_together_of_several_losses_keep_to_their_bounds():
    """One table with a floor and one that would have a negative one: E ends at nothing, not below."""
    n = np.geomspace(1e5, 1e9, 7)
    losses = np.stack((0.8 + 20 * n**-0.3, 30 * n**-0.2 - 0.1))
    data = data_of(n, n, losses[0])._replace(log_loss=np.log(losses))
    found = descend_all(Problem(POWER_IRREDUCIBLE, data, weights=np.ones((2, 7))), np.array([-0.5, 0.0, 0.2]), 1e-13)
    laws = [POWER_IRREDUCIBLE.natural(theta, data) for theta in found.theta]
    assert laws[0] == pytest.approx({"E": 0.8, "A": 20, "alpha": 0.3}, rel=1e-4)
    assert laws[1]["E"] < 1e-5
    low, high = POWER_IRREDUCIBLE.bounds(data).T
    assert ((found.theta >= low) & (found.theta <= high)).all()
    assert descend_all(Problem(POWER_IRREDUCIBLE, data, weights=np.ones((0, 7))), low, 1e-13).theta.shape == (0, 3)


@pytest.mark.parametrize("form", [POWER_IRREDUCIBLE, CHINCHILLA_TIED, KAPLAN], ids=lambda form: form.name)
def test_other_laws_without_noise_are_found_by_both(form):
    n, d = grid()
    if form is POWER_IRREDUCIBLE:
        n = d = np.geomspace(1e5, 1e9, 7)
    data = data_of(n, d, np.ones_like(n))
    values = {"log_e": 0.3, "log_a": -0.6, "log_b": -1.1, "alpha": 0.31, "beta": 0.22}
    theta = np.array([values[name] for name in form.theta])
    data = data._replace(log_loss=form.predict(theta, data)[0])
    for fit in (search(Problem(form, data, 1e-3)).best, variable_projection(form, data)):
        assert natural(form, fit, data) == pytest.approx(form.natural(theta, data), rel=1e-4)


def test_data_without_a_floor_have_none():
    """E is exactly zero by both estimators, not merely small, and said to be at a bound."""
    n, d = grid()
    noise = np.exp(np.random.default_rng(3).normal(0, 1e-3, len(n)))
    data = data_of(n, d, (410 / n**0.2 + 1500 / d**0.25) * noise)
    # Taken off until no floor is left: what remains is convex enough for E to want to be negative.
    data = data._replace(log_loss=np.log(np.exp(data.log_loss) - 0.5 * np.exp(data.log_loss.min())))
    for loss in ("huber", "mse"):
        result, notes, _ = fit_surface(CHINCHILLA, data, Settings(loss, draws=0), 0.0, None)
        assert result["E"] == 0.0
        assert result["at_bound"] == ["E"]
        assert result["other_estimate"]["E"] < 1e-6
        assert result["ci95"]["E"][0] == 0.0
        assert any("E at a bound" in note for note in notes)


def test_estimators_that_disagree_are_told():
    """Outliers that Huber's loss disregards and squares do not."""
    n, d = grid()
    loss = chinchilla(n, d) * np.exp(np.random.default_rng(4).normal(0, 5e-4, len(n)))
    loss[(n < 2e7) & (d < 1e10)] *= 1.3
    _, notes, _ = fit_surface(CHINCHILLA, data_of(n, d, loss), Settings(draws=0), 0.0, None)
    assert any("the two estimators disagree: beta is" in note for note in notes), notes


def test_weak_identification_is_told():
    """Sizes within a tenth of each other say nothing of alpha."""
    rng = np.random.default_rng(5)
    n, d = map(np.ravel, np.meshgrid(np.geomspace(1e7, 1.2e7, 4), np.geomspace(1e9, 2e11, 4)))
    loss = chinchilla(n, d) * np.exp(rng.normal(0, 2e-2, len(n)))
    _, notes, _ = fit_surface(CHINCHILLA, data_of(n, d, loss), Settings(draws=0), 0.0, None)
    assert any("alpha is weakly identified" in note for note in notes), notes


def test_the_grid_of_starts_leaves_no_term_out():
    n, d = grid()
    data = data_of(n, d, chinchilla(n, d))
    begun = starts(CHINCHILLA, data)
    assert len(begun) == 36
    assert all((theta[:3] >= data.log_loss.min() - np.log(50)).all() for theta in begun)


@pytest.fixture(scope="module")
def epoch(shared):
    """(data of the 240 rows, their FLOP, the global optimum, expected values)."""
    table, _ = read_table(shared / "law-data" / "epoch_chinchilla_245.csv")
    table = table.sort_values("loss", kind="stable").iloc[:240].sort_index()
    data = data_of(*(table[column].to_numpy() for column in ("params", "tokens", "loss")))
    expected = json.loads((shared / "law-data" / "expected_public.json").read_text())
    problem = Problem(CHINCHILLA, data, 1e-3)
    return data, table["flops"].to_numpy(), search(problem), expected["public/epoch_chinchilla_245.csv"]


def test_chinchilla_replication(epoch):
    data, _, found, expected = epoch
    expected = expected["huber_lse_delta1e-3"]
    law, tolerance = natural(CHINCHILLA, found.best, data), expected["tol"]
    assert found.best.objective <= expected["objective_max"]
    for name in ("E", "alpha", "beta"):
        assert law[name] == pytest.approx(expected[name], abs=tolerance[name])
    for name in ("A", "B"):
        assert law[name] == pytest.approx(expected[name], rel=tolerance[f"{name}_rel"])
    assert found.best.converged
    assert found.moved
    assert found.basins == 1


def test_published_parameters_lie_within_the_intervals(epoch):
    data, _, found, expected = epoch
    published = expected["published"]
    problem = Problem(CHINCHILLA, data, 1e-3)
    for name in ("A", "B", "alpha", "beta", "E"):
        low, high = profile_interval(problem, found.best, name)
        assert low <= published[name] <= high, name
        wide = expected["bootstrap95_published"][name]
        if name not in ("A", "B"):
            assert high - low < 2 * (wide[1] - wide[0])  # nor do they hold everything


def test_least_squares_of_the_replication(epoch):
    data, _, _, expected = epoch
    fit = variable_projection(CHINCHILLA, data)
    law, expected = natural(CHINCHILLA, fit, data), expected["mse_nnls_240"]
    assert law["E"] == pytest.approx(expected["E"], abs=1e-4)
    assert law["alpha"] == pytest.approx(expected["alpha"], abs=1e-5)
    assert law["beta"] == pytest.approx(expected["beta"], abs=1e-5)
    assert fit.objective == pytest.approx(expected["rss"], abs=1e-6)


def test_the_largest_runs_are_forecast(epoch):
    data, flops, found, expected = epoch
    result = forecast_rows(CHINCHILLA, data, Settings(), found.best, flops >= 1e21)
    assert result["n_rows"] == (flops >= 1e21).sum()
    assert 100 * result["mean_relative_error"] <= expected["heldout_C>=1e21_MRE_pct_max"]


def repeated(epochs=(1, 3, 10, 40)) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    rows = [
        (n, unique * times, unique)
        for n in np.geomspace(7e6, 4e9, 6)
        for unique in (1e8, 4e8, 1.6e9)
        for times in epochs
    ]
    return tuple(np.array(rows).T)


def test_muennighoffs_parameters_are_recovered():
    n, d, unique = repeated()
    law = {"E": 1.8, "A": 480.0, "B": 2100.0, "alpha": 0.35, "beta": 0.37, "R_D": 15.0, "R_N": 5.0}
    loss = np.array([muennighoff(law, *row) for row in zip(n, d, unique, strict=True)])
    noise = np.exp(np.random.default_rng(6).normal(0, 1e-3, len(n)))
    data = data_of(n, d, loss * noise, unique)
    problem = Problem(REPEAT, data, 1e-3)
    found = search(problem).best
    values = natural(REPEAT, found, data)
    for name, true in law.items():
        assert values[name] == pytest.approx(true, rel=0.05), name
    for name in ("R_D", "R_N"):
        low, high = profile_interval(problem, found, name)
        assert low < law[name] < high
        assert high < 1.2 * low
    assert natural(REPEAT, variable_projection(REPEAT, data), data)["R_D"] == pytest.approx(15, rel=0.05)


def test_the_music_laws_parameters_are_recovered():
    n, d, unique = repeated()
    data = data_of(n, d, np.ones_like(n), unique)
    theta = np.array([0.2, -0.7, -0.9, -2.0, 0.35, 0.3, np.log(1 - 0.85)])
    data = data._replace(log_loss=SMS.predict(theta, data)[0])
    true = SMS.natural(theta, data)
    for fit in (search(Problem(SMS, data, 1e-3)).best, variable_projection(SMS, data)):
        assert np.abs(SMS.predict(fit.theta, data)[0] - data.log_loss).max() < 1e-5
        assert natural(SMS, fit, data) == pytest.approx(true, rel=0.02)
    noisy = replace(
        Problem(SMS, data), data=data._replace(log_loss=data.log_loss + 1e-3 * np.sin(7 * np.arange(len(n))))
    )
    best = search(noisy).best
    low, high = profile_interval(noisy, best, "k")
    assert low < 0.85 < high
    assert high - low < 0.1
