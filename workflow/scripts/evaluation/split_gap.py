"""Models trained with and without the relatives of the test tunes -> how much of their loss is owed to these relatives.

Needs, of each model, runs on a split that draws tunes one by one or by file, so that versions of one tune stand on both
sides, and runs with the same seeds on that split with the relatives of held-out tunes left out of training. Both have
the same test tunes, so losses are paired tune by tune. Training on other tunes moves a loss as another seed does: with
several seeds of some model intervals are those of `over_seeds`; with one seed of each they are over tunes alone. Such
noise moves tunes with relatives and without alike, so it hardly touches by how much more the loss of the former rises.
"""

import csv
from collections import defaultdict
from collections.abc import Iterable
from pathlib import Path
from typing import NamedTuple

import numpy as np
import pandas as pd

from workflow.scripts.base.errors import InputError
from workflow.scripts.base.uncertainty import ratio_means
from workflow.scripts.evaluation.differences import TuneLosses, check_comparable, read_losses
from workflow.scripts.evaluation.over_seeds import Errors, Model, joined
from workflow.scripts.evaluation.runs_table import read_run

# Test tunes that a difference is told of.
ALL, RELATED, OTHER = "all", "with relatives", "without"
EXCESS = "with relatives beyond without"
SHAPE = ["model", "arch", "params_non_embedding", "tokens"]
COLUMNS = [*SHAPE, "seed", "loss_with", "loss_without", "difference"]


class Pair(NamedTuple):
    """One model and seed: what both runs are, and the losses with relatives in training and without."""

    row: dict
    present: TuneLosses
    absent: TuneLosses


def split_gap(present: Iterable[str], absent: Iterable[str], corpus: Path) -> tuple[pd.DataFrame, dict]:
    """The table of split_gap.csv, a row a model and seed, and the content of split_gap.json.

    Args:
        present: folders of the runs that had relatives of test tunes in training.
        absent: of those that had none.
        corpus: that of the former.

    Raises:
        InputError: a folder is no finished run, a run has no partner, or the two were not measured on the same tunes.
    """
    pairs = paired(present, absent)
    related = tunes_with_relatives(corpus / "tunes.tsv")
    for pair in pairs:
        if len(pair.present.chars) != len(related):
            raise InputError(f"{corpus} has {len(related)} test tunes, and {pair.present.name} was measured on others")
    rows = [
        pair.row
        | {"loss_with": loss(pair.present), "loss_without": loss(pair.absent)}
        | {"difference": loss(pair.absent) - loss(pair.present)}
        for pair in pairs
    ]
    of_model: dict[str, list[Pair]] = defaultdict(list)
    for pair in pairs:
        of_model[pair.row["model"]].append(pair)
    found = {name: described(same) for name, same in of_model.items()}
    for kind, which in ((ALL, np.ones(len(related), bool)), (RELATED, related), (OTHER, ~related)):
        gaps = gaps_of(of_model, which) if which.any() else dict.fromkeys(of_model)
        for name, gap in gaps.items():
            found[name][kind] = gap
    for name, excess in excesses(of_model, found, related).items():
        found[name][EXCESS] = excess
    models = sorted(found.values(), key=lambda each: (each["arch"], each["params_non_embedding"]))
    summary = {
        "test_tunes": len(related),
        "with_relatives": int(related.sum()),
        "seeds_in_intervals": any(len(same) > 1 for same in of_model.values()),
        "models": models,
    }
    table = pd.DataFrame(rows)[COLUMNS].sort_values(["arch", "params_non_embedding", "seed"], kind="stable")
    return table, summary


def paired(present: Iterable[str], absent: Iterable[str]) -> list[Pair]:
    """Runs of one model and seed on both sides.

    Raises:
        InputError: as from `split_gap`.
    """
    sides: list[dict[tuple, tuple[dict, TuneLosses]]] = []
    for folders in (present, absent):
        side = {}
        for folder in folders:
            try:
                row = read_run(Path(folder))
            except (KeyError, TypeError) as error:
                raise InputError(f"{folder} is not a finished run: its results lack {error}") from error
            side[row["model"], row["tokens"], row["seed"]] = row, read_losses(folder)
        sides.append(side)
    here, there = sides
    if lone := sorted(here.keys() ^ there.keys()):
        model, tokens, seed = lone[0]
        raise InputError(f"{model} at {tokens} tokens with seed {seed} was not trained with relatives and without")
    pairs = [
        Pair({name: row[name] for name in (*SHAPE, "seed")}, losses, there[key][1])
        for key, (row, losses) in here.items()
    ]
    check_comparable([losses for pair in pairs for losses in (pair.present, pair.absent)])
    return pairs


def tunes_with_relatives(table: Path) -> np.ndarray:
    """(n,) for each test tune of a corpus whether a tune of its cluster trains.

    Raises:
        InputError: the table is none that `prepare` wrote.
    """
    with table.open(encoding="utf-8", newline="") as lines:
        rows = list(csv.DictReader(lines, delimiter="\t"))
    try:
        training = {row["cluster"] for row in rows if row["split"] == "train"}
        return np.array([row["cluster"] in training for row in rows if row["split"] == "test"])
    except KeyError as error:
        raise InputError(f"{table} has no column {error}") from error


def loss(run: TuneLosses) -> float:
    return float(run.nats.sum() / run.chars.sum())


def described(pairs: list[Pair]) -> dict:
    """Which model some pairs are of."""
    return {name: pairs[0].row[name] for name in SHAPE} | {"seeds": sorted(pair.row["seed"] for pair in pairs)}


def gaps_of(of_model: dict[str, list[Pair]], which: np.ndarray) -> dict[str, dict]:
    """Losses and differences of each model, means over seeds, of the test tunes that are wanted, (n,) bool.

    An interval is None where so few tunes are wanted that it would say nothing.
    """
    sides = {
        name: [
            Model(f"{name} with", [part(pair.present, which) for pair in pairs]),
            Model(f"{name} without", [part(pair.absent, which) for pair in pairs]),
        ]
        for name, pairs in of_model.items()
    }
    seeds = max(len(pairs) for pairs in of_model.values())
    errors = Errors([side for both in sides.values() for side in both]) if seeds > 1 else None
    found = {}
    for name, (present, absent) in sides.items():
        before, after = (np.mean([run.nats for run in side.runs], axis=0) for side in (present, absent))
        chars = present.runs[0].chars
        means = ratio_means(np.stack([before, after, after - before], axis=1), chars[:, None])
        value, se, ci95 = means[2]
        if errors and se is not None:
            se, half, _ = errors.of(se, present.name, absent.name)
            ci95 = value - half, value + half
        found[name] = {
            "loss_with": means[0].value,
            "loss_without": means[1].value,
            "difference": value,
            "tunes_se": means[2].se,
            "difference_se": se,
            "difference_ci95": ci95,
        }
    return found


def excesses(of_model: dict[str, list[Pair]], found: dict[str, dict], related: np.ndarray) -> dict[str, dict | None]:
    """By how much more the loss of tunes with relatives rises than that of the others, of each model.

    Its error has a part from the tunes and one from the seeds, joined as in `over_seeds`. None where there are no tunes
    of one kind, or too few for an error.
    """
    each = {
        name: [gap_of(pair, related) - gap_of(pair, ~related) for pair in pairs]
        for name, pairs in of_model.items()
        if found[name][RELATED] and found[name][OTHER]
    }
    dof = sum(len(values) - 1 for values in each.values())
    noise = sum(np.var(values) * len(values) for values in each.values()) / dof if dof else 0.0
    excess: dict[str, dict | None] = dict.fromkeys(of_model)
    for name, values in each.items():
        own = np.var(values, ddof=1) if len(values) > 1 else 0.0
        errors = [found[name][kind]["tunes_se"] for kind in (RELATED, OTHER)]
        if None in errors:
            continue
        by_tunes, by_seeds = sum(error**2 for error in errors), max(own, noise) / len(values)
        se, half, _ = joined(by_tunes, float(by_seeds), int(related.sum()) - 1, dof)
        value = float(np.mean(values))
        excess[name] = {"difference": value, "difference_se": se, "difference_ci95": (value - half, value + half)}
    return excess


def gap_of(pair: Pair, which: np.ndarray) -> float:
    """How much more one seed loses on the tunes that are wanted, (n,) bool."""
    return loss(part(pair.absent, which)) - loss(part(pair.present, which))


def part(run: TuneLosses, which: np.ndarray) -> TuneLosses:
    """A run's losses of some tunes; the others have no text."""
    return run._replace(nats=run.nats * which, chars=run.chars * which)
