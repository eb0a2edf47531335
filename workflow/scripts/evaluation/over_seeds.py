"""Losses of several seeds of several models on the same tunes -> their means, and which models differ.

The error of a difference of two means over seeds has two parts. One is from the tunes, paired as in `differences`. The
other is from the seeds: v/n summed over the two models, where v is the variance between the n seeds of a model. As few
seeds tell little of v, it is that pooled over all models, as in Student's t test; or the model's own if that is larger,
as models whose seeds vary more than the others' would be told from equal ones too often. The sum has Satterthwaite's
(1946) degrees of freedom, its second part those of the pooled variance. So equal models are told apart about one time
in 20: a little more often two of two seeds each, the fewest there can be, and where one model's seeds vary far more
than the others'. The tests simulate these.

Seeds count as independent. Two models of one seed read the same tokens in the same order, and what a seed is better at
by chance of the tunes is in both parts: either makes intervals wider than they need be, not narrower.
"""

import json
from pathlib import Path
from typing import NamedTuple

import numpy as np
from scipy.special import stdtr, stdtrit

from workflow.scripts.base.errors import InputError
from workflow.scripts.base.files import read_json
from workflow.scripts.evaluation.differences import (
    LEVEL,
    Difference,
    RunLoss,
    TuneLosses,
    check_comparable,
    differences,
    holm,
    in_errors,
    mean_losses,
)
from workflow.scripts.evaluation.runs_table import ROUNDED


class Trained(NamedTuple):
    """A run: its losses, the name of its model, its seed, and all other settings by name, tokens among them."""

    losses: TuneLosses
    model: str
    seed: int
    settings: dict


class Model(NamedTuple):
    """The runs of a model that differ in the seed alone, one at least."""

    name: str
    runs: list[TuneLosses]


class SeedNoise(NamedTuple):
    """Standard deviation between seeds in nats a character, pooled over models, and its degrees of freedom."""

    sd: float
    dof: int


def read_trained(path: str, losses: TuneLosses) -> Trained | None:
    """What the config.json beside a run's losses says that it is; None if there is none.

    Raises:
        InputError: the file is not of a finished run.
    """
    folder = Path(path) if Path(path).is_dir() else Path(path).parent
    if not (folder / "config.json").exists():
        return None
    config = read_json(folder / "config.json")
    try:
        training = config["training"]
        settings = training["options"] | config["model"]
        settings |= {name: training[name] for name in ("windows_per_step", "tokens", "corpus")}
        return Trained(losses, training["model_name"], settings.pop("seed"), settings)
    except (KeyError, TypeError) as error:
        raise InputError(f"{folder} is not a finished run: its config.json lacks {error}") from error


def models_of(runs: list[Trained]) -> list[Model]:
    """The models of some runs; none if there is one model alone, or one seed of each.

    Raises:
        InputError: there are several seeds, but of several budgets or settings of a model, or one twice.
    """
    found: dict[tuple[str, str], list[Trained]] = {}
    for run in runs:
        found.setdefault((run.model, json.dumps(run.settings, sort_keys=True)), []).append(run)
    if len(found) < 2 or len(found) == len(runs):
        return []
    tokens = [run.settings["tokens"] for run in runs]
    if max(tokens) > ROUNDED * min(tokens):
        raise InputError(
            f"these runs are of {min(tokens):,} to {max(tokens):,} tokens: give runs of one budget to compare models,"
            " or one seed of each to compare runs"
        )
    models: dict[str, list[Trained]] = {}
    for (name, _), same in found.items():
        if name in models:
            first, other = models[name][0].settings, same[0].settings
            varied = sorted(key for key in first | other if first.get(key) != other.get(key))
            raise InputError(f"runs of {name} differ in {', '.join(varied)}: those of a model may in the seed alone")
        if len({run.seed for run in same}) < len(same):
            raise InputError(f"a seed of {name} is there twice: give each run once")
        models[name] = same
    return [Model(name, [run.losses for run in same]) for name, same in models.items()]


def seed_noise(models: list[Model]) -> SeedNoise:
    """How far seeds of one model lie apart, of models of which one at least has two seeds."""
    dof = sum(len(model.runs) - 1 for model in models)
    squares = sum(variance(model) * (len(model.runs) - 1) for model in models)
    return SeedNoise(float(np.sqrt(squares / dof)), dof)


def model_losses(models: list[Model]) -> list[RunLoss]:
    """The mean loss of each model over its seeds, the lowest first, with errors over tunes and seeds.

    Raises:
        InputError: as from `model_differences`.
    """
    check_comparable([run for model in models for run in model.runs])
    errors = Errors(models)
    found = mean_losses([mean_of(model) for model in models])
    for row in found:
        row["se"], half, _ = errors.of(row["se"], row["run"])
        row["ci95"] = row["loss"] - half, row["loss"] + half
    return found


def model_differences(models: list[Model]) -> list[Difference]:
    """Every pair of models, the most surely different first.

    Raises:
        InputError: two runs are not of the same tunes, or of too few.
    """
    check_comparable([run for model in models for run in model.runs])
    errors, p = Errors(models), []
    found = differences([mean_of(model) for model in models])
    for row in found:
        row["se"], half, dof = errors.of(row["se"], row["first"], row["second"])
        row["ci95"] = row["difference"] - half, row["difference"] + half
        p.append(2 * stdtr(dof, -in_errors(row["difference"], row["se"])))
    for row, corrected in zip(found, holm(np.array(p)), strict=True):
        row["p_holm"], row["differ"] = float(corrected), bool(corrected < LEVEL)
    return [found[k] for k in np.argsort(p, kind="stable")]


class Errors:
    """Errors of means over seeds, and of their differences."""

    def __init__(self, models: list[Model]) -> None:
        self.noise = seed_noise(models)
        self.tunes_dof = int(np.count_nonzero(models[0].runs[0].chars)) - 1
        # A model's own variance may be the larger one, so that no model is held to be calmer than it was seen to be.
        self.variances = {model.name: max(variance(model), self.noise.sd**2) / len(model.runs) for model in models}

    def of(self, tunes_se: float, *names: str) -> tuple[float, float, float]:
        """(standard error, half of the 95% interval, degrees of freedom) for the models of these names.

        Args:
            tunes_se: the standard error over tunes alone.
        """
        by_seeds = sum(self.variances[name] for name in names)
        return joined(tunes_se**2, by_seeds, self.tunes_dof, self.noise.dof)


def joined(by_tunes: float, by_seeds: float, tunes_dof: int, seeds_dof: int) -> tuple[float, float, float]:
    """(standard error, half of the 95% interval, degrees of freedom) of two variances and their degrees of freedom."""
    error, dof = float(np.sqrt(by_tunes + by_seeds)), float(tunes_dof)
    if by_seeds > 0:
        dof = error**4 / (by_tunes**2 / tunes_dof + by_seeds**2 / seeds_dof)
    return error, float(stdtrit(dof, 0.975)) * error, dof


def variance(model: Model) -> float:
    """Of a model's loss between its seeds; 0 of one seed."""
    losses = [run.nats.sum() / run.chars.sum() for run in model.runs]
    return float(np.var(losses, ddof=1)) if len(losses) > 1 else 0.0


def mean_of(model: Model) -> TuneLosses:
    return model.runs[0]._replace(name=model.name, nats=np.mean([run.nats for run in model.runs], axis=0))
