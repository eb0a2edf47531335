"""Write benchmarks/README.md from what the benchmarks left in benchmarks/results.

Example:
  python -m benchmarks.write_readme
"""

from pathlib import Path

from benchmarks.against import RESULTS
from workflow.scripts import cli
from workflow.scripts.files import read_json, write_text

README = Path(__file__).with_name("README.md")
HEAD = """# Benchmarks

Written by `python -m benchmarks.write_readme` from the files in `results/`; do not edit. Each row times ours and a
named baseline turn by turn, each in a process of its own, on the same shapes, batch and device, and gives medians with
quartiles in brackets. Utilisation is a model's FLOP (`flops_per_token`) against those of a large matrix product timed
just after, in the precision that ours trains in.

nanoGPT is [Karpathy's](https://github.com/karpathy/nanoGPT), as it is, from a clone of yours.
"""
SECTIONS = {"train": "Training", "sample": "Writing tunes"}
WAITING = {"cpu": "Not run yet.", "cuda": "Waiting for a GPU."}
DEVICES = {"cpu": "on a CPU", "cuda": "on a GPU"}
TAIL = """
## Preparing a corpus

    python -m benchmarks.corpus data/raw/tunes.abc.zst
    python -m benchmarks.midi data/raw/lmd_full.tar.gz

They print how fast a corpus is read, and MIDI converted, against named baselines.
"""


def spread(values: list[float], digits: int = 0) -> str:
    """A median with its quartiles."""
    low, middle, high = (f"{value:,.{digits}f}" for value in values)
    return f"{middle} ({low} to {high})"


def table(result: dict) -> str:
    lines = [
        f"{result['machine']}, {result['threads']} threads, torch {result['torch']}, {result['date']}.",
        "",
        "| | ours | baseline | | ratio | utilisation: ours, baseline |",
        "|---|---|---|---|---|---|",
    ]
    for row in result["rows"]:
        used = row.get("utilisation")
        share = f"{used['ours']:.0%}, {used['baseline']:.0%}" if used else ""
        rates = f"{spread(row['ours'])} {row['unit']} | {spread(row['baseline'])} | {row['against']}"
        lines.append(f"| {row['name']} | {rates} | **{spread(row['ratio'], 2)}** | {share} |")
    return "\n".join(lines)


def readme() -> str:
    parts = [HEAD]
    for name, title in SECTIONS.items():
        for device, where in DEVICES.items():
            path = RESULTS / f"{name}-{device}.json"
            result = read_json(path) if path.exists() else None
            command = result["command"] if result else f"python -m benchmarks.{name} --device {device}"
            body = table(result) if result else WAITING[device]
            parts.append(f"\n## {title} {where}\n\n    {command} --nanogpt <clone>\n\n{body}\n")
    return "".join([*parts, TAIL])


def main() -> None:
    cli.parser(__doc__).parse_args()
    write_text(README, readme())


if __name__ == "__main__":
    cli.run(main)
