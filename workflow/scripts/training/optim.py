"""AdamW and Muon over groups of parameters."""

import itertools

import torch
from torch import Tensor

from workflow.scripts.machine.torch_private import add_each_, fused_adamw_, lerp_each, lerp_each_, multiply_each_
from workflow.scripts.models import ParamGroup

BETA2 = 0.95  # of AdamW
EPS = 1e-8
MOMENTUM = 0.9  # of Muon: its usual 0.95 looks back too far over a thousand steps
# Quintics that pull singular values towards 1, one after the other: each is the best in the worst case for what those
# before it make of values from 0.003 to 1 (Amsel 2025, The Polar Express). All four leave them in 0.8-1.2. ROOM keeps
# values that rounding makes larger than 1 from growing.
QUINTICS = (
    (8.3837, -24.7659, 18.3571),
    (4.0434, -3.0114, 0.5695),
    (3.5056, -2.6267, 0.5257),
    (2.4901, -1.8343, 0.4368),
)
ROOM = 1.02
STRIPS = 4  # in which the half of a symmetric product is computed, of matrices that are larger than LARGE
LARGE = 256


class Optimizer:
    """Updates each group of parameters by its own rule, with the rate, decay and epsilon times the group's."""

    def __init__(self, groups: list[ParamGroup], weight_decay: float, beta1: float = 0.9, precision: str = "float32"):
        """``weight_decay`` is each group's to scale, ``beta1`` AdamW's alone, ``precision`` that of Muon's products."""
        self.rules: list[AdamW | Muon] = []
        for group in groups:
            decay = weight_decay * group.decay_scale
            self.rules.append(Muon(group, decay, precision) if group.rule == "muon" else AdamW(group, decay, beta1))

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
    needs no scale by width (Yang 2023, A spectral condition for feature learning). That holds of each
    matrix that a parameter is stacked of, such as queries, keys and values, so that each has its own.
    """

    def __init__(self, group: ParamGroup, weight_decay: float, precision: str):
        self.group = group
        self.precision = torch.bfloat16 if precision == "bfloat16" else torch.float32
        self.params = list(group.params)
        self.weight_decay = weight_decay
        self.state = [torch.zeros_like(p) for p in group.params]
        self.by_shape: dict[tuple[int, ...], list[int]] = {}
        for i, p in enumerate(group.params):
            self.by_shape.setdefault((len(p) // group.stacked, p.shape[1]), []).append(i)

    def step(self, learning_rate: float) -> None:
        """Update the group's matrices."""
        grads = gradients(self.params)
        lerp_each_(self.state, grads, 1 - MOMENTUM)
        updates = lerp_each(grads, self.state, MOMENTUM)
        multiply_each_(self.params, 1 - learning_rate * self.weight_decay)
        for (rows, cols), of_shape in self.by_shape.items():  # equal shapes in one product of batches
            stretch = max(1.0, rows / cols) ** 0.5
            matrices = torch.cat([updates[i] for i in of_shape]).view(-1, rows, cols).to(self.precision)
            made = orthogonal(matrices).reshape(len(of_shape), -1, cols)
            for i, update in zip(of_shape, made, strict=True):
                self.params[i].add_(update, alpha=-learning_rate * stretch)


def orthogonal(x: Tensor) -> Tensor:
    """Nearly U V^T of each matrix U S V^T in x (k, rows, cols), by Newton-Schulz iteration (Jordan 2024).

    Its products may be in bfloat16, as there: that rounding is small beside what the iteration leaves.
    """
    tall = x.shape[-2] > x.shape[-1]
    x = x.mT if tall else x
    x = x / (ROOM * x.norm(dim=(-2, -1), keepdim=True)).clamp(min=1e-12)
    for a, b, c in QUINTICS:
        gram = symmetric_product(x, x.mT)
        x = torch.baddbmm(x, symmetric_product(gram, gram).mul_(c).add_(gram, alpha=b), x, beta=a)
    return x.mT if tall else x


def symmetric_product(x: Tensor, y: Tensor) -> Tensor:
    """The products x y (k, n, n) of matrices x (k, n, m) and y (k, m, n), which are known to be symmetric.

    On a CPU, of large ones only the strips below the diagonal are computed, and copied above it.
    """
    n = x.shape[-2]
    if n < LARGE or x.device.type != "cpu":
        return torch.bmm(x, y)
    product = x.new_empty(len(x), n, n)
    edges = [n * strip // STRIPS for strip in range(STRIPS + 1)]
    for first, end in itertools.pairwise(edges):
        product[:, first:end, :end] = torch.bmm(x[:, first:end], y[:, :, :end])
        product[:, :first, first:end] = product[:, first:end, :first].mT
    return product
