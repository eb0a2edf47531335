"""Who wrote what the gallery shows: models by size, n-grams and people, each with the first tunes of its drawing.

Needs the folders that were judged, or where a study is recorded, the books of a few tunes that are kept of it.
"""

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

import pandas as pd

from workflow.scripts.base import measures
from workflow.scripts.base.errors import InputError
from workflow.scripts.base.files import read_json
from workflow.scripts.base.tables import read_csv
from workflow.scripts.findings.written import unprompted
from workflow.scripts.gallery.tunes import Shown, Steps, shown
from workflow.scripts.grammar.cut import whole_bars
from workflow.scripts.writing.ladder import RATES
from workflow.scripts.writing.samples import Sample, read_samples, read_tune

OF_PROGRAMS = (measures.TOOLS, measures.COMPILES, measures.MUSIC21)
NEXT_TUNE = re.compile(r"\n\n(?=X:)")  # in a book of tunes


@dataclass
class Writer:
    """One writer and its tunes.

    Attributes:
        arch: of a model; empty of n-grams and real tunes.
        size: parameters outside the embedding; None of who is no model.
        tokens: that the run read.
        row: of writing.csv without a prompt: its rates.
        loss: test loss of the run, in nats a character.
        prompts: its tunes after each prompt.
    """

    name: str
    arch: str
    size: int | None
    tokens: int | None
    row: Mapping
    loss: float | None
    tunes: list[Shown]
    prompts: dict[str, list[Shown]] = field(default_factory=dict)


def read_tables(folder: Path) -> tuple[pd.DataFrame, pd.DataFrame]:
    """(runs, what each writer wrote) of a study, runs that were forecast among them.

    Raises:
        InputError: a table is missing or lacks a column.
    """
    kinds = {
        "runs.csv": ("model", "tokens", "seed", "test_loss"),
        "writing.csv": ("writer", "tokens", "seed", "prompt"),
    }
    found = []
    for name, columns in kinds.items():
        if not (folder / name).exists():
            raise InputError(f"{folder / name} does not exist: finish the study first")
        paths = [folder / name, *filter(Path.exists, [folder / "targets" / name])]
        found.append(pd.concat([read_csv(path, *columns) for path in paths], ignore_index=True))
    return found[0], found[1]


def of_folders(
    folders: list[Path], tables: tuple[pd.DataFrame, pd.DataFrame], most: int, most_prompted: int
) -> list[Writer]:
    """The writers of folders that were judged: runs of models, and baselines.

    Args:
        most: tunes of each; and of each after each prompt.

    Raises:
        InputError: a folder was not judged, or no table has its row.
    """
    writers = []
    for folder in folders:
        if not (folder / "validity.json").exists():
            raise InputError(f"{folder} holds no validity.json: judge what was written there first")
        name, tokens, seed = folder.name, None, None
        if (folder / "config.json").exists():
            training = read_json(folder / "config.json")["training"]
            name, tokens, seed = training["model_name"], training["tokens"], training["options"]["seed"]
        verdicts = {verdict["path"]: verdict for verdict in read_json(folder / "validity.json")["files"]}
        copies = {found["path"]: found for found in read_json(folder / "copying.json")["files"]}
        tunes = [
            read(sample, k, verdicts.get(sample.path.name), copies.get(sample.path.name))
            for k, sample in enumerate(read_samples(folder / "samples")[:most], 1)
        ]
        writer = described(name, tokens, seed, tables, tunes)
        for place in sorted((folder / "prompted").glob("*/")):
            samples = read_samples(place)[:most_prompted]
            writer.prompts[place.name] = [read(sample, k) for k, sample in enumerate(samples, 1)]
        writers.append(writer)
    return writers


def read(sample: Sample, index: int, verdict: Mapping | None = None, copied: Mapping | None = None) -> Shown:
    steps: Steps | None = {step: verdict[RATES[step]] for step in OF_PROGRAMS} if verdict else None
    return shown(index, read_tune(sample.path).text, sample.prompt_chars, not sample.ended, steps, copied)


def of_books(folder: Path, tables: tuple[pd.DataFrame, pd.DataFrame]) -> list[Writer]:
    """The models of a recorded study, of which a book has the first tunes of the first seed.

    A book does not say which tune was cut, so each that has a whole bar is judged up to its last one.

    Raises:
        InputError: there are no books, or no table has a model's row.
    """
    books = sorted(folder.glob("*.abc"))
    if not books:
        raise InputError(f"{folder} holds no books of tunes (*.abc)")
    runs, _ = tables
    writers = []
    for book in books:
        own = runs[runs["model"] == book.stem]
        if own.empty:
            raise InputError(f"{book}: no run of a model {book.stem!r} is recorded")
        tunes = [shown(k, text, is_cut=whole_bars(text) is not None) for k, text in enumerate(tunes_in_book(book), 1)]
        of = own[own["tokens"].isin(written_at(tables, book.stem))].sort_values(["tokens", "seed"])
        tokens = of["tokens"].max()
        seed = of[of["tokens"] == tokens]["seed"].min()
        writers.append(described(book.stem, tokens, seed, tables, tunes))
    return writers


def tunes_in_book(book: Path) -> list[str]:
    """The tunes of a book as `record` writes one, each from its X: line on."""
    return [text.rstrip("\n") + "\n" for text in NEXT_TUNE.split(read_tune(book).text)]


def written_at(tables: tuple[pd.DataFrame, pd.DataFrame], model: str) -> set[int]:
    """The budgets at which a model wrote tunes."""
    _, writing = tables
    return set(writing[writing["writer"] == model]["tokens"].dropna().astype(int))


def described(
    name: str, tokens: int | None, seed: int | None, tables: tuple[pd.DataFrame, pd.DataFrame], tunes: list[Shown]
) -> Writer:
    """A writer with what the tables say of it."""
    runs, writing = tables
    of = unprompted(writing[writing["writer"] == name])
    own = runs[runs["model"] == name]
    if tokens is not None:
        of = of[(of["tokens"] == tokens) & (of["seed"] == seed)]
        own = own[(own["tokens"] == tokens) & (own["seed"] == seed)]
    if of.empty or (tokens is not None and own.empty):
        raise InputError(f"the tables of the study have no row of {name}: write them anew")
    row = of.iloc[0]
    if tokens is None:
        return Writer(name, "", None, None, row, None, tunes)
    loss = float(own.iloc[0]["test_loss"])
    return Writer(name, row["arch"], int(row["params_non_embedding"]), int(tokens), row, loss, tunes)
