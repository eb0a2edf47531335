"""Which law forecasts best: each is fitted to the smaller runs of a table again and again, and predicts the larger.

This is evaluation on a rolling origin (Tashman 2000). What is to be forecast takes no part in it.

Needs the runs of one architecture and the laws that may be chosen (`forecasts.candidates`).
"""

from typing import NamedTuple

import numpy as np
import pandas as pd

from workflow.scripts.forecasts.candidates import Candidate
from workflow.scripts.tables.levels import SAME_FLOPS, SAME_TOKENS, levels

MOST = 6  # origins: more say little, and each costs a fit of each law
EARLIEST = 0.4  # share of the levels of FLOP that are before the first origin
BEST = 1e-3  # a relative error that few runs can tell from none: no law weighs more than one with it


class Origin(NamedTuple):
    """A cut of a table: smaller runs that laws are fitted to, and larger ones that they predict.

    Attributes:
        by: what they are smaller by, params or flops.
        below: they are below this.
        n: (k,) N of the runs that are predicted, seeds together.
        d: (k,) D; NaN where it is not known.
        log_loss: (k,) what they had.
    """

    by: str
    below: float
    n: np.ndarray
    d: np.ndarray
    log_loss: np.ndarray


def origins(rows: pd.DataFrame, n: float, d: float | None) -> list[Origin]:
    """Cuts that ask of the laws what a forecast at N and D asks: as far as the table goes, at most `MOST`.

    A larger N at a measured D: smaller sizes predict larger ones, at the budget of tokens that is nearest to D. Else
    runs of less FLOP predict those of more.
    """
    if d is None:
        return by_size(rows)
    known = rows["tokens"].to_numpy()
    level = levels(known, SAME_TOKENS)
    nearest = level == level[np.abs(np.log(known / d)).argmin()]
    common = rows[nearest]
    if common["params"].nunique() >= 4 and d <= known.max() * np.exp(SAME_TOKENS):
        return by_size(common)
    return by_flops(rows)


def by_size(rows: pd.DataFrame) -> list[Origin]:
    """From three sizes on, those below each further size predict it and all larger ones; ``rows``: of one budget."""
    sizes = np.unique(rows["params"])
    cuts = sizes[3:][-MOST:]
    return [origin(rows, "params", size) for size in cuts]


def by_flops(rows: pd.DataFrame) -> list[Origin]:
    """Runs of less FLOP than each of some levels predict the others."""
    flops = rows["flops"].to_numpy()
    level = levels(flops, SAME_FLOPS)
    first = int(np.ceil(EARLIEST * level.max()))
    chosen = np.unique(np.linspace(first, level.max(), MOST + 1)[1:].round().astype(int))
    return [origin(rows, "flops", flops[level == one].min()) for one in chosen if one > 0]


def origin(rows: pd.DataFrame, by: str, below: float) -> Origin:
    """The cut at a value of a column."""
    ahead = rows[rows[by] >= below]
    means = np.log(ahead["loss"]).groupby([ahead["params"], ahead["tokens"].fillna(0.0)]).mean()
    n, d = (means.index.get_level_values(i).to_numpy(float) for i in (0, 1))
    return Origin(by, float(below), n, np.where(d > 0, d, np.nan), means.to_numpy())


class Tried(NamedTuple):
    """How well the laws forecast.

    Attributes:
        errors: root mean square relative error of each law that could be tried, by its name.
        origins: how many cuts they are over, the same for all.
    """

    errors: dict[str, float]
    origins: int


def tried(found: list[Candidate], cuts: list[Origin]) -> Tried:
    """The errors of laws over the cuts that all of them can be fitted before.

    Those that cannot even be fitted before the last cut are not tried; nor are all where there is no cut.
    """
    if not cuts:
        return Tried({}, 0)
    errors = {}
    for law in found:
        some = np.array([(law.n if cut.by == "params" else law.flops) < cut.below * (1 - 1e-9) for cut in cuts])
        thetas = law.fits(some)
        misses = [law.log_loss(theta, cut.n, cut.d) - cut.log_loss for theta, cut in zip(thetas, cuts, strict=True)]
        mean_squares = np.array([np.mean(np.minimum(np.abs(miss), 10.0) ** 2) for miss in misses])
        if np.isfinite(mean_squares[-1]):
            errors[law.name] = mean_squares
    if not errors:
        return Tried({}, 0)
    common = np.all([np.isfinite(values) for values in errors.values()], axis=0)
    means = {name: float(np.sqrt(values[common].mean())) for name, values in errors.items()}
    return Tried(means, int(common.sum()))


def weights(errors: dict[str, float]) -> dict[str, float]:
    """Weights of laws in their average, inversely as their mean square errors (Bates and Granger 1969); they sum to 1.

    An error below `BEST` counts as that.
    """
    inverse = {name: max(error, BEST) ** -2 for name, error in errors.items()}
    total = sum(inverse.values())
    return {name: value / total for name, value in inverse.items()}
