"""Number the budgets that a table's amounts belong to: amounts that are nearly equal are one."""

import numpy as np

SAME_TOKENS = 0.01  # budgets of tokens that differ by less, in logs, are one


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
