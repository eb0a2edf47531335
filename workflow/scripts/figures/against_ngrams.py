"""The losses of models beside those of n-grams, as a table and in words.

Needs the runs and the strata of a study as they stand in runs.csv and strata.csv, and n-grams as in baselines.csv.
"""

import numpy as np
import pandas as pd

from workflow.scripts.base.measures import START
from workflow.scripts.base.tables import Cells
from workflow.scripts.figures.losses import without_start

HEADER = ["writer", "N", "test loss", "perplexity", f"without the first {START} characters", "perplexity of these"]


def model_losses(runs: pd.DataFrame, strata: pd.DataFrame | None) -> pd.DataFrame:
    """A row for each model at the largest budget of all: loss, its error and interval over tunes, means over seeds.

    Returns:
        model, params_non_embedding, test_loss, test_loss_se, test_loss_low, test_loss_high, and loss_without_start, NaN
        where it is not known; by architecture, ascending in size.
    """
    budgets = runs.groupby("tokens")["model"].nunique()
    rows = runs[runs["tokens"] == budgets.index[budgets == budgets.max()].max()]
    columns = ["test_loss", "test_loss_se", "test_loss_low", "test_loss_high"]
    found = rows.groupby(["arch", "params_non_embedding", "model"])[columns].mean().reset_index()
    later = {} if strata is None else without_start(strata).set_index("model")["loss_without_start"].to_dict()
    return found.assign(loss_without_start=found["model"].map(later).astype(float))


def losses_table(models: pd.DataFrame, ngrams: pd.DataFrame | None) -> Cells:
    """Models, then n-grams by order; ``models`` as of `model_losses`."""
    rows = [
        [row.model, f"{row.params_non_embedding:,}", *cells(row.test_loss, row.test_loss_se, row.loss_without_start)]
        for row in models.itertuples()
    ]
    if ngrams is not None:
        rows += [
            [f"{row.order}-gram", "", *cells(row.loss, row.loss_se, row.loss_without_start)]
            for row in ngrams.sort_values("order").itertuples()
        ]
    return Cells(HEADER, rows)


def cells(loss: float, error: float, later: float) -> list[str]:
    """A loss with its standard error, and one without the start of each tune; the perplexity of each."""
    shown = f"{loss:.3f}" + (f" ± {error:.3f}" if pd.notna(error) else "")
    return [shown, f"{np.exp(loss):.2f}", *(["", ""] if pd.isna(later) else [f"{later:.3f}", f"{np.exp(later):.2f}"])]


def beside_best(models: pd.DataFrame, ngrams: pd.DataFrame | None) -> str:
    """Of which models the 95% interval lies above or below that of the best n-gram; empty without intervals."""
    if ngrams is None or ngrams["loss_low"].isna().all() or models["test_loss_low"].isna().any():
        return ""
    best = ngrams.loc[ngrams["loss"].idxmin()]
    worse = models[models["test_loss_low"] > best["loss_high"]]["model"].tolist()
    better = models[models["test_loss_high"] < best["loss_low"]]["model"].tolist()
    rest = len(models) - len(worse) - len(better)
    told = [f"{place} that of {', '.join(names)}" for place, names in (("below", worse), ("above", better)) if names]
    told += (
        [f"and overlaps that of {rest} other{'s' * (rest > 1)}" if told else "overlaps that of each model"]
        if rest
        else []
    )
    return (
        f"The {best['order']}-gram is the best of them: the 95% interval of its loss over tunes,"
        f" [{best['loss_low']:.3f}, {best['loss_high']:.3f}], lies {', '.join(told)}."
    )
