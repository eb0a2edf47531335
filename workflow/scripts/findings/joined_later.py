"""How the laws of a registration would have forecast longer runs that joined the fit after it: where a forecast misses.

They are of sizes that it was fitted to: a law that is off by as much there misses in tokens, and not in size.
"""

from collections.abc import Mapping

import pandas as pd

from workflow.scripts.forecasts.predict import Forecaster
from workflow.scripts.forecasts.registered import Runs
from workflow.scripts.laws.estimate import Settings


def joined_later(registration: Mapping, runs: Runs, archs: list[str]) -> list[dict]:
    """Runs of more tokens than those of its size that a registration rests on, as the law that it tells has them.

    Keys: arch, params, tokens, observed (mean over seeds), told; and laws, the error of each (forecast / observed - 1).

    Args:
        registration: of registered.json; its runs must be in the table.
    """
    rests_on = pd.MultiIndex.from_tuples([(run["model"], run["tokens"], run["seed"]) for run in registration["runs"]])
    found = []
    for arch in archs:
        rows = runs.of(arch)
        keys = pd.MultiIndex.from_arrays([rows["size"], rows["tokens"].astype(int), rows["seed"].astype(int)])
        old, new = rows[keys.isin(rests_on)], rows[~keys.isin(rests_on)]
        longest = new["params"].map(old.groupby("params")["tokens"].max())
        longer = new[new["tokens"] > longest]
        if longer.empty:
            continue
        forecaster = Forecaster(old, Settings())
        for (n, d), losses in longer.groupby(["params", "tokens"])["loss"]:
            if law := forecaster.at(float(n), float(d)).law:
                observed = float(losses.mean())
                errors = {name: one["loss"] / observed - 1 for name, one in law["laws"].items()}
                found.append({
                    "arch": arch, "params": int(n), "tokens": int(d), "observed": observed, "told": law["told"],
                    "laws": errors,
                })  # fmt: skip
    return found
