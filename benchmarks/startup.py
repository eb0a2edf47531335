"""How long a job takes beside its work: whole processes that do next to none, against a bare `import torch`, in turns.

A study is made of many short jobs, each a process of its own, so what all of them pay counts as much as speed.
Times are in milliseconds, ratios ours to the baseline: here less is better.

Example:
  python -m benchmarks.startup --data_dir data/corpora/music21
"""

import subprocess
import sys
import tempfile
from collections.abc import Callable
from functools import partial

import torch

from benchmarks.against import quartiles, seconds, write_result
from workflow.scripts.base import cli

CPU = torch.device("cpu")
MODEL = [
    "--model_name", "tiny", "--n_layer", "2", "--n_embd", "24", "--n_head", "2", "--context_size", "128",
    "--max_iters", "1",
]  # fmt: skip


def process(*arguments: str) -> Callable[[], None]:
    """What runs this Python once with such arguments, to its end."""
    return partial(subprocess.run, [sys.executable, *arguments], check=True, stdout=subprocess.DEVNULL)


def module(name: str, *arguments: str) -> Callable[[], None]:
    return process("-m", f"workflow.scripts.{name}", *arguments, "--threads", "1", "--device", "cpu")


def main() -> None:
    parser = cli.parser(__doc__)
    parser.add_argument("--data_dir", default="data/corpora/music21", help="corpus that prepare wrote")
    parser.add_argument("--rounds", type=cli.positive_int, default=15)
    args = parser.parse_args()
    torch.set_num_threads(1)
    rows = []
    with tempfile.TemporaryDirectory() as folder:
        checkpoint = f"{folder}/model"
        module("train", *MODEL, "--data_dir", args.data_dir, "--output_dir", checkpoint)()
        jobs = {
            # A seed of its own each time, or the run would be found finished.
            "train a gpt 2x24 for one step": lambda turn: module(
                "train", *MODEL, "--data_dir", args.data_dir, "--output_dir", f"{folder}/{turn}", "--seed", str(turn)
            ),
            "write one character": lambda turn: module(
                "sample", "--checkpoint_dir", checkpoint, "--output_dir", f"{folder}/samples",
                "--num_samples", "1", "--max_new_tokens", "1",
            ),
        }  # fmt: skip
        bare = process("-c", "import torch")
        for name, job in jobs.items():
            pairs = [(1e3 * seconds(job(turn), CPU), 1e3 * seconds(bare, CPU)) for turn in range(args.rounds)]
            row = {
                "name": name,
                "against": "import torch",
                "unit": "ms",
                "ours": quartiles([ours for ours, _ in pairs]),
                "baseline": quartiles([theirs for _, theirs in pairs]),
                "ratio": quartiles([ours / theirs for ours, theirs in pairs]),
                "rounds": args.rounds,
            }
            rows.append(row)
            print(f"{name}: {row['ours'][1]:,.0f} ms, {row['ratio'][1]:.2f} x import torch", flush=True)
    write_result("startup", CPU, rows)


if __name__ == "__main__":
    cli.run(main)
