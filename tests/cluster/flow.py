"""A copy of the workflow, sent to the SLURM of `one_machine` through profiles/slurm, and what became of its jobs."""

import csv
import re
import shutil
import subprocess
import sys
from collections import Counter
from dataclasses import dataclass
from pathlib import Path

from tests.cluster.one_machine import ask

ROOT = Path(__file__).parents[2]
COPIED = ("Snakefile", "config.yaml", "rules", "workflow", "profiles", "envs", "studies", "docs")
MODEL = "lstm_tiny"
STUDY = """
pathvars: {{ results: {results} }}
suite: [{model}]
tokens: [{tokens}]
seeds: [0]
checkpoint_seconds: 1
"""
# Rules whose jobs are for nodes; all others run where Snakemake does.
WITH_MODEL = ("train", "train_alone", "train_longer", "trial", "target", "evaluate", "evaluate_target", "sample",
              "trial_loss", "loss_of_longer", "train_split", "split_loss")  # fmt: skip
FOR_NODES = (*WITH_MODEL, "prepare", "prepare_split", "copy_index", "draw_real", "sample_ngram", "ngram_loss", "judge")


@dataclass(frozen=True)
class Job:
    """What SLURM says of a job: its rule and wildcards, its end, and what `scontrol` shows."""

    rule: str
    wildcards: str
    state: str
    shown: dict[str, str]


class Workflow:
    """A copy of the workflow, and the SLURM that it is sent to."""

    def __init__(self, folder: Path, env: dict[str, str], jobs: int):
        self.folder, self.env, self.jobs = folder, env, jobs
        self.seen: set[str] = set()
        folder.mkdir()
        for source in map(ROOT.joinpath, COPIED):
            if source.is_dir():
                shutil.copytree(source, folder / source.name, ignore=shutil.ignore_patterns("__pycache__"))
            else:
                shutil.copy(source, folder)
        self.profile = folder / "profiles" / "slurm" / "config.yaml"
        self.profile.write_text(with_partitions(self.profile.read_text()))

    def command(self, study: str, *args: str) -> list[str]:
        return [
            sys.executable, "-m", "snakemake", "--workflow-profile", "profiles/slurm",
            *(["--configfile", study] if study else []), "--set-threads", "prepare=1", "prepare_split=1",
            "--slurm-init-seconds-before-status-checks", "2", "--jobs", str(self.jobs), *args,
        ]  # fmt: skip

    def run(self, study: str, *args: str) -> str:
        """What Snakemake says in a run that must succeed."""
        return self.succeed(self.command(study, *args), told("snakemake", study, *args))

    def script(self, name: str, *args: str, node: str = "") -> str:
        """What a command of workflow/scripts says, on a node if one is named."""
        on_node = ["srun", "--nodelist", node] if node else []
        command = [*on_node, sys.executable, "-m", f"workflow.scripts.{name}", *args]
        return self.succeed(command, told(name, *args))

    def succeed(self, command: list[str], what: str) -> str:
        done = subprocess.run(command, cwd=self.folder, env=self.env, capture_output=True, text=True)
        require(done.returncode == 0, what, done.stdout + done.stderr)
        return done.stdout + done.stderr

    def planned(self, study: str, *args: str) -> Counter:
        """How many jobs of each rule are for nodes, by a dry run."""
        table = re.findall(r"^(\w+) +(\d+)$", self.run(study, "--dry-run", *args), re.MULTILINE)
        return Counter({rule: int(count) for rule, count in table if rule in FOR_NODES})

    def new_jobs(self) -> list[Job]:
        """The SLURM jobs since the last call."""
        table = [line.split("|") for line in ask(["squeue", "-t", "all", "-ho", "%i|%T|%k"], self.env).splitlines()]
        new = [line for line in table if line[0] not in self.seen]
        self.seen |= {number for number, *_ in new}
        return [self.job(*line) for line in new]

    def job(self, number: str, state: str, comment: str) -> Job:
        rule, _, wildcards = comment.removeprefix("rule_").partition("_wildcards_")
        shown = ask(["scontrol", "--oneliner", "show", "job", number], self.env).split()
        return Job(rule, wildcards, state, dict(word.split("=", 1) for word in shown if "=" in word))

    def study(self, results: str, tokens: int) -> tuple[str, str]:
        """(file, target) of a study that trains one model."""
        path = self.folder / f"{Path(results).name}.yaml"
        path.write_text(STUDY.format(results=results, model=MODEL, tokens=tokens))
        return path.name, f"{results}/models/{MODEL}/{tokens}-seed0/model.safetensors"

    def weights(self, target: str) -> bytes:
        return (self.folder / target).read_bytes()

    def tokens_for(self, seconds: float, target: str) -> int:
        """Tokens that train in so many seconds, by the speed of a model that was trained."""
        with open((self.folder / target).with_name("history.csv")) as file:
            last = list(csv.DictReader(file))[-1]
        return 32768 * max(1, round(int(last["tokens"]) / float(last["seconds"]) * seconds / 32768))

    def table(self, path: str) -> list[dict[str, str]]:
        with open(self.folder / path) as file:
            return list(csv.DictReader(file))


def told(*words: str) -> str:
    """A command as it is told, without its config."""
    return " ".join(words[: words.index("--config")] if "--config" in words else words)


def with_partitions(profile: str) -> str:
    """The profile's text with the line in use that names the file of partitions, which it has as a comment."""
    return re.sub(r"^# (slurm-partition-config: )", r"\1", profile, flags=re.MULTILINE)


def with_kinds_of_gpu(profile: str) -> str:
    """The profile's text with the lines in use that name a kind of GPU, which it has as comments."""
    return re.sub(r"^# (set-resources:|  \w+: [&*]\w+.*)$", r"\1", profile, flags=re.MULTILINE)


def require(holds: bool, what: str, otherwise: str = "") -> None:
    if not holds:
        sys.exit(f"{otherwise}\nFAILED: {what}")
    print(f"ok: {what}", flush=True)
