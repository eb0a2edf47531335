"""Where a number on a page comes from: a key of a file, a cell of a table, a key of a study, a constant of the code."""

import functools
import importlib
from collections.abc import Callable
from pathlib import Path
from typing import Any

import yaml

from workflow.scripts.base.amounts import short
from workflow.scripts.base.code_identity import PACKAGE
from workflow.scripts.base.errors import InputError
from workflow.scripts.base.files import read_json
from workflow.scripts.base.tables import read_csv


def sources(root: Path) -> dict[str, Callable]:
    """The functions that a template takes its numbers by, of files below ``root``.

    Given a ``form``, such as "{:,}", they return text in that form, else the value itself.

    Raises:
        InputError: by each, for a file, key, column, row or constant that is not there.
    """

    def value(file: str, key: str, form: str = ""):
        """Of a JSON file, by a key such as "splits.test.tunes" or, in a list, "studies.1.wall"."""
        return formed(found(of_file(root / file), key, file), form)

    def column(file: str, name: str, **row: object):
        """Of a CSV file, in the rows whose columns have the values of ``row``."""
        table = table_of(root / file)
        for wanted in (*row, name):
            if wanted not in table:
                raise InputError(f"{file} has no column {wanted!r}")
        values = table.loc[(table[list(row)] == list(row.values())).all(axis=1), name].tolist()
        if not values:
            raise InputError(f"{file} has no row of {row}")
        return values

    def cell(file: str, row: dict[str, object], name: str, form: str = ""):
        """Of the one row of a CSV file whose columns have the values of ``row``."""
        values = column(file, name, **row)
        if len(values) != 1:
            raise InputError(f"{file} has {len(values)} rows of {row}, not one")
        return formed(values[0], form)

    def config(key: str, study: str = "config.yaml", form: str = ""):
        """Of a study's file or, where that does not say it, of config.yaml."""
        own = of_file(root / study)
        return formed(found(own if key.split(".")[0] in own else of_file(root / "config.yaml"), key, study), form)

    return {"value": value, "column": column, "cell": cell, "config": config, "constant": constant, "short": short}


def constant(file: str, name: str, form: str = ""):
    """What a file of ``workflow/scripts`` sets a name to, such as "LEVEL", or "VIEWS.notes.width" within it."""
    try:
        module = importlib.import_module(f"{PACKAGE}.{file.removesuffix('.py').replace('/', '.')}")
    except ImportError as error:
        raise InputError(f"{file}: {error}") from error
    return formed(found(module, name, file), form)


def formed(value, form: str):
    return form.format(value) if form else value


def found(inside: object, key: str, file: str):
    """What stands at a key, of which each dot leads one level down: into a dict, a list or what an object has."""
    at: Any = inside
    for part in key.split("."):
        try:
            if isinstance(at, dict):
                at = at[part]
            elif isinstance(at, list | tuple) and part.isdecimal():
                at = at[int(part)]
            else:
                at = getattr(at, part)
        except (LookupError, AttributeError) as error:
            raise InputError(f"{file} has no {key}") from error
    return at


@functools.cache
def of_file(path: Path) -> dict:
    try:
        return read_json(path) if path.suffix == ".json" else yaml.safe_load(path.read_text(encoding="utf-8"))
    except OSError as error:
        raise InputError(f"{path}: {error.strerror}") from error


@functools.cache
def table_of(path: Path):
    try:
        return read_csv(path)
    except OSError as error:
        raise InputError(f"{path}: {error.strerror}") from error
