"""What a GPU is to reach, and what others report: the rows of gpu_goals.csv."""

import csv
from dataclasses import dataclass
from pathlib import Path

PATH = Path(__file__).with_name("gpu_goals.csv")
OURS = "goal"


@dataclass(frozen=True)
class Goal:
    """What one measure of one shape is to be, and what others reach at about the same.

    Attributes:
        shape: as `shapes.Shape.label` has it.
        measure: "mfu" (a share of FLOP), "ratio" (times as fast as the baseline) or "minutes" (of the study's run).
        value: at least, or of minutes at most.
        others: who, what they report, and where.
    """

    shape: str
    measure: str
    value: float
    others: tuple[tuple[str, float, str], ...]


def goals() -> list[Goal]:
    """All goals, in the order of the file."""
    with open(PATH, encoding="utf-8", newline="") as file:
        rows = list(csv.DictReader(file))
    return [
        Goal(
            row["shape"], row["measure"], float(row["value"]),
            tuple(
                (other["who"], float(other["value"]), other["source"])
                for other in rows
                if other["who"] != OURS and (other["shape"], other["measure"]) == (row["shape"], row["measure"])
            ),
        )
        for row in rows
        if row["who"] == OURS
    ]  # fmt: skip
