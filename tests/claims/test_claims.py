"""Claims get the verdict of their stated test, and every number can be found where the page says it is."""

import json

import numpy as np
import pandas as pd
import pytest
from scipy import stats

from tests.conftest import ROOT
from workflow.scripts import write_claims
from workflow.scripts.base import measures
from workflow.scripts.claims.claim import REFUTED, SUPPORTED, UNDECIDED, Point, above, below, together
from workflow.scripts.claims.losses import inside_of, power_verdict, registered_targets, variance_ratio
from workflow.scripts.claims.writing import difference, first_above, trend


@pytest.fixture(scope="module", params=["reference-study", "default-study"])
def page(request, tmp_path_factory):
    """claims.json and the page of a recorded study."""
    output = tmp_path_factory.mktemp("claims") / "claims.html"
    tables = ROOT / "docs" / request.param
    write_claims.main(
        ["--tables", str(tables), "--original", str(ROOT / "docs/original-study"), "--output", str(output)]
    )
    return json.loads(output.with_suffix(".json").read_text()), output.read_text()


def number_at(file: str, column: str) -> float | None:
    """The number in a file of JSON that keys with points between them lead to."""
    found = json.loads((ROOT / file).read_text())
    for key in column.split("."):
        found = found[int(key)] if isinstance(found, list) else found[key]
    return found


def test_every_number_is_where_the_page_says(page):
    facts, _ = page
    looked_up = 0
    for claim in facts["claims"]:
        for one in claim["evidence"]:
            if one["value"] is None:
                continue
            assert (ROOT / one["file"]).exists()
            if one["file"].endswith(".csv"):
                assert set(one["column"].split(", ")) <= set(pd.read_csv(ROOT / one["file"]).columns)
            elif "*" not in one["column"]:
                assert number_at(one["file"], one["column"]) == one["value"]
                looked_up += 1
    assert looked_up >= 8


def test_the_page_has_every_claim_with_its_verdict_in_words(page):
    facts, html = page
    assert len(facts["claims"]) >= 24
    for claim in facts["claims"]:
        assert f'id="{claim["key"]}"' in html
        assert any(claim["verdict"].values())
    assert {"supported", "not supported", "undecided"} == {
        verdict for claim in facts["claims"] for verdict in claim["verdict"].values() if verdict
    }
    assert "<script" not in html


def test_the_gap_that_is_shown_agrees_with_the_verdict(page):
    """It is the one that speaks most against the claim: surely on one side of zero, unless nothing is decided."""
    gaps = [one for claim in page[0]["claims"] for one in claim["evidence"] if "intervals on its side" in one["what"]]
    assert len(gaps) >= 4
    for one in gaps:
        low, high = one["interval"]
        assert (low > 0 or high < 0) == (one["verdict"] != UNDECIDED)


def test_a_verdict_needs_a_whole_interval():
    assert (above((0.1, 0.3), 0), above((-0.3, -0.1), 0), above((-0.1, 0.3), 0)) == (SUPPORTED, REFUTED, UNDECIDED)
    assert (below((0.1, 0.3), 0.5), below((None, 0.3), 0.5), below((0.1, None), 0.5)) == (
        SUPPORTED,
        SUPPORTED,
        UNDECIDED,
    )
    assert above(None, 0) == UNDECIDED
    assert together([SUPPORTED, SUPPORTED]) == SUPPORTED
    assert together([SUPPORTED, UNDECIDED]) == UNDECIDED
    assert together([SUPPORTED, UNDECIDED, REFUTED]) == REFUTED


def test_a_power_law_is_not_supported_by_what_was_not_tested():
    assert power_verdict((0.1, 0.2), None) == UNDECIDED
    assert power_verdict((0.1, 0.2), 0.5) == SUPPORTED
    assert power_verdict((0.1, 0.2), 0.01) == REFUTED
    assert power_verdict((-0.1, 0.2), 0.5) == UNDECIDED


def test_the_ratio_of_variances_is_that_of_scipy():
    losses = {1000: [1.50, 1.52, 1.49], 2000: [1.40, 1.41, 1.44], 4000: [1.31, 1.29, 1.30]}
    rows = pd.DataFrame([{"params": params, "loss": loss} for params, some in losses.items() for loss in some])
    found, (low, high) = variance_ratio(rows)
    assert found == pytest.approx(1 / stats.f_oneway(*(np.log(some) for some in losses.values())).statistic)
    assert low < found < high
    assert variance_ratio(rows.drop_duplicates("params")) is None


def test_a_difference_of_shares_is_newcombes():
    """The first example of his Table II: 56 of 70 less 48 of 80."""
    shares = [
        Point(1, 1, n, count / n, tuple(stats.binomtest(count, n).proportion_ci(method="wilson")), "")
        for count, n in ((56, 70), (48, 80))
    ]
    value, (low, high) = difference(*shares)
    assert (value, low, high) == pytest.approx((0.2, 0.0524, 0.3339), abs=1e-4)


def test_an_ability_counts_from_where_no_larger_size_lacks_it():
    def points(*lows):
        return [Point(10**k, 1, 24, 0.7, (low, 0.9), "") for k, low in enumerate(lows, 1)]

    assert first_above(points(0.2, 0.6, 0.6), 0.5) == 100
    assert first_above(points(0.6, 0.2, 0.6), 0.5) == 1000
    assert first_above(points(0.6, 0.6, 0.2), 0.5) is None


class Written:
    """A study of which only what four runs wrote is known."""

    def __init__(self, *passed: int):
        self.names = {"gpt": "Transformer"}
        sizes = {"arch": "gpt", "params_non_embedding": [1000, 2000, 4000, 8000], "tokens": 1, "file": "writing.csv"}
        self.models = pd.DataFrame(sizes | {measures.SYNTAX.rate: np.array(passed) / 24, measures.SYNTAX.n: 24})

    def file(self, name: str) -> str:
        return name


def test_a_rate_that_rises_has_a_slope_and_one_that_stays_is_undecided():
    assert trend(Written(2, 7, 13, 20), "gpt", measures.SYNTAX).verdict == SUPPORTED
    assert trend(Written(20, 13, 7, 2), "gpt", measures.SYNTAX).verdict == REFUTED
    assert trend(Written(9, 12, 8, 11), "gpt", measures.SYNTAX).verdict == UNDECIDED
    same = trend(Written(0, 0, 0, 0), "gpt", measures.SYNTAX)
    assert (same.value, same.verdict) == (None, UNDECIDED)


def test_an_outcome_counts_once_and_as_it_was_forecast_first():
    def target(model, inside, **more):
        return {"model": model, "tokens": 1, "observed": 1.0, "after_outcome": False, "inside": inside} | more

    forecast = {"registrations": [
        {"targets": [target("a", False), target("b", True), target("c", True, observed=None)]},
        {"targets": [target("a", True), target("d", True, after_outcome=True)]},
    ]}  # fmt: skip
    assert [one["inside"] for one in registered_targets(forecast)] == [False, True]


def test_a_miss_in_twenty_is_no_reason_to_reject_intervals():
    assert inside_of([True] * 4, "forecast.json").verdict == SUPPORTED
    assert inside_of([True] * 19 + [False], "forecast.json").verdict == UNDECIDED
    assert inside_of([True, False, False], "forecast.json").verdict == REFUTED
