"""Amounts that are nearly equal are one level, and sizes that are nearly equal one size."""

import numpy as np
import pytest

from workflow.scripts.tables.levels import joined_sizes, levels


def test_flops_of_whole_steps_are_one_level():
    values = np.array([1e18, 1.02e18, 4e18, 0.99e18, 4.1e18, 1e19])
    assert levels(values, 0.10).tolist() == [0, 0, 1, 0, 1, 2]
    chain = np.exp(0.06 * np.arange(6))  # near its neighbour each, but no level is wider than that
    found = levels(chain, 0.10)
    assert found.tolist() == [0, 0, 1, 1, 2, 2]


def joined(params, names=None, budgets=None):
    """`joined_sizes` without names, or budgets, unless they are given."""
    n = len(params)
    budgets = np.full(n, np.nan) if budgets is None else np.array(budgets, float)
    return joined_sizes(np.array(params, float), names or [""] * n, budgets)


def test_seeds_that_differ_by_a_bias_are_one_size():
    found = joined([1000, 2000, 1003, 1006, 2010])
    assert len(set(found)) == 2
    assert found[0] == pytest.approx((1000 * 1003 * 1006) ** (1 / 3), rel=1e-12)


def test_sizes_that_are_equal_stay_as_they_are():
    params = [1000, 1000, 3000, 1_000_003, 7]
    assert joined(params).tolist() == params


def test_a_fine_ladder_is_not_joined():
    ladder = (1e6 * np.exp(0.006 * np.arange(20))).tolist()
    assert joined(ladder).tolist() == ladder
    coarse = (1e6 * np.exp(0.02 * np.arange(20))).tolist()
    assert joined(coarse).tolist() == coarse


def test_sizes_of_other_names_are_others():
    assert joined([1000, 1005], names=["short", "wide"]).tolist() == [1000, 1005]
    assert len(set(joined([1000, 1005], names=["short", "short"]))) == 1
    assert len(set(joined([1000, 1005], names=["short", ""]))) == 1
    three = joined([1000, 1003, 1005], names=["short", "short", "wide"])
    assert (three[0], three[2]) == (three[1], 1005)


def test_sizes_that_share_no_budget_are_others():
    """As two pairs of Chinchilla's published sizes are."""
    params = [1000, 1000, 1005, 1005]
    assert joined(params, budgets=[1e6, 2e6, 3e6, 4e6]).tolist() == params
    assert len(set(joined(params, budgets=[1e6, 2e6, 1e6, 4e6]))) == 1
    nearly = [1000, 1000.0001, 1000.0002]  # but for what is no more than a rounding
    assert len(set(joined(nearly, budgets=[1e6, 2e6, 3e6]))) == 1


def test_two_readings_of_two_sizes_are_two():
    """Read from a figure, say: what is a rounding is joined, though the two are near each other."""
    found = joined([1592.9, 1592.901, 1609.1, 1609.101], budgets=[1, 2, 3, 4])
    assert len(set(found)) == 2
