"""A row times a matrix that is read once, in vectors kept in registers: the product of one query's attention.

It waits for memory more than for sums, so each number read also asks for one that is wanted soon.
"""

from collections.abc import Callable

from llvmlite import ir
from numba import types
from numba.core import cgutils
from numba.extending import intrinsic

from workflow.scripts.kernels.tile import FLOAT, FLOATS, INT, INTS, LANES, LONG, add_product, add_product_of_pairs

BYTE = ir.IntType(8)
TO_READ, NEAR, DATA = INT(0), INT(2), INT(1)  # of a prefetch: the second cache holds it until it is wanted


def row_product(vectors: int, chains: int, pairs: bool) -> Callable:
    """c[v] = sum over k of a[k] b[v, k], where b[v, k] are vectors of LANES numbers: an intrinsic of numba.

    It is called with (c, a, b, stride of v, stride of k, k, ahead). Arrays are addresses, and strides are in numbers of
    4 bytes, as those of `tile.tile`; ``ahead`` is how far behind each vector of b the one lies that is wanted soon.

    Args:
        chains: sums that each result is made of, of which k is a multiple: a single one waits for itself.
        pairs: as of `tile.tile`.
    """

    @intrinsic
    def multiply(_typing, c, a, b, v_stride, k_stride, k, ahead):
        signature = types.void(*[types.intp] * 7)

        def generate(_context, builder, _signature, args):
            c, a, b, v_stride, k_stride, k, ahead = args
            one, many, product = (INT, INTS, add_product_of_pairs) if pairs else (FLOAT, FLOATS, add_product)
            kind = ir.FunctionType(ir.VoidType(), [BYTE.as_pointer(), INT, INT, INT])
            prefetch = cgutils.get_or_insert_function(builder.module, kind, "llvm.prefetch.p0i8")

            def place(base, offset, kind):
                start = builder.inttoptr(base, FLOAT.as_pointer())
                return builder.bitcast(builder.gep(start, [offset]), kind.as_pointer())

            before = builder.block
            head, body, end = (builder.append_basic_block(name) for name in ("head", "body", "end"))
            builder.branch(head)

            builder.position_at_end(head)
            at = builder.phi(LONG)
            at.add_incoming(LONG(0), before)
            sums = [builder.phi(FLOATS) for _ in range(chains * vectors)]
            for total in sums:
                total.add_incoming(ir.Constant(FLOATS, [0.0] * LANES), before)
            builder.cbranch(builder.icmp_signed("<", at, k), body, end)

            builder.position_at_end(body)
            for chain in range(chains):
                step = builder.add(at, LONG(chain))
                number = builder.load(place(a, step, one), align=4)
                left = builder.insert_element(ir.Constant(many, ir.Undefined), number, INT(0))
                left = builder.shuffle_vector(left, left, ir.Constant(INTS, [0] * LANES))
                for v in range(vectors):
                    offset = builder.add(builder.mul(step, k_stride), builder.mul(LONG(v), v_stride))
                    right = builder.load(place(b, offset, many), align=4)
                    builder.call(prefetch, [place(b, builder.add(offset, ahead), BYTE), TO_READ, NEAR, DATA])
                    total = sums[chain * vectors + v]
                    total.add_incoming(product(builder, left, right, total), body)
            at.add_incoming(builder.add(at, LONG(chains)), body)
            builder.branch(head)

            builder.position_at_end(end)
            for v in range(vectors):
                total = sums[v]
                for other in sums[vectors + v :: vectors]:
                    total = builder.fadd(total, other)
                builder.store(total, place(c, LONG(v * LANES), FLOATS), align=4)
            return ir.Constant(BYTE.as_pointer(), None)

        return signature, generate

    return multiply
