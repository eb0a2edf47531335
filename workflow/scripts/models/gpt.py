"""Decoder-only Transformer: pre-norm, rotary positions, tied embeddings, causal attention, no bias.

The norms have no gain, so that the parameters outside the embedding are exactly the 12 L d^2 of the
four projections and the MLP's two.
"""

from typing import Any, cast

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor, nn

from workflow.scripts.base.errors import InputError
from workflow.scripts.models import ModelConfig, ParamGroup
from workflow.scripts.models.language_model import LanguageModel
from workflow.scripts.models.layers.attention import causal_attention, heads
from workflow.scripts.models.layers.kv_cache import Cache
from workflow.scripts.models.layers.rows import add_norm, norm, perceptron, runs_compiled
from workflow.scripts.models.layers.whole_transformer import Shape, WholeLoss, fits, whole_logits

# The shape at which "mup" is "standard": width, layers and size of a head that the rates were tuned at.
BASE_WIDTH, BASE_DEPTH, BASE_HEAD = 48, 2, 16
EMBED_RATE = 4.0  # of the embedding's rate to the matrices' at the base, measured


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


class Block(nn.Module):
    """The weights of one layer, and its two branches: attention, then a two-layer perceptron.

    Args:
        logit_scale: what a product of a query and a key is multiplied by.
        branch_scale: what each branch is multiplied by before it is added to the residual stream.
        activation: nonlinearity of the perceptron, as `rows.activate` knows it.
        normed_heads: whether queries and keys are made of one size before they are compared.
    """

    def __init__(
        self,
        n_embd: int,
        n_head: int,
        logit_scale: float,
        branch_scale: float,
        activation: str = "gelu",
        normed_heads: bool = False,
    ):
        super().__init__()
        self.n_head = n_head
        self.logit_scale = logit_scale
        self.branch_scale = branch_scale
        self.activation = activation
        self.normed_heads = normed_heads
        self.qkv = nn.Linear(n_embd, 3 * n_embd, bias=False)
        self.attn_out = nn.Linear(n_embd, n_embd, bias=False)
        self.mlp_in = nn.Linear(n_embd, 4 * n_embd, bias=False)
        self.mlp_out = nn.Linear(4 * n_embd, n_embd, bias=False)

    def attention(self, x: Tensor, cos: Tensor, sin: Tensor, first: int, compiled: bool) -> Tensor:
        """What each position from ``first`` on takes from those up to it, (B, T - first, C), of normed x (B, T, C)."""
        y = causal_attention(self.qkv(x), cos, sin, self.n_head, self.logit_scale, self.normed_heads, first, compiled)
        branch: Tensor = self.attn_out(y)
        return branch

    def cached_attention(self, x: Tensor, cos: Tensor, sin: Tensor, cache: Cache, layer: int) -> Tensor:
        """The same of the last T tokens of those that the cache has room for, whose keys and values it keeps."""
        q, k, v = heads(self.qkv(x), cos, sin, self.n_head, self.normed_heads)
        cache.write(layer, k, v)
        if x.shape[1] == 1:
            y = cache.attend_once(layer, q, self.logit_scale)
        else:  # the first tokens of all
            y = F.scaled_dot_product_attention(q, k, v, is_causal=True, scale=self.logit_scale)
        branch: Tensor = self.attn_out(y.transpose(1, 2).reshape(x.shape))
        return branch

    def perceptron(self, x: Tensor, compiled: bool) -> Tensor:
        """What the perceptron makes of normed x (B, T, C)."""
        return perceptron(x, self.mlp_in.weight, self.mlp_out.weight, self.activation, compiled)


class Model(LanguageModel):
    """The Transformer. Its state is a cache of keys and values.

    Raises:
        InputError: the heads would not be of even size.
    """

    carries_state = False  # a training window starts with no memory of the one before it
    cos: Tensor
    sin: Tensor

    def __init__(self, config: ModelConfig):
        super().__init__()
        L, C, H, T = config.n_layer, config.n_embd, config.n_head, config.block_size
        if C % (2 * H):
            raise InputError(f"n_embd {C} must be a multiple of 2 x n_head ({2 * H}), for heads of even size")
        self.config = config
        mup = config.parametrization == "mup"
        self.width = C / BASE_WIDTH if mup else 1.0  # widths and depths are counted in those of the base
        self.depth = L / BASE_DEPTH if mup else 1.0
        logit_scale = BASE_HEAD**0.5 / (C // H) if mup else (C // H) ** -0.5
        self.wte = nn.Embedding(config.vocab_size, C)
        blocks = [self.block(logit_scale, 1 / self.depth) for _ in range(L)]
        self.blocks = nn.ModuleList(blocks)
        half = C // H // 2
        angles = torch.outer(torch.arange(T), 10000.0 ** (-torch.arange(half) / half))
        self.register_buffer("cos", angles.cos(), persistent=False)
        self.register_buffer("sin", angles.sin(), persistent=False)

        nn.init.normal_(self.wte.weight, std=(C / self.width) ** -0.5)
        for block in blocks:
            for linear in (block.qkv, block.mlp_in):
                nn.init.normal_(linear.weight, std=linear.in_features**-0.5)
            for linear in (block.attn_out, block.mlp_out):  # 2L of these add up in the residual stream
                nn.init.normal_(linear.weight, std=(2 * L / self.depth * linear.in_features) ** -0.5)

    def block(self, logit_scale: float, branch_scale: float) -> Block:
        """One layer, before its weights are drawn."""
        return Block(self.config.n_embd, self.config.n_head, logit_scale, branch_scale)

    def param_groups(self) -> list[ParamGroup]:
        """Rates, decay and epsilon by width and depth (Dey 2025, table 1, alpha = 1)."""
        width, depth = self.width, self.depth
        return [
            ParamGroup([self.wte.weight], lr_scale=EMBED_RATE, decay_scale=1 / EMBED_RATE, eps_scale=1 / width),
            ParamGroup(
                list(self.blocks.parameters()), lr_scale=1 / width, decay_scale=width, eps_scale=1 / (width * depth)
            ),
        ]

    def forward(self, idx: Tensor, state: Cache | None = None, first: int = 0) -> tuple[Tensor, Cache | None]:
        """Logits (B, T - first, V) of ids (B, T), and the cache with them added if one was given.

        Args:
            first: position that logits are wanted from. The last block and the logits of those before are not computed.
        """
        seen, T = state.length if state else 0, idx.shape[1]
        if (seen and T > 1) or seen + T > self.config.block_size:
            raise ValueError(f"{T} tokens do not fit after {seen} in a context of {self.config.block_size}")
        if state is None and not torch.is_grad_enabled() and fits(self.wte.weight, len(self.cos), self.config.n_embd):
            return whole_logits(idx, self.cos, self.sin, self.shape(), list(self.parameters()), first), None
        state = state and state.plus(T)
        cos, sin = self.cos[seen : seen + T], self.sin[seen : seen + T]
        x = norm(self.wte(idx))
        compiled = runs_compiled(x)
        y = norm(x)
        if compiled:  # the residual stream stays in float32, the branches are in the precision of products
            x = x.float()
            y = y.to(torch.get_autocast_dtype("cpu")) if torch.is_autocast_enabled("cpu") else y
        for i, block in enumerate(blocks := self.layers()):
            if state is not None:
                y = block.cached_attention(y, cos, sin, state, i)
            elif block is blocks[-1] and first:
                x, y = x[:, first:], block.attention(y, cos, sin, first, compiled)
            else:
                y = block.attention(y, cos, sin, 0, compiled)
            x, y = add_norm(x, y, block.branch_scale, compiled)
            x, y = add_norm(x, block.perceptron(y, compiled), block.branch_scale, compiled)
        logits = F.linear(y, self.wte.weight / self.width)
        return logits, state

    def loss(self, idx: Tensor, targets: Tensor, state: Cache | None = None) -> tuple[Tensor, Cache | None]:
        """Mean cross-entropy, in nats, of targets (B, T) after ids (B, T): in one call where that is faster."""
        if state is not None or not fits(self.wte.weight, idx.shape[1], self.config.n_embd):
            return super().loss(idx, targets, state)
        T = idx.shape[1]
        return WholeLoss.apply(idx, targets, self.cos[:T], self.sin[:T], self.shape(), *self.parameters()), None

    def shape(self) -> Shape:
        """What the kernels of the whole model must know."""
        c, block = self.config, self.layers()[0]
        return Shape(
            c.vocab_size, c.n_layer, c.n_embd, c.n_head, np.float32(block.logit_scale), np.float32(block.branch_scale),
            np.float32(self.width), block.activation == "squared_relu", block.normed_heads,
        )  # fmt: skip

    def layers(self) -> list[Block]:
        """The blocks, from the first."""
        return cast(list[Block], list(self.blocks))

    def empty_state(self, batch: int) -> Cache:
        """The state before the first token, for generation."""
        c = self.config
        return Cache.empty(c.n_layer, batch, c.n_head, c.block_size, c.n_embd // c.n_head, like=self.wte.weight)

    def decoder(self, precision: str) -> Any:
        """The weights laid out for a CPU to write by."""
        from workflow.scripts.models.layers.decoder import TransformerDecoder  # only writing needs it

        return TransformerDecoder(self, precision)

    def is_full(self, state: Cache) -> bool:
        """Whether the cache holds a whole context."""
        return state.length == self.config.block_size
