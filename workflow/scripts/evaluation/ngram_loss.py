"""Held-out loss of character n-grams: what models of no understanding reach, to hold every loss against.

By modified Kneser-Ney smoothing (Chen and Goodman 1999, section 3): some of a count goes to what was not seen,
by the probabilities that a context of one character less gives; these are of how many different characters come before.
The probabilities of all characters sum to one after any context, and none is zero. (The maximum likelihood that tunes
are drawn by, in `writing.ngram`, gives infinite loss to what the training text does not hold.)
"""

from collections.abc import Collection, Iterator, Sequence

import numpy as np
import pandas as pd

from workflow.scripts.base.measures import START
from workflow.scripts.base.uncertainty import ratio_means

END = 0  # code point of the end of a tune, which is predicted like a character
COUNTS = 3  # counts from so many on lose the same
TAKEN = np.array([0.0, 0.5, 1.0, 1.5])  # of counts of 0, 1, 2 and more, where these are too few to say


def measure(training: Sequence[str], held_out: Sequence[str], orders: Collection[int]) -> pd.DataFrame:
    """A row for each order: its loss in nats a character, with the interval over tunes, and without their first few.

    Args:
        training, held_out: tunes, none of which holds U+0000.
        orders: at least 1; an n-gram of order n knows n - 1 characters before each.
    """
    lengths = np.array([len(tune) + 1 for tune in held_out])
    starts = np.concatenate(([0], np.cumsum(lengths)))
    later = np.arange(starts[-1]) - np.repeat(starts[:-1], lengths) >= START
    rows = []
    for order, nats in losses(training, held_out, orders):
        (mean,) = ratio_means(np.add.reduceat(nats, starts[:-1])[:, None], lengths[:, None])
        low, high = mean.ci95 or (np.nan, np.nan)
        rows.append({
            "writer": f"ngram{order}", "order": order, "tunes": len(held_out), "chars": int(starts[-1]),
            "training_chars": sum(map(len, training)) + len(training), "loss": mean.value, "loss_se": mean.se,
            "loss_low": low, "loss_high": high, "perplexity": np.exp(mean.value),
            "loss_without_start": nats[later].mean() if later.any() else np.nan,
        })  # fmt: skip
    return pd.DataFrame(rows)


def losses(
    training: Sequence[str], held_out: Sequence[str], orders: Collection[int]
) -> Iterator[tuple[int, np.ndarray]]:
    """Each order, ascending, with the loss in nats of each of the N held-out characters and ends, (N,)."""
    text = "".join(f"{tune}\0" for tune in (*training, *held_out))
    points = np.frombuffer(text.encode("utf-32-le"), dtype=np.uint32)
    codes, begins = pd.factorize(points)[0], np.concatenate(([True], points[:-1] == END))
    n_training = sum(map(len, training)) + len(training)
    size, places = int(codes.max()) + 1, np.arange(len(codes))
    into = places - np.maximum.accumulate(np.where(begins, places, 0))
    likely = np.full(len(codes) - n_training, 1 / size)  # by shorter contexts
    context = np.zeros(len(codes), dtype=np.int64)  # of order - 1 characters; 0 at the start of a tune
    pair, pairs = pd.factorize(context * size + codes)  # of a context and what follows it
    for order in range(1, max(orders) + 1):
        contexts = pairs // size, context[n_training:]
        counts = np.bincount(pair[:n_training], minlength=len(pairs))
        if order in orders:
            yield order, -np.log(smoothed(counts, pair[n_training:], contexts, likely))
        longer = np.concatenate(([0], pair[:-1] + 1))  # the pair that ended before
        longer[begins] = 0
        next_pair, next_pairs = pd.factorize(longer * size + codes)
        # In how many contexts of one character more a pair was seen; what begins a tune has none but itself.
        one = np.zeros(len(next_pairs), dtype=np.int64)
        one[next_pair[:n_training]] = places[:n_training] + 1
        kinds = np.bincount(pair[one[one > 0] - 1], minlength=len(pairs))
        at_start = pair[into < order - 1]
        kinds[at_start] = counts[at_start]
        likely = smoothed(kinds, pair[n_training:], contexts, likely)
        context, pair, pairs = longer, next_pair, next_pairs


def smoothed(
    counts: np.ndarray, pair: np.ndarray, contexts: tuple[np.ndarray, np.ndarray], likely: np.ndarray
) -> np.ndarray:
    """(N,) probabilities of characters by ``counts`` of pairs, less what is taken of these, and by shorter contexts.

    Args:
        counts: (k,) of each pair.
        pair: (N,) of each character.
        contexts: (k,) the context of each pair, and (N,) of each character.
        likely: (N,) by shorter contexts.
    """
    of_pair, here = contexts
    taken = discounts(counts)[np.minimum(counts, COUNTS)]
    size = max(int(of_pair.max()), int(here.max())) + 1
    all_of, free = (np.bincount(of_pair, weights, minlength=size)[here] for weights in (counts, taken))
    known = all_of > 0
    found = likely.copy()
    found[known] = ((counts - taken)[pair] + free * likely)[known] / all_of[known]
    return found


def discounts(counts: np.ndarray) -> np.ndarray:
    """What counts of 0, 1, 2 and more lose, by how many there are of each (Chen and Goodman 1999)."""
    n = np.array([np.count_nonzero(counts == count) for count in range(1, COUNTS + 2)], dtype=float)
    if (n == 0).any():
        return TAKEN
    at = np.arange(1, COUNTS + 1)
    taken = at - (at + 1) * n[0] / (n[0] + 2 * n[1]) * n[1:] / n[:-1]
    return np.concatenate(([0.0], np.where((taken > 0) & (taken < at), taken, TAKEN[1:])))
