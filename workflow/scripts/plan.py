"""What a study will cost, before any of it runs: parameters, FLOP, memory, hours and disk, of each model and in all.

The hours come from 20 seconds of real training steps on this machine, on random tokens, so that no corpus is needed; or
from a device's FLOP a second and the share of them that training gets (--utilisation). It says what does not fit:
memory, disk, and --hours if they are given. Writes <results>/plan.json, from which a cluster's profile takes `runtime`
and `mem_mb` of training jobs (docs/clusters.md).

Exit status: 0 if all fits, 3 if something does not, 1 if the study cannot be planned, 2 for wrong options.

Examples:
  python -m workflow.scripts.plan
  python -m workflow.scripts.plan studies/lakh.yaml --device h100 --utilisation 0.35 --jobs 4 --hours 48
  python -m workflow.scripts.plan studies/notated.yaml --config seeds=[0] --jobs 2
"""

import argparse
import os
import shutil
import sys
import textwrap
from dataclasses import asdict
from pathlib import Path

import yaml

from workflow.scripts import models, study, study_config
from workflow.scripts.base import cli
from workflow.scripts.base.errors import InputError
from workflow.scripts.base.files import read_json, write_json
from workflow.scripts.machine.gpus import visible_gpus
from workflow.scripts.models import ModelConfig
from workflow.scripts.training import cost
from workflow.scripts.training.bill import Corpus, Model, Rates, Row, Totals, rates_of, rows_of, totals_of
from workflow.scripts.training.memory import host_mb, micro_batch_for, vram_mb
from workflow.scripts.training.place import UTILISATION, Asked, Place, place_of
from workflow.scripts.training.plan_words import misfits, remarks, summary, table
from workflow.scripts.training.probe import Settings

ROOT = study.SCRIPTS.parents[1]
ASSUMED_CHARS = 128  # tokens of a vocabulary of characters, where no corpus is prepared
ASSUMED_TUNE = 512  # tokens of a tune, likewise
DOES_NOT_FIT = 3


def arguments() -> argparse.ArgumentParser:
    parser = cli.parser(__doc__)
    parser.add_argument("study", nargs="?", type=Path, help="a file of studies/; without one, config.yaml's study")
    parser.add_argument("--config", nargs="+", default=[], metavar="KEY=VALUE", help="as snakemake's")
    parser.add_argument("--device", help=f"auto, cpu, cuda, mps of this machine, or one of {', '.join(cost.DEVICES)}")
    parser.add_argument(
        "--device_tflops", type=cli.positive_float, help="10^12 FLOP a second of a device by its makers"
    )
    parser.add_argument("--device_memory_gb", type=cli.positive_float, help="its memory; without it none is compared")
    parser.add_argument(
        "--utilisation", type=cli.fraction, help=f"share of those FLOP that training gets ({UTILISATION})"
    )
    parser.add_argument(
        "--jobs", type=cli.positive_int, help="jobs at a time (default: CPUs / threads_per_job, or GPUs)"
    )
    parser.add_argument("--hours", type=cli.positive_float, help="most hours by the clock")
    parser.add_argument("--seconds", type=cli.positive_float, default=20.0, help="of the probe")
    parser.add_argument("--json", type=Path, help="where the plan goes (default: <results>/plan.json)")
    return parser


def read_study(path: Path | None, settings: list[str]) -> dict:
    """The config of a study as Snakemake would have it: config.yaml, the study's file over it, then key=value.

    Raises:
        InputError: a file is missing or no YAML, or the config is wrong.
    """
    config = read_yaml(ROOT / "config.yaml")
    for change in [*([read_yaml(path)] if path else []), dict(map(setting, settings))]:
        config = merged(config, change)
    config = study_config.typed(config)
    study_config.check(config)
    return config


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


def corpus_of(config: dict) -> Corpus:
    """The prepared corpus if there is one."""
    path = Path("data/corpora", study.corpus_name(config), "corpus.json")
    if path.exists():
        info = read_json(path)
        try:
            val = info["splits"]["val"]
            return Corpus(int(info["vocab_size"]), max(2, val["tokens"] // max(1, val["tunes"])), True)
        except (KeyError, TypeError) as error:
            raise InputError(f"{path} was not written by prepare: remove it, or prepare the corpus again") from error
    return Corpus(ASSUMED_CHARS if config["tokenizer"] == "char" else config["vocab_size"], ASSUMED_TUNE, False)


def models_of(config: dict, corpus: Corpus, place: Place, gpus: int) -> list[Model]:
    """The models of the suite, then those that only the trials of learning rates need."""
    found = []
    trials = [trial.split("/")[0] for trial in study.trials(config)]
    for name in dict.fromkeys([*config["suite"], *config["lr_transfer_models"]]):
        entry = {**config, **study_config.model_of(config, name)}
        arch = models.module_for(entry["arch"])
        shape = ModelConfig(
            entry["arch"], corpus.vocab_size, config["block_size"], entry["n_layer"], entry["n_embd"],
            entry.get("n_head", 1), config["parametrization"],
        )  # fmt: skip
        windows = max(1, entry["batch_size"] * entry["grad_accum"] // gpus)
        micro_batch = min(entry["batch_size"], windows)
        if place.on_gpu:
            sizes = {key: getattr(shape, key) for key in ("arch", "n_layer", "n_embd", "vocab_size", "block_size")}
            sizes["precision"] = place.precision
            if place.memory_mb:
                micro_batch = min(micro_batch, micro_batch_for(place.memory_mb, windows, **sizes))
            memory = vram_mb(micro_batch=micro_batch, **sizes)
        host = host_mb(shape, micro_batch, place.precision, max(config["tokens"]), place.on_gpu)
        found.append(
            Model(
                name, shape, windows, micro_batch, memory if place.on_gpu else host, host, arch.count_params(shape),
                arch.flops_per_token(shape), len(config["seeds"]) * (name in config["suite"]), trials.count(name),
            )
        )  # fmt: skip
    return found


def free_disk_mb(results: Path) -> int:
    """MB that are free where the results go."""
    place = next(folder for folder in (results.resolve(), *results.resolve().parents) if folder.exists())
    return shutil.disk_usage(place).free >> 20


def document(
    config: dict, rows: list[Row], totals: Totals, place: Place, rates: Rates, at_once: int, misfits: list[str]
) -> dict:
    """What plan.json holds."""
    return {
        "place": place.name,
        "precision": place.precision,
        "measured": not rates.assumed,
        "jobs_at_once": at_once,
        "tokens": sorted(config["tokens"]),
        "models": {
            row.model.name: {
                "flags": study.train_flags(config, row.model.name),
                "params_non_embedding": row.model.params[0],
                "params": row.model.params[1],
                "flops_per_token": row.model.flops_per_token,
                "jobs": row.model.jobs,
                "trials": row.model.trials,
                "steps": row.work.steps,
                "flops": row.flops,
                "start_seconds": round(row.start, 3),
                "train_seconds": round(row.seconds, 3),
                "trial_seconds": round(row.trial_seconds, 3),
                "flops_per_second": round(row.rate),
                "rate": row.known,
                "micro_batch": row.model.micro_batch,
                "memory_mb": row.model.memory_mb,
                "host_mb": row.model.host_mb,
                "disk_mb": row.disk_mb,
            }
            for row in rows
        },
        "total": {key: round(value, 3) if isinstance(value, float) else value for key, value in asdict(totals).items()},
        "does_not_fit": misfits,
    }


def main(argv: list[str] | None = None) -> None:
    args = arguments().parse_args(argv)
    config = read_study(args.study, args.config)
    place, lacking = place_of(config, Asked(args.device, args.device_tflops, args.device_memory_gb, args.utilisation))
    corpus = corpus_of(config)
    gpus = config["gpus_per_job"] if place.on_gpu and not lacking else 1
    found = models_of(config, corpus, place, gpus)
    at_once = args.jobs or default_jobs(config, place, gpus)
    settings = Settings(
        str(place.device), place.precision, config["compile"], config["threads_per_job"], config["eval_tokens"],
        args.seconds, corpus.tune,
        not place.on_gpu and config["threads_per_job"] == 1 and at_once <= (os.cpu_count() or 1),
    )  # fmt: skip
    if not place.is_assumed:
        print(f"timing steps of training on {place.name}, {at_once} at a time", file=sys.stderr, flush=True)
    rates = rates_of(found, place, at_once, settings)
    schedules, tokens = study_config.schedules(config), study_config.tokens_per_step(config, config["suite"][0])
    rows = rows_of(found, rates, list(schedules.values()), tokens, config["eval_tokens"], gpus)
    suite = [row for row in rows if row.model.jobs]
    totals = totals_of(rows, len(schedules), at_once)
    results = Path(config.get("pathvars", {}).get("results", "results"))
    wrong = lacking + misfits(rows, totals, place, at_once, args.hours, free_disk_mb(results))
    print(f"{args.study or 'config.yaml'} on {place.name}, in {place.precision}\n")
    print("\n".join([*table(suite), ""]))
    for sentence in [*summary(totals, at_once), *remarks(suite, rates, corpus)]:
        print(textwrap.fill(sentence, 120, subsequent_indent="  "))
    if args.json or not lacking:  # or a cluster would take the hours of another device
        path = args.json or results / "plan.json"
        path.parent.mkdir(parents=True, exist_ok=True)
        write_json(path, document(config, rows, totals, place, rates, at_once, wrong))
        print(f"Wrote {path}, from which a cluster's profile takes what training jobs ask for.")
    for sentence in wrong:
        print(textwrap.fill(f"Does not fit: {sentence}.", 120, subsequent_indent="  "))
    if wrong:
        sys.exit(DOES_NOT_FIT)


def default_jobs(config: dict, place: Place, gpus: int) -> int:
    """Jobs that this machine can do at a time; one where the device is not here."""
    if place.is_assumed:
        return 1
    if place.on_gpu:
        return max(1, len(visible_gpus()) // gpus)
    return max(1, (os.cpu_count() or 1) // config["threads_per_job"])


if __name__ == "__main__":
    cli.run(main)
