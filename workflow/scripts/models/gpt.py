"""Decoder-only Transformer: pre-norm, rotary positions, tied embeddings, causal attention, no bias.

The norms have no gain, so that the parameters outside the embedding are exactly the 12 L d^2 of the
four projections and the MLP's two.
"""

from dataclasses import dataclass

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from workflow.scripts.cli import InputError
from workflow.scripts.models import ModelConfig


def count_params(config: ModelConfig) -> tuple[int, int]:
    """(non-embedding, total) parameters: 12 L d^2, and that plus the tied V d (Kaplan 2020, table 1)."""
    hidden = 12 * config.n_layer * config.n_embd**2
    return hidden, hidden + config.vocab_size * config.n_embd


def flops_per_token(config: ModelConfig) -> int:
    """Training FLOP a token: 6N + 6Vd for products with weights, 6LTd for attention.

    Attention is counted as the half of the T x T scores that the causal mask keeps. A backward pass
    costs twice its forward pass, hence 6 = 3 x 2 (Kaplan 2020, section 2.1; Hoffmann 2022, appendix F).
    """
    _, total = count_params(config)
    return 6 * total + 6 * config.n_layer * config.block_size * config.n_embd


@dataclass
class Cache:
    """Keys and values of the tokens seen so far: (L, 2, B, n_head, block_size, head size) and how many."""

    keys_values: Tensor
    length: int


class Block(nn.Module):
    def __init__(self, n_embd: int, n_head: int):
        super().__init__()
        self.n_head = n_head
        self.qkv = nn.Linear(n_embd, 3 * n_embd, bias=False)
        self.attn_out = nn.Linear(n_embd, n_embd, bias=False)
        self.mlp_in = nn.Linear(n_embd, 4 * n_embd, bias=False)
        self.mlp_out = nn.Linear(4 * n_embd, n_embd, bias=False)

    def forward(self, x: Tensor, cos: Tensor, sin: Tensor, cache: Tensor | None, seen: int) -> Tensor:
        x = x + self.attn_out(self.attend(norm(x), cos, sin, cache, seen))
        return x + self.mlp_out(F.gelu(self.mlp_in(norm(x))))

    def attend(self, x: Tensor, cos: Tensor, sin: Tensor, cache: Tensor | None, seen: int) -> Tensor:
        B, T, C = x.shape
        q, k, v = self.qkv(x).view(B, T, 3, self.n_head, C // self.n_head).permute(2, 0, 3, 1, 4)
        q, k = rotate(q, cos, sin), rotate(k, cos, sin)
        if cache is not None:
            cache[0, :, :, seen : seen + T] = k
            cache[1, :, :, seen : seen + T] = v
            k, v = cache[:, :, :, : seen + T]
        # One new token sees everything before it; several start from an empty cache and need the mask.
        y = F.scaled_dot_product_attention(q, k, v, is_causal=T > 1)
        return y.transpose(1, 2).reshape(B, T, C)


def norm(x: Tensor) -> Tensor:
    return F.layer_norm(x, x.shape[-1:])


def rotate(x: Tensor, cos: Tensor, sin: Tensor) -> Tensor:
    """Rotary position embedding (Su 2021, eq. 34) of x (..., T, D) by cos and sin (T, D/2)."""
    a, b = x.chunk(2, dim=-1)
    return torch.cat((a * cos - b * sin, b * cos + a * sin), dim=-1).type_as(x)


class Model(nn.Module):
    carries_state = False  # a training window starts with no memory of the one before it

    def __init__(self, config: ModelConfig):
        super().__init__()
        L, C, H, T = config.n_layer, config.n_embd, config.n_head, config.block_size
        if C % (2 * H):
            raise InputError(f"n_embd {C} must be a multiple of 2 x n_head ({2 * H}), for heads of even size")
        self.config = config
        self.wte = nn.Embedding(config.vocab_size, C)
        self.blocks = nn.ModuleList(Block(C, H) for _ in range(L))
        half = C // H // 2
        angles = torch.outer(torch.arange(T), 10000.0 ** (-torch.arange(half) / half))
        self.register_buffer("cos", angles.cos(), persistent=False)
        self.register_buffer("sin", angles.sin(), persistent=False)

        nn.init.normal_(self.wte.weight, std=C**-0.5)
        for block in self.blocks:
            for linear in (block.qkv, block.mlp_in):
                nn.init.normal_(linear.weight, std=linear.in_features**-0.5)
            for linear in (block.attn_out, block.mlp_out):  # 2L of these add up in the residual stream
                nn.init.normal_(linear.weight, std=(2 * L * linear.in_features) ** -0.5)

    def forward(self, idx: Tensor, state: Cache | None = None) -> tuple[Tensor, Cache | None]:
        """Logits (B, T, V) of ids (B, T), and the cache with them added if one was given."""
        seen, T = state.length if state else 0, idx.shape[1]
        if (seen and T > 1) or seen + T > self.config.block_size:
            raise ValueError(f"{T} tokens do not fit after {seen} in a context of {self.config.block_size}")
        cos, sin = self.cos[seen : seen + T], self.sin[seen : seen + T]
        x = norm(self.wte(idx))
        for i, block in enumerate(self.blocks):
            x = block(x, cos, sin, state.keys_values[i] if state else None, seen)
        return F.linear(norm(x), self.wte.weight), Cache(state.keys_values, seen + T) if state else None

    def empty_state(self, batch: int) -> Cache:
        """The state before the first token, for generation."""
        L, C, H, T = self.config.n_layer, self.config.n_embd, self.config.n_head, self.config.block_size
        return Cache(self.wte.weight.new_empty(L, 2, batch, H, T, C // H), 0)

    def is_full(self, state: Cache) -> bool:
        return state.length == self.config.block_size
