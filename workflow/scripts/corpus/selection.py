"""Which tunes are kept, and in which split each is: decided from what `measure` found of them.

Each tune has a split of its own, from a hash of its melody, which no other tune can change. A cluster of versions of
one tune takes the split of its anchor; members whose own split is another are left out. So a cluster never
crosses a split, and adding tunes moves none between splits (it can only push some out), as long as the shares are
the same: where `reach_floor` takes a step, or where `leave_none_empty` moved one, the tunes between the two move.

Other ways to split are here to be compared with this one: each tune by itself, or by its file, relatives or not; and
the same with the relatives of held-out tunes ``apart``, left out of training.
"""

from dataclasses import dataclass

import numpy as np

from workflow.scripts.base.errors import InputError, UnusableError
from workflow.scripts.corpus.dataset import SPLITS
from workflow.scripts.corpus.options import Source

TRAIN, VAL, TEST = range(3)
# Fates of tunes that are left out; the reason is what quarantine.csv says.
DUPLICATE, CROSSES_SPLIT, OVER_CAP, TOO_LARGE, OF_HELD_OUT = -1, -2, -3, -4, -5
REASONS = {
    DUPLICATE: "duplicate",
    CROSSES_SPLIT: "crosses_split",
    OVER_CAP: "over_cap",
    TOO_LARGE: "too_large_a_share",
    OF_HELD_OUT: "version_of_held_out",
}
RUNAWAY = 10  # times the length of the median training tune, from which on a tune may have too large a share
TEST_STEPS = (0.01, 0.02, 0.05, 0.1)  # shares that a too small test split is raised to
SALTS = {"split": 1, "random": 2, "exact": 3, "cap": 4}


@dataclass
class Selection:
    """What becomes of n tunes.

    Attributes:
        fate: (n,) TRAIN, VAL, TEST or why it was left out (< 0).
        because: (n,) the tune that a duplicate, a crossing tune or a relative was left out for, else -1.
        anchor: (n,) the tune by which its cluster's split is chosen; itself if it has no relative.
        val_fraction, test_fraction: the shares of tunes, once raised to the floor and so that no split is empty.
    """

    fate: np.ndarray
    because: np.ndarray
    anchor: np.ndarray
    val_fraction: float
    test_fraction: float


def uniform(keys: np.ndarray, salt: str) -> np.ndarray:
    """(n,) numbers in [0, 1) that depend on each key alone (SplitMix64, Steele 2014)."""
    with np.errstate(over="ignore"):
        x = keys.astype(np.uint64) + np.uint64(SALTS[salt]) * np.uint64(0x9E3779B97F4A7C15)
        x = (x ^ (x >> np.uint64(30))) * np.uint64(0xBF58476D1CE4E5B9)
        x = (x ^ (x >> np.uint64(27))) * np.uint64(0x94D049BB133111EB)
    return ((x ^ (x >> np.uint64(31))) >> np.uint64(11)).astype(np.float64) / 2**53


def splits_of(u: np.ndarray, val_fraction: float, test_fraction: float) -> np.ndarray:
    """(n,) splits: the test from one end, validation from the other, so that one can grow without the other."""
    return np.where(u < test_fraction, TEST, np.where(u >= 1 - val_fraction, VAL, TRAIN))


def split_of_digit(digits: np.ndarray) -> np.ndarray:
    """(n,) splits by the first hex digit of a file's MD5: e is validation, f the test, all others training.

    So does the Anticipatory Music Transformer on Lakh (Thickstun 2023).
    """
    return np.where(digits == 15, TEST, np.where(digits == 14, VAL, TRAIN))


def first_of_run(order: np.ndarray, starts: np.ndarray) -> np.ndarray:
    """(n,) for each tune the one that opens its run, where ``starts`` marks in ``order`` the tunes that open one."""
    first = np.empty(len(order), dtype=np.int64)
    first[order] = order[np.maximum.accumulate(np.where(starts, np.arange(len(order)), 0))]
    return first


def first_with_digest(digests: np.ndarray) -> np.ndarray:
    """(n,) for each tune the first in the input with the same digest."""
    order = np.lexsort((np.arange(len(digests)), digests[:, 1], digests[:, 0]))
    starts = np.ones(len(order), dtype=bool)
    starts[1:] = (digests[order[1:]] != digests[order[:-1]]).any(axis=1)
    return first_of_run(order, starts)


def over_cap(source: np.ndarray, chars: np.ndarray, digests: np.ndarray, sources: list[Source]) -> np.ndarray:
    """(n,) True for tunes beyond their source's cap or weight: those with the highest hashes.

    Weights are met by leaving text out, never by repeating it.

    Raises:
        UnusableError: a source that has a weight has no text.
    """
    have = np.bincount(source, weights=chars, minlength=len(sources))
    allowed = np.array([min(h, s.cap) if s.cap is not None else h for h, s in zip(have, sources, strict=True)])
    if any(s.weight is not None for s in sources):
        for size, one in zip(have, sources, strict=True):
            if not size:
                raise UnusableError(f"source {one.name} has a weight but no tune of its own")
        weights = np.array([s.weight for s in sources])
        allowed = np.rint(weights * min(allowed / weights))  # rounded, that the scarcest source may have all it has
    u = uniform(digests[:, 0], "cap")
    out = np.zeros(len(chars), dtype=bool)
    for i in range(len(sources)):
        mine = np.flatnonzero(source == i)
        mine = mine[np.argsort(u[mine], kind="stable")]
        out[mine] = np.cumsum(chars[mine]) > allowed[i]
    return out


def reach_floor(test_fraction: float, chars: int, min_test_chars: int) -> float:
    """The share of tunes for the test: raised by steps until it holds ``min_test_chars``, where a tenth can.

    Steps, so that a growing corpus seldom moves tunes back; within 5%, since splits are drawn.
    """
    for step in (test_fraction, *TEST_STEPS):
        if step >= test_fraction and step * chars >= 0.95 * min_test_chars:
            return step
    return test_fraction


def leave_none_empty(u: np.ndarray, val_fraction: float, test_fraction: float) -> tuple[float, float]:
    """The two shares, moved just so far that each split holds one of the clusters whose anchors have the numbers ``u``.

    Where they hold one already, and where there are fewer than three clusters, they are as they were.
    """
    u = np.unique(u)  # clusters of the same number go together
    if len(u) < 3:
        return val_fraction, test_fraction
    split = splits_of(u, val_fraction, test_fraction)
    n_test, n_val = int((split == TEST).sum()), int((split == VAL).sum())
    test = min(max(n_test, 1), len(u) - 2)
    val = min(max(n_val, 1), len(u) - 1 - test)
    if test != n_test:
        test_fraction = float(u[test - 1] + u[test]) / 2
    if val != n_val:
        val_fraction = 1 - float(u[-val - 1] + u[-val]) / 2
    return val_fraction, test_fraction


def anchors(cluster: np.ndarray, digests: np.ndarray) -> np.ndarray:
    """(n,) the member with the least digest of each tune's cluster; any member is as likely as another to have it."""
    order = np.lexsort((digests[:, 1], digests[:, 0], cluster))
    starts = np.concatenate(([True], np.diff(cluster[order]) != 0))
    return first_of_run(order, starts)


def too_large(chars: np.ndarray, max_share: float) -> int | float:
    """The longest a training tune can be; inf if none is too long.

    Too long is a tune that takes more than ``max_share`` of the training text, once those longer are left out, and is
    more than RUNAWAY times as long as the median: of a few tunes of like length each has a large share. From
    2 * RUNAWAY / max_share tunes on, the first implies the second.
    """
    order = np.sort(chars)[::-1]
    totals = np.cumsum(order[::-1])[::-1]  # of each and all shorter
    fits = order <= max_share * totals
    if len(order) == 0 or fits[0]:
        return float("inf")
    return max(int(order[np.argmax(fits)]) if fits.any() else 0, RUNAWAY * float(np.median(chars)))


def require_all_splits(chosen: Selection, name: str) -> None:
    """Refuse a selection of which a split is empty.

    Raises:
        UnusableError: the input holds too few tunes for any split.
        InputError: it could be split otherwise.
    """
    kept = chosen.fate >= 0
    empty = [split for number, split in enumerate(SPLITS) if not (chosen.fate == number).any()]
    if not empty:
        return
    n_clusters = len(np.unique(chosen.anchor[kept]))
    if n_clusters >= len(SPLITS):
        raise InputError(f"{name}: no tune falls into the {empty[0]} split; use --split_by cluster, or add tunes")
    ways = ["add tunes"]
    if (chosen.fate == OVER_CAP).any():
        ways.append("raise the caps")
    if (kept | (chosen.fate == CROSSES_SPLIT)).sum() > n_clusters:
        ways.append("tell versions of a tune apart with --near_duplicates false")
    raise UnusableError(
        f"{name} holds {n_clusters} different tune{'s' * (n_clusters != 1)} (versions count once), and each of"
        f" {', '.join(SPLITS[:-1])} and {SPLITS[-1]} needs one: {' or '.join(ways)}"
    )
