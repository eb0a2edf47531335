"""Write docs/speed.md from what the benchmarks left in benchmarks/results."""

import statistics
from pathlib import Path

from benchmarks import gpu_page
from benchmarks.against import RESULTS
from workflow.scripts.base.files import read_json

ROOT = Path(__file__).parents[1]
PAGE = ROOT / "docs" / "speed.md"
HEAD = """# Speed

Written by `python -m benchmarks.write_readme` from the files in `benchmarks/results/`; do not edit.

## How a step is computed on a CPU

A small model on a CPU waits for three things: calls of a library, which take longer than what they do; passes over
memory between products; and products, which the library takes at full speed only where they are large. So

- **in float32** a Transformer is one compiled call (`kernels/transformer.py`): one window after the other goes forward
  and back through all layers, so that what the way back needs is still in the core's caches;
- **in bfloat16**, where processors have units that only the library reaches, products stay the library's, and what lies
  between two of them is one pass over memory (`kernels/rows.py`), attention included (`kernels/attention.py`);
- **an LSTM** is one call in both (`kernels/recurrence.py`): what an id puts into the gates is computed once for each
  character of the alphabet, not for each place, and one loop runs over time;
- **writing** is one call a token for all layers (`kernels/decoder.py`); each weight and each key is read once;
- **threads** each take their own windows, and meet once a step (`machine/crew.py`).

All of it stands on one product of a few rows with a few vectors that are kept in registers (`kernels/tile.py`). Numba
compiles it when it is first used, once on a machine. A GPU has its own way: the same models by torch's operators and
its compiler. `test_layers.py`, `test_recurrence.py` and `test_decoder.py` in `tests/models/` hold each of our ways
against torch's own.
"""
TRIED = """
## What was tried

Each row compares a step of training, or a product, with and without an idea, turn by turn, each in a process of its
own. What was dropped stays in the table: others will have the same ideas.
"""
AGREE = """
## Whether the losses are the same

Ten models are trained from the same weights on the same tokens: by torch's own operators; by these with half as many
windows in a pass, which changes nothing but how sums are rounded; and by ours. Many steps at a high learning rate
make much of a last digit, so the first column says how far two runs come apart that should be one. Differences of the
test loss from that of torch's operators, in thousandths of a nat a character:
"""
LIMIT = """
## What the limit is

Utilisation is a model's FLOP (`flops_per_token`) against those of a large product of the library's on the same core, in
the same run and precision. An LSTM's may be more than all: the first layer's products with its inputs are not done.
"""
WAITING = """
Not measured: a processor with AMX, whose units are made for bfloat16, so that more of a step
lies between products.
"""


def result(name: str, kind: str = "cpu-bfloat16") -> dict | None:
    """What a benchmark left, if it was run."""
    path = RESULTS / f"{name}-{kind}.json"
    return read_json(path) if path.exists() else None


def ideas(found: dict) -> list[str]:
    """Lines on every idea and what it gave."""
    lines = [
        f"{found['machine']}, torch {found['torch']}, {found['date']}; `{found['command']}`.",
        "",
        "| idea | on | times as fast (quartiles) | kept |",
        "|---|---|---|---|",
    ]
    for row in found["ideas"]:
        low, middle, high = row["ratio"]
        starts = row["starts"]
        more = f"; its first step takes {starts[0]:.0f} s, not {starts[1]:.0f}" if starts else ""
        kept = "yes" if row["kept"] else "no"
        lines.append(f"| {row['idea']} | {row['name']} | **{middle:.2f}** ({low:.2f} to {high:.2f}){more} | {kept} |")
    rates = ", ".join(f"{flops / 1e9:,.0f} GFLOP/s in {kind}" for kind, flops in found["product_flops"].items())
    lines += ["", f"One core's products of 2,048 x 2,048, by the library: {rates}."]
    for row in found["profiles"]:
        shares = ", ".join(f"{kind} {share:.0%}" for kind, share in row["shares"].items())
        lines += ["", f"Where a step of {row['name']} spends its time in bfloat16: {shares}."]
    return lines


def agreement(found: dict) -> list[str]:
    """Lines on how far each way's test loss is from that of torch's own operators."""
    first, *ways = list(found["agreement"][0])[1:]
    lines = ["| model | " + " | ".join(ways) + " |", "|---" * (1 + len(ways)) + "|"]
    columns = {way: [1000 * (row[way] - row[first]) for row in found["agreement"]] for way in ways}
    for at, row in enumerate(found["agreement"]):
        lines.append(f"| {row['name']} | " + " | ".join(f"{columns[way][at]:+.2f}" for way in ways) + " |")
    for words, figure, sign in (("mean", statistics.mean, "+"), ("mean distance", distance, "")):
        lines.append(f"| **{words}** | " + " | ".join(f"**{figure(columns[way]):{sign}.2f}**" for way in ways) + " |")
    return lines


def distance(differences: list[float]) -> float:
    """Mean size of differences."""
    return statistics.mean(map(abs, differences))


def limits(found: dict) -> list[str]:
    """Lines on how much of the core's own products each shape uses."""
    lines = ["| step of training | tokens/s | utilisation | against | times as fast |", "|---|---|---|---|---|"]
    for row in found["rows"]:
        lines.append(
            f"| {row['name']} | {row['ours'][1]:,.0f} | {row['utilisation']['ours']:.0%} | {row['against']} |"
            f" {row['ratio'][1]:.2f} |"
        )
    return lines


def page() -> str:
    """All of docs/speed.md."""
    parts = [HEAD]
    if found := result("ideas"):
        parts += [TRIED, "\n", "\n".join(ideas(found)), "\n"]
    if found := result("agreement"):
        parts += [AGREE, "\n", "\n".join(agreement(found)), "\n"]
    if found := result("train"):
        parts += [LIMIT, "\n", "\n".join(limits(found)), "\n"]
    return "".join([*parts, WAITING, gpu_page.HEAD, *gpu_page.lines()])
