import numpy as np
import pytest
import torch

from workflow.scripts.batches import Batches, sample_tunes, training_order
from workflow.scripts.corpus import Corpus, Split


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


def test_every_token_is_an_input_once_and_a_target_once():
    order = np.arange(1, 8 * 6 * 5 + 2)  # 8 lanes, 6 steps of 5 tokens, and the last target
    batches = Batches(order, lanes=8, block_size=5, epoch=1000, device=torch.device("cpu"))
    inputs, targets = zip(
        *(batches.get(step, slice(a, a + 4)) for step in range(6) for a in (0, 4)),
        strict=True,
    )
    assert sorted(torch.cat(inputs).flatten().tolist()) == order[:-1].tolist()
    assert sorted(torch.cat(targets).flatten().tolist()) == order[1:].tolist()
    first, second = batches.get(0, slice(0, 8))[0], batches.get(1, slice(0, 8))[0]
    assert torch.equal(first[:, -1] + 1, second[:, 0])  # each lane goes on where it was


def test_watched_tunes_are_the_same_every_time_and_about_as_many_tokens_as_asked(corpus_dir):
    val = Corpus.load(corpus_dir).split("val")
    once, again = (sample_tunes(val, 2000) for _ in range(2))
    assert all((a == b).all() for a, b in zip(once, again, strict=True))
    assert 2000 <= sum(map(len, once)) < 2000 + max(np.diff(val.starts))
    assert len(sample_tunes(val, 10**9)) == val.n_tunes


@pytest.mark.parametrize("lanes", [2, 4, 5, 8])
def test_no_batch_is_ahead_of_its_epoch(split, lanes):
    """Three epochs of 100 tokens, as they are read: fewer than ``lanes`` tokens stray into the next epoch."""
    order = training_order(split, 240 + 1, seed=0)
    batches = Batches(order, lanes, block_size=1, epoch=100, device=torch.device("cpu"))
    read = torch.cat([batches.get(step, slice(0, lanes))[0].flatten() for step in range(240 // lanes)]).tolist()
    assert sorted(read) == sorted(order[:-1].tolist())
    block = 100 // lanes * lanes
    assert len(set(read[:block])) == block
    for token in range(100):
        assert 1 <= read[: 2 * block + lanes].count(token) <= 3


@pytest.mark.parametrize(("dtype", "top"), [(np.uint8, 255), (np.uint16, 65535), (np.uint32, 2**32 - 1)])
def test_the_largest_ids_of_each_type_come_through(dtype, top):
    order = np.array([0, 1, top, 2, top // 2, top // 2 + 1, 3], dtype=dtype)
    x, y = Batches(order, 1, 6, len(order), torch.device("cpu")).get(0, slice(0, 1))
    assert x.tolist() == [order[:-1].tolist()]
    assert y.tolist() == [order[1:].tolist()]
