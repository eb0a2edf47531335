"""Attention of a single query over many keys, compiled for CPUs.

On a CPU torch's products with a single row read 16-bit numbers slower than 32-bit ones; those here read them twice
as fast.
"""

import numpy as np
import torch
from numba import njit, types
from numba.extending import overload
from torch import Tensor


def attend(q: Tensor, keys: Tensor, values: Tensor, length: int, scale: float) -> Tensor:
    """softmax(scale q keys^T) values of q (B, n_head, 1, D), in its shape.

    Over the first ``length`` of keys and values (B, n_head, room, D): whole, for compiled code wants them unsliced.
    """
    wide = q.to(torch.promote_types(q.dtype, torch.float32)).contiguous()
    scores = wide.new_empty(len(q) * q.shape[1], length)
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
