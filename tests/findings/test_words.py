"""Laws, optima and forecasts in words."""

from workflow.scripts.findings.words import (
    absent_lines,
    best_size_words,
    beyond_words,
    forecast_words,
    law_words,
    with_interval,
)

GROWTH = {"N_exponent": 0.5, "D_exponent": 0.5, "ci95": {"N_exponent": [0.4, 0.6], "D_exponent": [0.4, 0.6]}}
LAW = {
    "E": 1.7, "A": 0.0, "alpha": 0.3, "ci95": {"E": [1.6, 1.8], "alpha": [0.2, 0.4]}, "n_rows": 20,
    "other_estimate": {"E": 1.7, "A": 0.1, "alpha": 0.3, "objective": 0.1},
    "compute_optimal": GROWTH | {"G": 1.0, "bootstrap95": {"N_exponent": None, "D_exponent": None}},
}  # fmt: skip
BEYOND = {"params": 5.0, "tokens": 1.0, "flops": 5.0, "inside": False}
ANSWER = {
    "params": 5e7, "tokens": 1e8, "loss": 2.0, "pi95": [1.9, None], "told": "kaplan", "origins": 3, "absent": "",
    "laws": {"kaplan": {"rolling_error": 0.012}}, "average": {"loss": 2.01}, "beyond": BEYOND,
}  # fmt: skip


def test_a_law_of_n_and_d_is_told_with_its_intervals():
    isoflop = GROWTH | {
        "optima": [{}, {}, {}],
        "optima_given": False,
        "corrected": GROWTH | {"bias": {"params": -0.03}},
    }
    assert law_words("GPT", {"chinchilla": LAW, "kaplan": LAW, "isoflop": isoflop}) == [
        "GPT, Chinchilla's law over 20 runs: E = 1.7 [1.6, 1.8], A = 0, α = 0.3 [0.2, 0.4]. Compute-optimal: N ∝ C^0.5"
        " [0.4, 0.6], D ∝ C^0.5 [0.4, 0.6].",
        "GPT, 3 optima of parabolas at equal FLOP: N ∝ C^0.5 [0.4, 0.6], D ∝ C^0.5 [0.4, 0.6]. Parabolas put N 3.0%"
        " below the law's optimum; without that N ∝ C^0.5 [0.4, 0.6], D ∝ C^0.5 [0.4, 0.6].",
    ]
    assert law_words("GPT", {"chinchilla": None}) == []


def test_a_forecast_says_by_what_and_how_far():
    assert forecast_words("GPT", ANSWER) == (
        "GPT, N = 50M, D = 100M: loss 2 [1.9, none] by Kaplan's law, which misses larger runs by 1.2% from smaller ones"
        " (3 cuts); average of laws 2.01; beyond the runs: 5 times the largest N, 5 times the largest FLOP."
    )
    untried = ANSWER | {"laws": {"kaplan": {"rolling_error": None}}}
    assert "as the smaller runs are too few to try laws on the larger" in forecast_words("GPT", untried)
    assert forecast_words("GPT", ANSWER | {"absent": "few runs"}).endswith("no forecast: few runs.")


def test_a_best_size_says_what_is_open():
    best = {"flops": 1e18, "told": "isoflop", "ci95": {"params": [4e7, None], "tokens": [None, 3e8]}}
    assert best_size_words("GPT", ANSWER | best) == (
        "GPT, 1e+18 FLOP: best N = 50M [40M, none], D = 100M [none, 300M], loss 2 [1.9, none] by the lines through the"
        " optima; beyond the runs: 5 times the largest N, 5 times the largest FLOP."
    )
    assert best_size_words("GPT", best | {"absent": "none"}) == "GPT, 1e+18 FLOP: no best size: none."


def test_places_and_reasons():
    assert beyond_words({"params": 0.1, "tokens": 1.0, "flops": None, "inside": False}) == (
        "beyond the runs: 10 times below the smallest N"
    )
    assert beyond_words({"params": 1.0, "tokens": 1.0, "flops": 1.0, "inside": True}) == "inside the runs' range"
    assert absent_lines({"kaplan": "few", "repeat": "once", "coupled": "few"}) == [
        "  no kaplan, coupled: few", "  no repeat: once",
    ]  # fmt: skip
    assert with_interval(1.23456, None) == "1.235"
