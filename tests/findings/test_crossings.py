"""Crossings at equal N and along FLOP, of tables whose laws are known."""

import time

import numpy as np
import pandas as pd
import pytest

from tests.forecasts.tables import chinchilla, runs_of
from workflow.scripts.findings.crossings import OF_N_AND_D, best_loss, crossings
from workflow.scripts.laws.allocation import WITH_OPTIMUM
from workflow.scripts.laws.loss_surface import CANDIDATES

ARCHS = ("gpt", "lstm")
TOLD = dict.fromkeys(ARCHS, "chinchilla")


def flatter(n, d):
    """Lower than `chinchilla` while what falls of that is above 0.75, and higher from there on."""
    return 0.75 + 24 * n**-0.35 + 48 * d**-0.3


def both(first, second, noise=0.003, shared=False, seeds=2, **options) -> pd.DataFrame:
    """Runs of two architectures, each with a noise of its own, or ``shared`` by runs of one rank and seed."""
    tables = [runs_of(law, seeds=seeds, **options).assign(arch=arch)
              for law, arch in zip((first, second), ARCHS, strict=True)]  # fmt: skip
    table, rng = pd.concat(tables, ignore_index=True), np.random.default_rng(0)
    errors = rng.normal(0, noise, len(table))
    table["loss"] *= np.exp(np.tile(errors[: len(tables[0])], 2) if shared else errors)
    return table


def lowest(law, flops):
    """The lowest loss over a fine grid of sizes, where a token costs 6 N."""
    n = np.geomspace(1e4, 1e8, 4000)
    return law(n, np.asarray(flops)[:, None] / (6 * n)).min(axis=1)


def where_they_cross() -> float:
    flops = np.geomspace(1e12, 1e16, 2000)
    gap = lowest(chinchilla, flops) - lowest(flatter, flops)
    return float(flops[np.flatnonzero(np.diff(np.sign(gap)))[0]])


def test_a_crossing_along_flop_is_found_inside_its_interval():
    true, begun = where_they_cross(), time.process_time()
    found = crossings(both(chinchilla, flatter), ARCHS, TOLD)["flops"]
    assert time.process_time() - begun < 20
    low, high = found["ci95"]
    assert low <= true <= high
    assert low < found["at"] < high
    assert found["at"] == pytest.approx(true, rel=0.6)
    assert found["within_measured"]
    assert found["share_of_draws"] > 0.9
    assert found["ahead_below"] == "lstm"
    assert found["laws"] == TOLD


def test_a_crossing_beyond_the_runs_is_told_as_such():
    sizes, budgets = np.geomspace(5e4, 2e5, 4), np.geomspace(5e5, 4e6, 4)
    found = crossings(both(chinchilla, flatter, 0.001, sizes=sizes, budgets=budgets), ARCHS, TOLD, 1e16)["flops"]
    assert found["looked_at"][1] == pytest.approx(1e16)
    assert found["at"] is not None
    assert not found["within_measured"]
    assert found["ci95"][1] is None or found["ci95"][1] > found["at"]


def test_laws_far_apart_do_not_cross():
    found = crossings(both(chinchilla, lambda n, d: 1.5 * chinchilla(n, d)), ARCHS, TOLD)
    for one in (found["size"], found["flops"]):
        assert one["at"] is None
        assert one["ci95"] is None
        assert not one["within_measured"]
        assert one["ahead_below"] == "gpt"
        assert one["share_of_draws"] < 0.1
        assert one["at_largest"]["ahead"] == "gpt"
        low, high = one["at_largest"]["ci95"]
        assert low < one["at_largest"]["gap"] < high < 0


def test_runs_of_one_rank_and_seed_are_drawn_together():
    """Noise that both share cancels in their gap, and noise that they do not is in it."""
    spans = []
    for shared in (True, False):
        table = both(chinchilla, lambda n, d: 1.02 * chinchilla(n, d), 0.01, shared)
        spans.append(np.ptp(crossings(table, ARCHS, TOLD)["flops"]["at_largest"]["ci95"]))
    assert spans[0] < 0.3 * spans[1]


def test_sizes_are_compared_at_the_largest_budget_that_both_have_the_most_of():
    table = both(chinchilla, flatter)
    most = table["tokens"].max()
    for changed, tokens in (
        (table, most),
        (table[(table["arch"] == "gpt") | (table["tokens"] < most)], sorted(set(table["tokens"]))[-2]),
        (table[(table["params"] < table["params"].max()) | (table["tokens"] < most)], sorted(set(table["tokens"]))[-2]),
    ):
        found = crossings(changed, ARCHS, TOLD)["size"]
        assert found["tokens"] == round(tokens)
        n = (0.15 - 12 * tokens**-0.3) / 6  # 6 N^-0.35 + 12 D^-0.3 = 0.15
        assert found["at"] == pytest.approx(n ** (-1 / 0.35), rel=0.5)
    apart = table.assign(tokens=table["tokens"] * np.where(table["arch"] == "gpt", 1.0, 1.5))
    assert crossings(apart, ARCHS, TOLD)["size"] is None


def test_without_laws_of_n_and_d_nothing_is_said_of_flop():
    table = both(chinchilla, flatter)
    found = crossings(table[table["tokens"] == table["tokens"].max()], ARCHS, TOLD)
    assert found["flops"] is None
    assert found["size"]["at"] > 0


def test_a_law_that_the_runs_do_not_support_is_replaced():
    found = crossings(both(chinchilla, flatter), ARCHS, {"gpt": "power"})["flops"]
    assert set(found["laws"].values()) <= set(OF_N_AND_D)


def test_the_best_loss_is_the_lowest_of_all_sizes():
    law = {"E": 0.6, "A": 30, "B": 60, "alpha": 0.35, "beta": 0.3}
    flops = np.array([1e13, 1e14, 1e15])
    assert best_loss(law, runs_of(chinchilla), flops) == pytest.approx(lowest(chinchilla, flops), rel=1e-4)
    assert set(OF_N_AND_D) == {form.name for form in CANDIDATES} == {form.name for form in WITH_OPTIMUM}
