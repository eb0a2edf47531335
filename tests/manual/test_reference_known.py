"""What a page says is known, of records in which it is so and in which it is not."""

from types import SimpleNamespace

import numpy as np
import pandas as pd
import pytest

from workflow.scripts.manual.reference_known import of_best_size, of_floor, of_gap, of_one_seed, of_writing

NAMES = {"gpt": "Transformer", "lstm": "LSTM"}


def with_seeds(spread: float) -> pd.DataFrame:
    """Runs of three sizes and three seeds at four budgets, so far apart by their seed, which no two sizes share."""
    rng = np.random.default_rng(0)
    return pd.DataFrame(
        [
            {"arch": "gpt", "params": n, "tokens": d, "seed": str(k), "loss": np.exp(rng.normal(0, spread))}
            for n in (1, 2, 3) for d in (1, 2, 3, 4) for k in range(3)
        ]
    )  # fmt: skip


def joined(*errors: float) -> list[dict]:
    """Runs of 1e5, 2e5 … parameters that a law missed by so much at 8e6 tokens, and one at 16e6."""
    found = [{"arch": "gpt", "params": 100000 * i, "tokens": 8000000, "laws": {"chinchilla": error}}
             for i, error in enumerate(errors, 1)]  # fmt: skip
    return [*found, {"arch": "gpt", "params": 100000, "tokens": 16000000, "laws": {"chinchilla": 0.5}}]


@pytest.mark.parametrize(("spread", "known"), [(0.002, True), (0.02, False)])
def test_a_gap_widens_where_seeds_do_not_explain_it(spread, known):
    record = SimpleNamespace(table=with_seeds(spread), names=NAMES)
    said = of_gap(record, joined(0.001, 0.01, 0.03))
    assert bool(said) == known
    if known:
        assert said.endswith("at 8M tokens +0.1% at 100k parameters and +3.0% at 300k (Transformer).")


def test_no_gap_is_told_of_errors_that_are_alike_or_of_nothing():
    record = SimpleNamespace(table=with_seeds(0.002), names=NAMES)
    assert of_gap(record, joined(0.03, 0.03)) == ""
    assert of_gap(record, joined(0.03, 0.001)) == ""
    assert of_gap(record, []) == ""
    one_seed = SimpleNamespace(table=record.table[record.table["seed"] == "0"], names=NAMES)
    assert of_gap(one_seed, joined(0.001, 0.03)) == ""


def floor(low: float, inside: list[bool] | None):
    """A record whose law has a floor from ``low`` on, and forecasts of which a law without floor held some."""
    law = {"E": 0.4, "ci95": {"E": [low, 0.5]}}
    targets = [{"observed": 0.6, "after_outcome": False, "laws": {"kaplan": {"inside": one, "error": -0.02}}}
               for one in inside or []]  # fmt: skip
    return SimpleNamespace(
        archs=["gpt"], names=NAMES, told={"gpt": "coupled"}, fit={"groups": {"gpt": {"coupled": law}}},
        forecast=None if inside is None else {"registrations": [{"targets": targets}]},
    )  # fmt: skip


@pytest.mark.parametrize(
    ("low", "inside", "known"),
    [(0.3, [False, False], True), (0.3, [True, False], False), (0.0, [False], False),
     (0.3, None, False)],
)  # fmt: skip
def test_a_floor_is_known_only_where_no_law_without_one_holds(low, inside, known):
    said = of_floor(floor(low, inside))
    assert said.startswith("Known: loss falls towards" if known else "Not known: whether loss falls towards")
    assert "(Transformer, the coupled law) nats a character" in said
    kaplan = "Kaplan's law, which has none, held 1 of 2 forecast runs; it was off by at most 2.0%."
    assert (kaplan in said) == (inside == [True, False])


def test_no_floor_is_told_without_a_law():
    record = floor(0.3, None)
    record.fit = {"groups": {}}
    assert of_floor(record) == ""


def test_tokens_for_each_parameter_are_of_the_most_flop_that_runs_reach():
    def answer(flops: float, n: float, inside: bool = True) -> dict:
        return {"flops": flops, "params": n, "tokens": 100 * n, "absent": "", "beyond": {"inside": inside},
                "ci95": {"params": [0.5 * n, 2 * n], "tokens": [80 * n, 120 * n]}}  # fmt: skip

    record = SimpleNamespace(names=NAMES)
    found = [answer(1e12, 1e4), answer(1e13, 5e4), answer(1e14, 1e5, inside=False)]
    assert "at 1e+13 FLOP the tokens for each parameter of the best size are 100 [40, 240] (Transformer), 95%" in (
        of_best_size(record, {"gpt": found})
    )
    assert of_best_size(record, {"gpt": found[2:]}) == ""
    assert of_best_size(record, {"gpt": found, "lstm": found[:1]}) == ""  # not of one amount
    open_end = answer(1e13, 5e4) | {"ci95": {"params": [None, 1e5], "tokens": [1e6, 2e6]}}
    assert of_best_size(record, {"gpt": [open_end]}) == ""
    assert of_best_size(record, {}) == ""


def test_grammar_comes_before_rhythm_only_where_intervals_are_apart():
    def record(*rates: tuple[float, float]) -> SimpleNamespace:
        rows = pd.DataFrame(
            [{"writer": f"m{i}", "arch": "gpt", "params_non_embedding": 10**i,
              "tokens": 10 ** (i + 2), "prompt": None, "samples": 200,
              **{f"{name}_{part}": 200 if part == "n" else rate
                 for name, rate in (("syntax", syntax), ("rhythm", rhythm), ("tools", 0.5), ("ended", 0.5),
                                    ("copied", 0.0))
                 for part in ("rate", "n")}}
             for i, (syntax, rhythm) in enumerate(rates, 4)]
        )  # fmt: skip
        return SimpleNamespace(archs=["gpt"], names=NAMES, writing=rows)

    said = of_writing(record((0.3, 0.02), (0.5, 0.05), (0.8, 0.2)))
    assert "from N = 10k, D = 1M to N = 1M, D = 100M tunes that keep it go from 30% [" in said
    assert "those with every bar right from 2% [1%, 5%] to 20% [15%, 26%] (Transformer)." in said
    assert of_writing(record((0.3, 0.02), (0.32, 0.02))) == ""
    assert of_writing(record((0.3, 0.02), (0.8, 0.8))) == ""
    assert of_writing(record((0.8, 0.02))) == ""


def test_one_seed_of_a_forecast_run_is_told():
    once = pd.DataFrame({"model": ["a", "b"], "tokens": [1, 1]})
    assert of_one_seed(once).startswith("Not known: how far another seed")
    assert of_one_seed(pd.concat([once, once])) == ""
    assert of_one_seed(None) == ""
