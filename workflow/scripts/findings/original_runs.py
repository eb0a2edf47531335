"""What the original study tells of its runs, and the laws of these."""

from pathlib import Path

import numpy as np
import pandas as pd

from workflow.scripts.base.errors import InputError
from workflow.scripts.base.tables import read_csv
from workflow.scripts.findings.fit_table import fit_group
from workflow.scripts.laws.estimate import Settings
from workflow.scripts.tables.table import complete

FORMS = ("power", "power_irreducible")


def read_runs(path: Path) -> pd.DataFrame:
    """The original's runs in the columns that laws are fitted to; where it states a perplexity, the loss is its log.

    Raises:
        InputError: the file is no CSV, or a column is missing.
    """
    runs = read_csv(path, "told_by", "size", "params", "tokens", "perplexity", "loss", "where")
    runs["loss"] = runs["loss"].fillna(np.log(runs["perplexity"]))
    unknown = dict.fromkeys(("flops", "unique_tokens", "loss_se"), np.nan)
    runs, _ = complete(runs.assign(seed="", **unknown))
    return runs


def fit_runs(runs: pd.DataFrame, path: Path) -> dict:
    """Laws of the original's runs, by who reports them, as fit.json has them.

    Its README sets runs of different tokens beside each other as one row of sizes, and so are they fitted.

    Raises:
        InputError: some of them have no law; ``path`` is where they are from.
    """
    groups = {}
    for name, rows in runs.groupby("told_by"):
        if rows["tokens"].nunique() > 1:
            rows = rows.assign(tokens=np.nan, unique_tokens=np.nan, flops=np.nan)
        groups[name] = fit_group(rows, name, Settings(draws=0), FORMS, None)
    for group in groups.values():
        if not group["power"]:
            raise InputError(f"{path}: {group['said'][0]}")
    return groups
