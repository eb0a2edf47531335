"""What is recorded of a study with a registered forecast, read from its folder: whatever of it is there yet."""

from collections.abc import Mapping
from functools import cached_property
from pathlib import Path

import pandas as pd

from workflow.scripts.base.files import read_json
from workflow.scripts.base.tables import read_csv
from workflow.scripts.findings.crossings import OF_N_AND_D
from workflow.scripts.findings.headline import Headline, headline, names_of
from workflow.scripts.findings.ngram_losses import NGRAMS
from workflow.scripts.findings.written import COLUMNS as WRITING
from workflow.scripts.tables.fit_file import read_fit
from workflow.scripts.tables.table import read_table

NOTHING = Headline([], "", "", 0)
RUNS = ("model", "arch", "params_non_embedding", "tokens", "flops", "seed", "test_loss", "seconds", "trunk_seconds")


class Record:
    """The files of a study by what they hold. What is not there yet is None; runs.csv and fit.json must be there.

    Args:
        folder: with runs.csv, fit.json, registered.json and so on, as `record` writes it.
    """

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.runs = read_csv(folder / "runs.csv", *RUNS)
        self.table, _ = read_table(folder / "runs.csv")
        self.fit = read_fit(folder / "fit.json")

    def has(self, name: str) -> bool:
        """Whether there is a file."""
        return (self.folder / name).exists()

    def json(self, name: str) -> dict | None:
        """The contents of a file of JSON."""
        return read_json(self.folder / name) if self.has(name) else None

    def csv(self, name: str, *columns: str) -> pd.DataFrame | None:
        """The rows of a table."""
        return read_csv(self.folder / name, *columns) if self.has(name) else None

    @cached_property
    def registered(self) -> dict | None:
        return self.json("registered.json")

    @cached_property
    def forecast(self) -> dict | None:
        return self.json("forecast.json")

    @cached_property
    def targets(self) -> pd.DataFrame | None:
        """The runs that were forecast, as they were written."""
        return self.csv("targets/runs.csv", *RUNS)

    @cached_property
    def later(self) -> pd.DataFrame | None:
        """The same for the laws."""
        return read_table(self.folder / "targets/runs.csv")[0] if self.has("targets/runs.csv") else None

    @cached_property
    def writing(self) -> pd.DataFrame | None:
        """What each writer wrote, the models that were forecast too."""
        found = [self.csv(name, *WRITING) for name in ("writing.csv", "targets/writing.csv")]
        tables = [table for table in found if table is not None]
        return pd.concat(tables, ignore_index=True) if tables else None

    @cached_property
    def ngrams(self) -> pd.DataFrame | None:
        """The losses of n-grams."""
        return self.csv("baselines.csv", *NGRAMS)

    @cached_property
    def head(self) -> Headline:
        """The forecasts that count."""
        return headline(self.registered, self.forecast) if self.registered else NOTHING

    @cached_property
    def archs(self) -> list[str]:
        """The architectures that the page is about: those that are forecast, else all that were fitted."""
        return sorted({target.arch for target in self.head.targets}) or sorted(self.fit["groups"])

    @cached_property
    def names(self) -> Mapping[str, str]:
        """What the page calls each architecture."""
        return names_of(self.archs) | {arch: arch.upper() for arch in self.fit["groups"] if arch not in self.archs}

    @cached_property
    def told(self) -> dict[str, str]:
        """The law that the largest forecast of each architecture is by."""
        return {target.arch: target.law for target in self.head.targets}


def laws_of(record: Record, arch: str) -> list[tuple[str, Mapping]]:
    """The laws of N and D that its runs of the fit support, by name; the one that the forecast is by is first."""
    group, told = record.fit["groups"].get(arch, {}), record.told.get(arch)
    found = [(name, law) for name in OF_N_AND_D if (law := group.get(name))]
    return sorted(found, key=lambda one: one[0] != told)
