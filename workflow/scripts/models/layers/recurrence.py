"""An LSTM that reads ids, for CPUs: what `torch.nn.LSTM` makes of an embedding, and its gradient, in less time.

Three things make it fast. A vocabulary is smaller than a batch, so what the first layer's gates take from an embedding
is computed once for each id, and so is its gradient: half of the work of a single layer falls away. The loop over time
is compiled, its products stay in registers (see `tile`), and gates are computed while they are in cache. And all that
needs no order in time is one large product.
"""

from collections.abc import Sequence
from typing import Any, NamedTuple

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor, nn

from workflow.scripts.kernels.compiled import array
from workflow.scripts.kernels.recurrence import COLUMNS, UNITS, run, run_back
from workflow.scripts.kernels.rows import cross_entropy
from workflow.scripts.kernels.tile import ROWS
from workflow.scripts.models.layers.rows import runs_compiled

State = tuple[Tensor, Tensor]  # hidden and cell state, each (L, B, d) of float32


class Layer(NamedTuple):
    """Weights of a layer as its kernels read them; d is a multiple of `UNITS` here, filled up with zeros.

    Attributes:
        inputs, bias: (4d, width of inputs) and (4d,), rows in the kernels' order; the bias is the sum of both.
        forward, backward: recurrent weights (k of each part, COLUMNS), the latter empty if no gradient is wanted; of
            bfloat16 there are two in each number of 32 bits.
    """

    inputs: Tensor
    bias: Tensor
    forward: Tensor
    backward: Tensor


class Pass(NamedTuple):
    """What a layer read and what it made of it; shapes are in `kernels.recurrence.run`."""

    rows: Tensor
    hidden: Tensor
    cells: Tensor
    gates: Tensor


class PackedLSTM:
    """The weights of an embedding and of an `nn.LSTM` over it, laid out to be used many times without a gradient.

    It holds copies, so it is of use until the weights change::

        packed = PackedLSTM(wte.weight, lstm, torch.bfloat16)
        y, state = packed(ids, state)  # ids (B, T), T = 1 for a token at a time; y (B, T, d) in that precision

    Args:
        embedding: (V, d).
        lstm: with biases, all of width d, of as many layers as it has.
        dtype: float32 or bfloat16, in which products are taken; sums and cell states are float32 in both.
    """

    def __init__(self, embedding: Tensor, lstm: nn.LSTM, dtype: torch.dtype):
        with torch.no_grad():
            self.layers = packed(parameters(lstm), dtype, for_gradients=False)
            self.table = looked_up(embedding, self.layers[0])

    def __call__(self, ids: Tensor, state: State) -> tuple[Tensor, State]:
        """Outputs (B, T, d) of ids (B, T) that follow a state, and the state after them.

        Raises:
            IndexError: an id is not in the vocabulary.
        """
        with torch.no_grad():
            ends, passes = passed(ids, state, self.table, self.layers, keep=False)
        (B, T), d = ids.shape, state[0].shape[2]
        outputs = passes[-1].hidden[B : (T + 1) * B].view(T, B, -1)[..., :d]
        return outputs.transpose(0, 1).contiguous(), ends


def fits(weight: Tensor, dtype: torch.dtype) -> bool:
    """Whether products with weights like this one can be taken here in that precision."""
    return runs_compiled(weight) and dtype in (torch.float32, torch.bfloat16)


class RecurrentLoss(torch.autograd.Function):
    """Mean loss in nats at targets (B, T) after ids (B, T), and both last states (L, B, d).

    Logits are products with ``gain`` times the embedding (V, d); the weights are those that `parameters` lists. The
    gradients are made on the way, in one piece with the loss. None pass through the states.

    Raises:
        IndexError: an id is not in the vocabulary.
    """

    @staticmethod
    def forward(
        ctx: Any,
        ids: Tensor,
        targets: Tensor,
        state: State,
        gain: float,
        dtype: torch.dtype,
        embedding: Tensor,
        *weights: Tensor,
    ) -> tuple[Tensor, Tensor, Tensor]:
        layers = packed(weights, dtype, for_gradients=True)
        ends, passes = passed(ids, state, looked_up(embedding, layers[0]), layers, keep=True)
        B, V, d = len(ids), *embedding.shape
        hidden = passes[-1].hidden[B : B + ids.numel()]
        output = F.pad((embedding * gain).to(dtype), (0, hidden.shape[1] - d))
        logits = hidden @ output.T
        d_logits = torch.empty_like(logits)
        share = 1 / ids.numel()
        loss = cross_entropy(array(logits), array(targets.T.reshape(-1)), V, np.float32(share), array(d_logits))
        gradients = back_through_time(d_logits @ output, passes, layers, embedding)
        gradients[0].add_(d_logits.T @ hidden[:, :d], alpha=gain)
        ctx.gradients = gradients
        ctx.mark_non_differentiable(*ends)
        return torch.tensor(loss * share, dtype=torch.float32), *ends

    @staticmethod
    def backward(ctx: Any, d_loss: Tensor, *_: Tensor) -> tuple[Tensor | None, ...]:
        factor = d_loss.item()
        gradients = ctx.gradients if factor == 1 else [factor * gradient for gradient in ctx.gradients]
        return None, None, None, None, None, *gradients


def passed(ids: Tensor, state: State, table: Tensor, layers: list[Layer], keep: bool) -> tuple[State, list[Pass]]:
    """The last state, and what each layer made of ids (B, T); only with ``keep`` all that gradients need of it."""
    (B, T), d = ids.shape, state[0].shape[2]
    least, most = ids.aminmax()
    if least < 0 or most >= len(table):
        raise IndexError(f"ids from {least} to {most} are not all in a vocabulary of {len(table)}")
    passes = [one_pass(table, ids.T.contiguous(), layers[0], state[0][0], state[1][0], keep)]
    for at, layer in enumerate(layers[1:], 1):
        inputs = torch.addmm(layer.bias, passes[-1].hidden[B : (T + 1) * B], layer.inputs.T)
        passes.append(one_pass(inputs, torch.arange(T * B).view(T, B), layer, state[0][at], state[1][at], keep))
    last = slice(T * B, (T + 1) * B)
    hidden = torch.stack([made.hidden[last, :d] for made in passes]).to(state[0].dtype)
    cell = torch.stack([made.cells.unflatten(0, (-1, B))[-1 if keep else T % 2, :, :d] for made in passes])
    return (hidden, cell), passes


def one_pass(inputs: Tensor, rows: Tensor, layer: Layer, hidden_0: Tensor, cell_0: Tensor, keep: bool) -> Pass:
    """What a layer makes of inputs, from a state (B, d) on; unless ``keep``, a step overwrites cells and gates."""
    (T, B), d, filled = rows.shape, cell_0.shape[1], inputs.shape[1] // 4
    hidden = inputs.new_empty((T + 1) * B + ROWS, filled)
    cells = cell_0.new_empty((T + 1 if keep else 2) * B, filled)
    short = torch.int16 if inputs.dtype == torch.bfloat16 else None
    gates = inputs.new_empty(T * B + ROWS if keep else B, 4 * filled, dtype=short)
    for begin, state in ((hidden[:B], hidden_0), (cells[:B], cell_0)):
        begin[:, :d] = state
        begin[:, d:] = 0
    run(*map(array, (inputs, rows, layer.forward, hidden, cells, gates)))
    return Pass(rows, hidden, cells, gates)


def back_through_time(d_outputs: Tensor, passes: list[Pass], layers: list[Layer], embedding: Tensor) -> list[Tensor]:
    """Gradients of the embedding and of all weights, from those of outputs (T B, d), step by step; all float32.

    The gradients of what goes into gates take the place of the gates.
    """
    (V, d), (T, B) = embedding.shape, passes[0].rows.shape
    gradients: list[Tensor] = []
    for at in reversed(range(len(layers))):
        layer, (rows, hidden, cells, gates) = layers[at], passes[at]
        d_table = cells.new_zeros(0 if at else V, gates.shape[1])
        d_gates = gates.view(hidden.dtype)
        run_back(*map(array, (d_outputs, rows, layer.backward, cells, gates, d_gates, d_table)))
        d_gates = d_gates[: T * B]
        d_recurrent = d_gates.T @ hidden[: T * B, :d]
        if at:
            d_inputs = d_gates.T @ passes[at - 1].hidden[B : (T + 1) * B, :d]
            d_bias = d_gates.sum(0, dtype=torch.float32)
            d_outputs = d_gates @ layer.inputs
        else:
            d_bias, d_table = d_table.sum(0), d_table.to(d_gates.dtype)
            d_inputs = d_table.T @ embedding.to(d_gates.dtype)
            d_embedding = (d_table @ layer.inputs).float()
        bias = by_gate(d_bias, d)
        gradients = [by_gate(d_inputs, d), by_gate(d_recurrent, d), bias, bias.clone(), *gradients]
    return [d_embedding, *gradients]


def parameters(lstm: nn.LSTM) -> list[Tensor]:
    """Weights of inputs and of the state, and the bias of either, layer by layer."""
    return [weight for weights in lstm.all_weights for weight in weights]


def packed(weights: Sequence[Tensor], dtype: torch.dtype, for_gradients: bool) -> list[Layer]:
    """The layers whose weights `parameters` lists."""
    layers = []
    for at in range(0, len(weights), 4):
        inputs, recurrent, bias, other_bias = weights[at : at + 4]
        padding = -inputs.shape[1] % UNITS if at else 0  # of what a layer below makes
        rows = by_block(recurrent.to(dtype))
        layers.append(
            Layer(
                by_block(F.pad(inputs.to(dtype), (0, padding))),
                by_block((bias + other_bias).to(dtype)),
                for_hidden(rows),
                for_gates(rows) if for_gradients else rows[:0],
            )
        )
    return layers


def looked_up(embedding: Tensor, layer: Layer) -> Tensor:
    """(V, 4d) what each id puts into the gates of the first layer."""
    return torch.addmm(layer.bias, embedding.to(layer.inputs.dtype), layer.inputs.T)


def by_block(weight: Tensor) -> Tensor:
    """Rows of (4d, ...), which are gate by gate, in the order of the kernels, filled up with zeros."""
    gates: Tensor = weight.unflatten(0, (4, -1))
    d = gates.shape[1]
    blocks: Tensor = weight.new_zeros(-(-d // UNITS), 4, UNITS, *weight.shape[1:])
    whole = d // UNITS
    blocks[:whole] = gates[:, : whole * UNITS].unflatten(1, (whole, UNITS)).transpose(0, 1)
    if d % UNITS:
        blocks[whole, :, : d % UNITS] = gates[:, whole * UNITS :]
    return blocks.flatten(0, 2)


def by_gate(rows: Tensor, d: int) -> Tensor:
    """The other way round: (4d, ...) of rows in the order of the kernels, as float32."""
    gates: Tensor = rows.unflatten(0, (-1, 4, UNITS)).transpose(0, 1).flatten(1, 2)
    return gates[:, :d].flatten(0, 1).float()


def for_hidden(rows: Tensor) -> Tensor:
    """Recurrent weights (4d', d) for products with hidden states: for each two gates of a block, (k, COLUMNS)."""
    if rows.dtype == torch.bfloat16:
        rows = F.pad(rows, (0, rows.shape[1] % 2)).view(torch.int32)
    parts: Tensor = rows.unflatten(0, (-1, COLUMNS)).transpose(1, 2)
    return parts.flatten(0, 1)


def for_gates(rows: Tensor) -> Tensor:
    """The same weights for products with gradients of gates: for so many hidden states each, (k, COLUMNS)."""
    parts: Tensor = F.pad(rows, (0, -rows.shape[1] % COLUMNS)).unflatten(1, (-1, COLUMNS)).transpose(0, 1)
    if rows.dtype == torch.bfloat16:
        pairs: Tensor = parts.unflatten(1, (-1, 2)).transpose(2, 3).contiguous()
        parts = pairs.view(torch.int32).squeeze(-1)
    return parts.flatten(0, 1)
