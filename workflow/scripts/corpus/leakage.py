"""How many test tunes have a relative among the training tunes: an exact count, to check the clustering by.

Needs the shards and the split of every tune. Independent of `versions`: no sketches, no buckets, no clusters. The sets
of windows of the test tunes are held in full, every training tune is compared with all of them, and the Jaccard index
is exact.
"""

import itertools
from collections.abc import Callable
from pathlib import Path

import numpy as np
from numba import njit

from workflow.scripts.base.progress import Progress
from workflow.scripts.corpus import selection
from workflow.scripts.corpus.selection import TEST, TRAIN
from workflow.scripts.corpus.shards import load_part
from workflow.scripts.corpus.tunes import Tunes
from workflow.scripts.machine.pool import Pool
from workflow.scripts.notation.sound import Ragged, listen

WIDTHS = {"notes": 16, "steps": 11}  # characters of note text, steps of melody
THRESHOLD = 0.5
MAX_QUERIES = 2000  # test tunes looked at, if there are more: the share is known to 0.5% then
MAX_QUERY_NOTES = 1_000_000
FILTER_BITS = 27


@njit(cache=True)
def window_values(stream, a, b, width, out):
    """Write the FNV-1a hash (RFC 9923) of every window of [a, b) to ``out``; returns how many.

    A shorter stream is one window.
    """
    width = min(width, b - a)
    if width == 0:
        return 0
    n = b - a - width + 1
    for i in range(n):
        value = np.uint64(0xCBF29CE484222325)
        for k in range(a + i, a + i + width):
            value = (value ^ np.uint64(stream[k])) * np.uint64(0x100000001B3)
        out[i] = value
    return n


@njit(cache=True)
def count_distinct(values):
    """How many different values, by a hash table: a sort takes seconds to compile. They are hashes themselves."""
    room = 4
    while room < 2 * len(values):
        room *= 2
    table = np.zeros(room, dtype=np.uint64)  # 0 is none
    mask = np.uint64(room - 1)
    n = zero = 0
    for value in values:
        if value == 0:
            zero = 1
            continue
        slot = value & mask
        while table[slot] != 0 and table[slot] != value:
            slot = (slot + np.uint64(1)) & mask
        n += table[slot] == 0
        table[slot] = value
    return n + zero


@njit(cache=True)
def all_windows(stream, bounds, width):
    """Windows of each stream, one after another, and (n + 1,) their bounds."""
    values = np.empty(len(stream) + 1, dtype=np.uint64)
    ends = np.zeros(len(bounds), dtype=np.int64)
    for t in range(len(bounds) - 1):
        ends[t + 1] = ends[t] + window_values(stream, bounds[t], bounds[t + 1], width, values[ends[t] :])
    return values[: ends[-1]], ends


@njit(cache=True)
def mark_relatives(stream, bounds, width, trains, index, first, owners, sizes, scheme, found):
    """Set found[q] for each query with a relative among the tunes that train under its scheme.

    Args:
        trains: (schemes, tunes) bool.
        index: sorted values of all windows of the queries; owners[first[i]:first[i + 1]] have index[i].
        sizes: (queries,) number of windows of each; ``scheme`` the row of trains that counts for it.
    """
    shift = np.uint64(64 - FILTER_BITS)
    passes = np.zeros(1 << (FILTER_BITS - 6), dtype=np.uint64)  # a bit for each beginning of a value
    for value in index:
        passes[value >> shift >> np.uint64(6)] |= np.uint64(1) << (value >> shift & np.uint64(63))
    values = np.empty(len(stream) + 1, dtype=np.uint64)
    seen = np.full(len(index), -1, dtype=np.int64)  # the last tune that has a value
    shared = np.zeros(len(sizes), dtype=np.int64)
    touched = np.empty(len(sizes), dtype=np.int64)
    for t in range(len(bounds) - 1):
        if not trains[:, t].any():
            continue
        n = window_values(stream, bounds[t], bounds[t + 1], width, values)
        n_touched = size = 0
        for value in values[:n]:
            if not passes[value >> shift >> np.uint64(6)] >> (value >> shift & np.uint64(63)) & np.uint64(1):
                continue
            at = np.searchsorted(index, value)
            if at == len(index) or index[at] != value or seen[at] == t:
                continue
            seen[at] = t
            for q in owners[first[at] : first[at + 1]]:
                if not found[q] and trains[scheme[q], t]:
                    if shared[q] == 0:
                        touched[n_touched] = q
                        n_touched += 1
                    shared[q] += 1
        for q in touched[:n_touched]:
            if shared[q] >= THRESHOLD * sizes[q]:  # else no size of this tune makes it a relative
                if size == 0:
                    size = count_distinct(values[:n])
                found[q] = shared[q] >= THRESHOLD * (sizes[q] + size - shared[q])
            shared[q] = 0


def streams(text: np.ndarray, bounds: np.ndarray) -> dict[str, Ragged]:
    """What windows are taken over, by feature; steps as bytes, so that both are compiled as one type."""
    music = listen(text, bounds)
    return {name: Ragged(getattr(music, name).values.view(np.uint8), getattr(music, name).bounds) for name in WIDTHS}


def collect(path: Path, picked: np.ndarray) -> dict[str, tuple[np.ndarray, np.ndarray]]:
    """Windows of some tunes of a shard: feature -> (values, number of each tune's)."""
    text, bounds = load_part(path, "text"), load_part(path, "bounds")
    inside = np.repeat(picked, np.diff(bounds))
    found = streams(text[inside], np.concatenate(([0], np.cumsum(np.diff(bounds)[picked]))))
    windows = {}
    for feature, stream in found.items():
        values, ends = all_windows(*stream, WIDTHS[feature])
        sets = [np.unique(values[a:b]) for a, b in itertools.pairwise(ends.tolist())]
        windows[feature] = np.concatenate([values[:0], *sets]), np.array([len(one) for one in sets], dtype=np.int64)
    return windows


def search(path: Path, trains: np.ndarray, queries: dict[str, Path]) -> dict[str, np.ndarray]:
    """Which queries have a relative among the training tunes of one shard, by feature."""
    marks = {}
    for feature, (stream, bounds) in streams(load_part(path, "text"), load_part(path, "bounds")).items():
        with np.load(queries[feature]) as file:
            index, first, owners = file["index"], file["first"], file["owners"]
            sizes, scheme = file["sizes"], file["scheme"]
        found = np.zeros(len(sizes), dtype=np.bool_)
        mark_relatives(stream, bounds, WIDTHS[feature], trains, index, first, owners, sizes, scheme, found)
        marks[feature] = found
    return marks


def save_index(path: Path, values: np.ndarray, sizes: np.ndarray, scheme: np.ndarray) -> None:
    """Store the windows of all queries, ``sizes`` of them each, to be looked up by value."""
    owners = np.repeat(np.arange(len(sizes)), sizes)
    order = np.argsort(values, kind="stable")
    index, first = np.unique(values[order], return_index=True)
    np.savez(path, index=index, first=np.append(first, len(values)), owners=owners[order], sizes=sizes, scheme=scheme)


def pick_queries(test: np.ndarray, order: np.ndarray, notes: np.ndarray) -> np.ndarray:
    """Numbers of at most MAX_QUERIES test tunes, and of fewer if they hold more than MAX_QUERY_NOTES notes."""
    candidates = np.flatnonzero(test)
    candidates = candidates[np.argsort(order[candidates], kind="stable")][:MAX_QUERIES]
    enough = np.cumsum(notes[candidates]) <= MAX_QUERY_NOTES
    enough[:1] = True
    return np.sort(candidates[enough])


def measure(
    pool: Pool,
    tunes: Tunes,
    schemes: dict[str, np.ndarray],
    order: np.ndarray,
    scratch: Path,
    progress: Callable[[int], object],
) -> dict[str, dict]:
    """Leak of several ways to split: of the test tunes, the share with a relative that trains.

    Args:
        schemes: name -> (n,) TRAIN, TEST or other for every tune.
        order: (n,) uniform numbers that test tunes are drawn by, where there are more than MAX_QUERIES.
        scratch: folder for the windows of the test tunes.
        progress: is called with 1 for each shard that is done; each is done twice.

    Returns:
        name -> tunes looked at, and the shares with a relative by ``notes``, by ``steps`` and by ``either``.
    """
    picked = [pick_queries(split == TEST, order, tunes.notes) for split in schemes.values()]
    any_picked = np.zeros(len(tunes), dtype=bool)
    any_picked[np.concatenate(picked)] = True
    held = []
    for found in pool.map(collect, ((path, any_picked[part]) for path, part in tunes.shards())):
        held.append(found)
        progress(1)
    rank = np.cumsum(any_picked) - 1  # of a picked tune among the picked
    chosen = rank[np.concatenate(picked)]
    scheme = np.repeat(np.arange(len(picked)), [len(queries) for queries in picked])
    files = {}
    for feature in WIDTHS:
        values = np.concatenate([found[feature][0] for found in held])
        sizes = np.concatenate([found[feature][1] for found in held])
        ends = np.cumsum(sizes)
        # One tune may be a query of several schemes.
        windows = [values[:0], *(values[ends[i] - sizes[i] : ends[i]] for i in chosen.tolist())]
        files[feature] = scratch / f"queries-{feature}.npz"
        save_index(files[feature], np.concatenate(windows), sizes[chosen], scheme)
    trains = np.stack([split == TRAIN for split in schemes.values()])
    marks = {feature: np.zeros(len(chosen), dtype=bool) for feature in WIDTHS}
    for found in pool.map(search, ((path, trains[:, part], files) for path, part in tunes.shards())):
        for feature, new in found.items():
            marks[feature] |= new
        progress(1)
    marks["either"] = marks["notes"] | marks["steps"]
    return {
        name: {"test_tunes": len(queries)}
        | {feature: float(mark[scheme == number].mean()) if len(queries) else 0.0 for feature, mark in marks.items()}
        for number, (name, queries) in enumerate(zip(schemes, picked, strict=True))
    }


def leak(tunes: Tunes, chosen: selection.Selection, work: Path, pool: Pool) -> dict:
    """`measure` of the split in force, and of two simpler ones: what corpus.json says of leakage."""
    val, test = chosen.val_fraction, chosen.test_fraction
    whole = tunes.digest[:, 0] ^ np.arange(len(tunes), dtype=np.uint64)
    schemes = {
        "in_force": chosen.fate,
        "exact_duplicates_only": np.where(
            chosen.fate == selection.DUPLICATE,
            selection.DUPLICATE,
            selection.splits_of(selection.uniform(tunes.digest[:, 0], "exact"), val, test),
        ),
        "random": selection.splits_of(selection.uniform(whole, "random"), val, test),
    }
    order = selection.uniform(whole, "cap")
    with Progress("measure leaks", 2 * len(tunes.paths), "shards") as progress:
        return measure(pool, tunes, schemes, order, work, progress.update)
