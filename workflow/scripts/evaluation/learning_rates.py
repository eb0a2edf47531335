"""Trials of learning rates -> where each model's best rate is, and how far it moves with width, depth and horizon.

A horizon is how many tokens a run trains on: a model may be tried at several.

A trial is the folder of a run: it needs its config.json, and perplexity_val.json, its loss on the validation split in
nats a character.
"""

import math
from collections.abc import Iterable, Mapping
from pathlib import Path

import numpy as np
import pandas as pd

from workflow.scripts.base.errors import InputError
from workflow.scripts.base.files import read_json
from workflow.scripts.base.rates import Rate

ORDER = ["arch", "n_layer", "params_non_embedding", "tokens", "learning_rate"]
TRIED = ["model", "tokens"]  # what trials at different rates share
# What each direction varies, and what it leaves as it is; widths and depths are those of one number of tokens.
DIRECTIONS = {"width": ("n_embd", "n_layer"), "depth": ("n_layer", "n_embd"), "horizon": ("tokens", "model")}


def read_trials(folders: Iterable[str]) -> pd.DataFrame:
    """A row a trial, by `ORDER`; ``best`` is 1 where no other rate of that model and horizon did better.

    Raises:
        InputError: a trial was not measured on the validation split.
    """
    trials = pd.DataFrame([read_trial(Path(folder)) for folder in folders]).sort_values(ORDER, kind="stable")
    trials["best"] = (trials["val_loss"] == trials.groupby(TRIED)["val_loss"].transform("min")).astype(int)
    return trials


def read_trial(folder: Path) -> dict:
    """The row of one trial; the loss of one that diverged is infinite.

    Raises:
        InputError: it was not measured on the validation split.
    """
    config, perplexity = read_json(folder / "config.json"), read_json(folder / "perplexity_val.json")
    model, training = config["model"], config["training"]
    if perplexity["split"] != "val":
        raise InputError(
            f"{folder / 'perplexity_val.json'} is not of the validation split: trials must not see the test"
        )
    return {
        "model": training["model_name"],
        "arch": model["arch"],
        "n_layer": model["n_layer"],
        "n_embd": model["n_embd"],
        "params_non_embedding": training["params_non_embedding"],
        "tokens": training["tokens"],
        "seed": training["options"]["seed"],
        "learning_rate": training["options"]["learning_rate"],
        "val_loss": math.inf if perplexity["loss"] is None else perplexity["loss"],
        "val_loss_se": perplexity["loss_se"],
        "seconds": training["train_seconds"],
    }


def optimum(rates: np.ndarray, losses: np.ndarray) -> tuple[float, bool]:
    """(best rate between the trials, whether it was bracketed), for ascending rates.

    The vertex of the parabola through the best trial and its neighbours, in the logarithm of the rate. A
    best trial at an end of the range is returned as it is: the optimum may lie beyond. So is one next to a
    trial that diverged, whose loss is infinite: no parabola goes through that.

    Args:
        rates, losses: (n_trials,) of one model; losses in nats a character.
    """
    i = int(losses.argmin())
    if i in (0, len(rates) - 1):
        return float(rates[i]), False
    around = slice(i - 1, i + 2)
    if not np.isfinite(losses[around]).all():
        return float(rates[i]), True
    curvature, slope, _ = np.polyfit(np.log(rates[around] / rates[i]), losses[around], 2)
    return float(rates[i] * np.exp(-slope / (2 * curvature))), True


def loss_at(rate: float, rates: np.ndarray, losses: np.ndarray) -> float | None:
    """The loss that a rate would have had: that of its trial, else by the parabola through the three nearest trials.

    None outside the range, and where one of the three diverged. Arguments as of `optimum`.
    """
    if (tried := np.isclose(rates, rate)).any():
        loss = float(losses[tried][0])
        return loss if np.isfinite(loss) else None
    nearest = np.abs(np.log(rates / rate)).argsort()[:3]
    if len(nearest) < 3 or not rates[0] < rate < rates[-1] or not np.isfinite(losses[nearest]).all():
        return None
    return float(np.polyval(np.polyfit(np.log(rates[nearest] / rate), losses[nearest], 2), 0.0))


def summarise(trials: pd.DataFrame, rates_in_use: Mapping[str, Rate]) -> dict:
    """The content of lr_transfer.json.

    Args:
        trials: from `read_trials`.
        rates_in_use: the learning rate that the study takes, by architecture.

    Raises:
        InputError: every trial of a model diverged.
    """
    found = [
        {"model": name, "arch": arch} | summarise_model(name, rows.sort_values("learning_rate"), rates_in_use[arch])
        for (name, arch, _), rows in trials.groupby(["model", "arch", "tokens"], sort=False)
    ]
    models = pd.DataFrame(found)
    archs = {arch: summarise_arch(rows, rates_in_use[arch]) for arch, rows in models.groupby("arch")}
    return {"archs": archs, "models": found}


def summarise_model(name: str, rows: pd.DataFrame, in_use: Rate) -> dict:
    """What the trials of one model at one horizon say, in ascending order of their rates.

    Raises:
        InputError: all diverged.
    """
    rates, losses = rows["learning_rate"].to_numpy(), rows["val_loss"].to_numpy()
    best = best_of(name, rates, losses)
    tokens = int(rows["tokens"].iloc[0])
    rate_in_use = in_use.at(tokens)
    loss = loss_at(rate_in_use, rates, losses)
    return {
        "n_layer": int(rows["n_layer"].iloc[0]),
        "n_embd": int(rows["n_embd"].iloc[0]),
        "tokens": tokens,
        **best,
        "rate_in_use": rate_in_use,
        "lost_at_rate_in_use": None if loss is None else max(loss - best["best_loss"], 0.0),
    }


def best_of(name: str, rates: np.ndarray, losses: np.ndarray) -> dict:
    """The best of the trials of what is called so, and where its optimum is; see `optimum`.

    Raises:
        InputError: all diverged.
    """
    if not np.isfinite(losses).any():
        raise InputError(f"every trial of {name} diverged: try rates lower than {rates[0]:g}")
    rate, bracketed = optimum(rates, losses)
    return {
        "trials": len(rates),
        "diverged": int(np.isinf(losses).sum()),
        "best_trial": float(rates[losses.argmin()]),
        "best_loss": float(losses.min()),
        "optimum": rate,
        "bracketed": bracketed,
    }


def summarise_arch(models: pd.DataFrame, in_use: Rate) -> dict:
    """What an architecture's models say: how much the rate in use loses at most, and how far the optimum moves.

    Args:
        models: a row a model and horizon, as from `summarise_model`.
    """
    lost = models["lost_at_rate_in_use"].dropna()
    summary: dict[str, object] = {
        "rate_in_use": in_use.rate,
        **({"exponent_in_use": -in_use.exponent, "tokens_in_use": in_use.tokens} if in_use.exponent else {}),
        "most_lost_at_rate_in_use": float(lost.max()) if len(lost) == len(models) else None,
        "trials": int(models["trials"].sum()),
    }
    for what, (varied, fixed) in DIRECTIONS.items():
        line = models_along(models if what == "horizon" else at_one_horizon(models), varied, fixed)
        if len(line) > 1:
            moves: dict[str, object] = {
                "models": line["model"].tolist(),
                "tokens": line["tokens"].tolist(),
                "from": int(line[varied].iloc[0]),
                "to": int(line[varied].iloc[-1]),
                "optimum_moves_by_factor": float(line["optimum"].iloc[-1] / line["optimum"].iloc[0]),
                "all_bracketed": bool(line["bracketed"].all()),
            }
            if what == "horizon":
                losses = line["lost_at_rate_in_use"].astype(float)  # empty if the rate was not tried, as None is
                moves["exponent"] = exponent(line[line["bracketed"]])
                moves["lost_at_rate_in_use"] = [None if np.isnan(loss) else loss for loss in losses.tolist()]
            summary[what] = moves
    return summary


def at_one_horizon(models: pd.DataFrame) -> pd.DataFrame:
    """Models at the horizon that most of them share, the longest of several such."""
    shared = models.groupby("tokens")["model"].nunique()
    return models[models["tokens"] == shared.index[shared == shared.max()].max()]


def models_along(models: pd.DataFrame, varied: str, fixed: str) -> pd.DataFrame:
    """The models that differ in ``varied`` alone: of those that share a value of ``fixed``, the most numerous."""
    value = models.groupby(fixed)[varied].nunique().idxmax()
    return models[models[fixed] == value].sort_values(varied)


def exponent(line: pd.DataFrame) -> float | None:
    """By what power of the number of tokens the optimum goes, by least squares in logs; None of fewer than two."""
    if len(line) < 2:
        return None
    return float(np.polyfit(np.log(line["tokens"]), np.log(line["optimum"]), 1)[0])
