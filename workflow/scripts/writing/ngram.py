"""A character n-gram model by maximum likelihood: Shannon's book (Shannon 1948, section 3) that opens itself.

It needs the tunes of a training text and draws new ones. A model of order n gives each character the frequency with
which it follows the n - 1 characters before it in the training text (Jurafsky and Martin 2026, chapter 3). To draw from
that is to go to a random place in the text that has those n - 1 characters and to copy the next one. A tune begins as
tunes begin: before its first character comes a mark that all tunes share. So no context is ever drawn that the text
does not hold, and there is nothing to smooth or to back off from.
"""

from collections.abc import Sequence

import numpy as np
import pandas as pd

from workflow.scripts.corpus.dataset import Corpus

END = 0  # code of the end of a tune, which is predicted like a character


def contexts(codes: np.ndarray, into: np.ndarray, length: int) -> np.ndarray:
    """(N,) a number for what comes before each place: the same for the same ``length`` characters, or fewer from the
    start of a tune on; 0 at its start.

    Contexts of twice the length are pairs of those of half, so there are few passes over the text (Karp, Miller and
    Rosenberg 1972).

    Args:
        codes: (N,) of the characters.
        into: (N,) how many characters of its tune come before each place.
    """
    before = np.zeros(len(codes), dtype=np.int64)
    if length == 0:
        return before
    before[1:] = pd.factorize(codes)[0][:-1] + 1
    before[into == 0] = 0
    known, done = {1: before}, 1
    while 2 * done <= length:
        known[2 * done] = joined(known[done], known[done], done, into)
        done *= 2
    found = known[done]
    for more in sorted(known, reverse=True):  # the rest of the length, in powers of two
        if (length - done) & more:
            found = joined(found, known[more], done, into)
            done += more
    return found


def joined(near: np.ndarray, far: np.ndarray, length: int, into: np.ndarray) -> np.ndarray:
    """Contexts made of those of ``length`` characters, ``near``, and of what comes before these, ``far``."""
    shifted = np.zeros_like(far)
    shifted[length:] = far[:-length]
    shifted[into < length] = 0
    pairs = near * (far.max() + 1) + shifted
    pairs = np.concatenate(([0], pairs))  # first, so that the start of a tune stays 0
    return pd.factorize(pairs)[0][1:]


class NGram:
    """All places of a training text, sorted by the ``order`` - 1 characters before them.

    Args:
        tunes: the training text, of N characters with an end for each tune; none holds U+0000.
        order: characters that are counted together, at least 1. Memory is about 80 bytes a character.
    """

    def __init__(self, tunes: Sequence[str], order: int):
        text = "".join(f"{tune}\0" for tune in tunes)
        self.codes = np.frombuffer(text.encode("utf-32-le"), dtype=np.uint32)
        starts = np.flatnonzero(np.concatenate(([True], self.codes[:-1] == END)))
        into = np.arange(len(self.codes)) - np.repeat(starts, np.diff([*starts, len(self.codes)]))
        self.context = contexts(self.codes, into, order - 1)
        self.places = np.argsort(self.context, kind="stable")
        self.first = np.concatenate(([0], np.cumsum(np.bincount(self.context))))

    def draw(self, rng: np.random.Generator, longest: int) -> tuple[str, bool]:
        """A tune of at most ``longest`` characters, its end counted as one; and whether it has come to its end."""
        context = 0
        codes: list[int] = []
        for draw in rng.random(longest):
            first, stop = self.first[context], self.first[context + 1]
            place = self.places[first + int(draw * (stop - first))]
            if self.codes[place] == END:
                return "".join(map(chr, codes)), True
            codes.append(self.codes[place])
            context = self.context[place + 1]
        return "".join(map(chr, codes)), False


def training_text(corpus: Corpus, max_chars: int) -> list[str]:
    """The training tunes, or as many evenly spread ones as make up about ``max_chars`` characters; at least one."""
    split = corpus.split("train")
    share = min(max_chars / corpus.info["splits"]["train"]["chars"], 1)
    number = max(int(split.n_tunes * share), 1)
    return [corpus.tokenizer.decode(split.tune(i * split.n_tunes // number)) for i in range(number)]


def chars_of(corpus: Corpus, tokens: int) -> int:
    """How many characters as many tokens that a model writes make on average, by the training split.

    The end of a tune is one of each; its beginning is no token that a model writes.
    """
    size = corpus.info["splits"]["train"]
    return round(tokens * (size["chars"] + size["tunes"]) / (size["tokens"] - size["tunes"]))
