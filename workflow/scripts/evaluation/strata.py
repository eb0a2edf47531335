"""Tunes -> strata, kinds of tunes whose losses are reported apart: by source, compressibility, voices and length.

Also the stretches of a tune, by position from its start, whose losses are reported apart.
"""

import zlib
from collections import Counter

import numpy as np

from workflow.scripts.corpus.dataset import Corpus
from workflow.scripts.grammar.fields import VOICE

MAX_SOURCES = 12  # reported apart; all others are one stratum


def tune_properties(corpus: Corpus, split: str, texts: list[str]) -> dict[str, np.ndarray]:
    """What the strata depend on, of each tune of a split.

    Args:
        texts: of the tunes, in the order of the split.

    Returns:
        ``bytes`` of UTF-8, the end of a tune counted as one; ``source``, empty where the corpus does not say;
        ``voices``; ``deflate``, the bits a byte of the tune compressed by itself (DEFLATE, RFC 1951), which are fewer
        the more the tune repeats; each (n_tunes,).

    Raises:
        InputError: the corpus lists other tunes than it holds.
    """
    listed = corpus.listed(split) or [{"source": ""}] * len(texts)
    encoded = [text.encode() for text in texts]
    return {
        "bytes": np.array([len(text) + 1 for text in encoded]),
        "source": np.array([row["source"] for row in listed]),
        "voices": np.array([len(set(VOICE.findall(text))) or 1 for text in texts]),
        "deflate": np.array([8 * len(zlib.compress(text, 9, -15)) / max(len(text), 1) for text in encoded]).round(4),
    }


def stratify(found: dict[str, np.ndarray], chars: np.ndarray) -> dict[str, dict[str, np.ndarray]]:
    """Strata: property -> name of a stratum -> (n_tunes,) bool; by each property a tune is in one stratum.

    Args:
        found: from `tune_properties`.
        chars: (n_tunes,) of each tune, its end counted as one.
    """
    return {
        "source": largest_sources(found["source"], chars),
        "compressibility": terciles(found["deflate"], "bits a byte"),
        "voices": {
            "1": found["voices"] == 1,
            "2": found["voices"] == 2,
            "3 or 4": (found["voices"] == 3) | (found["voices"] == 4),
            "5 or more": found["voices"] >= 5,
        },
        "length": terciles(chars, "characters"),
    }


def largest_sources(source: np.ndarray, chars: np.ndarray) -> dict[str, np.ndarray]:
    """The sources with most text by name, and all others as one."""
    sizes: Counter[str] = Counter()
    for name, size in zip(source.tolist(), chars.tolist(), strict=True):
        sizes[name] += size
    names = [name for name, _ in sizes.most_common()]
    kept = names if len(names) <= MAX_SOURCES else names[: MAX_SOURCES - 1]
    strata = {name: source == name for name in kept}
    if len(kept) < len(names):
        strata[f"{len(names) - len(kept)} others"] = ~np.isin(source, kept)
    return strata


def terciles(values: np.ndarray, unit: str) -> dict[str, np.ndarray]:
    """Low, middle and high values: three strata of as many tunes, or as nearly so as equal values allow."""
    low, high = np.quantile(values, (1 / 3, 2 / 3), method="higher").tolist()
    return {
        f"under {low:.4g} {unit}": values < low,
        f"{low:.4g} to {high:.4g} {unit}": (values >= low) & (values < high),
        f"{high:.4g} {unit} or more": values >= high,
    }


def position_edges(longest: int) -> np.ndarray:
    """Edges of the stretches of a tune, in tokens from its start: 0, 1, 2, 3, 4, 6, 8, 11, ... to ``longest`` at least.

    Each stretch is half an octave, since a loss falls with the logarithm of what came before.
    """
    octaves = np.arange(0, 2 * np.log2(max(longest, 2)) + 2) / 2
    edges = np.concatenate(([0], np.unique(np.round(2**octaves).astype(int))))
    return edges[: np.searchsorted(edges, longest) + 1]
