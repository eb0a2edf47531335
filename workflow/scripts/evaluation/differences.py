"""Losses of several models on the same tunes -> which of their differences are real."""

import itertools
from pathlib import Path
from typing import NamedTuple

import numpy as np
from scipy import stats

from workflow.scripts.base.errors import InputError
from workflow.scripts.base.files import read_json
from workflow.scripts.base.tables import read_csv
from workflow.scripts.base.uncertainty import FEWEST, ratio_means

LEVEL = 0.05


class TuneLosses(NamedTuple):
    """Losses of a model: (n_tunes,) nats and characters, and the digest of the tunes' text."""

    name: str
    nats: np.ndarray
    chars: np.ndarray
    text: str


def read(path: str) -> TuneLosses:
    """A run's losses.

    Raises:
        InputError: there are none, or the two files are not of one evaluation.
    """
    summary_path = Path(path) / "perplexity.json" if Path(path).is_dir() else Path(path)
    summary = read_json(summary_path)
    if summary.get("loss", 0) is None:
        raise InputError(f"{summary_path} has no loss: the run diverged at step {summary.get('diverged_at_step')}")
    if "text_sha256" not in summary:
        raise InputError(f"{summary_path} does not say which tunes it is of: run calc_perplexity once more")
    table_path = summary_path.with_name(summary_path.stem + "_tunes.csv")
    table = read_csv(table_path, "chars", "nats")
    nats, chars = table["nats"].to_numpy(float), table["chars"].to_numpy(float)
    if len(table) != summary["tunes"] or chars.sum() != summary["chars"]:
        raise InputError(f"{table_path} is not of the same evaluation as {summary_path}: run calc_perplexity once more")
    name = Path(path).resolve()
    return TuneLosses("/".join(name.parts[-2:]) if name.is_dir() else str(path), nats, chars, summary["text_sha256"])


def holm(p: np.ndarray) -> np.ndarray:
    """p-values corrected for their number (Holm 1979), in the order given."""
    order = np.argsort(p)
    stepped = np.maximum.accumulate((len(p) - np.arange(len(p))) * p[order])
    return np.minimum(stepped, 1)[np.argsort(order)]


def differences(runs: list[TuneLosses]) -> list[dict]:
    """Every pair of runs, the most surely different first: how much more the first loses than the second.

    Raises:
        InputError: two are not of the same tunes, or of too few.
    """
    for run in runs[1:]:
        if run.text != runs[0].text:
            raise InputError(f"{runs[0].name} and {run.name} were not measured on the same tunes")
    if len(runs[0].nats) < FEWEST:
        raise InputError(f"{len(runs[0].nats)} tunes are too few to tell differences from: {FEWEST} are needed")
    pairs = list(itertools.combinations(runs, 2))
    means = ratio_means(np.stack([a.nats - b.nats for a, b in pairs], axis=1), runs[0].chars[:, None])
    # As exact as a t-test of that many tunes, where a share of 2000 draws could not be small enough for many pairs.
    errors = np.array([mean.se for mean in means])
    values = np.array([mean.value for mean in means])
    sizes = np.divide(np.abs(values), errors, out=np.where(values == 0, 0, np.inf), where=errors > 0)
    p = holm(2 * stats.t.sf(sizes, len(runs[0].nats) - 1))
    return [
        {
            "first": pairs[k][0].name,
            "second": pairs[k][1].name,
            "difference": means[k].value,
            "se": means[k].se,
            "ci95": means[k].ci95,
            "p_holm": float(p[k]),
            "real": bool(p[k] < LEVEL),
        }
        for k in np.argsort(-sizes, kind="stable")
    ]
