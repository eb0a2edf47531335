"""The architectures: each is one module here that offers `Model`, `count_params` and `flops_per_token`.

Adding one takes a file in this folder and an entry with its name as ``arch`` in config.yaml.
"""

import importlib
import pkgutil
from dataclasses import dataclass
from types import ModuleType

from workflow.scripts.cli import InputError


@dataclass(frozen=True)
class ModelConfig:
    """What fixes a model's shape. LSTM ignores ``n_head``; ``block_size`` is its training window only."""

    arch: str
    vocab_size: int
    block_size: int
    n_layer: int
    n_embd: int
    n_head: int


def names() -> list[str]:
    return sorted(module.name for module in pkgutil.iter_modules(__path__))


def check(arch: str) -> None:
    if arch not in names():
        raise InputError(f"unknown arch {arch!r}: choose one of {', '.join(names())}")


def module_for(arch: str) -> ModuleType:
    """Import one architecture, and no other: a job depends on the code of its own model alone.

    Raises:
        InputError: there is none of that name.
    """
    check(arch)
    return importlib.import_module(f"{__name__}.{arch}")
