"""Each law gives what its paper's equation gives, with the right slopes, in parameters that can be held."""

import numpy as np
import pytest

from workflow.scripts.laws.forms import (
    CHINCHILLA,
    CHINCHILLA_TIED,
    KAPLAN,
    POWER_IRREDUCIBLE,
    data_of,
)
from workflow.scripts.laws.repetition import REPEAT, SMS

FORMS = (POWER_IRREDUCIBLE, CHINCHILLA, CHINCHILLA_TIED, KAPLAN, REPEAT, SMS)
RANGES = {"log_e": (-1, 1), "log_a": (-2, 1), "log_b": (-2, 1), "log_d": (-3, 0), "alpha": (0.1, 0.9),
          "beta": (0.1, 0.9), "log_r_d": (0.5, 3.5), "log_r_n": (0.5, 3.5), "log_decay": (-4, -0.2)}  # fmt: skip


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
    for theta, *told in zip(thetas, losses, slopes, strict=True):
        for one, alone in zip(told, form.predict(theta, data), strict=True):
            np.testing.assert_allclose(one, alone, rtol=1e-12, atol=1e-12)


@pytest.mark.parametrize("form", FORMS, ids=lambda form: form.name)
def test_a_held_parameter_is_as_printed(form):
    *_, data = table()
    theta = random_theta(form, np.random.default_rng(3))
    printed = form.natural(theta, data)
    for name, value in printed.items():
        if form is SMS and name == "d":
            continue  # has no interval
        wanted = value * 1.3 if name != "k" else value * 0.9
        held = form.held(name, wanted, data)
        moved = theta.copy()
        moved[held.index] = held.constant + (held.factor * theta[held.of] if held.factor else 0)
        assert form.natural(moved, data)[name] == pytest.approx(wanted, rel=1e-9), name


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
    law = form.natural(theta, data)
    loss = law["E"] + law["A"] / n ** law["alpha"] + law["B"] / d ** law[exponent_of_d]
    assert np.exp(form.predict(theta, data)[0]) == pytest.approx(loss)


def test_kaplan_is_equation_1_5():
    n, d, _, data = table()
    theta = random_theta(KAPLAN, np.random.default_rng(5))
    law = KAPLAN.natural(theta, data)
    loss = ((law["N_c"] / n) ** (law["alpha"] / law["beta"]) + law["D_c"] / d) ** law["beta"]
    assert np.exp(KAPLAN.predict(theta, data)[0]) == pytest.approx(loss)


def muennighoff(law: dict, n: float, d: float, unique: float) -> float:
    """Equations 5 to 10 of Muennighoff et al. 2023, one run, in their words."""
    a, b, alpha, beta = (law[name] for name in ("A", "B", "alpha", "beta"))
    r_d = max(d / unique - 1, 0)
    effective_d = unique + unique * law["R_D"] * (1 - np.exp(-r_d / law["R_D"]))
    # G (U / ...) of their appendix: the N for which U is the compute-optimal number of tokens, where
    # alpha A N^-alpha = beta B U^-beta.
    base = min((alpha * a / (beta * b) * unique**beta) ** (1 / alpha), n)
    r_n = max(n / base - 1, 0)
    effective_n = base + base * law["R_N"] * (1 - np.exp(-r_n / law["R_N"]))
    return law["E"] + a / effective_n**alpha + b / effective_d**beta


def test_repeated_data_are_worth_what_muennighoff_says():
    n, d, unique, data = table()
    excess = 0
    for seed in range(8):
        theta = random_theta(REPEAT, np.random.default_rng(seed))
        law = REPEAT.natural(theta, data)
        loss = np.array([muennighoff(law, *row) for row in zip(n, d, unique, strict=True)])
        assert np.exp(REPEAT.predict(theta, data)[0]) == pytest.approx(loss, rel=1e-9)
        optimal = law["alpha"] * law["A"] / (law["beta"] * law["B"]) * unique ** law["beta"]
        excess += sum(n > optimal ** (1 / law["alpha"]))
    assert 20 < excess < 300  # both sides of the optimum were tried


def test_sms_is_equation_2():
    n, d, unique, data = table()
    theta = random_theta(SMS, np.random.default_rng(6))
    law = SMS.natural(theta, data)
    effective = sum(unique * law["k"] ** i for i in range(400)) - sum(
        unique * law["k"] ** (d / unique) * law["k"] ** i for i in range(400)
    )  # a geometric series, of as many terms as epochs
    loss = (
        law["E"]
        + law["A"] / n ** law["alpha"]
        + law["B"] / effective ** law["beta"]
        + law["d"] / (n ** law["alpha"] * effective ** law["beta"])
    )
    assert np.exp(SMS.predict(theta, data)[0]) == pytest.approx(loss, rel=1e-6)


def test_data_read_once_are_worth_themselves():
    *_, data = table(epochs=1)
    common = {"log_e": 0.1, "log_a": -1.0, "log_b": -0.7, "alpha": 0.3, "beta": 0.4}
    plain = CHINCHILLA.predict(np.array([common[name] for name in CHINCHILLA.theta]), data)[0]
    for r_d in (0.0, 2.0):
        theta = np.array([{**common, "log_r_d": r_d, "log_r_n": np.log(1e8)}[name] for name in REPEAT.theta])
        assert REPEAT.predict(theta, data)[0] == pytest.approx(plain, abs=1e-5)
    for decay in (-3.0, -0.2):
        theta = np.array([{**common, "log_d": -60.0, "log_decay": decay}[name] for name in SMS.theta])
        assert SMS.predict(theta, data)[0] == pytest.approx(plain, abs=1e-9)


def test_repetition_without_end_is_worth_new_data():
    *_, data = table()
    common = {"log_e": 0.1, "log_a": -1.0, "log_b": -0.7, "alpha": 0.3, "beta": 0.4}
    plain = CHINCHILLA.predict(np.array([common[name] for name in CHINCHILLA.theta]), data)[0]
    endless = np.array([{**common, "log_r_d": np.log(1e8), "log_r_n": np.log(1e8)}[name] for name in REPEAT.theta])
    assert REPEAT.predict(endless, data)[0] == pytest.approx(plain, abs=1e-4)
    soon = np.array([{**common, "log_r_d": 0.0, "log_r_n": np.log(1e8)}[name] for name in REPEAT.theta])
    assert (REPEAT.predict(soon, data)[0] >= plain - 1e-9).all()
    assert (REPEAT.predict(soon, data)[0] > plain + 1e-3).any()


@pytest.mark.parametrize("form", [CHINCHILLA, CHINCHILLA_TIED, POWER_IRREDUCIBLE, SMS, REPEAT], ids=lambda f: f.name)
def test_a_vanished_term_is_printed_as_zero(form):
    *_, data = table()
    theta = random_theta(form, np.random.default_rng(2))
    theta[form.theta.index("log_e")] = form.bounds(data)[form.theta.index("log_e"), 0]
    assert form.natural(theta, data)["E"] == 0
    assert form.natural(theta, data)["A"] > 0


def test_a_scale_that_no_number_holds_is_the_largest_that_one_does():
    """Resampled runs may leave an exponent near 0; results are written as JSON, which has no infinity."""
    *_, data = table()
    printed = KAPLAN.natural(np.array([1.0, 0.1, 1e-3, 0.3]), data)
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
