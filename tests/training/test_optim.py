"""The optimisers against torch's own AdamW and against a singular value decomposition."""

import io

import pytest
import torch
from torch import nn

from workflow.scripts.models import ParamGroup
from workflow.scripts.training.optim import BETA2, MOMENTUM, Optimizer, orthogonal


def network():
    torch.manual_seed(0)
    return nn.Sequential(nn.Linear(7, 5), nn.Tanh(), nn.Linear(5, 3))


def set_gradients(net: nn.Module, step: int) -> None:
    x = torch.randn(11, 7, generator=torch.Generator().manual_seed(step))
    net.zero_grad()
    net(x).square().mean().backward()


def test_adamw_is_torchs_with_the_same_groups():
    mine, theirs = network(), network()
    matrices, vectors = ([p for p in mine.parameters() if p.ndim == n] for n in (2, 1))
    ours = Optimizer(
        [ParamGroup(matrices, lr_scale=0.5, decay_scale=2.0, eps_scale=0.25), ParamGroup(vectors, decay_scale=0.0)],
        weight_decay=0.1,
        beta1=0.8,
    )
    groups = [
        {"params": [p for p in theirs.parameters() if p.ndim == 2], "weight_decay": 0.2, "eps": 0.25e-8},
        {"params": [p for p in theirs.parameters() if p.ndim == 1], "weight_decay": 0.0, "eps": 1e-8},
    ]
    reference = torch.optim.AdamW(groups, betas=(0.8, BETA2), fused=True)
    for step in range(20):
        rate = 0.01 / (step + 1)
        for net in (mine, theirs):
            set_gradients(net, step)
        ours.step(rate)
        for group, scale in zip(reference.param_groups, (0.5, 1.0), strict=True):
            group["lr"] = rate * scale
        reference.step()
    for a, b in zip(mine.parameters(), theirs.parameters(), strict=True):
        assert torch.equal(a, b)


@pytest.mark.parametrize("shape", [(1, 16, 16), (1, 48, 16), (2, 16, 48), (15, 16, 48), (2, 300, 400)])
def test_orthogonal_keeps_singular_vectors_and_levels_values(shape):
    x = torch.randn(shape, generator=torch.Generator().manual_seed(0))
    U, S, Vh = torch.linalg.svd(x, full_matrices=False)
    core = U.mT @ orthogonal(x) @ Vh.mT  # diagonal, and near the identity, if the result is U f(S) V^T
    values = core.diagonal(dim1=-2, dim2=-1)
    torch.testing.assert_close(core, torch.diag_embed(values), atol=2e-4, rtol=0)
    large = 0.005 * S.norm(dim=-1, keepdim=True) < S  # four rounds lift no smaller ones all the way
    assert values[large].min() > 0.78
    assert values.max() < 1.22


@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16])
def test_a_matrix_of_rank_one_stays_so_small_under_rounding(dtype):
    """Its one singular value is all of its norm, from which the iteration would take off if it were larger."""
    for seed in range(20):
        generator = torch.Generator().manual_seed(seed)
        x = torch.outer(torch.randn(64, generator=generator), torch.randn(48, generator=generator))
        assert torch.linalg.svdvals(orthogonal(x[None].to(dtype))[0].float())[0] < 1.3
    assert not orthogonal(torch.zeros(1, 8, 8)).any()


def test_muon_step_by_step():
    """Momentum, Nesterov's look ahead, decay and the stretch of tall matrices, from their definitions."""
    torch.manual_seed(0)
    start = [torch.randn(12, 4), torch.randn(4, 12), torch.randn(12, 4)]
    params = [nn.Parameter(p.clone()) for p in start]
    ours = Optimizer([ParamGroup(params, lr_scale=0.5, decay_scale=3.0, rule="muon")], weight_decay=0.1)
    momentum = [torch.zeros_like(p) for p in start]
    for _ in range(3):
        for i, p in enumerate(params):
            p.grad = torch.randn_like(p)
            momentum[i] = MOMENTUM * momentum[i] + (1 - MOMENTUM) * p.grad
            ahead = MOMENTUM * momentum[i] + (1 - MOMENTUM) * p.grad
            stretch = 3**0.5 if len(p) == 12 else 1.0
            start[i] = start[i] * (1 - 0.02 * 0.5 * 0.3) - 0.02 * 0.5 * stretch * orthogonal(ahead[None])[0]
        ours.step(0.02)
    for p, expected in zip(params, start, strict=True):
        torch.testing.assert_close(p.detach(), expected, atol=1e-5, rtol=1e-5)


@pytest.mark.parametrize("precision", ["float32", "bfloat16"])
def test_muon_makes_each_matrix_orthogonal_that_a_parameter_is_stacked_of(precision):
    torch.manual_seed(0)
    start = [torch.randn(3 * 8, 16), torch.randn(3 * 8, 16)]
    stacked = [nn.Parameter(p.clone()) for p in start]
    apart = [nn.Parameter(p.clone()) for whole in start for p in whole.chunk(3)]
    for p in stacked:
        p.grad = torch.randn_like(p)
    parts = [part.clone() for p in stacked for part in p.grad.chunk(3)]
    for p, grad in zip(apart, parts, strict=True):
        p.grad = grad
    for params, count in ((stacked, 3), (apart, 1)):
        Optimizer([ParamGroup(params, rule="muon", stacked=count)], 0.1, precision=precision).step(0.02)
    assert torch.equal(torch.cat([p.detach() for p in stacked]), torch.cat([p.detach() for p in apart]))
    update = (stacked[0].detach() - start[0] * (1 - 0.02 * 0.1))[:8] / 0.02
    values = torch.linalg.svdvals(update)
    assert 0.6 < values.min() < values.max() < 1.3
    whole = nn.Parameter(start[0].clone())
    whole.grad = stacked[0].grad
    Optimizer([ParamGroup([whole], rule="muon")], 0.1, precision=precision).step(0.02)
    assert (whole - stacked[0]).abs().max() > 1e-3  # which is another thing


def test_saved_state_goes_on_to_the_same_weights():
    def optimized(net):
        matrices, vectors = ([p for p in net.parameters() if p.ndim == n] for n in (2, 1))
        return Optimizer([ParamGroup(matrices, rule="muon"), ParamGroup(vectors)], weight_decay=0.1)

    def advance(net, optimizer, steps):
        for step in steps:
            set_gradients(net, step)
            optimizer.step(0.01)

    whole, halves = network(), network()
    advance(whole, optimized(whole), range(10))
    first = optimized(halves)
    advance(halves, first, range(5))
    file = io.BytesIO()
    torch.save(first.state_dict(), file)
    file.seek(0)
    second = optimized(halves)
    second.load_state_dict(torch.load(file, weights_only=True))
    advance(halves, second, range(5, 10))
    for a, b in zip(whole.parameters(), halves.parameters(), strict=True):
        assert torch.equal(a, b)
    second.zero_grad()
    assert all(p.grad is None for p in halves.parameters())
