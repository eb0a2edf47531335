"""Longer runs that joined a fit later, as the laws of an earlier registration have them."""

import numpy as np
import pandas as pd
import pytest

from workflow.scripts.findings.joined_later import joined_later
from workflow.scripts.forecasts.registered import Runs

BENT = 1.05  # so many times the law's loss have the longer runs


def run(params: float, tokens: float, seed: int = 0, factor: float = 1.0) -> dict:
    loss = 0.5 + 30 / params**0.4 + 200 / tokens**0.4
    noise = 1 + 0.002 * np.sin(params + 3 * tokens + 7 * seed)
    return {"arch": "gpt", "size": f"{params:.0f}", "params": params, "tokens": tokens, "seed": seed,
            "loss": factor * loss * noise, "flops": 6 * params * tokens, "unique_tokens": tokens}  # fmt: skip


@pytest.fixture(scope="module")
def found():
    old = [run(n, d) for n in (5e4, 1e5, 2e5, 4e5, 8e5) for d in (1e6, 2e6, 4e6)]
    longer = [run(n, d, factor=BENT) for n, d in ((5e4, 8e6), (5e4, 16e6), (1e5, 8e6))]
    others = [run(5e4, 1e6, seed=1), run(3e6, 8e6)]  # as many tokens; a size that was not fitted
    table = pd.DataFrame(old + longer + others)
    made = {"runs": [{"model": row["size"], "tokens": int(row["tokens"]), "seed": row["seed"]} for row in old]}
    runs = Runs(None, table.astype({"seed": str}), table)
    assert joined_later(made, Runs(None, runs.table[: len(old)], table), ["gpt"]) == []
    return joined_later(made, runs, ["gpt", "lstm"]), longer


def test_they_are_the_longer_runs_of_sizes_that_were_fitted(found):
    entries, longer = found
    assert [(one["arch"], one["params"], one["tokens"]) for one in entries] == [
        ("gpt", 50000, 8000000), ("gpt", 50000, 16000000), ("gpt", 100000, 8000000),
    ]  # fmt: skip
    assert [one["observed"] for one in entries] == pytest.approx([row["loss"] for row in longer])


def test_a_bend_in_tokens_is_the_error_of_the_law(found):
    for one in found[0]:
        assert one["laws"][one["told"]] == pytest.approx(1 / BENT - 1, abs=0.01)
        assert {"chinchilla", "kaplan", "coupled"} <= set(one["laws"])
