"""The best N and D for so many FLOP are where no others are better, and where the papers' formulas put them."""

import numpy as np
import pytest

from tests.laws.known_laws import muennighoff
from tests.laws.test_forms import random_theta, table
from workflow.scripts.laws.allocation import WITH_OPTIMUM, best_size, optimum_exponents, predicted_loss, printed_loss
from workflow.scripts.laws.forms import CHINCHILLA, KAPLAN, POWER_IRREDUCIBLE
from workflow.scripts.laws.repetition import REPEAT, SMS

FLOPS = np.array([1e17, 1e19, 1e21])


@pytest.mark.parametrize("form", WITH_OPTIMUM, ids=lambda form: form.name)
def test_the_search_ends_where_the_formula_does(form):
    *_, data = table()
    thetas = np.array([random_theta(form, np.random.default_rng(seed)) for seed in range(5)])
    found = best_size(form, thetas, data, FLOPS)
    assert found.params.shape == (5, 3)
    for i, theta in enumerate(thetas):
        said = optimum_exponents(form, form.printed(theta, data))
        inside = np.isfinite(found.params[i])
        assert found.params[i][inside] == pytest.approx(said["G"] * (FLOPS[inside] / 6) ** said["N_exponent"], rel=1e-4)
        assert said["N_exponent"] + said["D_exponent"] == pytest.approx(1)
        assert said["N_exponent"] == pytest.approx(
            form.value("N_exponent", theta, data) if "beta" in form.theta else 0.5
        )
    assert np.isfinite(found.params).sum() > 10
    assert 6 * found.params * found.tokens == pytest.approx(np.broadcast_to(FLOPS, (5, 3)), nan_ok=True)


@pytest.mark.parametrize("form", [CHINCHILLA, SMS], ids=lambda form: form.name)
def test_no_other_size_is_better(form):
    """At any price of a token: here with an embedding of 5e6 parameters that costs nothing but is trained."""
    *_, data = table()
    theta = random_theta(form, np.random.default_rng(1))

    def price(n):
        return 6 * n + 3e7

    found = best_size(form, theta, data, 1e19, price)
    assert found.params.shape == (1, 1)
    for factor in (0.9, 1.1):
        n = found.params * factor
        assert (predicted_loss(form, theta, data, n, 1e19 / price(n)) > found.loss).all()
    n = found.params
    assert price(n) * found.tokens == pytest.approx(1e19)
    assert predicted_loss(form, theta, data, n, found.tokens) == pytest.approx(found.loss)


def test_few_unique_tokens_make_a_smaller_model_best_or_one_read_more():
    """With U tokens for as much compute as 100 U would take, more goes into N than where tokens are new."""
    *_, data = table()
    theta = random_theta(REPEAT, np.random.default_rng(2))
    law = REPEAT.printed(theta, data)
    fresh = best_size(REPEAT, theta, data, 1e20)
    scarce = best_size(REPEAT, theta, data, 1e20, unique=float(fresh.tokens[0, 0] / 100))
    assert scarce.loss > fresh.loss
    n, d = scarce.params[0, 0], scarce.tokens[0, 0]
    assert muennighoff(law, n, d, fresh.tokens[0, 0] / 100) == pytest.approx(scarce.loss[0, 0])


def test_where_there_is_no_best_size_none_is_given():
    *_, data = table()
    theta = random_theta(CHINCHILLA, np.random.default_rng(3))
    without_n = np.where(np.array(CHINCHILLA.theta) == "log_a", data.log_loss.min() - 60, theta)
    found = best_size(CHINCHILLA, np.stack((theta, without_n)), data, 1e19)
    assert np.isfinite(found.params[0]).all()
    assert np.isnan(found.params[1]).all()
    assert np.isnan(found.loss[1]).all()
    assert optimum_exponents(CHINCHILLA, CHINCHILLA.printed(without_n, data))["G"] is None
    assert optimum_exponents(POWER_IRREDUCIBLE, {"alpha": 0.3}) is None
    assert optimum_exponents(CHINCHILLA, {"A": 1.0, "B": 1.0, "alpha": -0.1, "beta": 0.3}) is None


def test_losses_are_those_of_the_equation():
    n, d, _, data = table()
    theta = random_theta(KAPLAN, np.random.default_rng(5))
    law = KAPLAN.printed(theta, data)
    loss = ((law["N_c"] / n) ** (law["alpha"] / law["beta"]) + law["D_c"] / d) ** law["beta"]
    assert predicted_loss(KAPLAN, np.stack((theta, theta)), data, n, d) == pytest.approx(np.stack((loss, loss)))


@pytest.mark.parametrize("form", WITH_OPTIMUM, ids=lambda form: form.name)
def test_printed_parameters_give_the_loss_of_the_law(form):
    *_, data = table()
    theta = random_theta(form, np.random.default_rng(3))
    n, d = np.geomspace(1e6, 1e9, 4), np.array([[1e8], [1e10]])
    expected = predicted_loss(form, theta, data, *np.broadcast_arrays(n, d)).reshape(2, 4)
    assert printed_loss(form.printed(theta, data), n, d) == pytest.approx(expected, rel=1e-9)


def test_a_law_of_one_of_them_has_no_loss_at_both():
    with pytest.raises(KeyError):
        printed_loss({"A": 3.0, "alpha": 0.1}, 1e6, 1e8)
