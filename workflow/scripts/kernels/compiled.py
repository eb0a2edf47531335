"""What our numba kernels for CPUs are made of: bfloat16 as bits, and functions that LLVM turns into vector code.

A kernel takes numpy arrays, as `array` makes them of tensors. It reads a number by `widened` and writes one by
`narrowed`, so that the same code serves float32 and bfloat16 and always computes in float32.

Three things keep a loop in vector code: no division that could raise (hence ``error_model="numpy"``), sums in any order
(hence ``fastmath``), and float32 constants, since a Python number would make the whole expression float64.
"""

from collections.abc import Callable

import numpy as np
import torch
from numba import njit, types
from numba.extending import overload
from torch import Tensor

f32 = np.float32
i32 = np.int32
STEP = 8  # what the sides of matrices are multiples of, or filled up to

kernel: Callable = njit(cache=True, nogil=True, fastmath=True, error_model="numpy")
# A kernel that others call, and that computes. If it stayed a function, the process that compiles its caller would run
# the copy of it that was compiled first, and one that loads the caller from the cache the caller's own. With
# ``fastmath`` the two may round differently, so a run would depend on whether its machine had run one before.
within: Callable = njit(cache=True, nogil=True, fastmath=True, error_model="numpy", forceinline=True)


def array(x: Tensor) -> np.ndarray:
    """The numbers of a tensor, without a copy and with no gradient; bfloat16 as int16 of the same bits."""
    x = x.detach() if x.requires_grad else x
    return (x.view(torch.int16) if x.dtype is torch.bfloat16 else x).numpy()


def widened(x):
    """A number as float32 (float64 stays); an integer is taken for the bits of a bfloat16."""
    raise NotImplementedError("for compiled code")


@overload(widened, inline="always")
def _widened(x):
    if isinstance(x, types.Integer):
        return lambda x: i32(i32(x) << i32(16)).view(np.float32)
    return lambda x: x


def narrowed(x, like):
    """The float32 ``x`` as an element of the array that ``like`` is from: to bfloat16 by rounding to even."""
    raise NotImplementedError("for compiled code")


@overload(narrowed, inline="always")
def _narrowed(x, like):
    if isinstance(like, types.Integer):

        def to_bfloat16(x, like):
            bits = f32(x).view(np.int32)
            return np.int16((bits + i32(0x7FFF) + ((bits >> i32(16)) & i32(1))) >> i32(16))

        return to_bfloat16
    return lambda x, like: x


@kernel
def padded(n, to):
    """The least multiple of ``to`` that is at least n."""
    return (n + to - 1) // to * to


# Numba compiles these sooner than assignments to slices, whose errors it can put into words.


@kernel
def clear(x):
    """Fill x (n,) with zeros."""
    for i in range(x.size):
        x[i] = 0


@kernel
def copy(x, y):
    """y (n,) = as many numbers of x."""
    for i in range(y.size):
        y[i] = x[i]


@kernel
def transpose(x, y):
    """y (N, M) = x (M, N) the other way round, M a multiple of STEP."""
    for i in range(0, x.shape[0], STEP):
        for j in range(x.shape[1]):
            for lane in range(STEP):
                y[j, i + lane] = x[i + lane, j]


@within
def exp(x):
    """e^x to float32's precision: 2^n times a polynomial over (-ln 2 / 2, ln 2 / 2) (Cephes, expf)."""
    x = min(max(x, f32(-87.0)), f32(88.0))
    n = np.floor(x * f32(1.442695040888963) + f32(0.5))
    x = x - n * f32(0.693359375) + n * f32(2.12194440e-4)
    p = f32(1.9875691500e-4)
    p = p * x + f32(1.3981999507e-3)
    p = p * x + f32(8.3334519073e-3)
    p = p * x + f32(4.1665795894e-2)
    p = p * x + f32(1.6666665459e-1)
    p = p * x + f32(5.0000001201e-1)
    return (p * x * x + x + f32(1)) * i32((i32(n) + i32(127)) << i32(23)).view(np.float32)


@within
def sigmoid(x):
    """1 / (1 + e^-x), within 1e-7."""
    return f32(1) / (f32(1) + exp(-x))


@within
def tanh(x):
    """The hyperbolic tangent, within 2e-7."""
    return f32(1) - f32(2) / (f32(1) + exp(f32(2) * x))


@within
def normal(x):
    """Distribution and density of the standard normal at x, within 1e-7 (Abramowitz and Stegun 1964, 7.1.26)."""
    z = abs(x) * f32(0.7071067811865476)
    bell = exp(-z * z)
    t = f32(1) / (f32(1) + f32(0.3275911) * z)
    p = f32(1.061405429)
    p = p * t + f32(-1.453152027)
    p = p * t + f32(1.421413741)
    p = p * t + f32(-0.284496736)
    p = p * t + f32(0.254829592)
    tail = f32(0.5) * p * t * bell
    return (f32(1) - tail if x > 0 else tail), f32(0.3989422804014327) * bell
