"""A trained model writes tunes: from the ids of a beginning, the ids that follow.

A sample is the same however many are drawn, on the same hardware and with as many threads.
"""

import torch
from torch import Tensor, nn

from workflow.scripts.corpus.tokenizer import END
from workflow.scripts.machine.device import pick_precision
from workflow.scripts.machine.torch_private import can_pack, packed, packed_linear
from workflow.scripts.models.language_model import LanguageModel

# Tunes written at a time, always: the last few are filled up with more of the same. A product of another number of
# rows adds up in another order, which in bfloat16 soon gives another tune. One tune costs up to twice what it would.
ROWS = 16
BF16_PAYS_FROM = 128  # narrowest model that writes faster in bfloat16, measured on a CPU
PACKING_PAYS_FROM = 256  # narrowest that does so in float32 with packed weights: oneDNN takes 10 us more for a product


class PackedLinear(nn.Module):
    """A linear layer whose weight is laid out once for oneDNN, which would else do so again for every token.

    Through the operators that torch's own compiler uses for weights that no longer change.
    """

    def __init__(self, linear: nn.Linear):
        super().__init__()
        self.weight = packed(linear.weight.detach(), ROWS)

    def forward(self, x: Tensor) -> Tensor:
        return packed_linear(x, self.weight)


def ready_to_write(model: LanguageModel, precision: str) -> LanguageModel:
    """The model with weights in the precision asked for, laid out for speed where that can be."""
    device = model.wte.weight.device
    if precision == "auto":
        precision = pick_precision("auto", device) if model.config.n_embd >= BF16_PAYS_FROM else "float32"
    model = model.to(getattr(torch, precision))
    wide = precision != "float32" or model.config.n_embd >= PACKING_PAYS_FROM
    if wide and device.type == "cpu" and can_pack(precision):
        for block in model.modules():
            for name, part in list(block.named_children()):
                if isinstance(part, nn.Linear):
                    setattr(block, name, PackedLinear(part))
    return model


def filtered(
    logits: Tensor, temperature: float = 1.0, top_k: int = 0, top_p: float = 1.0, min_p: float = 0.0
) -> Tensor:
    """Probabilities (B, V), in double precision, of logits (B, V) after what limits the choice, in this order.

    Temperature; the k likeliest (0: all); the smallest set of mass p (Holtzman 2020); those at least ``min_p``
    times as likely as the likeliest (Nguyen 2024, "Turning Up the Heat"). So does Hugging Face's transformers.
    """
    if temperature == 0:
        return nn.functional.one_hot(logits.argmax(dim=-1), logits.shape[-1]).double()
    logits = logits.double()
    logits = (logits - logits.amax(dim=-1, keepdim=True)) / temperature  # no overflow, however cold
    if 0 < top_k < logits.shape[-1]:
        kth = logits.topk(top_k, dim=-1).values[:, -1:]
        logits = logits.masked_fill(logits < kth, -torch.inf)
    probabilities = logits.softmax(dim=-1)
    if top_p < 1:
        ordered, order = probabilities.sort(dim=-1, descending=True)
        outside = ordered.cumsum(dim=-1) - ordered >= top_p
        outside[:, 0] = False  # the likeliest always stays, even at p = 0
        probabilities = probabilities.masked_fill(outside.gather(-1, order.argsort(dim=-1)), 0)
    if min_p > 0:
        least = min_p * probabilities.amax(dim=-1, keepdim=True)
        probabilities = probabilities.masked_fill(probabilities < least, 0)
    return probabilities / probabilities.sum(dim=-1, keepdim=True)


@torch.inference_mode()
def generate(
    model: LanguageModel, prompt: list[int], num_samples: int, max_new_tokens: int, seed: int = 0, **limits: float
) -> list[list[int]]:
    """Ids that follow ``prompt`` in each of the samples, up to and with END where the model gives it.

    ``limits`` are those of `filtered`. Sample k depends on the seed and on k alone: it is always the same row of a
    batch of the same size, and its draws are its own.
    """
    samples: list[list[int]] = []
    for first in range(0, num_samples, ROWS):
        last = min(first + ROWS, num_samples) - 1
        numbers = [min(first + row, last) for row in range(ROWS)]
        samples += write_rows(model, prompt, numbers, max_new_tokens, seed, limits)[: last - first + 1]
    return samples


def write_rows(
    model: LanguageModel, prompt: list[int], numbers: list[int], max_new_tokens: int, seed: int, limits: dict
) -> list[list[int]]:
    """Of one batch, the ids that follow ``prompt`` in samples ``numbers``.

    A Transformer keeps keys and values of what it has seen; when its context is full it goes on from
    the last half of it, so every token is predicted from at least half a context, as in `evaluation.scoring`.
    """
    device = next(model.parameters()).device
    draws = torch.stack(
        [
            torch.rand(max_new_tokens, generator=torch.Generator().manual_seed(seed * 1_000_003 + k)).double()
            for k in numbers
        ]
    )
    half = max(model.config.block_size // 2, 1)
    written = torch.tensor(prompt).expand(len(numbers), -1)
    ended = torch.zeros(len(numbers), dtype=torch.bool)
    state = model.empty_state(len(numbers))
    unread = written if model.carries_state else written[:, -model.config.block_size :]
    for step in range(max_new_tokens):
        if model.is_full(state):
            state, unread = state.emptied(), written[:, -half:]
        logits, state = model(unread.to(device), state)
        # Drawn on the CPU in double precision, for the same choice on every device.
        cumulative = filtered(logits[:, -1].cpu(), **limits).cumsum(dim=-1)
        # Rounding may leave the last sum a hair under 1: scale the draw by it, never fall off its end.
        draw = draws[:, step, None] * cumulative[:, -1:]
        unread = torch.searchsorted(cumulative, draw, right=True).clamp(max=cumulative.shape[-1] - 1)
        written = torch.cat((written, unread), dim=1)
        ended |= unread[:, 0] == END
        if ended.all():
            break
    continuations = written[:, len(prompt) :].tolist()
    return [ids[: ids.index(END) + 1] if END in ids else ids for ids in continuations]
