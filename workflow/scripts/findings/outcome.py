"""A registered forecast beside its outcome: how far it was off, and whether its interval held what was measured.

Needs what registered.json holds, and the runs.csv of the runs that it forecast.
"""

import itertools
import re
from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np
import pandas as pd

from workflow.scripts.base.errors import InputError
from workflow.scripts.base.tables import read_csv
from workflow.scripts.findings.words import LAWS, span

NUMBERS = ("params_non_embedding", "tokens", "seed", "learning_rate", "test_loss")
ALIKE = 0.10  # sizes of two architectures that differ by no more are compared
DIGITS = 12  # of a corpus, in runs.csv


def read_measured(path: str | Path) -> pd.DataFrame:
    """The runs of targets that were trained and scored.

    Raises:
        InputError: it is no runs.csv, a number in it is none, or a run is there twice.
    """
    runs = read_csv(path, "model", "corpus", "test_loss_se", *NUMBERS, text=["corpus"])
    for name in NUMBERS:
        numbers = pd.to_numeric(runs[name], errors="coerce")
        low = numbers < 0 if name == "seed" else numbers <= 0
        if (bad := (low | ~np.isfinite(numbers)).to_numpy()).any():
            raise InputError(f"{path}: {name} of {runs['model'][bad].iloc[0]} is {runs[name][bad].iloc[0]}")
        runs[name] = numbers
    runs["test_loss_se"] = pd.to_numeric(runs["test_loss_se"], errors="coerce")
    if (twice := runs[runs.duplicated(["model", "tokens", "seed"])]).size:
        raise InputError(f"{path} has {twice['model'].iloc[0]}, seed {twice['seed'].iloc[0]}, twice")
    return runs


def outcomes(registered: Mapping, runs: pd.DataFrame) -> dict:
    """What forecast.json says of every registration, and of all in words.

    Args:
        registered: what registered.json holds.
        runs: see `read_measured`.

    Raises:
        InputError: the runs learnt from another corpus, or one is not of the size that was registered.
    """
    found = [outcome_of(registration, runs) for registration in registered["registrations"]]
    said = []
    for number, one in enumerate(found, 1):
        if len(found) > 1:
            because = f": {one['reason']}" if one["reason"] else ""
            said.append(f"Registration {number} of {len(found)}, made {one['made'][:10]}{because}.")
        said += [*map(target_words, one["targets"]), *map(pair_words, one["pairs"])]
    return {"registrations": found, "said": said}


def outcome_of(registration: Mapping, runs: pd.DataFrame) -> dict:
    """One registration beside its outcome.

    Raises:
        InputError: see `outcomes`.
    """
    corpus = registration["corpus"][:DIGITS]
    if others := sorted(set(runs["corpus"].astype(str).str[:DIGITS]) - {corpus}):
        raise InputError(f"the forecast is of runs on the corpus {corpus}, and the runs learnt from {others[0]}")
    targets = [beside(target, runs) for target in registration["targets"]]
    return {**{key: registration[key] for key in ("made", "reason", "commit")}, "targets": targets,
            "pairs": pairs(targets)}  # fmt: skip


def beside(target: Mapping, runs: pd.DataFrame) -> dict:
    """What was forecast of a target, and what was measured, its seeds together.

    Raises:
        InputError: its size is not the one that was registered.
    """
    own = runs[(runs["model"] == target["model"]) & (runs["tokens"] == target["tokens"])]
    if (others := own[own["params_non_embedding"] != target["params"]]).size:
        n = int(others["params_non_embedding"].iloc[0])
        raise InputError(
            f"{target['model']} was registered with {target['params']:,} parameters, and trained with {n:,}"
        )
    found = measured(own, target["options"])
    observed = found["observed"]
    keys = ("model", "arch", "params", "tokens", "flops", "times_flops", "after_outcome", "told", "loss", "pi95")
    return {
        **{key: target[key] for key in keys},
        **found,
        **compared(target, observed),
        "earlier_than_run": False if target["after_outcome"] else None,
        "laws": {name: said_and_compared(law, observed) for name, law in target["laws"].items()},
        "average": said_and_compared(target["average"], observed),
    }


def measured(own: pd.DataFrame, options: str) -> dict:
    """What the runs of one target came to; null where there are none.

    Args:
        own: its runs, one for each seed.
        options: the flags that were registered.
    """
    if own.empty:
        return {"seeds": 0, **dict.fromkeys(("observed", "observed_se", "learning_rate", "rate_as_registered"))}
    observed = float(np.exp(np.log(own["test_loss"]).mean()))
    relative = float((own["test_loss_se"] / own["test_loss"]).median())
    rates = sorted(set(own["learning_rate"].tolist()))
    registered = re.search(r"--learning_rate[ =](\S+)", options)
    return {
        "seeds": len(own),
        "observed": observed,
        "observed_se": None if np.isnan(relative) else relative * observed,
        "learning_rate": rates,
        "rate_as_registered": bool(np.isclose(rates, float(registered[1])).all()) if registered else None,
    }


def said_and_compared(forecast: Mapping, observed: float | None) -> dict:
    """A law's forecast and its interval, beside what was measured."""
    return {"loss": forecast["loss"], "pi95": forecast["pi95"], **compared(forecast, observed)}


def compared(forecast: Mapping, observed: float | None) -> dict:
    """How far a forecast was off, and whether its interval held what was measured; null before it is."""
    if observed is None:
        return {"error": None, "inside": None}
    low, high = forecast["pi95"]
    inside = (low is None or low <= observed) and (high is None or observed <= high)
    return {"error": forecast["loss"] / observed - 1, "inside": bool(inside)}


def pairs(targets: Sequence[Mapping]) -> list[dict]:
    """Two architectures of one size that read as many tokens: how much the first's loss is above the second's."""
    found = []
    for one, other in itertools.combinations(targets, 2):
        apart = abs(one["params"] / other["params"] - 1)
        if one["arch"] == other["arch"] or one["tokens"] != other["tokens"] or apart > ALIKE:
            continue
        known = one["observed"] is not None and other["observed"] is not None
        found.append({
            "models": [one["model"], other["model"]],
            "tokens": one["tokens"],
            "forecast": one["loss"] - other["loss"],
            "observed": one["observed"] - other["observed"] if known else None,
        })  # fmt: skip
    return found


def target_words(target: Mapping) -> str:
    """A forecast and its outcome in a sentence."""
    said = (
        f"{target['model']}, {target['params']:,} parameters and {target['tokens']:,} tokens,"
        f" {target['times_flops']:.3g} times the FLOP of the largest run that the forecast rests on: registered"
        f" {'after its outcome ' if target['after_outcome'] else ''}{target['loss']:.4g} nats, 95%"
        f" {span(target['pi95'], '{:.4g}'.format)}, by {LAWS.get(target['told'], target['told'])}; "
    )
    if target["observed"] is None:
        return f"{said}not measured yet."
    seeds = f" over {target['seeds']} seeds" if target["seeds"] > 1 else ""
    rate = ", at another learning rate than was registered" if target["rate_as_registered"] is False else ""
    where = "inside" if target["inside"] else "outside"
    return f"{said}measured {target['observed']:.4g}{seeds}{rate}; off by {target['error']:+.1%}, {where} its interval."


def pair_words(pair: Mapping) -> str:
    """Two architectures beside each other in a sentence."""
    one, other = pair["models"]
    outcome = "not measured yet" if pair["observed"] is None else f"measured {pair['observed']:+.4f}"
    return (
        f"{one} less {other} at {pair['tokens']:,} tokens: registered {pair['forecast']:+.4f} nats by their forecasts;"
        f" {outcome}."
    )
