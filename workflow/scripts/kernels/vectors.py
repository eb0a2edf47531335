"""Arithmetic on vectors of float32 in LLVM's own instructions, for loops that a compiler would not turn into them.

A compiler must prove that no array overlaps another before it takes numbers of several at once, and gives up or checks
at length where there are many. Functions that are built here take addresses (``x.ctypes.data``) and prove nothing.
"""

from llvmlite import ir
from numba.core import cgutils

from workflow.scripts.kernels.tile import BFLOATS, FLOATS, INT, INTS, LANES
from workflow.scripts.machine.torch_private import has_native_bfloat16

SHORTS = ir.VectorType(ir.IntType(16), LANES)
ROUNDER = 12582912.0  # 1.5 x 2^23: a sum with it is rounded to an integer, in its lowest bits
STEPS = 32767.0  # a number between -1 and 1 is kept in 16 bits as so many steps: finer than bfloat16 near 1


class Vector:
    """`LANES` numbers of float32, and operators that add instructions to the function that ``builder`` writes.

    Where a method has an argument ``short``, memory holds 16 bits a number: bfloat16, or with ``steps`` multiples of
    1 / `STEPS`.
    """

    def __init__(self, builder: ir.IRBuilder, value: ir.Value):
        self.builder = builder
        self.value = value

    @classmethod
    def load(
        cls, builder: ir.IRBuilder, address: ir.Value, at: int = 0, short: bool = False, steps: bool = False
    ) -> "Vector":
        """The vector that is ``at`` so many vectors after an address."""
        if not short:
            return cls(builder, builder.load(_place(builder, address, at, FLOATS), align=4))
        bits = builder.load(_place(builder, address, at, SHORTS), align=2)
        if steps:
            return cls(builder, builder.sitofp(builder.sext(bits, INTS), FLOATS)) * (1 / STEPS)
        wide = builder.shl(builder.zext(bits, INTS), _whole(16))
        return cls(builder, builder.bitcast(wide, FLOATS))

    def store(self, address: ir.Value, at: int = 0, short: bool = False, steps: bool = False) -> None:
        """Write to where `load` would read; bfloat16 is rounded to even."""
        builder, value = self.builder, self.value
        if short and steps:
            value = builder.trunc(builder.bitcast((self * STEPS + ROUNDER).value, INTS), SHORTS)
        elif short and has_native_bfloat16():
            kind = ir.FunctionType(ir.VectorType(BFLOATS.element, LANES), [FLOATS])
            function = cgutils.get_or_insert_function(builder.module, kind, "llvm.x86.avx512bf16.cvtneps2bf16.512")
            value = builder.bitcast(builder.call(function, [value]), SHORTS)
        elif short:
            bits = builder.bitcast(value, INTS)
            odd = builder.and_(builder.lshr(bits, _whole(16)), _whole(1))
            bits = builder.add(builder.add(bits, _whole(0x7FFF)), odd)
            value = builder.trunc(builder.lshr(bits, _whole(16)), SHORTS)
        builder.store(value, _place(builder, address, at, value.type), align=2 if short else 4)

    def _other(self, x: "Vector | float") -> ir.Value:
        return x.value if isinstance(x, Vector) else ir.Constant(FLOATS, [float(x)] * LANES)

    def __add__(self, x: "Vector | float") -> "Vector":
        return Vector(self.builder, self.builder.fadd(self.value, self._other(x), flags=["fast"]))

    def __mul__(self, x: "Vector | float") -> "Vector":
        return Vector(self.builder, self.builder.fmul(self.value, self._other(x), flags=["fast"]))

    def __rsub__(self, x: float) -> "Vector":
        return Vector(self.builder, self.builder.fsub(self._other(x), self.value, flags=["fast"]))

    def __rtruediv__(self, x: float) -> "Vector":
        return Vector(self.builder, self.builder.fdiv(self._other(x), self.value, flags=["fast"]))

    def _call(self, name: str, *others: float) -> "Vector":
        kind = ir.FunctionType(FLOATS, [FLOATS] * (1 + len(others)))
        function = cgutils.get_or_insert_function(self.builder.module, kind, f"llvm.{name}.v{LANES}f32")
        return Vector(self.builder, self.builder.call(function, [self.value, *map(self._other, others)]))

    def exp(self) -> "Vector":
        """e^x to float32's precision: 2^n times a polynomial over (-ln 2 / 2, ln 2 / 2) (Cephes, expf)."""
        x = self._call("maxnum", -87.0)._call("minnum", 88.0)
        n = (x * 1.442695040888963)._call("rint")
        x = x + n * -0.693359375 + n * 2.12194440e-4
        p: Vector | float = 1.9875691500e-4
        for coefficient in (1.3981999507e-3, 8.3334519073e-3, 4.1665795894e-2, 1.6666665459e-1, 5.0000001201e-1):
            p = x * p + coefficient
        power = self.builder.shl(self.builder.add(self.builder.fptosi(n.value, INTS), _whole(127)), _whole(23))
        return (x * x * p + x + 1.0) * Vector(self.builder, self.builder.bitcast(power, FLOATS))

    def sigmoid(self) -> "Vector":
        """1 / (1 + e^-x), within 1e-7."""
        return 1.0 / ((self * -1.0).exp() + 1.0)

    def tanh(self) -> "Vector":
        """The hyperbolic tangent, within 2e-7."""
        return 1.0 - (1.0 / ((self * 2.0).exp() + 1.0)) * 2.0


def _whole(number: int) -> ir.Constant:
    return ir.Constant(INTS, [number] * LANES)


def _place(builder: ir.IRBuilder, address: ir.Value, at: int, kind: ir.Type) -> ir.Value:
    start = builder.inttoptr(address, kind.as_pointer())
    return builder.gep(start, [INT(at)])
