"""Products of tiles against numpy's, in both precisions and by every way that a processor may take them."""

import numpy as np
import pytest
import torch
from numba import njit

from workflow.scripts.kernels import compiled, tile
from workflow.scripts.kernels.attention import as_left, as_right, rounded


@njit
def product(c, a, b, add):
    """c = a b, or added to c, of float32 or of the bits of bfloat16."""
    left = as_left(a)
    tile.multiply(c, left, as_right(b), left.shape[1], add)


@njit
def product_across(c, a, b, add):
    right = as_right(b)
    tile.multiply_across(c, as_right(a), right, len(right), add)


def numbers(shape: tuple[int, int], dtype: torch.dtype) -> torch.Tensor:
    return torch.randn(shape, generator=torch.Generator().manual_seed(sum(shape))).to(dtype)


@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16])
@pytest.mark.parametrize(("rows", "depth", "columns"), [(8, 2, 8), (16, 34, 24), (24, 6, 72), (8, 128, 64)])
def test_products_are_numpys(rows, depth, columns, dtype):
    a, b, held = (
        numbers((rows, depth), dtype),
        numbers((depth, columns), dtype),
        numbers((rows, columns), torch.float32),
    )
    expected = a.double() @ b.double()
    for function, left in ((product, a), (product_across, a.T.contiguous())):
        for add in (False, True):
            c = held.clone()
            function(compiled.array(c), compiled.array(left), compiled.array(b), add)
            torch.testing.assert_close(c.double(), expected + held * add, rtol=0, atol=1e-4)


@pytest.mark.parametrize("pairs", [False, True])
@pytest.mark.parametrize(("long_vectors", "native"), [(True, False), (False, False)])
def test_a_processor_without_these_instructions_finds_the_same(long_vectors, native, pairs, monkeypatch):
    monkeypatch.setattr(tile, "has_long_vectors", lambda: long_vectors)
    monkeypatch.setattr(tile, "has_native_bfloat16", lambda: native)
    multiply = tile.tile(2, pairs)

    @njit
    def one_tile(c, a, b, k):
        multiply(c.ctypes.data, 32, a.ctypes.data, k, b.ctypes.data, 32, k, False)

    a, b = (numbers(shape, torch.bfloat16) for shape in ((8, 10), (10, 32)))
    left, right = (a.view(torch.int32), pair_rows(b)) if pairs else (a.float(), b.float())
    c = np.empty((8, 32), np.float32)
    one_tile(c, left.numpy(), right.numpy(), left.shape[1])
    np.testing.assert_allclose(c, (a.double() @ b.double()).numpy(), atol=1e-5)


def pair_rows(b: torch.Tensor) -> torch.Tensor:
    """(K / 2, N) int32 of b (K, N) bfloat16: rows 2k and 2k + 1 side by side."""
    return b.view(-1, 2, b.shape[1]).transpose(1, 2).contiguous().view(torch.int32)[..., 0]


def test_bfloat16_is_rounded_as_torch_rounds():
    x = torch.cat((torch.randn(997), torch.tensor([0.0, -0.0, 1.00390625, 1.01171875, torch.inf]))).view(1, -1)
    like = np.empty((1, 1), np.int16)
    found = njit(lambda x, like: rounded(x, like))(x.numpy(), like)
    assert torch.equal(torch.from_numpy(found).view(torch.bfloat16), x.bfloat16())


@njit
def functions(x):
    return (
        [compiled.exp(a) for a in x],
        [compiled.sigmoid(a) for a in x],
        [compiled.tanh(a) for a in x],
        [compiled.normal(a) for a in x],
    )


def test_functions_are_numpys_to_single_precision():
    x = np.linspace(-80, 80, 2001, dtype=np.float32)
    wide = torch.from_numpy(x).double()
    exp, sigmoid, tanh, normal = (np.array(values) for values in functions(x))
    np.testing.assert_allclose(exp, wide.exp(), rtol=2e-7)
    np.testing.assert_allclose(sigmoid, wide.sigmoid(), atol=1e-7)
    np.testing.assert_allclose(tanh, wide.tanh(), atol=2e-7)
    density = (-wide.square() / 2).exp() / (2 * torch.pi) ** 0.5
    np.testing.assert_allclose(normal, torch.stack((torch.special.ndtr(wide), density), 1), atol=1.5e-7)
