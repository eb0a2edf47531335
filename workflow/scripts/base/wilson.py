"""A rate and its confidence interval."""

import math


def wilson(successes: int, n: int, z: float = 1.959964) -> tuple[float, float]:
    """95% interval of a rate (Wilson 1927); sensible at 0 and 1, where the normal one is not."""
    p, z2 = successes / n, z * z
    centre, half = p + z2 / (2 * n), z * math.sqrt(p * (1 - p) / n + z2 / (4 * n * n))
    return max(0.0, (centre - half) / (1 + z2 / n)), min(1.0, (centre + half) / (1 + z2 / n))


def rate_of(count: int, n: int) -> dict:
    """What a result file says of a rate: itself, its 95% interval, and the counts behind it."""
    return {"rate": count / n, "ci95": wilson(count, n), "count": count, "n": n}
