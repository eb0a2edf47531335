import pytest
import torch
from torch import nn

from workflow.scripts.optim import AdamW, warmup_stable_decay


def test_adamw_is_torchs():
    def model():
        torch.manual_seed(0)
        return nn.Sequential(nn.Linear(7, 5), nn.Tanh(), nn.Linear(5, 3))

    mine, theirs = model(), model()
    ours = AdamW(mine, weight_decay=0.1)
    groups = [
        {"params": [p for p in theirs.parameters() if p.ndim == 2], "weight_decay": 0.1},
        {"params": [p for p in theirs.parameters() if p.ndim == 1], "weight_decay": 0.0},
    ]
    reference = torch.optim.AdamW(groups, betas=(0.9, 0.95), eps=1e-8, fused=True)
    for step in range(20):
        rate = 0.01 / (step + 1)
        x = torch.randn(11, 7, generator=torch.Generator().manual_seed(step))
        for net in (mine, theirs):
            net.zero_grad()
            net(x).square().mean().backward()
        ours.step(rate)
        for group in reference.param_groups:
            group["lr"] = rate
        reference.step()
    for a, b in zip(mine.parameters(), theirs.parameters(), strict=True):
        assert torch.equal(a, b)


def test_schedule():
    rates = [warmup_stable_decay(step, 100, 2.0, warmup=10, cooldown=20) for step in range(100)]
    assert rates[:10] == pytest.approx([0.2 * (i + 1) for i in range(10)])
    assert rates[10:81] == [2.0] * 71
    assert rates[85] == pytest.approx(2.0 * (1 - (5 / 20) ** 0.5))
    assert 0 < rates[99] < 0.06
    assert rates == sorted(rates[:10]) + sorted(rates[10:], reverse=True)
