# Needs the merged config; makes the names and helpers that the rules share.
import functools
import os
import re
import shlex
import sys

sys.path.insert(0, workflow.basedir)  # wherever Snakemake was started

from pathlib import Path

from snakemake.exceptions import WorkflowError
from snakemake.logging import logger
from snakemake.pathvars import Pathvars

from workflow.scripts import study, study_config
from workflow.scripts.base.code_identity import code_digest
from workflow.scripts.base.errors import InputError
from workflow.scripts.corpus.dataset import SPLITS
from workflow.scripts.corpus.options import APART
from workflow.scripts.reading.inputs import MUSIC21
from workflow.scripts.training import cost

study.share_environment()
if workflow.is_main_process:
    study.drop_dead_lock(Path(".snakemake"))


def ask(question, *args, **options):
    """Put a question about the study; an answer that is an InputError reaches the user as one sentence."""
    try:
        return question(*args, **options)
    except InputError as error:
        raise WorkflowError(str(error))


def in_bucket(path):
    """Whether a file is where Snakemake brings files from."""
    return exists(path)  # which asks for Snakemake's names here, not where `study` would call it


config = ask(study_config.ready, config)
workflow.pathvars.update(Pathvars.from_config(config))  # a study that is scaled down has results of its own

CORPORA = ask(study.corpora, config)
CORPUS = f"{CORPORA}/{study.corpus_name(config)}"
RESULTS = study_config.results_of(config)
# Whether files live in a storage that Snakemake brings them from and to, as docs/clusters.md shows.
IN_BUCKET = workflow.storage_settings.default_storage_provider is not None
CORPUS_FILES = [f"{CORPUS}/{split}.{part}" for split in SPLITS for part in ("bin", "idx")] + [
    f"{CORPUS}/tokenizer.json"
]
# What a job that reads the corpus needs of it beside corpus.json.
OF_CORPUS = [*CORPUS_FILES, f"{CORPUS}/tunes.tsv"] if IN_BUCKET else []
# Each with what it is called in `snakemake --report`; the first is the one that a study is shown by.
FIGURES = {
    "scaling_plot": "Test loss against size, with the fitted laws",
    "loss_surface": "Test loss over size and tokens, and the best size for each FLOP",
    "loss_curves": "Validation loss on the way",
    "loss_compute": "Test loss against training FLOP",
    "loss_places": "Test loss by place in the tune",
    "validity": "Shares of tunes that pass each check",
    "copying": "How near to training tunes the written ones are",
}
TABLES_SHOWN = ["runs", "laws", "losses", "validity", "style"]
BUDGETS = sorted(config["tokens"])
RUN = "<results>/models/{model}/{tokens}-seed{seed}"
# Names of models: any, those of which each run is trained by itself, and all others.
ANY = "[A-Za-z0-9_.-]+" if config["train_missing"] else "(?!)"  # no rule then makes what a model leaves behind
ALONE = "|".join(map(re.escape, study.without_trunk(config))) or "(?!)"
TOGETHER = f"(?!(?:{ALONE})/){ANY}"
LONGER = "|".join(sorted({str(tokens) for budgets in config["longer"].values() for tokens in budgets})) or "(?!)"
LONGEST_RUN = f"<results>/models/{{model}}/{max(BUDGETS)}-seed{{seed}}"
TRIAL = "<results>/{trials}/{model}/{tokens}-seed{seed}-lr{rate}"
TARGET = "<results>/targets/{model}/{tokens}-seed{seed}"
# What another machine trained, and whether rows of such runs go on into the tables.
ELSEWHERE = {kind: ask(study.elsewhere, config, RESULTS, kind) for kind in ("models", "targets")}
# Runs without a result, here or on record, of a study that is not trained further.
MISSING = {
    kind: [] if config["train_missing"] else study.missing(config, RESULTS, kind, ELSEWHERE[kind][0])
    for kind in ("models", "targets")
}
RUNS = [run for run in study.runs(config) if run not in ELSEWHERE["models"][0] + MISSING["models"]]
RUN_DIRS = [f"<results>/models/{run}" for run in RUNS]
# Tunes are drawn from the runs at the largest budget alone: judging them takes longer than a short cooldown.
SAMPLED_DIRS = [
    f"<results>/models/{run}"
    for run in study.runs_at(config, [max(BUDGETS)])
    if run in RUNS and study.can_be_judged(config, RESULTS, f"models/{run}")
]
BASELINE_DIRS = [
    f"<results>/baselines/{name}" for name in ("real", *(f"ngram{order}" for order in config["ngram_orders"]))
]
TRIAL_DIRS = [f"<results>/lr_transfer/{run}" for run in study.trials(config)]
ABLATION_DIRS = [f"<results>/ablations/{run}" for run in study.ablations(config)]
TARGETS = [run for run in study.targets(config) if run not in ELSEWHERE["targets"][0] + MISSING["targets"]]
TARGET_DIRS = [f"<results>/targets/{run}" for run in TARGETS]
SAMPLED_TARGET_DIRS = [
    f"<results>/targets/{run}" for run in TARGETS if study.can_be_judged(config, RESULTS, f"targets/{run}")
]
TABLES = os.path.dirname(study.stored(config, RESULTS, "runs.csv"))
REGISTERED = study.stored(config, RESULTS, "registered.json")
# The GPUs that a training job asks for; other jobs ask for one.
one_gpu = int(config["device"].startswith("cuda"))
gpus = one_gpu * config["gpus_per_job"]
launch = (
    # Ten minutes to write a state once asked to stop.
    f"torchrun --standalone --shutdown_timeout 600 --nproc_per_node {gpus}"
    if gpus > 1
    else "python"
)

# Asked here because Snakemake deletes the outputs of a rule before it runs it, and because it would take old results for
# sources and call everything up to date. `figures` alone needs no corpus, nor does what is on record, or its gallery.
OF_RECORD = {"figures", "redraw"} | ({f"{RESULTS}/gallery/index.html"} if TABLES != RESULTS else set())
NEEDS_CORPUS = not OF_RECORD.intersection(sys.argv)
SOURCE_AWAY = NEEDS_CORPUS and ask(study.source_away, config, CORPUS, in_bucket if IN_BUCKET else None)
WORK = ask(study.work_folder, config) if NEEDS_CORPUS else ""
# What training takes, by model, if the study was planned (workflow.scripts.plan).
PLAN, PLAN_OF_ANOTHER = cost.read_plan(
    Path(RESULTS, "plan.json"),
    {name: study.train_flags(config, name) for names in study_config.models_named(config).values() for name in names},
    config["tokens"],
)
if workflow.is_main_process:
    for doubt in [*study_config.doubts(config), *filter(None, [SOURCE_AWAY, PLAN_OF_ANOTHER])]:
        logger.warning(f"warning: {doubt}")
SPLITS_COMPARED = [config["split_gap"], config["split_gap"] + APART]


# Of all rules, and before any: later ones take their own from rules whose files live in a bucket.
wildcard_constraints:
    model=ANY,
    tokens=r"\d+",
    seed=r"\d+",
    rate=r"[0-9][0-9.e-]*",
    order=r"\d+",
    trials="lr_transfer|ablations",
    writer=r"(models|targets|baselines)/.+",
    way="|".join(SPLITS_COMPARED),


def beside(*paths):
    """Files that stand beside those a job names: where all files live in a bucket, a job has what it names alone.

    Where jobs share a disk they stay unnamed: Snakemake would look at each of them, again and again.
    """
    return list(paths) if IN_BUCKET else []


def with_its_folder(file):
    """A file that stands for all that is beside it; from a bucket the folder is fetched, or nothing would be beside it."""
    return directory(os.path.dirname(file)) if IN_BUCKET else file


def folder_written(wildcards, output):
    """The folder of an output that `with_its_folder` named."""
    return output[0] if IN_BUCKET else os.path.dirname(output[0])


def code(*modules):
    """What a command does, as a parameter of its job: a digest of the modules named and all that they import."""
    return code_digest(*modules)


def model_code(*commands, **options):
    """The same for a job that works on one model: the code of its architecture too, and of no other."""
    return lambda wildcards: code_digest(
        *commands,
        f"models/{ask(study_config.model_of, config, wildcards.model)['arch']}",
        **options,
    )


def each_budget(file):
    """A file of the runs at every budget of a model and seed."""
    return expand(f"{RUN}/{file}", tokens=BUDGETS, allow_missing=True)


def tables_of_tunes(run):
    """The tables of what a run wrote, by itself and after each prompt."""
    return [
        with_its_folder(f"{run}/{folder}/{{model}}-seed{{seed}}.csv") for folder in study_config.tune_folders(config)
    ]


def table_of_baseline(name):
    """The table of what stands beside the models."""
    return with_its_folder(f"<results>/baselines/{name}/samples/{name}-seed0.csv")


def folders_of(paths):
    """The folders that some files, or one, stand in."""
    return [os.path.dirname(path) for path in ([paths] if isinstance(paths, str) else paths)]


def folders_of_runs(wildcards, output):
    return folders_of(output.get("weights") or output.summary)


def budgets_of_runs(wildcards, output):
    return [Path(folder).name.split("-")[0] for folder in folders_of(output.weights)]


def budget_of(wildcards):
    """The budget of a run that is trained by itself; None of those that share a trunk."""
    return int(wildcards.tokens) if "tokens" in wildcards.keys() else None


def vram_mb(wildcards):
    return ask(study.vram_mb, config, wildcards.model)


def planned(resource):
    """What a training job asks a cluster for by the plan; without one, the profile's default-resources hold."""

    def ask_for(wildcards, attempt):
        keys = wildcards.keys()
        kind = "trial" if "rate" in keys else "target" if "tokens" in keys else "train"
        return cost.for_slurm(PLAN, wildcards.model, kind, attempt, wildcards.get("tokens"))[resource]

    return {resource: ask_for} if PLAN else {}


def corpus_paths():
    return [source["path"] for source in study_config.corpus_sources(config).values()]


@functools.cache
def few_files():
    return study.few_files(config)


def raw_files(wildcards):
    """The user's own files; the music21 corpus is pinned by the package's version instead."""
    return [local(str(path)) for path in few_files()]


@functools.cache
def digest_of_many_files():
    return study.digest_of_many_files(config, Path(".snakemake", "contents.json"))


def raw_listing(wildcards):
    """What stands for files that are too many to be inputs: new ones, lost ones and changed ones, however deep."""
    return digest_of_many_files()
