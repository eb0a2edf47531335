import numpy as np
import pytest
import torch

from workflow.scripts.corpus.dataset import Corpus, Split
from workflow.scripts.training.batches import Batches, TokenStream, deal, sample_tunes

CPU = torch.device("cpu")


@pytest.fixture
def split():
    """Five tunes of unlike lengths in which every token is its own."""
    return Split(np.arange(100, dtype=np.uint8), np.array([0, 7, 30, 31, 60, 100]))


def stream(split, n, seed, start=0):
    return np.concatenate(TokenStream(split, seed).read(start, n))


def test_every_token_comes_once_an_epoch(split):
    tokens = stream(split, 250, seed=3)
    assert len(tokens) == 250
    for epoch in (tokens[:100], tokens[100:200]):
        assert sorted(epoch) == list(range(100))
    assert len(set(tokens[200:])) == 50


def test_the_stream_depends_on_the_seed_alone(split):
    assert (stream(split, 250, 1) == stream(split, 250, 1)).all()
    assert (stream(split, 100, 1) != stream(split, 100, 2)).any()
    assert (stream(split, 200, 1)[:100] != stream(split, 200, 1)[100:]).any()


@pytest.mark.parametrize("start", [0, 1, 29, 99, 100, 131, 250])
def test_the_stream_is_the_same_from_wherever_it_is_read(split, start):
    assert (stream(split, 120, 5, start) == stream(split, 400, 5)[start : start + 120]).all()


def test_tunes_stay_whole(split):
    tokens = stream(split, 100, seed=0).tolist()
    for i in range(split.n_tunes):
        tune = split.tune(i).tolist()
        at = tokens.index(tune[0])
        assert tokens[at : at + len(tune)] == tune


@pytest.mark.parametrize("lanes", [1, 2, 4, 5, 8])
def test_every_token_is_an_input_once_and_no_batch_is_ahead_of_its_epoch(split, lanes):
    """Three epochs of 100 tokens: fewer than ``lanes`` tokens stray into the next epoch."""
    steps = 240 // lanes
    batches = Batches(split, 0, lanes, 1, CPU, 0, steps)
    read = torch.cat([batches.get(step, slice(0, lanes))[0].flatten() for step in range(steps)]).tolist()
    block = 100 // lanes * lanes
    assert sorted(read[: 2 * block]) == sorted(stream(split, 2 * block, 0).tolist())
    assert len(set(read[:block])) == block


def test_targets_are_the_next_tokens_and_lanes_go_on_where_they_were(split):
    batches = Batches(split, 4, 4, 5, CPU, 0, 5)
    whole = np.concatenate([batches.get(step, slice(0, 4))[0] for step in range(5)], axis=1)
    x, y = batches.get(1, slice(0, 4))
    following = batches.get(2, slice(0, 4))[0]
    assert torch.equal(x[:, 1:], y[:, :-1])
    assert torch.equal(y[:, -1], following[:, 0])
    for lane in range(4):
        assert (whole[lane] == stream(split, 25, 4, start=25 * lane)).all()


def test_a_batch_does_not_depend_on_what_else_is_held(split):
    """A short run, a long one, one that starts in the middle, and one that holds some lanes only."""
    whole = Batches(split, 1, 6, 7, CPU, 0, 40)
    for first, last, lanes in ((0, 3, range(6)), (2, 40, range(6)), (0, 40, range(3, 6))):
        part = Batches(split, 1, 6, 7, CPU, first, last, lanes)
        for step in range(first, last):
            for a, b in zip(part.get(step, slice(None)), whole.get(step, slice(None)), strict=True):
                assert torch.equal(a, b[lanes.start : lanes.stop])


def test_more_lanes_than_tokens_still_read(split):
    tiny = Split(split.tokens[:7], np.array([0, 7]))
    assert deal(tiny, 0, 9, range(9), 0, 4).shape == (9, 4)


def test_watched_tunes_are_the_same_every_time_and_about_as_many_tokens_as_asked(corpus_dir):
    val = Corpus.load(corpus_dir).split("val")
    once, again = (sample_tunes(val, 2000) for _ in range(2))
    assert all((a == b).all() for a, b in zip(once, again, strict=True))
    assert 2000 <= sum(map(len, once)) < 2000 + max(np.diff(val.starts))
    assert len(sample_tunes(val, 10**9)) == val.n_tunes


@pytest.mark.parametrize(("dtype", "top"), [(np.uint8, 255), (np.uint16, 65535), (np.uint32, 2**32 - 1)])
def test_the_largest_ids_of_each_type_come_through(dtype, top):
    tokens = np.array([0, 1, top, 2, top // 2, top // 2 + 1, 3], dtype=dtype)
    x, y = Batches(Split(tokens, np.array([0, 7])), 0, 1, 6, CPU, 0, 1).get(0, slice(0, 1))
    assert x.tolist() == [tokens[:-1].tolist()]
    assert y.tolist() == [tokens[1:].tolist()]
