"""Decoder-only Transformer: pre-norm, rotary positions, tied embeddings, causal attention, no bias.

The norms have no gain, so that the parameters outside the embedding are exactly the 12 L d^2 of the
four projections and the MLP's two.
"""

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from workflow.scripts.base.errors import InputError
from workflow.scripts.models import ModelConfig, ParamGroup
from workflow.scripts.models.language_model import LanguageModel
from workflow.scripts.models.layers.attention import CausalAttention, Heads, rotate
from workflow.scripts.models.layers.kv_cache import Cache

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
    """One layer: attention, then a two-layer perceptron, each added to the residual stream.

    Args:
        logit_scale: what a product of a query and a key is multiplied by.
        branch_scale: what each branch is multiplied by before it is added.
    """

    def __init__(self, n_embd: int, n_head: int, logit_scale: float, branch_scale: float):
        super().__init__()
        self.n_head = n_head
        self.logit_scale = logit_scale
        self.branch_scale = branch_scale
        self.qkv = nn.Linear(n_embd, 3 * n_embd, bias=False)
        self.attn_out = nn.Linear(n_embd, n_embd, bias=False)
        self.mlp_in = nn.Linear(n_embd, 4 * n_embd, bias=False)
        self.mlp_out = nn.Linear(4 * n_embd, n_embd, bias=False)

    def forward(self, x: Tensor, cos: Tensor, sin: Tensor, cache: Cache | None, layer: int, first: int = 0) -> Tensor:
        """Of x (B, T, C), what becomes of the positions from ``first`` on: (B, T - first, C)."""
        y = self.attn_out(self.attend(norm(x), cos, sin, cache, layer, first))
        x = torch.add(x[:, first:] if first else x, y, alpha=self.branch_scale)
        return torch.add(x, self.mlp_out(self.activate(self.mlp_in(norm(x)))), alpha=self.branch_scale)

    def activate(self, x: Tensor) -> Tensor:
        """The nonlinearity of the perceptron (GELU, Hendrycks and Gimpel 2016)."""
        return F.gelu(x)

    def sized(self, x: Tensor, dim: int) -> Tensor:
        """Queries or keys, whose heads lie along ``dim``, as they are compared."""
        return x

    def attend(self, x: Tensor, cos: Tensor, sin: Tensor, cache: Cache | None, layer: int, first: int = 0) -> Tensor:
        """What each position from ``first`` on takes from those up to it, (B, T - first, C), of normed x (B, T, C)."""
        B, T, C = x.shape
        H, D, Q = self.n_head, C // self.n_head, T - first
        if cache is None and is_on_cpu(x):
            # Time comes last: heads, and halves of heads, are then whole rows of one product.
            q, k, v = Heads.apply((self.qkv.weight @ x.view(B * T, C).T).view(3, H, D, B, T), cos, sin)
            q = q[..., first:] if first else q
            y: Tensor = CausalAttention.apply(self.sized(q, -2), self.sized(k, -2), v, self.logit_scale)
            return y.view(B, H, D, Q).permute(1, 2, 0, 3).reshape(C, B * Q).T.view(B, Q, C)
        qk, v = self.qkv(x).view(B, T, 3, H, D).permute(2, 0, 3, 1, 4).split((2, 1))
        q, k, v = *self.sized(rotate(qk, cos, sin), -1), v[0]
        if cache is not None:
            cache.write(layer, k, v)
            if T == 1:
                return cache.attend_once(layer, q, self.logit_scale).view(B, T, C)
        past = torch.ones(Q, T, dtype=torch.bool, device=x.device).tril(first) if first else None
        y = F.scaled_dot_product_attention(q[:, :, first:], k, v, past, is_causal=past is None, scale=self.logit_scale)
        return y.transpose(1, 2).reshape(B, Q, C)


def is_on_cpu(x: Tensor) -> bool:
    """Whether our own kernels for CPUs apply."""
    return x.device.type == "cpu"


def norm(x: Tensor) -> Tensor:
    """Layer norm over the last dimension, without gain or bias (Ba et al. 2016)."""
    return F.layer_norm(x, x.shape[-1:])


class Model(LanguageModel):
    """The Transformer. Its state is a cache of keys and values.

    Raises:
        InputError: the heads would not be of even size.
    """

    carries_state = False  # a training window starts with no memory of the one before it
    block = Block
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
        blocks = [self.block(C, H, logit_scale, 1 / self.depth) for _ in range(L)]
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
        state = state and state.plus(T)
        cos, sin = self.cos[seen : seen + T], self.sin[seen : seen + T]
        x = norm(self.wte(idx))
        if is_on_cpu(idx) and torch.is_autocast_enabled("cpu"):
            x = x.to(torch.get_autocast_dtype("cpu"))  # once: casts to and fro cost as much as a product
        for i, block in enumerate(self.blocks):
            x = block(x, cos, sin, state, i, first if block is self.blocks[-1] else 0)
        logits = F.linear(norm(x), self.wte.weight / self.width)
        return logits, state

    def empty_state(self, batch: int) -> Cache:
        """The state before the first token, for generation."""
        c = self.config
        return Cache.empty(c.n_layer, batch, c.n_head, c.block_size, c.n_embd // c.n_head, like=self.wte.weight)

    def is_full(self, state: Cache) -> bool:
        """Whether the cache holds a whole context."""
        return state.length == self.config.block_size
