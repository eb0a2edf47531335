"""How far each run of a study is, read from what is in its folder, and a table of that."""

import csv
import time
from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

from workflow.scripts.base.amounts import short
from workflow.scripts.base.errors import InputError
from workflow.scripts.base.files import read_json
from workflow.scripts.training.plan_words import duration
from workflow.scripts.training.signs import SIGN

KINDS = ("models", "targets", "lr_transfer", "ablations", "split_gap/*")  # folders of runs in a study's results
STAGES = ("training", "stopped", "waiting", "trained", "scored", "judged")  # those to look at first
SILENT = 60  # seconds without a sign after which a job is taken to be dead, or five times as long as it paused before
BAR = 10  # characters


@dataclass(frozen=True)
class Run:
    """A run as its folder shows it.

    Attributes:
        name: the folder within the results.
        tokens, of: read so far, and in all.
        loss: nats a character: of the test split, or of validation for a trial; before that is scored, of the few tunes
            that a run is watched on, and while it is trained, of training.
        speed: tokens a second; None where it is not known.
    """

    name: str
    stage: str
    tokens: int
    of: int
    loss: float | None = None
    speed: float | None = None

    @property
    def seconds_left(self) -> float | None:
        """Seconds of training left at this speed; None of a run that is not at it."""
        return (self.of - self.tokens) / self.speed if self.stage == "training" and self.speed else None


def runs_in(results: Path, planned: Iterable[str] = ()) -> list[Run]:
    """Every run that has a folder in the results, and those planned that have none yet.

    Args:
        planned: names of runs, as ``models/gpt_small/1048576-seed0``.
    """
    folders = {str(path.relative_to(results)) for kind in KINDS for path in results.glob(f"{kind}/*/*-seed*")}
    alive = {job_of(name) for name in folders if is_alive(results / name)}
    return [run_of(results, name, job_of(name) in alive) for name in [*dict.fromkeys([*planned, *sorted(folders)])]]


def job_of(name: str) -> tuple[str, str]:
    """Runs of one model and seed are trained by one job, which takes them in turn."""
    return name.rpartition("/")[0], name.rpartition("-seed")[2]


def is_alive(folder: Path) -> bool:
    """Whether a job gave a sign of a run not long ago."""
    try:
        silent = time.time() - (folder / SIGN).stat().st_mtime
    except OSError:
        return False
    return silent < max(SILENT, 5 * read(folder / SIGN).get("pause", 0))


def run_of(results: Path, name: str, alive: bool) -> Run:
    folder, budget = results / name, int(name.rpartition("/")[2].partition("-")[0])
    if training := read(folder / "config.json").get("training"):
        scores = read(folder / "perplexity.json") or read(folder / "perplexity_val.json")
        stage = "judged" if (folder / "validity.json").exists() else "scored" if scores else "trained"
        tokens, seconds = training["tokens"], training["train_seconds"]
        loss = scores["loss"] if scores else last_loss(folder / "history.csv")
        return Run(name, stage, tokens, tokens, loss, tokens / seconds if seconds else None)
    if sign := read(folder / SIGN):
        stage = "training" if alive else "stopped"
        return Run(name, stage, sign["tokens"], sign["of"], sign["train_loss"], sign["tokens_per_second"])
    return Run(name, "waiting", 0, budget)


def last_loss(history: Path) -> float | None:
    """The validation loss at the end of a run."""
    try:
        with history.open(newline="", encoding="utf-8") as file:
            return float(list(csv.DictReader(file))[-1]["val_loss"])
    except (OSError, IndexError, KeyError, ValueError):
        return None


def read(path: Path) -> dict:
    """What a file holds that another process may be writing; nothing where there is none."""
    try:
        return read_json(path)
    except (OSError, InputError):
        return {}


def lines_of(runs: list[Run], width: int = 0, height: int = 0) -> list[str]:
    """A table of runs, those under way first, under a line that counts them.

    Args:
        width, height: of a terminal, which it is to fit into; 0 for any.
    """
    count = Counter(run.stage for run in runs)
    read_tokens, all_tokens = sum(run.tokens for run in runs), sum(run.of for run in runs)
    said = ", ".join(f"{count[stage]} {stage}" for stage in reversed(STAGES) if count[stage])
    if not runs:
        return ["no run yet"]
    head = f"{len(runs)} runs: {said}; {read_tokens / all_tokens:.0%} of their {short(all_tokens)} tokens"
    rows = [cells_of(run) for run in sorted(runs, key=lambda run: STAGES.index(run.stage))]
    if height and len(rows) > height - 3:
        rows = rows[: height - 4]
    table = [("run", "stage", "tokens", "", "loss", "tokens/s", "left"), *rows]
    columns = [
        [cell.ljust(wide) if number in (0, 1, 3) else cell.rjust(wide) for cell in column]
        for number, column in enumerate(zip(*table, strict=True))
        for wide in [max(map(len, column))]
    ]
    lines = [head, *map("  ".join, zip(*columns, strict=True))]
    if len(rows) < len(runs):
        lines.append(f"... and {len(runs) - len(rows)} more")
    return [line[: width or None].rstrip() for line in lines]


def cells_of(run: Run) -> tuple[str, ...]:
    done = run.tokens / max(run.of, 1)
    return (
        run.name.removeprefix("models/"),
        run.stage,
        f"{short(run.tokens)} of {short(run.of)}",
        "█" * round(done * BAR) + "·" * (BAR - round(done * BAR)),
        "" if run.loss is None else f"{run.loss:.3f}",
        "" if run.speed is None else f"{run.speed:,.0f}",
        "" if run.seconds_left is None else duration(run.seconds_left),
    )
