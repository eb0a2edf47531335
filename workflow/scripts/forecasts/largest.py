"""The largest size at one budget of tokens, predicted from all smaller ones.

Needs the points of one architecture (`laws.line.Points`).
"""

import numpy as np

from workflow.scripts.laws.band import t_quantile
from workflow.scripts.laws.estimate import search
from workflow.scripts.laws.forms import POWER_IRREDUCIBLE, data_of
from workflow.scripts.laws.line import Points, fit_line
from workflow.scripts.laws.problem import Problem


def forecast(points: Points, sizes: list[str]) -> dict | None:
    """The largest size, predicted from all smaller ones, with the 95% prediction interval of the straight line.

    None below four sizes; below five the law with irreducible loss has no forecast.

    Args:
        sizes: names of the points' sizes.
    """
    if len(points.n) < 4:
        return None
    rest, largest = points.first(len(points.n) - 1), points.n[-1]
    line, observed = fit_line(rest), float(points.loss[-1])
    expected, half = line.log_loss(largest), line.prediction_half_width(largest)
    return {
        "size": sizes[-1],
        "params": float(largest),
        "from_sizes": len(rest.n),
        "observed": observed,
        "power": {
            "loss": float(np.exp(expected)),
            "pi95": np.exp([expected - half, expected + half]).tolist(),
            "error": float(np.exp(expected) / observed - 1),
            "t": float((np.log(observed) - expected) / (half / t_quantile(line.dof))) if half > 0 else None,
        },
        "power_irreducible": irreducible_forecast(rest, float(largest), observed) if len(rest.n) >= 4 else None,
    }


def irreducible_forecast(rest: Points, n: float, observed: float) -> dict:
    """The loss at N by the law with irreducible loss of the points ``rest``, and how far ``observed`` is from it.

    Its 95% prediction interval is by the delta method (Bates and Watts 1988, section 2.3).
    """
    data = data_of(rest.n, rest.n, rest.loss)
    best = search(Problem(POWER_IRREDUCIBLE, data)).best
    expected, by = POWER_IRREDUCIBLE.predict(best.theta, data.at(n, n))
    _, slopes = POWER_IRREDUCIBLE.predict(best.theta, data)
    dof = len(rest.n) - 3
    variance = 2 * best.objective / dof * (1 + by[0] @ np.linalg.pinv(slopes.T @ slopes) @ by[0])
    loss, half = float(np.exp(expected[0])), t_quantile(dof) * np.sqrt(variance)
    return {"loss": loss, "pi95": [loss * np.exp(-half), loss * np.exp(half)], "error": loss / observed - 1, "dof": dof}
