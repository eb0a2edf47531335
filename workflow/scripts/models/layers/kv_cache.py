"""Keys and values of the tokens that a Transformer has read, and the attention of one more token over them.

By torch's own operators, for GPUs and every precision; on a CPU `decoder` does the same in a fraction of the time.
"""

from dataclasses import dataclass, replace

import torch
import torch.nn.functional as F
from torch import Tensor


@dataclass
class Cache:
    """Keys and values (L, B, n_head, room, D), of which ``length`` tokens are filled."""

    keys: Tensor
    values: Tensor
    length: int = 0

    @classmethod
    def empty(cls, n_layer: int, batch: int, n_head: int, room: int, head_size: int, like: Tensor) -> "Cache":
        """Room for so many tokens, in the precision and on the device of ``like``."""
        keys = like.new_zeros(n_layer, batch, n_head, room, head_size)
        return cls(keys, torch.zeros_like(keys))

    def plus(self, n: int) -> "Cache":
        """The cache once ``n`` more tokens are written."""
        return replace(self, length=self.length + n)

    def emptied(self) -> "Cache":
        """The same room, with nothing in it."""
        return replace(self, length=0)

    def write(self, layer: int, keys: Tensor, values: Tensor) -> None:
        """Keep the keys and values (B, n_head, T, D) of the last T of the tokens."""
        start = self.length - keys.shape[2]
        self.keys[layer, :, :, start : self.length] = keys
        self.values[layer, :, :, start : self.length] = values

    def attend_once(self, layer: int, q: Tensor, scale: float) -> Tensor:
        """The values that one query (B, n_head, 1, D) finds, in its own shape."""
        keys, values = self.keys[layer, :, :, : self.length], self.values[layer, :, :, : self.length]
        return F.scaled_dot_product_attention(q, keys, values, scale=scale)
