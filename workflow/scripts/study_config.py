"""A study's config: made of the right types, checked before anything runs, and what it says of models and sources.

Needs config.yaml merged with a file of studies/ and the command line. workflow/schemas/config.schema.json says what
each key may be.
"""

import itertools
from typing import Any

import yaml

from workflow.scripts import models
from workflow.scripts.base import schema
from workflow.scripts.base.errors import InputError
from workflow.scripts.training.schedule import Schedule, check_branches

SCHEMA = "config.schema.json"


def check(config: dict) -> None:
    """Refuse a config that is not what the schema says, or that contradicts itself.

    Raises:
        InputError: one sentence about the first thing that is wrong.
    """
    schema.check(config, SCHEMA, "config")
    for key in ("suite", "lr_transfer_models"):
        for name in config[key]:
            if name not in config["models"]:
                raise InputError(
                    f"config: {key} names {name!r}, which is not under models{schema.meant(name, config['models'])}"
                )
            arch = config["models"][name]["arch"]
            models.check(arch)
            for rates in ("learning_rates",) if key == "suite" else ("learning_rates", "lr_transfer_rates"):
                if arch not in config[rates]:
                    raise InputError(f"config: {rates} has none for {arch!r}, the arch of {name!r}")
    check_trials(config)
    if len({"weight" in source for source in corpus_sources(config).values()}) > 1:
        raise InputError("config: corpus: either every source has a weight or none has")
    batches = {name: tokens_per_step(config, name) for name in (*config["suite"], *config["lr_transfer_models"])}
    if len(set(batches.values())) > 1:
        raise InputError(f"config: every model of a suite must read the same tokens a step, not {batches}")
    try:
        check_branches(schedules(config))
    except InputError as error:
        raise InputError(f"config: tokens: {error}") from error


def typed(config: dict) -> dict:
    """The config with what the schema wants to be a number or a truth value made one, where it came as text.

    As it does from the command line: Snakemake reads ``--config seeds=[0,1] keep_titles=false`` as texts.
    """
    properties = schema.read(SCHEMA)
    return with_types(config, properties, properties["$defs"])


def with_types(value: Any, wanted: dict, definitions: dict) -> Any:
    """``value`` with its texts made what is wanted; one that cannot be stays, for `check` to refuse."""
    if "$ref" in wanted:
        wanted = definitions[wanted["$ref"].removeprefix("#/$defs/")]
    if isinstance(value, dict):
        known, other = wanted.get("properties", {}), wanted.get("additionalProperties")
        other = other if isinstance(other, dict) else {}
        return {key: with_types(item, known.get(key, other), definitions) for key, item in value.items()}
    if wanted.get("type") == "array" and isinstance(value, list):
        return [with_types(item, wanted["items"], definitions) for item in value]
    kind = wanted.get("type")
    if not isinstance(value, str) or kind not in ("integer", "number", "boolean", "array"):
        return value
    try:
        found = yaml.safe_load(value)
    except yaml.YAMLError:
        return value
    if kind == "array":
        return with_types(found, wanted, definitions) if isinstance(found, list) else value
    fitting: dict[str, tuple[type, ...]] = {"integer": (int,), "number": (int, float), "boolean": (bool,)}
    return found if isinstance(found, fitting[kind]) and isinstance(found, bool) == (kind == "boolean") else value


def doubts(config: dict) -> list[str]:
    """What is allowed, but leaves a study without something that its user may expect: sentences to warn with."""
    found = []
    sizes: dict[str, set[tuple]] = {}
    for name in config["suite"]:
        model = config["models"][name]
        sizes.setdefault(model["arch"], set()).add((model["n_layer"], model["n_embd"]))
    for arch, shapes in sizes.items():
        if len(shapes) < 3:
            count = "one size" if len(shapes) == 1 else "two sizes"
            found.append(f"the suite has {count} of {arch}: a law needs three, so none will be fitted to it")
    for tokens, schedule in schedules(config).items():
        if schedule.never_peaks:
            found.append(f"at {tokens} tokens {schedule.never_peaks}: lower warmup_steps")
            break
    return found


def check_trials(config: dict) -> None:
    """Refuse trials of learning rates that could not show how the best rate moves, before they are trained."""
    if config["lr_transfer_seed"] in config["seeds"]:
        raise InputError("config: lr_transfer_seed is one of seeds: a reported run would be the one tuned on")
    shapes: dict[str, list[tuple[int, int]]] = {}
    for name in config["lr_transfer_models"]:
        model = config["models"][name]
        shapes.setdefault(model["arch"], []).append((model["n_layer"], model["n_embd"]))
    for arch, found in shapes.items():
        if not any((a == c) != (b == d) for (a, b), (c, d) in itertools.combinations(found, 2)):
            raise InputError(
                f"config: lr_transfer_models: no two of {arch} differ in n_embd alone or in n_layer alone, so nothing"
                " could be told of how the best rate moves with either"
            )


def corpus_sources(config: dict) -> dict[str, dict]:
    """Inputs of the corpus: name -> path and, where given, weight, cap and licence; one unnamed input is ''."""
    corpus = config["corpus"]
    if isinstance(corpus, str):
        return {"": {"path": corpus}}
    return {name: source if isinstance(source, dict) else {"path": source} for name, source in corpus.items()}


def model_of(config: dict, name: str) -> dict:
    """A model's entry in the config.

    Raises:
        InputError: there is none; names the closest.
    """
    if name not in config["models"]:
        raise InputError(f"no model {name!r} in the config{schema.meant(name, config['models'])}")
    return config["models"][name]


def schedules(config: dict) -> dict[int, Schedule]:
    """How long a run of each budget is, of whatever model."""
    step = tokens_per_step(config, config["suite"][0])
    return {
        tokens: Schedule.of_budget(tokens, step, config["warmup_steps"], config["cooldown_fraction"])
        for tokens in sorted(config["tokens"])
    }


def tokens_per_step(config: dict, name: str) -> int:
    """Tokens that a model of the study reads in one step."""
    model = {**config, **model_of(config, name)}
    return model["batch_size"] * model["grad_accum"] * config["block_size"]
