"""A study's config: made of the right types, checked before anything runs, and what it says of models and sources.

Needs config.yaml merged with a file of studies/ and the command line, as `read_study` and Snakemake do.
workflow/schemas/config.schema.json says what each key may be.
"""

import itertools
from collections.abc import Iterable
from pathlib import Path
from typing import Any

import yaml

from workflow.scripts import models
from workflow.scripts.base import schema
from workflow.scripts.base.errors import InputError
from workflow.scripts.training import scale
from workflow.scripts.training.schedule import Schedule, check_branches

ROOT = Path(__file__).parents[2]
SCHEMA = "config.schema.json"
TRIED = ("lr_transfer_models", "lr_horizons")  # keys of models that are tried at lr_transfer_rates


def read_study(path: Path | None, settings: list[str]) -> dict:
    """The config of a study as Snakemake would have it: config.yaml, the study's file over it, then key=value.

    Raises:
        InputError: a file is missing or no YAML, or the config is wrong.
    """
    config = read_yaml(ROOT / "config.yaml")
    for change in [*([read_yaml(path)] if path else []), dict(map(setting, settings))]:
        config = merged(config, change)
    return ready(config)


def ready(config: dict) -> dict:
    """A merged config as everything else here takes it: of the right types, checked, and of the size asked for.

    Raises:
        InputError: one sentence about the first thing that is wrong.
    """
    config = typed(config)
    check(config)
    return scale.scaled(config, results_of(config))


def results_of(config: dict) -> str:
    """Folder of the study's results."""
    return config.get("pathvars", {}).get("results", "results")


def tune_folders(config: dict) -> list[str]:
    """Folders in that of a run for what it wrote, by itself and after each prompt."""
    return ["samples", *(f"prompted/{prompt}" for prompt in config["prompts"])]


def read_yaml(path: Path) -> dict:
    """The keys of a YAML file.

    Raises:
        InputError: there is no such file, or it holds something else.
    """
    try:
        found = yaml.safe_load(path.read_text(encoding="utf-8"))
    except (OSError, UnicodeDecodeError) as error:
        raise InputError(f"{path}: {getattr(error, 'strerror', None) or 'is no text in UTF-8'}") from error
    except yaml.YAMLError as error:
        raise InputError(f"{path} is not readable as YAML ({' '.join(str(error).split())})") from error
    if not isinstance(found, dict):
        raise InputError(f"{path} holds no keys of a study")
    return found


def setting(word: str) -> tuple[str, object]:
    """Key and value of KEY=VALUE.

    Raises:
        InputError: it is none.
    """
    key, equals, value = word.partition("=")
    if not (key and equals):
        raise InputError(f"--config {word}: must be KEY=VALUE")
    try:
        return key, yaml.safe_load(value)
    except yaml.YAMLError as error:
        raise InputError(f"--config {word}: the value is not readable as YAML") from error


def merged(base: dict, change: dict) -> dict:
    """A config with another over it, as Snakemake merges them: dicts deeply, all else replaced."""
    result = dict(base)
    for key, value in change.items():
        old = base.get(key)
        result[key] = merged(old if isinstance(old, dict) else {}, value) if isinstance(value, dict) else value
    return result


def check(config: dict) -> None:
    """Refuse a config that is not what the schema says, or that contradicts itself.

    Raises:
        InputError: one sentence about the first thing that is wrong.
    """
    schema.check(config, SCHEMA, "config")
    for key, names in models_named(config).items():
        for name in names:
            if name not in config["models"]:
                raise InputError(
                    f"config: {key} names {name!r}, which is not under models{schema.meant(name, config['models'])}"
                )
            arch = config["models"][name]["arch"]
            models.check(arch)
            for rates in ("learning_rates", "lr_transfer_rates") if key in TRIED else ("learning_rates",):
                if arch not in config[rates]:
                    raise InputError(f"config: {rates} has none for {arch!r}, the arch of {name!r}")
    check_longer(config)
    check_trials(config)
    if len({"weight" in source for source in corpus_sources(config).values()}) > 1:
        raise InputError("config: corpus: either every source has a weight or none has")
    alike = [name for key, names in models_named(config).items() if key != "ablations" for name in names]
    batches = {name: tokens_per_step(config, name) for name in alike}
    if len(set(batches.values())) > 1:
        raise InputError(f"config: every model of a suite must read the same tokens a step, not {batches}")
    try:
        check_branches(schedules(config))
    except InputError as error:
        raise InputError(f"config: tokens: {error}") from error


def models_named(config: dict) -> dict[str, list[str]]:
    """The models that each key of a study names."""
    ablations = [name for in_use, others in config["ablations"].items() for name in [in_use, *others]]
    return {
        "suite": config["suite"],
        "longer": list(config["longer"]),
        "lr_transfer_models": config["lr_transfer_models"],
        "lr_horizons": list(config["lr_horizons"]),
        "targets": list(config["targets"]),
        "split_gap_models": config["split_gap_models"],
        "ablations": ablations,
    }


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


def check_longer(config: dict) -> None:
    """Refuse longer runs of what is not in the suite, or that would be runs of it."""
    for name, budgets in config["longer"].items():
        if name not in config["suite"]:
            raise InputError(f"config: longer names {name!r}, which is not in the suite")
        steps = tokens_per_step(config, name)
        for tokens in budgets:
            if round(tokens / steps) <= round(max(config["tokens"]) / steps):
                raise InputError(f"config: longer.{name}: {tokens} tokens are not more than the largest of tokens")


def check_trials(config: dict) -> None:
    """Refuse trials of learning rates that could not show how the best rate moves, before they are trained."""
    for name in config["suite"]:
        if config["lr_transfer_seed"] in settings_of(config, name)["seeds"]:
            raise InputError(
                f"config: lr_transfer_seed is one of the seeds of {name}: a reported run would be the one tuned on"
            )
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
    """How long a run of each budget is, of whatever model of the suite."""
    return schedules_of(config, config["suite"][0], config["tokens"])


def schedules_of(config: dict, name: str, budgets: Iterable[int]) -> dict[int, Schedule]:
    """How long a model's run of each of these budgets is, by the model's own settings."""
    step, entry = tokens_per_step(config, name), settings_of(config, name)
    return {
        tokens: Schedule.of_budget(tokens, step, entry["warmup_steps"], entry["cooldown_fraction"])
        for tokens in sorted(budgets)
    }


def tokens_per_step(config: dict, name: str) -> int:
    """Tokens that a model of the study reads in one step."""
    return scale.tokens_per_step(settings_of(config, name))


def settings_of(config: dict, name: str) -> dict:
    """What holds for a model: the study's settings, with the model's own over them.

    Raises:
        InputError: there is no such model; names the closest.
    """
    return {**config, **model_of(config, name)}


def shape_of(config: dict, name: str, vocab_size: int) -> models.ModelConfig:
    """A model of the study as it is built."""
    entry = settings_of(config, name)
    return models.ModelConfig(
        entry["arch"], vocab_size, entry["block_size"], entry["n_layer"], entry["n_embd"], entry.get("n_head", 1),
        entry["parametrization"], entry.get("parts", models.ALL_PARTS),
    )  # fmt: skip
