"""The tables that claims are held against: a study's of ours, and what the original study tells of its runs."""

from collections.abc import Mapping
from functools import cached_property
from pathlib import Path

import pandas as pd

from workflow.scripts.base import measures
from workflow.scripts.base.files import read_json
from workflow.scripts.base.tables import read_csv
from workflow.scripts.findings.comparison import compare_groups
from workflow.scripts.findings.headline import names_of
from workflow.scripts.findings.original_runs import fit_runs, read_runs
from workflow.scripts.findings.written import unprompted
from workflow.scripts.laws.line import Points
from workflow.scripts.laws.power_law import one_budget, points_at
from workflow.scripts.tables.fit_file import read_fit
from workflow.scripts.tables.table import read_table

LARGEST = "xxl"  # of the original study: its logs have it in the middle of a longer run
README, GPT, LSTM = "readme", "gpt logs", "lstm logs"  # who tells of the original's runs
WRITING = ("writer", "arch", "params_non_embedding", "tokens", "seed", "prompt", "samples", measures.SYNTAX.rate)


class Study:
    """The files of a study of ours. runs.csv and fit.json must be there; what else is not is None.

    Args:
        folder: that they stand in, a path as a page is to print it.
        corpus: the corpus.json, if it stands elsewhere.
    """

    def __init__(self, folder: Path, corpus: Path | None = None) -> None:
        self.folder = folder
        self.corpus_file = corpus or folder / "corpus.json"
        self.table, _ = read_table(folder / "runs.csv")
        self.fit = read_fit(folder / "fit.json")
        self.archs = [arch for arch in sorted(self.fit["groups"]) if (self.table["arch"] == arch).any()]
        self.names = names_of(self.archs)

    def file(self, name: str) -> str:
        """A file as a page names it."""
        return (self.folder / name).as_posix()

    def points(self, arch: str) -> Points | None:
        """The sizes of an architecture at the budget that its laws in N are of; None where they share none."""
        budget = one_budget(self.table[self.table["arch"] == arch])
        return points_at(budget.rows) if budget.alike else None

    @cached_property
    def corpus(self) -> dict | None:
        return read_json(self.corpus_file) if self.corpus_file.exists() else None

    @cached_property
    def forecast(self) -> dict | None:
        return read_json(path) if (path := self.folder / "forecast.json").exists() else None

    @cached_property
    def writing(self) -> pd.DataFrame | None:
        """What was written without a prompt, by models and baselines, with the file of each row."""
        found = [
            read_csv(self.folder / name, *WRITING).assign(file=self.file(name))
            for name in ("writing.csv", "targets/writing.csv")
            if (self.folder / name).exists()
        ]
        if not found:
            return None
        return unprompted(pd.concat(found, ignore_index=True))

    @cached_property
    def models(self) -> pd.DataFrame | None:
        """Of `writing` what models wrote that were fitted, at the budget that most rows are of."""
        if self.writing is None:
            return None
        own = self.writing[self.writing["arch"].isin(self.archs)]
        return own[own["tokens"] == own["tokens"].mode().max()]


class Original:
    """What the original study tells of its runs, and the laws of these.

    Args:
        folder: with its runs.csv.
    """

    def __init__(self, folder: Path) -> None:
        path = folder / "runs.csv"
        self.file = path.as_posix()
        self.runs = read_runs(path)
        self.without = self.runs[self.runs["size"] != LARGEST]
        self.laws: Mapping[str, dict] = fit_runs(self.runs, path)
        self.laws_without: Mapping[str, dict] = fit_runs(self.without, path)

    def points(self, told_by: str, without: bool = False) -> Points:
        """Its runs by one who tells of them."""
        runs = self.without if without else self.runs
        return points_at(runs[runs["told_by"] == told_by])

    @cached_property
    def pair(self) -> dict:
        """Its Transformers and LSTMs by their logs, compared as fit.json compares two architectures."""
        laws = {name: self.laws_without[name] for name in (GPT, LSTM)}
        pair: dict = compare_groups(self.without, laws, "told_by")["pairs"][0]
        return pair
