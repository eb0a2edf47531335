"""The loss of each token against an independent slow computation, one forward pass for every token."""

import numpy as np
import pytest
import torch

from tests.evaluation.slow_scoring import slow_nats
from workflow.scripts.corpus.dataset import Corpus
from workflow.scripts.evaluation.scoring import score_tokens, score_tunes, windows
from workflow.scripts.models import ModelConfig, module_for, names
from workflow.scripts.models.stored import load_model


@pytest.mark.parametrize("block_size", [2, 5, 16, 32])
@pytest.mark.parametrize("n", [1, 2, 15, 16, 17, 31, 32, 33, 100, 1000])
def test_windows_score_each_target_once_with_half_a_window_before_it(n, block_size):
    scored = []
    for start, stop, first in windows(n, block_size):
        assert 0 <= start <= first < stop <= n
        assert stop - start <= block_size
        for target in range(first, stop):
            scored.append(target)
            assert target - start >= min(target, block_size // 2)
    assert scored == list(range(n))


@pytest.mark.parametrize("batch", [1, 7])
@pytest.mark.parametrize("arch", names())
def test_every_tokens_loss_is_that_of_the_slow_computation(arch, batch):
    torch.manual_seed(0)
    model = module_for(arch).Model(ModelConfig(arch, 40, block_size=16, n_layer=2, n_embd=32, n_head=2))
    rng = np.random.default_rng(0)
    tunes = [rng.integers(2, 40, n).astype(np.uint8) for n in (2, 90, 17, 16, 3, 41, 18, 25, 33)]
    found = score_tokens(model, tunes, torch.device("cpu"), batch=batch)
    sums = score_tunes(model, tunes, torch.device("cpu"), batch=batch)
    slow = [slow_nats(model.double(), tune) for tune in tunes]
    np.testing.assert_allclose(found, np.concatenate(slow), atol=1e-5, rtol=0)
    np.testing.assert_allclose(sums, [sum(nats) for nats in slow], rtol=1e-5)
    assert np.ptp(found) > 1, "not all alike, so that a shift would show"


@pytest.mark.parametrize("arch", ["gpt", "lstm"])
def test_a_tunes_loss_does_not_depend_on_its_neighbours(arch, trained, corpus_dir):
    model, _, _ = load_model(trained[arch], torch.device("cpu"))
    split = Corpus.load(corpus_dir).split("test")
    tunes = [split.tune(i) for i in range(6)]
    together = score_tunes(model, tunes, torch.device("cpu"), batch=4)
    alone = [score_tunes(model, [tune], torch.device("cpu"))[0] for tune in tunes]
    np.testing.assert_allclose(together, alone, rtol=1e-5)
