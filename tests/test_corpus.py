import numpy as np
import pytest

from workflow.scripts.cli import InputError
from workflow.scripts.corpus import Corpus, Split, training_order


@pytest.fixture
def split():
    """Five tunes of unlike lengths in which every token is its own."""
    return Split(np.arange(100, dtype=np.uint8), np.array([0, 7, 30, 31, 60, 100]))


def test_every_token_comes_once_an_epoch(split):
    order = training_order(split, 250, seed=3)
    assert len(order) == 250
    for epoch in (order[:100], order[100:200]):
        assert sorted(epoch) == list(range(100))
    assert len(set(order[200:])) == 50


def test_order_depends_on_the_seed_alone(split):
    assert (training_order(split, 250, 1) == training_order(split, 250, 1)).all()
    assert (training_order(split, 250, 1)[:90] == training_order(split, 90, 1)).all()
    assert (training_order(split, 100, 1) != training_order(split, 100, 2)).any()
    assert (training_order(split, 200, 1)[:100] != training_order(split, 200, 1)[100:]).any()


def test_tunes_stay_whole(split):
    order = training_order(split, 100, seed=0).tolist()
    for i in range(split.n_tunes):
        tune = split.tune(i).tolist()
        at = order.index(tune[0])
        assert order[at : at + len(tune)] == tune


def test_an_unprepared_folder_is_refused(tmp_path):
    with pytest.raises(InputError, match="is not a prepared corpus"):
        Corpus.load(tmp_path)


def test_a_cut_token_file_is_refused(tmp_path, corpus_dir):
    for path in corpus_dir.iterdir():
        (tmp_path / path.name).write_bytes(path.read_bytes())
    (tmp_path / "test.bin").write_bytes((corpus_dir / "test.bin").read_bytes()[:-1])
    with pytest.raises(InputError, match="disagree"):
        Corpus.load(tmp_path).split("test")
