"""The operators of torch that it promises to nobody, all in one place; checked against torch 2.13.0.

Each is what torch's own code calls, without the work that torch does around it. If a later torch lacks one,
put in its place what its entry says: slower, the same numbers but for rounding. tests/machine/test_torch_private.py
compares each with that.
"""

import platform

import torch
from torch import Tensor

# In place and over lists of tensors, in one launch: `for a, b in zip(...)` with the operator of the same name.
add_each_ = torch._foreach_add_
divide_each_ = torch._foreach_div_
multiply_each_ = torch._foreach_mul_
lerp_each = torch._foreach_lerp
lerp_each_ = torch._foreach_lerp_
# A step of AdamW over lists of tensors: `torch.optim.AdamW(fused=True)`, which takes a second to load torch's compiler.
fused_adamw_ = torch._fused_adamw_


def softmax_backward(gradient: Tensor, softmax: Tensor) -> Tensor:
    """Gradient of what a softmax over the last dimension was taken of: s (g - sum(g s))."""
    return torch._softmax_backward_data(gradient, softmax, -1, softmax.dtype)


def has_native_bfloat16() -> bool:
    """Whether this CPU multiplies bfloat16 natively: else say no."""
    return getattr(torch.cpu, "_is_avx512_bf16_supported", bool)()


def can_pack(precision: str) -> bool:
    """Whether oneDNN lays out weights of this precision on this CPU: else say no, and weights are not packed."""
    if platform.machine() not in ("x86_64", "AMD64") or not torch.backends.mkldnn.is_available():
        return False
    return precision == "float32" or torch.ops.mkldnn._is_mkldnn_bf16_supported()


def packed(weight: Tensor, rows: int) -> Tensor:
    """A weight (out, in) laid out for products with inputs of so many rows; only `packed_linear` reads it."""
    return torch.ops.mkldnn._reorder_linear_weight(weight, rows)


def packed_linear(x: Tensor, weight: Tensor) -> Tensor:
    """`torch.nn.functional.linear` of x (..., in) by a `packed` weight."""
    return torch.ops.mkldnn._linear_pointwise(x, weight, None, "none", [], "")
