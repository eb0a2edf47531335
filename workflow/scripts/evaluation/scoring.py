"""The loss of a model on tunes: each by itself, each token once, each with a known amount of context."""

from collections.abc import Sequence

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor, nn

from workflow.scripts.machine.device import autocast


def windows(n_targets: int, block_size: int) -> list[tuple[int, int, int]]:
    """(start, stop, first scored) of the windows over a tune's targets.

    The first window scores all its targets; each later one starts half a window on and scores only
    its second half, so that every target past the first window has at least block_size/2 tokens
    before it, and none is scored twice.
    """
    stride = max(block_size // 2, 1)
    plan = [(0, min(n_targets, block_size), 0)]
    while plan[-1][1] < n_targets:
        stop = min(plan[-1][1] + stride, n_targets)
        plan.append((stop - block_size, stop, plan[-1][1]))
    return plan


def score_tunes(
    model: nn.Module, tunes: Sequence[np.ndarray], device: torch.device, precision: str = "float32", batch: int = 16
) -> np.ndarray:
    """Summed negative log-likelihood of each tune: (n_tunes,) float64, nats. Arguments are those of `score_tokens`."""
    nats = score_tokens(model, tunes, device, precision, batch)
    return np.add.reduceat(nats.astype(np.float64), first_targets(tunes)[:-1])


def first_targets(tunes: Sequence[np.ndarray]) -> np.ndarray:
    """(n_tunes + 1,) where each tune's targets start when those of all stand in one row; then how many they are."""
    return np.concatenate(([0], np.cumsum([len(tune) - 1 for tune in tunes])))


@torch.inference_mode()
def score_tokens(
    model: nn.Module, tunes: Sequence[np.ndarray], device: torch.device, precision: str = "float32", batch: int = 16
) -> np.ndarray:
    """Negative log-likelihood of every token but the first of each tune, one tune after the other.

    Args:
        model: any of ``models``; a recurrent one reads each tune from its start in one go,
            a Transformer in overlapping windows (see `windows`).
        tunes: ids of each tune, begin and end tokens included; everything after begin is scored.
        batch: windows, or tunes, in one forward pass.

    Returns:
        (n_targets,) float32, nats.
    """
    model.eval()
    nats = np.empty(first_targets(tunes)[-1], dtype=np.float32)
    score = score_recurrent if model.carries_state else score_windows
    with autocast(device, precision):
        score(model, tunes, device, batch, nats)
    return nats


def score_windows(
    model: nn.Module, tunes: Sequence[np.ndarray], device: torch.device, batch: int, nats: np.ndarray
) -> None:
    begins = first_targets(tunes)
    jobs = [(i, *window) for i, tune in enumerate(tunes) for window in windows(len(tune) - 1, model.config.block_size)]
    # Alike in what is not scored and in length, so that a batch computes and pads little in vain.
    jobs.sort(key=lambda job: (job[1] - job[3], job[1] - job[2]))
    for at in range(0, len(jobs), batch):
        part = jobs[at : at + batch]
        x = pad([tunes[i][start:stop] for i, start, stop, _ in part], device)
        unscored = min(first - start for _, start, _, first in part)
        logits, _ = model(x, first=unscored)
        scored = [np.arange(first - start - unscored, stop - start - unscored) for _, start, stop, first in part]
        targets = [tunes[i][first + 1 : stop + 1] for i, _, stop, first in part]
        places = [np.arange(begins[i] + first, begins[i] + stop) for i, _, stop, first in part]
        nats[np.concatenate(places)] = losses(logits, scored, targets)


def score_recurrent(
    model: nn.Module, tunes: Sequence[np.ndarray], device: torch.device, batch: int, nats: np.ndarray
) -> None:
    begins = first_targets(tunes)
    order = sorted(range(len(tunes)), key=lambda i: -len(tunes[i]))
    T = model.config.block_size
    for at in range(0, len(order), batch):
        part = order[at : at + batch]
        state = model.empty_state(len(part))
        for start in range(0, len(tunes[part[0]]) - 1, T):  # in pieces, to bound the memory that logits take
            x = pad([tunes[i][:-1][start : start + T] for i in part], device)
            logits, state = model(x, state)
            targets = [tunes[i][1:][start : start + T] for i in part]
            places = [begins[i] + start + np.arange(len(ids)) for i, ids in zip(part, targets, strict=True)]
            nats[np.concatenate(places)] = losses(logits, [np.arange(len(ids)) for ids in targets], targets)


def pad(sequences: list[np.ndarray], device: torch.device) -> Tensor:
    """Ids (B, longest); what is past a sequence's end means nothing."""
    x = np.zeros((len(sequences), max(map(len, sequences))), dtype=np.int64)
    for row, ids in enumerate(sequences):
        x[row, : len(ids)] = ids
    return torch.from_numpy(x).to(device)


def losses(logits: Tensor, scored: list[np.ndarray], targets: list[np.ndarray]) -> np.ndarray:
    """Cross-entropy in nats at some positions of each row, row after row.

    Args:
        logits: (B, T, V).
        scored: positions of each row.
        targets: ids of each row, as many as its positions.
    """
    _, T, V = logits.shape
    chosen = torch.from_numpy(np.concatenate([row * T + places for row, places in enumerate(scored)]))
    wanted = torch.from_numpy(np.concatenate(targets).astype(np.int64))
    rows = logits.reshape(-1, V)[chosen.to(logits.device)].float()
    return F.cross_entropy(rows, wanted.to(logits.device), reduction="none").cpu().numpy()
