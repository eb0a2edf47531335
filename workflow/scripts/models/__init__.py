"""The architectures: each is one module here that offers `Model`, `count_params` and `flops_per_token`.

To add one, put a file into this folder and name it as ``arch`` of a model in config.yaml. `Model` is a
`language_model.LanguageModel`; ``layers/`` has what architectures are built of.
"""

import importlib
import pkgutil
from collections.abc import Sequence
from dataclasses import dataclass
from types import ModuleType
from typing import TYPE_CHECKING

from workflow.scripts.base.errors import InputError

if TYPE_CHECKING:  # a study is planned from the names alone, without the seconds that torch takes to load
    from torch import Tensor

PARAMETRIZATIONS = ("mup", "standard")
ALL_PARTS = "all"
KIN = {"modern": "gpt", "lstm_muon": "lstm"}  # an architecture -> the one whose shape it has
SHARED = ("language_model", "layers", "stored")  # what is in this folder and is no architecture


@dataclass(frozen=True)
class ModelConfig:
    """What fixes a model. LSTM ignores ``n_head``; ``block_size`` is its training window only.

    With ``parametrization`` "mup" one learning rate serves every width and depth (Yang 2022, Tensor
    Programs V); with "standard" the best rate falls as a model grows. They are one at the base shape
    that each architecture names. ``parts`` is modern's alone: which of its parts it has, with commas between.
    """

    arch: str
    vocab_size: int
    block_size: int
    n_layer: int
    n_embd: int
    n_head: int
    parametrization: str = "mup"
    parts: str = ALL_PARTS


@dataclass(frozen=True)
class ParamGroup:
    """Parameters that one rule updates, and what multiplies the optimiser's own rate, decay and epsilon.

    As in AdamW, a step shrinks a weight by rate x decay: ``decay_scale`` 1 / ``lr_scale`` keeps that product.
    Each parameter is so many matrices of one size, ``stacked`` one below the other: Muon's rule is of one matrix.
    """

    params: "Sequence[Tensor]"
    lr_scale: float = 1.0
    decay_scale: float = 1.0
    eps_scale: float = 1.0
    rule: str = "adamw"  # or "muon", for matrices
    stacked: int = 1


def names() -> list[str]:
    """Names of the architectures: the modules here, but for those that all of them share."""
    return sorted(module.name for module in pkgutil.iter_modules(__path__) if module.name not in SHARED)


def kind_of(arch: str) -> str:
    """The architecture whose shape it has: another one, or itself."""
    return KIN.get(arch, arch)


def check(arch: str) -> None:
    """Refuse an architecture that there is not.

    Raises:
        InputError: names those that there are.
    """
    if arch not in names():
        raise InputError(f"unknown arch {arch!r}: choose one of {', '.join(names())}")


def module_for(arch: str) -> ModuleType:
    """Import one architecture, and no other: a job depends on the code of its own model alone.

    Raises:
        InputError: there is none of that name.
    """
    check(arch)
    return importlib.import_module(f"{__name__}.{arch}")
