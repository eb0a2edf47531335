"""What the Snakefile asks of a study: is its config right, which runs it holds, what a job is told."""

import contextlib
import difflib
import itertools
import json
import os
import shlex
import sys
from pathlib import Path

import jsonschema

from workflow.scripts import models, vram
from workflow.scripts.cli import InputError
from workflow.scripts.files import lock
from workflow.scripts.schedule import Schedule, branch_steps

SCRIPTS = Path(__file__).parent
SCHEMA = SCRIPTS.parent / "schemas" / "config.schema.json"
# What config.yaml and a model's own entry may both set, under the names of train's flags.
TRAIN_OPTIONS = (
    "batch_size",
    "grad_accum",
    "learning_rate",
    "warmup_steps",
    "cooldown_fraction",
    "beta1",
    "weight_decay",
    "grad_clip",
    "precision",
    "parametrization",
    "compile",
    "eval_tokens",
)
# What config.yaml says of the corpus, under the names of prepare's flags.
PREPARE_OPTIONS = (
    "keep_titles",
    "keep_lyrics",
    "keep_comments",
    "max_chars",
    "min_notes",
    "max_voices",
    "max_rest_share",
    "max_rest_bars",
    "max_tune_share",
    "min_char_count",
    "midi_flags",
    "val_fraction",
    "test_fraction",
    "min_test_chars",
    "split_by",
    "near_duplicates",
    "tokenizer",
    "vocab_size",
)


def share_environment() -> None:
    """Let every job run this Python and find this package, from whatever folder Snakemake was started in."""
    for name, first in (("PYTHONPATH", SCRIPTS.parents[1]), ("PATH", Path(sys.executable).parent)):
        os.environ[name] = os.pathsep.join(filter(None, [str(first), os.environ.get(name)]))


def drop_dead_lock(state: Path) -> None:
    """Remove the lock that a killed Snakemake left in its folder of state (``.snakemake``).

    Every live Snakemake of this workflow holds a shared lock on ``alive`` there, which dies with it. If
    nobody does, nobody is running, and what stands in ``locks`` is a dead process's.
    """
    with contextlib.suppress(OSError):  # a file system without locks: Snakemake's own message must do
        state.mkdir(exist_ok=True)
        if (alone := lock(state / "alive", exclusive=True)) is not None:
            for path in state.glob("locks/*.lock"):
                path.unlink(missing_ok=True)
            os.close(alone)
        lock(state / "alive", exclusive=False)


def check(config: dict) -> None:
    """Refuse a config that is not what the schema says, or that contradicts itself.

    Raises:
        InputError: one sentence about the first thing that is wrong.
    """
    validator = jsonschema.Draft202012Validator(json.loads(SCHEMA.read_text(encoding="utf-8")))
    for error in sorted(validator.iter_errors(config), key=lambda error: list(map(str, error.absolute_path))):
        raise InputError(sentence(error))
    for key in ("suite", "lr_transfer_models"):
        for name in config[key]:
            if name not in config["models"]:
                raise InputError(
                    f"config: {key} names {name!r}, which is not under models{meant(name, config['models'])}"
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
    length = next(iter(batches.values())), config["warmup_steps"], config["cooldown_fraction"]
    try:
        branch_steps({tokens: Schedule.of_budget(tokens, *length) for tokens in config["tokens"]})
    except InputError as error:
        raise InputError(f"config: tokens: {error}") from error


def check_trials(config: dict) -> None:
    """Refuse trials of learning rates from which nothing could be told, before they are trained."""
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


def sentence(error: jsonschema.ValidationError) -> str:
    where = ".".join(map(str, error.absolute_path))
    place = f"config: {where}" if where else "config"
    if error.validator == "additionalProperties":
        known = list(error.schema.get("properties", {}))
        unknown = next(key for key in error.instance if key not in known)
        return f"{place}: unknown key {unknown!r}{meant(unknown, known)}"
    if error.validator == "required":
        return f"{place}: {error.message}"
    return f"{place} is {error.instance!r}: {error.schema.get('description') or error.message}"


def meant(name: str, known) -> str:
    if close := difflib.get_close_matches(str(name), list(known), n=1):
        return f" (did you mean {close[0]!r}?)"
    return f" (known: {', '.join(known)})" if len(known) <= 12 else ""


def corpus_sources(config: dict) -> dict[str, dict]:
    """Inputs of the corpus: name -> path and, where given, weight, cap and licence; one unnamed input is ''."""
    corpus = config["corpus"]
    if isinstance(corpus, str):
        return {"": {"path": corpus}}
    return {name: source if isinstance(source, dict) else {"path": source} for name, source in corpus.items()}


def corpus_name(config: dict) -> str:
    """Name of the folder that holds the prepared corpus: as given, or of its sources, or the last part of the path."""
    if config.get("corpus_name"):
        return config["corpus_name"]
    sources = corpus_sources(config)
    if "" not in sources:
        return "+".join(sources)
    return Path(sources[""]["path"]).resolve().name.lstrip(".").split(".")[0] or "corpus"


def prepare_flags(config: dict) -> str:
    """Command-line flags of `prepare` for the study's corpus."""
    words = []
    for name, source in corpus_sources(config).items():
        options = [f"{key}={source[key]}" for key in ("weight", "cap", "licence") if key in source]
        words += ["--source", name, source["path"], *options] if name else ["--input_path", source["path"]]
    for key in PREPARE_OPTIONS:
        words += [f"--{key}", str(config[key])]
    return shlex.join(words)


def model_of(config: dict, name: str) -> dict:
    """A model's entry in the config.

    Raises:
        InputError: there is none; names the closest.
    """
    if name not in config["models"]:
        raise InputError(f"no model {name!r} in the config{meant(name, config['models'])}")
    return config["models"][name]


def tokens_per_step(config: dict, name: str) -> int:
    model = {**config, **model_of(config, name)}
    return model["batch_size"] * model["grad_accum"] * config["block_size"]


def runs(config: dict, budgets: list[int] | None = None) -> list[str]:
    """Every run of the study (or of some of its budgets) as ``<model>/<tokens>-seed<k>``, its folder under models."""
    return [
        f"{name}/{tokens}-seed{seed}"
        for name in config["suite"]
        for tokens in budgets or config["tokens"]
        for seed in config["seeds"]
    ]


def trials(config: dict) -> list[str]:
    """Every trial of the learning rates: each model at each rate, at the largest budget, with a seed of their own."""
    budget, seed = max(config["tokens"]), config["lr_transfer_seed"]
    return [
        f"{name}/{budget}-seed{seed}-lr{rate}"
        for name in config["lr_transfer_models"]
        for rate in config["lr_transfer_rates"][model_of(config, name)["arch"]]
    ]


def vram_mb(config: dict, name: str) -> int:
    """Share of a GPU that a model's jobs declare; 0, a whole one, unless they are to share."""
    if not config["share_gpus"]:
        return 0
    model = {**config, **model_of(config, name)}
    vocab_size = 128 if config["tokenizer"] == "char" else config["vocab_size"]
    return vram.vram_mb(
        model["arch"], model["n_layer"], model["n_embd"], vocab_size, config["block_size"], model["batch_size"],
        config["precision"],
    )  # fmt: skip


def train_flags(config: dict, name: str, **override: object) -> str:
    """Command-line flags of `train` for one model of the study; ``override`` replaces some."""
    model = model_of(config, name)
    options = {"arch": model["arch"], "n_layer": model["n_layer"], "n_embd": model["n_embd"]}
    if "n_head" in model:
        options["n_head"] = model["n_head"]
    options["context_size"] = config["block_size"]
    merged = {**config, "learning_rate": config["learning_rates"].get(model["arch"]), **model, **override}
    options |= {key: merged[key] for key in TRAIN_OPTIONS}
    return " ".join(f"--{key} {value}" for key, value in options.items())
