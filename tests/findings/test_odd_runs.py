"""A run that diverged is named, and does not make two architectures look alike."""

import numpy as np
import pandas as pd
import pytest

from workflow.scripts.findings.comparison import compare_curves
from workflow.scripts.findings.odd_runs import doubts_of_runs, odd_size
from workflow.scripts.laws.line import points_of
from workflow.scripts.laws.power_law import points_at

N = np.geomspace(1e5, 1e8, 6)


def rows(scale, seed, out=None, factor=1.55, seeds=1):
    rng = np.random.default_rng(seed)
    n = np.repeat(N, seeds)
    loss = scale * n**-0.1 * np.exp(rng.normal(0, 0.006, len(n)))
    if out is not None:
        loss[out] *= factor
    sizes = [f"s{i // seeds}" for i in range(len(n))]
    return pd.DataFrame({"size": sizes, "params": n, "flops": np.nan, "loss": loss, "loss_se": np.nan,
                         "seed": np.tile(np.arange(seeds), len(N)) if seeds > 1 else ""})  # fmt: skip


@pytest.mark.parametrize("out", [1, 3, 5])
def test_architectures_are_told_apart_although_a_run_diverged(out):
    good, bad = rows(9.0, 0), rows(10.0, 1, out)
    pair, said = compare_curves(good, bad, ("gpt", "lstm"), (0.1, 0.1))
    alone, _ = compare_curves(good, bad.drop(index=out), ("gpt", "lstm"), (0.1, 0.1))
    assert said[0].startswith("GPT is ahead at every size")
    assert pair == alone
    assert "α is larger" not in said[0]  # the laws whose exponents these are have the run in them
    aside = said[-1]
    assert aside.startswith(f"Of the LSTM, the run of size s{out} (loss {bad['loss'][out]:.3f}) is")
    assert "above the curve through its other sizes" in aside


def test_a_seed_that_diverged_is_named_and_its_size_is_compared():
    good, bad = rows(9.0, 0, seeds=3), rows(10.0, 1, out=7, seeds=3)
    pair, said = compare_curves(good, bad, ("gpt", "lstm"), (0.1, 0.1))
    assert said[0].startswith("GPT is ahead at every size, by ")
    assert len(pair["params"]["gaps"]) == 6
    (doubt,) = doubts_of_runs(points_at(bad), bad)
    assert doubt.startswith(f"power: the run of size s2, seed 1 (loss {bad['loss'][7]:.3f}) is 5")
    assert doubt.endswith("above the other seeds of its size: it counts next to nothing")
    assert doubts_of_runs(points_at(good), good) == []


def test_noise_has_no_odd_size():
    """In 1% of pairs at most, with a noise that moves runs by more than seeds do."""
    rng, found = np.random.default_rng(5), 0
    for _ in range(100):
        a, b = (points_of(N, 6 * N**-0.1 * np.exp(rng.normal(0, 0.05, 6))) for _ in range(2))
        found += odd_size(a, b) is not None
    assert found <= 3


def test_a_size_that_several_seeds_agree_on_is_no_diverged_run():
    """It is what that size does."""
    n = np.repeat(N, 2)
    loss = 6 * n**-0.1 * np.exp(np.random.default_rng(6).normal(0, 0.003, 12))
    assert odd_size(points_of(n, np.where(n == N[3], 1.5, 1) * loss)) is None
    assert odd_size(points_of(N[:4], np.array([2.0, 1.8, 3.0, 1.5]))) is None  # too few to tell
