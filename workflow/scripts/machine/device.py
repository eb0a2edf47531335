"""Where a job computes and in what precision. Needs torch; `machine.options` has the flags, and needs none."""

import contextlib
import ctypes
import functools
import os
import platform
import resource
import sys
from pathlib import Path

import torch

from workflow.scripts.base.errors import InputError
from workflow.scripts.machine.gpus import claim_gpus
from workflow.scripts.machine.ranks import Ranks
from workflow.scripts.machine.torch_private import has_native_bfloat16

# Parameters of glibc's mallopt, from its malloc.h.
M_TRIM_THRESHOLD, M_MMAP_THRESHOLD, M_MMAP_MAX, M_ARENA_MAX = -1, -3, -4, -8


def set_up_cpu(threads: int) -> None:
    """Compute with so many threads, and keep the memory that tensors free for later tensors.

    By default glibc gives large pieces back to the system at once. The system then clears them page by page when the
    next step asks for them again, which takes a sixth of the time of a step at a width of 128. What a process holds at
    its peak, by which memory is planned, stays the same.

    Under a limit of address space (ulimit -v) no large piece is kept: when memory runs out, code that is compiled for
    smaller tensors must find room outside of the heap. And all threads share one heap: each thread's own
    would reserve 64 MB where they fit, to hold a few kilobytes.
    """
    torch.set_num_threads(threads)
    if platform.libc_ver()[0] != "glibc":
        return
    libc = ctypes.CDLL(None)
    if resource.getrlimit(resource.RLIMIT_AS)[0] == resource.RLIM_INFINITY:
        libc.mallopt(M_MMAP_MAX, 0)
        libc.mallopt(M_TRIM_THRESHOLD, 2**31 - 1)
    else:
        libc.mallopt(M_MMAP_THRESHOLD, 1 << 20)
        libc.mallopt(M_ARENA_MAX, 1)


def give_back_memory(device: torch.device) -> None:
    """Give the system what is kept for later tensors: once memory has run out, something else needs it."""
    if device.type == "cuda":
        torch.cuda.empty_cache()
    elif platform.libc_ver()[0] == "glibc":
        ctypes.CDLL(None).malloc_trim(0)


def peak_memory_mb(device: torch.device) -> int:
    """The most memory that this process has held at once, in MB of 2**20 bytes: of the GPU, or of the CPU's."""
    if device.type == "cuda":
        return torch.cuda.max_memory_reserved(device) >> 20
    held = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return held >> (20 if sys.platform == "darwin" else 10)  # macOS counts bytes, Linux kilobytes


def pick_device(name: str, vram_mb: int = 0, ranks: Ranks | None = None) -> torch.device:
    """The device of this process; each of the ``ranks`` gets a GPU of its own.

    GPUs are claimed before CUDA starts, and the command waits until they are free.

    Args:
        name: "auto" is a GPU where there is one, else the CPU. A GPU named by its number ("cuda:1") is taken without a
            claim.
        vram_mb: how much of one GPU to claim, in MB of 2**20 bytes; 0 claims whole ones.

    Raises:
        InputError: the device is not on this machine.
    """
    ranks = ranks or Ranks()
    if name in ("auto", "cuda") and torch.backends.cuda.is_built():  # a GPU that this torch cannot use stays free
        claim = claim_gpus(ranks.world, vram_mb or None) if ranks.is_first else None
        if visible := ranks.from_first(claim and claim.visible):
            os.environ["CUDA_VISIBLE_DEVICES"] = visible.split(",")[ranks.rank]
        elif ranks.world > 1 and torch.cuda.is_available():  # GPUs that nvidia-smi does not list
            torch.cuda.set_device(int(os.environ["LOCAL_RANK"]))
        if claim and claim.memory_fraction < 1:
            torch.cuda.set_per_process_memory_fraction(claim.memory_fraction)
    if name == "auto":
        name = "cuda" if torch.cuda.is_available() else "cpu"
    try:
        device = torch.device(name)
        torch.empty(1, device=device)
    except (RuntimeError, AssertionError) as error:
        raise InputError(f"device {name!r} cannot be used here: {str(error).splitlines()[0]}") from error
    return device


def pick_precision(name: str, device: torch.device) -> str:
    """The precision of that name; "auto" is bfloat16 where the hardware multiplies it natively, else float32.

    benchmarks/ says at which widths bfloat16 pays.
    """
    if name != "auto":
        return name
    if device.type == "cuda":
        return "bfloat16" if torch.cuda.is_bf16_supported(including_emulation=False) else "float32"
    return "bfloat16" if device.type == "cpu" and has_native_bfloat16() else "float32"


def has_long_vectors() -> bool:
    """Whether this CPU has AVX-512: 32 registers of 16 numbers, twice as many of twice the size."""
    return torch.backends.cpu.get_cpu_capability() == "AVX512"


@functools.cache
def cache_bytes() -> int:
    """Size of a core's second-level cache; 1 MiB where Linux does not say."""
    try:
        return int(Path("/sys/devices/system/cpu/cpu0/cache/index2/size").read_text().strip().removesuffix("K")) << 10
    except (OSError, ValueError):
        return 1 << 20


def autocast(device: torch.device, precision: str) -> contextlib.AbstractContextManager:
    """The context in which torch takes matrix products in this precision."""
    if precision == "float32":
        return contextlib.nullcontext()
    return torch.autocast(device.type, dtype=torch.bfloat16)
