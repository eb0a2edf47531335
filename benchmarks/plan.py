"""How near a plan comes to what is paid: seconds and memory of a finished study, and of one model of 3 M parameters.

The plan is made on this machine with what the study in RESULTS was trained with: so train it here, with nothing else
running, and plan with as many jobs at once. The larger model is trained now, on the corpus of that study, by the
command that a rule would run. What a study paid is in its runs' config.json, and what the rule took in Snakemake's
records.

Example:
  python -m benchmarks.plan --results results --jobs 2
"""

import os
import resource
import shlex
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import torch
import yaml

from benchmarks.against import write_result
from benchmarks.study import ROOT, by_rule
from workflow.scripts import study
from workflow.scripts.base import cli
from workflow.scripts.base.errors import InputError
from workflow.scripts.base.files import read_json

CPU = torch.device("cpu")
# Trained alone, with the corpus and the recipe of config.yaml.
LARGER = {
    "suite": ["gpt_3m"],
    "models": {"gpt_3m": {"arch": "gpt", "n_layer": 4, "n_embd": 256, "n_head": 8}},
    "block_size": 256,
    "seeds": [0],
    "lr_transfer_models": ["gpt_tiny", "gpt_medium"],
}
TOKENS_A_STEP = 2048


def plan_of(folder: Path, jobs: int, *words: str) -> dict:
    """A plan made in a study's folder.

    Raises:
        InputError: it could not be made.
    """
    with tempfile.TemporaryDirectory() as temporary:
        path = Path(temporary, "plan.json")
        line = [sys.executable, "-m", "workflow.scripts.plan", *words, "--jobs", str(jobs), "--json", str(path)]
        done = subprocess.run(line, cwd=folder, env=environment(), stdout=subprocess.DEVNULL)
        if not path.exists():
            raise InputError(f"no plan was made (exit status {done.returncode})")
        return read_json(path)


def environment() -> dict[str, str]:
    """That of a job of the workflow."""
    return {**os.environ, "PYTHONPATH": str(ROOT)}


def paid_by(results: Path, name: str, seeds: list[int], tokens: list[int]) -> tuple[float, int]:
    """Seconds of a model's steps and validations over all seeds, and the most MB that one job held.

    Raises:
        InputError: one of the runs is not there.
    """
    seconds, memory = 0.0, 0
    for seed in seeds:
        for budget in tokens:
            path = results / "models" / name / f"{budget}-seed{seed}" / "config.json"
            if not path.exists():
                raise InputError(f"{path} is not there: finish the study first")
            run = read_json(path)["training"]
            # Of a shorter run only the cooldown is its own.
            seconds += run["train_seconds"] - (0 if budget == max(tokens) else run["trunk_seconds"])
            memory = max(memory, run["peak_memory_mb"])
    return seconds, memory


def row(name: str, jobs: int, unit: str, planned: float, paid: float) -> dict:
    print(f"{name}: planned {planned:,.4g} {unit}, paid {paid:,.4g} {unit}: {planned / paid:.2f}", flush=True)
    return {"name": name, "jobs": jobs, "unit": unit, "planned": round(planned, 3), "paid": round(paid, 3)}


def whole_study(results: Path, jobs: int) -> list[dict]:
    """What the default study in a folder was planned to cost, and what it did."""
    config = yaml.safe_load((ROOT / "config.yaml").read_text())
    plan = plan_of(results.resolve().parent, jobs)
    seeds, tokens = config["seeds"], config["tokens"]
    rows, memory = [], []
    for name in config["suite"]:
        planned = plan["models"][name]
        seconds, peak = paid_by(results, name, seeds, tokens)
        steps = len(seeds) * (planned["train_seconds"] - planned["start_seconds"])
        rows.append(row(f"{name}, training", len(seeds), "s", steps, seconds))
        memory.append(row(f"{name}, memory", len(seeds), "MB", planned["memory_mb"], peak))
    planned, paid = (sum(found[side] for found in rows) for side in ("planned", "paid"))
    rows.append(row("all of them, training", plan["total"]["jobs"], "s", planned, paid))
    for rule in by_rule(results.resolve().parent):
        if rule["rule"] == "train":
            rows.append(row("the rule train", rule["jobs"], "s", plan["total"]["job_seconds"], rule["seconds"]))
    return rows + memory


def larger_model(results: Path, steps: int) -> list[dict]:
    """What a model of 3 M parameters outside the embedding is planned to cost, and what it does."""
    default = yaml.safe_load((ROOT / "config.yaml").read_text())
    change = LARGER | {"tokens": [steps * TOKENS_A_STEP]}
    config = default | change | {"models": default["models"] | LARGER["models"]}
    folder = results.resolve().parent
    with tempfile.TemporaryDirectory() as temporary:
        path = Path(temporary, "larger.yaml")
        path.write_text(yaml.safe_dump(change))
        planned = plan_of(folder, 1, str(path))["models"]["gpt_3m"]
        line = [
            *(sys.executable, "-m", "workflow.scripts.train", "--model_name", "gpt_3m", "--seed", "0"),
            *shlex.split(study.train_flags(config, "gpt_3m")),
            *("--tokens", str(steps * TOKENS_A_STEP), "--output_dir", str(Path(temporary, "run"))),
            *("--data_dir", str(folder / "data" / "corpora" / study.corpus_name(config))),
            *("--device", "cpu", "--threads", str(config["threads_per_job"])),
        ]
        begun, before = time.perf_counter(), resource.getrusage(resource.RUSAGE_CHILDREN)
        subprocess.run(line, cwd=folder, env=environment(), stdout=subprocess.DEVNULL, check=True)
        paid, after = time.perf_counter() - begun, resource.getrusage(resource.RUSAGE_CHILDREN)
        computed = after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime
        run = read_json(Path(temporary, "run", "config.json"))["training"]
    head = f"gpt 4x256, {steps} steps of {TOKENS_A_STEP} tokens"
    return [
        row(f"{head}: the command", 1, "s", planned["train_seconds"], paid),
        row(f"{head}: what it computed", 1, "s", planned["train_seconds"], computed),
        row(f"{head}: memory", 1, "MB", planned["memory_mb"], run["peak_memory_mb"]),
    ]


def main() -> None:
    parser = cli.parser(__doc__)
    parser.add_argument("--results", type=Path, required=True, help="results of a finished default study, trained here")
    parser.add_argument("--jobs", type=cli.positive_int, default=2, help="training jobs that it ran at a time")
    parser.add_argument("--steps", type=cli.positive_int, default=200, help="of the larger model")
    args = parser.parse_args()
    rows = whole_study(args.results, args.jobs) + larger_model(args.results, args.steps)
    torch.set_num_threads(1)
    write_result("plan", CPU, [], plans=rows)


if __name__ == "__main__":
    cli.run(main)
