"""How far apart losses are that differ in the seed alone, and how much of that all sizes of a seed share.

A seed decides the first weights and which tunes are read. What all sizes of a seed have in common is of the tunes.
"""

from typing import NamedTuple

import numpy as np
import pandas as pd


class Seeds(NamedTuple):
    """Spread over seeds.

    Attributes:
        spread: standard deviation of the log loss over seeds, pooled over places, each an architecture, N and D.
        shared: of its square, the share that all sizes of an architecture and D have in common; None if nowhere two
            sizes have the same two seeds.
        places: how many have several seeds.
    """

    spread: float
    shared: float | None
    places: int


def spread_over_seeds(table: pd.DataFrame) -> Seeds | None:
    """The spread over the seeds of a table of runs; None if no place has two.

    Args:
        table: as `tables.table.read_table` gives it.
    """
    logs = table.assign(log=np.log(table["loss"]))
    each = logs.groupby(["arch", "params", "tokens"])["log"]
    freedom = each.count() - 1
    if not freedom.sum():
        return None
    spread = float(np.sqrt((each.var().fillna(0.0) * freedom).sum() / freedom.sum()))
    own, common = [], []  # two-way analysis of variance without replication, of sizes and seeds
    for _, runs in logs.groupby(["arch", "tokens"]):
        losses = runs.pivot_table(index="params", columns="seed", values="log").dropna(axis=0)
        sizes, seeds = losses.shape
        if sizes < 2 or seeds < 2:
            continue
        apart = losses.sub(losses.mean(axis=1), axis=0)
        of_seed = apart.mean(axis=0)
        residual = ((apart - of_seed) ** 2).to_numpy().sum() / ((sizes - 1) * (seeds - 1))
        own.append(residual)
        common.append((of_seed**2).sum() / (seeds - 1) - residual / sizes)
    shared = None
    if own:
        of_tunes = max(float(np.mean(common)), 0.0)
        shared = of_tunes / (of_tunes + float(np.mean(own)))
    return Seeds(spread, shared, int((freedom > 0).sum()))
