"""What training reads, and when: the order of tunes, and the batches cut from it."""

import numpy as np
import torch
from torch import Tensor

from workflow.scripts.corpus import Split


def training_order(split: Split, n_tokens: int, seed: int) -> np.ndarray:
    """The (n_tokens,) ids that a run reads: epoch after epoch, each over all tunes in a new random order.

    Every token comes once before any comes twice, and the order depends on nothing but the seed.
    """
    rng = np.random.default_rng(seed)
    pieces, left = [], n_tokens
    while left > 0:
        for i in rng.permutation(split.n_tunes):
            piece = split.tune(i)[:left]
            pieces.append(piece)
            left -= len(piece)
            if left <= 0:
                break
    return np.concatenate(pieces)


def lay_out(order: np.ndarray, lanes: int, epoch: int) -> np.ndarray:
    """The order rearranged so that lane after lane stands in one piece.

    Each epoch of ``epoch`` tokens is cut into its own part of every lane, so that no lane is in the
    second epoch while another is in the first. (But for fewer than ``lanes`` tokens, which open the next.)
    The last token of the order is a target alone and stays the last.
    """
    block = max(epoch // lanes, 1) * lanes
    inputs, last = order[:-1], order[-1:]
    parts = [inputs[at : at + block].reshape(lanes, -1) for at in range(0, len(inputs), block)]
    return np.concatenate([np.concatenate(parts, axis=1).reshape(-1), last])


class Batches:
    """Cuts each step's batch out of the training order, held on the device in the tokenizer's small type.

    The order is laid out as ``lanes`` streams; step s reads window s of every stream, so a recurrent
    model's state carries over from step to step, and every token of the order is read exactly once.
    """

    def __init__(self, order: np.ndarray, lanes: int, block_size: int, epoch: int, device: torch.device):
        # Seen as signed numbers of the same size: torch lacks operations on unsigned ones but uint8.
        laid_out = lay_out(order, lanes, epoch)
        self.order = torch.from_numpy(laid_out.view(f"i{laid_out.itemsize}")).to(device)
        self.mask = (1 << 8 * laid_out.itemsize) - 1
        per_lane = (len(order) - 1) // lanes
        self.starts = torch.arange(lanes, device=device) * per_lane
        self.window = torch.arange(block_size + 1, device=device)
        self.block_size = block_size

    def get(self, step: int, lanes: slice) -> tuple[Tensor, Tensor]:
        """Inputs and next-token targets, each (lanes, block_size) int64."""
        at = self.starts[lanes, None] + step * self.block_size + self.window
        tokens = self.order[at].long() & self.mask
        return tokens[:, :-1], tokens[:, 1:]


def sample_tunes(split: Split, n_tokens: int) -> list[np.ndarray]:
    """The same random tunes for every run, about ``n_tokens`` in all, to watch the loss by."""
    order = np.random.default_rng(0).permutation(split.n_tunes)
    sizes = np.cumsum(np.diff(split.starts)[order])
    return [split.tune(i) for i in order[: np.searchsorted(sizes, n_tokens) + 1]]
