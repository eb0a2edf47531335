"""What is kept of real tunes, and in which split: what `select` decides when tunes are added or left out."""

import re
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from workflow.scripts.corpus.build import select
from workflow.scripts.corpus.measure import build
from workflow.scripts.corpus.options import Options, Rules, Source
from workflow.scripts.corpus.selection import (
    CROSSES_SPLIT,
    DUPLICATE,
    OVER_CAP,
    TEST,
    TOO_LARGE,
    TRAIN,
    VAL,
)
from workflow.scripts.corpus.shards import Shard
from workflow.scripts.corpus.tunes import Tunes, load_tunes
from workflow.scripts.notation.clean import END, START, find_tunes
from workflow.scripts.reading.sources import Piece, read_pieces


def tunes_of(items, work: Path, number: int = 0) -> Tunes:
    """One shard of pieces, as the builder makes it."""
    path = work / f"shard-{number}.npz"
    build(items, Rules()).save(path, "")
    return load_tunes([Source("", "music21")], [path], [0], None)


@pytest.fixture(scope="module")
def pieces():
    return list(read_pieces("music21"))


def places(items, tunes: Tunes, work: Path, number: int, **options) -> dict[tuple[str, int], int]:
    """(path, line) -> fate."""
    chosen = select(tunes, [Source("", "music21")], Options(**options), work)
    shard = Shard.load(work / f"shard-{number}.npz")
    rows = [(shard.files[tune["file"]], int(tune["line"])) for tune in shard.tunes]
    assert len(set(rows)) == len(rows)
    # A cluster never crosses.
    kept = chosen.fate >= 0
    by_anchor = {}
    for anchor, fate in zip(chosen.anchor[kept].tolist(), chosen.fate[kept].tolist(), strict=True):
        assert by_anchor.setdefault(anchor, fate) == fate
    # Who was dropped was dropped for somebody.
    lost = np.isin(chosen.fate, (DUPLICATE, CROSSES_SPLIT))
    assert (chosen.because[lost] >= 0).all()
    assert (chosen.because[~lost] == -1).all()
    assert (tunes.digest[chosen.because[chosen.fate == DUPLICATE]] == tunes.digest[chosen.fate == DUPLICATE]).all()
    return dict(zip(rows, chosen.fate.tolist(), strict=True))


@pytest.mark.parametrize("first", [True, False], ids=["more after", "more before"])
def test_adding_tunes_moves_none_between_splits(pieces, tmp_path, first):
    sizes = np.cumsum([len(piece.data) for piece in pieces])
    middle = int(np.searchsorted(sizes, sizes[-1] / 2))
    half = pieces[:middle] if first else pieces[middle:]
    few = places(half, tunes_of(half, tmp_path, 0), tmp_path, 0)
    many = places(pieces, tunes_of(pieces, tmp_path, 1), tmp_path, 1)
    both = [place for place in few if few[place] >= 0 and many[place] >= 0]
    assert len(both) > 1000
    assert len(many) > 1.3 * len(few)
    assert [(place, few[place], many[place]) for place in both if few[place] != many[place]] == []
    assert {few[place] for place in both} == {TRAIN, VAL, TEST}


def test_bridges_between_tunes_push_out_but_never_move(pieces, tmp_path):
    """Tunes made of the first half of one and the second half of another make clusters of what was apart."""
    book = next(piece for piece in pieces if piece.path == "airdsAirs/book1.abc")
    found = find_tunes(np.frombuffer(book.data, np.uint8))
    texts = [book.data[a:b].decode() for a, b in found[:, [START, END]]]
    bodies = [text.partition("\nK:")[2].partition("\n")[2] for text in texts]
    rng = np.random.default_rng(5)
    bridges = []
    for k in range(200):
        i, j = rng.integers(0, len(bodies), 2)
        bridges.append(f"X:{k}\nM:4/4\nL:1/8\nK:C\n" + re.sub("\n+", "\n", bodies[i] + "\n" + bodies[j]) + "\n\n")
    more = replace(book, path="bridges.abc", data="".join(bridges).encode())
    shares = {"val_fraction": 0.2, "test_fraction": 0.2}  # of fewer the bridges leave none in a split
    few = places([book], tunes_of([book], tmp_path, 0), tmp_path, 0, **shares)
    for number, items in enumerate(([book, more], [more, book]), 1):
        many = places(items, tunes_of(items, tmp_path, number), tmp_path, number, **shares)
        both = [place for place in few if few[place] >= 0 and many[place] >= 0]
        assert [place for place in both if few[place] != many[place]] == []
        pushed = [place for place in few if few[place] >= 0 and many[place] == CROSSES_SPLIT]
        assert pushed  # else no bridge held
        assert len(both) + len(pushed) >= sum(fate >= 0 for fate in few.values())


def test_only_where_the_floor_takes_a_step_do_tunes_move(pieces, tmp_path):
    tunes = tunes_of(pieces, tmp_path)
    chars = int(tunes.chars.sum())
    low = places(pieces, tunes, tmp_path, 0, min_test_chars=0)
    high = places(pieces, tunes, tmp_path, 0, min_test_chars=int(0.09 * chars))
    moves = {(low[place], high[place]) for place in low if low[place] >= 0 and high[place] >= 0}
    assert moves == {(TRAIN, TRAIN), (VAL, VAL), (TEST, TEST), (TRAIN, TEST)}


def test_a_tune_of_most_of_the_text_is_left_out_of_training_alone(pieces, tmp_path):
    tunes = tunes_of(pieces, tmp_path)
    tunes.chars = tunes.chars.copy()
    before = select(tunes, [Source("", "music21")], Options(), tmp_path)
    picked = {split: int(np.flatnonzero(before.fate == split)[0]) for split in (TRAIN, TEST)}
    tunes.chars[[*picked.values()]] = 10**8
    after = select(tunes, [Source("", "music21")], Options(min_test_chars=0), tmp_path)
    assert after.fate[picked[TRAIN]] == TOO_LARGE
    assert after.fate[picked[TEST]] == TEST
    assert (np.delete(after.fate, picked[TRAIN]) == np.delete(before.fate, picked[TRAIN])).all()


@pytest.mark.parametrize("fraction", [0.05, 0.2])
def test_five_tunes_are_a_corpus_and_a_cluster_of_theirs_never_crosses(pieces, tmp_path, fraction):
    book = next(piece for piece in pieces if piece.path == "airdsAirs/book1.abc")
    texts = [book.data[a:b] for a, b in find_tunes(np.frombuffer(book.data, np.uint8))[:, [START, END]]]
    for number in range(20):
        few = texts[5 * number : 5 * number + 5]
        few.append(few[number % 5].replace(b"A", b"G", 1))  # a version of one
        items = [Piece("few.abc", "abc", b"\n\n".join(few), 0, 1, "")]
        found = places(items, tunes_of(items, tmp_path), tmp_path, 0, val_fraction=fraction, test_fraction=fraction)
        kept = [fate for fate in found.values() if fate >= 0]
        assert set(kept) == {TRAIN, VAL, TEST}
        assert len(kept) + list(found.values()).count(CROSSES_SPLIT) + list(found.values()).count(DUPLICATE) == 6


def test_a_cap_below_every_tune_leaves_nothing(pieces, tmp_path):
    tunes = tunes_of(pieces[:1], tmp_path)
    chosen = select(tunes, [Source("a", "", cap=1)], Options(), tmp_path)
    assert set(chosen.fate.tolist()) <= {OVER_CAP, DUPLICATE}
