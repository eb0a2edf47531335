"""Does the workflow run on a real SLURM? Run as root on Debian, in a container for instance:

  python -m tests.cluster.check                # all parts; an hour on one core
  python -m tests.cluster.check lakh           # studies/lakh.yaml, scaled down: plan, suite, forecast, targets
  python -m tests.cluster.check study --full   # the default study in place of studies/smoke.yaml

Installs Debian's SLURM if it is missing, starts one of two nodes on this machine alone, with state, logs and ports of
its own, and sends a copy of this repository's workflow through profiles/slurm. Ends SLURM again, whatever happens.
"""

import argparse
import os
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from collections import Counter
from pathlib import Path

from tests.cluster.flow import ROOT, Workflow, require, with_kinds_of_gpu
from tests.cluster.lakh import scaled_down
from tests.cluster.one_machine import CPU_NODE, GPU_NODE, ask, cluster, install

PARTS = ("study", "gpus", "resume", "lakh")


def whole_study(flow: Workflow, study: str, results: str) -> None:
    planned = flow.planned(study)
    flow.run(study)
    jobs = flow.new_jobs()
    require(
        Counter(job.rule for job in jobs) == planned, f"each of {planned.total()} jobs ran on SLURM, once", f"{jobs}"
    )
    require({job.state for job in jobs} == {"COMPLETED"}, "all of them were completed", f"{jobs}")
    places = {(job.shown["Partition"], job.shown["NodeList"]) for job in jobs}
    require(places == {("cpu", CPU_NODE)}, "where none asked for a GPU, no node with GPUs was used", f"{places}")
    losses = [float(row["test_loss"]) for row in flow.table(f"{results}/runs.csv")]
    require(all(0 < loss < 5 for loss in losses), f"runs.csv has {len(losses)} losses", f"{losses}")
    again = flow.run(study)
    require("Nothing to be done" in again and not flow.new_jobs(), "a second run does nothing", again)


def gpus(flow: Workflow) -> None:
    shutil.copy(ROOT / "tests" / "cluster" / "gpu.smk", flow.folder)
    flow.run("", "--snakefile", "gpu.smk")
    given = [(flow.folder / "gpu" / f"{name}.txt").read_text().split() for name in ("one", "two", "none")]
    require(given[0] in (["0"], ["1"]) and given[1:] == [["0,1"], []], f"CUDA_VISIBLE_DEVICES is as asked for: {given}")
    nodes = Counter(job.shown["NodeList"] for job in flow.new_jobs())
    require(
        nodes == {GPU_NODE: 2, CPU_NODE: 1}, "two of these jobs ran on the node with GPUs, and one did not", f"{nodes}"
    )

    # Without a GPU the job ends at once; what it asked for is what counts.
    def asked_for(*args: str) -> dict[str, str]:
        study, target = flow.study("results/gpu", 32768)
        ordered = flow.command(study, "--retries", "0", *args, "--config", "device=cuda", "--", target)
        subprocess.run(ordered, cwd=flow.folder, env=flow.env, capture_output=True)
        jobs = {job.rule: job.shown for job in flow.new_jobs()}
        require("train" in jobs, "training was sent to SLURM", f"{jobs}")
        return jobs["train"]

    asked = asked_for()
    require(asked["TresPerJob"] == "gres:gpu:1" and asked["Partition"] == "gpu", "training asks for a GPU", f"{asked}")
    asked = asked_for("--default-resources", "runtime=600", "mem_mb=1000")
    require(asked["Partition"] == "gpu_long", "training for longer than a partition allows goes to another", f"{asked}")
    asked = asked_for("--default-resources", "runtime=6000", "mem_mb=1000", "--resources", "runtime=2880")
    require(asked["TimeLimit"] == "2-00:00:00", "no job asks for more than the longest limit that is named", f"{asked}")

    before = flow.profile.read_text()
    flow.profile.write_text(with_kinds_of_gpu(before))
    asked = asked_for()
    require(
        asked["TresPerJob"] == "gres:gpu:a100:1", "training asks for the kind of GPU that the profile names", f"{asked}"
    )
    flow.profile.write_text(before)


def resume(flow: Workflow) -> None:
    study, short = flow.study("results/short", 131072)
    flow.run(study, short)
    # Speeds told by short runs are low: a minute by the small study's is 15 seconds or more.
    quick = reference(flow, "results/quick", flow.tokens_for(60, short))
    scancelled(flow, quick, tokens_of(quick))
    slow = reference(flow, "results/slow", flow.tokens_for(180, quick))
    out_of_time(flow, slow, tokens_of(slow))


def reference(flow: Workflow, results: str, tokens: int) -> str:
    """The weights' file of a run that nothing disturbed."""
    study, target = flow.study(results, tokens)
    flow.new_jobs()
    flow.run(study, target)
    states = {job.state for job in flow.new_jobs()}
    require(states == {"COMPLETED"}, f"{target} was trained undisturbed", f"{states}")
    return target


def same_after(flow: Workflow, how: str, target: str, undisturbed: str, output: str) -> None:
    states = [job.state for job in flow.new_jobs()]
    require(how in states, f"a job of {target} ended as {how}", f"{output}\n{states}")
    logs = "".join(path.read_text() for path in flow.folder.glob(f"{target.split('/models')[0]}/logs/**/*.log"))
    # A log is of the last attempt; those of attempts that failed are in what Snakemake said.
    require("resuming from step" in output + logs, "it went on where it was", output + logs)
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


def tokens_of(target: str) -> int:
    return int(Path(target).parent.name.split("-")[0])


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("parts", nargs="*", choices=PARTS, default=PARTS, help="what to check (default: everything)")
    parser.add_argument("--full", action="store_true", help="run the default study, not the smoke study")
    parser.add_argument("--jobs", type=int, default=os.cpu_count(), help="CPUs of a node, and jobs at once")
    args = parser.parse_args()
    if os.geteuid() != 0:
        sys.exit("error: SLURM's daemons are started and jobs of other users run as root: run this as root")
    signal.signal(signal.SIGTERM, lambda number, frame: sys.exit(128 + number))

    install()
    with tempfile.TemporaryDirectory(prefix="abc-slurm-", ignore_cleanup_errors=True) as name:
        folder = Path(name)
        plugin = ["--quiet", "--no-deps", "--target", folder / "plugin", "-r", ROOT / "profiles/slurm/requirements.txt"]
        subprocess.run([sys.executable, "-m", "pip", "install", *plugin], check=True)
        with cluster(folder / "slurm", args.jobs) as env:
            # Nothing that would help a job to find this Python or this package, as a bare node would not.
            bare = {"PATH": f"{folder}/slurm/bin:/usr/bin:/bin:/usr/sbin:/sbin", "PYTHONPATH": str(folder / "plugin")}
            flow = Workflow(folder / "a copy", env | bare, args.jobs)
            if "study" in args.parts:
                whole_study(flow, *("", "results") if args.full else ("studies/smoke.yaml", "results/smoke"))
            if "gpus" in args.parts:
                gpus(flow)
            if "resume" in args.parts:
                resume(flow)
            if "lakh" in args.parts:
                scaled_down(flow)
    print("all is well")


if __name__ == "__main__":
    main()
