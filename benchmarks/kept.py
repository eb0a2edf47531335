"""Results that grow: rows of a benchmark, each on disk as soon as it is measured, so that a killed command loses none.

A row is known by its name, what it is against and the machine. One that is measured again takes the place of the old
one, and says where, when, at which commit and by which code it was measured.
"""

import subprocess
import time
from argparse import Namespace
from collections.abc import Callable, Sequence
from datetime import date
from pathlib import Path
from typing import Protocol

import torch

from benchmarks.against import RESULTS, command_line, kind, machine
from workflow.scripts.base.errors import InputError
from workflow.scripts.base.files import read_json, write_json

ROOT = Path(__file__).parents[1]
HEAD = ("machine", "threads", "torch", "date", "command")


class Kept:
    """The rows of one benchmark on one kind of device, of any number of machines.

    Args:
        name: of the benchmark.
        folder: where the file is written. What it lacks is taken from ``benchmarks/results``.
        commit: of this tree; asked of git if it is empty.
        names: of all rows that there are: others of this machine are dropped, as the benchmark has them no more.
    """

    def __init__(self, name: str, device: torch.device, folder: Path, commit: str, names: set[str]):
        self.name = name
        self.path = folder / f"{name}-{kind(device)}.json"
        here = {"machine": machine(device), "threads": torch.get_num_threads(), "torch": torch.__version__}
        self.head = here | {"date": date.today().isoformat(), "command": command_line(name)}
        self.commit = commit or commit_here()
        self.device = device
        source = self.path if self.path.exists() else RESULTS / self.path.name
        found = rows_of(read_json(source)) if source.exists() else []
        self.rows = [row for row in found if row["name"] in names or row["on"]["machine"] != self.head["machine"]]

    def has(self, row_name: str, against: str | None, code: str) -> bool:
        """Whether a row was measured here by this very code."""
        asked = {"machine": self.head["machine"], "torch": self.head["torch"], "code": code}
        return any(
            (row["name"], row.get("against")) == (row_name, against) and asked.items() <= row["on"].items()
            for row in self.rows
        )

    def add(self, row: dict, code: str) -> None:
        """Keep a row, and write the file.

        Args:
            row: with its ``name``, and ``against`` if it is against something.
            code: digest of what it ran.
        """
        key = (row["name"], row.get("against"), self.head["machine"])
        new = {**row, "on": self.head | {"commit": self.commit, "code": code}}
        places = [(old["name"], old.get("against"), old["on"]["machine"]) for old in self.rows]
        self.rows = [new if place == key else old for place, old in zip(places, self.rows, strict=True)]
        self.rows += [] if key in places else [new]
        write_json(self.path, self.head | {"rows": self.rows})


class Measured(Protocol):
    """What a row is to measure: its name, what it is against if anything, and a digest of the code that it runs."""

    @property
    def name(self) -> str: ...

    @property
    def against(self) -> str | None: ...

    @property
    def code(self) -> str: ...


def keep_each(wanted: Sequence[Measured], kept: Kept, measure: Callable[[Measured], dict], args: Namespace) -> None:
    """Measure what ``args`` ask for of the rows, and keep each; one that fails is told, and the others go on.

    Args:
        measure: gives a row, or raises `InputError`.
        args: with the flags of `against.keep_rows`, and ``only``.

    Raises:
        InputError: at the end, if some failed.
    """
    begun, failed = time.monotonic(), []
    for each in wanted:
        if args.only not in each.name or (args.skip_measured and kept.has(each.name, each.against, each.code)):
            continue
        if args.seconds and time.monotonic() - begun > args.seconds:
            print(f"{each.name}: no time is left for it", flush=True)
            continue
        try:
            row = measure(each)
        except InputError as error:
            print(f"{each.name}: {error}", flush=True)
            failed.append(each.name)
            continue
        kept.add(row, each.code)
        print(in_words(row), flush=True)
    print(f"{kept.path.name} has {len(kept.rows)} rows: now run python -m benchmarks.write_readme")
    if failed:
        raise InputError(f"rows failed: {'; '.join(failed)}")


def in_words(row: dict) -> str:
    """A row on a line."""
    if "measured_mb" in row:
        return f"{row['name']}: {row['measured_mb']:,} MB, estimated {row['estimated_mb']:,} MB"
    used = f", MFU {row['mfu']['ours']:.1%}" if "mfu" in row else ""
    return f"{row['name']}: {row['ours'][1]:,.0f} {row['unit']}, {row['ratio'][1]:.2f} x {row['against']}{used}"


def rows_of(result: dict) -> list[dict]:
    """The rows of a result, each with where and when it was measured: in older files that stands in the head."""
    head = {key: result[key] for key in HEAD if key in result}
    return [{**row, "on": row.get("on", head)} for row in result["rows"]]


def commit_here() -> str:
    """The commit of this tree, with a + if something in it is not committed; "unknown" without git."""
    try:
        found = ["git", "-C", str(ROOT), "describe", "--always", "--dirty=+", "--exclude=*"]
        return subprocess.run(found, capture_output=True, text=True, check=True).stdout.strip()
    except (OSError, subprocess.CalledProcessError):
        return "unknown"
