"""studies/lakh.yaml on SLURM from end to end, scaled down so that CPUs finish it in minutes."""

import json
from collections import Counter

from tests.cluster.flow import Job, Workflow, require
from tests.cluster.one_machine import CPU_NODE, GPU_NODE
from workflow.scripts.training import cost

STUDY, RESULTS = "studies/lakh.yaml", "results/lakh/scale0.001"
SIZES = ("tiny", "small", "medium", "large")
LONGEST = 7864320  # 240 steps of the full study, of which each scaled one has as many
CONFIG = [
    "scale=0.001", "device=auto", "corpus=music21", "warmup_steps=10",
    f"suite=[{', '.join(f'{arch}_{size}' for arch in ('gpt', 'lstm') for size in SIZES)}]",
    f"models={{{', '.join(f'{arch}_{size}: {{seeds: [0]}}' for arch in ('gpt', 'lstm') for size in SIZES)}}}",
    f"tokens=[{LONGEST // 4}, {LONGEST // 2}, {LONGEST}]", f"targets={{gpt_xl: [{LONGEST}], gpt_xxl: [{LONGEST}]}}",
    "num_samples=4", "samples_per_prompt=2", "baseline_samples=8", "ngram_orders=[4]", "max_new_tokens=128",
]  # fmt: skip
# They ask for a GPU as they do with `device: cuda`, and are given one that is none: `auto` then takes the CPU.
WITH_GPU = ("train", "evaluate", "target", "evaluate_target")
TARGET_MINUTES = 600  # longer than the partition `gpu` allows


def scaled_down(flow: Workflow) -> None:
    """The plan, the suite by it, the forecast put on record, the targets and what came of the forecast."""
    flow.script("plan", STUDY, "--seconds", "4", "--jobs", str(flow.jobs), "--config", *CONFIG, node=CPU_NODE)
    plan = json.loads((flow.folder / RESULTS / "plan.json").read_text())["models"]
    flow.new_jobs()
    jobs = made(flow)
    for job in jobs:
        if job.rule == "train":
            as_planned(job, plan, "train")
    losses = [float(row["test_loss"]) for row in flow.table(f"{RESULTS}/runs.csv")]
    require(len(losses) == 3 * 2 * len(SIZES), f"runs.csv has {len(losses)} runs", f"{losses}")

    flow.script("register", RESULTS, "--study", STUDY, "--config", *CONFIG)
    jobs = made(flow, f"target:runtime={TARGET_MINUTES}")
    of_targets = [job.shown for job in jobs if job.rule == "target"]
    long = all(job["Partition"] == "gpu_long" and minutes(job) == TARGET_MINUTES for job in of_targets)
    require(len(of_targets) == 2 and long, "targets that ask for more hours went to the partition that gives them")
    found = json.loads((flow.folder / RESULTS / "forecast.json").read_text())
    outcomes = {each["model"]: each["observed"] for each in found["registrations"][0]["targets"]}
    require(set(outcomes) == {"gpt_xl", "gpt_xxl"} and all(outcomes.values()), f"forecast.json has both: {outcomes}")


def made(flow: Workflow, *resources: str) -> list[Job]:
    """The SLURM jobs of `rule all`, each of which ran once and where it should."""
    asked = [*(f"{rule}:gpu=1" for rule in WITH_GPU), *resources]
    args = ["--set-resources", *asked, "--config", *CONFIG]
    planned = flow.planned(STUDY, *args)
    flow.run(STUDY, *args)
    jobs = flow.new_jobs()
    ran = Counter(job.rule for job in jobs)
    require(
        ran == planned and {job.state for job in jobs} == {"COMPLETED"},
        f"on SLURM ran, once each: {dict(ran)}",
        f"{jobs}",
    )
    for job in jobs:
        node, kind = (GPU_NODE, "gpu") if job.rule in WITH_GPU else (CPU_NODE, "cpu")
        fits = job.shown["NodeList"] == node and job.shown["Partition"].startswith(kind)
        if not fits:
            require(False, f"{job.rule} {job.wildcards} is for {node}", f"{job}")
    require(True, "each ran in a partition, and on the node, of its kind")
    return jobs


def as_planned(job: Job, plan: dict[str, dict], kind: str) -> None:
    model = job.wildcards.rsplit("_", 1)[0]
    wanted = cost.for_slurm(plan, model, kind, attempt=1)
    given = {"runtime": minutes(job.shown), "mem_mb": int(job.shown["MinMemoryNode"].removesuffix("M"))}
    require(given == wanted, f"{model} asks for what the plan says: {wanted}", f"{job}")


def minutes(shown: dict[str, str]) -> int:
    hours, minutes, _ = map(int, shown["TimeLimit"].split(":"))
    return 60 * hours + minutes
