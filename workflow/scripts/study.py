"""What the Snakefile asks of a study: is its config right, which runs it holds, what a job is told."""

import contextlib
import difflib
import hashlib
import itertools
import json
import os
import shlex
import sys
from pathlib import Path

import jsonschema
import yaml

from workflow.scripts import models
from workflow.scripts.base.errors import InputError
from workflow.scripts.base.files import lock
from workflow.scripts.corpus.sources import MUSIC21, list_files, require_files
from workflow.scripts.training import memory
from workflow.scripts.training.schedule import Schedule, check_branches

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


# What config.yaml says of writing, under the names of sample's flags.
SAMPLE_OPTIONS = ("num_samples", "samples_per_prompt", "max_new_tokens", "temperature", "top_k", "top_p", "min_p")
MANY_FILES = 2000  # of a source, from which on it is told by its files' names and sizes


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
    try:
        check_branches(schedules(config))
    except InputError as error:
        raise InputError(f"config: tokens: {error}") from error


def typed(config: dict) -> dict:
    """The config with what the schema wants to be a number or a truth value made one, where it came as text.

    As it does from the command line: Snakemake reads ``--config seeds=[0,1] keep_titles=false`` as texts.
    """
    properties = json.loads(SCHEMA.read_text(encoding="utf-8"))
    return with_types(config, properties, properties["$defs"])


def with_types(value: object, schema: dict, definitions: dict) -> object:
    """``value`` with its texts made what the schema wants; one that cannot be stays, for `check` to refuse."""
    if "$ref" in schema:
        schema = definitions[schema["$ref"].removeprefix("#/$defs/")]
    if isinstance(value, dict):
        known, other = schema.get("properties", {}), schema.get("additionalProperties")
        other = other if isinstance(other, dict) else {}
        return {key: with_types(item, known.get(key, other), definitions) for key, item in value.items()}
    if schema.get("type") == "array" and isinstance(value, list):
        return [with_types(item, schema["items"], definitions) for item in value]
    kind = schema.get("type")
    if not isinstance(value, str) or kind not in ("integer", "number", "boolean", "array"):
        return value
    try:
        found = yaml.safe_load(value)
    except yaml.YAMLError:
        return value
    if kind == "array":
        return with_types(found, schema, definitions) if isinstance(found, list) else value
    fits = {"integer": int, "number": (int, float), "boolean": bool}[kind]
    return found if isinstance(found, fits) and isinstance(found, bool) == (kind == "boolean") else value


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


def absent_source(config: dict) -> str:
    """A sentence on the first source of the corpus that cannot be read; empty if all can."""
    for source in corpus_sources(config).values():
        path = source["path"]
        try:
            require_files(path)
        except InputError as error:
            return str(error)
        if path != MUSIC21 and not any(os.access(file, os.R_OK) for file in list_files(Path(path))):
            return f"{path}: no file in it may be read"
    return ""


def source_away(config: dict, corpus: str) -> str:
    """A sentence that a prepared corpus stands in for a source that cannot be read; empty if all can.

    Raises:
        InputError: no corpus was prepared, or one with other options, and it cannot be prepared now.
    """
    if not (absent := absent_source(config)):
        return ""
    if not Path(corpus, "corpus.json").exists():
        raise InputError(absent)
    from workflow.scripts.prepare import differences  # seconds that no other question takes

    if found := differences(Path(corpus), prepare_flags(config)):
        raise InputError(
            f"{absent}, and {corpus} was prepared with other options ({'; '.join(found[:3])}): bring the source back,"
            " or the options"
        )
    return f"{absent}: {corpus} is used as it was prepared"


def files_of(config: dict) -> list[tuple[Path, list[Path]]]:
    """The files of each source that is the user's own, beside the source's path."""
    paths = [Path(source["path"]) for source in corpus_sources(config).values() if source["path"] != MUSIC21]
    return [(path, list_files(path)) for path in paths]


def few_files(config: dict) -> list[Path]:
    """The user's own files that Snakemake is to look into: those of sources with not very many."""
    return [file for _, files in files_of(config) if len(files) <= MANY_FILES for file in files]


def digest_of_many_files(config: dict) -> str:
    """Names and sizes of the files of sources with very many, as a digest; empty if there are none."""
    digest, many = hashlib.sha256(), False
    for path, files in files_of(config):
        if len(files) > MANY_FILES:
            many = True
            for file in files:
                digest.update(f"{file.relative_to(path)} {file.stat().st_size}\n".encode(errors="surrogateescape"))
    return digest.hexdigest() if many else ""


def sample_flags(config: dict) -> str:
    """Command-line flags of `sample` for every model of the study."""
    words = [word for key in SAMPLE_OPTIONS for word in (f"--{key}", str(config[key]))]
    return shlex.join([*words, "--prompt_set", json.dumps(config["prompts"])])


def baseline_flags(config: dict) -> str:
    """Command-line flags of `draw_real` and `sample_ngram`."""
    return f"--num_samples {config['baseline_samples']} --max_new_tokens {config['max_new_tokens']}"


def model_of(config: dict, name: str) -> dict:
    """A model's entry in the config.

    Raises:
        InputError: there is none; names the closest.
    """
    if name not in config["models"]:
        raise InputError(f"no model {name!r} in the config{meant(name, config['models'])}")
    return config["models"][name]


def schedules(config: dict) -> dict[int, Schedule]:
    """How long a run of each budget is, of whatever model."""
    step = tokens_per_step(config, config["suite"][0])
    return {
        tokens: Schedule.of_budget(tokens, step, config["warmup_steps"], config["cooldown_fraction"])
        for tokens in sorted(config["tokens"])
    }


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
    return memory.vram_mb(
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
