"""The options of training, each defined once: flag, check, default, help, and what else depends on it.

From the fields of `TrainingOptions` come the parser of `train`, the identity by which a run knows its own state and
results again, and the flags that a study's config gives to `train`.
"""

import os
from collections.abc import Callable, Sequence
from dataclasses import MISSING, dataclass
from pathlib import Path
from typing import Any

from workflow.scripts import models
from workflow.scripts.base import cli
from workflow.scripts.base.options import flags_of, option
from workflow.scripts.machine.options import PRECISIONS


def trained(
    default: object, help: str, kind: Callable[[str], object] = str, *, identity: bool, group: str, **facts: object
) -> Any:
    """An option of training.

    Args:
        identity: whether a run with another value is another run: its state and its result are then not taken for this
            one's. Nothing is assumed, so that no new option can be forgotten.
        group: heading in the help.
        facts: ``study`` is "config" where config.yaml or a model's entry sets it under the same name, and "shape" where
            only a model's entry does; more is for `base.options.option`.
    """
    return option(default, help, kind, identity=identity, group=group, **facts)


@dataclass(frozen=True, kw_only=True)
class TrainingOptions:
    """What `train` was asked for: one model and seed, at one or several budgets of tokens."""

    arch: str = trained(
        "gpt", "architecture", identity=True, group="model", study="shape", parse={"choices": models.names()}
    )
    n_layer: int = trained(4, "layers", cli.positive_int, identity=True, group="model", study="shape")
    n_embd: int = trained(128, "width", cli.positive_int, identity=True, group="model", study="shape")
    n_head: int = trained(
        4, "attention heads (Transformers only)", cli.positive_int, identity=True, group="model", study="shape"
    )
    parametrization: str = trained(
        "mup", "mup: one learning rate for all sizes", identity=True, group="model", study="config",
        parse={"choices": models.PARAMETRIZATIONS},
    )  # fmt: skip
    parts: str = trained(
        models.ALL_PARTS, "of modern, with commas between: qk_norm, squared_relu, muon", identity=True, group="model",
        study="shape",
    )  # fmt: skip
    context_size: int = trained(
        256, "training window, in tokens", cli.positive_int, identity=True, group="model", also=("--block_size",)
    )

    # How long a run is, is in its schedule, which is beside these options in its fingerprint.
    max_iters: int | None = trained(
        None, "optimiser steps (default: what --tokens needs)", cli.positive_int, identity=False,
        group="length and batch",
    )  # fmt: skip
    tokens: Sequence[int] = trained(
        (1 << 20,), "training tokens, of one run or several", cli.positive_int, identity=False,
        group="length and batch", parse={"nargs": "+", "default": [1 << 20]},
    )  # fmt: skip

    # Their product, the windows in a step, is in the identity: how it is made up changes no more than rounding.
    batch_size: int = trained(
        8, "windows in one forward pass; fewer if memory runs out", cli.positive_int, identity=False,
        group="optimisation", study="config",
    )  # fmt: skip
    grad_accum: int = trained(
        1, "passes of that size in one step", cli.positive_int, identity=False, group="optimisation", study="config"
    )
    learning_rate: float = trained(
        1e-3, "peak rate", cli.positive_float, identity=True, group="optimisation", study="config"
    )
    warmup_steps: int = trained(
        20, "steps of rising rate", cli.non_negative_int, identity=True, group="optimisation", study="config"
    )
    cooldown_fraction: float = trained(  # in the schedule
        0.2, "share of steps over which the rate falls to zero", cli.fraction, identity=False, group="optimisation",
        study="config",
    )  # fmt: skip
    beta1: float = trained(
        0.9, "of AdamW: memory of the gradient's mean", cli.below_one, identity=True, group="optimisation",
        study="config",
    )  # fmt: skip
    weight_decay: float = trained(
        0.1, "decay of matrices", cli.non_negative_float, identity=True, group="optimisation", study="config"
    )
    grad_clip: float = trained(
        1.0, "largest gradient norm", cli.positive_float, identity=True, group="optimisation", study="config"
    )
    seed: int = trained(
        0, "of initial weights and data order", cli.non_negative_int, identity=True, group="optimisation"
    )

    model_name: str = trained(MISSING, "name of the model", cli.name, identity=False, group="files")
    data_dir: str = trained("data/processed", "corpus that prepare wrote", identity=False, group="files")
    output_dir: Sequence[str] | None = trained(
        None, "folder to write, one for each of --tokens (default: checkpoints/<model_name>)", identity=False,
        group="files", parse={"nargs": "+"},
    )  # fmt: skip

    work_dir: str = trained(
        "", "where states of unfinished runs go, below folders named as those of --output_dir (default: there)",
        identity=False, group="files",
    )  # fmt: skip

    # Where and how a run is computed may differ between it and its resumption, but for the three that say so. (Another
    # number of threads, processes or windows in a pass rounds sums differently, no more.)
    device: str = trained("auto", "auto, cpu, cuda, cuda:1, mps", identity=False, group="machine")
    vram_mb: int = trained(
        0, "share of a GPU to take; 0 takes it whole", cli.non_negative_int, identity=False, group="machine"
    )
    precision: str = trained(  # the one that 'auto' came to is in the identity
        "auto", "of matrix products", identity=False, group="machine", study="config", parse={"choices": PRECISIONS}
    )
    compile: str = trained(
        "auto", "torch.compile", identity=True, group="machine", study="config",
        parse={"choices": ("auto", "always", "never")},
    )  # fmt: skip
    threads: int = trained(os.cpu_count(), "CPU threads", cli.positive_int, identity=False, group="machine")
    eval_interval: int | None = trained(
        None, "steps between validations (default: factors of sqrt 2)", cli.positive_int, identity=True, group="machine"
    )
    eval_tokens: int = trained(
        16384, "validation tokens to watch", cli.positive_int, identity=True, group="machine", study="config"
    )
    log_interval: int = trained(
        10, "steps between looks at the loss", cli.positive_int, identity=False, group="machine"
    )
    keep_diverged: bool = trained(
        False, "finish a run whose loss is not finite as one that diverged", identity=False, group="machine",
        parse={"action": "store_true"},
    )  # fmt: skip
    wait: bool = trained(
        False, "wait for another process that trains into the same folder", identity=False, group="machine",
        parse={"action": "store_true"},
    )  # fmt: skip
    tensorboard: bool = trained(
        False, "whether to write event files for TensorBoard beside the results", identity=False, group="machine"
    )
    checkpoint_seconds: float = trained(
        30, "seconds between saves of the state; 0 saves after every step", cli.non_negative_float, identity=False,
        group="machine",
    )  # fmt: skip

    @property
    def windows_per_step(self) -> int:
        """Windows whose gradients make one step."""
        return self.batch_size * self.grad_accum

    @property
    def tokens_per_step(self) -> int:
        """Tokens that one step reads."""
        return self.windows_per_step * self.context_size

    @property
    def budgets(self) -> Sequence[int]:
        """Tokens of each run, as asked for."""
        return [self.max_iters * self.tokens_per_step] if self.max_iters else self.tokens

    @property
    def folders(self) -> list[Path]:
        """Where the result of each budget goes."""
        return [Path(folder) for folder in self.output_dir or [f"checkpoints/{self.model_name}"]]

    def state_folder(self, folder: Path) -> Path:
        """Where the state of the run that ends in ``folder`` is kept: in --work_dir each has a folder of its own."""
        return Path(self.work_dir, os.path.abspath(folder).lstrip("/")) if self.work_dir else folder

    @property
    def contradiction(self) -> str:
        """What is wrong with the options together; empty if nothing is."""
        if len(self.folders) != len(self.budgets):
            return f"--output_dir: give {len(self.budgets)}, one for each of --tokens"
        if self.keep_diverged and len(self.budgets) > 1:
            return "--keep_diverged goes with one of --tokens, as runs that share their steps diverge together"
        return ""

    def identity(self) -> dict[str, object]:
        """The options of which another value makes another run."""
        return {name: getattr(self, name) for name in flags_of(TrainingOptions, identity=True)}


SHAPE_OPTIONS = flags_of(TrainingOptions, study="shape")
CONFIG_OPTIONS = flags_of(TrainingOptions, study="config")
