"""Splits, duplicates, caps and sizes: each decision by itself."""

import itertools

import numpy as np
import pytest

from workflow.scripts.base.errors import InputError, UnusableError
from workflow.scripts.corpus.options import Source
from workflow.scripts.corpus.selection import (
    CROSSES_SPLIT,
    DUPLICATE,
    OVER_CAP,
    RUNAWAY,
    SALTS,
    TEST,
    TEST_STEPS,
    TRAIN,
    VAL,
    Selection,
    anchors,
    first_with_digest,
    leave_none_empty,
    over_cap,
    reach_floor,
    require_all_splits,
    split_of_digit,
    splits_of,
    too_large,
    uniform,
)

RNG = np.random.default_rng(0)


def digests_of(n: int) -> np.ndarray:
    return np.random.default_rng(n).integers(0, 2**64, (n, 2), dtype=np.uint64)


# Numbers that depend on a key alone


def test_uniform_is_uniform_even_over_successive_keys():
    n = 100_000
    for keys in (np.arange(n), np.arange(n) << 32, RNG.integers(0, 2**64, n, dtype=np.uint64)):
        for salt in SALTS:
            u = np.sort(uniform(keys, salt))
            assert u[0] >= 0
            assert u[-1] < 1
            assert np.abs(u - np.arange(n) / n).max() * np.sqrt(n) < 2.2  # Kolmogorov-Smirnov, p = 0.0001


def test_uniform_differs_by_salt():
    draws = np.stack([uniform(np.arange(10_000), salt) for salt in SALTS])
    assert np.abs(np.corrcoef(draws) - np.eye(len(SALTS))).max() < 0.05
    assert len(set(SALTS.values())) == len(SALTS)


def test_uniform_is_the_same_wherever_a_key_stands():
    keys = RNG.integers(0, 2**64, 1000, dtype=np.uint64)
    assert (uniform(keys, "split")[::-1] == uniform(keys[::-1], "split")).all()


def test_uniform_is_splitmix():
    """For ever: a corpus prepared today has the splits of one prepared last year."""
    mask = 2**64 - 1
    for key in (0, 1, 2**63, 2**64 - 1, 0x123456789ABCDEF):
        x = (key + 0x9E3779B97F4A7C15) & mask
        x = (x ^ x >> 30) * 0xBF58476D1CE4E5B9 & mask
        x = (x ^ x >> 27) * 0x94D049BB133111EB & mask
        assert uniform(np.array([key], dtype=np.uint64), "split")[0] == ((x ^ x >> 31) >> 11) / 2**53
    assert uniform(np.array([1, 2**63], dtype=np.uint64), "split").round(6).tolist() == [0.566562, 0.281719]


def test_splits_have_their_shares_and_growing_the_test_takes_from_training_alone():
    u = uniform(np.arange(100_000), "split")
    small, large = splits_of(u, 0.05, 0.01), splits_of(u, 0.05, 0.1)
    assert abs((small == TEST).mean() - 0.01) < 0.002
    assert abs((large == TEST).mean() - 0.1) < 0.003
    assert abs((small == VAL).mean() - 0.05) < 0.003
    assert ((small == VAL) == (large == VAL)).all()
    assert (large[small == TEST] == TEST).all()
    assert set(small[small != large]) == {TRAIN}


def test_md5_splits_are_those_of_the_first_digit():
    digits = np.array([int(digit, 16) for digit in "0123456789abcdef"])
    assert split_of_digit(digits).tolist() == [TRAIN] * 14 + [VAL, TEST]


# Duplicates and clusters


def test_the_first_with_a_digest_is_the_first_in_the_input():
    digests = RNG.integers(0, 12, (500, 2)).astype(np.uint64)
    rows = [tuple(row) for row in digests.tolist()]
    assert first_with_digest(digests).tolist() == [rows.index(row) for row in rows]
    assert first_with_digest(digests[:0]).tolist() == []


def test_an_anchor_is_a_member_of_the_cluster_with_the_least_digest():
    digests = RNG.integers(0, 9, (300, 2)).astype(np.uint64)
    cluster = RNG.integers(0, 40, 300)
    anchor = anchors(cluster, digests)
    rows = [tuple(row) for row in digests.tolist()]
    for i in range(300):
        members = np.flatnonzero(cluster == cluster[i])
        assert cluster[anchor[i]] == cluster[i]
        assert rows[anchor[i]] == min(rows[j] for j in members)
        assert (anchor[members] == anchor[i]).all()
    assert anchors(cluster[:0], digests[:0]).tolist() == []


# Caps and weights


def test_a_cap_keeps_no_more_than_it_says_and_the_same_tunes_first():
    chars = RNG.integers(50, 500, 2000)
    source = RNG.integers(0, 2, 2000)
    digests = digests_of(2000)
    kept = {}
    for cap in (10_000, 100_000):
        out = over_cap(source, chars, digests, [Source("a", "", cap=cap), Source("b", "")])
        assert not out[source == 1].any()
        assert cap - 500 < chars[(source == 0) & ~out].sum() <= cap
        kept[cap] = set(np.flatnonzero((source == 0) & ~out))
    assert kept[10_000] < kept[100_000]
    assert not over_cap(source, chars, digests, [Source("a", "", cap=10**9), Source("b", "")]).any()


@pytest.mark.parametrize("weights", [(3, 1, 2), (0.7, 0.2, 0.1), (1, 1, 1), (1e-3, 5, 1)])
def test_weights_are_the_shares_of_the_text(weights):
    sizes = (5000, 3000, 2000)
    source = np.repeat(np.arange(3), sizes)
    chars = RNG.integers(50, 500, len(source))
    sources = [Source(str(i), "", weight=weight) for i, weight in enumerate(weights)]
    out = over_cap(source, chars, digests_of(len(source)), sources)
    kept = np.bincount(source[~out], weights=chars[~out], minlength=3)
    have = np.bincount(source, weights=chars)
    assert (kept <= have).all()
    assert kept / kept.sum() == pytest.approx(np.array(weights) / sum(weights), abs=500 / kept.sum())
    assert (kept == have).sum() == 1  # the scarcest has all it has, to the last tune


def test_weights_hold_within_caps():
    source = np.repeat([0, 1], 1000)
    chars = np.full(2000, 100)
    sources = [Source("a", "", weight=1, cap=20_000), Source("b", "", weight=3)]
    out = over_cap(source, chars, digests_of(2000), sources)
    assert [(~out[source == i]).sum() for i in (0, 1)] == [200, 600]


def test_rounding_drops_no_tune_of_the_scarcest_source():
    for have, weight in itertools.product(range(100, 400, 7), (0.1, 0.3, 0.7, 1.1, 3)):
        chars = np.array([have, 10_000])
        sources = [Source("a", "", weight=weight), Source("b", "", weight=1)]
        assert not over_cap(np.array([0, 1]), chars, digests_of(2), sources)[0], (have, weight)


def test_a_weight_of_nothing_is_refused():
    with pytest.raises(UnusableError, match="source b has a weight but no tune of its own"):
        over_cap(np.zeros(3, int), np.full(3, 9), digests_of(3), [Source(n, "", weight=1) for n in "ab"])


# Sizes


@pytest.mark.parametrize(
    ("share", "chars", "floor", "result"),
    [
        (0.05, 100_000_000, 2_400_000, 0.05),  # holds enough
        (0.01, 100_000_000, 2_400_000, 0.05),  # 0.02 would not
        (0.01, 300_000_000, 2_400_000, 0.01),
        (0.01, 115_000_000, 2_400_000, 0.02),  # 4% short is enough, as splits are drawn
        (0.01, 113_000_000, 2_400_000, 0.05),
        (0.03, 30_000_000, 2_400_000, 0.1),
        (0.2, 1_000_000, 2_400_000, 0.2),  # never lowered
        (0.05, 3_000_000, 2_400_000, 0.05),  # a tenth does not hold it: as it was
        (0.05, 3_000_000, 0, 0.05),
        (0.0, 100, 0, 0.0),
    ],
)
def test_the_test_share_reaches_the_floor_by_steps(share, chars, floor, result):
    assert reach_floor(share, chars, floor) == result


def test_steps_rise():
    assert list(TEST_STEPS) == sorted(TEST_STEPS)


def within(chars: np.ndarray, share: float, longest_of_few: float) -> list[int]:
    """Lengths without the longest, one by one, as long as it is over the share and over another length."""
    kept = sorted(chars.tolist())
    while kept and kept[-1] > share * sum(kept) and kept[-1] > longest_of_few:
        kept.pop()
    return kept


def test_too_large_leaves_no_runaway_over_the_share_and_drops_none_in_vain():
    spared = dropped = 0
    for seed in range(200):
        rng = np.random.default_rng(seed)
        chars = (rng.pareto(0.7, rng.integers(1, 60)) * 100 + 10).astype(int)
        share = rng.choice([0.02, 0.05, 0.2, 0.5, 1])
        kept = within(chars, share, RUNAWAY * np.median(chars))
        assert sorted(chars[chars <= too_large(chars, share)].tolist()) == kept
        spared += kept != within(chars, share, 0)
        dropped += len(kept) < len(chars)
    assert spared > 20
    assert dropped > 20
    assert too_large(np.zeros(0, int), 0.05) == float("inf")


@pytest.mark.parametrize("n", [1, 2, 5, 20, 21, 100])
def test_a_few_tunes_of_like_length_are_not_too_large(n):
    """Each of 20 training tunes has 5% of the text or more."""
    chars = np.linspace(200, 900, n).astype(int)
    assert chars.max() <= too_large(chars, 0.05)
    if n > 2:
        chars[0] = 90_000
        assert chars[1:].max() <= too_large(chars, 0.05) < chars[0]


def test_among_many_tunes_the_share_alone_decides():
    dropped = 0
    for seed in range(50):
        rng = np.random.default_rng(seed)
        chars = np.append(rng.integers(50, 1500, rng.integers(400, 900)), rng.integers(1, 200_000, 3))
        kept = within(chars, 0.05, 0)
        assert sorted(chars[chars <= too_large(chars, 0.05)].tolist()) == kept
        dropped += len(kept) < len(chars)
    assert dropped > 20


# No split is empty


def test_each_split_holds_one_of_three_clusters_or_more():
    moved = 0
    for seed in range(2000):
        rng = np.random.default_rng(seed)
        u = rng.random(rng.integers(3, 40))
        val = rng.choice([0.001, 0.05, 0.2, 0.45, 0.9])
        test = rng.choice([0.001, 0.05, 0.2, 0.45]) if val < 0.5 else 0.05
        before, after = splits_of(u, val, test), splits_of(u, *leave_none_empty(u, val, test))
        assert set(after.tolist()) == {TRAIN, VAL, TEST}, seed
        if set(before.tolist()) == {TRAIN, VAL, TEST}:
            assert (leave_none_empty(u, val, test)) == (val, test)
            continue
        moved += 1
        # As few as can be, and from where they are next to.
        for split in (VAL, TEST):
            if not (before == split).any():
                assert np.flatnonzero(after == split).tolist() == [u.argmin() if split == TEST else u.argmax()]
            assert (after == split).sum() <= max((before == split).sum(), 1)
        if not (before == TRAIN).any():
            assert (after == TRAIN).sum() == 1
    assert moved > 200


def test_fewer_than_three_clusters_are_not_moved():
    for u in ([], [0.5], [0.3, 0.6], [0.3, 0.3, 0.3, 0.6]):
        assert leave_none_empty(np.array(u), 0.05, 0.02) == (0.05, 0.02)


def test_clusters_of_the_same_number_go_together():
    u = np.array([0.4, 0.4, 0.5, 0.6, 0.7, 0.7])
    split = splits_of(u, *leave_none_empty(u, 0.05, 0.05))
    assert split.tolist() == [TEST, TEST, TRAIN, TRAIN, VAL, VAL]


def chosen_of(fate: list[int], anchor: list[int]) -> Selection:
    return Selection(np.array(fate), np.full(len(fate), -1), np.array(anchor), 0.1, 0.1)


@pytest.mark.parametrize(
    ("fate", "anchor", "sentence"),
    [
        ([TRAIN, DUPLICATE], [0, 1], "x holds 1 different tune (versions count once), and each of train, val and test "
                                     "needs one: add tunes"),
        ([TRAIN, TEST], [0, 1], "x holds 2 different tunes (versions count once), and each of train, val and test "
                                "needs one: add tunes"),
        ([TRAIN, TRAIN, TEST], [0, 0, 2], "needs one: add tunes or tell versions of a tune apart with "
                                          "--near_duplicates false"),
        ([TRAIN, CROSSES_SPLIT, TEST], [0, 0, 2], "or tell versions of a tune apart with --near_duplicates false"),
        ([OVER_CAP, OVER_CAP, OVER_CAP], [0, 1, 2], "x holds 0 different tunes (versions count once), and each of "
                                                    "train, val and test needs one: add tunes or raise the caps"),
    ],
)  # fmt: skip
def test_too_few_tunes_for_the_splits_is_said_with_the_way_out(fate, anchor, sentence):
    with pytest.raises(UnusableError) as error:
        require_all_splits(chosen_of(fate, anchor), "x")
    assert str(error.value).endswith(sentence)


def test_an_empty_split_of_many_tunes_is_named():
    """By MD5; the work on the input is worth keeping then, since it can be split otherwise."""
    require_all_splits(chosen_of([TRAIN, VAL, TEST], [0, 1, 2]), "x")
    for missing, name in enumerate(("train", "val", "test")):
        fate = [split for split in (TRAIN, VAL, TEST) if split != missing] * 2
        with pytest.raises(InputError, match=f"x: no tune falls into the {name} split; use --split_by clus") as error:
            require_all_splits(chosen_of(fate, [0, 1, 2, 3]), "x")
        assert not isinstance(error.value, UnusableError)
