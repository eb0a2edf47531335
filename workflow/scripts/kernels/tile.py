"""The product that our kernels for CPUs are built on: a few rows by a few vectors, kept in registers.

Compilers of loops do not find it, and libraries start too slowly for the small products of attention, of a recurrent
step or of one token, so it is written here in LLVM's own instructions: for each k, a vector or two of b is loaded, each
row's number of a is spread over a vector, and all are multiplied and added. In bfloat16 one instruction takes k two at
a time where the processor has it (AVX512_BF16), at twice the rate; elsewhere the two halves are widened first.
"""

from collections.abc import Callable

from llvmlite import ir
from numba import types
from numba.core import cgutils
from numba.extending import intrinsic, overload

from workflow.scripts.machine.device import has_long_vectors
from workflow.scripts.machine.torch_private import has_native_bfloat16

LANES = 16  # numbers of float32 in a vector; where vectors are shorter LLVM takes several
ROWS = 8  # of a tile: with two vectors they fill half of the 32 registers, enough to hide the time that a sum takes


class _BFloat(ir.Type):
    """The type that llvmlite has no name for."""

    def _to_string(self) -> str:
        return "bfloat"

    def __eq__(self, other: object) -> bool:
        return isinstance(other, _BFloat)

    def __hash__(self) -> int:
        return hash(_BFloat)


FLOAT, INT, LONG = ir.FloatType(), ir.IntType(32), ir.IntType(64)
FLOATS, INTS = ir.VectorType(FLOAT, LANES), ir.VectorType(INT, LANES)
BFLOATS = ir.VectorType(_BFloat(), 2 * LANES)


def tile(vectors: int, pairs: bool, rows: int = ROWS, lanes: int = LANES, across: bool = False) -> Callable:
    """c[:rows, :n] = a[:rows, :k] b[:k, :n], or that added to c, for n = lanes x ``vectors``: an intrinsic of numba.

    It is called with (c, stride of c, a, stride of a, b, stride of b, k, whether to add). The arrays are addresses
    (``x.ctypes.data``), strides are those of rows, in numbers of 4 bytes, and the numbers of a row are adjacent.

    Args:
        pairs: a and b hold two bfloat16 in each number of 4 bytes: a those of columns 2k and 2k + 1, b those of rows
            2k and 2k + 1. Else they hold float32, as c always does.
        lanes: of a vector, 8 or 16.
        across: a is the other way round, (k, rows): its columns are what the rows of c are made of.
    """
    columns = lanes * vectors
    at_once, step = rows, columns
    if columns > 8 and not has_long_vectors():  # 16 registers: 4 rows of 16, a line of the cache, need fewest loads
        lanes, at_once, step = 8, min(rows, 4), 16

    @intrinsic
    def multiply(_typing, c, c_stride, a, a_stride, b, b_stride, k, add):
        signature = types.void(*[types.intp] * 7, types.boolean)

        def generate(_context, builder, _signature, args):
            for first in range(0, columns, step):
                for row in range(0, rows, at_once):
                    sides = range(row, row + at_once), range(first, first + step, lanes)
                    _tile(builder, args, pairs, lanes, *sides, across)
            return ir.Constant(ir.IntType(8).as_pointer(), None)

        return signature, generate

    return multiply


def _tile(
    builder: ir.IRBuilder, args: list[ir.Value], pairs: bool, lanes: int, rows: range, columns: range, across: bool
) -> None:
    """Write the code of a tile of these rows, whose vectors begin at these columns; the rest is that of `tile`."""
    c, c_stride, a, a_stride, b, b_stride, k, add = args
    floats, ints = ir.VectorType(FLOAT, lanes), ir.VectorType(INT, lanes)
    cells = [(row, column) for row in rows for column in columns]
    zero = ir.Constant(floats, [0.0] * lanes)

    def place(base, row, stride, column, kind):
        offset = builder.add(builder.mul(row, stride), column)
        start = builder.inttoptr(base, FLOAT.as_pointer())
        return builder.bitcast(builder.gep(start, [offset]), kind.as_pointer())

    def result(row, column):
        return place(c, LONG(row), c_stride, LONG(column), floats)

    before = builder.block
    load, head, body, end = (builder.append_basic_block(name) for name in ("load", "head", "body", "end"))
    builder.cbranch(add, load, head)

    builder.position_at_end(load)
    held = [builder.load(result(*cell), align=4) for cell in cells]
    builder.branch(head)

    builder.position_at_end(head)
    at = builder.phi(LONG)
    sums = {cell: builder.phi(floats) for cell in cells}
    for block, starts in ((before, [zero] * len(cells)), (load, held)):
        at.add_incoming(LONG(0), block)
        for total, start in zip(sums.values(), starts, strict=True):
            total.add_incoming(start, block)
    builder.cbranch(builder.icmp_signed("<", at, k), body, end)

    builder.position_at_end(body)
    one, many, product = (INT, ints, add_product_of_pairs) if pairs else (FLOAT, floats, add_product)
    right = {column: builder.load(place(b, at, b_stride, LONG(column), many), align=4) for column in columns}
    for row in rows:
        where = (at, a_stride, LONG(row)) if across else (LONG(row), a_stride, at)
        number = builder.load(place(a, *where, one), align=4)
        left = builder.insert_element(ir.Constant(many, ir.Undefined), number, INT(0))
        left = builder.shuffle_vector(left, left, ir.Constant(ints, [0] * lanes))
        for column in columns:
            total = sums[row, column]
            total.add_incoming(product(builder, left, right[column], total), body)
    at.add_incoming(builder.add(at, LONG(1)), body)
    builder.branch(head)

    builder.position_at_end(end)
    for cell, total in sums.items():
        builder.store(total, result(*cell), align=4)


def add_product(builder: ir.IRBuilder, x: ir.Value, y: ir.Value, total: ir.Value) -> ir.Value:
    """x y + total of vectors of float32."""
    kind = ir.FunctionType(total.type, [total.type] * 3)
    name = f"llvm.fma.v{total.type.count}f32"
    return builder.call(cgutils.get_or_insert_function(builder.module, kind, name), [x, y, total])


def add_product_of_pairs(builder: ir.IRBuilder, x: ir.Value, y: ir.Value, total: ir.Value) -> ir.Value:
    """The same of vectors of pairs of bfloat16, whose two products are both added."""
    lanes = total.type.count
    if has_native_bfloat16():
        pairs = ir.VectorType(_BFloat(), 2 * lanes)
        kind = ir.FunctionType(total.type, [total.type, pairs, pairs])
        name = f"llvm.x86.avx512bf16.dpbf16ps.{32 * lanes}"
        function = cgutils.get_or_insert_function(builder.module, kind, name)
        return builder.call(function, [total, builder.bitcast(x, pairs), builder.bitcast(y, pairs)])
    high, half = ir.Constant(x.type, [-65536] * lanes), ir.Constant(x.type, [16] * lanes)
    for part in (lambda pair: builder.shl(pair, half), lambda pair: builder.and_(pair, high)):
        x_part, y_part = builder.bitcast(part(x), total.type), builder.bitcast(part(y), total.type)
        total = add_product(builder, x_part, y_part, total)
    return total


def multiply(c, a, b, k, add):
    """c = a[:, :k] b[:k], or that added to c, of arrays as `tile` takes them, of whose rows the numbers are adjacent.

    Args:
        c: (M, N) float32, M and N multiples of 8.
        a: (M, at least k) and b: (at least k, N), float32; or int32, each number a pair of bfloat16.
    """
    raise NotImplementedError("for compiled code")


def multiply_across(c, a, b, k, add):
    """The same with a the other way round, (at least k, M): c = a[:k]^T b[:k]."""
    raise NotImplementedError("for compiled code")


def tiles(pairs: bool, across: bool) -> Callable:
    """What `multiply` and `multiply_across` are: c cut into tiles, of 32 columns or, where fewer are left, 16 or 8."""
    wide, middle, narrow = (tile(n, pairs, lanes=lanes, across=across) for n, lanes in ((2, 16), (1, 16), (1, 8)))
    step = 1 if across else 0

    def all_tiles(c, a, b, k, add):
        M, N = c.shape
        c_row, a_row, b_row = c.strides[0] // 4, a.strides[0] // 4, b.strides[0] // 4
        c_at, a_at, b_at = c.ctypes.data, a.ctypes.data, b.ctypes.data
        next_rows = ROWS * 4 if step else ROWS * 4 * a_row
        j = 0
        while j < N:  # a strip of b stays in the cache for all rows of a
            width = 32 if N - j >= 32 else 16 if N - j >= 16 else 8
            for i in range(M // ROWS):
                c_to, a_from = c_at + 4 * (i * ROWS * c_row + j), a_at + i * next_rows
                if width == 32:
                    wide(c_to, c_row, a_from, a_row, b_at + 4 * j, b_row, k, add)
                elif width == 16:
                    middle(c_to, c_row, a_from, a_row, b_at + 4 * j, b_row, k, add)
                else:
                    narrow(c_to, c_row, a_from, a_row, b_at + 4 * j, b_row, k, add)
            j += width

    return all_tiles


@overload(multiply)
def _multiply(c, a, b, k, add):
    return tiles(isinstance(a.dtype, types.Integer), across=False)


@overload(multiply_across)
def _multiply_across(c, a, b, k, add):
    return tiles(isinstance(a.dtype, types.Integer), across=True)
