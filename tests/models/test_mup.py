"""Coordinate check (Yang 2022, appendix D.1): what ten steps change does not depend on width."""

import copy
import functools
from unittest import mock

import pytest
import torch
import torch.nn.functional as F

from workflow.scripts import models
from workflow.scripts.models import ModelConfig, gpt
from workflow.scripts.models.layers import attention, rows
from workflow.scripts.training.optim import Optimizer

WIDTHS = (32, 128, 512)
# Large enough to move each, and short of saturation.
RATES = {"gpt": 0.01, "lstm": 0.002, "lstm_muon": 0.004, "modern": 0.01}
TOKENS = 32


def text() -> torch.Tensor:
    """(4, 65) ids of a language in which each token depends on the two before it, with some noise."""
    generator = torch.Generator().manual_seed(0)
    table = torch.randint(0, TOKENS, (TOKENS, TOKENS), generator=generator)
    rows = [torch.randint(0, TOKENS, (4,), generator=generator) for _ in range(2)]
    for _ in range(63):
        noise = torch.randint(0, TOKENS, (4,), generator=generator)
        rows.append(torch.where(torch.rand(4, generator=generator) < 0.1, noise, table[rows[-2], rows[-1]]))
    return torch.stack(rows, 1)


@torch.no_grad()
def activations(model: torch.nn.Module, ids: torch.Tensor) -> dict[str, torch.Tensor]:
    """Logits, the output of the last layer, and the scores of the attention there, if it has any."""
    seen = {}
    model = copy.deepcopy(model).double()  # in double precision nothing is fused, so that it can be seen

    def recorded(qkv, cos, sin, n_head, scale, normed, first, compiled):
        q, k, _ = attention.heads(qkv, cos, sin, n_head, normed)
        seen["scores"] = scale * q @ k.mT
        return attention.causal_attention(qkv, cos, sin, n_head, scale, normed, first, compiled)

    def added(*args):
        seen["stream"], normed = rows.add_norm(*args)
        return seen["stream"], normed

    if models.kind_of(model.config.arch) == "lstm":
        model.lstm.register_forward_hook(lambda _, __, out: seen.update(output=out[0]))
    with mock.patch.object(gpt, "causal_attention", recorded), mock.patch.object(gpt, "add_norm", added):
        seen["logits"] = model(ids)[0]
    return seen


@functools.cache
def moved(arch: str, parametrization: str, width: int) -> dict[str, tuple[float, float]]:
    """(change over ten steps, scale after them) of each kind of activation, as root mean squares."""
    ids = text()
    torch.manual_seed(0)
    # Two heads at every width, so that their size grows with it.
    model = models.module_for(arch).Model(ModelConfig(arch, TOKENS, 64, 2, width, 2, parametrization))
    optimizer = Optimizer(model.param_groups(), weight_decay=0.0)
    before = activations(model, ids[:, :-1])
    for _ in range(10):
        F.cross_entropy(model(ids[:, :-1])[0].flatten(0, 1), ids[:, 1:].flatten()).backward()
        optimizer.step(RATES[arch])
        optimizer.zero_grad()
    after = activations(model, ids[:, :-1])
    return {name: (rms(after[name] - before[name]), rms(after[name])) for name in before}


def rms(x: torch.Tensor) -> float:
    return x.square().mean().sqrt().item()


@pytest.mark.parametrize("arch", models.names())
def test_ten_steps_change_as_much_at_every_width(arch):
    by_width = [moved(arch, "mup", width) for width in WIDTHS]
    assert set(by_width[0]) == (
        {"output", "logits"} if models.kind_of(arch) == "lstm" else {"stream", "scores", "logits"}
    )
    for name in by_width[0]:
        changes, scales = zip(*(seen[name] for seen in by_width), strict=True)
        if name == "scores":
            # Divided by the size of a head, what is left of the random start falls with it, to what was learnt.
            assert changes[0] > changes[1] > changes[2] > changes[1] / 2, changes
            continue
        assert max(changes) < 2 * min(changes), (name, changes)
        if name != "output":  # an LSTM's is bounded, and all but zero at the start
            assert max(scales) < 2 * min(scales), (name, scales)


# Muon moves a matrix as much at any width, and an LSTM's output is bounded: there it shows in neither parametrization.
@pytest.mark.parametrize("arch", [name for name in models.names() if name != "lstm_muon"])
def test_in_the_standard_parametrization_changes_grow_with_width(arch):
    by_width = [moved(arch, "standard", width) for width in (32, 96, 288)]  # nine times as wide is enough to show it
    for name in {"logits", "scores"} & set(by_width[0]):
        changes = [seen[name][0] for seen in by_width]
        assert changes == sorted(changes), (name, changes)
        if (arch, name) != ("modern", "scores"):  # of normed queries and keys: bounded
            assert changes[-1] > 1.5 * changes[0], (name, changes)


@pytest.mark.parametrize("arch", models.names())
def test_embeddings_start_at_one_scale(arch):
    narrow, wide = (
        models.module_for(arch).Model(ModelConfig(arch, 500, 64, 1, width, 2)).wte.weight.std().item()
        for width in (32, 512)
    )
    assert wide == pytest.approx(narrow, rel=0.05)
