"""What scoring is checked by: one forward pass for every token."""

import numpy as np
import torch

from workflow.scripts.models.language_model import LanguageModel


@torch.no_grad()
def slow_nats(model: LanguageModel, tune: np.ndarray) -> list[float]:
    """O(T^2): of every target by its own context, alone in a batch, in double precision."""
    T, ids, nats = model.config.block_size, torch.tensor(tune.astype(np.int64))[None], []
    for target in range(1, len(tune)):
        if model.carries_state:
            start = 0
        else:  # the last window of the plan whose new half holds the target
            position, end = target - 1, min(len(tune) - 1, T)
            while position >= end:
                end = min(end + T // 2, len(tune) - 1)
            start = max(0, end - T)
        logits, _ = model(ids[:, start:target])
        nats.append(-logits[0, -1].log_softmax(-1)[tune[target]].item())
    return nats
