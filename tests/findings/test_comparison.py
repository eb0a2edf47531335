"""Which architectures are compared, at what, and what is said of them."""

import json

import numpy as np
import pandas as pd
import pytest

from workflow.scripts.findings.comparison import compare_curves, gaps_sentence, headline_of
from workflow.scripts.findings.fit_table import fit_table
from workflow.scripts.forecasts.largest import forecast_largest
from workflow.scripts.laws.estimate import Settings

SIZES = np.geomspace(1e5, 1e8, 6)
FAST = Settings(draws=25)


def test_architectures_of_different_budgets_are_not_compared(tmp_path):
    sizes, wave = np.geomspace(1e5, 1e7, 5), 1 + 0.01 * np.array([1, -2, 0, 2, -1])
    table = [(arch, n, d, loss) for arch, d in (("a", 1e6), ("b", 2e6))
             for n, loss in zip(sizes, 5 * sizes**-0.1 * wave, strict=True)]  # fmt: skip
    pd.DataFrame(table, columns=["arch", "params", "tokens", "loss"]).to_csv(tmp_path / "t.csv", index=False)
    comparison = fit_table(tmp_path / "t.csv", settings=FAST, form="power")[1]["comparison"]
    assert comparison == {"pairs": [], "headline": "", "said": ["A and B have no budget of tokens in common."]}


def test_what_has_no_law_and_no_size_in_common_is_not_compared(tmp_path):
    (tmp_path / "t.csv").write_text("arch,params,loss\na,10,2\na,20,1.8\nb,12,2\nb,30,1.8\n")
    comparison = fit_table(tmp_path / "t.csv", settings=FAST, form="power")[1]["comparison"]
    assert comparison["said"] == ["A and B are not compared: one of them has no law, and they have no size in common."]
    (pair,) = comparison["pairs"]
    assert pair["params"]["gaps"] == []


def rows(loss):
    return pd.DataFrame({"params": SIZES[-len(loss) :], "flops": np.nan, "loss": loss})


def test_a_peers_table(shared):
    """GPT is ahead at every size although the LSTM's exponent is larger, and what the LSTM needs to equal it."""
    table, fit = fit_table(shared / "law-data/music_buddhsen.csv", settings=Settings(draws=0), form="power_irreducible")
    first, second = fit["comparison"]["said"]
    assert first.startswith("GPT is ahead at every size, by 0.03 to 0.12 nats")
    assert first.endswith("although the LSTM's α is larger.")
    assert "the LSTM would need 5.1 to 13.0 times the parameters to equal it; that is not measured" in second
    (pair,) = fit["comparison"]["pairs"]
    assert pair["to_equal"]["ahead"] == "gpt"
    factors = [size["factor"] for size in pair["to_equal"]["sizes"]]
    assert factors == pytest.approx([5.1, 12.9, 11.3, 9.2, 7.0], rel=0.02)
    assert [size["extrapolated"] for size in pair["to_equal"]["sizes"]] == [False, False, True, True, True]
    expected = json.loads((shared / "law-data/expected_public.json").read_text())["public/music_buddhsen.csv"]
    for arch in ("gpt", "lstm"):
        errors = expected[arch]["LLO_err_pct"]
        laws = forecast_largest(table[table["arch"] == arch], Settings(draws=0))["laws"]
        assert 100 * laws["power"]["error"] == pytest.approx(errors["pure"], abs=0.01)
        assert 100 * laws["power_irreducible"]["error"] == pytest.approx(errors["plusE"], abs=0.01)


def test_noise_makes_no_winner():
    rng = np.random.default_rng(1)
    loss = 5 * SIZES**-0.1
    noisy = [rows(loss * np.exp(rng.normal(0, 0.02, 6))) for _ in range(2)]
    pair, said = compare_curves(*noisy, ("a", "b"), (0.1, 0.1))
    assert not any(gap["ci95"][0] > 0 or gap["ci95"][1] < 0 for gap in pair["params"]["gaps"])
    assert pair["flops"] is None
    assert said[0] == "A and B cannot be told apart at any size compared."


def gap(value, low, high):
    return {"at": 1.0, "gap": value, "ci95": [low, high]}


@pytest.mark.parametrize(
    ("gaps", "headline", "sentence"),
    [
        ([gap(-0.2, -0.3, -0.1), gap(-0.1, -0.2, -0.05)], "GPT is ahead at every size", ", by 0.10 to 0.20 nats."),
        (
            [gap(-0.2, -0.3, -0.1), gap(-0.1, -0.2, 0.1)],
            "GPT is ahead at 1 of 2 sizes; at 1 the two cannot be told apart",
            "at 1 of 2 sizes, by 0.20 nats; at 1 the two cannot be told apart.",
        ),
        (
            [gap(-0.2, -0.3, -0.1), gap(-0.1, -0.2, 0.1), gap(0.1, 0.05, 0.2), gap(-0.2, -0.3, -0.1)],
            "GPT is ahead at 2 of 4 sizes, LSTM at 1; at 1 the two cannot be told apart",
            "LSTM at 1; at 1 the two cannot be told apart.",
        ),
        ([gap(-0.2, -0.3, 0.1)], "GPT and LSTM cannot be told apart at any size compared", "any size compared."),
        ([], "GPT and LSTM have no size in common", "have no size in common."),
    ],
)
def test_a_headline_says_how_sure_it_is(gaps, headline, sentence):
    pair = {"archs": ["gpt", "lstm"], "params": {"gaps": gaps, "crossing": None}}
    assert headline_of(pair) == headline
    assert gaps_sentence(gaps, ("GPT", "LSTM"), "size", "GPT").endswith(sentence)
