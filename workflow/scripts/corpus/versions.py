"""Find tunes that are versions of one another: MinHash sketches, locality-sensitive hashing, families.

Two tunes are versions if the sets of windows of one view overlap by a Jaccard index of at least its threshold, and
those of all voices together by at least SUPPORT: one voice may be a bass or a drum that many tunes share. Sketches
estimate the index (Broder 1997), and buckets of equal parts of sketches propose the pairs to look at (Indyk and Motwani
1998), so the work grows with the tunes, not their pairs.

Needs the streams of `notation.sound` and of `midi.played`; makes a number of the family for each tune, which
`clusters` parts.
"""

import mmap
from collections.abc import Callable, Iterator
from typing import NamedTuple

import numpy as np
from numba import njit

from workflow.scripts.notation.steps import BREAK


class Feature(NamedTuple):
    """A view of a tune: windows of ``width`` values of one stream, alike from ``threshold`` on.

    ``whole`` says that the stream has all voices.
    """

    width: int
    threshold: float
    whole: bool


# Low, so that few pairs slip through under other definitions of likeness, as that of `leakage` (docs/corpus.md).
FEATURES = {
    "notes": Feature(8, 0.4, True),
    "steps": Feature(6, 0.3, True),
    "lead": Feature(6, 0.3, False),
    "contour": Feature(8, 0.4, False),
    "played": Feature(8, 0.4, True),  # of tunes read from MIDI alone
}
SUPPORT = 0.2  # least index in a view of all voices: below, tunes have little in common
LEAST_WINDOWS = 10  # different ones in a stream; fewer prove nothing, as those of a bass on one note
KEY_WIDTH = 12  # steps; wide enough that only versions of one tune share it
N_HASHES = 128  # an index of 0.5 is estimated to within 0.044 (one standard error)
ROWS = 2  # hashes in a bucket's key
BANDS = N_HASHES // ROWS  # a pair at 0.3 meets in one of 64 buckets with probability 0.998
MAX_KNOWN = 64  # tunes of a bucket that newcomers are compared with, at most half of them with relatives before them
COMPARED_BYTES = 640 << 20  # of memory for what pairs are compared by; very many tunes get fewer bytes each
BLOCK = 1 << 18  # sketches read from a mapped file before its pages are let go

_seeds = np.random.default_rng(20011)
XOR = _seeds.integers(0, 2**32, N_HASHES, dtype=np.uint32)
ODD = _seeds.integers(0, 2**32, N_HASHES, dtype=np.uint32) | np.uint32(1)
BASE = np.uint64(0x9E3779B97F4A7C15)


@njit(cache=True, inline="always")
def mix(h):
    """Spread a 64-bit hash over 32 bits (the finaliser of Appleby's MurmurHash3)."""
    h ^= h >> np.uint64(33)
    h *= np.uint64(0xFF51AFD7ED558CCD)
    h ^= h >> np.uint64(33)
    h *= np.uint64(0xC4CEB9FE1A85EC53)
    return np.uint32((h ^ (h >> np.uint64(33))) & np.uint64(0xFFFFFFFF))


@njit(cache=True)
def window_hashes(stream, a, b, width, out):
    """Hash every window of ``width`` values in [a, b) of a stream; returns how many.

    A stream shorter than a window is one window; an empty one has none, and no window holds a BREAK.
    """
    if b == a:
        return 0
    width = min(width, b - a)
    leaving = np.uint64(1)
    for _ in range(width):
        leaving *= BASE
    h = np.uint64(0)
    n = 0
    first = a  # of the stretch without a break
    for i in range(a, b):
        if stream[i] == BREAK:
            h = np.uint64(0)
            first = i + 1
            continue
        h = h * BASE + np.uint64(np.int64(stream[i]) + 129)
        if i - first >= width:
            h -= leaving * np.uint64(np.int64(stream[i - width]) + 129)
        if i - first >= width - 1:
            out[n] = mix(h)
            n += 1
    return n


@njit(cache=True)
def value_of(values):
    """A number for some values in their order."""
    h = np.uint64(len(values))
    for value in values:
        h = h * BASE + np.uint64(np.int64(value) + 129)
    return h


@njit(cache=True)
def are_few(values):
    """Whether fewer than LEAST_WINDOWS of the values are different."""
    seen = np.empty(LEAST_WINDOWS - 1, dtype=values.dtype)
    n = 0
    for value in values:
        if not (seen[:n] == value).any():
            if n == len(seen):
                return False
            seen[n] = value
            n += 1
    return True


@njit(cache=True)
def sketch(stream, bounds, width):
    """(n, N_HASHES) uint16 MinHash sketches of n streams.

    Of each minimum the low 16 bits are kept (b-bit MinHash, Li and König 2010). A stream of fewer than LEAST_WINDOWS
    different windows counts as one window, so that it is like an equal one alone. The sketch of an empty stream is 0.
    """
    n = len(bounds) - 1
    sketches = np.zeros((n, N_HASHES), dtype=np.uint16)
    hashes = np.empty(len(stream) + 1, dtype=np.uint32)
    least = np.empty(N_HASHES, dtype=np.uint32)
    for t in range(n):
        a, b = bounds[t], bounds[t + 1]
        size = window_hashes(stream, a, b, width, hashes)
        if size == 0:
            continue
        if are_few(hashes[:size]):
            size = 1
            hashes[0] = mix(value_of(stream[a:b]))
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
    """(n,) the least window hash of each stream, one that versions of a tune are likely to share.

    0 where the stream has fewer than LEAST_WINDOWS different windows, which many tunes may share.
    """
    n = len(bounds) - 1
    keys = np.zeros(n, dtype=np.uint64)
    hashes = np.empty(len(stream) + 1, dtype=np.uint32)
    for t in range(n):
        size = window_hashes(stream, bounds[t], bounds[t + 1], width, hashes)
        if not are_few(hashes[:size]):
            keys[t] = hashes[:size].min()
    return keys


@njit(cache=True)
def find(parent, i):
    """The root of ``i`` in the forest ``parent``; the way to it is made shorter for the next time."""
    while parent[i] != i:
        parent[i] = parent[parent[i]]
        i = parent[i]
    return i


@njit(cache=True)
def agreement(sketches, i, j):
    """Hashes that the sketches of two tunes have in common."""
    same = 0
    for k in range(sketches.shape[1]):
        same += sketches[i, k] == sketches[j, k]
    return same


@njit(cache=True)
def are_whole_alike(compared, present, whole, least_whole, i, j):
    """Whether the sketches of two tunes agree by ``least_whole`` in one of the views ``whole``."""
    for view in whole:
        if present[view, i] and present[view, j] and agreement(compared[view], i, j) >= least_whole:
            return True
    return False


@njit(cache=True)
def join_buckets(keys, order, view, least, compared, present, whole, least_whole, parent):
    """Join versions within the buckets, the runs of equal keys in this order.

    Each tune is compared with the first of its bucket. Only in a bucket of more than MAX_KNOWN / 2 tunes can the
    order of the tunes matter.

    Args:
        keys: (n,) of a part of each tune's sketch in the view numbered ``view``, where versions agree by ``least``.
        compared: (views, n, width) uint8 of all sketches; ``present`` (views, n) is False where a stream is empty.
        whole: numbers of the views of all voices, in one of which versions agree by ``least_whole``.
    """
    known = np.empty(MAX_KNOWN, dtype=np.int64)
    n_known = 0
    for at in range(len(order)):
        i = order[at]
        if at == 0 or keys[i] != keys[order[at - 1]]:
            n_known = 0
        if not present[view, i]:
            continue
        joined = False
        for j in known[:n_known]:
            a, b = find(parent, i), find(parent, j)
            if a == b:
                joined = True
            elif (
                present[view, j]
                and agreement(compared[view], i, j) >= least
                and are_whole_alike(compared, present, whole, least_whole, i, j)
            ):
                parent[max(a, b)] = min(a, b)
                joined = True
        if n_known < (MAX_KNOWN // 2 if joined else MAX_KNOWN):
            known[n_known] = i
            n_known += 1


def read_blocks(sketches: np.ndarray) -> Iterator[tuple[slice, np.ndarray]]:
    """Yield (which, sketches) block by block; if they are mapped from a file, a block is let go of after its turn."""
    for first in range(0, len(sketches), BLOCK):
        part = slice(first, min(first + BLOCK, len(sketches)))
        yield part, sketches[part]
        release(sketches)


def release(array: np.ndarray) -> None:
    """Let go of the memory that reading a mapped file took; it is read again when needed."""
    if isinstance(array.base, mmap.mmap) and hasattr(mmap, "MADV_DONTNEED"):
        array.base.madvise(mmap.MADV_DONTNEED)


def families(sketches: dict[str, np.ndarray], progress: Callable[[int], object] = lambda band: None) -> np.ndarray:
    """(n,) for each tune the first tune of its family: of all that are versions of it, directly or through others.

    Args:
        sketches: feature -> (n, N_HASHES), as from `sketch`.
        progress: is called after each band of each feature.
    """
    (n,) = {len(array) for array in sketches.values()}
    # Of each hash 8 bits are compared, which agree by chance in one of 256.
    width = min(N_HASHES, max(32, COMPARED_BYTES // max(len(sketches) * n, 1)))
    compared = np.empty((len(sketches), n, width), dtype=np.uint8)
    present = np.empty((len(sketches), n), dtype=np.bool_)
    for view, array in enumerate(sketches.values()):
        for part, block in read_blocks(array):
            compared[view, part] = block[:, :width]
            present[view, part] = block.any(axis=1)
    whole = np.array([view for view, name in enumerate(sketches) if FEATURES[name].whole])
    parent = np.arange(n)
    keys = np.empty(n, dtype=np.uint32)
    for view, (name, array) in enumerate(sketches.items()):
        least = int(np.ceil(FEATURES[name].threshold * width))
        for band in range(BANDS):
            for part, block in read_blocks(array):
                keys[part] = block[:, band * ROWS].astype(np.uint32) << np.uint32(16) | block[:, band * ROWS + 1]
            order = np.argsort(keys, kind="stable")
            join_buckets(keys, order, view, least, compared, present, whole, int(np.ceil(SUPPORT * width)), parent)
            progress(band)
    return roots(parent)


@njit(cache=True)
def roots(parent):
    """(n,) the root of each in the forest ``parent``."""
    out = np.empty_like(parent)
    for i in range(len(parent)):
        out[i] = find(parent, i)
    return out
