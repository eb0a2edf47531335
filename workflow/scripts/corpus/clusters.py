"""Families of versions -> clusters, the tunes that would cross a split, and what the report says of both.

Needs the sketches and the families of `versions`. A family may be a chain, in which A is like B and B like C, but C has
nothing of A: so the psalms of one composer hang together by the formulas that half of each is made of. Of a cluster any
two are alike (complete linkage). Versions in two clusters of a family are still kept out of two splits, by `crossing`.
"""

from collections.abc import Iterator

import numpy as np

from workflow.scripts.corpus.selection import Selection
from workflow.scripts.corpus.shards import load_part
from workflow.scripts.corpus.tunes import Tunes
from workflow.scripts.corpus.versions import FEATURES, N_HASHES, SUPPORT
from workflow.scripts.corpus.write import places

LINKED = 0.28  # least likeness of two tunes of a cluster; two standard errors above SUPPORT
LARGEST_LINKED = 500  # different tunes that are linked at once; the time grows with the cube
REPORTED = 10  # clusters
NAMED = 5  # members of each
COMPARED = 50  # members of each


def parted(sketches: dict[str, np.ndarray], family: np.ndarray) -> np.ndarray:
    """(n,) for each tune the first of its cluster, the tunes of its family any two of which are alike as a whole.

    Only in a family of more than LARGEST_LINKED different tunes can two clusters be left that make one.

    Args:
        sketches: feature -> (n, N_HASHES), as from `versions.sketch`.
        family: (n,) as from `versions.families`.
    """
    cluster = np.arange(len(family))
    for members in groups(family):
        whole = np.concatenate([sketches[name][members] for name in sketches if FEATURES[name].whole], axis=1)
        # Copies are one tune here. And sorted by what they are like, tunes are linked the same in whatever order.
        distinct, copy_of = np.unique(whole, axis=0, return_inverse=True)
        label = np.arange(len(distinct))
        for first in range(0, len(distinct), LARGEST_LINKED):
            part = slice(first, min(first + LARGEST_LINKED, len(distinct)))
            label[part] = first + linked(likeness(distinct[part]))
        first_of = np.full(len(distinct), len(family))
        np.minimum.at(first_of, label[copy_of], members)
        cluster[members] = first_of[label[copy_of]]
    return cluster


def groups(family: np.ndarray) -> Iterator[np.ndarray]:
    """The numbers of the tunes of each family that has more than one, in rising order."""
    several = np.flatnonzero(np.bincount(family, minlength=len(family))[family] > 1)
    several = several[np.argsort(family[several], kind="stable")]
    if len(several):
        yield from np.split(several, np.flatnonzero(np.diff(family[several])) + 1)


def likeness(whole: np.ndarray) -> np.ndarray:
    """(m, m) estimated Jaccard index of every two of m tunes in that view of all voices in which they are most alike.

    Args:
        whole: (m, views * N_HASHES) sketches of a tune side by side.
    """
    alike = np.zeros((len(whole), len(whole)), dtype=np.float32)
    for view in np.split(whole, len(whole[0]) // N_HASHES, axis=1):
        for i in np.flatnonzero(view.any(axis=1)).tolist():
            alike[i] = np.maximum(alike[i], (view == view[i]).mean(axis=1))
    return alike


def linked(alike: np.ndarray) -> np.ndarray:
    """(m,) the first of each one's cluster: again and again the two are joined whose least likeness is the highest."""
    alike = alike.copy()
    np.fill_diagonal(alike, 0)
    label = np.arange(len(alike))
    while True:
        i, j = sorted(np.unravel_index(np.argmax(alike), alike.shape))
        if alike[i, j] < LINKED:
            return label
        alike[i] = alike[:, i] = np.minimum(alike[i], alike[j])
        alike[j] = alike[:, j] = 0
        alike[i, i] = 0
        label[label == j] = i


def crossing(
    sketches: dict[str, np.ndarray], family: np.ndarray, cluster: np.ndarray, digests: np.ndarray, split: np.ndarray
) -> np.ndarray:
    """(n,) for each tune one that stays and that keeps it out: a version of it in another split. -1 if it stays itself.

    In the order of their digests tunes stay, but for those that such a version came before.

    Args:
        sketches: feature -> (n, N_HASHES), as from `versions.sketch`.
        family: (n,) as from `versions.families`; ``cluster`` as from `parted`, of which all are versions.
        digests: (n, 2) uint64.
        split: (n,) each tune's own.
    """
    because = np.full(len(family), -1)
    for members in groups(family):
        if (split[members] == split[members[0]]).all():
            continue
        members = members[np.lexsort((digests[members, 1], digests[members, 0]))]
        rows = {name: array[members] for name, array in sketches.items()}
        stays = np.zeros(len(members), dtype=bool)
        for i, tune in enumerate(members.tolist()):
            rivals = np.flatnonzero(stays & (split[members] != split[tune]))
            found = rivals[cluster[members[rivals]] == cluster[tune]]
            if not len(found):
                found = rivals[are_versions(rows, i, rivals)]
            if len(found):
                because[tune] = members[found[0]]
            else:
                stays[i] = True
    return because


def of_held_out(
    sketches: dict[str, np.ndarray], family: np.ndarray, cluster: np.ndarray, trains: np.ndarray
) -> np.ndarray:
    """(n,) for each tune that trains the first version of it that does not; -1 if it has none, or is no such tune.

    Args:
        sketches, family, cluster: as of `crossing`.
        trains: (n,) bool.
    """
    because = np.full(len(family), -1)
    for members in groups(family):
        held_out = np.flatnonzero(~trains[members])
        rows = {name: array[members] for name, array in sketches.items()}
        for i in np.flatnonzero(trains[members]).tolist() if len(held_out) else []:
            found = held_out[cluster[members[held_out]] == cluster[members[i]]]
            if not len(found):
                found = held_out[are_versions(rows, i, held_out)]
            if len(found):
                because[members[i]] = members[found[0]]
    return because


def are_versions(sketches: dict[str, np.ndarray], i: int, others: np.ndarray) -> np.ndarray:
    """(k,) whether a tune and each of k others are alike in some view, and as a whole."""
    some = np.zeros(len(others), dtype=bool)
    whole = np.zeros(len(others), dtype=bool)
    for name, array in sketches.items():
        if array[i].any():
            index = (array[others] == array[i]).mean(axis=1)
            some |= index >= FEATURES[name].threshold
            whole |= FEATURES[name].whole & (index >= SUPPORT)
    return some & whole


def cluster_report(tunes: Tunes, chosen: Selection) -> dict:
    """How many of the kept tunes have versions, and what the largest clusters are made of."""
    kept = chosen.fate >= 0
    sizes = np.bincount(chosen.anchor[kept], minlength=len(tunes))
    largest = [int(i) for i in np.argsort(-sizes, kind="stable")[:REPORTED] if sizes[i] > 1]
    members = [np.flatnonzero(kept & (chosen.anchor == anchor))[:COMPARED] for anchor in largest]
    named = places(tunes, np.concatenate([np.zeros(0, np.int64), *(tunes_of[:NAMED] for tunes_of in members)]))
    return {
        "clusters": int((sizes > 0).sum()),
        "tunes_with_relatives": int(sizes[sizes > 1].sum()),
        "largest": int(sizes.max()),
        "ten_largest": [
            {"tunes": int(sizes[anchor])} | spread(tunes, mine) | {"members": [named[i] for i in mine[:NAMED].tolist()]}
            for anchor, mine in zip(largest, members, strict=True)
        ],
        "features": {name: feature._asdict() for name, feature in FEATURES.items()},
        "support": SUPPORT,
        "linked": LINKED,
    }


def spread(tunes: Tunes, members: np.ndarray) -> dict[str, float]:
    """Least and median likeness of any two of some tunes as a whole, by their sketches."""
    found = []
    for path, part in tunes.shards():
        mine = members[(members >= part.start) & (members < part.stop)] - part.start
        if len(mine):
            names = [f"sketch_{name}" for name, feature in FEATURES.items() if feature.whole]
            found.append(np.concatenate([load_part(path, name)[mine] for name in names], axis=1))
    alike = likeness(np.concatenate(found))[np.triu_indices(len(members), 1)]
    return {"least_likeness": round(float(alike.min()), 3), "median_likeness": round(float(np.median(alike)), 3)}
