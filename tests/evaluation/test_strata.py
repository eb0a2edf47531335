import numpy as np
import pytest

from workflow.scripts.corpus.dataset import Corpus
from workflow.scripts.evaluation.strata import (
    MAX_SOURCES,
    largest_sources,
    position_edges,
    stratify,
    terciles,
    tune_properties,
)


def test_properties_are_those_of_the_text(corpus_dir):
    corpus = Corpus.load(corpus_dir)
    texts = [
        "X:1\nK:C\nCDEF|CDEF|CDEF|CDEF|CDEF|CDEF|CDEF|CDEF|\n",
        "X:1\nT:Ünbel\nK:C\nV:1\nCz|\nV:2\n[V:2]E,,G'2|^a_b|\n",
        "X:1\nK:C\nA^B_cd'e2f/g3a4b,,C=D|\n",
    ]
    found = tune_properties(corpus, "test", texts)
    assert found["bytes"].tolist() == [len(text.encode()) + 1 for text in texts]
    assert found["voices"].tolist() == [1, 2, 1]
    assert found["deflate"][0] < found["deflate"][2] < 9
    assert found["source"].tolist() == [row["source"] for row in corpus.listed("test")]


def test_every_tune_is_of_one_kind_by_each(corpus_dir):
    rng = np.random.default_rng(0)
    found = {
        "source": rng.choice(["a", "b", "c"], 50),
        "deflate": rng.uniform(2, 6, 50),
        "voices": rng.integers(1, 8, 50),
    }
    kinds = stratify(found, rng.integers(50, 400, 50))
    assert list(kinds) == ["source", "compressibility", "voices", "length"]
    for by in kinds:
        np.testing.assert_array_equal(sum(has.astype(int) for has in kinds[by].values()), 1)
    assert kinds["voices"]["3 or 4"].sum() == np.isin(found["voices"], (3, 4)).sum()


def test_small_sources_are_pooled():
    source = np.array([f"s{i:02}" for i in range(20)] * 2)
    chars = np.array([*range(20)] * 2)
    kinds = largest_sources(source, chars)
    assert list(kinds) == [f"s{i:02}" for i in range(19, 8, -1)] + ["9 others"]
    assert len(kinds) == MAX_SOURCES
    assert kinds["9 others"].sum() == 18


def test_thirds_are_of_as_many_tunes_or_as_equal_values_allow():
    assert [has.sum() for has in terciles(np.arange(30), "x").values()] == [10, 10, 10]
    ties = terciles(np.array([1, 1, 1, 1, 1, 9]), "x")
    assert sum(has.sum() for has in ties.values()) == 6


@pytest.mark.parametrize("longest", [1, 2, 3, 31, 32, 33, 5000])
def test_places_reach_the_end_and_no_further(longest):
    edges = position_edges(longest)
    assert edges[0] == 0
    assert edges[-2] < longest <= edges[-1]
    assert (np.diff(edges) > 0).all()
