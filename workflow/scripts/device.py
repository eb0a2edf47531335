"""Where a job computes and in what precision."""

import contextlib

import torch

from workflow.scripts.cli import InputError

PRECISIONS = ("auto", "float32", "bfloat16")
BF16_PAYS_FROM = 128  # narrowest width at which bf16 on a CPU won back the cost of its casts


def pick_device(name: str) -> torch.device:
    """'auto' is CUDA where there is one, else the CPU.

    Raises:
        InputError: the device is not on this machine.
    """
    if name == "auto":
        name = "cuda" if torch.cuda.is_available() else "cpu"
    try:
        device = torch.device(name)
        torch.empty(1, device=device)
    except (RuntimeError, AssertionError) as error:
        raise InputError(f"device {name!r} cannot be used here: {str(error).splitlines()[0]}") from error
    return device


def pick_precision(name: str, device: torch.device, n_embd: int) -> str:
    """'auto' is bfloat16 where the hardware multiplies it natively and the model is wide enough to gain."""
    if name != "auto":
        return name
    if device.type == "cuda":
        return "bfloat16" if torch.cuda.is_bf16_supported(including_emulation=False) else "float32"
    native = getattr(torch.cpu, "_is_avx512_bf16_supported", bool)()
    return "bfloat16" if device.type == "cpu" and native and n_embd >= BF16_PAYS_FROM else "float32"


def autocast(device: torch.device, precision: str) -> contextlib.AbstractContextManager:
    if precision == "float32":
        return contextlib.nullcontext()
    return torch.autocast(device.type, dtype=torch.bfloat16)
