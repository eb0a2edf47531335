"""The loss of a model on tunes: each by itself, each token once, each with a known amount of context."""

import math
from collections.abc import Sequence

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor, nn

from workflow.scripts.device import autocast

IGNORE = -100


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


@torch.no_grad()
def score_tunes(
    model: nn.Module, tunes: Sequence[np.ndarray], device: torch.device, precision: str = "float32", batch: int = 32
) -> np.ndarray:
    """Summed negative log-likelihood of each tune.

    Args:
        model: any of ``models``; a recurrent one reads each tune from its start in one go,
            a Transformer in overlapping windows (see `windows`).
        tunes: ids of each tune, begin and end tokens included; everything after begin is scored.

    Returns:
        (n_tunes,) float64, nats.
    """
    model.eval()
    score = score_recurrent if model.carries_state else score_windows
    with autocast(device, precision):
        return score(model, tunes, device, batch)


def score_windows(model: nn.Module, tunes: Sequence[np.ndarray], device: torch.device, batch: int) -> np.ndarray:
    nats = np.zeros(len(tunes))
    jobs = [(i, *window) for i, tune in enumerate(tunes) for window in windows(len(tune) - 1, model.config.block_size)]
    jobs.sort(key=lambda job: job[1] - job[2])  # longest first, so that a batch has little padding
    for at in range(0, len(jobs), batch):
        part = jobs[at : at + batch]
        x, y = pad([tunes[i][start : stop + 1] for i, start, stop, _ in part], device)
        for row, (_, start, _, first) in enumerate(part):
            y[row, : first - start] = IGNORE
        loss = token_nats(model(x)[0], y).sum(dim=1).cpu().double().numpy()
        np.add.at(nats, [job[0] for job in part], loss)
    return nats


def score_recurrent(model: nn.Module, tunes: Sequence[np.ndarray], device: torch.device, batch: int) -> np.ndarray:
    nats = np.zeros(len(tunes))
    order = sorted(range(len(tunes)), key=lambda i: -len(tunes[i]))
    T = model.config.block_size
    for at in range(0, len(order), batch):
        part = order[at : at + batch]
        x, y = pad([tunes[i] for i in part], device)
        state = model.empty_state(len(part))
        for start in range(0, x.shape[1], T):  # in pieces, to bound the memory that logits take
            logits, state = model(x[:, start : start + T], state)
            nats[part] += token_nats(logits, y[:, start : start + T]).sum(dim=1).cpu().double().numpy()
    return nats


def pad(sequences: list[np.ndarray], device: torch.device) -> tuple[Tensor, Tensor]:
    """Inputs and next-token targets (B, longest - 1); targets past a sequence's end are IGNORE."""
    longest = max(map(len, sequences)) - 1
    x = np.zeros((len(sequences), longest), dtype=np.int64)
    y = np.full((len(sequences), longest), IGNORE, dtype=np.int64)
    for row, ids in enumerate(sequences):
        x[row, : len(ids) - 1] = ids[:-1]
        y[row, : len(ids) - 1] = ids[1:]
    return torch.from_numpy(x).to(device), torch.from_numpy(y).to(device)


def token_nats(logits: Tensor, targets: Tensor) -> Tensor:
    """(B, T) cross-entropy in nats, zero where the target is IGNORE."""
    return F.cross_entropy(logits.float().transpose(1, 2), targets, ignore_index=IGNORE, reduction="none")


def mean_and_error(nats: np.ndarray, counts: np.ndarray, resamples: int = 2000) -> tuple[float, float]:
    """Mean loss a character over tunes (or of what else ``counts`` counts), and its error by resampling tunes.

    A tune is the unit: characters of one tune are far from independent. The resamples are the
    same for every model (fixed seed), so that differences between models can be paired.
    """
    rng = np.random.default_rng(0)
    weights = rng.multinomial(len(nats), np.full(len(nats), 1 / len(nats)), size=resamples)
    means = (weights @ nats) / (weights @ counts)
    return math.fsum(nats) / int(counts.sum()), float(means.std(ddof=1))
