"""How sure means over tunes and shares of tunes are.

Errors of means come from drawing the tunes again with replacement, the bootstrap (Efron 1979). A tune is the unit, as
characters of one tune are far from independent. The draws are the same for whatever is measured on as many tunes, so
what is computed of two models in one draw is paired. Intervals of shares are Wilson's (1927).
"""

import functools
import math
from collections.abc import Iterable, Iterator
from typing import NamedTuple

import numpy as np

RESAMPLES = 2000
BLOCK = 100  # draws held in memory at a time
MAX_KEPT = 4000  # tunes whose draws are held in memory: 64 MB
FEWEST = 10  # tunes that a part of them must have to be given an error


class Mean(NamedTuple):
    """A mean; its standard error and 95% percentile interval are None of one tune, or of a small part of them."""

    value: float
    se: float | None
    ci95: tuple[float, float] | None


def draws(n: int) -> Iterable[np.ndarray]:
    """How often each of n tunes is in each draw: (BLOCK, n) at a time."""
    return kept_draws(n) if n <= MAX_KEPT else fresh_draws(n)


def fresh_draws(n: int) -> Iterator[np.ndarray]:
    rng = np.random.default_rng(0)
    for _ in range(0, RESAMPLES, BLOCK):
        yield rng.multinomial(n, np.full(n, 1 / n), size=BLOCK).astype(np.float64)


@functools.lru_cache(maxsize=1)
def kept_draws(n: int) -> list[np.ndarray]:
    """The draws of the last number of tunes that was asked for, as a study measures many things on the same tunes."""
    return list(fresh_draws(n))


def ratio_means(sums: np.ndarray, counts: np.ndarray) -> list[Mean]:
    """Means of k things, each the sum over tunes of one column over that of another.

    Args:
        sums: (n_tunes, k), such as nats.
        counts: (n_tunes, k) or (n_tunes, 1): of what each is the mean, such as characters; 0 where a tune has none.
    """
    counts = np.broadcast_to(counts, sums.shape)
    with np.errstate(invalid="ignore", divide="ignore"):  # a draw may miss the few tunes of a thing; see FEWEST
        values = sums.sum(axis=0) / counts.sum(axis=0)
        means = np.concatenate([(weights @ sums) / (weights @ counts) for weights in draws(len(sums))])
    enough = np.count_nonzero(counts, axis=0) >= min(FEWEST, max(len(sums), 2))
    found = []
    for value, drawn, sure in zip(values.tolist(), means.T, enough, strict=True):
        if not sure:
            found.append(Mean(value, None, None))
            continue
        drawn = drawn[np.isfinite(drawn)]  # at 10 tunes one draw in 22,000 misses all
        low, high = np.quantile(drawn, (0.025, 0.975)).tolist()
        found.append(Mean(value, float(drawn.std(ddof=1)), (low, high)))
    return found


def wilson(successes: int, n: int, z: float = 1.959964) -> tuple[float, float]:
    """Interval of a rate (Wilson 1927), sensible at 0 and 1, where the normal one is not; of 95% unless ``z`` differs.

    Args:
        n: at least 1.
    """
    p, z2 = successes / n, z * z
    centre, half = p + z2 / (2 * n), z * math.sqrt(p * (1 - p) / n + z2 / (4 * n * n))
    return max(0.0, (centre - half) / (1 + z2 / n)), min(1.0, (centre + half) / (1 + z2 / n))


def rate_of(count: int, n: int) -> dict:
    """What a result file says of a rate: itself, its 95% interval, and the counts behind it."""
    return {"rate": count / n, "ci95": wilson(count, n), "count": count, "n": n}
