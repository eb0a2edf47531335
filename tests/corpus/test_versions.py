"""Sketches, buckets and clusters against sets, on real tunes."""

import itertools
import re
from collections import Counter
from pathlib import Path

import numpy as np
import pytest

from workflow.scripts.corpus import versions
from workflow.scripts.corpus.measure import build
from workflow.scripts.corpus.options import Rules
from workflow.scripts.corpus.versions import FEATURES, N_HASHES, ROWS, clusters, sketch, window_hashes, window_key
from workflow.scripts.notation.sound import Ragged
from workflow.scripts.reading.sources import read_pieces


def windows(stream: Ragged, width: int) -> list[frozenset[bytes]]:
    """The set of windows of each tune, by slicing."""
    data = stream.values.tobytes()
    sets = []
    for a, b in itertools.pairwise(stream.bounds.tolist()):
        size = min(width, b - a)
        sets.append(frozenset(data[i : i + size] for i in range(a, b - size + 1)) if size else frozenset())
    return sets


def jaccard(one: frozenset, other: frozenset) -> float:
    return len(one & other) / len(one | other)


def pairs_above(sets: list[frozenset], threshold: float) -> dict[tuple[int, int], float]:
    """Every pair of tunes whose sets overlap by that much; each pair that shares anything is looked at."""
    holders: dict[bytes, list[int]] = {}
    for i, values in enumerate(sets):
        for value in values:
            holders.setdefault(value, []).append(i)
    shared = Counter(pair for tunes in holders.values() for pair in itertools.combinations(tunes, 2))
    return {
        (i, j): same / (len(sets[i]) + len(sets[j]) - same)
        for (i, j), same in shared.items()
        if same >= threshold * (len(sets[i]) + len(sets[j]) - same)
    }


@pytest.fixture(scope="module")
def two_books():
    """(sketches, sets of windows) of the distinct tunes of two collections inside music21, 1,900 of them."""
    from music21 import corpus

    from workflow.scripts.notation.sound import listen

    folder = Path(corpus.__file__).parent
    items = [*read_pieces(str(folder / "airdsAirs")), *read_pieces(str(folder / "ryansMammoth"))]
    shard = build(items, Rules())
    first = np.sort(np.unique(shard.tunes["digest"], axis=0, return_index=True)[1])
    parts = [shard.text[shard.bounds[i] : shard.bounds[i + 1]] for i in first]
    music = listen(np.concatenate(parts), np.concatenate(([0], np.cumsum([len(part) for part in parts]))))
    return (
        {name: array[first] for name, array in shard.sketches.items()},
        {name: windows(getattr(music, name), feature.width) for name, feature in FEATURES.items()},
    )


@pytest.fixture(scope="module")
def alike(two_books):
    """Every pair of tunes with an exact index of at least 0.1, by feature."""
    return {name: pairs_above(sets, 0.1) for name, sets in two_books[1].items()}


def same_partition(one: np.ndarray, other: np.ndarray) -> bool:
    pairs = len(set(zip(one.tolist(), other.tolist(), strict=True)))
    return pairs == len(set(one.tolist())) == len(set(other.tolist()))


def test_sketches_estimate_the_exact_index(two_books, alike):
    sketches, _ = two_books
    for name, pairs in alike.items():
        assert len(pairs) > 100
        exact = np.array([*pairs.values()])
        i, j = np.array([*pairs]).T
        error = (sketches[name][i] == sketches[name][j]).mean(axis=1) - exact
        # Binomial with N_HASHES draws: in units of its standard error neither shifted nor wider.
        inner = exact < 1
        units = error[inner] / np.sqrt(exact * (1 - exact) / N_HASHES)[inner]
        assert abs(units.mean()) < 0.3, name
        assert 0.75 < units.std() < 1.25, name
        assert (error[~inner] == 0).all(), name


def test_unrelated_tunes_seldom_agree(two_books):
    sketches, sets = two_books
    rng = np.random.default_rng(0)
    i, j = rng.integers(0, len(sketches["notes"]), (2, 2000))
    apart = np.array([not sets["notes"][a] & sets["notes"][b] for a, b in zip(i, j, strict=True)])
    assert apart.sum() > 1000
    assert (sketches["notes"][i] == sketches["notes"][j])[apart].mean() < 1e-3


def test_every_pair_alike_by_half_ends_in_one_cluster(two_books, alike):
    cluster = clusters(two_books[0])
    for name, pairs in alike.items():
        close = [pair for pair, index in pairs.items() if index >= 0.5]
        assert len(close) > 10, name
        assert [(i, j) for i, j in close if cluster[i] != cluster[j]] == [], name


def test_pairs_at_a_threshold_meet_and_those_well_below_never_do():
    rng = np.random.default_rng(4)
    n, least = 1000, int(np.ceil(FEATURES["steps"].threshold * N_HASHES))
    for agreeing, low, high in ((least, 0.985, 1), (least - 7, 0, 0)):  # a few hashes more agree by chance
        one, other = rng.integers(1, 1 << 16, (2, n, N_HASHES), dtype=np.uint16)
        where = rng.random((n, N_HASHES)).argsort(axis=1)[:, :agreeing]
        np.put_along_axis(other, where, np.take_along_axis(one, where, 1), 1)
        sketches = {name: np.zeros((2 * n, N_HASHES), np.uint16) for name in FEATURES}
        sketches["steps"] = np.concatenate([one, other])
        cluster = clusters(sketches)
        assert low <= np.mean(cluster[n:] == np.arange(n)) <= high
        assert (cluster[:n] == np.arange(n)).all()


def test_clusters_are_no_chains_of_everything(two_books):
    cluster = clusters(two_books[0])
    sizes = np.bincount(cluster)
    assert sizes.max() < 20
    assert (sizes == 1).sum() > 0.7 * len(cluster)


def test_a_cluster_is_named_by_its_first_tune(two_books):
    cluster = clusters(two_books[0])
    assert (cluster[cluster] == cluster).all()
    assert (cluster <= np.arange(len(cluster))).all()


@pytest.mark.parametrize("seed", range(3))
def test_clusters_do_not_depend_on_the_order_of_tunes(two_books, seed):
    sketches, _ = two_books
    order = np.random.default_rng(seed).permutation(len(sketches["notes"]))
    moved = clusters({name: array[order] for name, array in sketches.items()})
    back = np.empty(len(order), dtype=int)
    back[order] = moved
    assert same_partition(clusters(sketches), back)


def test_a_bridge_joins_whoever_comes_first():
    """B is alike to A and to C, which are not alike: whatever the order, they are one cluster."""
    a, b, c = np.random.default_rng(1).integers(1, 1 << 16, (3, N_HASHES), dtype=np.uint16)
    b[0::2], b[1::2] = a[0::2], c[1::2]  # half of each, yet no band in common with either
    a[:ROWS] = b[:ROWS] = c[:ROWS] = 7  # but for one bucket, in which all three meet
    for order in itertools.permutations((a, b, c)):
        empty = np.zeros((3, N_HASHES), dtype=np.uint16)
        sketches = {name: np.stack(order) if name == "steps" else empty for name in FEATURES}
        assert clusters(sketches).tolist() == [0, 0, 0]


def test_a_bucket_of_very_many_takes_no_time_and_clusters_its_copies(monkeypatch):
    n = 200_000
    one = np.random.default_rng(2).integers(1, 1 << 16, N_HASHES, dtype=np.uint16)
    copies = np.broadcast_to(one, (n, N_HASHES)).copy()
    empty = np.zeros((n, N_HASHES), dtype=np.uint16)
    monkeypatch.setattr(versions, "BLOCK", 1000)  # a bucket is never cut at a block's end
    monkeypatch.setattr(versions, "BANDS", 3)
    assert not clusters({name: copies if name == "notes" else empty for name in FEATURES}).any()


def test_empty_streams_are_nobodys_relatives():
    bounds = np.array([0, 0, 0, 4, 4])
    values = np.array([1, 2, 3, 4], dtype=np.int8)
    sketches = sketch(values, bounds, 6)
    assert not sketches[[0, 1, 3]].any()
    assert sketches[2].any()
    assert clusters(dict.fromkeys(FEATURES, sketches)).tolist() == [0, 1, 2, 3]
    assert window_key(values, bounds, 12).tolist()[:2] == [0, 0]


@pytest.mark.parametrize("dtype", [np.int8, np.uint8])
def test_a_window_has_one_hash_wherever_it_stands(dtype):
    values = np.random.default_rng(3).integers(0, 256, 500).astype(np.uint8).view(dtype)
    out = np.empty(600, dtype=np.uint32)
    whole = out[: window_hashes(values, 0, 500, 8, out)].copy()
    assert len(whole) == 493
    assert len(set(whole.tolist())) == 493
    for i in (0, 1, 250, 492):
        assert window_hashes(values, i, i + 8, 8, out) == 1
        assert out[0] == whole[i]
    assert window_hashes(values, 0, 5, 8, out) == 1  # a short stream is one window


SMAPS = Path("/proc/self/smaps")


def resident(path: Path) -> int:
    """Kilobytes of memory that this process holds of a file that it mapped."""
    _, here, rest = SMAPS.read_text().partition(f" {path}\n")
    assert here
    return int(re.search(r"^Rss: +(\d+) kB", rest, re.MULTILINE)[1])


@pytest.mark.skipif(not SMAPS.exists(), reason="needs Linux")
def test_sketches_that_are_mapped_from_a_file_are_let_go_once_read(tmp_path):
    path = tmp_path / "sketches"
    np.ones((4096, N_HASHES), np.uint16).tofile(path)
    mapped = np.memmap(path, np.uint16, "r", shape=(4096, N_HASHES))
    for _, block in versions.read_blocks(mapped):
        assert block.sum() == 4096 * N_HASHES
        assert resident(path) > 900
    assert resident(path) == 0


def test_no_tunes_make_no_clusters():
    none = np.zeros((0, N_HASHES), dtype=np.uint16)
    assert clusters(dict.fromkeys(FEATURES, none)).tolist() == []
