"""Trials of settings that differ from a base -> what each setting costs or gains at its own best rate.

A trial is the folder of a run: it needs its config.json, perplexity_val.json and perplexity_val_tunes.csv. Each model
name is one setting, tried at several learning rates and perhaps several seeds. A setting is compared with the base of
its group: the recurrent models have one, the Transformers, modern ones too, another.
"""

from collections.abc import Iterable
from pathlib import Path
from typing import NamedTuple

import numpy as np
import pandas as pd

from workflow.scripts.base.amounts import short
from workflow.scripts.base.errors import InputError
from workflow.scripts.base.files import read_json
from workflow.scripts.base.tables import table
from workflow.scripts.evaluation.differences import TuneLosses, differences, read_losses
from workflow.scripts.evaluation.learning_rates import best_of, read_trial
from workflow.scripts.models import kind_of

VARIED = ("learning_rate", "seed")  # options that trials of one setting differ in
MARGIN, MOST_FLOPS = 0.02, 1.1  # nats that a better setting must gain, at so many times the base's FLOP at most
BEATS = f"beats_by_more_than_{MARGIN:g}"
BASE = "the base"
ARCHS = {"gpt": "no part of modern", "lstm_muon": "Muon", "lstm": "no Muon"}  # told beside another one of their kind
PARTS = {"qk_norm": "normed queries and keys", "squared_relu": "squared ReLU", "muon": "Muon"}
# An option -> how another value of it is told; what is not named here is told by its own name.
PHRASES = {
    "parametrization": "{} parametrization",
    "vocab_size": "a vocabulary of {}",
    "beta1": "beta1 {}",
    "weight_decay": "weight decay {}",
    "warmup_steps": "warm-up of {} steps",
    "grad_clip": "gradients of norm {} at most",
    "precision": "{}",
    "compile": "compiled: {}",
}
COLUMNS = ["group", "model", "setting", "params_non_embedding", "flops", "tokens", "seed", "learning_rate", "val_loss",
           "val_loss_se", "seconds", "best"]  # fmt: skip


class Trial(NamedTuple):
    """One run: its folder, its row of ablations.csv as far as it is of this run alone, and its `setting_of`."""

    folder: Path
    row: dict
    setting: dict


def ablate(folders: Iterable[str], bases: list[str]) -> tuple[pd.DataFrame, dict]:
    """The table of ablations.csv, with the best settings first, and the content of ablations.json.

    Args:
        folders: of the trials.
        bases: the settings that others are compared with, one of each group.

    Raises:
        InputError: a folder is no trial, or the trials cannot be compared.
    """
    settings: dict[str, list[Trial]] = {}
    for folder in folders:
        trial = read(Path(folder))
        settings.setdefault(trial.row["model"], []).append(trial)
    base_of = bases_of(settings, bases)
    found, tables = [], []
    for name, trials in settings.items():
        group = kind_of(trials[0].setting["arch"])
        base = settings[base_of[group]]
        entry, rows = compare(group, name, trials, base)
        found.append(entry)
        tables.append(rows.assign(group=group, setting=entry["setting"], lost=entry["best_loss"]))
    found.sort(key=lambda entry: (entry["group"], entry["best_loss"], entry["model"]))
    order = ["group", "lost", "model", "learning_rate", "seed"]
    bound = {"difference_below": -MARGIN, "flops_relative_at_most": MOST_FLOPS}
    summary = {"bases": dict(sorted(base_of.items())), "better": bound, "settings": found}
    return pd.concat(tables).sort_values(order, kind="stable")[COLUMNS], summary


def read(folder: Path) -> Trial:
    """One trial.

    Raises:
        InputError: it is not a finished run that was measured on the validation split.
    """
    config = read_json(folder / "config.json")
    try:
        row, training = read_trial(folder), config["training"]
        row |= {"flops": training["flops"]}
        return Trial(folder, row, setting_of(config))
    except (KeyError, TypeError) as error:
        raise InputError(f"{folder} is not a finished trial: its results lack {error}") from error


def setting_of(config: dict) -> dict:
    """All that another setting may have otherwise, by name."""
    model, training = config["model"], config["training"]
    options = {name: value for name, value in training["options"].items() if name not in VARIED}
    named = {name: training[name] for name in ("windows_per_step", "precision", "tokens")}
    return {"parts": "all", **options, **model, **named}  # runs from before modern had parts to choose had all


def bases_of(settings: dict[str, list[Trial]], bases: list[str]) -> dict[str, str]:
    """The base of each group.

    Raises:
        InputError: there is not one for each, or a name is of several settings.
    """
    for name, trials in settings.items():
        if any(trial.setting != trials[0].setting for trial in trials):
            said = {in_words(trial.setting, trials[0].setting) for trial in trials} - {BASE}
            what = min(said, default="another config.json")
            raise InputError(f"{name} is the name of several settings: a trial of it has {what}, unlike its first one")
    found: dict[str, str] = {}
    for name in bases:
        if name not in settings:
            raise InputError(f"--base names {name}, of which there is no trial")
        group = kind_of(settings[name][0].setting["arch"])
        if found.setdefault(group, name) != name:
            raise InputError(f"--base names both {found[group]} and {name}, which are of one group")
    for name, trials in settings.items():
        if (group := kind_of(trials[0].setting["arch"])) not in found:
            raise InputError(f"--base names no setting of the group {group}, which {name} is of")
    return found


def compare(group: str, name: str, trials: list[Trial], base: list[Trial]) -> tuple[dict, pd.DataFrame]:
    """A setting's entry in ablations.json and the rows of its trials.

    Raises:
        InputError: every rate diverged, or the trials are not of the same seeds or tunes as the base's.
    """
    rows = pd.DataFrame([trial.row for trial in trials])
    seeds = sorted({trial.row["seed"] for trial in base})
    for rate, tried in rows.groupby("learning_rate"):
        if sorted(tried["seed"]) != seeds:
            raise InputError(f"{name} at the rate {rate:g} has trials of other seeds than the base's, {seeds}")
    best = best_rate(name, trials)
    difference, se, ci95 = difference_between(best_trials(trials), best_trials(base))
    is_base = trials is base
    flops, base_flops = rows["flops"].iloc[0], base[0].row["flops"]
    words = BASE if is_base else in_words(trials[0].setting, base[0].setting)
    entry = {
        "group": group,
        "model": name,
        "setting": f"{name}: no difference in config.json" if words == BASE and not is_base else words,
        "params_non_embedding": int(rows["params_non_embedding"].iloc[0]),
        "tokens": int(rows["tokens"].iloc[0]),
        "flops": int(flops),
        "flops_relative": float(flops / base_flops),
        "seeds": seeds,
        "rates": sorted(rows["learning_rate"].unique().tolist()),
        **best,
        "difference": difference,
        "difference_se": None if is_base else se,
        "difference_ci95": None if is_base else ci95,
        BEATS: bool(difference < -MARGIN and flops <= MOST_FLOPS * base_flops),
    }
    return entry, rows.assign(best=(rows["learning_rate"] == best["best_trial"]).astype(int))


def best_rate(name: str, trials: list[Trial]) -> dict:
    """As `learning_rates.best_of` says, of losses that are means over seeds.

    Raises:
        InputError: at every rate a seed diverged.
    """
    rows = pd.DataFrame([trial.row for trial in trials])
    means = rows.groupby("learning_rate")["val_loss"].mean()  # infinite where a seed diverged
    return best_of(name, means.index.to_numpy(), means.to_numpy()) | {"trials": len(rows)}


def best_trials(trials: list[Trial]) -> list[Trial]:
    """The trials of the best rate, by seed."""
    best = best_rate(trials[0].row["model"], trials)["best_trial"]
    return sorted(
        (trial for trial in trials if trial.row["learning_rate"] == best), key=lambda trial: trial.row["seed"]
    )


def difference_between(first: list[Trial], second: list[Trial]) -> tuple[float, float, tuple[float, float]]:
    """(how much more the first loses, its standard error, its 95% interval), paired over tunes and means over seeds.

    Raises:
        InputError: they were not measured on the same tunes.
    """
    (found,) = differences([mean_over_seeds(first), mean_over_seeds(second)])
    return found["difference"], found["se"], found["ci95"]


def mean_over_seeds(trials: list[Trial]) -> TuneLosses:
    losses = [read_losses(str(trial.folder / "perplexity_val.json")) for trial in trials]
    return losses[0]._replace(nats=np.mean([loss.nats for loss in losses], axis=0))


def in_words(setting: dict, base: dict) -> str:
    """What a setting has otherwise than the base, by `setting_of` of each."""
    phrases = [
        phrase(setting)
        for phrase in (parts_in_words, shape_in_words, head_in_words, context_in_words, step_in_words, tokens_in_words)
        if phrase(setting) != phrase(base)
    ]
    for name in sorted(setting.keys() | base.keys()):
        if name not in TOLD and (value := setting.get(name)) != base.get(name):
            phrases.append(PHRASES.get(name, f"{name.replace('_', ' ')} {{}}").format(value))
    return ", ".join(phrase for phrase in phrases if phrase) or BASE


# What these tell of is not told once more by its name.
TOLD = {"arch", "parts", "n_layer", "n_embd", "n_head", "block_size", "context_size", "windows_per_step", "tokens"}


def parts_in_words(setting: dict) -> str:
    if setting["arch"] != "modern":
        return ARCHS.get(setting["arch"], setting["arch"])
    parts = set(PARTS) if setting["parts"] == "all" else set(setting["parts"].split(","))
    if parts == set(PARTS):
        return "all three parts of modern"
    told = [words for part, words in PARTS.items() if part in parts] + sorted(parts - set(PARTS))
    return f"of modern only {', '.join(told)}"


def shape_in_words(setting: dict) -> str:
    layers = setting["n_layer"]
    return f"{layers} layer{'s' if layers > 1 else ''} of {setting['n_embd']}"


def head_in_words(setting: dict) -> str:
    return "" if kind_of(setting["arch"]) == "lstm" else f"heads of {setting['n_embd'] // setting['n_head']}"


def context_in_words(setting: dict) -> str:
    return f"context {setting['block_size']:,}"


def step_in_words(setting: dict) -> str:
    return f"{setting['windows_per_step'] * setting['block_size']:,} tokens a step"


def tokens_in_words(setting: dict) -> str:
    return f"{setting['tokens']:,} tokens in all"


def as_markdown(summary: dict, group: str) -> str:
    """The settings of one group as a table in Markdown, the best first."""
    header = ["setting", "N", "best rate", "loss", "difference [95%]", "FLOP relative"]
    return table(header, [line(entry) for entry in summary["settings"] if entry["group"] == group])


def line(entry: dict) -> list[str]:
    return [
        entry["setting"],
        short(entry["params_non_embedding"]),
        f"{entry['best_trial']:g}{'' if entry['bracketed'] else ' (end of range)'}",
        f"{entry['best_loss']:.4f}",
        difference_in_words(entry) if entry["difference_ci95"] else "0",
        f"{entry['flops_relative']:.2f}",
    ]


def difference_in_words(entry: dict) -> str:
    """The difference of a setting that is not the base, with its interval."""
    low, high = entry["difference_ci95"]
    return f"{entry['difference']:+.4f} [{low:+.4f}, {high:+.4f}]"
