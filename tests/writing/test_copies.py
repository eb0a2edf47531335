"""The longest stretch and the nearest tune are those that brute force finds."""

import dataclasses
import itertools
import random

import numpy as np
import pytest
from pydivsufsort import divsufsort, longest_previous_factor
from rapidfuzz.distance import Levenshtein

from workflow.scripts.notation.sound import Ragged
from workflow.scripts.writing import copies
from workflow.scripts.writing.copies import THRESHOLD, longest_match, nearest, shared_grams
from workflow.scripts.writing.copying import search
from workflow.scripts.writing.training_index import VIEWS, gram_keys, group, index_view, join, views_of


def common(music: bytes, text: bytes, recurs: np.ndarray | None = None) -> tuple[int, int, int]:
    arrays = [np.frombuffer(bytearray(data), dtype=np.uint8) for data in (text, music)]
    recurs = np.zeros(len(music), dtype=np.int32) if recurs is None else recurs
    return longest_match(arrays[0], divsufsort(arrays[0]), arrays[1], recurs)


def by_slicing(music: bytes, text: bytes) -> tuple[int, int]:
    """(length, first start) of the longest common substring."""
    for length in range(len(music), 0, -1):
        for at in range(len(music) - length + 1):
            if music[at : at + length] in text:
                return length, at
    return 0, 0


@pytest.mark.parametrize("recurring", [False, True])
def test_the_longest_common_substring_is_that_of_slicing(recurring):
    rng, lengths = random.Random(7), set()
    for _ in range(400):
        letters = b"ab"[: rng.choice((1, 2))] + bytes(rng.choices(b"abcd", k=2))
        text = bytes(rng.choices(letters, k=rng.randint(1, 120)))
        music = bytes(rng.choices(letters, k=rng.randint(1, 40)))
        if rng.random() < 0.5:  # a copy with a mistake, longer than what shows that a window is nowhere
            music += text[: rng.randint(1, 60)] + b"e" + text[rng.randint(0, len(text) - 1) :]
        recurs = longest_previous_factor(np.frombuffer(bytearray(music), np.uint8)) if recurring else None
        length, at, place = common(music, text, recurs)
        assert (length, at) == by_slicing(music, text)
        assert text[place : place + length] == music[at : at + length]
        lengths.add(length)
    assert max(lengths) > 2 * copies.TAIL


def test_stretches_end_at_whole_characters(tmp_path, index):
    # ä and å begin with the same byte, ä and Ĥ (C4 A4) end with the same.
    text, bodies = join(["GABcĤdefgaböGAB\n\0".encode()])
    index = dataclasses.replace(index, text=text, bodies=bodies, suffixes=divsufsort(text))
    (tmp_path / "tune.abc").write_text('X:1\nK:C\n"ü"ädefgabõ\n')
    record = search(tmp_path / "tune.abc", index)
    assert (record["lcs_chars"], record["lcs_at"]) == (6, 4)


def mutate(text: bytes, edits: int, rng: random.Random) -> bytes:
    data = bytearray(text)
    for _ in range(edits):
        at = rng.randrange(len(data))
        kind = rng.randrange(3)
        if kind == 0:
            data[at] = rng.choice(b"ABCDEFGabcdefg23|")
        elif kind == 1:
            del data[at]
        else:
            data.insert(at, rng.choice(b"ABCDEFGabcdefg23|"))
    return bytes(data)


def test_no_tune_above_the_threshold_is_missed(index, monkeypatch):
    """With none but the possible copies to compare, the nearest is brute force's nearest wherever that is a copy."""
    monkeypatch.setattr(copies, "CANDIDATES", 1)
    rng = random.Random(11)
    for name in VIEWS:
        view = index.views[name]
        tunes = [view.values[a:b].tobytes() for a, b in itertools.pairwise(view.bounds.tolist())]
        tunes += [tune[:size] for tune in tunes for size in (2, 5, 9, 14)]  # short ones, too
        tunes += [tune[:size] * 12 for tune in tunes[:200] for size in (4, 7)]  # and the same over and over
        view = index_view(Ragged(*join(tunes)))
        near = 0
        for tune in rng.sample(tunes, 200):
            query = mutate(tune, rng.randint(0, max(1, len(tune) // 5)), rng) or b"A"
            best = max(Levenshtein.normalized_similarity(query, other) for other in tunes)
            if best >= THRESHOLD:
                found, i = nearest(view, np.frombuffer(query, dtype=np.uint8))
                assert found == best == Levenshtein.normalized_similarity(query, tunes[i])
                near += 1
        assert near > 60


def test_the_threshold_and_the_bound_are_exact(index, copied):
    """Edits so far apart that each destroys three grams of its own: as many as the bound allows, and one more."""
    view = index.views["written"]
    for i in range(0, len(index.numbers), 20):
        tune = view.values[view.bounds[i] : view.bounds[i + 1]].copy()
        most = int((1 - THRESHOLD) * len(tune))
        places = np.flatnonzero(np.isin(tune, [*b"ABCDEFGabcdefg"]))
        places = places[np.linspace(3, len(places) - 4, most + 1).astype(int)]
        for edits in (most, most + 1):
            query = tune.copy()
            query[places[:edits]] = ord("y")
            grams, _, _, counts = group(np.sort(gram_keys(query, np.array([0, len(query)]))))
            _, possible = shared_grams(*view[1:], grams, counts, len(query))
            record = copied(b"X:1\nK:C\n" + query.tobytes())
            assert record["similarity"] == round(1 - edits / len(tune), 4)
            assert possible[i] == record["copied"] == (edits == most)


def test_the_nearest_of_unlike_tunes_is_brute_forces_nearest(index, split):
    """This book has fewer tunes than are compared."""
    for tune in split("test"):
        streams = views_of(*join([tune.encode()]))
        for name in VIEWS:
            view, query = index.views[name], streams[name].values
            tunes = [view.values[a:b].tobytes() for a, b in itertools.pairwise(view.bounds.tolist())]
            best = max(Levenshtein.normalized_similarity(query.tobytes(), other) for other in tunes)
            assert nearest(view, query)[0] == best
