# Needs the merged config; makes the names and helpers that the rules share.
import json
import os
import shlex
import sys

sys.path.insert(0, workflow.basedir)  # wherever Snakemake was started

from pathlib import Path

from snakemake.exceptions import WorkflowError

from workflow.scripts import study
from workflow.scripts.cli import InputError
from workflow.scripts.corpus import SPLITS
from workflow.scripts.imports import code_files
from workflow.scripts.sources import MUSIC21, list_files, require_files

study.share_environment()
if workflow.is_main_process:
    study.drop_dead_lock(Path(".snakemake"))


def ask(question, *args, **options):
    """Put a question about the study; an answer that is an InputError reaches the user as one sentence."""
    try:
        return question(*args, **options)
    except InputError as error:
        raise WorkflowError(str(error))


ask(study.check, config)

CORPUS = f"data/corpora/{study.corpus_name(config)}"
RESULTS = config.get("pathvars", {}).get("results", "results")
CORPUS_FILES = [
    f"{CORPUS}/{split}.{part}" for split in SPLITS for part in ("bin", "idx")
] + [f"{CORPUS}/tokenizer.json"]
FIGURES = [
    "scaling_plot", "loss_surface", "loss_curves", "loss_compute", "loss_places", "validity", "copying",
]
RUN_DIRS = [f"<results>/models/{run}" for run in study.runs(config)]
# Tunes are drawn from the runs at the largest budget alone: judging them takes longer than a short cooldown.
SAMPLED_DIRS = [f"<results>/models/{run}" for run in study.runs(config, [max(config["tokens"])])]
BASELINE_DIRS = [
    f"<results>/baselines/{name}"
    for name in ("real", *(f"ngram{order}" for order in config["ngram_orders"]))
]
TRIAL_DIRS = [f"<results>/lr_transfer/{run}" for run in study.trials(config)]
# The GPUs that a training job asks for; other jobs ask for one.
one_gpu = int(config["device"].startswith("cuda"))
gpus = one_gpu * config["gpus_per_job"]
launch = (
    # Ten minutes to write a state once asked to stop.
    f"torchrun --standalone --shutdown_timeout 600 --nproc_per_node {gpus}"
    if gpus > 1
    else "python"
)

# Said here because Snakemake would take old results for sources and call everything up to date; `figures`
# alone needs no corpus.
if not Path(CORPUS, "corpus.json").exists() and "figures" not in sys.argv:
    for source in study.corpus_sources(config).values():
        ask(require_files, source["path"])


wildcard_constraints:
    model="[A-Za-z0-9_.-]+",
    tokens=r"\d+",
    seed=r"\d+",
    rate=r"[0-9][0-9.e-]*",
    order=r"\d+",
    writer=r"(models|baselines)/.+",


def code(*modules):
    """Code files of a job as its input: the modules named and all that they import."""
    # Relative, so that a study whose folder is moved is still up to date.
    return lambda wildcards: list(map(os.path.relpath, code_files(*modules)))


def model_code(command):
    """The same for a job that works on one model: the code of its architecture too, and of no other."""
    return lambda wildcards: code(
        command, f"models/{ask(study.model_of, config, wildcards.model)['arch']}"
    )(wildcards)


def train_flags(wildcards):
    """Flags of train for the run that the wildcards name; a trial has a rate of its own, which may be too high."""
    if "rate" not in wildcards.keys():
        return ask(study.train_flags, config, wildcards.model)
    flags = ask(study.train_flags, config, wildcards.model, learning_rate=wildcards.rate)
    return f"{flags} --keep_diverged"


def branch_of(wildcards):
    """The branch that a run's cooldown starts from; a budget that is not the study's is trained from its first step."""
    if int(wildcards.tokens) not in config["tokens"]:
        return []
    return f"{RESULTS}/trunks/{wildcards.model}/seed{wildcards.seed}/branch-{wildcards.tokens}.pt"


def branch_flag(wildcards, input):
    return f"--branch {shlex.quote(str(input.branch))}" if input.branch else ""


def prompted_of(wildcards):
    """What a model wrote after prompts; a baseline wrote nothing."""
    if not config["prompts"] or not wildcards.writer.startswith("models/"):
        return []
    return f"{RESULTS}/{wildcards.writer}/prompted"


def vram_mb(wildcards):
    return ask(study.vram_mb, config, wildcards.model)


def corpus_paths():
    return [source["path"] for source in study.corpus_sources(config).values()]


def raw_files(wildcards):
    """The user's own files, or a folder of very many; the music21 corpus is pinned by the package's version instead."""
    paths = [Path(path) for path in corpus_paths() if path != MUSIC21]
    files = [file for path in paths for file in list_files(path)]
    return files if len(files) <= 2000 else paths


def prepare_flags(wildcards):
    return study.prepare_flags(config)


def figure_in_report(name):
    """A figure with its own one-sentence caption in `snakemake --report`."""
    return report(
        f"<results>/{name}.png",
        caption=f"../workflow/report/{name}.rst",
        category="Figures",
    )


def folders_of(paths):
    return [os.path.dirname(path) for path in paths]
