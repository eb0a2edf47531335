"""A step by several threads is the step of one, but for how sums are rounded."""

import numpy as np
import pytest
import torch

from workflow.scripts import models
from workflow.scripts.corpus.dataset import Split
from workflow.scripts.models import ModelConfig
from workflow.scripts.training.batches import Batches
from workflow.scripts.training.optim import Optimizer
from workflow.scripts.training.stepper import Stepper

CPU = torch.device("cpu")


@pytest.fixture
def threads():
    """Sets torch's threads, and sets them back."""
    before = torch.get_num_threads()
    yield torch.set_num_threads
    torch.set_num_threads(before)


def trained(arch: str, precision: str) -> tuple[list[float], list[torch.Tensor]]:
    """Losses of three steps of six windows, and all weights after them."""
    torch.manual_seed(0)
    model = models.module_for(arch).Model(ModelConfig(arch, 50, 16, 2, 24, 2))
    tokens = np.random.default_rng(0).integers(2, 50, 6 * 49).astype(np.uint8)
    batches = Batches(Split(tokens, np.array([0, len(tokens)])), 0, 6, 16, CPU, 0, 3)
    stepper = Stepper(model, Optimizer(model.param_groups(), 0.1), batches, 6, CPU, precision)
    losses = [stepper.step(step, 0.01)[0].item() for step in range(3)]
    return losses, [weight.detach() for weight in model.parameters()]


@pytest.mark.parametrize(("precision", "bound"), [("float32", 1e-6), ("bfloat16", 5e-3)])
@pytest.mark.parametrize("arch", models.names())
def test_threads_share_a_step(arch, precision, bound, threads):
    threads(1)
    losses, weights = trained(arch, precision)
    for count in (2, 3):
        threads(count)
        shared, again = trained(arch, precision), trained(arch, precision)
        assert shared[0] == again[0]
        for one, two, three in zip(weights, shared[1], again[1], strict=True):
            assert torch.equal(two, three)
            assert (
                one - two
            ).abs().mean() < bound  # AdamW makes whole steps of the smallest gradients, and of their sign
        assert shared[0] == pytest.approx(losses, rel=10 * bound)
