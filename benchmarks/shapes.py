"""The shapes of the Lakh study, which a GPU is measured on: what the study trains, then what its file names beside.

They are read from studies/lakh.yaml, without the check of its keys that a study has: a bare machine lacks jsonschema.
"""

import itertools
from dataclasses import dataclass, replace
from pathlib import Path

import torch

from benchmarks.against import VOCABULARY
from workflow.scripts import models, study_config
from workflow.scripts.machine.device import pick_precision
from workflow.scripts.models import ModelConfig

LAKH = Path(__file__).parents[1] / "studies" / "lakh.yaml"


@dataclass(frozen=True)
class Shape:
    """A model of the study.

    Attributes:
        lanes: windows a step.
        tokens: of its longest run.
        is_trained: whether the study trains it, and does not only name it.
    """

    config: ModelConfig
    lanes: int
    tokens: int
    is_trained: bool

    @property
    def label(self) -> str:
        """What rows and goals call it: "gpt 24x1600"."""
        return f"{self.config.arch} {self.config.n_layer}x{self.config.n_embd}"

    @property
    def name(self) -> str:
        """The label, with the window and the windows a step."""
        return f"{self.label}, T={self.config.block_size}, B={self.lanes}"


def of_study(path: Path = LAKH) -> list[Shape]:
    """Every shape once, in the order of the study's suite, its targets, and its file."""
    changes = study_config.read_yaml(path)
    config = study_config.merged(study_config.read_yaml(study_config.ROOT / "config.yaml"), changes)
    named = study_config.models_named(config)
    trained = dict.fromkeys(itertools.chain(named["suite"], named["longer"], named["targets"]))
    found: dict[ModelConfig, Shape] = {}
    for name in dict.fromkeys([*trained, *changes["models"]]):
        entry = study_config.settings_of(config, name)
        shape = study_config.shape_of(config, name, VOCABULARY)
        # Rates and initial weights, which differ by parametrization, cost nothing.
        shape = replace(shape, parametrization="mup")
        tokens = [*config["tokens"], *config["longer"].get(name, []), *config["targets"].get(name, [])]
        lanes = entry["batch_size"] * entry["grad_accum"]
        found.setdefault(shape, Shape(shape, lanes, max(tokens), name in trained))
    return list(found.values())


def sizes(config: ModelConfig, precision: str = "auto") -> dict[str, object]:
    """Of a shape what `memory.vram_mb` asks for, but for the windows in a pass."""
    names = ("arch", "n_layer", "n_embd", "vocab_size", "block_size")
    return {name: getattr(config, name) for name in names} | {"precision": precision}


def best_precision(device: torch.device) -> str:
    """The precision that a device trains in; of a GPU that is not here, that of every card since 2020."""
    return "bfloat16" if device.type == "cuda" and not torch.cuda.is_available() else pick_precision("auto", device)


def params(config: ModelConfig) -> int:
    """Parameters outside the embedding."""
    count: int = models.module_for(config.arch).count_params(config)[0]
    return count
