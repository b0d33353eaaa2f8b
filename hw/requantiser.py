"""Requantiser: a product's results times their rows' scales, as keys for the token router."""

from amaranth.hdl import Cat, Module, Mux, Signal, signed
from amaranth.lib import data, stream, wiring
from amaranth.lib.wiring import In, Out, connect, flipped

from formats.engine import RESULT_BITS, EngineParameters
from formats.router.descriptor import KEY_BITS
from hw.engine.row_results import RowResults
from hw.router.frame.receiver import beat_layout
from hw.router.parameters import UnitParameters

EXPONENT_BITS = 9
"""Bits of a product's exponent: a bfloat16 field, and as much again for the largest sums."""

MANTISSA_BITS, FRACTION_BITS = 8, 7
"""Bits of a bfloat16 number's significand, and those of them that are stored."""

SCALE_BITS = 16


def routing_layout(parameters: EngineParameters) -> data.StructLayout:
    """What turns a product's results into keys.

    ``format``: as in the product's command. ``rows``: rows of the matrix. ``exponent``: see
    ``golden_models.seedlm.requantise``; not below the exponent field of any row's scale.
    """
    return data.StructLayout(
        {
            "format": range(len(parameters.formats)),
            "rows": range(parameters.maximum_rows + 1),
            "exponent": EXPONENT_BITS,
        }
    )


class Requantiser(wiring.Component):
    """Takes one vector's results and a scale per row, and hands over a packet of keys.

    A result a cycle at most: one multiplier and one shifter serve all lanes, since a row group has
    as many cycles as its rows have blocks. Padding takes no cycle of its own. A key completes its
    beat 3 cycles after its result was taken. Equal to ``golden_models.seedlm.requantise.requantise``.

    Parameters
    ----------
    engine, router
        Sizes of the units on either side.

    Members
    -------
    routing : In(routing_layout(engine))
        Of the results to come; read with ``start``.
    start : In(1)
        Results of another product follow; only when those of the last have been taken.
    busy : Out(1)
        Keys are still to come; rises in the cycle after ``start``.
    i_results : In(stream.Signature(ArrayLayout(signed(64), results_per_beat)))
    i_scales : In(stream.Signature(16))
        bfloat16 numbers of at least 0, row by row.
    o : Out(stream.Signature(beat_layout(router)))
        Keys in the router's format S24, as many a beat as the router has lanes.
    """

    LATENCY = 3

    def __init__(self, engine: EngineParameters, router: UnitParameters) -> None:
        self._engine = engine
        self._lanes = router.lanes
        results = data.ArrayLayout(signed(RESULT_BITS), engine.results_per_beat)
        super().__init__(
            {
                "routing": In(routing_layout(engine)),
                "start": In(1),
                "busy": Out(1),
                "i_results": In(stream.Signature(results)),
                "i_scales": In(stream.Signature(SCALE_BITS)),
                "o": Out(stream.Signature(beat_layout(router))),
            }
        )

    def elaborate(self, platform: object) -> Module:
        """Take a row, multiply, shift, round; the whole pipeline waits while a beat does."""
        m = Module()
        m.submodules.results = results = RowResults(self._engine)
        connect(m, flipped(self.i_results), results.i)
        product_bits = self._engine.accumulator_bits + MANTISSA_BITS
        advance, taken = Signal(), Signal()
        product, shifted = Signal(signed(product_bits)), Signal(signed(product_bits + 1))
        shift = Signal(range(product_bits + 1))
        routing = Signal.like(self.routing)
        under_way = Signal(2)
        ends = Signal(2)
        mantissa, distance = self._split_scale(m, routing)
        m.d.comb += [
            advance.eq(~self.o.valid | self.o.ready),
            self.busy.eq(results.busy | under_way.any() | self.o.valid),
            results.start.eq(self.start),
            results.format.eq(self.routing.format),
            results.rows.eq(self.routing.rows),
            results.o.ready.eq(self.i_scales.valid & advance),
            self.i_scales.ready.eq(results.o.valid & advance),
            taken.eq(results.o.valid & results.o.ready),
        ]
        with m.If(self.start):
            m.d.sync += routing.eq(self.routing)
        with m.If(advance):
            m.d.sync += [
                under_way.eq(Cat(taken, under_way)),
                ends.eq(Cat(results.o.payload.last, ends)),
                product.eq(results.o.payload.sum * mantissa),
                # a shift by all bits leaves the sign, and rounding makes it 0: more is the same
                shift.eq(Mux(distance > product_bits, product_bits, distance)),
                shifted.eq((product << 1) >> shift),
            ]
        self._pack(m, _rounded_key(m, shifted), under_way[1], ends[1], advance)
        return m

    def _split_scale(self, m: Module, routing: data.View) -> tuple[Signal, Signal]:
        """Mantissa of the scale, and how far its exponent lies below the product's."""
        scale = self.i_scales.payload
        mantissa = Signal(MANTISSA_BITS)
        distance = Signal(EXPONENT_BITS)
        field = scale[FRACTION_BITS : SCALE_BITS - 1]
        normal = field.any()
        m.d.comb += [
            mantissa.eq(Cat(scale[:FRACTION_BITS], normal)),
            distance.eq(routing.exponent - Mux(normal, field, 1)),
        ]
        return mantissa, distance

    def _pack(self, m: Module, key: Signal, valid: Signal, last: Signal, advance: Signal) -> None:
        """Fill a beat with keys; it is due when full, or with the last key."""
        place = Signal(range(self._lanes))
        full = Signal()
        m.d.comb += full.eq(last | (place == self._lanes - 1))
        with m.If(advance):
            m.d.sync += self.o.valid.eq(valid & full)
            with m.If(valid):
                m.d.sync += [
                    self.o.payload.elements[place].eq(key),
                    self.o.payload.last.eq(last),
                    place.eq(Mux(full, 0, place + 1)),
                ]


def _rounded_key(m: Module, shifted: Signal) -> Signal:
    """Half of a number, halves up, clipped to a signed key."""
    rounded = Signal(signed(len(shifted)))
    key = Signal(signed(KEY_BITS))
    high, low = (1 << (KEY_BITS - 1)) - 1, -(1 << (KEY_BITS - 1))
    m.d.comb += [
        rounded.eq((shifted + 1) >> 1),
        key.eq(Mux(rounded > high, high, Mux(rounded < low, low, rounded))),
    ]
    return key
