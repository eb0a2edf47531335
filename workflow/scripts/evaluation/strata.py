"""Kinds of tunes that a loss is told of apart: by source, compressibility, voices and length; and places in a tune."""

import zlib
from collections import Counter

import numpy as np

from workflow.scripts.corpus.dataset import Corpus
from workflow.scripts.notation.fields import VOICE

MAX_SOURCES = 12  # told apart; the rest are one


def properties(corpus: Corpus, split: str, texts: list[str]) -> dict[str, np.ndarray]:
    """What the kinds go by, of each tune of a split.

    Returns:
        ``bytes`` of UTF-8, the end of a tune counted as one; ``source``; ``voices``; ``deflate``, the bits a byte that
        zlib makes of the tune by itself, which is less the more the tune repeats; each (n_tunes,).
    """
    listed = corpus.listed(split) or [{"source": ""}] * len(texts)
    encoded = [text.encode() for text in texts]
    return {
        "bytes": np.array([len(text) + 1 for text in encoded]),
        "source": np.array([row["source"] for row in listed]),
        "voices": np.array([len(set(VOICE.findall(text))) or 1 for text in texts]),
        "deflate": np.array([8 * len(zlib.compress(text, 9, -15)) / max(len(text), 1) for text in encoded]).round(4),
    }


def strata(found: dict[str, np.ndarray], chars: np.ndarray) -> dict[str, dict[str, np.ndarray]]:
    """Kinds of tunes: by what -> name -> (n_tunes,) bool; each tune is of one kind by each.

    Args:
        found: from `properties`.
        chars: (n_tunes,) of each tune, its end counted as one.
    """
    return {
        "source": by_source(found["source"], chars),
        "compressibility": thirds(found["deflate"], "bits a byte"),
        "voices": {
            "1": found["voices"] == 1,
            "2": found["voices"] == 2,
            "3 or 4": (found["voices"] == 3) | (found["voices"] == 4),
            "5 or more": found["voices"] >= 5,
        },
        "length": thirds(chars, "characters"),
    }


def by_source(source: np.ndarray, chars: np.ndarray) -> dict[str, np.ndarray]:
    """The sources with most text by name, and all others as one."""
    sizes = Counter()
    for name, size in zip(source.tolist(), chars.tolist(), strict=True):
        sizes[name] += size
    names = [name for name, _ in sizes.most_common()]
    kept = names if len(names) <= MAX_SOURCES else names[: MAX_SOURCES - 1]
    kinds = {name: source == name for name in kept}
    if len(kept) < len(names):
        kinds[f"{len(names) - len(kept)} others"] = ~np.isin(source, kept)
    return kinds


def thirds(values: np.ndarray, unit: str) -> dict[str, np.ndarray]:
    """Three kinds of as many tunes, or as nearly so as equal values allow."""
    low, high = np.quantile(values, (1 / 3, 2 / 3), method="higher").tolist()
    return {
        f"under {low:.4g} {unit}": values < low,
        f"{low:.4g} to {high:.4g} {unit}": (values >= low) & (values < high),
        f"{high:.4g} {unit} or more": values >= high,
    }


def places(longest: int) -> np.ndarray:
    """Edges of stretches of a tune, in tokens from its start: 0, 1, 2, 3, 4, 6, 8, 11, 16, ... to ``longest`` at least.

    Each is longer by half an octave: a loss falls with the logarithm of what came before.
    """
    octaves = np.arange(0, 2 * np.log2(max(longest, 2)) + 2) / 2
    edges = np.concatenate(([0], np.unique(np.round(2**octaves).astype(int))))
    return edges[: np.searchsorted(edges, longest) + 1]
