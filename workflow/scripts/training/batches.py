"""What training reads, and when: the order of tunes, and the batches cut from it.

The stream of a seed is all tunes in a random order, then all in another, without end. It is dealt out to
``lanes``: each epoch is cut into as many parts, and part i goes to lane i, so that no lane is in the
second epoch while another is in the first. (But for fewer than ``lanes`` tokens, which open the next.)
Step s reads window s of every lane. So what a step reads depends on the seed, the lanes and the window
alone, never on how long the run is: a short run reads exactly the first steps of a long one.
"""

import numpy as np
import torch
from torch import Tensor

from workflow.scripts.corpus.dataset import Split


class TokenStream:
    """The endless stream of tokens of one seed, readable from anywhere."""

    def __init__(self, split: Split, seed: int):
        self.split = split
        self.seed = seed
        self.epoch = -1

    def open_epoch(self, epoch: int) -> None:
        """Draw the order of the tunes in an epoch, unless it is the one at hand."""
        if epoch != self.epoch:
            self.epoch = epoch
            self.order = np.random.default_rng((self.seed, epoch)).permutation(self.split.n_tunes)
            self.ends = np.cumsum(np.diff(self.split.starts)[self.order])

    def read(self, start: int, n: int) -> list[np.ndarray]:
        """Pieces that make up the ``n`` tokens from position ``start``."""
        pieces, size = [], len(self.split.tokens)
        while n > 0:
            epoch, at = divmod(start, size)
            self.open_epoch(epoch)
            place = int(np.searchsorted(self.ends, at, side="right"))
            while n > 0 and place < len(self.order):
                tune = self.split.tune(self.order[place])
                piece = tune[len(tune) - (self.ends[place] - at) :][:n]
                pieces.append(piece)
                at, start, n, place = at + len(piece), start + len(piece), n - len(piece), place + 1
        return pieces


def deal(split: Split, seed: int, n_lanes: int, lanes: range, start: int, stop: int) -> np.ndarray:
    """Tokens ``start`` to ``stop`` of each of the ``lanes``: (len(lanes), stop - start) in the split's type."""
    stream = TokenStream(split, seed)
    part = max(len(split.tokens) // n_lanes, 1)  # what a lane gets of an epoch
    pieces: dict[int, list[np.ndarray]] = {lane: [] for lane in lanes}
    for block in range(start // part, -(-stop // part)):  # epoch after epoch, for each is laid out but once
        first, last = max(start, block * part), min(stop, (block + 1) * part)
        for lane in lanes:
            pieces[lane] += stream.read((block * n_lanes + lane) * part + first - block * part, last - first)
    return np.stack([np.concatenate(pieces[lane]) for lane in lanes])


class Batches:
    """Cuts each step's batch out of the lanes, held on the device in the tokenizer's small type.

    A recurrent model's state carries over from step to step, since each lane goes on where it was.
    Only steps ``first`` to ``last`` are held, and only the ``lanes`` of this process.
    """

    def __init__(
        self,
        split: Split,
        seed: int,
        n_lanes: int,
        block_size: int,
        device: torch.device,
        first: int,
        last: int,
        lanes: range | None = None,
    ):
        self.lanes = range(n_lanes) if lanes is None else lanes
        # One token more than is read as input: the last target.
        tokens = deal(split, seed, n_lanes, self.lanes, first * block_size, last * block_size + 1)
        # Seen as signed numbers of the same size: torch lacks operations on unsigned ones but uint8.
        self.tokens = torch.from_numpy(tokens.view(f"i{tokens.itemsize}")).to(device)
        self.mask = (1 << 8 * tokens.itemsize) - 1
        self.block_size = block_size
        self.first = first

    def get(self, step: int, lanes: slice) -> tuple[Tensor, Tensor]:
        """Inputs and next-token targets of some of the lanes held, each (lanes, block_size) int64."""
        at = (step - self.first) * self.block_size
        tokens = self.tokens[lanes, at : at + self.block_size + 1].long() & self.mask
        return tokens[:, :-1], tokens[:, 1:]


def sample_tunes(split: Split, n_tokens: int) -> list[np.ndarray]:
    """The same random tunes for every run, about ``n_tokens`` in all, to watch the loss by."""
    order = np.random.default_rng(0).permutation(split.n_tunes)
    sizes = np.cumsum(np.diff(split.starts)[order])
    return [split.tune(i) for i in order[: np.searchsorted(sizes, n_tokens) + 1]]
