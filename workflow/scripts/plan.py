"""What a study will cost, before any of it runs: parameters, FLOP, memory, hours and disk, of each model and in all.

Counted is what it trains: trials of learning rates, trials of other settings, the suite, and the targets. By the clock
each of these begins when the one before is done. KEY=[] leaves out what a list of config.yaml names, and KEY={NAME: []}
one model's budgets.

The hours come from 20 seconds of real training steps on this machine, on random tokens, so that no corpus is needed; or
from a device's FLOP a second and the share of them that training gets (--utilisation). It says what does not fit:
memory, disk, and --hours if they are given. Writes <results>/plan.json, from which a cluster's profile takes `runtime`
and `mem_mb` of training jobs (docs/clusters.md).

Exit status: 0 if all fits, 3 if something does not, 1 if the study cannot be planned, 2 for wrong options.

Examples:
  python -m workflow.scripts.plan
  python -m workflow.scripts.plan studies/lakh.yaml --device h100 --utilisation 0.35 --jobs 4 --hours 48
  python -m workflow.scripts.plan studies/reference.yaml --config 'targets={modern_6m: []}' --jobs 2
"""

import argparse
import itertools
import os
import shutil
import sys
import textwrap
from collections import Counter
from dataclasses import asdict
from operator import itemgetter
from pathlib import Path

from workflow.scripts import models, study, study_config
from workflow.scripts.base import cli
from workflow.scripts.base.errors import InputError
from workflow.scripts.base.files import read_json, write_json
from workflow.scripts.base.places import folder_of
from workflow.scripts.machine.gpus import visible_gpus
from workflow.scripts.training import cost
from workflow.scripts.training.bill import Corpus, Jobs, Model, Rates, Row, Totals, in_all, rates_of, rows_of, totals_of
from workflow.scripts.training.memory import host_mb, micro_batch_for, vram_mb
from workflow.scripts.training.place import UTILISATION, Asked, Place, place_of
from workflow.scripts.training.plan_words import misfits, remarks, summary, table
from workflow.scripts.training.probe import Settings

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
    parser.add_argument("--hours", type=cli.positive_float, help="most hours by the clock, of all that is trained")
    parser.add_argument("--seconds", type=cli.positive_float, default=20.0, help="of the probe")
    parser.add_argument("--json", type=Path, help="where the plan goes (default: <results>/plan.json)")
    return parser


def corpus_of(config: dict) -> Corpus:
    """The prepared corpus if there is one."""
    path = Path(study.corpora(config), study.corpus_name(config), "corpus.json")
    if path.exists():
        info = read_json(path)
        try:
            val = info["splits"]["val"]
            return Corpus(int(info["vocab_size"]), max(2, val["tokens"] // max(1, val["tunes"])), True)
        except (KeyError, TypeError) as error:
            raise InputError(f"{path} was not written by prepare: remove it, or prepare the corpus again") from error
    return Corpus(ASSUMED_CHARS if config["tokenizer"] == "char" else config["vocab_size"], ASSUMED_TUNE, False)


def jobs_of(config: dict, name: str) -> tuple[Jobs, ...]:
    """A model's jobs in every stage; also what would be one of the suite, and a trial, where the study has none."""
    count = len(study_config.settings_of(config, name)["seeds"]) * (name in config["suite"])
    apart = name in study.without_trunk(config)
    together = [[tokens] for tokens in sorted(config["tokens"])] if apart else [config["tokens"]]
    found = [Jobs("suite", study_config.schedules_of(config, name, budgets), count) for budgets in together]
    found += [
        Jobs("suite", study_config.schedules_of(config, name, [tokens]), len(config["longer_seeds"]))
        for tokens in config["longer"].get(name, [])
    ]
    alone = {"trials": study.trials(config), "settings": study.ablations(config), "targets": study.targets(config)}
    alone["splits"] = 2 * study.split_gap(config)
    for stage, folders in alone.items():
        runs = [run for model, run in (folder.split("/") for folder in folders) if model == name]
        budgets = Counter(int(run.split("-")[0]) for run in runs)
        if stage == "trials" and not any(folder.startswith(f"{name}/") for folder in [*folders, *alone["settings"]]):
            budgets = Counter({max(config["tokens"]): 0})
        found += [
            Jobs(stage, study_config.schedules_of(config, name, [tokens]), count)
            for tokens, count in sorted(budgets.items())
        ]
    return tuple(found)


def models_of(config: dict, corpus: Corpus, place: Place, gpus: int) -> list[Model]:
    """Every model that the study trains, those of the suite first."""
    found = []
    for name in dict.fromkeys(itertools.chain(*study_config.models_named(config).values())):
        entry, jobs = study_config.settings_of(config, name), jobs_of(config, name)
        if not any(each.count for each in jobs):
            continue
        arch = models.module_for(entry["arch"])
        precision = place.precision_of(entry["precision"])
        shape = study_config.shape_of(config, name, corpus.vocab_size)
        windows = max(1, entry["batch_size"] * entry["grad_accum"] // gpus)
        micro_batch = min(entry["batch_size"], windows)
        if place.on_gpu:
            sizes = {key: getattr(shape, key) for key in ("arch", "n_layer", "n_embd", "vocab_size", "block_size")}
            sizes["precision"] = precision
            if place.memory_mb:
                micro_batch = min(micro_batch, micro_batch_for(place.memory_mb, windows, **sizes))
            memory = vram_mb(micro_batch=micro_batch, **sizes)
        longest = max((max(each.schedules) for each in jobs if each.count), default=max(config["tokens"]))
        host = host_mb(shape, micro_batch, precision, longest, place.on_gpu)
        found.append(
            Model(
                name, shape, precision, study_config.tokens_per_step(config, name), windows, micro_batch,
                memory if place.on_gpu else host, host, arch.count_params(shape), arch.flops_per_token(shape), jobs,
            )
        )  # fmt: skip
    return found


def free_disk_mb(results: Path, work: Path) -> tuple[int, int | None]:
    """MB that are free where the results go, and where states of runs do if that is on another disk."""
    places = [
        next(place for place in (folder.resolve(), *folder.resolve().parents) if place.exists())
        for folder in (results, work)
    ]
    free, for_states = (shutil.disk_usage(place).free >> 20 for place in places)
    one, other = (place.stat().st_dev for place in places)
    return free, None if one == other else for_states


def document(
    config: dict,
    rows: list[Row],
    totals: dict[str, Totals],
    place: Place,
    rates: Rates,
    at_once: int,
    misfits: list[str],
) -> dict:
    """What plan.json holds."""
    sums = {stage: rounded(asdict(each)) for stage, each in totals.items()}
    trials = {"trials": sums["trials"]["jobs"], "trial_seconds": sums["trials"]["job_seconds"]}
    return {
        "place": place.name,
        "precision": place.precision,
        "measured": not rates.assumed,
        "jobs_at_once": at_once,
        "tokens": sorted(config["tokens"]),
        "models": {row.model.name: row_of_document(row, study.train_flags(config, row.model.name)) for row in rows},
        "total": sums["suite"] | trials,
        "stages": sums,
        "in_all": rounded(asdict(in_all(totals))),
        "does_not_fit": misfits,
    }


def row_of_document(row: Row, flags: str) -> dict:
    """What plan.json holds of a model."""
    model = row.model
    suite = row.of_stage("suite")
    apart = ("suite",) if len(suite) > 1 else ()
    alone = [
        (max(price.jobs.schedules), price) for price in row.of_stage("trials", "settings", "targets", "splits", *apart)
    ]
    counts = {key: model.count(key) for key in ("trials", "settings", "targets", "splits")}
    values = {
        "flags": flags,
        "precision": model.precision,
        "params_non_embedding": model.params[0],
        "params": model.params[1],
        "flops_per_token": model.flops_per_token,
        "tokens_per_step": model.tokens_per_step,
        "jobs": model.count("suite"),
        **counts,
        "steps": sum(price.work.steps for price in suite),
        "flops": sum(price.flops for price in suite),
        "start_seconds": row.start,
        "train_seconds": max(price.seconds for price in suite),
        "trial_seconds": max(price.seconds for price in row.of_stage("trials", "settings")),
        "alone_seconds": {str(tokens): round(price.seconds, 3) for tokens, price in sorted(alone, key=itemgetter(0))},
        "flops_per_second": round(row.rate),
        "rate": row.known,
        "micro_batch": model.micro_batch,
        "memory_mb": model.memory_mb,
        "host_mb": model.host_mb,
        "disk_mb": sum(price.disk_mb for price in suite),
    }
    return rounded(values)


def rounded(values: dict) -> dict:
    """The same with thousandths at most."""
    return {key: round(value, 3) if isinstance(value, float) else value for key, value in values.items()}


def main(argv: list[str] | None = None) -> None:
    args = arguments().parse_args(argv)
    config = study_config.read_study(args.study, args.config)
    n_gpus = len(visible_gpus())  # before the plan claims one of them, and sees no other any more
    place, lacking = place_of(config, Asked(args.device, args.device_tflops, args.device_memory_gb, args.utilisation))
    corpus = corpus_of(config)
    gpus = config["gpus_per_job"] if place.on_gpu and not lacking else 1
    found = models_of(config, corpus, place, gpus)
    at_once = args.jobs or default_jobs(config, place, gpus, n_gpus)
    settings = Settings(
        str(place.device), config["compile"], config["threads_per_job"], config["eval_tokens"],
        args.seconds, corpus.tune,
        not place.on_gpu and config["threads_per_job"] == 1 and at_once <= (os.cpu_count() or 1),
    )  # fmt: skip
    if not place.is_assumed:
        print(f"timing steps of training on {place.name}, {at_once} at a time", file=sys.stderr, flush=True)
    rates = rates_of(found, place, at_once, settings)
    rows = rows_of(found, rates, config["eval_tokens"], gpus)
    totals = totals_of(rows, at_once)
    results = Path(study_config.results_of(config))
    work = Path(folder_of(config["work_dir"], "config: work_dir") or results)
    wrong = lacking + misfits(rows, totals, place, at_once, args.hours, *free_disk_mb(results, work))
    print(f"{args.study or 'config.yaml'} on {place.name}, in {place.precision}\n")
    print("\n".join([*table(rows), ""]))
    for sentence in [*summary(totals, at_once), *remarks(rows, rates, corpus, place.precision)]:
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


def default_jobs(config: dict, place: Place, gpus: int, n_gpus: int) -> int:
    """Jobs of so many ``gpus`` that this machine can do at a time; one where the device is not here."""
    if place.is_assumed:
        return 1
    if place.on_gpu:
        return max(1, n_gpus // gpus)
    return max(1, (os.cpu_count() or 1) // config["threads_per_job"])


if __name__ == "__main__":
    cli.run(main)
