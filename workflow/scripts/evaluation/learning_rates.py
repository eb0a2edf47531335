"""Trials of learning rates -> where each model's best rate is, and how far it moves with width and depth."""

import math
from pathlib import Path

import numpy as np
import pandas as pd

from workflow.scripts.base.errors import InputError
from workflow.scripts.base.files import read_json


def read_trial(folder: Path) -> dict:
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
    }


def optimum(rates: np.ndarray, losses: np.ndarray) -> tuple[float, bool]:
    """(best rate between the trials, whether it was bracketed), for ascending rates.

    The vertex of the parabola through the best trial and its neighbours, in the logarithm of the rate. A
    best trial at an end of the range is returned as it is: the optimum may lie beyond. So is one next to a
    trial that diverged, whose loss is infinite: no parabola goes through that.
    """
    i = int(losses.argmin())
    if i in (0, len(rates) - 1):
        return float(rates[i]), False
    around = slice(i - 1, i + 2)
    if not np.isfinite(losses[around]).all():
        return float(rates[i]), True
    curvature, slope, _ = np.polyfit(np.log(rates[around] / rates[i]), losses[around], 2)
    return float(rates[i] * np.exp(-slope / (2 * curvature))), True


def series(models: pd.DataFrame, varied: str, fixed: str) -> pd.DataFrame:
    """The models that differ in ``varied`` alone: of those that share a value of ``fixed``, the most numerous."""
    value = models.groupby(fixed)[varied].nunique().idxmax()
    return models[models[fixed] == value].sort_values(varied)


def summarise(trials: pd.DataFrame, taken: dict[str, float]) -> dict:
    """What lr_transfer.json holds; ``taken`` is the rate in use by architecture.

    Raises:
        InputError: every trial of a model diverged.
    """
    found = []
    for (name, arch), rows in trials.groupby(["model", "arch"], sort=False):
        rows = rows.sort_values("learning_rate")
        rates, losses = rows["learning_rate"].to_numpy(), rows["val_loss"].to_numpy()
        if not np.isfinite(losses).any():
            raise InputError(f"every trial of {name} diverged: try rates lower than {rates[0]:g}")
        rate, bracketed = optimum(rates, losses)
        used = losses[np.isclose(rates, taken[arch]) & np.isfinite(losses)]
        found.append(
            {
                "model": name,
                "arch": arch,
                "n_layer": int(rows["n_layer"].iloc[0]),
                "n_embd": int(rows["n_embd"].iloc[0]),
                "trials": len(rows),
                "diverged": int(np.isinf(losses).sum()),
                "best_trial": float(rates[losses.argmin()]),
                "best_loss": float(losses.min()),
                "optimum": rate,
                "bracketed": bracketed,
                "lost_at_rate_in_use": float(used[0] - losses.min()) if used.size else None,
            }
        )
    models = pd.DataFrame(found)
    archs = {}
    for arch, rows in models.groupby("arch"):
        lost = rows["lost_at_rate_in_use"].dropna()
        archs[arch] = {
            "rate_in_use": taken[arch],
            "most_lost_at_rate_in_use": float(lost.max()) if len(lost) == len(rows) else None,
            "trials": int(rows["trials"].sum()),
        }
        for what, varied, fixed in (("width", "n_embd", "n_layer"), ("depth", "n_layer", "n_embd")):
            line = series(rows, varied, fixed)
            if len(line) > 1:
                archs[arch][what] = {
                    "models": line["model"].tolist(),
                    "from": int(line[varied].iloc[0]),
                    "to": int(line[varied].iloc[-1]),
                    "optimum_moves_by_factor": float(line["optimum"].iloc[-1] / line["optimum"].iloc[0]),
                    "all_bracketed": bool(line["bracketed"].all()),
                }
    return {"archs": archs, "models": found}
