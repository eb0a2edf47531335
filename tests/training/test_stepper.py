"""A step by several threads is the step of one, but for how sums are rounded; and what torch.compile makes of one."""

import numpy as np
import pytest
import torch

from workflow.scripts import models
from workflow.scripts.corpus.dataset import Split
from workflow.scripts.models import ModelConfig
from workflow.scripts.training.batches import Batches
from workflow.scripts.training.optim import Optimizer
from workflow.scripts.training.stepper import Stepper, compile_mode

CPU = torch.device("cpu")


@pytest.fixture
def threads():
    """Sets torch's threads, and sets them back."""
    before = torch.get_num_threads()
    yield torch.set_num_threads
    torch.set_num_threads(before)


def stepper_of(arch: str, precision: str = "float32", **options) -> Stepper:
    """Three steps of six windows of a small model."""
    torch.manual_seed(0)
    model = models.module_for(arch).Model(ModelConfig(arch, 50, 16, 2, 24, 2))
    tokens = np.random.default_rng(0).integers(2, 50, 6 * 49).astype(np.uint8)
    batches = Batches(Split(tokens, np.array([0, len(tokens)])), 0, 6, 16, CPU, 0, 3)
    return Stepper(model, Optimizer(model.param_groups(), 0.1), batches, 6, CPU, precision, **options)


def trained(arch: str, precision: str) -> tuple[list[float], list[torch.Tensor]]:
    """Losses of three steps of six windows, and all weights after them."""
    stepper = stepper_of(arch, precision)
    losses = [stepper.step(step, 0.01)[0].item() for step in range(3)]
    return losses, [weight.detach() for weight in stepper.params]


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


@pytest.mark.parametrize("precision", ["float32", "bfloat16"])
@pytest.mark.parametrize("arch", ["gpt", "modern"])
def test_torch_compile_takes_a_pass_as_one_graph(arch, precision):
    """What breaks it makes many small ones of it, and a GPU waits between them."""
    stepper = stepper_of(arch, precision)
    x, y = stepper.batches.get(0, slice(0, 6))
    torch._dynamo.reset()
    whole, _ = torch.compile(stepper.loss, fullgraph=True, backend="eager")(x, y, None)
    assert whole.item() == pytest.approx(stepper.loss(x, y, None)[0].item(), rel=2e-2)


def no_compiler(*_):
    raise RuntimeError("Failed to find C compiler")


def test_where_nothing_can_be_compiled_a_step_is_taken_without(capsys):
    stepper = stepper_of("gpt")
    torch._dynamo.reset()
    stepper.forward = torch.compile(stepper.loss, backend=no_compiler)
    losses = [stepper.step(step, 0.01)[0].item() for step in range(3)]
    said = capsys.readouterr().out
    assert said.count("torch.compile fails here") == 1
    assert "Failed to find C compiler" in said
    assert losses == trained("gpt", "float32")[0]


@pytest.mark.parametrize(("asked", "steps"), [("always", 0), ("auto", 3)])
def test_a_failure_is_no_lack_of_a_compiler_where_it_is_asked_for_or_has_worked(asked, steps):
    stepper = stepper_of("gpt", compile="never")
    for step in range(steps):
        stepper.step(step, 0.01)
    stepper.compile, stepper.forward = asked, no_compiler
    with pytest.raises(RuntimeError, match="Failed to find"):
        stepper.step(0, 0.01)


def test_a_cuda_graph_is_for_narrow_models_whose_step_is_one_pass():
    assert compile_mode(True, 128) == "reduce-overhead"
    assert compile_mode(False, 128) == compile_mode(True, 1600) == "default"
