"""Read what was fitted to a table: fit.json."""

from pathlib import Path

from workflow.scripts.base.errors import InputError
from workflow.scripts.base.files import read_json


def read_fit(path: Path) -> dict:
    """The contents of fit.json; workflow/schemas/fit.schema.json says what each key means.

    Raises:
        InputError: it holds no fits, or those of an earlier version.
    """
    fit = read_json(path)
    if not fit.get("groups") or "headline" not in fit.get("comparison", {}):
        raise InputError(f"{path} holds no fits that this version can read: make it again with fit_scaling")
    return fit
