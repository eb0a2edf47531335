"""One step of some texts through an LSTM and to the logits, compiled for CPUs."""

import numpy as np

from workflow.scripts.kernels.compiled import copy, kernel, padded
from workflow.scripts.kernels.decoder import PANEL, product
from workflow.scripts.kernels.recurrence import run
from workflow.scripts.kernels.tile import ROWS


@kernel
def recur(ids, rows, model, hidden, cells, logits):
    """One step of the texts in ``rows`` (n,), and logits (n, V); the arguments are those that `RecurrentTexts` has."""
    table, biases, weights, recurrent = model
    n, d = len(ids), hidden.shape[2]
    M, words = padded(n, ROWS), d * hidden.itemsize // 4
    states, cell = np.zeros((2 * n + ROWS, d), hidden.dtype), np.empty((2 * n, d), np.float32)
    sums, gates = np.empty((M, 4 * d), np.float32), np.empty((n, 4 * d), hidden.dtype)
    first, lanes = np.empty((1, n), np.int64), np.empty((1, n), np.int64)
    for i in range(n):
        first[0, i], lanes[0, i] = ids[i], i
    at = 0
    for layer in range(len(hidden)):
        if layer:
            for i in range(n):
                copy(biases[layer - 1], sums[i])
            product(sums, states[n : n + M], d, weights, at, 4 * d, True)
            at += 4 * d * words
        for i in range(n):
            copy(hidden[layer, rows[i]], states[i])
            copy(cells[layer, rows[i]], cell[i])
        if layer:
            run(sums, lanes, recurrent[layer], states, cell, gates)
        else:
            run(table, first, recurrent[layer], states, cell, gates)
        for i in range(n):
            copy(states[n + i], hidden[layer, rows[i]])
            copy(cell[n + i], cells[layer, rows[i]])
    out = np.empty((M, padded(logits.shape[1], PANEL)), np.float32)
    product(out, states[n : n + M], d, weights, at, out.shape[1], False)
    for i in range(n):
        copy(out[i], logits[i])
