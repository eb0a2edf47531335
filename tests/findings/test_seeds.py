"""The spread over seeds, of tables where it is known."""

import numpy as np
import pandas as pd
import pytest

from workflow.scripts.findings.seeds import spread_over_seeds

OWN, COMMON = 0.004, 0.008  # standard deviations of the log loss


def runs(own: float, common: float, seeds: int = 6, sizes: int = 8, budgets: int = 20) -> pd.DataFrame:
    rng = np.random.default_rng(0)
    rows = []
    for tokens in range(1, budgets + 1):
        shift = rng.normal(0, common, seeds)
        rows += [
            {"arch": "gpt", "params": n, "tokens": tokens, "seed": str(k),
             "loss": (1 + 1 / n + 1 / tokens) * np.exp(shift[k] + rng.normal(0, own))}
            for n in range(1, sizes + 1) for k in range(seeds)
        ]  # fmt: skip
    return pd.DataFrame(rows)


@pytest.mark.parametrize(("own", "common"), [(OWN, COMMON), (OWN, 0.0), (1e-9, COMMON)])
def test_the_spread_and_what_sizes_share_of_it_are_found(own, common):
    found = spread_over_seeds(runs(own, common))
    assert found.spread == pytest.approx(np.hypot(own, common), rel=0.15)
    assert found.shared == pytest.approx(common**2 / (own**2 + common**2), abs=0.08)
    assert found.places == 160


def test_nothing_is_said_of_what_is_not_there():
    table = runs(OWN, COMMON)
    assert spread_over_seeds(table[table["seed"] == "0"]) is None
    one_size = spread_over_seeds(table[table["params"] == 1])
    assert (one_size.shared, one_size.places) == (None, 20)


def test_a_size_without_one_of_the_seeds_counts_where_it_can():
    table = runs(OWN, COMMON)
    ragged = table[(table["params"] > 1) | (table["seed"] != "0")]
    whole = table[table["params"] > 1]
    assert spread_over_seeds(ragged).shared == spread_over_seeds(whole).shared
    assert spread_over_seeds(ragged).places == 160
