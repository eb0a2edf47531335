"""Each law gives what its paper's equation gives, with the right slopes, in parameters that can be held."""

import numpy as np
import pytest

from workflow.scripts.laws.coupling import COUPLED
from workflow.scripts.laws.forms import CHINCHILLA, CHINCHILLA_TIED, KAPLAN, POWER_IRREDUCIBLE, data_of
from workflow.scripts.laws.problem import Held, Problem
from workflow.scripts.laws.repetition import REPEAT, SMS

FORMS = (POWER_IRREDUCIBLE, CHINCHILLA, CHINCHILLA_TIED, KAPLAN, COUPLED, REPEAT, SMS)
RANGES = {"log_e": (-1, 1), "log_a": (-2, 1), "log_b": (-2, 1), "log_d": (-3, 0), "alpha": (0.1, 0.9),
          "beta": (0.1, 0.9), "log_r_d": (0.5, 3.5), "log_r_n": (0.5, 3.5), "log_decay": (-4, -0.2),
          "k": (0.2, 1.5)}  # fmt: skip


def table(seed: int = 0, rows: int = 40, epochs: float = 30):
    rng = np.random.default_rng(seed)
    n, unique = np.exp(rng.uniform(np.log(1e6), np.log(1e9), rows)), np.exp(rng.uniform(np.log(1e7), np.log(1e9), rows))
    d = unique * np.exp(rng.uniform(0, np.log(epochs), rows)) if epochs > 1 else unique
    return n, d, unique, data_of(n, d, np.exp(rng.normal(0.5, 0.3, rows)), unique)


def random_theta(form, rng) -> np.ndarray:
    return np.array([rng.uniform(*RANGES[name]) for name in form.theta])


@pytest.mark.parametrize("form", FORMS, ids=lambda form: form.name)
@pytest.mark.parametrize("seed", range(5))
def test_slopes_are_those_of_finite_differences(form, seed):
    *_, data = table(seed)
    theta = random_theta(form, np.random.default_rng(seed))
    _, slopes = form.predict(theta, data)
    step = 1e-6
    for i in range(len(theta)):
        ahead, behind = (form.predict(theta + sign * step * np.eye(len(theta))[i], data)[0] for sign in (1, -1))
        assert slopes[:, i] == pytest.approx((ahead - behind) / (2 * step), abs=1e-6), form.theta[i]


@pytest.mark.parametrize("form", FORMS, ids=lambda form: form.name)
def test_many_laws_at_once_are_each_of_them(form):
    *_, data = table()
    thetas = np.array([random_theta(form, np.random.default_rng(seed)) for seed in range(4)])
    losses, slopes = form.predict(thetas.T[:, :, None], data)
    assert slopes.shape == (4, 40, len(form.theta))
    for theta, *found in zip(thetas, losses, slopes, strict=True):
        for one, alone in zip(found, form.predict(theta, data), strict=True):
            np.testing.assert_allclose(one, alone, rtol=1e-12, atol=1e-12)


@pytest.mark.parametrize("form", FORMS, ids=lambda form: form.name)
def test_a_held_parameter_is_as_printed(form):
    *_, data = table()
    theta = random_theta(form, np.random.default_rng(3))
    names = list(form.printed(theta, data)) + ["N_exponent"] * (form in (CHINCHILLA, KAPLAN, COUPLED))
    for name in names:
        wanted = form.value(name, theta, data) * (0.9 if name in ("k", "N_exponent") else 1.3)
        held = Held.of([form.constraint(name, wanted, data)], len(theta))
        moved = Problem(form, data, held=held).complete(theta)
        assert form.value(name, moved, data) == pytest.approx(wanted, rel=1e-9), name


@pytest.mark.parametrize("form", FORMS, ids=lambda form: form.name)
def test_rows_taken_and_places_added_keep_their_coordinates(form):
    n, d, unique, data = table()
    theta = random_theta(form, np.random.default_rng(1))
    whole = form.predict(theta, data)[0]
    assert form.predict(theta, data.take(np.arange(len(n)) % 3 == 0))[0] == pytest.approx(whole[::3])
    assert form.predict(theta, data.at(n[:7], d[:7], unique[:7]))[0] == pytest.approx(whole[:7])


@pytest.mark.parametrize(("form", "exponent_of_d"), [(CHINCHILLA, "beta"), (CHINCHILLA_TIED, "alpha")])
def test_chinchilla_is_its_equation(form, exponent_of_d):
    n, d, _, data = table()
    theta = random_theta(form, np.random.default_rng(4))
    law = form.printed(theta, data)
    loss = law["E"] + law["A"] / n ** law["alpha"] + law["B"] / d ** law[exponent_of_d]
    assert np.exp(form.predict(theta, data)[0]) == pytest.approx(loss)


def test_kaplan_is_equation_1_5():
    n, d, _, data = table()
    theta = random_theta(KAPLAN, np.random.default_rng(5))
    law = KAPLAN.printed(theta, data)
    loss = ((law["N_c"] / n) ** (law["alpha"] / law["beta"]) + law["D_c"] / d) ** law["beta"]
    assert np.exp(KAPLAN.predict(theta, data)[0]) == pytest.approx(loss)


@pytest.mark.parametrize("form", [CHINCHILLA, CHINCHILLA_TIED, POWER_IRREDUCIBLE, SMS, REPEAT], ids=lambda f: f.name)
def test_a_vanished_term_is_printed_as_zero(form):
    *_, data = table()
    theta = random_theta(form, np.random.default_rng(2))
    theta[form.theta.index("log_e")] = form.bounds(data)[form.theta.index("log_e"), 0]
    assert form.printed(theta, data)["E"] == 0
    assert form.printed(theta, data)["A"] > 0


def test_a_scale_that_no_number_holds_is_the_largest_that_one_does():
    """Resampled runs may leave an exponent near 0; results are written as JSON, which has no infinity."""
    *_, data = table()
    printed = KAPLAN.printed(np.array([1.0, 0.1, 1e-3, 0.3]), data)
    assert printed["N_c"] == pytest.approx(np.finfo(float).max, rel=1e-9)
    assert printed["D_c"] < 1e300


@pytest.mark.parametrize("form", FORMS, ids=lambda form: form.name)
def test_projection_finds_the_coefficients_of_its_own_law(form):
    *_, data = table()
    theta = random_theta(form, np.random.default_rng(7))
    exact = data._replace(log_loss=form.predict(theta, data)[0])
    shape = dict(zip(form.theta, theta, strict=True))
    if "log_ratio" in form.shape_names:
        shape["log_ratio"] = shape["log_a"] - shape["log_b"]
    if form is KAPLAN:
        shape |= {"alpha_over_beta": shape["alpha"] / shape["beta"], "log_ratio": shape["log_ratio"] / shape["beta"]}
    found, residuals = form.project(np.array([shape[name] for name in form.shape_names]), exact)
    assert np.abs(residuals).max() < 1e-9
    assert found == pytest.approx(theta, abs=1e-5)
