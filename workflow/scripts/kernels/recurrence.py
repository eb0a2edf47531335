"""The loop over time of an LSTM layer and of its gradient, compiled for CPUs.

Units come in blocks of `UNITS`, of which the last is filled up with zeros; d is a multiple of it here. The 4d columns
of gates are in the order of blocks: input, forget, cell and output gate of the first block's units, then of the
second's. So the product that a block's gates wait for lies in one small array, and they are computed while it is in
cache.

Sums and cell states are float32. In bfloat16, gates are kept in 16 bits of their own (see `vectors`).
"""

from collections.abc import Callable
from functools import partial

import numpy as np
from llvmlite import ir
from numba import types
from numba.extending import intrinsic, overload

from workflow.scripts.kernels.compiled import kernel
from workflow.scripts.kernels.tile import LANES, ROWS, tile
from workflow.scripts.kernels.vectors import Vector

UNITS = LANES
COLUMNS = 2 * LANES  # of a product


Load = Callable[..., Vector]  # `Vector.load` without its builder


def _open(
    load: Load,
    short: bool,
    sums: ir.Value,
    before: ir.Value,
    after: ir.Value,
    hidden: ir.Value,
    gates: ir.Value,
) -> None:
    """States and gates of a block's units in one row: ``sums`` is what goes into the four gates."""
    i, f, g, o = (load(sums, gate) for gate in range(4))
    i, f, g, o = i.sigmoid(), f.sigmoid(), g.tanh(), o.sigmoid()
    cell = f * load(before) + i * g
    cell.store(after)
    (o * cell.tanh()).store(hidden, short=short)
    for at, gate in enumerate((i, f, g, o)):
        gate.store(gates, at, short, steps=True)


def _close(
    load: Load,
    short: bool,
    d_hidden: ir.Value,
    gates: ir.Value,
    before: ir.Value,
    after: ir.Value,
    d_cells: ir.Value,
    d_gates: ir.Value,
) -> None:
    """Gradients of what goes into a block's gates, in one row, and of the cell state before, in place of that after."""
    i, f, g, o = (load(gates, gate, short, steps=True) for gate in range(4))
    d_output, seen = load(d_hidden), load(after).tanh()
    d_cell = load(d_cells) + d_output * o * (1.0 - seen * seen)
    (d_cell * f).store(d_cells)
    d_i, d_f = d_cell * g * i * (1.0 - i), d_cell * load(before) * f * (1.0 - f)
    d_g, d_o = d_cell * i * (1.0 - g * g), d_output * seen * o * (1.0 - o)
    for at, gradient in enumerate((d_i, d_f, d_g, d_o)):
        gradient.store(d_gates, at, short)


def _copy(load: Load, short: bool, source: ir.Value, target: ir.Value) -> None:
    """A vector as float32."""
    load(source, 0, short).store(target)


def _add(load: Load, short: bool, source: ir.Value, target: ir.Value) -> None:
    """A vector added to one of float32."""
    (load(target) + load(source, 0, short)).store(target)


def _compiled(build: Callable[..., None]) -> Callable[..., None]:
    """What ``build`` describes, for kernels to call with an array of the precision and the addresses it takes."""

    @intrinsic
    def function(_typing, like, *addresses):
        def generate(_context, builder, signature, args):
            places = [builder.extract_value(args[1], at) for at in range(signature.args[1].count)]
            build(partial(Vector.load, builder), isinstance(like.dtype, types.Integer), *places)
            return ir.Constant(ir.IntType(8).as_pointer(), None)

        return types.void(like, types.UniTuple(types.intp, len(addresses))), generate

    return function


open_gates, close_gates, copy, add = _compiled(_open), _compiled(_close), _compiled(_copy), _compiled(_add)
# Tiles of all rows and columns, of half of the rows, and of half of the columns.
NUMBERS = [tile(2, False), tile(2, False, ROWS // 2), tile(1, False)]
PAIRS = [tile(2, True), tile(2, True, ROWS // 2), tile(1, True)]


def multiply(c, c_stride, a, a_stride, b, k, rows, columns, like):
    """c (rows, columns) += a times b (k, `COLUMNS`), all addresses, in the precision of ``like``; see `tile`.

    More than so many rows and columns may be computed, but none past `ROWS` and `COLUMNS`.
    """
    raise NotImplementedError("for compiled code")


@overload(multiply, inline="always")
def _multiply(c, c_stride, a, a_stride, b, k, rows, columns, like):
    whole, few_rows, few_columns = PAIRS if isinstance(like.dtype, types.Integer) else NUMBERS

    def made(c, c_stride, a, a_stride, b, k, rows, columns, like):
        if columns <= COLUMNS // 2:
            few_columns(c, c_stride, a, a_stride, b, COLUMNS, k, True)
        elif rows <= ROWS // 2:
            few_rows(c, c_stride, a, a_stride, b, COLUMNS, k, True)
        else:
            whole(c, c_stride, a, a_stride, b, COLUMNS, k, True)

    return made


@kernel
def place(x, row, column):
    """Address of a number of a matrix, of whose rows the numbers are adjacent."""
    return x.ctypes.data + row * x.strides[0] + column * x.itemsize


@kernel
def run(inputs, rows, weights, hidden, cells, gates):
    """Fill the states, and the gates that were open on the way to them.

    Args:
        inputs: (n, 4d) what the gates take from inputs, biases added; ``rows`` (T, B) says which one each takes.
        weights: (2 d / UNITS * k, COLUMNS) recurrent weights, as `tile` reads k rows of them for two of the gates.
        hidden: ((T + 1) B + ROWS, d) hidden states, step by step; the first B are those before the first step. What is
            past the last may be read, and is not used.
        cells: ((T + 1) B, d) cell states, likewise; or (2 B, d), where a later step overwrites an earlier.
        gates: (T B, 4d) at least; or (B, 4d), likewise.
    """
    T, B = rows.shape
    sums = np.empty((ROWS, 4 * UNITS), np.float32)
    blocks = hidden.shape[1] // UNITS
    k = len(weights) // (2 * blocks)
    for t in range(T):
        before, after, opened = t * B % len(cells), (t + 1) * B % len(cells), t * B % len(gates)
        for block in range(blocks):
            unit, column = block * UNITS, 4 * block * UNITS
            for first in range(0, B, ROWS):
                last = min(ROWS, B - first)
                for row in range(last):
                    for gate in range(4):
                        start = gate * UNITS
                        copy(inputs, place(inputs, rows[t, first + row], column + start), place(sums, row, start))
                for half in range(2):
                    multiply(
                        place(sums, 0, half * COLUMNS), sums.strides[0] // 4,
                        place(hidden, t * B + first, 0), hidden.strides[0] // 4,
                        place(weights, (2 * block + half) * k, 0), k, last, COLUMNS, weights,
                    )  # fmt: skip
                for row in range(last):
                    lane, new = first + row, (t + 1) * B + first + row
                    open_gates(
                        hidden, place(sums, row, 0), place(cells, before + lane, unit),
                        place(cells, after + lane, unit), place(hidden, new, unit), place(gates, opened + lane, column),
                    )  # fmt: skip


@kernel
def run_back(d_outputs, rows, weights, cells, gates, d_gates, d_inputs):
    """Gradients of what goes into the gates, from those of the outputs; none come from the last state.

    Args:
        d_outputs: (T B, d) gradients of the hidden states as outputs.
        rows, cells, gates: as in `run`, of all T steps.
        weights: (d / COLUMNS * k, COLUMNS) recurrent weights as the gradient needs them, filled up with zeros.
        d_gates: (T B + ROWS, 4d) to fill, in the place of ``gates`` or elsewhere. What is past the last may be
            read, and is not used.
        d_inputs: (n, 4d) of float32, to add to: gradients of the inputs; (0, 4d) if they are not wanted.
    """
    T, B = rows.shape
    d_cells, sums = np.zeros((B, cells.shape[1]), np.float32), np.empty((ROWS, COLUMNS), np.float32)
    parts = -(-cells.shape[1] // COLUMNS)
    k = len(weights) // parts
    for t in range(T - 1, -1, -1):
        for part in range(parts):
            left = part * COLUMNS
            columns = min(COLUMNS, cells.shape[1] - left)
            for first in range(0, B, ROWS):
                last = min(ROWS, B - first)
                for row in range(last):
                    for start in range(0, columns, UNITS):
                        copy(d_outputs, place(d_outputs, t * B + first + row, left + start), place(sums, row, start))
                if t + 1 < T:
                    multiply(
                        place(sums, 0, 0), sums.strides[0] // 4,
                        place(d_gates, (t + 1) * B + first, 0), d_gates.strides[0] // 4,
                        place(weights, part * k, 0), k, last, columns, weights,
                    )  # fmt: skip
                for row in range(last):
                    lane = first + row
                    for start in range(0, columns, UNITS):
                        unit, column, now, then = left + start, 4 * (left + start), t * B + lane, (t + 1) * B + lane
                        close_gates(
                            gates, place(sums, row, start), place(gates, now, column), place(cells, now, unit),
                            place(cells, then, unit), place(d_cells, lane, unit), place(d_gates, now, column),
                        )  # fmt: skip
                        if len(d_inputs) > 0:
                            for at in range(column, column + 4 * UNITS, UNITS):
                                add(d_gates, place(d_gates, now, at), place(d_inputs, rows[t, lane], at))
