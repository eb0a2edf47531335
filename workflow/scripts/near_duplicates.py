"""Find tunes that are versions of one another: MinHash sketches, locality-sensitive hashing, clusters.

Two tunes are relatives if the sets of windows over their notes, or over their melodic contours, overlap by a
Jaccard index of at least a threshold. Sketches estimate that index (Broder 1997), and buckets of equal parts of
sketches propose the pairs to look at (Indyk and Motwani 1998), so the work grows with the tunes, not their pairs.
"""

import mmap
from collections.abc import Callable, Iterator
from typing import NamedTuple

import numpy as np
from numba import njit


class Feature(NamedTuple):
    """A view of a tune: windows of ``width`` values of one stream of `music`, alike from ``threshold`` on."""

    width: int
    threshold: float


# Chosen on three collections so that few pairs slip through under any of some thirty definitions of likeness at
# 0.5, and no cluster grows large (docs/corpus.md).
FEATURES = {
    "notes": Feature(8, 0.4),
    "steps": Feature(6, 0.3),
    "lead": Feature(6, 0.3),
    "contour": Feature(8, 0.4),
}
KEY_WIDTH = 12  # steps; wide enough that only versions of one tune share it
N_HASHES = 128  # an index of 0.5 is estimated to within 0.044 (one standard error)
ROWS = 2  # hashes in a bucket's key
BANDS = N_HASHES // ROWS  # a pair at 0.3 meets in one of 64 buckets with probability 0.998
MAX_LEADERS = 32  # of a bucket: unrelated tunes in it that newcomers are compared with
BLOCK = 50_000  # sketches touched before their pages are let go

_seeds = np.random.default_rng(20011)
XOR = _seeds.integers(0, 2**32, N_HASHES, dtype=np.uint32)
ODD = _seeds.integers(0, 2**32, N_HASHES, dtype=np.uint32) | np.uint32(1)
BASE = np.uint64(0x9E3779B97F4A7C15)


@njit(cache=True, inline="always")
def mix(h):
    """Spread a 64-bit hash over 32 bits (the finaliser of MurmurHash3)."""
    h ^= h >> np.uint64(33)
    h *= np.uint64(0xFF51AFD7ED558CCD)
    h ^= h >> np.uint64(33)
    h *= np.uint64(0xC4CEB9FE1A85EC53)
    return np.uint32((h ^ (h >> np.uint64(33))) & np.uint64(0xFFFFFFFF))


@njit(cache=True)
def window_hashes(stream, a, b, width, out):
    """Hash every window of ``width`` values in [a, b) of a stream; returns how many.

    A stream shorter than a window is one window; an empty one has none.
    """
    if b == a:
        return 0
    width = min(width, b - a)
    leaving = np.uint64(1)
    for _ in range(width):
        leaving *= BASE
    h = np.uint64(0)
    n = 0
    for i in range(a, b):
        h = h * BASE + np.uint64(np.int64(stream[i]) + 129)
        if i - a >= width:
            h -= leaving * np.uint64(np.int64(stream[i - width]) + 129)
        if i - a >= width - 1:
            out[n] = mix(h)
            n += 1
    return n


@njit(cache=True)
def sketch(stream, bounds, width):
    """(n, N_HASHES) uint16 MinHash sketches of n streams.

    Of each minimum the low 16 bits are kept (b-bit MinHash, Li and König 2010). The sketch of an empty stream is 0.
    """
    n = len(bounds) - 1
    sketches = np.zeros((n, N_HASHES), dtype=np.uint16)
    hashes = np.empty(len(stream) + 1, dtype=np.uint32)
    least = np.empty(N_HASHES, dtype=np.uint32)
    for t in range(n):
        size = window_hashes(stream, bounds[t], bounds[t + 1], width, hashes)
        if size == 0:
            continue
        least[:] = np.uint32(0xFFFFFFFF)
        for i in range(size):
            x = hashes[i]
            for k in range(N_HASHES):
                least[k] = min(least[k], np.uint32((x ^ XOR[k]) * ODD[k]))
        for k in range(N_HASHES):
            sketches[t, k] = least[k] & np.uint32(0xFFFF)
    return sketches


@njit(cache=True)
def window_key(stream, bounds, width):
    """(n,) the least window hash of each stream, one that versions of a tune are likely to share; 0 if it is empty."""
    n = len(bounds) - 1
    keys = np.zeros(n, dtype=np.uint64)
    hashes = np.empty(len(stream) + 1, dtype=np.uint32)
    for t in range(n):
        size = window_hashes(stream, bounds[t], bounds[t + 1], width, hashes)
        if size:
            keys[t] = hashes[:size].min()
    return keys


@njit(cache=True)
def find(parent, i):
    while parent[i] != i:
        parent[i] = parent[parent[i]]
        i = parent[i]
    return i


@njit(cache=True)
def agreement(sketches, i, j):
    same = 0
    for k in range(N_HASHES):
        same += sketches[i, k] == sketches[j, k]
    return same


@njit(cache=True)
def join_buckets(keys, order, first, last, sketches, least_agreement, parent):
    """Join relatives within the buckets of order[first:last]; a bucket is a run of equal keys.

    Each tune is compared with the bucket's leaders, the tunes in it that were relatives of none before.
    """
    leaders = np.empty(MAX_LEADERS, dtype=np.int64)
    n_leaders = 0
    for at in range(first, last):
        i = order[at]
        if at == first or keys[i] != keys[order[at - 1]]:
            n_leaders = 0
        if keys[i] == 0:
            continue
        joined = False
        for leader in leaders[:n_leaders]:
            a, b = find(parent, i), find(parent, leader)
            if a == b:
                joined = True
            elif agreement(sketches, i, leader) >= least_agreement:
                parent[max(a, b)] = min(a, b)
                joined = True
        if not joined and n_leaders < MAX_LEADERS:
            leaders[n_leaders] = i
            n_leaders += 1


def band_keys(sketches: np.ndarray, band: int) -> np.ndarray:
    """(n,) uint64 bucket of each tune in one band; 0 for an empty sketch."""
    part = sketches[:, band * ROWS : (band + 1) * ROWS].astype(np.uint64)
    return part[:, 0] << np.uint64(16) | part[:, 1]


def join(sketches: np.ndarray, threshold: float, parent: np.ndarray) -> Iterator[int]:
    """Join relatives by one feature in the forest ``parent``, band by band; yields the band just done."""
    least = int(np.ceil(threshold * N_HASHES))
    for band in range(BANDS):
        keys = band_keys(sketches, band)
        order = np.argsort(keys, kind="stable")
        ends = np.flatnonzero(np.diff(keys[order], append=np.uint64(0xFFFFFFFFFFFFFFFF))) + 1
        first = 0
        while first < len(order):
            last = int(ends[np.searchsorted(ends, min(first + BLOCK, len(order)))])
            join_buckets(keys, order, first, last, sketches, least, parent)
            release(sketches)
            first = last
        yield band


def release(array: np.ndarray) -> None:
    """Let go of the memory that reading a mapped file took; it is read again when needed."""
    if isinstance(array, np.memmap) and hasattr(mmap, "MADV_DONTNEED"):
        array._mmap.madvise(mmap.MADV_DONTNEED)


def clusters(sketches: dict[str, np.ndarray], progress: Callable[[int], object] = lambda band: None) -> np.ndarray:
    """(n,) for each tune the first tune of its cluster, the tunes that relations of any feature connect."""
    (n,) = {len(array) for array in sketches.values()}
    parent = np.arange(n)
    for feature, array in sketches.items():
        for band in join(array, FEATURES[feature].threshold, parent):
            progress(band)
    return roots(parent)


@njit(cache=True)
def roots(parent):
    out = np.empty_like(parent)
    for i in range(len(parent)):
        out[i] = find(parent, i)
    return out
