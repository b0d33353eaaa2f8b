"""Row scale: a product's exact sums, each times its row's scale, as elements of a vector."""

from amaranth.hdl import Cat, Const, Module, Mux, Signal, Value, signed
from amaranth.lib import stream, wiring
from amaranth.lib.wiring import In, Out, connect, flipped

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
    """``golden_models.integer_decoder.operations.multiply`` behind its exact sums: a row per cycle, six cycles late.

    Members
    -------
    exponent : In(9)
        The matrix's exponent in ``formats.decoder.program.Multiply``, plus ``EXPONENT_BIAS``; at
        least the exponent field of any row's scale. Stays while rows are under way.
    i_sums : In(stream.Signature(signed(47)))
    i_scales : In(stream.Signature(16))
        bfloat16 numbers of at least 0, row by row.
    o : Out(stream.Signature(signed(32)))
        For the vector unit's LOAD, or for ``BestKeys``.
    """

    LATENCY = 4 + RoundingShift.LATENCY

    def __init__(self) -> None:
        super().__init__(
            {
                "exponent": In(EXPONENT_BITS),
                "i_sums": In(stream.Signature(signed(SUM_BITS))),
                "i_scales": In(stream.Signature(SCALE_BITS)),
                "o": Out(stream.Signature(WORD)),
            }
        )

    def elaborate(self, platform: object) -> Module:
        """Take, multiply, add, shift, round; all stages wait for who takes the elements."""
        m = Module()
        product_bits = SUM_BITS + _MANTISSA_BITS
        m.submodules.shift = shift = RoundingShift(product_bits)
        # who takes the elements begins no path in here
        m.submodules.left = left = SkidBuffer(WORD)
        connect(m, left.o, flipped(self.o))
        advance, taken, under_way = Signal(), Signal(), Signal(self.LATENCY - 1)
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
            left.i.payload.eq(shift.o),
            left.i.valid.eq(under_way[-1]),
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
