"""Repeated data are worth what the papers' equations say, and both estimators find the parameters of that worth."""

from dataclasses import replace

import numpy as np
import pytest

from tests.laws.known_laws import muennighoff, repeated
from tests.laws.test_forms import random_theta, table
from workflow.scripts.laws.estimate import search, variable_projection
from workflow.scripts.laws.forms import CHINCHILLA, data_of
from workflow.scripts.laws.intervals import profile_interval
from workflow.scripts.laws.problem import Problem
from workflow.scripts.laws.repetition import REPEAT, SMS


def test_repeated_data_are_worth_what_muennighoff_says():
    n, d, unique, data = table()
    excess = 0
    for seed in range(8):
        theta = random_theta(REPEAT, np.random.default_rng(seed))
        law = REPEAT.printed(theta, data)
        loss = np.array([muennighoff(law, *row) for row in zip(n, d, unique, strict=True)])
        assert np.exp(REPEAT.predict(theta, data)[0]) == pytest.approx(loss, rel=1e-9)
        optimal = law["alpha"] * law["A"] / (law["beta"] * law["B"]) * unique ** law["beta"]
        excess += sum(n > optimal ** (1 / law["alpha"]))
    assert 20 < excess < 300  # both sides of the optimum were tried


def test_sms_is_equation_2():
    n, d, unique, data = table()
    theta = random_theta(SMS, np.random.default_rng(6))
    law = SMS.printed(theta, data)
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


def test_muennighoffs_parameters_are_recovered():
    n, d, unique = repeated()
    law = {"E": 1.8, "A": 480.0, "B": 2100.0, "alpha": 0.35, "beta": 0.37, "R_D": 15.0, "R_N": 5.0}
    loss = np.array([muennighoff(law, *row) for row in zip(n, d, unique, strict=True)])
    noise = np.exp(np.random.default_rng(6).normal(0, 1e-3, len(n)))
    data = data_of(n, d, loss * noise, unique)
    problem = Problem(REPEAT, data, 1e-3)
    found = search(problem).best
    values = REPEAT.printed(found.theta, data)
    for name, true in law.items():
        assert values[name] == pytest.approx(true, rel=0.05), name
    for name in ("R_D", "R_N"):
        low, high = profile_interval(problem, found, name)
        assert low < law[name] < high
        assert high < 1.2 * low
    assert REPEAT.printed(variable_projection(REPEAT, data).theta, data)["R_D"] == pytest.approx(15, rel=0.05)


def test_the_music_laws_parameters_are_recovered():
    n, d, unique = repeated()
    data = data_of(n, d, np.ones_like(n), unique)
    theta = np.array([0.2, -0.7, -0.9, -2.0, 0.35, 0.3, np.log(1 - 0.85)])
    data = data._replace(log_loss=SMS.predict(theta, data)[0])
    true = SMS.printed(theta, data)
    for fit in (search(Problem(SMS, data, 1e-3)).best, variable_projection(SMS, data)):
        assert np.abs(SMS.predict(fit.theta, data)[0] - data.log_loss).max() < 1e-5
        assert SMS.printed(fit.theta, data) == pytest.approx(true, rel=0.02)
    noisy = replace(
        Problem(SMS, data), data=data._replace(log_loss=data.log_loss + 1e-3 * np.sin(7 * np.arange(len(n))))
    )
    best = search(noisy).best
    low, high = profile_interval(noisy, best, "k")
    assert low < 0.85 < high
    assert high - low < 0.1
