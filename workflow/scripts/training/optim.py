"""AdamW and Muon over groups of parameters."""

import torch
from torch import Tensor

from workflow.scripts.machine.torch_private import add_each_, fused_adamw_, lerp_each, lerp_each_, multiply_each_
from workflow.scripts.models import ParamGroup

BETA2 = 0.95  # of AdamW
EPS = 1e-8
MOMENTUM = 0.9  # of Muon: its usual 0.95 looks back too far over a thousand steps
# Coefficients of the quintic that pulls singular values towards 1 (Jordan 2024); five rounds leave them in 0.7-1.2.
QUINTIC = 3.4445, -4.7750, 2.0315
ROUNDS = 5


class Optimizer:
    """Updates each group of parameters by its own rule, with the rate, decay and epsilon times the group's."""

    def __init__(self, groups: list[ParamGroup], weight_decay: float, beta1: float = 0.9):
        """``weight_decay`` is each group's to scale, and ``beta1`` is AdamW's alone."""
        self.rules: list[AdamW | Muon] = []
        for group in groups:
            decay = weight_decay * group.decay_scale
            self.rules.append(Muon(group, decay) if group.rule == "muon" else AdamW(group, decay, beta1))

    @torch.no_grad()
    def step(self, learning_rate: float) -> None:
        """Update every parameter by its gradient, at this rate times its group's."""
        for rule in self.rules:
            rule.step(learning_rate * rule.group.lr_scale)

    def zero_grad(self) -> None:
        """Drop all gradients."""
        for rule in self.rules:
            for p in rule.params:
                p.grad = None

    def state_dict(self) -> dict[str, list[list[Tensor]]]:
        """What the rules remember of earlier steps, with the tensors themselves."""
        return {"rules": [rule.state for rule in self.rules]}

    def load_state_dict(self, state: dict[str, list[list[Tensor]]]) -> None:
        """Remember what `state_dict` gave."""
        for rule, saved in zip(self.rules, state["rules"], strict=True):
            for kept, tensor in zip(rule.state, saved, strict=True):
                kept.copy_(tensor)


def gradients(params: list[Tensor]) -> list[Tensor]:
    """The gradient of each parameter: a backward pass reaches them all."""
    found = []
    for p in params:
        assert p.grad is not None
        found.append(p.grad)
    return found


class AdamW:
    """AdamW (Loshchilov and Hutter 2019) through torch's own fused kernel.

    Bit for bit `torch.optim.AdamW(fused=True)`; that class loads torch's compiler when it is made,
    which would add a second to each of a study's many short jobs.
    """

    def __init__(self, group: ParamGroup, weight_decay: float, beta1: float):
        self.group = group
        self.params = list(group.params)
        self.weight_decay = weight_decay
        self.beta1 = beta1
        self.first = [torch.zeros_like(p) for p in group.params]
        self.second = [torch.zeros_like(p) for p in group.params]
        self.steps = [torch.zeros((), dtype=torch.float32, device=p.device) for p in group.params]
        self.state = [*self.first, *self.second, *self.steps]

    def step(self, learning_rate: float) -> None:
        """Update the group's parameters."""
        add_each_(self.steps, 1)
        fused_adamw_(
            self.params,
            gradients(self.params),
            self.first,
            self.second,
            [],
            self.steps,
            lr=learning_rate,
            beta1=self.beta1,
            beta2=BETA2,
            weight_decay=self.weight_decay,
            eps=EPS * self.group.eps_scale,
            amsgrad=False,
            maximize=False,
        )


class Muon:
    """Muon (Jordan 2024): Nesterov momentum, made orthogonal, times (rows / cols)^1/2 where a matrix is tall.

    An orthogonal update changes what a matrix does by the same amount at any width, so that its rate
    needs no scale by width (Yang 2023, A spectral condition for feature learning).
    """

    def __init__(self, group: ParamGroup, weight_decay: float):
        self.group = group
        self.params = list(group.params)
        self.weight_decay = weight_decay
        self.state = [torch.zeros_like(p) for p in group.params]
        self.by_shape: dict[tuple[int, ...], list[int]] = {}
        for i, p in enumerate(group.params):
            self.by_shape.setdefault(tuple(p.shape), []).append(i)

    def step(self, learning_rate: float) -> None:
        """Update the group's matrices."""
        grads = gradients(self.params)
        lerp_each_(self.state, grads, 1 - MOMENTUM)
        updates = lerp_each(grads, self.state, MOMENTUM)
        multiply_each_(self.params, 1 - learning_rate * self.weight_decay)
        for (rows, cols), of_shape in self.by_shape.items():  # equal shapes in one product of batches
            stretch = max(1.0, rows / cols) ** 0.5
            for i, update in zip(of_shape, orthogonal(torch.stack([updates[i] for i in of_shape])), strict=True):
                self.params[i].add_(update, alpha=-learning_rate * stretch)


def orthogonal(x: Tensor) -> Tensor:
    """Nearly U V^T of each matrix U S V^T in x (..., rows, cols), by Newton-Schulz iteration (Jordan 2024).

    In bfloat16 on a GPU, as there: its rounding is small beside what the iteration leaves.
    """
    x = x.bfloat16() if x.is_cuda else x
    tall = x.shape[-2] > x.shape[-1]
    x = x.mT if tall else x
    x = x / x.norm(dim=(-2, -1), keepdim=True).clamp(min=1e-12)
    a, b, c = QUINTIC
    for _ in range(ROUNDS):
        gram = x @ x.mT
        x = a * x + (b * gram + c * gram @ gram) @ x
    return x.mT if tall else x
