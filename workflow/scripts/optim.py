"""AdamW and the learning-rate schedule."""

import torch
from torch import Tensor, nn


class AdamW:
    """AdamW (Loshchilov and Hutter 2019) through torch's own fused kernel.

    Bit for bit `torch.optim.AdamW(fused=True)`; that class loads torch's compiler when it is made,
    which would add a second to each of a study's many short jobs. Vectors (biases) are not decayed.
    """

    def __init__(self, model: nn.Module, weight_decay: float, betas: tuple[float, float] = (0.9, 0.95)):
        params = [p for p in model.parameters() if p.requires_grad]
        self.groups = [
            ([p for p in params if p.ndim >= 2], weight_decay),
            ([p for p in params if p.ndim < 2], 0.0),
        ]
        self.betas = betas
        self.params = params
        self.moments = {p: (torch.zeros_like(p), torch.zeros_like(p)) for p in params}
        self.steps = {p: torch.zeros((), dtype=torch.float32, device=p.device) for p in params}

    @torch.no_grad()
    def step(self, learning_rate: float) -> None:
        for group, weight_decay in self.groups:
            if not group:
                continue
            steps = [self.steps[p] for p in group]
            torch._foreach_add_(steps, 1)
            torch._fused_adamw_(
                group,
                [p.grad for p in group],
                [self.moments[p][0] for p in group],
                [self.moments[p][1] for p in group],
                [],
                steps,
                lr=learning_rate,
                beta1=self.betas[0],
                beta2=self.betas[1],
                weight_decay=weight_decay,
                eps=1e-8,
                amsgrad=False,
                maximize=False,
            )

    def zero_grad(self) -> None:
        for p in self.params:
            p.grad = None

    def state_dict(self) -> dict[str, list[Tensor]]:
        return {
            "first": [self.moments[p][0] for p in self.params],
            "second": [self.moments[p][1] for p in self.params],
            "steps": [self.steps[p] for p in self.params],
        }

    def load_state_dict(self, state: dict[str, list[Tensor]]) -> None:
        for p, first, second, steps in zip(self.params, state["first"], state["second"], state["steps"], strict=True):
            self.moments[p][0].copy_(first)
            self.moments[p][1].copy_(second)
            self.steps[p].copy_(steps)


def warmup_stable_decay(step: int, steps: int, peak: float, warmup: int, cooldown: int) -> float:
    """Learning rate of 0-based ``step``: linear warmup, constant, then 1 - sqrt to zero (Hagele 2024, eq. 1)."""
    if step < warmup:
        return peak * (step + 1) / warmup
    into = step - (steps - cooldown)
    return peak * (1 - (into / cooldown) ** 0.5) if into > 0 else peak
