"""Which stretch of a tune is in the training text, and which training tune is nearest: the search in an index."""

import numpy as np
from numba import njit

from workflow.scripts.base import measures
from workflow.scripts.writing.training_index import GRAM, CopyIndex, View, gram_keys, group

THRESHOLD = 0.85  # of similarity, from which on a tune is a copy
TAIL = 16  # bytes at the end of a window, which are looked up before the whole
LONG = 4096  # bytes of music from which stretches that recur in it are found first: a fixed 4 ms
# Training tunes compared, beside those that may reach the threshold. For 93% of music21's test tunes they hold the
# nearest of all, for the others one that is 0.01 less similar: enough for a tune that is no copy anyway.
CANDIDATES = 500
MAX_CELLS = 500_000_000  # of the tables that these comparisons fill, 64 of which take a step


@njit(cache=True)
def match(text, suffixes, sample, at, stop):
    """(length, place in text) of the longest beginning of sample[at:stop] that the text has.

    Binary search in a suffix array; what both ends of the range share is not compared again (Manber and Myers 1993).
    """
    low, high = -1, len(suffixes)
    low_shares = high_shares = longest = place = 0
    while high - low > 1:
        middle = (low + high) // 2
        start = suffixes[middle]
        k = min(low_shares, high_shares)
        while at + k < stop and start + k < len(text) and text[start + k] == sample[at + k]:
            k += 1
        if k > longest:
            longest, place = k, start
        if at + k == stop:
            break
        if start + k < len(text) and text[start + k] > sample[at + k]:
            high, high_shares = middle, k
        else:
            low, low_shares = middle, k
    return longest, place


@njit(cache=True)
def longest_match(text, suffixes, sample, recurs):
    """(length, start in sample, place in text) of the longest common substring; of equals the first in the sample.

    Args:
        recurs: (len(sample),) length of the longest stretch from here on that began earlier too, or 0.
    """
    longest = at = place = i = 0
    while i + longest < len(sample):
        if recurs[i] > longest:  # a longer match here was one there
            i += 1
            continue
        # A longer match covers the window [i, end). If the end of the window is nowhere in the text, no window
        # that covers it is. This keeps the time from growing with the square of the length of a match.
        end = i + longest + 1
        tail = max(i, end - TAIL)
        if tail > i and match(text, suffixes, sample, tail, end)[0] < end - tail:
            i = tail + 1
            continue
        length, found = match(text, suffixes, sample, i, len(sample))
        if length > longest:
            longest, at, place = length, i, found
        i += 1
    return longest, at, place


@njit(cache=True)
def shared_grams(bounds, grams, first, tunes, counts, query, query_counts, size):
    """Of n tunes and a query of ``size`` bytes: (n,) grams shared over longer length; (n,) may it be a copy?

    Among tunes that share equally much, the share is larger by less than one gram for those of like length.

    The longer of two texts, of M bytes, has M - q + 1 q-grams, and an edit changes at most q of them. If they share
    s, they are (M - q + 1 - s) / q edits apart at least (Jokinen and Ukkonen 1991).
    """
    n = len(bounds) - 1
    shared, share, possible = np.zeros(n, dtype=np.int64), np.empty(n), np.empty(n, dtype=np.bool_)
    for gram, count in zip(query, query_counts):  # noqa: B905 - numba knows no strict
        at = np.searchsorted(grams, gram)
        if at < len(grams) and grams[at] == gram:
            for k in range(first[at], first[at + 1]):
                shared[tunes[k]] += min(counts[k], count)
    for t in range(n):
        own = bounds[t + 1] - bounds[t]
        longer = max(own, size)
        edits = max(np.ceil((longer - GRAM + 1 - shared[t]) / GRAM), abs(own - size))
        share[t] = (shared[t] + min(own, size) / longer) / longer
        possible[t] = 1 - edits / longer >= THRESHOLD
    return share, possible


def candidates(share: np.ndarray, possible: np.ndarray) -> np.ndarray:
    """Tunes to compare, the most promising first: all possible copies, and the `CANDIDATES` that share most."""
    least = np.partition(share, -CANDIDATES)[-CANDIDATES] if len(share) > CANDIDATES else 0
    chosen = np.flatnonzero(possible | (share >= least))
    chosen = chosen[np.argsort(-share[chosen], kind="stable")]
    return chosen[possible[chosen] | (np.arange(len(chosen)) < CANDIDATES)]


def nearest(view: View, query: np.ndarray) -> tuple[float, int]:
    """(similarity, tune) of the training tune nearest to a query (bytes of this view, not empty)."""
    from rapidfuzz.distance import Levenshtein
    from rapidfuzz.process import extractOne

    keys = np.sort(gram_keys(query, np.array([0, len(query)])))
    grams, _, _, counts = group(keys)
    share, possible = shared_grams(*view[1:], grams, counts, len(query))
    chosen = candidates(share, possible)
    cells = np.cumsum((view.bounds[chosen + 1] - view.bounds[chosen]) * len(query))
    chosen = chosen[possible[chosen] | (cells <= MAX_CELLS) | (chosen == chosen[0])]
    texts = [view.values[view.bounds[i] : view.bounds[i + 1]].tobytes() for i in chosen.tolist()]
    _, similarity, which = extractOne(query.tobytes(), texts, scorer=Levenshtein.normalized_similarity)
    return similarity, int(chosen[which])


def longest_common(index: CopyIndex, music: bytes) -> dict:
    """What copying.json says of the longest stretch of ``music`` (UTF-8, not empty) that the training text has, too.

    It is the longest in bytes, cut to whole characters.
    """
    from pydivsufsort import longest_previous_factor

    # A buffer of its own: the library wants one that can be written to.
    sample = np.frombuffer(bytearray(music), dtype=np.uint8)
    recurs = longest_previous_factor(sample) if len(sample) > LONG else np.zeros(len(sample), dtype=np.int32)
    length, at, place = longest_match(index.text, index.suffixes, sample, recurs)
    end = at + length
    while at < end and music[at] & 0xC0 == 0x80:  # within a character
        at += 1
    chars = len(music[at:end].decode(errors="ignore"))
    return {
        measures.LCS_CHARS: chars,
        measures.LCS_SHARE: round(chars / len(music.decode()), 4),
        "lcs_at": len(music[:at].decode()),
        "lcs_tune": index.tune(int(np.searchsorted(index.bodies, place, side="right")) - 1) if chars else None,
    }
