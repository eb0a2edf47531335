"""Rotary positions, and causal attention for CPUs, where torch's own kernel gains nothing from bfloat16."""

from typing import Any

import torch
from torch import Tensor

from workflow.scripts.machine.torch_private import softmax_backward

QUERIES = 64  # of a block of causal attention: the fastest of 32, 64 and 128


def rotate(x: Tensor, cos: Tensor, sin: Tensor) -> Tensor:
    """Rotary position embedding (Su 2021, eq. 34) of x (..., D) by cos and sin (..., D / 2)."""
    a, b = x.chunk(2, -1)
    return torch.cat((torch.addcmul(a * cos, b, sin, value=-1), torch.addcmul(b * cos, a, sin)), -1).type_as(x)


def rotate_into(out: Tensor, x: Tensor, cos: Tensor, sin: Tensor) -> None:
    """`rotate` of x (..., D, T) by cos and sin (D / 2, T), written where it is wanted: half the passes over memory."""
    a, b = x.chunk(2, -2)
    first, second = out.chunk(2, -2)
    torch.mul(a, cos, out=first).addcmul_(b, sin, value=-1)
    torch.mul(b, cos, out=second).addcmul_(a, sin)


class Heads(torch.autograd.Function):
    """Queries and keys with their positions, and values, each (B H, D, T), from products (3, H, D, B, T).

    Written out, with its gradient, so that each is laid out by one copy and turned by one pass.
    """

    @staticmethod
    def forward(ctx: Any, qkv: Tensor, cos: Tensor, sin: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        _, H, D, B, T = qkv.shape
        cos, sin = (angles.T.to(qkv.dtype, memory_format=torch.contiguous_format) for angles in (cos, sin))
        ctx.save_for_backward(cos, sin)
        ctx.shape = qkv.shape
        by_head = qkv.permute(0, 3, 1, 2, 4)
        qk = qkv.new_empty(2, B, H, D, T)
        rotate_into(qk, by_head[:2], cos, sin)
        q, k = qk.view(2, B * H, D, T)
        return q, k, by_head[2].reshape(B * H, D, T)

    @staticmethod
    def backward(ctx: Any, dq: Tensor, dk: Tensor, dv: Tensor) -> tuple[Tensor, None, None]:
        cos, sin = ctx.saved_tensors
        _, H, D, B, T = ctx.shape
        d_qkv = dq.new_empty(ctx.shape)
        by_head = d_qkv.permute(0, 3, 1, 2, 4)
        for at, grad in enumerate((dq, dk)):
            rotate_into(by_head[at], grad.view(B, H, D, T), cos, -sin)
        by_head[2] = dv.view(B, H, D, T)
        return d_qkv, None, None


class CausalAttention(torch.autograd.Function):
    """softmax(scale q^T k) v^T of k and v (N, D, T) and of the last Q queries (N, D, Q), as (N, D, Q).

    Each query looks at the keys up to its own. They are taken QUERIES at a time with the keys up to the last of
    them, so that most of what the mask would drop is never computed, and the probabilities are kept for the
    backward pass. On a CPU this is two to three times as fast as torch's own kernel, whose products are too small.
    """

    @staticmethod
    def forward(ctx: Any, q: Tensor, k: Tensor, v: Tensor, scale: float) -> Tensor:
        T = k.shape[-1]
        first = T - q.shape[-1]
        future = q.new_full((T, T), -torch.inf).triu(1)
        y = torch.empty_like(q)
        # Of each block of queries, their places among the queries, and the end of the last one's keys.
        blocks = [(slice(at - first, at - first + QUERIES), min(at + QUERIES, T)) for at in range(first, T, QUERIES)]
        kept = []
        for at, stop in blocks:
            mask, queries = future[first:][at, :stop], q[..., at]
            p = torch.baddbmm(mask, queries.mT, k[..., :stop], alpha=scale).softmax(dim=-1)
            y[..., at] = v[..., :stop] @ p.mT
            kept.append(p)
        ctx.save_for_backward(q, k, v, *kept)
        ctx.blocks, ctx.scale = blocks, scale
        return y

    @staticmethod
    def backward(ctx: Any, dy: Tensor) -> tuple[Tensor, Tensor, Tensor, None]:
        q, k, v, *kept = ctx.saved_tensors
        dq, dk, dv = torch.empty_like(q), torch.zeros_like(k), torch.zeros_like(v)
        for (at, stop), p in zip(ctx.blocks, kept, strict=True):
            queries, dy_block = q[..., at].contiguous(), dy[..., at].contiguous()
            d_scores = softmax_backward(dy_block.mT @ v[..., :stop], p)
            dq[..., at] = k[..., :stop] @ d_scores.mT
            dk[..., :stop] += queries @ d_scores
            dv[..., :stop] += dy_block @ p
        return dq.mul_(ctx.scale), dk.mul_(ctx.scale), dv, None
