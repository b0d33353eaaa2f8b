"""Row scale: a product's exact sums, each times its row's scale, as elements of a vector."""

from itertools import pairwise

from amaranth.hdl import Cat, Const, Module, Mux, Signal, Value, signed
from amaranth.lib import data, stream, wiring
from amaranth.lib.wiring import In, Out

from formats.decoder.tables import MANTISSA_BITS
from hw.decoder.rounding_shift import WORD, RoundingShift, limited
from hw.memory.skid_buffer import SkidBuffer

SUM_BITS = 47
"""Of 2^16 products of 15 by 15 magnitude bits, and the sign."""

EXPONENT_BITS = 9
"""A bfloat16 field, and as much again for the largest sums."""

SCALE_BITS, _SCALE_FRACTION_BITS = 16, 7

_MANTISSA_BITS = _SCALE_FRACTION_BITS + 1

_PART_BITS = 17
"""Of a sum that one multiplier takes."""

EXPONENT_BIAS = 127 + _SCALE_FRACTION_BITS
"""A bfloat16 number is its mantissa of 8 bits times two to its exponent field without this."""


class RowScale(wiring.Component):
    """``golden_models.integer_decoder.operations.multiply`` behind its exact sums: a sum per cycle, six cycles late.

    Parameters
    ----------
    batch
        Vectors whose sums come by turns.

    Members
    -------
    exponent : In(9)
        The matrix's exponent in ``formats.decoder.program.Multiply``, plus ``EXPONENT_BIAS``; at
        least the exponent field of any row's scale. Stays while rows are under way.
    i_sums : In(stream.Signature(signed(47)))
    i_vector, o_vector : In(range(batch)), Out(range(batch))
        With ``i_sums`` and with ``o``: of which vector it is.
    i_scales : In(stream.Signature(16))
        bfloat16 numbers of at least 0, one for every sum.
    o : Out(stream.Signature(signed(32)))
        For the vector unit's LOAD, or for ``BestKeys``.
    """

    LATENCY = 4 + RoundingShift.LATENCY

    def __init__(self, batch: int = 1) -> None:
        self._vector = range(batch)
        super().__init__(
            {
                "exponent": In(EXPONENT_BITS),
                "i_sums": In(stream.Signature(signed(SUM_BITS))),
                "i_vector": In(self._vector),
                "i_scales": In(stream.Signature(SCALE_BITS)),
                "o": Out(stream.Signature(WORD)),
                "o_vector": Out(self._vector),
            }
        )

    def elaborate(self, platform: object) -> Module:
        """Take, multiply, add, shift, round; all stages wait for who takes the elements."""
        m = Module()
        product_bits = SUM_BITS + _MANTISSA_BITS
        m.submodules.shift = shift = RoundingShift(product_bits)
        # who takes the elements begins no path in here
        m.submodules.left = left = SkidBuffer(data.StructLayout({"element": WORD, "vector": self._vector}))
        advance, taken, under_way = Signal(), Signal(), Signal(self.LATENCY - 1)
        vectors = [Signal(self._vector, name=f"vector_{stage}") for stage in range(len(under_way))]
        total, mantissa = Signal(signed(SUM_BITS)), Signal(_MANTISSA_BITS)
        places = [Signal(EXPONENT_BITS, name=f"places_{stage}") for stage in range(2)]
        scale = self.i_scales.payload
        field = scale[_SCALE_FRACTION_BITS : SCALE_BITS - 1]
        normal = field.any()
        m.d.comb += [
            advance.eq(~left.i.valid | left.i.ready),
            taken.eq(self.i_sums.valid & self.i_scales.valid & advance),
            self.i_sums.ready.eq(taken),
            self.i_scales.ready.eq(taken),
            shift.advance.eq(advance),
            shift.bits.eq(MANTISSA_BITS),
            left.i.payload.element.eq(shift.o),
            left.i.payload.vector.eq(vectors[-1]),
            left.i.valid.eq(under_way[-1]),
            self.o.valid.eq(left.o.valid),
            self.o.payload.eq(left.o.payload.element),
            self.o_vector.eq(left.o.payload.vector),
            left.o.ready.eq(self.o.ready),
        ]
        with m.If(advance):
            m.d.sync += [
                total.eq(self.i_sums.payload),
                mantissa.eq(Cat(scale[:_SCALE_FRACTION_BITS], normal)),
                # a subnormal number has the least field and no leading one
                places[0].eq(self.exponent - Mux(normal, field, 1)),
                places[1].eq(places[0]),
                shift.i.eq(_product(m, advance, total, mantissa)),
                shift.places.eq(limited(places[1], product_bits)),
                under_way.eq(Cat(taken, under_way)),
                *(later.eq(earlier) for earlier, later in pairwise([self.i_vector, *vectors])),
            ]
        return m


def _product(m: Module, advance: Signal, total: Signal, mantissa: Signal) -> Value:
    """Both's product, a cycle late: a register lies between the multipliers and the sum of what they make."""
    parts = total[:_PART_BITS], total[_PART_BITS : 2 * _PART_BITS], total[2 * _PART_BITS :].as_signed()
    low, middle, high = products = [
        Signal((part * mantissa).shape(), name=f"product_{i}") for i, part in enumerate(parts)
    ]
    with m.If(advance):
        m.d.sync += [product.eq(part * mantissa) for product, part in zip(products, parts, strict=True)]
    # the lowest and the highest do not meet
    outer = Cat(low, Const(0, 2 * _PART_BITS - len(low)), high).as_signed()
    return outer + (middle << _PART_BITS)
