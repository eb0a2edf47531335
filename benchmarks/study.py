"""How long a whole study takes, and where: this tree against an earlier one, each a fresh clone, one after the other.

Each clone runs README's first command (or another target, or another study), as a user would. Seconds by rule come from
Snakemake's own records, CPU seconds from the system: of all processes together, and of Snakemake's own. The test losses
of both are compared. Commit first: what is cloned is what is committed.

Example:
  python -m benchmarks.study --before v0.1.0
"""

import collections
import json
import os
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import pandas as pd
import torch

from benchmarks.against import write_result
from workflow.scripts.base import cli
from workflow.scripts.base.errors import InputError

ROOT = Path(__file__).parents[1]
TICKS = os.sysconf("SC_CLK_TCK")


def clone(commit: str, folder: Path) -> str:
    """Check out a commit of this repository in a new folder; its short name.

    Raises:
        InputError: there is no such commit.
    """
    subprocess.run(["git", "clone", "--quiet", "--no-checkout", ROOT, folder], check=True)
    done = subprocess.run(["git", "checkout", "--quiet", commit], cwd=folder, capture_output=True, text=True)
    if done.returncode:
        raise InputError(f"{commit} is no commit of this repository ({done.stderr.strip()})")
    return subprocess.check_output(["git", "rev-parse", "--short", "HEAD"], cwd=folder, text=True).strip()


def measure(folder: Path, arguments: list[str]) -> dict:
    """Run Snakemake in a folder; what it took.

    Raises:
        InputError: it failed.
    """
    start = time.perf_counter()
    with open(folder / "snakemake.log", "w") as log:
        # Not stripped of what it waited for: who reaps a process learns what all below it took.
        process = subprocess.Popen(
            [sys.executable, "-m", "snakemake", *arguments], cwd=folder, stdout=log, stderr=subprocess.STDOUT
        )
    os.waitid(os.P_PID, process.pid, os.WEXITED | os.WNOWAIT)
    wall = time.perf_counter() - start
    own = Path(f"/proc/{process.pid}/stat").read_text().rsplit(")", 1)[1].split()[11:13]
    _, status, used = os.wait4(process.pid, 0)
    if status:
        raise InputError(f"snakemake failed in {folder}: see snakemake.log there")
    return {
        "wall": round(wall, 1),
        "cpu": round(used.ru_utime + used.ru_stime, 1),
        "snakemake_cpu": round(sum(map(int, own)) / TICKS, 1),
        "rules": by_rule(folder),
    }


def by_rule(folder: Path) -> list[dict]:
    """Jobs and seconds of each rule of a finished study, from the records that Snakemake keeps, longest first."""
    jobs: dict[str, dict] = collections.defaultdict(dict)
    for path in (folder / ".snakemake" / "metadata").rglob("*"):
        if path.is_file():
            record = json.loads(path.read_text())
            jobs[record["rule"]][tuple(record["log"])] = record["endtime"] - record["starttime"]
    rows = [
        {"rule": rule, "jobs": len(found), "seconds": round(sum(found.values()), 1)} for rule, found in jobs.items()
    ]
    return sorted(rows, key=lambda row: -row["seconds"])


def largest_difference(tables: list[Path]) -> dict:
    """By how much the test losses of two studies' runs differ at most, in nats a character."""
    one, two = (pd.read_csv(path)[["model", "tokens", "seed", "test_loss"]] for path in tables)
    both = one.merge(two, on=["model", "tokens", "seed"])
    return {"runs": len(both), "largest_difference": float((both["test_loss_x"] - both["test_loss_y"]).abs().max())}


def main() -> None:
    parser = cli.parser(__doc__)
    parser.add_argument("--before", required=True, help="commit to compare with")
    parser.add_argument("--cores", type=cli.positive_int, default=1)
    parser.add_argument("--target", default="results/scaling_plot.pdf", help="what Snakemake is asked for")
    parser.add_argument("--configfile", help="study, if not the default one")
    args = parser.parse_args()
    arguments = ["--cores", str(args.cores), *(["--configfile", args.configfile] if args.configfile else [])]
    arguments += ["--", args.target]
    found, tables = [], []
    with tempfile.TemporaryDirectory() as temporary:
        for name, commit in (("after", "HEAD"), ("before", args.before)):
            folder = Path(temporary, name)
            found.insert(0, {"name": name, "commit": clone(commit, folder)} | measure(folder, arguments))
            tables.append((folder / args.target).with_name("runs.csv"))
            print(f"{name} ({found[0]['commit']}): {found[0]['wall']:.0f} s", flush=True)
            for row in found[0]["rules"]:
                print(f"  {row['rule']:<16} {row['jobs']:>4} jobs {row['seconds']:>8.1f} s", flush=True)
            found[0]["again"] = measure(folder, arguments)["wall"]
        losses = largest_difference(tables)
    print(f"CPU s {found[0]['cpu']:.0f} and {found[1]['cpu']:.0f}, of it Snakemake's {found[0]['snakemake_cpu']:.0f}"
          f" and {found[1]['snakemake_cpu']:.0f}; {losses['runs']} losses differ by at most"
          f" {losses['largest_difference']:g}")  # fmt: skip
    torch.set_num_threads(1)
    write_result("study", torch.device("cpu"), [], studies=found, losses=losses)


if __name__ == "__main__":
    cli.run(main)
