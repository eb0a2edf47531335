"""How many test tunes have a relative among the training tunes: an exact count, to check the clustering by.

Needs the shards and the split of every tune. Independent of `versions`: no sketches, no buckets, no clusters. The sets
of windows of the test tunes are held in full, every training tune is compared with all of them, and all shares are
exact. Two tunes are relatives if the Jaccard index of their windows is at least a half. Apart from that is told whether
half of the windows of one stand in the other, however much else that holds: a medley has a low index with each part.
"""

import itertools
from collections.abc import Callable
from pathlib import Path
from typing import NamedTuple

import numpy as np
from numba import njit

from workflow.scripts.base.progress import Progress
from workflow.scripts.corpus import selection
from workflow.scripts.corpus.selection import TEST, TRAIN
from workflow.scripts.corpus.shards import Shard, load_part, picked
from workflow.scripts.corpus.tunes import Tunes
from workflow.scripts.corpus.windows import NO_GAP, all_windows, count_distinct, window_values
from workflow.scripts.machine.pool import Pool
from workflow.scripts.notation.sound import Ragged, listen
from workflow.scripts.notation.steps import BREAK


class View(NamedTuple):
    """A stream that windows of ``width`` are taken over; none holds the byte ``gap``."""

    width: int
    gap: int = NO_GAP


VIEWS = {
    "notes": View(16),  # characters
    "steps": View(11, BREAK & 0xFF),  # on the staff
    "played": View(12, BREAK & 0xFF),  # semitones
}
EITHER = "either"  # by any of these
KINDS = ("jaccard", "contained", "containing")  # the index; the test tune in the training tune, and the other way round
THRESHOLD = 0.5
MIN_WINDOWS = 32  # distinct ones of a tune that may be found in another; fewer prove nothing
MAX_QUERIES = 2000  # test tunes looked at, if there are more: the share is known to 0.5% then
MAX_QUERY_NOTES = 1_000_000
MAX_PAIRS = 10  # told of each way to split
FILTER_BITS = 27

PAIR = np.dtype(
    [
        ("most", "<f8"),  # of the ways to be alike that count
        ("jaccard", "<f8"),
        ("of_test", "<f8"),  # share of the test tune's windows that the training tune has
        ("of_train", "<f8"),  # and the other way round
        ("tune", "<i8"),  # that trains
        ("view", "<i8"),  # number among VIEWS
    ]
)


@njit(cache=True)
def look_up(stream, bounds, width, gap, trains, index, first, owners, sizes, scheme, likeness, nearest):
    """Compare each query with every tune that trains under its scheme.

    Args:
        trains: (schemes, tunes) bool.
        index: sorted values of all windows of the queries; owners[first[i]:first[i + 1]] have index[i].
        sizes: (queries,) number of windows of each; ``scheme`` the row of trains that counts for it.
        likeness: (queries, 3) is filled with the most of each of `KINDS` that any tune has, where it counts.
        nearest: (queries,) `PAIR`, with the tune by its number here, of what is most alike in any way that counts.
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
        n = window_values(stream, bounds[t], bounds[t + 1], width, gap, values)
        n_touched = size = 0
        for value in values[:n]:
            if not passes[value >> shift >> np.uint64(6)] >> (value >> shift & np.uint64(63)) & np.uint64(1):
                continue
            at = np.searchsorted(index, value)
            if at == len(index) or index[at] != value or seen[at] == t:
                continue
            seen[at] = t
            for q in owners[first[at] : first[at + 1]]:
                if trains[scheme[q], t]:
                    if shared[q] == 0:
                        touched[n_touched] = q
                        n_touched += 1
                    shared[q] += 1
        for q in touched[:n_touched]:
            # With fewer neither counts as half of the other, whatever the size of this tune.
            if shared[q] >= THRESHOLD * min(sizes[q], MIN_WINDOWS):
                if size == 0:
                    size = count_distinct(values[:n])
                compare(shared[q], sizes[q], size, t, likeness[q], nearest[q])
            shared[q] = 0


@njit(cache=True)
def compare(shared, of_test, of_train, t, likeness, nearest):
    """Take in how alike a test tune and training tune ``t`` are, which share windows, by the numbers of windows."""
    jaccard = shared / (of_test + of_train - shared)
    contained = shared / of_test if of_test >= MIN_WINDOWS else 0.0
    containing = shared / of_train if of_train >= MIN_WINDOWS else 0.0
    likeness[0] = max(likeness[0], jaccard)
    likeness[1] = max(likeness[1], contained)
    likeness[2] = max(likeness[2], containing)
    most = max(jaccard, contained, containing)
    if most > nearest.most or (most == nearest.most and jaccard > nearest.jaccard):
        nearest.most, nearest.jaccard, nearest.tune = most, jaccard, t
        nearest.of_test, nearest.of_train = shared / of_test, shared / of_train


def streams(text: Ragged, played: Ragged) -> dict[str, Ragged]:
    """What windows are taken over, by view; steps as bytes, so that all are compiled as one type."""
    found = listen(*text)._asdict() | {"played": played}
    return {name: Ragged(found[name].values.view(np.uint8), found[name].bounds) for name in VIEWS}


def load_input(path: Path) -> tuple[Ragged, Ragged]:
    """Text and `played` of the tunes of a shard."""
    return (
        Ragged(load_part(path, "text"), load_part(path, "bounds")),
        Ragged(load_part(path, "played"), load_part(path, "played_bounds")),
    )


def collect(path: Path, which: np.ndarray) -> dict[str, tuple[np.ndarray, np.ndarray]]:
    """Windows of some tunes of a shard, (n,) bool: view -> (values, number of each tune's)."""
    windows = {}
    for name, stream in streams(*(picked(part, which) for part in load_input(path))).items():
        values, ends = all_windows(*stream, *VIEWS[name])
        sets = [np.unique(values[a:b]) for a, b in itertools.pairwise(ends.tolist())]
        windows[name] = np.concatenate([values[:0], *sets]), np.array([len(one) for one in sets], dtype=np.int64)
    return windows


def search(path: Path, trains: np.ndarray, queries: dict[str, Path]) -> dict[str, tuple[np.ndarray, np.ndarray]]:
    """How alike queries and the training tunes of a shard are: view -> (likeness, nearest), as of `look_up`."""
    found = {}
    for number, (name, (stream, bounds)) in enumerate(streams(*load_input(path)).items()):
        with np.load(queries[name]) as file:
            index, first, owners = file["index"], file["first"], file["owners"]
            sizes, scheme = file["sizes"], file["scheme"]
        likeness, nearest = np.zeros((len(sizes), len(KINDS))), np.zeros(len(sizes), PAIR)
        nearest["view"] = number
        look_up(stream, bounds, *VIEWS[name], trains, index, first, owners, sizes, scheme, likeness, nearest)
        found[name] = likeness, nearest
    return found


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
    shown: str | None = None,
) -> dict[str, dict]:
    """Leak of several ways to split: of the test tunes, the share with a relative that trains.

    Args:
        schemes: name -> (n,) TRAIN, TEST or other for every tune.
        order: (n,) uniform numbers that test tunes are drawn by, where there are more than MAX_QUERIES.
        scratch: folder for the windows of the test tunes.
        progress: is called with 1 for each shard that is done; each is done twice.
        shown: name of the way to split whose worst pairs are told.

    Returns:
        name -> `shares`; of the one that is shown ``pairs`` too, the worst `MAX_PAIRS` as from `pair_report`.
    """
    queries_of = [pick_queries(split == TEST, order, tunes.notes) for split in schemes.values()]
    any_picked = np.zeros(len(tunes), dtype=bool)
    any_picked[np.concatenate(queries_of)] = True
    held = []
    for found in pool.map(collect, ((path, any_picked[part]) for path, part in tunes.shards())):
        held.append(found)
        progress(1)
    rank = np.cumsum(any_picked) - 1  # of a tune among those that are queries of any
    chosen = rank[np.concatenate(queries_of)]
    scheme = np.repeat(np.arange(len(queries_of)), [len(queries) for queries in queries_of])
    files = {}
    for name in VIEWS:
        values = np.concatenate([found[name][0] for found in held])
        sizes = np.concatenate([found[name][1] for found in held])
        ends = np.cumsum(sizes)
        # One tune may be a query of several schemes.
        windows = [values[:0], *(values[ends[i] - sizes[i] : ends[i]] for i in chosen.tolist())]
        files[name] = scratch / f"queries-{name}.npz"
        save_index(files[name], np.concatenate(windows), sizes[chosen], scheme)
    trains = np.stack([split == TRAIN for split in schemes.values()])
    likeness, nearest = np.zeros((len(VIEWS), len(chosen), len(KINDS))), np.zeros(len(chosen), PAIR)
    tasks = ((path, trains[:, part], files) for path, part in tunes.shards())
    for found, part in zip(pool.map(search, tasks), tunes.parts, strict=True):
        for number, (new, pairs) in enumerate(found.values()):
            np.maximum(likeness[number], new, out=likeness[number])
            pairs["tune"] += part.start
            ahead = pairs["jaccard"] > nearest["jaccard"]
            better = (pairs["most"] > nearest["most"]) | ((pairs["most"] == nearest["most"]) & ahead)
            nearest[better] = pairs[better]
        progress(1)
    report = {}
    for number, (name, queries) in enumerate(zip(schemes, queries_of, strict=True)):
        report[name] = shares(likeness[:, scheme == number])
        if name == shown:
            mine = nearest[scheme == number]
            worst = np.lexsort((-mine["jaccard"], -mine["most"]))[:MAX_PAIRS]
            worst = worst[mine["most"][worst] >= THRESHOLD]
            report[name]["pairs"] = [pair_report(tunes, int(queries[i]), mine[i]) for i in worst.tolist()]
    return report


def shares(likeness: np.ndarray) -> dict:
    """What corpus.json says of a way to split, by (VIEWS, n, KINDS) how alike n test tunes and training tunes are.

    Returns:
        n as ``test_tunes``; of these the shares with a relative by each of VIEWS and by either; the same of those
        ``contained`` in a training tune, and of those ``containing`` one.
    """
    marks, n = likeness >= THRESHOLD, likeness.shape[1]
    found = np.concatenate([marks, marks.any(axis=0, keepdims=True)]).sum(axis=1) / max(n, 1)
    relatives, *halves = (dict(zip([*VIEWS, EITHER], kind, strict=True)) for kind in found.T.tolist())
    return {"test_tunes": n} | relatives | dict(zip(KINDS[1:], halves, strict=True))


def pair_report(tunes: Tunes, query: int, pair: np.void) -> dict:
    """A test tune and the training tune most like it, for a person to look at."""
    (test_path, test_line), (train_path, train_line) = place(tunes, query), place(tunes, int(pair["tune"]))
    return {
        "test_path": test_path,
        "test_line": test_line,
        "train_path": train_path,
        "train_line": train_line,
        "by": [*VIEWS][pair["view"]],
        **{name: round(float(pair[name]), 3) for name in ("jaccard", "of_test", "of_train")},
    }


def place(tunes: Tunes, number: int) -> tuple[str, int]:
    """File and line of a tune."""
    path, first = next((path, part.start) for path, part in tunes.shards() if number < part.stop)
    tune = load_part(path, "tunes")[number - first]
    return Shard.load_said(path)["files"][tune["file"]], int(tune["line"])


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
        return measure(pool, tunes, schemes, order, work, progress.update, "in_force")
