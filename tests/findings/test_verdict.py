"""Verdicts on tables whose law is known, and on published ones."""

import json
from dataclasses import replace

import numpy as np
import pytest

from workflow.scripts.findings.evidence import Evidence, bonferroni
from workflow.scripts.findings.fit_table import fit_group, fit_table
from workflow.scripts.findings.verdict import NO_BUDGET, decide, forecast_sentences, sentences
from workflow.scripts.laws.estimate import Settings
from workflow.scripts.laws.line import points_of
from workflow.scripts.tables.table import complete, read_table

FAST = Settings(draws=0)
N = np.geomspace(1e4, 1e7, 6)
FORMS = ("power", "power_irreducible")


def group_of(tmp_path, loss, noise=0.003, seeds=1, n=N):
    rng = np.random.default_rng(2)
    lines = [f"gpt,{size},{value * np.exp(rng.normal(0, noise))},{seed}"
             for size, value in zip(n, loss, strict=True) for seed in range(seeds)]  # fmt: skip
    (tmp_path / "t.csv").write_text("\n".join(["arch,params,loss,seed", *lines]))
    return fit_table(tmp_path / "t.csv", settings=FAST, form="power_irreducible")[1]["groups"]["gpt"]


@pytest.mark.parametrize("seeds", [1, 3])
@pytest.mark.parametrize(
    ("loss", "verdict"),
    [
        (6 * N**-0.12, "power"),
        (60 * N**-0.3, "power"),
        (0.8 + 20 * N**-0.3, "saturating"),
        (0.8 + 20 * N**-0.6, "saturating"),  # no straight line falls here, yet loss does over the first sizes
        (0.8 + 0 * N, "flat"),
        (np.where(N.max() == N, 1.6, 1) * 6 * N**-0.12, "reversal"),
        (0.5 * N**0.1, "reversal"),
    ],
)
def test_the_verdict_on_a_known_law(tmp_path, loss, verdict, seeds):
    assert group_of(tmp_path, loss, seeds=seeds)["verdict"] == verdict


def test_noise_and_few_sizes_decide_nothing(tmp_path):
    n = np.geomspace(1e4, 1e5, 4)
    assert group_of(tmp_path, 3 * n**-0.05, noise=0.02, n=n)["verdict"] == "inconclusive"


def test_a_largest_size_better_than_forecast_decides_nothing(tmp_path):
    assert group_of(tmp_path, np.where(N.max() == N, 0.6, 1) * 6 * N**-0.12)["verdict"] == "inconclusive"


def test_seeds_can_rule_out_both_laws(tmp_path):
    """A wave around the line, far beyond what seeds differ by."""
    wave = 1 + 0.03 * np.array([1, -1, -1, 1, 1, -1])
    group = group_of(tmp_path, 6 * N**-0.12 * wave, noise=0.001, seeds=4)
    assert group["verdict"] == "inconclusive"
    assert group["power"]["lack_of_fit"]["p"] < 1e-6
    assert any("Misfit exceeds seed noise: a power law without a floor is rejected" in said for said in group["said"])


def test_nothing_is_called_the_entropy_of_music(tmp_path):
    group = group_of(tmp_path, 0.8 + 20 * N**-0.3)
    assert not any("entropy" in said for said in group["said"])


def test_the_originals_own_logs(shared):
    """GPT without XXL, which ran under another schedule, levels off; the LSTMs do not scale."""
    table, _ = read_table(shared / "law-data/seedrepo_final.csv")
    expected = json.loads((shared / "law-data/expected_public.json").read_text())["public/seedrepo_final.csv"]
    gpt = fit_group(table[(table["arch"] == "gpt") & (table["size"] != "xxl")], "gpt", FAST, FORMS, None)
    lstm = fit_group(table[table["arch"] == "lstm"], "lstm", FAST, FORMS, None)
    assert gpt["power"]["alpha"] == pytest.approx(expected["gpt5_pure"]["alpha"], abs=1e-5)
    assert gpt["power"]["ci95"]["alpha"] == pytest.approx(expected["gpt5_pure"]["ci95"], abs=1e-4)
    assert gpt["power_irreducible"]["E"] == pytest.approx(expected["gpt5_plusE"]["E"], abs=1e-4)
    assert gpt["verdict"] == "saturating"
    # Told of all parameters; the table has those outside the embedding.
    assert lstm["power"]["ci95"]["alpha"] == pytest.approx(expected["lstm4_pure"]["ci95"], abs=5e-4)
    assert lstm["verdict"] == "flat"
    equal = complete(table[(table["arch"] == "gpt") & (table["tokens"] == 98304000)])[0]
    assert fit_group(equal, "gpt", FAST, FORMS, None)["verdict"] == "reversal"


def test_a_table_without_its_largest(shared):
    table, _ = read_table(shared / "law-data/seed_table.csv")
    expected = json.loads((shared / "law-data/expected_public.json").read_text())["public/seed_table.csv"]
    group = fit_group(table[table["size"] != "xxl"], "gpt", FAST, FORMS, None)
    assert group["power"]["alpha"] == pytest.approx(expected["loglog_4_no_xxl"]["alpha"], abs=1e-5)
    assert group["power"]["ci95"]["alpha"] == pytest.approx(expected["loglog_4_no_xxl"]["ci95_t2"], abs=1e-4)


CLEAR = Evidence(alpha=(0.1, 0.12), rising=1.0, floor=(0.0, 0.3), early=1e-6, saturation=1.0, floored=1.0, straight=1.0,
                 misfit=False)  # fmt: skip


@pytest.mark.parametrize(
    ("change", "verdict"),
    [
        ({}, "power"),
        ({"floor": (0.1, 0.3)}, "power"),  # found, but small
        ({"floor": (0.21, 0.3)}, "saturating"),
        ({"floor": (0.21, 0.3), "saturation": 0.04}, "inconclusive"),
        ({"floor": (0.0, 0.6)}, "inconclusive"),
        ({"straight": 0.04}, "inconclusive"),
        ({"floor": (0.1, 0.3), "straight": 0.04}, "power"),  # a small floor bends the line
        ({"floor": (0.1, 0.3), "floored": 0.04}, "inconclusive"),
        ({"misfit": True}, "inconclusive"),
        ({"floor": None}, "inconclusive"),
        ({"rising": 0.049}, "reversal"),
        ({"rising": 0.051}, "power"),
        ({"alpha": (-0.04, 0.04), "rising": 0.001, "early": 0.5}, "flat"),
        ({"alpha": (-0.04, 0.04)}, "flat"),  # the floor may be none
        ({"alpha": (-0.04, 0.04), "floor": (0.5, 1.0)}, "saturating"),
        ({"alpha": (-0.04, 0.06), "floor": (0.5, 1.0), "early": 0.06}, "inconclusive"),
    ],
)
def test_what_decides(change, verdict):
    assert decide(replace(CLEAR, **change)) == verdict


def test_several_tests_share_one_level():
    assert bonferroni(0.02, None, 0.5) == pytest.approx(0.04)
    assert bonferroni(0.9, 0.8) == 1
    assert bonferroni(None) == 1


def test_a_floor_too_small_to_matter_is_no_levelling_off(shared):
    """0.04 under a lowest loss of 0.29: it is found, and what share it takes is told."""
    group = fit_table(shared / "reports/fit/tiny_floor.csv", settings=FAST, form="power_irreducible")[1]["groups"][
        "gpt"
    ]
    assert group["power_irreducible"]["ci95"]["E"][0] > 0
    assert group["verdict"] == "power"
    assert "a floor is found, but a small one" in group["said"][0]
    assert any(
        "0.04 nats, 95% [0.04, 0.05], which is 15% [13%, 17%] of the lowest loss" in said for said in group["said"]
    )


def test_a_law_that_does_not_fit_tells_no_floor(shared):
    group = fit_table(shared / "reports/fit/e_outside.csv", settings=FAST, form="power_irreducible")[1]["groups"][
        "lstm"
    ]
    assert "A law with irreducible loss misses these sizes by 24%: it does not fit." in group["said"]
    assert not any("nats" in said for said in group["said"])


def test_a_mixture_of_budgets_has_no_exponent_in_words(tmp_path):
    points = points_of(N, 6 * N**-0.12)
    said = sentences("GPT", points, list("abcdef"), {"power": None, "verdict": "inconclusive"}, alike=False)
    assert said == [f"GPT: {NO_BUDGET}."]


def forecast(told, observed, **laws):
    entries = {
        name: {"loss": 1.25, "pi95": interval, "error": 0.0, "rolling_error": error}
        for name, (interval, error) in laws.items()
    }
    weights = dict.fromkeys(laws, 1 / len(laws))
    average = {"loss": 1.24, "pi95": [1.2, 1.3], "error": 0.0, "weights": weights}
    size = {"size": "xl", "params": 1e7, "tokens": None, "from_sizes": 4}
    return {**size, **entries[told], "observed": observed, "told": told, "laws": entries, "average": average}


@pytest.mark.parametrize(
    ("observed", "where"), [(1.31, "above the forecast interval"), (1.25, "inside the forecast interval"),
                            (1.1, "below the forecast interval")]
)  # fmt: skip
def test_a_forecast_is_told_by_the_law_chosen(observed, where):
    found = forecast("kaplan", observed, power=([1.0, 2.0], 0.02), kaplan=([1.2, 1.3], 0.01))
    assert forecast_sentences(found) == [
        "Forecast of xl from the 4 smaller by Kaplan's law, chosen by its error on earlier sizes: 1.250, 95% [1.200,"
        f" 1.300]; measured {observed:.3f}, {where}.",
        "The average of laws by that error: 1.240, 95% [1.200, 1.300].",
    ]


def test_a_forecast_without_an_end_or_a_choice_says_so():
    found = forecast("power", 9.0, power=([1.2, None], None))
    assert forecast_sentences(found) == [
        "Forecast of xl from the 4 smaller by the power law: 1.250, 95% [1.200, none]; measured 9.000, inside the"
        " forecast interval."
    ]
