"""Both estimators find the parameters that the data were made of, and the published ones of published data."""

import json

import numpy as np
import pytest

from tests.laws.known_laws import TRUE, chinchilla, grid
from workflow.scripts.base.errors import InputError
from workflow.scripts.laws.coupling import COUPLED
from workflow.scripts.laws.estimate import (
    ENOUGH,
    Settings,
    held_at,
    not_held,
    parse_fixed,
    search,
    starting_points,
    variable_projection,
)
from workflow.scripts.laws.forms import CHINCHILLA, CHINCHILLA_TIED, KAPLAN, POWER_IRREDUCIBLE, data_of
from workflow.scripts.laws.intervals import profile_interval
from workflow.scripts.laws.loss_surface import forecast_rows
from workflow.scripts.laws.problem import Problem
from workflow.scripts.laws.repetition import REPEAT, SMS
from workflow.scripts.tables.table import read_table


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
        assert CHINCHILLA.printed(fit.theta, data) == pytest.approx(TRUE, rel=1e-6)
        assert fit.converged


def test_units_of_n_and_d_change_nothing_but_coefficients():
    n, d = grid()
    loss = chinchilla(n, d) * np.exp(np.random.default_rng(1).normal(0, 5e-3, len(n)))
    one, two = data_of(n, d, loss), data_of(n / 1e6, d / 1e9, loss)
    fits = [CHINCHILLA.printed(search(Problem(CHINCHILLA, data, 1e-3)).best.theta, data) for data in (one, two)]
    for name in ("E", "alpha", "beta"):
        assert fits[0][name] == pytest.approx(fits[1][name], rel=1e-6)
    assert fits[1]["A"] * 1e6 ** fits[1]["alpha"] == pytest.approx(fits[0]["A"], rel=1e-5)


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
        assert form.printed(fit.theta, data) == pytest.approx(form.printed(theta, data), rel=1e-4)


def test_the_grid_of_starts_leaves_no_term_out():
    n, d = grid()
    data = data_of(n, d, chinchilla(n, d))
    begun = starting_points(CHINCHILLA, data)
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
    law, tolerance = CHINCHILLA.printed(found.best.theta, data), expected["tol"]
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
    law, expected = CHINCHILLA.printed(fit.theta, data), expected["mse_nnls_240"]
    assert law["E"] == pytest.approx(expected["E"], abs=1e-4)
    assert law["alpha"] == pytest.approx(expected["alpha"], abs=1e-5)
    assert law["beta"] == pytest.approx(expected["beta"], abs=1e-5)
    assert fit.objective == pytest.approx(expected["rss"], abs=1e-6)


def test_the_largest_runs_are_forecast(epoch):
    data, flops, found, expected = epoch
    result = forecast_rows(CHINCHILLA, data, Settings(), found.best, flops >= 1e21)
    assert result["n_rows"] == (flops >= 1e21).sum()
    assert 100 * result["mean_relative_error"] <= expected["heldout_C>=1e21_MRE_pct_max"]


def test_a_search_of_many_rows_ends_where_one_of_all_does():
    """Some of them say where the optimum is, and all of them what it is."""
    n, d = map(np.repeat, grid(), (40, 40))
    data = data_of(n, d, chinchilla(n, d) * np.exp(np.random.default_rng(0).normal(0, 0.01, len(n))))
    assert len(n) > 2 * ENOUGH
    problem = Problem(CHINCHILLA, data, 1e-3)
    found = search(problem)
    assert found.best.converged
    assert found.moved
    near = np.array([*TRUE.values()])
    assert [*CHINCHILLA.printed(found.best.theta, data).values()] == pytest.approx(near, rel=0.2)
    value, gradient = problem.objective(found.best.theta)
    assert value == pytest.approx(found.best.objective)
    assert np.abs(gradient).max() < 1e-6
    squares = variable_projection(CHINCHILLA, data)
    linear = Problem(CHINCHILLA, data, linear=True)
    assert squares.objective == pytest.approx(2 * search(linear).best.objective, rel=1e-9)


def test_a_search_with_parameters_held_finds_the_rest():
    n, d = grid()
    data = data_of(n, d, chinchilla(n, d))
    for names in (("A",), ("E", "alpha"), ("E", "A", "B", "alpha")):
        held = held_at(CHINCHILLA, {name: TRUE[name] for name in names}, data)
        found = search(Problem(CHINCHILLA, data, 1e-3, held=held))
        assert CHINCHILLA.printed(found.best.theta, data) == pytest.approx(TRUE, rel=1e-6), names


def test_an_exponent_that_follows_a_held_coefficient_stays_within_bounds():
    """So large a term fell steeper with N than any law does, so the fit ends at the bound."""
    n, d = grid()
    data = data_of(n, d, chinchilla(n, d))
    problem = Problem(CHINCHILLA, data, 1e-3, held=held_at(CHINCHILLA, {"A": 1e40}, data))
    found = search(problem).best
    printed = CHINCHILLA.printed(found.theta, data)
    assert (printed["A"], printed["alpha"]) == pytest.approx((1e40, 3.0))
    assert problem.objective(found.theta)[0] == pytest.approx(found.objective)


def test_what_is_to_be_held_is_read():
    assert parse_fixed("E=1.69, A = 406.4,k=0.5") == {"E": 1.69, "A": 406.4, "k": 0.5}
    assert parse_fixed("E=0") == {"E": 0.0}


@pytest.mark.parametrize(
    ("text", "wrong"),
    [
        ("a=3", "no law has a parameter 'a' (known: E, A, B, d, alpha,"),
        ("E=1,E=2", "E is there twice"),
        ("A=many", "A=many does not say a positive number"),
        ("A=0", "A=0 does not say a positive number"),
        ("E=-1", "E=-1 does not say a number of at least 0"),
        ("beta=inf", "beta=inf does not say"),
        ("beta", "beta does not say"),
        ("", "no law has a parameter ''"),
    ],
)
def test_what_cannot_be_held_is_said(text, wrong):
    with pytest.raises(InputError) as error:
        parse_fixed(text)
    assert wrong in str(error.value)


def test_a_law_says_why_it_cannot_have_a_parameter_held():
    n, d = grid()
    data = data_of(n, d, chinchilla(n, d))
    base = {"E": 1.7, "A": 410.0, "B": 1500.0, "alpha": 0.34, "beta": 0.28}
    assert not_held(REPEAT, base, data) == not_held(COUPLED, base, data) == not_held(SMS, base, data) == ""
    assert not_held(CHINCHILLA, base, data) == "all its parameters are held"
    assert not_held(CHINCHILLA_TIED, base, data) == "it has no beta that could be held"
    assert not_held(KAPLAN, base, data) == "it has no E and no A and no B that could be held"
    assert not_held(SMS, {"k": 1.5}, data).startswith("k = 1.5 is outside 0.001 to 1")
    assert not_held(CHINCHILLA, {"E": 99.0}, data).startswith("E = 99 is outside 0 to ")
    assert not_held(CHINCHILLA_TIED, {"A": 9.0, "B": 9.0, "alpha": 0.3}, data) == ""
    assert not_held(CHINCHILLA, {}, data) == ""
    assert held_at(CHINCHILLA, {}, data) is None
