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
