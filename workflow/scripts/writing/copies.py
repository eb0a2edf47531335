"""How much of each tune stands in the training text, and which training tune is nearest: what copying.json says."""

from pathlib import Path

import numpy as np
from numba import njit

from workflow.scripts.base.uncertainty import rate_of
from workflow.scripts.corpus.pieces import whole_text
from workflow.scripts.notation.clean import clean_tunes, drop_table
from workflow.scripts.writing.samples import tune_files
from workflow.scripts.writing.training_index import GRAM, CopyIndex, View, gram_keys, group, music_of, views_of

THRESHOLD = 0.85


MAX_BYTES = 1 << 20  # looked at; a tune is a few kilobytes


TAIL = 16  # bytes at the end of a window, which are looked up before the whole


LONG = 4096  # bytes of music from which stretches that recur in it are found first: a fixed 4 ms


# Training tunes compared, beside those that may reach the threshold. For 93% of music21's test tunes they hold the
# nearest of all, for the others one that is 0.01 less similar: enough for a tune that is no copy anyway.
CANDIDATES = 500


MAX_CELLS = 500_000_000  # of the tables that these comparisons fill, 64 of which take a step


MEASURES = ("lcs_chars", "lcs_share", "similarity", "transposed_similarity", "originality")


KEYS = {"written": ("similarity", "nearest"), "transposed": ("transposed_similarity", "transposed_nearest")}


@njit(cache=True)
def match(text, suffixes, sample, at, stop):
    """(length, place in text) of the longest beginning of sample[at:stop] that stands in text.

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
        # A longer match covers the window [i, end). If the end of the window stands nowhere in the text, no window
        # that covers it does. This keeps the time from growing with the square of the length of a match.
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
    """The stretch of ``music`` (UTF-8, not empty) that is longest in bytes, cut to whole characters."""
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
        "lcs_chars": chars,
        "lcs_share": round(chars / len(music.decode()), 4),
        "lcs_at": len(music[:at].decode()),
        "lcs_tune": tune(index, int(np.searchsorted(index.bodies, place, side="right")) - 1) if chars else None,
    }


def tune(index: CopyIndex, i: int) -> dict:
    return {"number": int(index.numbers[i]), "source": index.source(i)}


def read(path: Path, index: CopyIndex) -> np.ndarray:
    """The first `MAX_BYTES` of a file, clean as the corpus was cleaned, as one tune whatever it holds: uint8, UTF-8."""
    with open(path, "rb") as file:
        data = file.read(MAX_BYTES)
    text = np.frombuffer(bytearray(whole_text(data)), dtype=np.uint8)
    cleaning = index.cleaning
    return clean_tunes(text, np.array([0]), np.array([len(text)]), drop_table(cleaning), cleaning.keep_comments)[0]


def measure(path: Path, index: CopyIndex) -> dict:
    """What copying.json says of a file; null where there is no music to measure."""
    record = {"path": path.name, "lcs_chars": None, "lcs_share": None, "lcs_at": None, "lcs_tune": None}
    text = read(path, index)
    if music := music_of(text.tobytes()):
        record |= longest_common(index, music)
    similarities = []
    for name, stream in views_of(text, np.array([0, len(text)])).items():
        record |= dict.fromkeys(KEYS[name])
        if len(stream.values):
            similarity, i = nearest(index.views[name], stream.values)
            similarities.append(similarity)
            record |= dict(zip(KEYS[name], (round(similarity, 4), tune(index, i)), strict=True))
    return record | {
        "originality": round(1 - max(similarities), 4) if similarities else None,
        "copied": any(similarity >= THRESHOLD for similarity in similarities),
    }


def summarise(files: list[dict]) -> dict:
    """Rate of copies among all files, and how each measure is spread over the files that have it."""
    count = sum(file["copied"] for file in files)
    return {
        "n": len(files),
        "copied": rate_of(count, len(files)),
    } | {name: spread([file[name] for file in files if file[name] is not None]) for name in MEASURES}


def spread(values: list[float]) -> dict | None:
    if not values:
        return None
    low, middle, high = np.quantile(values, (0.1, 0.5, 0.9))
    found = {"min": min(values), "p10": low, "median": middle, "mean": np.mean(values), "p90": high, "max": max(values)}
    return {"n": len(values)} | {name: round(float(value), 4) for name, value in found.items()}


def report_on(folder: str | Path, index_dir: str | Path) -> dict:
    """What copying.json says of the tunes below a folder.

    Raises:
        InputError: there are none, or the index is not whole.
    """
    index = CopyIndex.load(index_dir)
    files = [measure(path, index) for path in tune_files(folder)]
    searched = {
        name: index.info[name]
        for name in ("corpus_sha256", "training_tunes", "training_chars", "searched_tunes", "searched_chars")
    }
    method = {"distance": "levenshtein", "threshold": THRESHOLD, "gram": GRAM, "candidates": CANDIDATES}
    return {"index": searched, "method": method, "summary": summarise(files), "files": files}


def print_report(report: dict) -> None:
    summary = report["summary"]
    copied = summary["copied"]
    low, high = copied["ci95"]
    print(f"copied {copied['count']} of {copied['n']} ({copied['rate']:.1%}, 95% interval {low:.1%} to {high:.1%})")
    if summary["lcs_chars"] and summary["originality"]:
        print(
            f"medians: longest common stretch {summary['lcs_chars']['median']:.0f} characters,"
            f" originality {summary['originality']['median']:.2f}"
        )
