"""Families parted into clusters, and who is left out for whom."""

import itertools

import numpy as np
import pytest

from workflow.scripts.corpus import clusters
from workflow.scripts.corpus.build import build
from workflow.scripts.corpus.clusters import LINKED, are_versions, crossing, likeness, parted
from workflow.scripts.corpus.options import Options, Source
from workflow.scripts.corpus.versions import FEATURES, N_HASHES
from workflow.scripts.prepare import summary

RNG = np.random.default_rng(0)


def fresh(n: int) -> np.ndarray:
    """Sketches of n tunes that have nothing in common."""
    return RNG.integers(1, 1 << 16, (n, N_HASHES), dtype=np.uint16)


def views(whole: np.ndarray) -> dict[str, np.ndarray]:
    """The sketches of all views, if all but one are empty."""
    return {name: whole if name == "steps" else np.zeros_like(whole) for name in FEATURES}


def chain(n: int) -> np.ndarray:
    """Sketches of n tunes, of which each has half in common with the next, and nothing with those behind it."""
    tunes = fresh(n)
    for i in range(1, n):
        half = slice(0, N_HASHES // 2) if i % 2 else slice(N_HASHES // 2, N_HASHES)
        tunes[i, half] = tunes[i - 1, half]
    return tunes


def as_sets(cluster: np.ndarray) -> set[frozenset[int]]:
    return {frozenset(np.flatnonzero(cluster == i).tolist()) for i in cluster.tolist()}


def test_a_chain_is_parted_so_that_any_two_are_alike():
    sketches = views(np.concatenate([chain(9), fresh(1)]))
    cluster = parted(sketches, np.array([0] * 9 + [9]))
    for members in as_sets(cluster):
        for i, j in itertools.combinations(members, 2):
            assert likeness(sketches["steps"])[i, j] >= LINKED
    assert 5 <= len(as_sets(cluster)) - 1 <= 6  # pairs of neighbours, as many as find one
    assert cluster[9] == 9
    assert (cluster[cluster] == cluster).all()
    assert (cluster <= np.arange(10)).all()


def test_clusters_do_not_depend_on_the_order_of_tunes():
    whole = np.concatenate([chain(15), fresh(3)[[0, 1, 0, 2]]])
    family = np.zeros(len(whole), dtype=np.int64)
    order = np.random.default_rng(1).permutation(len(whole))
    moved = parted(views(whole[order]), family)
    assert {frozenset(order[list(members)].tolist()) for members in as_sets(moved)} == as_sets(
        parted(views(whole), family)
    )


def test_copies_in_a_large_family_are_one_cluster_and_cost_no_more_than_one(monkeypatch):
    monkeypatch.setattr(clusters, "LARGEST_LINKED", 4)
    kinds = fresh(10)
    kind = np.random.default_rng(2).integers(0, 10, 4000)
    cluster = parted(views(kinds[kind]), np.zeros(len(kind), dtype=np.int64))
    assert len(set(zip(kind.tolist(), cluster.tolist(), strict=True))) == len(set(kind.tolist())) == 10


@pytest.mark.parametrize("seed", range(5))
def test_no_versions_stay_in_two_splits_and_nobody_goes_for_nothing(seed):
    rng = np.random.default_rng(seed)
    sketches = views(np.concatenate([chain(30), chain(12), fresh(2)]))
    family = np.array([0] * 30 + [30] * 12 + [42, 43])
    cluster = parted(sketches, family)
    digests = rng.integers(0, 1 << 60, (44, 2), dtype=np.uint64)
    split = rng.integers(0, 3, 44)
    because = crossing(sketches, family, cluster, digests, split)
    stays = because < 0
    assert 5 < (~stays).sum() < 30
    for i in range(44):
        others = np.flatnonzero(stays & (split != split[i]))
        bad = others[are_versions(sketches, i, others) | (cluster[others] == cluster[i])]
        if stays[i]:
            assert not len(bad)
        else:
            assert because[i] in bad
            assert tuple(digests[because[i]]) < tuple(digests[i])  # so whoever has the least of a family stays
    assert stays[[42, 43]].all()
    assert (crossing(sketches, family, cluster, digests, np.zeros(44)) == -1).all()


def test_a_large_cluster_is_told_of_with_its_members(tmp_path):
    """Twelve tunes that differ from one another in one note each, among 300 that do not."""
    rng = np.random.default_rng(3)
    tunes = ["".join("CDEFGABcdefgab"[i] for i in row) for row in rng.integers(0, 14, (301, 60))]
    books = [tunes[0][:at] + "^F" + tunes[0][at + 1 :] for at in range(2, 58, 5)] + tunes[1:]
    (tmp_path / "book.abc").write_text("".join(f"X:{i}\nK:C\n{notes}|\n\n" for i, notes in enumerate(books)))
    report = build([Source("", str(tmp_path / "book.abc"))], tmp_path / "out", Options(val_fraction=0.1), 1)
    found = report["clusters"]
    assert (found["largest"], found["tunes_with_relatives"], len(found["ten_largest"])) == (12, 12, 1)
    (one,) = found["ten_largest"]
    assert one["tunes"] == 12
    assert LINKED <= one["least_likeness"] <= one["median_likeness"] < 1
    assert one["members"] == [f"book.abc line {line}" for line in (1, 5, 9, 13, 17)]
    said = [line for line in summary(report).splitlines() if line.startswith("warning: 12 tunes")]
    assert len(said) == 1
    assert said[0].endswith("book.abc line 13, book.abc line 17, ...")
    few = {**report, "tunes": 5000}
    assert "warning: 12 tunes" not in summary(few)


def test_tunes_over_one_bass_are_no_versions(shared, tmp_path):
    report = build([Source("", str(shared / "reports" / "versions" / "drone"))], tmp_path / "out", Options(), 1)
    assert report["tunes"] == report["clusters"]["clusters"] == 240
    assert report["rejected"] == {}
    assert report["leakage"]["in_force"]["either"] == 0
