"""Losses of several trained runs on the same tunes -> their means, and which of these runs differ.

Needs the perplexity.json and perplexity_tunes.csv that `calc_perplexity` wrote of each. Losses are in nats a character.
Errors are over tunes alone: two seeds of one model can differ surely. Whether models differ is for `over_seeds`.
"""

import itertools
from pathlib import Path
from typing import NamedTuple, TypedDict

import numpy as np
from scipy.special import stdtr

from workflow.scripts.base.errors import InputError
from workflow.scripts.base.files import read_json
from workflow.scripts.base.tables import read_csv
from workflow.scripts.base.uncertainty import FEWEST, Mean, ratio_means

LEVEL = 0.05  # of the corrected p-values: below it the two differ


class TuneLosses(NamedTuple):
    """Losses of a run: (n_tunes,) nats and characters, and the digest of the tunes' text."""

    name: str
    nats: np.ndarray
    chars: np.ndarray
    text_sha256: str


class RunLoss(TypedDict):
    """The loss of a run, or of a model by `over_seeds`, with its standard error and 95% interval."""

    run: str
    loss: float
    se: float
    ci95: tuple[float, float]


class Difference(TypedDict):
    """How much more the first of two runs, or models by `over_seeds`, loses than the second, and if they differ."""

    first: str
    second: str
    difference: float
    se: float
    ci95: tuple[float, float]
    p_holm: float
    differ: bool


def read_losses(path: str) -> TuneLosses:
    """A run's losses, from its folder or its JSON file.

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


def mean_losses(runs: list[TuneLosses]) -> list[RunLoss]:
    """The loss of each run, the lowest first.

    Raises:
        InputError: as from `differences`.
    """
    check_comparable(runs)
    means = ratio_means(np.stack([run.nats for run in runs], axis=1), runs[0].chars[:, None])
    found: list[RunLoss] = []
    for run, mean in sorted(zip(runs, means, strict=True), key=lambda pair: pair[1].value):
        se, ci95 = error_of(mean)
        found.append({"run": run.name, "loss": mean.value, "se": se, "ci95": ci95})
    return found


def differences(runs: list[TuneLosses]) -> list[Difference]:
    """Every pair of runs, the most surely different first.

    Raises:
        InputError: two are not of the same tunes, or of too few.
    """
    check_comparable(runs)
    pairs = list(itertools.combinations(runs, 2))
    means = ratio_means(np.stack([a.nats - b.nats for a, b in pairs], axis=1), runs[0].chars[:, None])
    errors = np.array([error_of(mean)[0] for mean in means])
    values = np.array([mean.value for mean in means])
    sizes = in_errors(values, errors)
    # As exact as a t-test of that many tunes, where a share of 2000 draws could not be small enough for many pairs.
    p = holm(2 * stdtr(len(runs[0].nats) - 1, -sizes))
    return [
        {
            "first": pairs[k][0].name,
            "second": pairs[k][1].name,
            "difference": means[k].value,
            "se": error_of(means[k])[0],
            "ci95": error_of(means[k])[1],
            "p_holm": float(p[k]),
            "differ": bool(p[k] < LEVEL),
        }
        for k in np.argsort(-sizes, kind="stable")
    ]


def in_errors(values: np.ndarray | float, errors: np.ndarray | float) -> np.ndarray:
    """Sizes of differences in their standard errors; one without an error is infinitely many, but for 0."""
    values, errors = np.asarray(values, float), np.asarray(errors, float)
    return np.divide(np.abs(values), errors, out=np.where(values == 0, 0, np.inf), where=errors > 0)


def check_comparable(runs: list[TuneLosses]) -> None:
    """Refuse runs whose losses cannot be compared tune by tune.

    Raises:
        InputError: two are not of the same tunes, or of too few.
    """
    for run in runs[1:]:
        if run.text_sha256 != runs[0].text_sha256:
            raise InputError(f"{runs[0].name} and {run.name} were not measured on the same tunes")
    n_tunes = np.count_nonzero(runs[0].chars)
    if n_tunes < FEWEST:
        raise InputError(f"{n_tunes} tunes are too few to tell differences from: {FEWEST} are needed")


def error_of(mean: Mean) -> tuple[float, tuple[float, float]]:
    """(standard error, 95% interval) of a mean over the tunes of runs that `check_comparable` let pass."""
    assert mean.se is not None  # as FEWEST tunes have text
    assert mean.ci95 is not None
    return mean.se, mean.ci95
