"""The coupled law is its equation, holds Chinchilla's and Kaplan's as special cases, and is found where it is true."""

import numpy as np
import pytest

from tests.laws.known_laws import TRUE, grid
from tests.laws.test_forms import random_theta, table
from workflow.scripts.laws.coupling import COUPLED
from workflow.scripts.laws.estimate import search, variable_projection
from workflow.scripts.laws.forms import CHINCHILLA, KAPLAN, data_of
from workflow.scripts.laws.intervals import profile_interval
from workflow.scripts.laws.problem import Problem
from workflow.scripts.tables.table import read_table


@pytest.mark.parametrize("seed", range(4))
def test_the_coupled_law_is_its_equation(seed):
    n, d, _, data = table()
    theta = random_theta(COUPLED, np.random.default_rng(seed))
    law = COUPLED.printed(theta, data)
    loss = law["E"] + (law["A"] / n ** law["alpha"] + law["B"] / d ** law["beta"]) ** law["k"]
    assert np.exp(COUPLED.predict(theta, data)[0]) == pytest.approx(loss)


def test_it_is_chinchillas_at_one():
    *_, data = table()
    theta = random_theta(CHINCHILLA, np.random.default_rng(1))
    coupled = np.append(theta, 1.0)
    assert COUPLED.predict(coupled, data)[0] == pytest.approx(CHINCHILLA.predict(theta, data)[0])
    assert COUPLED.printed(coupled, data) == pytest.approx({**CHINCHILLA.printed(theta, data), "k": 1.0})


def test_it_is_kaplans_without_a_floor_where_beta_is_one():
    *_, data = table()
    theta = random_theta(KAPLAN, np.random.default_rng(2))
    law = KAPLAN.printed(theta, data)
    coupled = np.array([data.log_loss.min() - 40, *theta, law["beta"]])
    assert COUPLED.predict(coupled, data)[0] == pytest.approx(KAPLAN.predict(theta, data)[0])
    printed = COUPLED.printed(coupled, data)
    assert printed["E"] == 0
    assert (printed["beta"], printed["B"]) == pytest.approx((1, law["D_c"]))
    assert printed["A"] == pytest.approx(law["N_c"] ** (law["alpha"] / law["beta"]))


def test_more_data_make_parameters_worth_more_below_one():
    """The mixed derivative of the loss is negative where k < 1, and zero in Chinchilla's law."""
    n, d, _, data = table()
    law = random_theta(COUPLED, np.random.default_rng(3))
    for k, sign in ((0.4, -1), (1.0, 0), (1.6, 1)):
        theta = np.append(law[:-1], k)

        def loss(by_n, by_d, theta=theta):
            return np.exp(COUPLED.predict(theta, data.at(n * (1 + by_n), d * (1 + by_d)))[0])

        step = 1e-3
        mixed = (loss(step, step) - loss(step, -step) - loss(-step, step) + loss(-step, -step)) / (4 * step**2)
        assert (np.sign(np.where(np.abs(mixed) < 1e-6, 0, mixed)) == sign).mean() > 0.9, k


@pytest.mark.parametrize("k", [0.35, 1.0])
def test_its_parameters_are_recovered(k):
    """As the authors found k: 0.31 to 0.45 in their two grids."""
    n, d = grid(8, 8)
    law = {"E": 0.6, "A": 4e7, "B": 3e6, "alpha": 1.0, "beta": 0.75, "k": k} if k < 1 else {**TRUE, "k": 1.0}
    exact = law["E"] + (law["A"] / n ** law["alpha"] + law["B"] / d ** law["beta"]) ** law["k"]
    data = data_of(n, d, exact)
    for fit in (search(Problem(COUPLED, data, 1e-3)).best, variable_projection(COUPLED, data)):
        assert COUPLED.printed(fit.theta, data) == pytest.approx(law, rel=1e-4)
    noisy = data_of(n, d, exact * np.exp(np.random.default_rng(0).normal(0, 2e-3, len(n))))
    problem = Problem(COUPLED, noisy, 1e-3)
    low, high = profile_interval(problem, search(problem).best, "k")
    assert low < k < high
    assert high - low < 0.5 * k


def test_published_runs_are_coupled_as_the_authors_say(shared):
    """They find 0.77 to 0.90 in runs of code and in Chinchilla's (Videau et al. 2026); k = 1 is ruled out."""
    rows, _ = read_table(shared / "law-data" / "epoch_chinchilla_245.csv")
    rows = rows.sort_values("loss", kind="stable").iloc[:240]
    problem = Problem(COUPLED, data_of(*(rows[name].to_numpy() for name in ("params", "tokens", "loss"))), 1e-3)
    best = search(problem).best
    assert COUPLED.printed(best.theta, problem.data)["k"] == pytest.approx(0.774, abs=0.005)
    low, high = profile_interval(problem, best, "k")
    assert 0.65 < low < high < 0.9
