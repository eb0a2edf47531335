"""A trained model writes tunes: from the ids of a beginning, the ids that follow.

A sample is the same however many are drawn, on the same hardware and with as many threads.
"""

from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from typing import Any, NamedTuple, Protocol

import numpy as np
import torch
from torch import Tensor, nn

from workflow.scripts.corpus.tokenizer import END
from workflow.scripts.machine.device import pick_precision
from workflow.scripts.models.language_model import LanguageModel

# Tunes written at a time. A model as it is always writes so many: the last few are filled up with more of the same, for
# a product of another number of rows adds up in another order, which in bfloat16 soon gives another tune.
ROWS = 16
BF16_PAYS_FROM = 128  # narrowest model that writes in bfloat16 of its own accord: it pays by little below


class Texts(Protocol):
    """Texts in numbered rows, each read up to a token of its own; what a row gives depends on no other row."""

    def read(self, row: int, ids: np.ndarray) -> np.ndarray:
        """Begin a row anew with ids (T,): logits (V,) of the id after them."""

    def step(self, rows: np.ndarray, ids: np.ndarray) -> np.ndarray:
        """One more id (n,) for each of the rows (n,): logits (n, V) of the ids after them."""

    def copy(self, source: int, target: int) -> None:
        """Begin a row anew with what another has read."""

    def full(self, rows: np.ndarray) -> np.ndarray:
        """Whether rows (n,) can take no more ids: (n,) bool."""


class Decoder(Protocol):
    """A model's weights laid out to write by.

    Attributes:
        room: most ids that a text can be read up to; 0 is any number.
    """

    room: int

    def texts(self, rows: int) -> Texts:
        """So many empty texts."""


def ready_to_write(model: LanguageModel, precision: str) -> LanguageModel | Decoder:
    """What writes fastest as the model would, with weights in the precision asked for: on a CPU its decoder."""
    device = model.wte.weight.device
    if precision == "auto":
        precision = pick_precision("auto", device) if model.config.n_embd >= BF16_PAYS_FROM else "float32"
    decoder = model.decoder(precision) if device.type == "cpu" else None
    return model.to(getattr(torch, precision)) if decoder is None else decoder


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


def drawn(logits: np.ndarray, uniforms: np.ndarray, temperature: float = 1.0, **limits: Any) -> np.ndarray:
    """The ids (B,) that numbers (B,) from 0 to 1 choose by logits (B, V), as `drawn_by_torch`."""
    if temperature > 0 and is_unlimited(**limits):
        from workflow.scripts.kernels.decoder import draw  # takes a second to import

        return draw(logits, uniforms, float(temperature))
    chosen = drawn_by_torch(torch.from_numpy(logits), torch.from_numpy(uniforms), temperature=temperature, **limits)
    return chosen.numpy()


def is_unlimited(top_k: int = 0, top_p: float = 1.0, min_p: float = 0.0) -> bool:
    """Whether every token may be chosen."""
    return top_k == 0 and top_p >= 1 and min_p == 0


def drawn_by_torch(logits: Tensor, uniforms: Tensor, **limits: Any) -> Tensor:
    """The ids (B,) that numbers (B,) from 0 to 1 choose by logits (B, V), after the limits of `filtered`.

    In double precision and on the CPU, for the same choice on every device.
    """
    cumulative = filtered(logits, **limits).cumsum(dim=-1)
    # Rounding may leave the last sum a hair under 1: scale the draw by it, never fall off its end.
    draw = uniforms[:, None] * cumulative[:, -1:]
    return torch.searchsorted(cumulative, draw, right=True)[:, 0].clamp(max=cumulative.shape[-1] - 1)


@torch.inference_mode()
def generate(
    model: LanguageModel | Decoder,
    prompt: list[int],
    num_samples: int,
    max_new_tokens: int,
    seed: int = 0,
    **limits: float,
) -> list[list[int]]:
    """Ids that follow ``prompt`` in each of the samples, up to and with END where the model gives it.

    ``limits`` are those of `filtered`. Sample k depends on the seed and on k alone, as its draws do.
    """
    shared = Shared(prompt, max_new_tokens, seed, limits)
    samples: list[list[int]] = [[]] * num_samples
    if isinstance(model, LanguageModel):
        for first in range(0, num_samples, ROWS):
            last = min(first + ROWS, num_samples) - 1
            batch = [min(first + row, last) for row in range(ROWS)]
            samples[first : last + 1] = write_together(model, shared, batch)[: last - first + 1]
        return samples
    threads = min(torch.get_num_threads(), num_samples)
    if not threads:
        return []
    numbers, rows = iter(range(num_samples)), min(ROWS, -(-num_samples // threads))
    with ThreadPoolExecutor(threads) as pool:
        list(pool.map(lambda _: write_in_turn(model, shared, rows, numbers, samples), range(threads)))
    return samples


class Shared(NamedTuple):
    """What all samples share: how they begin, how long they may become, the seed, and what limits the choice."""

    prompt: list[int]
    length: int
    seed: int
    limits: dict[str, float]

    def uniforms(self, sample: int) -> Tensor:
        """The numbers from 0 to 1 that a sample is drawn by."""
        generator = torch.Generator().manual_seed(self.seed * 1_000_003 + sample)
        return torch.rand(self.length, generator=generator).double()


def write_in_turn(decoder: Decoder, shared: Shared, rows: int, numbers: Iterator[int], samples: list) -> None:
    """Write samples in so many rows; one that has ended leaves its row to the next of the ``numbers``.

    A Transformer's context that is full goes on from its last half, so every token is predicted from at least half a
    context, as in `evaluation.scoring`.
    """
    prompt, begin = shared.prompt, len(shared.prompt)
    half = max(decoder.room // 2, 1)
    texts = decoder.texts(rows + 1)
    prompted = texts.read(rows, np.array(prompt[-decoder.room :]))  # once, in a row of its own
    written = np.tile(np.array(prompt + [0] * shared.length), (rows, 1))
    uniforms, ends = np.empty((rows, shared.length)), np.full(rows, begin)
    sample_in = dict.fromkeys(range(rows), -1)  # the sample that each row holds
    active = np.empty(0, np.int64)  # rows that hold one, and the logits of what comes next in each
    logits = np.empty((0, len(prompted)), np.float32)
    while True:
        if len(active) < rows:
            free = [row for row in range(rows) if row not in active]
            for row, sample in zip(free, numbers, strict=False):
                texts.copy(rows, row)
                uniforms[row], ends[row], sample_in[row] = shared.uniforms(sample), begin, sample
                active, logits = np.append(active, row), np.vstack((logits, prompted))
            if not len(active):
                return
        at = ends[active]
        ids = drawn(logits, uniforms[active, at - begin], **shared.limits)
        written[active, at] = ids
        ends[active] = at + 1
        ended = (ids == END) | (at + 1 == written.shape[1])
        if ended.any():
            for row in active[ended]:
                samples[sample_in[row]] = written[row, begin : ends[row]].tolist()
            active, ids = active[~ended], ids[~ended]
        full = texts.full(active)
        if len(active) and not full.any():
            logits = texts.step(active, ids)
            continue
        logits = np.empty((len(active), len(prompted)), np.float32)
        if not full.all():
            logits[~full] = texts.step(active[~full], ids[~full])
        for i in full.nonzero()[0]:
            end = ends[active[i]]
            logits[i] = texts.read(active[i], written[active[i], end - half : end])


def write_together(model: LanguageModel, shared: Shared, numbers: list[int]) -> list[list[int]]:
    """Samples ``numbers``, one token of all after another, by a model as it is.

    A context that is full goes on from its last half, as in `write_in_turn`.
    """
    device = next(model.parameters()).device
    uniforms = torch.stack([shared.uniforms(number) for number in numbers])
    half = max(model.config.block_size // 2, 1)
    written = torch.tensor(shared.prompt).expand(len(numbers), -1)
    ended = torch.zeros(len(numbers), dtype=torch.bool)
    state = model.empty_state(len(numbers))
    unread = written if model.carries_state else written[:, -model.config.block_size :]
    for step in range(shared.length):
        if model.is_full(state):
            state, unread = state.emptied(), written[:, -half:]
        logits, state = model(unread.to(device), state)
        unread = drawn_by_torch(logits[:, -1].cpu(), uniforms[:, step], **shared.limits)[:, None]
        written = torch.cat((written, unread), dim=1)
        ended |= unread[:, 0] == END
        if ended.all():
            break
    continuations = written[:, len(shared.prompt) :].tolist()
    return [ids[: ids.index(END) + 1] if END in ids else ids for ids in continuations]
