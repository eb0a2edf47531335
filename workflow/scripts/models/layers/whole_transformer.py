"""A whole Transformer in one call: in float32 on a CPU, where calls of a library cost more than what they do."""

from collections.abc import Iterable
from typing import Any, NamedTuple

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor

from workflow.scripts.kernels.compiled import STEP, array
from workflow.scripts.kernels.transformer import forward, loss_and_gradients, room, turn
from workflow.scripts.machine.device import cache_bytes
from workflow.scripts.models.layers.rows import runs_compiled


class Shape(NamedTuple):
    """What the kernels must know of a model; ``width`` is what logits are divided by."""

    vocab_size: int
    n_layer: int
    n_embd: int
    n_head: int
    logit_scale: np.float32
    branch_scale: np.float32
    width: np.float32
    squared_relu: bool
    normed_heads: bool


def fits(weight: Tensor, length: int, n_embd: int) -> bool:
    """Whether the kernels take windows of a length and weights like this one, of a model of this width.

    They read all of a layer's weights for each window: where these outgrow the cache, a library's products are faster.
    """
    if not runs_compiled(weight):  # first: torch.compile is not to read the size of a cache from a file
        return False
    sides = not (length % STEP or n_embd % STEP)
    precise = weight.dtype is torch.float32 and not torch.is_autocast_enabled("cpu")
    return sides and precise and 12 * n_embd**2 * 4 <= cache_bytes()


def check_ids(ids: Tensor, shape: Shape) -> None:
    """Refuse ids that no weight belongs to: the kernels look at none.

    Raises:
        IndexError: there is one.
    """
    if ids.numel() and not 0 <= int(ids.min()) <= int(ids.max()) < shape.vocab_size:
        raise IndexError(f"an id of {int(ids.max())} is not in a vocabulary of {shape.vocab_size}")


def flattened(weights: Iterable[Tensor]) -> Tensor:
    """All weights, one behind the other, as the kernels want them: in the order of `parameters()` of gpt.Model."""
    return torch.cat([weight.detach().reshape(-1) for weight in weights])


def whole_logits(ids: Tensor, cos: Tensor, sin: Tensor, shape: Shape, weights: list[Tensor], first: int) -> Tensor:
    """Logits (B, T - first, V) of ids (B, T), T at most that of cos and sin.

    T and ``first`` are made multiples of STEP on the way. The first of the weights is the embedding.

    Raises:
        IndexError: an id is not in the vocabulary.
    """
    check_ids(ids, shape)
    B, T = ids.shape
    filled = F.pad(ids, (0, -T % STEP))
    skipped = first // STEP * STEP
    flat = array(flattened(weights))
    across, kept = turn(flat, shape), room(filled.shape[1], shape)
    rows = torch.empty(B, T - first, shape.n_embd)
    last = torch.from_numpy(kept[0][2 * shape.n_layer])
    for row, window in zip(rows, filled, strict=True):
        forward(array(window), flat, across, array(cos), array(sin), shape, skipped, kept)
        row.copy_(last[first - skipped : T - skipped])
    return F.linear(rows, weights[0] / float(shape.width))


class WholeLoss(torch.autograd.Function):
    """Mean loss in nats of a Transformer with these weights at targets (B, T) after ids (B, T).

    The gradients are made on the way: a window's are cheapest while its activations are in the cache.

    Raises:
        IndexError: an id or a target is not in the vocabulary.
    """

    @staticmethod
    def forward(
        ctx: Any, ids: Tensor, targets: Tensor, cos: Tensor, sin: Tensor, shape: Shape, *weights: Tensor
    ) -> Tensor:
        check_ids(ids, shape)
        check_ids(targets, shape)
        flat = flattened(weights)
        gradients = torch.empty_like(flat)
        arrays = map(array, (ids.contiguous(), targets.contiguous(), flat, cos, sin))
        loss = loss_and_gradients(*arrays, shape, array(gradients))
        parts = gradients.split([weight.numel() for weight in weights])
        ctx.gradients = [part.view(weight.shape) for part, weight in zip(parts, weights, strict=True)]
        return torch.tensor(loss, dtype=torch.float32)

    @staticmethod
    def backward(ctx: Any, d_loss: Tensor) -> tuple[Tensor | None, ...]:
        factor = d_loss.item()
        gradients = ctx.gradients if factor == 1 else [gradient.mul_(factor) for gradient in ctx.gradients]
        return None, None, None, None, None, *gradients
