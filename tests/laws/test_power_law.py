"""Which budget a law in N is fitted at, what the fit is, and its intervals."""

import numpy as np
import pandas as pd
import pytest
from scipy.stats import linregress, t

from tests.laws.known_laws import write_grid
from workflow.scripts.laws.estimate import Settings
from workflow.scripts.laws.line import points_of
from workflow.scripts.laws.power_law import fit_power, fit_power_irreducible, one_budget, same_tokens
from workflow.scripts.tables.table import read_table

N = np.geomspace(1e4, 1e7, 6)


def test_the_budget_that_most_sizes_have_is_fitted(tmp_path):
    """Of equals the largest; one run at a larger budget is no reason to leave the others."""
    table, _ = read_table(write_grid(tmp_path / "t.csv"))
    assert one_budget(table).tokens == 10**8
    more = pd.concat([table, table[table["params"] == table["params"].max()].iloc[:1].assign(tokens=1e9)])
    assert one_budget(more).tokens == 10**8


def test_of_equal_budgets_one_that_was_not_read_too_often_is_fitted(tmp_path):
    """The largest read 60 times its million unique tokens; the one before it, 4 times."""
    table, _ = read_table(write_grid(tmp_path / "t.csv"))
    table = table[table["tokens"].isin(table["tokens"].unique()[[0, 1, 3]])]
    table["tokens"] = table["tokens"].map(dict(zip(sorted(table["tokens"].unique()), (1e6, 4e6, 6e7), strict=True)))
    assert one_budget(table.assign(unique_tokens=1e6)).tokens == 4_000_000
    assert one_budget(table.assign(unique_tokens=table["tokens"])).tokens == 60_000_000


def test_the_line_is_the_textbook_regression():
    n = np.geomspace(1e4, 3e6, 6)
    loss = 5 * n**-0.1 * np.exp(0.03 * np.array([1, -2, 0.5, 1, -1, 0.5]))
    line, fit = linregress(np.log(n), np.log(loss)), fit_power(points_of(n, loss), Settings(draws=0), 0.0)
    half = t.ppf(0.975, 4) * line.stderr
    assert fit["alpha"] == pytest.approx(-line.slope)
    assert fit["ci95"]["alpha"] == pytest.approx([-line.slope - half, -line.slope + half])
    half = t.ppf(0.975, 4) * line.intercept_stderr
    assert np.log(fit["ci95"]["A"]) == pytest.approx([line.intercept - half, line.intercept + half])
    assert fit["r2"] == pytest.approx(line.rvalue**2)


def test_a_floor_of_zero_is_inside_where_nothing_speaks_against_it():
    n = np.geomspace(1e4, 1e6, 5)
    loss = 6 * n**-0.12 * np.exp(0.01 * np.array([1, -1, 0.5, -0.5, 1]))
    result = fit_power_irreducible(points_of(n, loss), Settings(draws=0), 0.0).law
    low, high = result["ci95"]["E"]
    assert low == 0
    assert result["E"] <= high < 1.4


def test_noise_of_the_evaluation_widens_levels_and_not_exponents():
    n = np.geomspace(1e4, 1e6, 6)
    points = points_of(n, (0.8 + 20 * n**-0.3) * np.exp(0.005 * np.array([1, -1, 1, -1, 1, -1])))
    for fit, level in ((fit_power, "A"), (lambda *args: fit_power_irreducible(*args).law, "E")):
        plain, noisy = (fit(points, Settings(draws=0), se)["ci95"] for se in (0.0, 0.05))
        assert noisy["alpha"] == plain["alpha"]
        assert np.ptp(noisy[level]) > np.ptp(plain[level])


def test_three_sizes_cannot_have_an_irreducible_loss():
    outcome = fit_power_irreducible(points_of(N[:3], np.array([3.0, 2.0, 1.5])), Settings(draws=0), 0.0)
    assert outcome == (None, [], "three sizes cannot tell an irreducible loss")


@pytest.mark.parametrize(
    ("a", "b", "same"), [(None, None, True), (100, None, False), (1000, 1005, True), (1000, 1020, False)]
)
def test_budgets_are_the_same_within_one_percent(a, b, same):
    assert same_tokens(a, b) is same_tokens(b, a) is same


def test_intervals_say_which_noise_they_are_by():
    rng, n = np.random.default_rng(1), np.repeat(N, 3)
    loss = (0.8 + 20 * n**-0.3) * np.exp(rng.normal(0, 0.01, 18))
    points, alone = points_of(n, loss), points_of(N, np.exp(np.log(loss).reshape(6, 3).mean(axis=1)))
    law, lone = (fit_power_irreducible(each, Settings(draws=0), 0.0).law for each in (points, alone))
    assert (law["noise"]["from"], law["dof"]) == ("seeds pooled", 3 + 12)
    assert (lone["noise"]["from"], lone["dof"]) == ("sizes", 3)
    assert law["E"] == pytest.approx(lone["E"], rel=1e-6)
    y = np.log(loss).reshape(6, 3)
    within = np.sum((y - y.mean(axis=1, keepdims=True)) ** 2)
    assert law["noise"]["sd"] ** 2 == pytest.approx((law["objective"] + within / 3) / 15)
    assert lone["noise"]["sd"] == pytest.approx(np.sqrt(lone["objective"] / 3))
    line = fit_power(points, Settings(draws=0), 0.0)
    assert line["noise"]["from"] == "sizes"  # which the floor bends beyond what seeds explain
    assert line["dof"] == 4


def test_an_estimate_is_inside_its_interval_although_the_law_does_not_fit():
    """Loss rises from the second size on: E is above the lowest loss, and the law is said to miss its sizes."""
    points = points_of(np.array([1e6, 4e6, 1.4e7, 2.5e7]), np.array([0.86, 0.83, 0.94, 1.13]))
    law, warnings, _ = fit_power_irreducible(points, Settings(draws=0), 0.0)
    low, high = law["ci95"]["E"]
    assert low <= law["E"] <= high
    assert law["misfit"] == pytest.approx(np.sqrt(law["objective"]))
    assert "power_irreducible: the law misses its sizes by 24%, so its E says little" in warnings
    good = fit_power_irreducible(points_of(N, 6 * N**-0.12), Settings(draws=0), 0.0)
    assert good.law["misfit"] is None
