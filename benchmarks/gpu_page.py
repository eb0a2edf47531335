"""What pages say of a GPU: goals, what others report, and each row as measured, or the command that will measure it."""

import shlex
from collections.abc import Iterable, Sequence

from benchmarks.against import RESULTS
from benchmarks.goals import Goal, goals
from benchmarks.kept import rows_of
from benchmarks.sample import on_gpu
from benchmarks.shapes import Shape, of_study
from workflow.scripts.base.files import read_json

ALL = "python -m benchmarks.gpu --nanogpt <clone>"
BASELINES = {"gpt": "compiled nanoGPT", "lstm": "nn.LSTM"}
HEAD = f"""
## On a GPU

The sizes of the Lakh study, with its windows and its batch. MFU is a model's FLOP (`flops_per_token`) against those of
dense products that the card's makers state, which no product reaches; utilisation, against those of a large product
timed just after. Of attention ours counts only the scores that the causal mask keeps. Others count all: the column
*all scores* does, too, and is the one to compare with theirs.

`{ALL}` measures all of it in order of worth, keeps each row as it is done, and
goes on where it stopped. A row without a number names its own command.
"""
GOALS = """
### Goals, for one H100

"""
ROWS = """
### Each row

"""


def measured(name: str) -> list[dict]:
    """Rows of a benchmark on GPUs, the latest first."""
    path = RESULTS / f"{name}-cuda.json"
    rows = rows_of(read_json(path)) if path.exists() else []
    return sorted(rows, key=lambda row: row["on"]["date"], reverse=True)


def lines() -> list[str]:
    """All of the section but its prose: the goals, then the rows of training, memory and writing."""
    found = measured("train")
    return [GOALS, *of_goals(found), ROWS, *of_rows(found)]


def of_goals(found: Sequence[dict]) -> list[str]:
    """A table of goals with what others report, and ours."""
    table = ["| model | measure | goal | others report | ours |", "|---|---|---|---|---|"]
    shapes = {shape.label: shape for shape in of_study()}
    for goal in goals():
        rows = [row for row in found if label_of(row["name"]) == goal.shape]
        values = [f"{said(goal.measure, value)} ({row['on']['machine']})" for row, value in valued(goal, rows, shapes)]
        ours = "; ".join(values) or not_measured("train", goal.shape)
        others = "; ".join(f"[{who}]({source}): {said(goal.measure, value)}" for who, value, source in goal.others)
        bound = "at most" if goal.measure == "minutes" else "at least"
        what = measure_in_words(goal, shapes)
        table.append(f"| {goal.shape} | {what} | {bound} {said(goal.measure, goal.value)} | {others or '–'} | {ours} |")
    return ["\n".join(table), "\n"]


def valued(goal: Goal, rows: Iterable[dict], shapes: dict[str, Shape]) -> list[tuple[dict, float]]:
    """The rows that have a goal's measure, with it."""
    found = []
    for row in rows:
        if goal.measure == "minutes":
            found.append((row, shapes[goal.shape].tokens / row["ours"][1] / 60))
        elif goal.measure == "ratio":
            found.append((row, row["ratio"][1]))
        elif "mfu" in row:
            found.append((row, row["mfu"]["ours"]))
    return found


def measure_in_words(goal: Goal, shapes: dict[str, Shape]) -> str:
    """What a goal is about."""
    if goal.measure == "minutes":
        return f"time of the study's {shapes[goal.shape].tokens:,} tokens"
    return "MFU" if goal.measure == "mfu" else f"speed to that of {BASELINES[goal.shape.split()[0]]}"


def said(measure: str, value: float) -> str:
    """A value of a measure."""
    if measure == "mfu":
        return f"{value:.1%}"
    return f"{value:.3g} min" if measure == "minutes" else f"{value:.3g} times"


def of_rows(found: Sequence[dict]) -> list[str]:
    """A table of every shape of the study, on every machine that has measured one."""
    table = [
        "| step of training | tokens/s | MFU | all scores | utilisation | times as fast as | the study's run |",
        "|---|---|---|---|---|---|---|",
    ]
    for shape in of_study():
        rows = [row for row in found if row["name"].startswith(f"{shape.name},")]
        table += [row_in_words(row, shape) for row in rows]
        if not rows:
            table.append(f"| {shape.name} | {not_measured('train', shape.label)} | | | | | |")
    return ["\n".join(table), "\n"]


def row_in_words(row: dict, shape: Shape) -> str:
    """A line of that table."""
    shares = [f"{row[key]['ours']:.1%}" if key in row else "–" for key in ("mfu", "mfu_whole_attention", "utilisation")]
    low, middle, high = row["ratio"]
    minutes = shape.tokens / row["ours"][1] / 60
    on = row["on"]
    return (
        f"| {row['name']} ({on['machine']}, torch {on['torch']}, {on['date']}) | {row['ours'][1]:,.0f} |"
        f" {' | '.join(shares)} | {middle:.2f} ({low:.2f} to {high:.2f}): {row['against']} | {minutes:,.1f} min |"
    )


def label_of(name: str) -> str:
    """The shape in a row's name."""
    return name.split(",")[0]


def not_measured(benchmark: str, only: str) -> str:
    """That there is no number, and the command that will measure it."""
    clone = " --nanogpt <clone>" if benchmark in ("train", "sample") else ""
    batched = " --batched" if benchmark == "sample" else ""
    only = shlex.quote(f"{only},")
    return f"not measured: `python -m benchmarks.{benchmark} --device cuda{clone}{batched} --only {only}`"


def waiting(benchmark: str, found: Sequence[dict]) -> str:
    """What a benchmark has not measured on any GPU: the shapes, and what to add to its command; empty if nothing."""
    labels = {
        "train": [shape.label for shape in of_study()],
        "memory": [shape.label for shape in of_study()],
        "sample": [f"gpt {config.n_layer}x{config.n_embd}" for config, _ in on_gpu()],
    }
    if benchmark not in labels:
        return "" if found else "Not measured."
    have = {label_of(row["name"]) for row in found}
    left = [label for label in dict.fromkeys(labels[benchmark]) if label not in have]
    named = ", ".join(f"`{label}`" for label in left)
    return f"Not measured, each by this command with `--only '<name>,'`: {named}." if left else ""
