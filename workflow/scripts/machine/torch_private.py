"""The private operators of torch that we call, all in one place; checked against torch 2.13.0.

Torch may change or remove them without notice. Each is what its own code calls, without the work that it does around
it. If a later torch lacks one, put in its place what its entry here says after "Else": that is slower, and the numbers
are the same but for rounding. tests/machine/test_torch_private.py compares each with that.
"""

import torch

# Over lists of tensors, in one launch; in place where the name ends in _.
# Else: the operator of the same name in `for a, b in zip(...)`.
add_each_ = torch._foreach_add_
divide_each_ = torch._foreach_div_
multiply_each_ = torch._foreach_mul_
lerp_each = torch._foreach_lerp
lerp_each_ = torch._foreach_lerp_
# A step of AdamW over lists of tensors.
# Else: `torch.optim.AdamW(fused=True)`, which takes a second to load torch's compiler.
fused_adamw_ = torch._fused_adamw_


def has_native_bfloat16() -> bool:
    """Whether this CPU multiplies bfloat16 natively. Else: say no."""
    return getattr(torch.cpu, "_is_avx512_bf16_supported", bool)()
