"""A Transformer's weights laid out for a CPU to write by, and the texts that are being written.

To write a token is to read all weights and all that is kept of the texts once, so that is what the time goes into.
"""

from typing import Any

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor

from workflow.scripts.kernels.decoder import LANES, PANEL, decode


class TransformerDecoder:
    """A model of gpt.py or of its kind, with products in float32 or bfloat16 and all else in float32.

    Scales of branches and logits are multiplied into the weights, and the embeddings' norm is taken once.

    Attributes:
        arrays: all weights in one, as `decode` reads them; normed embeddings (V, n_embd, filled up to whole panels);
            cos and sin (T, D / 2).
    """

    def __init__(self, model: Any, precision: str):
        c = model.config
        self.n_layer, self.n_head, self.head, self.room = c.n_layer, c.n_head, c.n_embd // c.n_head, c.block_size
        self.vocabulary = c.vocab_size
        self.narrow = np.int16 if precision == "bfloat16" else np.float32
        blocks: list[Any] = list(model.blocks)
        squared_relu = blocks[0].activation == "squared_relu"
        self.kind = np.float32(blocks[0].logit_scale), squared_relu, blocks[0].normed_heads
        weights = []
        with torch.no_grad():
            for block in blocks:
                weights += [block.qkv.weight, block.attn_out.weight * block.branch_scale]
                weights += [block.mlp_in.weight, block.mlp_out.weight * block.branch_scale]
            weights.append(model.wte.weight / model.width)
            embedded = F.pad(F.layer_norm(model.wte.weight, (c.n_embd,)), (0, -c.n_embd % PANEL))
            panels = torch.cat([in_panels(weight, self.narrow) for weight in weights])
        self.arrays = tuple(x.numpy() for x in (panels, embedded, model.cos, model.sin))

    def texts(self, rows: int) -> "Texts":
        """So many empty texts."""
        return Texts(self, rows)


def in_panels(weight: Tensor, narrow: type) -> Tensor:
    """A weight (out, in) as `kernels.decoder.product` reads it; ``in`` is even."""
    rows = F.pad(weight, (0, 0, 0, -len(weight) % PANEL))
    if narrow == np.int16:
        rows = rows.bfloat16().view(torch.int32)
    return rows.view(-1, PANEL, rows.shape[1]).transpose(1, 2).flatten()


def whole_numbers(x: np.ndarray) -> np.ndarray:
    """Numbers as kernels take them: they are compiled anew for every other type or layout."""
    return np.ascontiguousarray(x, np.int64)


class Texts:
    """Texts in rows, each read up to a token of its own, with the keys and values of what was read.

    A number of 4 bytes holds 1 or 2 narrow numbers (``group``): of the same key, or of the same place in the values of
    two times. So the scores of LANES times are one vector, and so are LANES numbers of a value.

    Attributes:
        keys: (L, rows, n_head, T / LANES, D / group, LANES).
        values: (L, rows, n_head, T / group, D, filled up to whole vectors).
        lengths: (rows,) tokens read.
        heads: (3, D) narrow, for the head that is at work.
    """

    def __init__(self, decoder: TransformerDecoder, rows: int):
        self.decoder = decoder
        texts, blocks = (decoder.n_layer, rows, decoder.n_head), -(-decoder.room // LANES)
        group = 4 // np.dtype(decoder.narrow).itemsize
        self.keys = np.zeros((*texts, blocks, decoder.head // group, LANES), np.int32)
        self.values = np.zeros((*texts, blocks * LANES // group, -(-decoder.head // LANES) * LANES), np.int32)
        self.lengths = np.zeros(rows, np.int64)
        self.heads = np.empty((3, decoder.head), decoder.narrow)

    def read(self, row: int, ids: np.ndarray) -> np.ndarray:
        """Begin a row anew with ids (T,): logits (V,) of the id after them."""
        self.lengths[row] = len(ids)
        logits: np.ndarray = self._decode(ids, np.full(len(ids), row), np.arange(len(ids)), len(ids) - 1)[0]
        return logits

    def step(self, rows: np.ndarray, ids: np.ndarray) -> np.ndarray:
        """One more id (n,) for each of the rows (n,): logits (n, V) of the ids after them."""
        positions = self.lengths[rows]
        self.lengths[rows] = positions + 1
        return self._decode(ids, rows, positions, 0)

    def copy(self, source: int, target: int) -> None:
        """Begin a row anew with what another has read."""
        self.lengths[target] = self.lengths[source]
        for kept in (self.keys, self.values):
            kept[:, target] = kept[:, source]

    def full(self, rows: np.ndarray) -> np.ndarray:
        """Whether rows (n,) can take no more ids: (n,) bool."""
        full: np.ndarray = self.lengths[rows] == self.decoder.room
        return full

    def _decode(self, ids: np.ndarray, rows: np.ndarray, positions: np.ndarray, first: int) -> np.ndarray:
        model = self.decoder
        logits = np.empty((len(ids) - first, model.vocabulary), np.float32)
        lanes = map(whole_numbers, (ids, rows, positions))
        room = self.keys, self.values, self.heads, self.heads.view(np.int32)
        decode(*lanes, first, model.arrays, model.n_head, *model.kind, *room, logits)
        return logits
