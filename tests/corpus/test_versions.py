"""Sketches, buckets and families against sets, on real tunes."""

import itertools
import re
from collections import Counter
from pathlib import Path

import numpy as np
import pytest

from workflow.scripts.corpus import versions
from workflow.scripts.corpus.clusters import groups, parted
from workflow.scripts.corpus.measure import build
from workflow.scripts.corpus.options import Rules
from workflow.scripts.corpus.versions import (
    BREAK,
    FEATURES,
    LEAST_WINDOWS,
    N_HASHES,
    ROWS,
    SUPPORT,
    families,
    sketch,
    window_hashes,
    window_key,
)
from workflow.scripts.notation.sound import Ragged
from workflow.scripts.reading.sources import read_pieces


def windows(stream: Ragged, width: int) -> list[frozenset[bytes]]:
    """The set of windows of each tune, by slicing; of few windows the whole tune in their place."""
    data = stream.values.tobytes()
    sets = []
    for a, b in itertools.pairwise(stream.bounds.tolist()):
        found = frozenset(data[i : i + width] for i in range(a, b - width + 1))
        sets.append(found if len(found) >= LEAST_WINDOWS else frozenset([data[a:b]] if b > a else []))
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
        # Nothing here was played.
        {name: windows(getattr(music, name), FEATURES[name].width) for name in FEATURES if name != "played"},
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


def test_every_pair_alike_by_half_as_a_whole_is_of_one_family(two_books, alike):
    family = families(two_books[0])
    for name, pairs in alike.items():
        close = {pair for pair, index in pairs.items() if index >= 0.5}
        if not FEATURES[name].whole:
            close &= set(alike["notes"]) & set(alike["steps"])
            close = {pair for pair in close if max(alike["notes"][pair], alike["steps"][pair]) > SUPPORT + 0.1}
        assert len(close) > 10, name
        assert [(i, j) for i, j in close if family[i] != family[j]] == [], name


def test_tunes_that_share_one_voice_alone_are_no_family():
    """The first voice of 100 tunes is the same, as a bass or a drum may be, and their other voices are their own."""
    sketches = {name: np.random.default_rng(6).integers(1, 1 << 16, (100, N_HASHES), np.uint16) for name in FEATURES}
    for name in ("lead", "contour"):
        sketches[name][:] = sketches[name][0]
    sketches["played"][:] = sketches["notes"][:] = 0
    assert families(sketches).tolist() == list(range(100))


def test_any_two_tunes_of_a_cluster_have_a_fifth_in_common(two_books):
    sketches, sets = two_books
    cluster = parted(sketches, families(sketches))
    inside = [
        max(jaccard(sets[name][i], sets[name][j]) for name in ("notes", "steps"))
        for members in groups(cluster)
        for i, j in itertools.combinations(members, 2)
    ]
    assert len(inside) > 100
    assert min(inside) > 0.2


def test_few_windows_prove_nothing_unless_all_is_the_same():
    turns = np.array([2, -2] * 50, np.int16)  # two windows
    other = np.append(turns, turns[:1])
    long = np.random.default_rng(5).integers(-5, 6, 200).astype(np.int16)
    values = [turns, other, turns, long, np.append(long, 3)]
    sketches = sketch(np.concatenate(values), np.cumsum([0, *map(len, values)]), 6)
    assert (sketches[0] == sketches[2]).all()
    assert (sketches[0] == sketches[1]).mean() < 0.05
    assert (sketches[3] == sketches[4]).mean() > 0.95
    assert window_key(np.concatenate(values), np.cumsum([0, *map(len, values)]), 12).astype(bool).tolist() == (
        [False] * 3 + [True] * 2
    )


def test_pairs_at_a_threshold_meet_and_those_well_below_never_do():
    rng = np.random.default_rng(4)
    n, least = 1000, int(np.ceil(FEATURES["steps"].threshold * N_HASHES))
    for agreeing, low, high in ((least, 0.985, 1), (least - 7, 0, 0)):  # a few hashes more agree by chance
        one, other = rng.integers(1, 1 << 16, (2, n, N_HASHES), dtype=np.uint16)
        where = rng.random((n, N_HASHES)).argsort(axis=1)[:, :agreeing]
        np.put_along_axis(other, where, np.take_along_axis(one, where, 1), 1)
        sketches = {name: np.zeros((2 * n, N_HASHES), np.uint16) for name in FEATURES}
        sketches["steps"] = np.concatenate([one, other])
        family = families(sketches)
        assert low <= np.mean(family[n:] == np.arange(n)) <= high
        assert (family[:n] == np.arange(n)).all()


def test_families_are_no_chains_of_everything(two_books):
    sizes = np.bincount(families(two_books[0]))
    assert sizes.max() < 20
    assert (sizes == 1).sum() > 0.7 * sizes.sum()


def test_a_family_is_named_by_its_first_tune(two_books):
    family = families(two_books[0])
    assert (family[family] == family).all()
    assert (family <= np.arange(len(family))).all()


@pytest.mark.parametrize("seed", range(3))
def test_families_do_not_depend_on_the_order_of_tunes(two_books, seed):
    sketches, _ = two_books
    order = np.random.default_rng(seed).permutation(len(sketches["notes"]))
    moved = families({name: array[order] for name, array in sketches.items()})
    back = np.empty(len(order), dtype=int)
    back[order] = moved
    assert same_partition(families(sketches), back)


def test_a_bridge_joins_whoever_comes_first():
    """B is alike to A and to C, which are not alike: whatever the order, they are one family."""
    a, b, c = np.random.default_rng(1).integers(1, 1 << 16, (3, N_HASHES), dtype=np.uint16)
    b[0::2], b[1::2] = a[0::2], c[1::2]  # half of each, yet no band in common with either
    a[:ROWS] = b[:ROWS] = c[:ROWS] = 7  # but for one bucket, in which all three meet
    for order in itertools.permutations((a, b, c)):
        empty = np.zeros((3, N_HASHES), dtype=np.uint16)
        sketches = {name: np.stack(order) if name == "steps" else empty for name in FEATURES}
        assert families(sketches).tolist() == [0, 0, 0]


def test_a_bucket_of_very_many_takes_no_time_and_joins_its_copies(monkeypatch):
    n = 200_000
    one = np.random.default_rng(2).integers(1, 1 << 16, N_HASHES, dtype=np.uint16)
    copies = np.broadcast_to(one, (n, N_HASHES)).copy()
    empty = np.zeros((n, N_HASHES), dtype=np.uint16)
    monkeypatch.setattr(versions, "BLOCK", 1000)  # a bucket is never cut at a block's end
    monkeypatch.setattr(versions, "BANDS", 3)
    assert not families({name: copies if name == "notes" else empty for name in FEATURES}).any()


def test_empty_streams_are_nobodys_relatives():
    bounds = np.array([0, 0, 0, 4, 4])
    values = np.array([1, 2, 3, 4], dtype=np.int8)
    sketches = sketch(values, bounds, 6)
    assert not sketches[[0, 1, 3]].any()
    assert sketches[2].any()
    assert families(dict.fromkeys(FEATURES, sketches)).tolist() == [0, 1, 2, 3]
    assert window_key(values, bounds, 12).tolist()[:2] == [0, 0]


@pytest.mark.parametrize("dtype", [np.int8, np.uint8])
def test_a_window_has_one_hash_wherever_it_stands(dtype):
    values = np.random.default_rng(3).integers(0, 256, 500).astype(np.uint8).view(dtype)
    values[values == BREAK] = 0
    out = np.empty(600, dtype=np.uint32)
    whole = out[: window_hashes(values, 0, 500, 8, out)].copy()
    assert len(whole) == 493
    assert len(set(whole.tolist())) == 493
    for i in (0, 1, 250, 492):
        assert window_hashes(values, i, i + 8, 8, out) == 1
        assert out[0] == whole[i]
    assert window_hashes(values, 0, 5, 8, out) == 1  # a short stream is one window


def test_no_window_holds_a_break():
    values = np.array([1, 2, 3, BREAK, 4, 5, 6, BREAK, BREAK, 7, 8, 9, 1, 2, 3], dtype=np.int16)
    out = np.empty(20, dtype=np.uint32)
    whole = out[: window_hashes(values, 0, len(values), 3, out)].tolist()
    assert len(whole) == 6
    assert whole[0] == whole[-1]
    for at, window in zip([0, 4, 9, 10, 11, 12], whole, strict=True):
        assert window_hashes(values, at, at + 3, 3, out) == 1
        assert out[0] == window
    assert window_hashes(values, 0, len(values), 7, out) == 0


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


def test_no_tunes_make_no_families():
    none = np.zeros((0, N_HASHES), dtype=np.uint16)
    assert families(dict.fromkeys(FEATURES, none)).tolist() == []
