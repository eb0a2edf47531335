"""A character n-gram model by maximum likelihood: Shannon's book (1948, section 3) that opens itself.

A model of order n gives each character the frequency with which it follows the n - 1 characters before it in the
training text (Jurafsky and Martin, chapter 3). To draw from that is to go to a random place in the text where those
n - 1 characters stand and to copy the next one. Tunes are begun as tunes begin: what stands before the first
character is a mark that each tune shares. So no context is ever drawn that the text does not hold, and there is
nothing to smooth or to back off from.
"""

from collections.abc import Sequence

import numpy as np

END = 0  # code of the end of a tune, which is predicted like a character


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
        # What stands before a place is a number: 0 at the start of a tune, else one for each different context,
        # grown by a character at a time out of the context and the character at the place before.
        _, symbols = np.unique(self.codes, return_inverse=True)
        n_symbols = int(symbols.max()) + 1
        context = np.zeros(len(self.codes), dtype=np.int64)
        for _ in range(order - 1):
            _, longer = np.unique(context[:-1] * n_symbols + symbols[:-1], return_inverse=True)
            context[1:] = longer + 1
            context[starts] = 0
        self.context = context
        self.places = np.argsort(context, kind="stable")
        self.first = np.concatenate(([0], np.cumsum(np.bincount(context))))

    def draw(self, rng: np.random.Generator, longest: int) -> tuple[str, bool]:
        """A tune of at most ``longest`` characters, its end counted as one; and whether it has come to its end."""
        context, codes = 0, []
        for draw in rng.random(longest):
            first, stop = self.first[context], self.first[context + 1]
            place = self.places[first + int(draw * (stop - first))]
            if self.codes[place] == END:
                return "".join(map(chr, codes)), True
            codes.append(self.codes[place])
            context = self.context[place + 1]
        return "".join(map(chr, codes)), False
