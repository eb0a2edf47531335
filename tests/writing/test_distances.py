"""Distances between sets of tunes, and the densities they are smoothed to, are those of numpy and scipy."""

import math
import warnings

import numpy as np
import pytest
from scipy.stats import gaussian_kde

from workflow.scripts.writing.distances import Distances, between, compare, within


def some(n: int, seed: int, low: float = 0.3) -> np.ndarray:
    """(n, 12) histograms."""
    return np.random.default_rng(seed).dirichlet(np.linspace(low, 2, 12), n)


def by_scipy(p: np.ndarray, q: np.ndarray) -> tuple[float, float]:
    """(overlap, KL(p || q)) of two sets of distances."""
    p, q = gaussian_kde(p), gaussian_kde(q)
    grid = np.linspace(-1, 3, 20_000)
    overlap = np.minimum(p(grid), q(grid)).sum()
    kl = (p(grid) * (p.logpdf(grid) - q.logpdf(grid))).sum()
    return overlap * 4 / 20_000, kl * 4 / 20_000


def test_distances_are_those_of_each_pair():
    a, b = some(4, 1), some(3, 2)
    assert between(a, b) == pytest.approx(np.array([[np.linalg.norm(x - y) for y in b] for x in a]))
    assert sorted(within(b)) == pytest.approx(sorted(np.linalg.norm(b[i] - b[j]) for i, j in ((0, 1), (0, 2), (1, 2))))
    one, other = np.eye(12)[:2]
    assert between(one[None], other[None])[0, 0] == pytest.approx(math.sqrt(2))


def test_densities_are_those_of_scipy():
    distances = within(some(30, 3))
    found, kde = Distances.of(distances), gaussian_kde(distances)
    grid = found.grid()
    assert np.exp(found.log_density(grid)) == pytest.approx(kde(grid), abs=0.01)
    assert np.trapezoid(np.exp(found.log_density(grid)), grid) == pytest.approx(1, abs=2e-4)
    assert found.mean == pytest.approx(distances.mean(), abs=1e-3)


@pytest.mark.parametrize("low", [0.3, 1, 3])
def test_overlap_and_divergence_are_those_of_scipy(low):
    reference, samples = some(25, 4), some(15, 5, low)
    found = compare(samples, reference)
    intra, inter = within(reference), between(samples, reference).ravel()
    overlap, kl = by_scipy(intra, inter)
    assert found["overlap"] == pytest.approx(overlap, abs=0.002)
    assert found["kl"] == pytest.approx(kl, abs=0.002)
    assert (found["intra"], found["inter"]) == pytest.approx((intra.mean(), inter.mean()), abs=1e-3)
    if low == 3:
        assert abs(kl - by_scipy(inter, intra)[1]) > 0.02  # so that the direction matters


def test_like_sets_overlap_and_unlike_ones_do_not():
    reference = some(100, 6)
    like = compare(some(100, 7), reference)
    assert like["overlap"] > 0.9
    assert like["kl"] < 0.05
    mixed = compare(some(100, 7, low=3), reference)
    assert 0.3 < mixed["overlap"] < like["overlap"]
    corner = np.zeros((1, 12))
    corner[0, 0] = 1
    near = 0.99 * corner + 0.01 * reference
    far = compare(0.99 * corner[:, ::-1] + 0.01 * some(20, 8), near)
    assert far["overlap"] < 0.001
    assert 100 < far["kl"] < math.inf


@pytest.mark.parametrize(
    ("samples", "reference"),
    [
        (some(0, 1), some(9, 2)),
        (some(1, 1), some(9, 2)),
        (some(9, 1), some(0, 2)),
        (some(9, 1), some(1, 2)),
        (some(9, 1), some(2, 2)),  # one distance
        (some(9, 1), np.tile(some(1, 2), (9, 1))),
        (np.eye(12)[[0, 0, 0]], np.eye(12)[[1, 2, 3]]),
        (some(0, 1), some(0, 2)),
    ],
)
def test_where_distances_do_not_differ_there_is_nothing_to_compare(samples, reference):
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        assert set(compare(samples, reference).values()) == {None}


def test_few_kinds_of_distances_are_compared():
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        found = compare(np.eye(12)[[0, 0]], np.eye(12)[[0, 0, 1]])
    # Two of three distances are sqrt(2) within, a third from the samples.
    assert found["intra"] == pytest.approx(2 * math.sqrt(2) / 3, abs=1e-3)
    assert found["inter"] == pytest.approx(math.sqrt(2) / 3, abs=1e-3)
    assert 0.3 < found["overlap"] < 0.9
