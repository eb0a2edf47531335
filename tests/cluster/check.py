"""Does the workflow run on a real SLURM? Run as root on Debian, in a container for instance:

  python -m tests.cluster.check           # with studies/smoke.yaml; half an hour on one core
  python -m tests.cluster.check --full    # with the default study in its place

Installs Debian's SLURM if it is missing, starts one on this machine alone, with state, logs and ports of its
own, and sends a copy of this repository's workflow through profiles/slurm. Ends SLURM again, whatever happens.
"""

import argparse
import csv
import os
import re
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from pathlib import Path

from tests.cluster.one_machine import ask, cluster, install

ROOT = Path(__file__).parents[2]
COPIED = ("Snakefile", "config.yaml", "rules", "workflow", "profiles", "envs", "studies")
MODEL = "lstm_tiny"
STUDY = """
pathvars: {{ results: {results} }}
suite: [{model}]
tokens: [{tokens}]
seeds: [0]
checkpoint_seconds: 1
"""


class Workflow:
    """A copy of the workflow, and the SLURM that it is sent to."""

    def __init__(self, folder: Path, env: dict[str, str], jobs: int):
        self.folder, self.env, self.jobs = folder, env, jobs
        self.seen: set[str] = set()

    def command(self, study: str, *args: str) -> list[str]:
        return [
            sys.executable, "-m", "snakemake", "--workflow-profile", "profiles/slurm",
            *(["--configfile", study] if study else []), "--set-threads", "prepare=1",
            "--slurm-init-seconds-before-status-checks", "2", "--jobs", str(self.jobs), *args,
        ]  # fmt: skip

    def run(self, study: str, *args: str) -> str:
        """What Snakemake says in a run that must succeed."""
        done = subprocess.run(self.command(study, *args), cwd=self.folder, env=self.env, capture_output=True, text=True)
        require(done.returncode == 0, f"snakemake {' '.join([study, *args])}", done.stdout + done.stderr)
        return done.stdout + done.stderr

    def new_jobs(self) -> dict[str, str]:
        """State by number of the SLURM jobs since the last call."""
        table = dict(line.split() for line in ask(["squeue", "-t", "all", "-ho", "%i %T"], self.env).splitlines())
        new = {number: state for number, state in table.items() if number not in self.seen}
        self.seen |= set(new)
        return new

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


def require(holds: bool, what: str, otherwise: str = "") -> None:
    if not holds:
        sys.exit(f"{otherwise}\nFAILED: {what}")
    print(f"ok: {what}", flush=True)


def whole_study(flow: Workflow, study: str, results: str) -> None:
    plan = flow.run(study, "--dry-run")
    planned = int(re.search(r"^total +(\d+)", plan, re.MULTILINE)[1]) - 1  # `all` has nothing to run
    flow.run(study)
    states = flow.new_jobs()
    require(
        list(states.values()) == planned * ["COMPLETED"], f"each of the {planned} jobs ran on SLURM, once", str(states)
    )
    with open(flow.folder / results / "runs.csv") as file:
        losses = [float(row["test_loss"]) for row in csv.DictReader(file)]
    require(all(0 < loss < 5 for loss in losses), f"runs.csv has {len(losses)} losses", str(losses))
    again = flow.run(study)
    require("Nothing to be done" in again and not flow.new_jobs(), "a second run does nothing", again)


def reference(flow: Workflow, results: str, tokens: int) -> str:
    """The weights' file of a run that nothing disturbed."""
    study, target = flow.study(results, tokens)
    flow.run(study, target)
    states = flow.new_jobs()
    require(set(states.values()) == {"COMPLETED"}, f"{target} was trained undisturbed", str(states))
    return target


def same_after(flow: Workflow, how: str, target: str, undisturbed: str, output: str) -> None:
    states = flow.new_jobs()
    require(how in states.values(), f"a job of {target} ended as {how}", f"{output}\n{states}")
    logs = "".join(path.read_text() for path in flow.folder.glob(f"{target.split('/models')[0]}/logs/**/*.log"))
    require("resuming from step" in logs, "it went on where it was", logs)
    same = flow.weights(target) == flow.weights(undisturbed)
    require(same, "its weights are, byte for byte, those of the run that nothing disturbed")


def scancelled(flow: Workflow, undisturbed: str, tokens: int) -> None:
    study, target = flow.study("results/scancelled", tokens)
    with open(flow.folder / "scancelled.log", "w") as log:
        process = subprocess.Popen(flow.command(study, target), cwd=flow.folder, env=flow.env, stdout=log, stderr=log)
    while process.poll() is None and not list(flow.folder.glob("results/scancelled/**/checkpoint.pt")):
        time.sleep(0.1)
    subprocess.run(["scancel", *ask(["squeue", "-t", "running", "-ho", "%i"], flow.env).split()], env=flow.env)
    process.wait()
    output = (flow.folder / "scancelled.log").read_text()
    require(process.returncode == 0, "a study came through scancel", output)
    same_after(flow, "CANCELLED", target, undisturbed, output)


def out_of_time(flow: Workflow, undisturbed: str, tokens: int) -> None:
    study, target = flow.study("results/timeout", tokens)
    # A minute is SLURM's shortest limit, which it keeps to within half a minute; a busy machine may need many.
    output = flow.run(study, "--retries", "9", "--default-resources", "runtime=1", "mem_mb=1000", "--", target)
    same_after(flow, "TIMEOUT", target, undisturbed, output)


def gpus(flow: Workflow) -> None:
    shutil.copy(ROOT / "tests" / "cluster" / "gpu.smk", flow.folder)
    flow.run("", "--snakefile", "gpu.smk", "--directory", "gpu")
    given = [(flow.folder / "gpu" / f"{name}.txt").read_text().strip() for name in ("one", "two", "none")]
    require(given[0] in ("0", "1") and given[1:] == ["0,1", ""], f"CUDA_VISIBLE_DEVICES is as asked for: {given}")
    flow.new_jobs()

    study, target = flow.study("results/gpu", 32768)
    # Without a GPU the job ends at once; what it asked for is what counts.
    ordered = flow.command(study, "--retries", "0", "--config", "device=cuda", "--", target)
    subprocess.run(ordered, cwd=flow.folder, env=flow.env, capture_output=True)
    asked = [ask(["scontrol", "show", "job", number], flow.env) for number in flow.new_jobs()]
    require(asked and all("TresPerJob=gres:gpu:1" in job for job in asked), "training asks for a GPU", str(asked))


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--full", action="store_true", help="run the default study, not the smoke study")
    parser.add_argument("--jobs", type=int, default=os.cpu_count(), help="CPUs of the node, and jobs at once")
    args = parser.parse_args()
    if os.geteuid() != 0:
        sys.exit("error: SLURM's daemons are started and jobs of other users run as root: run this as root")
    signal.signal(signal.SIGTERM, lambda number, frame: sys.exit(128 + number))

    install()
    with tempfile.TemporaryDirectory(prefix="abc-slurm-", ignore_cleanup_errors=True) as name:
        folder = Path(name)
        plugin = ["--quiet", "--no-deps", "--target", folder / "plugin", "-r", ROOT / "profiles/slurm/requirements.txt"]
        subprocess.run([sys.executable, "-m", "pip", "install", *plugin], check=True)
        copy = folder / "a copy"
        copy.mkdir()
        for source in map(ROOT.joinpath, COPIED):
            if source.is_dir():
                shutil.copytree(source, copy / source.name, ignore=shutil.ignore_patterns("__pycache__"))
            else:
                shutil.copy(source, copy)
        with cluster(folder / "slurm", args.jobs) as env:
            # Nothing that would help a job to find this Python or this package, as a bare node would not.
            bare = {"PATH": f"{folder}/slurm/bin:/usr/bin:/bin:/usr/sbin:/sbin", "PYTHONPATH": str(folder / "plugin")}
            flow = Workflow(copy, env | bare, args.jobs)
            study, results = ("", "results") if args.full else ("studies/smoke.yaml", "results/smoke")
            whole_study(flow, study, results)
            gpus(flow)
            # Speeds told by short runs are low: a minute by the small study's is 15 seconds or more.
            quick = reference(flow, "results/quick", flow.tokens_for(60, one_of(copy, results)))
            scancelled(flow, quick, tokens_of(quick))
            slow = reference(flow, "results/slow", flow.tokens_for(180, quick))
            out_of_time(flow, slow, tokens_of(slow))
    print("all is well")


def one_of(copy: Path, results: str) -> str:
    """The weights of some run of the study by the model that the next ones train."""
    return str(next(copy.glob(f"{results}/models/{MODEL}/*/model.safetensors")).relative_to(copy))


def tokens_of(target: str) -> int:
    return int(Path(target).parent.name.split("-")[0])


if __name__ == "__main__":
    main()
