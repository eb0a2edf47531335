"""Each private operator of torch against what its entry says to put in its place."""

from collections.abc import Callable

import pytest
import torch
from torch import Tensor

from workflow.scripts.machine import torch_private


def tensors(n: int = 3) -> list[Tensor]:
    generator = torch.Generator().manual_seed(n)
    return [torch.randn(4, 5, generator=generator) for _ in range(n)]


@pytest.mark.parametrize(
    ("each", "one", "value"),
    [
        (torch_private.add_each_, Tensor.add_, 2.0),
        (torch_private.divide_each_, Tensor.div_, 3.0),
        (torch_private.multiply_each_, Tensor.mul_, 0.3),
    ],
    ids=["add", "divide", "multiply"],
)
def test_an_operator_over_many_is_that_over_each(each: Callable, one: Callable, value: float):
    some = tensors()
    each(some, value)
    for got, start in zip(some, tensors(), strict=True):
        torch.testing.assert_close(got, one(start.clone(), value))
        assert not torch.equal(got, start)


def test_lerp_over_many():
    ends = [torch.ones(4, 5), torch.zeros(4, 5), torch.full((4, 5), 7.0)]
    wanted = [start.lerp(end, 0.25) for start, end in zip(tensors(), ends, strict=True)]
    some = tensors()
    torch.testing.assert_close(list(torch_private.lerp_each(some, ends, 0.25)), wanted)
    torch.testing.assert_close(some, tensors())
    torch_private.lerp_each_(some, ends, 0.25)
    torch.testing.assert_close(some, wanted)


def test_a_step_of_adamw_is_that_of_torch():
    (grad,) = tensors(1)
    ours, theirs = torch.ones(4, 5), torch.nn.Parameter(torch.ones(4, 5))
    first, second, steps = torch.zeros(4, 5), torch.zeros(4, 5), torch.zeros(())
    options = {"lr": 0.1, "weight_decay": 0.2, "eps": 1e-8, "amsgrad": False, "maximize": False}
    optimizer = torch.optim.AdamW([theirs], **options, betas=(0.9, 0.95), fused=True)
    theirs.grad = grad.clone()
    for _ in range(2):
        torch_private.add_each_([steps], 1)
        torch_private.fused_adamw_([ours], [grad], [first], [second], [], [steps], beta1=0.9, beta2=0.95, **options)
        optimizer.step()
    torch.testing.assert_close(ours, theirs.detach(), rtol=0, atol=0)
    assert not torch.equal(ours, torch.ones(4, 5))
