"""What the Snakefile asks of a study: which runs it holds, the flags of each job, and whether its corpus is at hand."""

import contextlib
import csv
import json
import math
import os
import shlex
import sys
from collections.abc import Callable
from pathlib import Path

from workflow.scripts import study_config
from workflow.scripts.base.errors import InputError
from workflow.scripts.base.files import lock
from workflow.scripts.base.options import to_flags
from workflow.scripts.base.places import folder_of, refuse_unwritable
from workflow.scripts.base.rates import Rate
from workflow.scripts.corpus import options as corpus_options
from workflow.scripts.reading import contents
from workflow.scripts.reading.inputs import MUSIC21, list_files, require_files
from workflow.scripts.study_config import corpus_sources, model_of, schedules_of, settings_of, tokens_per_step
from workflow.scripts.training import memory
from workflow.scripts.training import options as training_options
from workflow.scripts.writing import options as writing_options

SCRIPTS = Path(__file__).parent
SCORED = ("config.json", "history.csv", "perplexity.json")  # what tables need of a run
SAME_RUN = ("n_layer", "n_embd", "block_size", "learning_rate")  # what a run on record must have as the study has it
MANY_FILES = 2000  # of a source; for more Snakemake takes long to look into each


def share_environment() -> None:
    """Let every job run this Python and find this package, from whatever folder Snakemake was started in."""
    for name, first in (("PYTHONPATH", SCRIPTS.parents[1]), ("PATH", Path(sys.executable).parent)):
        os.environ[name] = os.pathsep.join(filter(None, [str(first), os.environ.get(name)]))


def drop_dead_lock(state: Path) -> None:
    """Remove the lock that a killed Snakemake left in its folder of state (``.snakemake``).

    Every live Snakemake of this workflow holds a shared lock on ``alive`` there, which dies with it. If
    nobody does, nobody is running, and the files in ``locks`` are a dead process's.
    """
    with contextlib.suppress(OSError):  # a file system without locks: Snakemake's own message must do
        state.mkdir(exist_ok=True)
        if (alone := lock(state / "alive", exclusive=True)) is not None:
            for path in state.glob("locks/*.lock"):
                path.unlink(missing_ok=True)
            os.close(alone)
        lock(state / "alive", exclusive=False)


def corpus_name(config: dict) -> str:
    """Name of the folder that holds the prepared corpus: as given, or of its sources, or the last part of the path."""
    if config.get("corpus_name"):
        return config["corpus_name"]
    sources = corpus_sources(config)
    if "" not in sources:
        name = "+".join(sources)
    else:
        name = Path(sources[""]["path"]).resolve().name.lstrip(".").split(".")[0] or "corpus"
    return name if config["split_by"] == "cluster" else f"{name}-{config['split_by']}"


def corpora(config: dict) -> str:
    """Folder in which each prepared corpus has its own, of its name.

    Raises:
        InputError: ``data_dir`` is no path.
    """
    return os.path.join(folder_of(config["data_dir"], "config: data_dir"), "corpora")


def work_folder(config: dict) -> str:
    """Folder of the states of unfinished runs, absolute; empty where each stays beside the results of its run.

    Raises:
        InputError: ``work_dir`` is no path, or nothing can be written there.
    """
    if not (folder := folder_of(config["work_dir"], "config: work_dir")):
        return ""
    refuse_unwritable(folder, "config: work_dir")
    return os.path.abspath(folder)


def prepare_flags(config: dict) -> str:
    """Command-line flags of `prepare` for the study's corpus."""
    words = []
    for name, source in corpus_sources(config).items():
        options = [f"{key}={source[key]}" for key in ("weight", "cap", "licence") if key in source]
        words += ["--source", name, source["path"], *options] if name else ["--input_path", source["path"]]
    return f"{shlex.join(words)} {to_flags(corpus_options.CONFIG_OPTIONS, config)}"


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


def source_away(config: dict, corpus: str, in_bucket: Callable[[str], bool] | None = None) -> str:
    """A sentence that a prepared corpus is used in place of a source that cannot be read; empty if all can.

    Args:
        in_bucket: tells whether there is a file, where files live in a bucket.

    Raises:
        InputError: no corpus was prepared, or one with other options, and it cannot be prepared now.
    """
    exists = in_bucket or os.path.exists
    if not (absent := absent_source(config)):
        if not in_bucket and not exists(f"{corpus}/corpus.json"):
            refuse_unwritable(corpus, "config: with this data_dir the corpus")
        return ""
    if not exists(f"{corpus}/corpus.json"):
        how_to_get_it = f": download {config['corpus_from']}, to there" if config["corpus_from"] else ""
        raise InputError(f"{absent}{how_to_get_it}, or name another corpus with --config corpus=PATH")
    if in_bucket:  # which options it was prepared with stands in a file there
        return f"{absent}: {corpus} is used as it is in the bucket"
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


def digest_of_many_files(config: dict, memory: Path | None = None) -> str:
    """Names, in whatever subfolder, and contents of the files of sources with very many, as a digest.

    Empty if there are none. ``memory`` is the file of `contents.digest_of`.
    """
    many = {
        f"{number} {file.relative_to(path)}": file
        for number, (path, files) in enumerate(files_of(config))
        if len(files) > MANY_FILES
        for file in files
    }
    return contents.digest_of(many, memory) if many else ""


def sample_flags(config: dict) -> str:
    """Command-line flags of `sample` for every model of the study."""
    values = config | {"prompt_set": json.dumps(config["prompts"])}
    return to_flags([*writing_options.CONFIG_OPTIONS, "prompt_set"], values)


def baseline_flags(config: dict) -> str:
    """Command-line flags of `draw_real` and `sample_ngram`."""
    return f"--num_samples {config['baseline_samples']} --max_new_tokens {config['max_new_tokens']}"


def runs(config: dict) -> list[str]:
    """Every run of the study as ``<model>/<tokens>-seed<k>``, its folder under models."""
    return [*runs_at(config, config["tokens"]), *runs_of(config["longer"], config["longer_seeds"])]


def runs_at(config: dict, budgets: list[int], names: list[str] | None = None) -> list[str]:
    """Those of all models of the suite, or of those named, at some budgets, each with the seeds that it has."""
    names = config["suite"] if names is None else names
    return [run for name in names for run in runs_of({name: budgets}, settings_of(config, name)["seeds"])]


def first_runs(config: dict) -> list[str]:
    """One run of each model of the suite: of its first seed, at the largest budget."""
    return [f"{name}/{max(config['tokens'])}-seed{settings_of(config, name)['seeds'][0]}" for name in config["suite"]]


def runs_of(budgets: dict[str, list[int]], seeds: list[int]) -> list[str]:
    """Runs of models at budgets of their own, as their folders."""
    return [f"{name}/{tokens}-seed{seed}" for name, each in budgets.items() for tokens in each for seed in seeds]


def trials(config: dict) -> list[str]:
    """Every trial of the learning rates: each model and budget at each rate, with a seed of their own."""
    shapes = config["lr_transfer_models"]
    budgets = {name: {config["lr_transfer_tokens"] or max(config["tokens"])} for name in shapes}
    for name, horizons in config["lr_horizons"].items():
        budgets.setdefault(name, set()).update(horizons)
    return [
        trial(config, name, tokens, rate)
        for name, of_model in budgets.items()
        for tokens in sorted(of_model)
        for rate in config["lr_transfer_rates"][model_of(config, name)["arch"]]
    ]


def split_gap(config: dict) -> list[str]:
    """Every run with relatives of test tunes in training, and every one without, as its folder under each split's."""
    return runs_at(config, [max(config["tokens"])], config["split_gap_models"])


def ablations(config: dict) -> list[str]:
    """Every trial of the settings: each model in use, and those beside it, at each rate."""
    return [
        trial(config, name, config["ablation_tokens"], rate)
        for in_use, others in config["ablations"].items()
        for name in [in_use, *others]
        for rate in config["ablation_rates"]
    ]


def trial(config: dict, name: str, tokens: int, rate: float) -> str:
    """A trial as its folder under lr_transfer, or under ablations."""
    return f"{name}/{tokens}-seed{config['lr_transfer_seed']}-lr{rate}"


def targets(config: dict) -> list[str]:
    """Every run that is forecast before it is trained, as its folder under targets."""
    return runs_of(config["targets"], config["target_seeds"])


def elsewhere(config: dict, results: str, kind: str) -> tuple[list[str], bool]:
    """The runs that another machine trained, if ``keep_recorded``: they need no training, and their rows are kept.

    They are on record with the shape and the rate that the study gives them, and the results have no run of them.

    Args:
        kind: "models", the runs of the fit, or "targets".

    Returns:
        These runs, and whether the record has any row of a run that is not in the results.

    Raises:
        InputError: the record is no table of runs.
    """
    path = recorded_tables(config, kind) / "runs.csv"
    if not config["keep_recorded"] or not config["recorded"] or not path.exists():
        return [], False
    try:
        with path.open(newline="", encoding="utf-8") as lines:
            rows = {
                (row["model"], int(row["tokens"]), int(row["seed"])): [float(row[name]) for name in SAME_RUN]
                for row in csv.DictReader(lines)
            }
    except (KeyError, TypeError, ValueError) as error:
        raise InputError(f"{path} is no table of runs ({error!r})") from error
    done = []
    for run in targets(config) if kind == "targets" else runs(config):
        name, tokens, seed = run_of(run)
        steps = schedules_of(config, name, [tokens])[tokens].steps
        key, wanted = (name, steps * tokens_per_step(config, name), seed), settings_for(config, name, tokens)
        if Path(results, kind, run, "config.json").exists():
            rows.pop(key, None)
        elif key in rows and all(map(math.isclose, rows[key], (float(wanted[name]) for name in SAME_RUN))):
            done.append(run)
    return done, bool(rows)


def missing(config: dict, results: str, kind: str, on_record: list[str]) -> list[str]:
    """The runs, of kind "models" or "targets", that have no loss in the results and are not on record, in order."""
    return [
        run
        for run in (targets(config) if kind == "targets" else runs(config))
        if run not in on_record and not all(Path(results, kind, run, name).exists() for name in SCORED)
    ]


def can_be_judged(config: dict, results: str, run: str) -> bool:
    """Whether a run, by its folder in the results, has written or will: one that came back without weights cannot."""
    folder, name = Path(results, run), run.split("/")[1]
    came_back = (folder / "config.json").exists() and not (folder / "model.safetensors").exists()
    if config["train_missing"] and not came_back:
        return True
    table = f"{name}-seed{run_of(run.partition('/')[2])[2]}.csv"
    return all((folder / part / table).exists() for part in study_config.tune_folders(config))


def recorded_tables(config: dict, kind: str) -> Path:
    """Where the tables of the runs of the fit ("models") or of the "targets" are on record."""
    return Path(config["recorded"], "targets" if kind == "targets" else "")


def run_of(folder: str) -> tuple[str, int, int]:
    """Model, tokens and seed of ``<model>/<tokens>-seed<k>``."""
    name, _, run = folder.partition("/")
    tokens, _, seed = run.partition("-seed")
    return name, int(tokens), int(seed)


def stored(config: dict, results: str, file: str) -> str:
    """A file of the results; where they have none and the study was recorded, the recorded one."""
    own, recorded = Path(results, file), Path(config["recorded"], file)
    return str(recorded if config["recorded"] and not own.exists() and recorded.exists() else own)


def vram_mb(config: dict, name: str) -> int:
    """Share of a GPU that a model's jobs declare; 0, a whole one, unless they are to share."""
    if not config["share_gpus"]:
        return 0
    model = settings_of(config, name)
    vocab_size = 128 if config["tokenizer"] == "char" else config["vocab_size"]
    return memory.vram_mb(
        model["arch"], model["n_layer"], model["n_embd"], vocab_size, model["block_size"], model["batch_size"],
        model["precision"],
    )  # fmt: skip


def train_flags(config: dict, name: str, tokens: int | None = None, **override: object) -> str:
    """Command-line flags of `train` for one model of the study; ``override`` replaces some.

    Args:
        tokens: the budget, which the learning rate may depend on; None: that which the study's rates are of.
    """
    merged = {**settings_for(config, name, tokens), **override}
    merged["context_size"] = merged["block_size"]
    shape = [option for option in training_options.SHAPE_OPTIONS if option in model_of(config, name)]
    return to_flags([*shape, "context_size", *training_options.CONFIG_OPTIONS], merged)


def settings_for(config: dict, name: str, tokens: int | None = None) -> dict:
    """What holds for a model's run of so many tokens: its settings, with the learning rate."""
    rate = rate_in_use(config, model_of(config, name)["arch"])
    return settings_of({**config, "learning_rate": rate and rate.at(tokens or rate.tokens)}, name)


def rate_in_use(config: dict, arch: str) -> Rate | None:
    """An architecture's learning rate, and how it falls with the tokens of a run."""
    if not (rate := config["learning_rates"].get(arch)):
        return None
    return Rate(rate, config["learning_rate_exponents"].get(arch, 0), config["learning_rate_tokens"])


def without_trunk(config: dict) -> list[str]:
    """The models whose runs share no trunk, as those of each budget have a learning rate of their own."""
    falls = [arch for arch, exponent in config["learning_rate_exponents"].items() if exponent]
    return [name for name, model in config["models"].items() if model["arch"] in falls and "learning_rate" not in model]
