"""Keys and values of the tokens that a Transformer has read, and the attention of one more token over them.

To write a token is to read all of the cache once, so that is what the time goes into. On a CPU torch's products
with a single row read 16-bit numbers slower than 32-bit ones; those here read them twice as fast.
"""

from dataclasses import dataclass, replace

import numpy as np
import torch
import torch.nn.functional as F
from numba import njit, types
from numba.extending import overload
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
        return cls(*(like.new_zeros(n_layer, batch, n_head, room, head_size) for _ in range(2)))

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
        keys, values = self.keys[layer], self.values[layer]
        if q.device.type != "cpu":
            keys, values = keys[:, :, : self.length], values[:, :, : self.length]
            return F.scaled_dot_product_attention(q, keys, values, scale=scale)
        wide = q.to(torch.promote_types(q.dtype, torch.float32)).contiguous()
        scores = wide.new_empty(len(q) * q.shape[1], self.length)
        y = torch.empty_like(wide)
        compare(by_head(keys), by_head(wide), scale, scores.numpy())
        weigh(by_head(values), scores.softmax(dim=-1).numpy(), by_head(y))
        return y.to(q.dtype)


def by_head(x: Tensor) -> np.ndarray:
    """(N, T, D) of x (B, n_head, T, D), without a copy; bfloat16 as the integers of the same bits."""
    x = x.detach().flatten(0, 1)
    return (x.view(torch.int16) if x.dtype == torch.bfloat16 else x).numpy()


def widened(x):
    """A number as it is, or as float32 a bfloat16 that is given by its bits."""
    raise NotImplementedError("for compiled code")


@overload(widened, inline="always")
def _widened(x):
    if isinstance(x, types.Integer):
        return lambda x: np.int32(np.int32(x) << np.int32(16)).view(np.float32)
    return lambda x: x


@njit(cache=True, fastmath=True, nogil=True)
def compare(keys, queries, scale, scores):
    """scores[n, t] = scale queries[n, 0] . keys[n, t], for each of N heads and as many t as there are scores."""
    for n in range(scores.shape[0]):
        for t in range(scores.shape[1]):
            score = scores.dtype.type(0)
            for d in range(keys.shape[2]):
                score += queries[n, 0, d] * widened(keys[n, t, d])
            scores[n, t] = scores.dtype.type(scale) * score


@njit(cache=True, fastmath=True, nogil=True)
def weigh(values, weights, y):
    """y[n, 0] = sum of weights[n, t] values[n, t] over t, for each of N heads.

    One value after the other, as they lie: several at once would add faster, but fetch slower.
    """
    for n in range(weights.shape[0]):
        y[n, 0] = 0
        for t in range(weights.shape[1]):
            weight = weights[n, t]
            for d in range(values.shape[2]):
                y[n, 0, d] += weight * widened(values[n, t, d])
