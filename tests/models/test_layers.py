"""Our kernels for CPUs against the same in torch's own operators and double precision, forward and back."""

import pytest
import torch

from workflow.scripts import models
from workflow.scripts.models import ModelConfig
from workflow.scripts.models.language_model import LanguageModel
from workflow.scripts.models.layers import rows
from workflow.scripts.models.layers.attention import causal_attention
from workflow.scripts.models.layers.whole_transformer import fits

# How far numbers may be off, in shares of the largest: rounding of sums in float32, and of every number in bfloat16.
BOUND = {torch.float32: 5e-6, torch.bfloat16: 2e-2}


@pytest.fixture(autouse=True)
def seed():
    torch.manual_seed(0)


def assert_near(found, expected, bound):
    """Every tensor within ``bound`` of its expected one, in shares of the largest number."""
    for ours, theirs in zip(found, expected, strict=True):
        assert ours.shape == theirs.shape
        assert (ours.double() - theirs).abs().max() <= bound * theirs.abs().max()


def results(function, inputs, weights):
    """What a function makes of inputs, and their gradients where results are weighed so."""
    leaves = [x.clone().requires_grad_() for x in inputs]
    made = function(*leaves)
    made = made if isinstance(made, tuple) else (made,)
    sum((y * weight.to(y.dtype)).sum() for y, weight in zip(made, weights, strict=True)).backward()
    return [*(y.detach() for y in made), *(x.grad for x in leaves)]


@pytest.mark.parametrize("dtype", BOUND)
@pytest.mark.parametrize(
    ("length", "first", "n_head", "head", "normed"),
    [
        *[(1, 0, 1, 16, False), (31, 0, 2, 12, False), (32, 0, 2, 20, True), (33, 7, 3, 8, False)],
        *[(100, 0, 1, 64, True), (100, 99, 2, 6, True), (64, 32, 2, 32, False)],
    ],
)
def test_attention_and_its_gradient_are_torchs(length, first, n_head, head, normed, dtype):
    compare_attention(torch.randn(2, length, 3 * n_head * head).to(dtype), first, n_head, normed, BOUND[dtype])


def test_attention_takes_scores_beyond_what_e_to_their_power_may_be():
    compare_attention(12 * torch.randn(2, 40, 48), first=0, n_head=2, normed=False, bound=1e-3)


def compare_attention(qkv, first, n_head, normed, bound):
    B, T, width = qkv.shape
    angles = torch.rand(T, width // (6 * n_head))
    weights = [torch.randn(B, T - first, width // 3).double()]

    def attention(x, compiled):
        cos, sin = angles.cos(), angles.sin()
        if not compiled:
            cos, sin = cos.double(), sin.double()
        return causal_attention(x, cos, sin, n_head, 0.5, normed, first, compiled)

    ours = results(lambda x: attention(x, True), [qkv], weights)
    theirs = results(lambda x: attention(x, False), [qkv.double()], weights)
    assert_near(ours, theirs, bound)


@pytest.mark.parametrize("dtype", BOUND)
def test_a_sum_and_its_norm_are_torchs(dtype):
    x, branch = torch.randn(3, 5, 24) + 1, torch.randn(3, 5, 24).to(dtype)
    weights = [torch.randn(3, 5, 24).double(), torch.randn(3, 5, 24).double()]
    ours = results(lambda x, branch: rows.add_norm(x, branch, 0.7, True), [x, branch], weights)
    theirs = results(lambda x, branch: rows.add_norm(x, branch, 0.7, False), [x.double(), branch.double()], weights)
    assert_near(ours, theirs, BOUND[dtype])


@pytest.mark.parametrize("dtype", BOUND)
@pytest.mark.parametrize("activation", ["gelu", "squared_relu"])
def test_a_perceptron_is_torchs(activation, dtype):
    x, w_in, w_out = torch.randn(3, 5, 12), torch.randn(48, 12), torch.randn(12, 48)
    inputs = [(4 * x).to(dtype), w_in.to(dtype), w_out.to(dtype)]
    weights = [torch.randn(3, 5, 12).double()]
    ours = results(lambda *parts: rows.perceptron(*parts, activation, True), inputs, weights)
    theirs = results(lambda *parts: rows.perceptron(*parts, activation, False), [x.double() for x in inputs], weights)
    assert_near(ours, theirs, BOUND[dtype])


@pytest.mark.parametrize("dtype", BOUND)
@pytest.mark.parametrize("size", [1, 300])
def test_the_loss_is_torchs(size, dtype):
    logits, targets = (size * torch.randn(4, 7, 121)).to(dtype), torch.randint(0, 121, (4, 7))
    ours = results(lambda x: rows.mean_cross_entropy(x, targets), [logits], [torch.tensor(3.0)])
    theirs = results(lambda x: rows.mean_cross_entropy(x, targets), [logits.double()], [torch.tensor(3.0)])
    assert_near(ours, theirs, BOUND[dtype])


@pytest.mark.parametrize(("n_layer", "n_embd", "n_head", "length"), [(1, 8, 1, 8), (2, 24, 2, 64), (3, 80, 4, 40)])
@pytest.mark.parametrize("arch", ["gpt", "modern"])
def test_a_whole_model_in_one_call_is_torchs(arch, n_layer, n_embd, n_head, length):
    model = models.module_for(arch).Model(ModelConfig(arch, 121, 64, n_layer, n_embd, n_head))
    assert fits(model.wte.weight, length, n_embd)
    ids, targets = torch.randint(0, 121, (2, 3, length))
    found = []
    for precise in (False, True):
        model = model.double() if precise else model
        model.zero_grad()
        loss, state = model.loss(ids, targets)
        (3 * loss).backward()
        with torch.no_grad():
            logits = [model(ids[:, : length - 3], first=first)[0] for first in (0, 2)]
        assert state is None
        found.append([loss.detach(), *logits, *(parameter.grad.clone() for parameter in model.parameters())])
    assert_near(*found, BOUND[torch.float32])


def test_an_id_that_no_weight_belongs_to_is_refused():
    model = models.module_for("gpt").Model(ModelConfig("gpt", 50, 32, 1, 8, 1))
    ids = torch.full((1, 8), 49)
    for wrong in (50, -1):
        bad = ids.clone()
        bad[0, 5] = wrong
        for inputs in ((bad, ids), (ids, bad)):
            with pytest.raises(IndexError):
                model.loss(*inputs)
        with torch.no_grad(), pytest.raises(IndexError):
            model(bad)


@pytest.mark.parametrize("arch", ["gpt", "modern"])
def test_the_ways_to_a_loss_agree(arch):
    """In one call, by our kernels between torch's products, and by torch alone."""
    config = ModelConfig(arch, 50, 32, 2, 24, 2)
    model = models.module_for(arch).Model(config)
    ids, targets = torch.randint(0, 50, (2, 3, 32))
    losses = [model.loss(ids, targets)[0], LanguageModel.loss(model, ids, targets)[0]]
    with torch.autocast("cpu", torch.bfloat16):
        rough = model.loss(ids, targets)[0]
    exact = model.double().loss(ids, targets)[0]
    torch.testing.assert_close(torch.stack(losses).double(), exact.expand(2), rtol=1e-6, atol=0)
    assert 0 < abs(rough - exact) < 0.02
