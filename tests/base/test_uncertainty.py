"""Means over tunes, shares of them, and how sure both are."""

import numpy as np
import pytest

from workflow.scripts.base.uncertainty import FEWEST, RESAMPLES, draws, rate_of, ratio_means, wilson


def tunes(n: int = 2000) -> tuple[np.ndarray, np.ndarray]:
    """Nats and characters of tunes of unlike lengths."""
    rng = np.random.default_rng(1)
    chars = rng.integers(50, 500, n)
    return chars * rng.normal(1.5, 0.3, n), chars


def test_each_draw_takes_as_many_tunes_as_there_are_and_the_same_each_time():
    found = np.concatenate(list(draws(30)))
    assert found.shape == (RESAMPLES, 30)
    assert (found.sum(axis=1) == 30).all()
    assert found.std() > 0.5
    np.testing.assert_array_equal(found, np.concatenate(list(draws(30))))


def test_the_standard_error_is_that_of_a_ratio_of_means():
    """Against the delta method."""
    nats, chars = tunes()
    (mean,) = ratio_means(nats[:, None], chars[:, None])
    delta = np.sqrt(np.sum((nats - mean.value * chars) ** 2)) / chars.sum()
    assert mean.value == pytest.approx(nats.sum() / chars.sum())
    assert mean.se == pytest.approx(delta, rel=0.06)
    assert mean.ci95 == pytest.approx((mean.value - 1.96 * delta, mean.value + 1.96 * delta), abs=0.2 * delta)


def test_an_interval_holds_the_truth_as_often_as_it_says():
    """95% of the intervals of 200 studies of 60 tunes hold the mean that the tunes were drawn around."""
    rng = np.random.default_rng(3)
    hits = 0
    for _ in range(200):
        chars = rng.integers(50, 500, 60)
        (mean,) = ratio_means((chars * rng.normal(1.5, 0.3, 60))[:, None], chars[:, None])
        hits += mean.ci95[0] < 1.5 < mean.ci95[1]
    assert 178 <= hits <= 198


def test_what_is_hard_for_both_cancels_in_a_difference():
    nats, chars = tunes()
    other = nats + chars * 0.01
    apart = ratio_means(np.stack((nats, other), axis=1), chars[:, None])
    (difference,) = ratio_means((other - nats)[:, None], chars[:, None])
    assert difference.value == pytest.approx(0.01)
    assert difference.se < 1e-9 < apart[0].se


def test_a_kind_of_few_tunes_has_a_mean_but_no_error():
    nats, chars = tunes(200)
    few = (np.arange(200) < FEWEST - 1).astype(float)
    enough = (np.arange(200) < FEWEST).astype(float)
    masks = np.stack((few, enough), axis=1)
    little, more = ratio_means(nats[:, None] * masks, chars[:, None] * masks)
    assert little.value == pytest.approx(nats[: FEWEST - 1].sum() / chars[: FEWEST - 1].sum())
    assert (little.se, little.ci95) == (None, None)
    assert more.ci95[0] < more.value < more.ci95[1]


def test_all_of_a_few_tunes_have_an_error_and_one_alone_has_none():
    nats, chars = tunes(5)
    (mean,) = ratio_means(nats[:, None], chars[:, None])
    assert mean.se > 0
    (mean,) = ratio_means(nats[:1, None], chars[:1, None])
    assert (mean.se, mean.ci95) == (None, None)


@pytest.mark.parametrize(
    ("n", "k", "low", "high"), [(10, 0, 0.0, 0.2775), (10, 5, 0.2366, 0.7634), (200, 199, 0.9722, 0.9991)]
)
def test_wilson_interval(n, k, low, high):
    assert wilson(k, n) == (pytest.approx(low, abs=1e-4), pytest.approx(high, abs=1e-4))


def test_a_share_in_a_result_file_has_its_interval_and_its_counts():
    assert rate_of(5, 10) == {"rate": 0.5, "ci95": wilson(5, 10), "count": 5, "n": 10}
