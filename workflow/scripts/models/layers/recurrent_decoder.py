"""An LSTM's weights laid out for a CPU to write by, and the texts that are being written."""

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor, nn

from workflow.scripts.kernels.compiled import array
from workflow.scripts.kernels.recurrent_decoder import recur
from workflow.scripts.models.layers.decoder import in_panels, whole_numbers
from workflow.scripts.models.layers.recurrence import packed, parameters


class RecurrentDecoder:
    """An LSTM between an embedding and an output, with products in float32 or bfloat16 and all else in float32.

    Args:
        embedding: (V, d).
        lstm: of as many layers as there are, all of width d.
        output: (V, d), weights of the logits.

    Attributes:
        arrays: what each id puts into the first layer's gates (V, 4d), biases of the others (L - 1, 4d), weights of
            their inputs and of the output in panels, and recurrent weights (L, ...) as `run` takes them. Here d is
            filled up with zeros as there.
    """

    room = 0  # a state takes any number of ids

    def __init__(self, embedding: Tensor, lstm: nn.LSTM, output: Tensor, precision: str):
        self.narrow = np.int16 if precision == "bfloat16" else np.float32
        self.vocabulary = len(embedding)
        with torch.no_grad():
            exact = packed(parameters(lstm), torch.float32, for_gradients=False)
            table = torch.addmm(exact[0].bias, embedding, exact[0].inputs.T)
            self.width = table.shape[1] // 4
            weights = [layer.inputs for layer in exact[1:]] + [F.pad(output, (0, self.width - output.shape[1]))]
            panels = torch.cat([in_panels(weight, self.narrow) for weight in weights])
            narrow = packed(parameters(lstm), getattr(torch, precision), for_gradients=False)
            recurrent = torch.stack([layer.forward for layer in narrow])
            biases = torch.stack([layer.bias for layer in exact])[1:]
        self.arrays = tuple(map(array, (table, biases, panels, recurrent)))

    def texts(self, rows: int) -> "RecurrentTexts":
        """So many empty texts."""
        return RecurrentTexts(self, rows)


class RecurrentTexts:
    """Texts in rows, each read up to a token of its own: as `decoder.Texts`, but for states (L, rows, d)."""

    def __init__(self, decoder: RecurrentDecoder, rows: int):
        self.decoder = decoder
        shape = len(decoder.arrays[3]), rows, decoder.width
        self.hidden, self.cells = np.zeros(shape, decoder.narrow), np.zeros(shape, np.float32)

    def read(self, row: int, ids: np.ndarray) -> np.ndarray:
        """Begin a row anew with ids (T,): logits (V,) of the id after them."""
        self.hidden[:, row], self.cells[:, row] = 0, 0
        for number in ids:
            logits = self.step(np.array([row]), np.array([number]))
        last: np.ndarray = logits[0]
        return last

    def step(self, rows: np.ndarray, ids: np.ndarray) -> np.ndarray:
        """One more id (n,) for each of the rows (n,): logits (n, V) of the ids after them."""
        logits = np.empty((len(ids), self.decoder.vocabulary), np.float32)
        recur(*map(whole_numbers, (ids, rows)), self.decoder.arrays, self.hidden, self.cells, logits)
        return logits

    def copy(self, source: int, target: int) -> None:
        """Begin a row anew with what another has read."""
        for state in (self.hidden, self.cells):
            state[:, target] = state[:, source]

    def full(self, rows: np.ndarray) -> np.ndarray:
        """Whether rows (n,) can take no more ids: (n,) bool."""
        return np.zeros(len(rows), bool)
