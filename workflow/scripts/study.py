"""What the Snakefile asks of a study: is its config right, which runs it holds, which code a job runs."""

import ast
import contextlib
import difflib
import json
import os
import shlex
import sys
from pathlib import Path

import jsonschema

from workflow.scripts import models
from workflow.scripts.cli import InputError
from workflow.scripts.files import lock

SCRIPTS = Path(__file__).parent
SCHEMA = SCRIPTS.parent / "schemas" / "config.schema.json"
# What config.yaml and a model's own entry may both set, under the names of train's flags.
TRAIN_OPTIONS = (
    "batch_size",
    "grad_accum",
    "learning_rate",
    "warmup_fraction",
    "cooldown_fraction",
    "weight_decay",
    "grad_clip",
    "precision",
    "device",
    "eval_tokens",
    "checkpoint_seconds",
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
    for name in config["suite"]:
        if name not in config["models"]:
            raise InputError(f"config: suite names {name!r}, which is not under models{meant(name, config['models'])}")
        models.check(config["models"][name]["arch"])
    if len({"weight" in source for source in corpus_sources(config).values()}) > 1:
        raise InputError("config: corpus: either every source has a weight or none has")
    batches = {name: tokens_per_step(config, name) for name in config["suite"]}
    if len(set(batches.values())) > 1:
        raise InputError(f"config: every model of a suite must read the same tokens a step, not {batches}")


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


def runs(config: dict) -> list[str]:
    """Every run of the study as ``<model>/<tokens>-seed<k>``, the folder it has under models."""
    return [
        f"{name}/{tokens}-seed{seed}"
        for name in config["suite"]
        for tokens in config["tokens"]
        for seed in config["seeds"]
    ]


def sweep_runs(config: dict) -> list[str]:
    """Every run of the learning-rate sweep: each model at each rate, at the largest budget, with its own seed."""
    budget, seed = max(config["tokens"]), config["lr_sweep_seed"]
    return [f"{name}/{budget}-seed{seed}-lr{rate}" for name in config["suite"] for rate in config["lr_sweep"]]


def train_flags(config: dict, name: str, **override: object) -> str:
    """Command-line flags of `train` for one model of the study; ``override`` replaces some."""
    model = model_of(config, name)
    options = {"arch": model["arch"], "n_layer": model["n_layer"], "n_embd": model["n_embd"]}
    if "n_head" in model:
        options["n_head"] = model["n_head"]
    options["context_size"] = config["block_size"]
    merged = {**config, **model, **override}
    options |= {key: merged[key] for key in TRAIN_OPTIONS}
    return " ".join(f"--{key} {value}" for key, value in options.items())


def code_files(*modules: str) -> list[str]:
    """Files of this package that a command runs: the modules named and all that they import from it.

    Declared as a job's input, so that editing a module reruns the jobs that run it and no others.
    """
    found: dict[str, Path] = {}
    queue = list(modules)
    while queue:
        name = queue.pop()
        if name in found:
            continue
        path = SCRIPTS / f"{name}.py"
        if not path.exists():
            path = SCRIPTS / name / "__init__.py"
        found[name] = path
        queue += imports_of(path)
    return sorted(map(str, found.values()))


def imports_of(path: Path) -> list[str]:
    """Modules of this package that a file imports, anywhere in it, as ``a`` or ``a/b``."""
    package = "workflow.scripts"
    names = []
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.ImportFrom) and node.module == package:
            names += [alias.name for alias in node.names]
        elif isinstance(node, ast.ImportFrom) and node.module and node.module.startswith(package + "."):
            names.append(node.module.removeprefix(package + ".").replace(".", "/"))
    return names
