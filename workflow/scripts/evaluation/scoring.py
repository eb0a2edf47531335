"""A model and tunes -> the loss of every token: each tune by itself, each token once, with a known amount of context.

The loss of a token is its negative log-likelihood given the tokens of its tune before it, in nats.
"""

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor

from workflow.scripts.machine import crew
from workflow.scripts.machine.device import autocast
from workflow.scripts.models.language_model import LanguageModel


class Window(NamedTuple):
    """A stretch of a tune's targets that a Transformer reads at once.

    Attributes:
        start, stop: the targets in it; target i is token i + 1 of the tune, and is predicted from token i.
        first: the first target that is scored here; those before it are context.
    """

    start: int
    stop: int
    first: int


def windows(n_targets: int, block_size: int) -> list[Window]:
    """The windows over a tune's targets.

    The first window scores all its targets; each later one starts half a window on and scores only
    its second half, so that every target past the first window has at least block_size/2 tokens
    before it, and none is scored twice.
    """
    stride = max(block_size // 2, 1)
    plan = [Window(0, min(n_targets, block_size), 0)]
    while plan[-1].stop < n_targets:
        stop = min(plan[-1].stop + stride, n_targets)
        plan.append(Window(stop - block_size, stop, plan[-1].stop))
    return plan


def score_tunes(
    model: LanguageModel, tunes: Sequence[np.ndarray], device: torch.device, precision: str = "float32", batch: int = 16
) -> np.ndarray:
    """Loss of each tune, summed over its tokens: (n_tunes,) float64, nats. Arguments are those of `score_tokens`."""
    nats = score_tokens(model, tunes, device, precision, batch)
    return np.add.reduceat(nats.astype(np.float64), first_targets(tunes)[:-1])


def first_targets(tunes: Sequence[np.ndarray]) -> np.ndarray:
    """(n_tunes + 1,) index of each tune's first target in a row of the targets of all, then the length of that row."""
    return np.concatenate(([0], np.cumsum([len(tune) - 1 for tune in tunes])))


def score_tokens(
    model: LanguageModel, tunes: Sequence[np.ndarray], device: torch.device, precision: str = "float32", batch: int = 16
) -> np.ndarray:
    """Loss of every token but the first of each tune, one tune after the other.

    Args:
        model: of any architecture; a recurrent one reads each tune from its start in one go,
            a Transformer in overlapping windows (see `windows`).
        tunes: ids of each tune, begin and end tokens included; everything after begin is scored.
        batch: windows, or tunes, in one forward pass.

    Returns:
        (n_targets,) float32, nats.
    """
    model.eval()
    begins = first_targets(tunes)
    nats = np.empty(begins[-1], dtype=np.float32)
    jobs: list = tunes_by_length(tunes) if model.carries_state else all_windows(model, tunes)
    score = score_whole if model.carries_state else score_windows

    def work(part: list) -> None:
        with torch.inference_mode(), autocast(device, precision):  # what a thread is in, it alone is in
            score(model, tunes, begins, part, device, nats)

    parts = [jobs[at : at + batch] for at in range(0, len(jobs), batch)]
    for _ in crew.side_by_side(work, parts, crew.size(device)):
        pass
    return nats


def all_windows(model: LanguageModel, tunes: Sequence[np.ndarray]) -> list[tuple[int, Window]]:
    """The windows over all tunes, each with its tune's number.

    Alike in what is not scored and in length, so that a batch computes and pads little in vain.
    """
    jobs = [(i, window) for i, tune in enumerate(tunes) for window in windows(len(tune) - 1, model.config.block_size)]
    return sorted(jobs, key=lambda job: (job[1].start - job[1].first, job[1].start - job[1].stop))


def tunes_by_length(tunes: Sequence[np.ndarray]) -> list[int]:
    """The tunes' numbers, the longest first."""
    return sorted(range(len(tunes)), key=lambda i: -len(tunes[i]))


def score_windows(
    model: LanguageModel,
    tunes: Sequence[np.ndarray],
    begins: np.ndarray,
    part: list[tuple[int, Window]],
    device: torch.device,
    nats: np.ndarray,
) -> None:
    """Fill in ``nats`` (n_targets,) the losses of some windows, by a model that reads them."""
    x = pad([tunes[i][window.start : window.stop] for i, window in part], device)
    unscored = min(window.first - window.start for _, window in part)
    logits, _ = model(x, first=unscored)
    scored = [np.arange(w.first - w.start - unscored, w.stop - w.start - unscored) for _, w in part]
    targets = [tunes[i][window.first + 1 : window.stop + 1] for i, window in part]
    indices = [np.arange(begins[i] + window.first, begins[i] + window.stop) for i, window in part]
    nats[np.concatenate(indices)] = cross_entropy(logits, scored, targets)


def score_whole(
    model: LanguageModel,
    tunes: Sequence[np.ndarray],
    begins: np.ndarray,
    part: list[int],
    device: torch.device,
    nats: np.ndarray,
) -> None:
    """Fill in ``nats`` (n_targets,) the losses of some tunes, the longest first, by a model that reads each whole."""
    T = model.config.block_size
    state = model.empty_state(len(part))
    for start in range(0, len(tunes[part[0]]) - 1, T):  # in pieces, to bound the memory that logits take
        x = pad([tunes[i][:-1][start : start + T] for i in part], device)
        logits, state = model(x, state)
        targets = [tunes[i][1:][start : start + T] for i in part]
        indices = [begins[i] + start + np.arange(len(ids)) for i, ids in zip(part, targets, strict=True)]
        nats[np.concatenate(indices)] = cross_entropy(logits, [np.arange(len(ids)) for ids in targets], targets)


def pad(sequences: list[np.ndarray], device: torch.device) -> Tensor:
    """Ids (B, longest); what is past a sequence's end means nothing."""
    x = np.zeros((len(sequences), max(map(len, sequences))), dtype=np.int64)
    for row, ids in enumerate(sequences):
        x[row, : len(ids)] = ids
    return torch.from_numpy(x).to(device)


def cross_entropy(logits: Tensor, scored: list[np.ndarray], targets: list[np.ndarray]) -> np.ndarray:
    """Loss at some positions of each row, row after row.

    Args:
        logits: (B, T, V).
        scored: positions of each row.
        targets: ids of each row, as many as its positions.

    Returns:
        (positions of all rows,) float32, nats.
    """
    _, T, V = logits.shape
    chosen = torch.from_numpy(np.concatenate([row * T + positions for row, positions in enumerate(scored)]))
    wanted = torch.from_numpy(np.concatenate(targets).astype(np.int64))
    rows = logits.reshape(-1, V)[chosen.to(logits.device)].float()
    return F.cross_entropy(rows, wanted.to(logits.device), reduction="none").cpu().numpy()
