"""Number the levels that amounts belong to: budgets that are nearly equal are one, and so are sizes."""

from collections.abc import Sequence

import numpy as np

SAME_FLOPS = 0.10  # FLOP that differ by no more, in logs, are one budget: sizes and steps are whole numbers
SAME_TOKENS = 0.01  # budgets of tokens that differ by less, in logs, are one
SAME_SIZE = 0.01  # sizes that differ by less, in logs, are one, as far as `joined_sizes` tells
SAME_NUMBER = 0.001  # and so are those that differ by less, at whatever budgets
APART = 3.0  # times the width of sizes that are joined: how far the next size is at least


def levels(values: np.ndarray, within: float) -> np.ndarray:
    """(n,) number of the level that each of ``values`` (n,) is of, ascending, such as the budget that a run is of.

    No level spans more than ``within`` in logs.
    """
    logs = np.log(values)
    found, level, start = np.empty(len(values), int), -1, -np.inf
    for place in np.argsort(logs, kind="stable"):
        if logs[place] - start > within:
            level, start = level + 1, logs[place]
        found[place] = level
    return found


def joined_sizes(params: np.ndarray, names: Sequence[str], budgets: np.ndarray) -> np.ndarray:
    """(n,) N of each run, where sizes within `SAME_SIZE` of each other are their geometric mean over runs.

    Such as three seeds that differ by a bias. Kept apart are

    - sizes of different names;
    - those whose next size is not clearly further than they are wide: in so fine a ladder neighbours are to differ;
    - those that differ by more than `SAME_NUMBER` and share no budget: no runs of one are seeds of another's. So the
      published runs of Chinchilla, of which two pairs are 0.3% and 0.7% apart, give the published digits.

    Args:
        params: (n,) N of each run.
        names: (n,) names of their sizes, '' for one without.
        budgets: (n,) tokens, or else FLOP, of each run; NaN where neither is known.
    """
    for within in (SAME_NUMBER, SAME_SIZE):
        joined = params.astype(float)
        for runs in levels_apart(params, within):
            of_name = np.array([names[run] for run in runs.tolist()])
            if len(named := np.unique(of_name[of_name != ""])) <= 1:
                of_name[:] = named[0] if named.size else ""
            for name in np.unique(of_name):
                same = runs[of_name == name]
                several = np.ptp(params[same]) > 0
                if several and (within == SAME_NUMBER or share_a_budget(params[same], budgets[same])):
                    joined[same] = np.exp(np.log(params[same]).mean())
        params = joined
    return params


def levels_apart(params: np.ndarray, within: float) -> list[np.ndarray]:
    """Places of the runs of each level of several sizes whose next size is `APART` times as far as the level is wide.

    Args:
        within: width of a level, in logs, at most.
    """
    sizes, of_run = np.unique(params, return_inverse=True)
    level = levels(sizes, within)
    first = np.flatnonzero(np.diff(level, prepend=-1))
    last = np.append(first[1:], len(sizes)) - 1
    gaps = np.concatenate([[np.inf], np.log(sizes[first[1:]] / sizes[last[:-1]]), [np.inf]])
    alone = np.minimum(gaps[:-1], gaps[1:]) > APART * np.log(sizes[last] / sizes[first])
    return [np.flatnonzero(level[of_run] == one) for one in np.flatnonzero(alone & (last > first))]


def share_a_budget(params: np.ndarray, budgets: np.ndarray) -> bool:
    """Whether two sizes among runs were trained at one budget, as far as budgets (n,) are known (NaN where not)."""
    if not np.isfinite(budgets).all():
        return True
    pairs = np.unique(np.stack([levels(budgets, SAME_TOKENS), levels(params, SAME_NUMBER)]), axis=1)
    return len(np.unique(pairs[0])) < pairs.shape[1]
