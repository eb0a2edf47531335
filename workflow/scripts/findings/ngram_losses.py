"""The losses of n-grams in words, and which models are above and below them.

Needs the runs and the strata of a study as they stand in runs.csv and strata.csv, and n-grams as in baselines.csv.
"""

import pandas as pd

from workflow.scripts.base.amounts import short
from workflow.scripts.findings.tune_start import without_start

NGRAMS = ("order", "training_chars", "loss", "loss_low", "loss_high", "perplexity", "loss_without_start")


def ngram_sentence(ngrams: pd.DataFrame | None) -> str:
    """What n-grams reach on the test split; empty if that was not measured."""
    if ngrams is None:
        return ""
    rows = ngrams.sort_values("order")
    counted = short(rows["training_chars"].max())
    told = ", ".join(f"{row.order}-gram {row.loss:.3f} ({row.perplexity:.2f})" for row in rows.itertuples())
    return (
        f"Test loss (and perplexity) of n-grams of characters, by modified Kneser-Ney on {counted} characters of"
        f" training text: {told}."
    )


def model_losses(runs: pd.DataFrame, strata: pd.DataFrame | None) -> pd.DataFrame:
    """A row for each model at the largest budget of all: loss, its error and interval over tunes, means over seeds.

    Returns:
        model, tokens, params_non_embedding, test_loss, test_loss_se, test_loss_low, test_loss_high, and
        loss_without_start, NaN where it is not known; by architecture, ascending in size.
    """
    rows = at_largest_budget(runs)
    columns = ["test_loss", "test_loss_se", "test_loss_low", "test_loss_high"]
    found = rows.groupby(["arch", "params_non_embedding", "model", "tokens"])[columns].mean().reset_index()
    later = {} if strata is None else without_start(strata).set_index("model")["loss_without_start"].to_dict()
    return found.assign(loss_without_start=found["model"].map(later).astype(float))


def at_largest_budget(runs: pd.DataFrame) -> pd.DataFrame:
    """The runs at the largest budget of tokens that as many models have as any: a few may have longer runs, too."""
    models = runs.groupby("tokens")["model"].nunique()
    return runs[runs["tokens"] == models.index[models == models.max()].max()]


def beside_best(models: pd.DataFrame, ngrams: pd.DataFrame | None) -> str:
    """Of which models the 95% interval lies above or below that of the best n-gram; empty without intervals."""
    if ngrams is None or ngrams["loss_low"].isna().all() or models["test_loss_low"].isna().any():
        return ""
    best = ngrams.loc[ngrams["loss"].idxmin()]
    worse = models[models["test_loss_low"] > best["loss_high"]]["model"].tolist()
    better = models[models["test_loss_high"] < best["loss_low"]]["model"].tolist()
    rest = len(models) - len(worse) - len(better)
    lies = [f"{place} that of {', '.join(names)}" for place, names in (("below", worse), ("above", better)) if names]
    told = f"lies {', '.join(lies)}" if lies else ""
    if rest:
        told += f", and overlaps that of {rest} other{'s' * (rest > 1)}" if lies else "overlaps that of each model"
    return (
        f"The {best['order']}-gram is the best of them: the 95% interval of its loss over tunes,"
        f" [{best['loss_low']:.3f}, {best['loss_high']:.3f}], {told}."
    )
