"""Rotary positions, and the causal attention of a whole window: our own on a CPU, torch's elsewhere."""

from typing import Any

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor

from workflow.scripts.kernels.attention import EPS, attend, attend_backward
from workflow.scripts.kernels.compiled import array

SMALLEST = float(EPS)  # here, as torch.compile takes what numpy computes within a graph out of it


def rotate(x: Tensor, cos: Tensor, sin: Tensor) -> Tensor:
    """Rotary position embedding (Su 2021, eq. 34) of x (..., D) by cos and sin (..., D / 2)."""
    a, b = x.chunk(2, -1)
    return torch.cat((torch.addcmul(a * cos, b, sin, value=-1), torch.addcmul(b * cos, a, sin)), -1).type_as(x)


def heads(qkv: Tensor, cos: Tensor, sin: Tensor, n_head: int, normed: bool) -> tuple[Tensor, Tensor, Tensor]:
    """Queries, keys and values, each (B, n_head, T, D), of their projection (B, T, 3 C), turned by their positions.

    Args:
        normed: whether queries and keys are of root mean square 1 (Henry 2020): logits then cannot grow with weights.
    """
    B, T, width = qkv.shape
    # Places stay outside of heads in memory, as they are in qkv: what attends to them writes its result in the same
    # order, and neither it nor its gradient is copied before the next product.
    qk, v = qkv.view(B, T, 3, n_head, width // (3 * n_head)).split((2, 1), dim=2)
    if normed:
        qk = qk * (qk.square().mean(-1, keepdim=True) + SMALLEST).rsqrt()
    q, k = rotate(qk, cos[:, None, None], sin[:, None, None]).transpose(1, 3).unbind(2)
    return q, k, v[:, :, 0].transpose(1, 2)


def causal_attention(
    qkv: Tensor, cos: Tensor, sin: Tensor, n_head: int, scale: float, normed: bool, first: int, compiled: bool
) -> Tensor:
    """What each position from ``first`` on takes from those up to it, (B, T - first, C), of qkv (B, T, 3 C).

    Args:
        scale: what a product of a query and a key is multiplied by.
        compiled: whether by our own kernels.
    """
    if compiled:
        y: Tensor = CausalAttention.apply(qkv, cos, sin, n_head, scale, normed, first)
        return y
    B, T, width = qkv.shape
    q, k, v = heads(qkv, cos, sin, n_head, normed)
    past = torch.ones(T - first, T, dtype=torch.bool, device=qkv.device).tril(first) if first else None
    y = F.scaled_dot_product_attention(q[:, :, first:], k, v, past, is_causal=past is None, scale=scale)
    return y.transpose(1, 2).reshape(B, T - first, width // 3)


class CausalAttention(torch.autograd.Function):
    """The same by `kernels.attention`: the scores never leave the cache, and nothing is copied but the heads."""

    @staticmethod
    def forward(
        ctx: Any, qkv: Tensor, cos: Tensor, sin: Tensor, n_head: int, scale: float, normed: bool, first: int
    ) -> Tensor:
        qkv, cos, sin = qkv.contiguous(), cos.contiguous(), sin.contiguous()
        B, T, width = qkv.shape
        y = qkv.new_empty(B, T - first, width // 3)
        sums = cos.new_empty(B, n_head, T - first)
        attend(array(qkv), array(cos), array(sin), n_head, np.float32(scale), normed, first, array(y), array(sums))
        ctx.save_for_backward(qkv, cos, sin, sums)
        ctx.options = n_head, np.float32(scale), normed, first
        return y

    @staticmethod
    def backward(ctx: Any, d_y: Tensor) -> tuple[Tensor | None, ...]:
        qkv, cos, sin, sums = ctx.saved_tensors
        d_qkv = torch.empty_like(qkv)
        arrays = map(array, (sums, d_y.contiguous(), d_qkv))
        attend_backward(array(qkv), array(cos), array(sin), *ctx.options, *arrays)
        return d_qkv, None, None, None, None, None, None
