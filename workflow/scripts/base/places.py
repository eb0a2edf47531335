"""Folders that a user names for what is large: what a name comes to, and whether anything can be written there."""

import os
import re
from pathlib import Path

from workflow.scripts.base.errors import InputError


def folder_of(name: str, what: str) -> str:
    """A folder's path with ``~`` and environment variables replaced; empty for an empty name.

    Args:
        name: as the user wrote it.
        what: the key or option that says so, for the sentence.

    Raises:
        InputError: it names a variable that is not set, or has a sign that Snakemake reads as a wildcard.
    """
    if not name:
        return ""
    path = os.path.expanduser(os.path.expandvars(name))
    if unset := re.search(r"\$\{?(\w+)", path):
        raise InputError(f"{what} is {name!r}, and {unset[1]} is not set in the environment")
    if sign := re.search("[{}<>*?]", path):
        raise InputError(f"{what} is {name!r}: a folder of the workflow may have no {sign[0]} in its name")
    return os.path.normpath(path)


def refuse_unwritable(folder: str, what: str) -> None:
    """Refuse a folder that is none, that nothing can be written to, or that cannot be made; nothing is made.

    Raises:
        InputError: one sentence with ``what``, the key or option that names it.
    """
    path = Path(folder).absolute()
    there = next(place for place in (path, *path.parents) if os.path.lexists(place))
    if not there.is_dir():
        raise InputError(f"{what} is {folder}: {there} is no folder")
    if not os.access(there, os.W_OK | os.X_OK):
        cannot = "cannot be written to" if there == path else f"cannot be made, as {there} cannot be written to"
        raise InputError(f"{what} is {folder}, which {cannot}")
