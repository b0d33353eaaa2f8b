"""Attention unit: softmax attention of the queries that share one head of keys and values, in two passes."""

from amaranth.hdl import Cat, Module, Mux, Signal, signed
from amaranth.lib import data, stream, wiring
from amaranth.lib.wiring import In, Out

from formats.decoder.tables import FACTOR_BITS, MANTISSA_BITS, SCORE_FRACTION_BITS, ZERO_EXPONENT
from hw.decoder.reciprocal import Reciprocal
from hw.decoder.rounding_shift import PLACES, WORD, RoundingShift, bit_length, halves_up
from hw.decoder.row_products import ELEMENT, SUM, RowProducts
from hw.decoder.shares import EXPONENT, EXPONENTS, QUERY_PLACES, Shares
from hw.memory.skid_buffer import SkidBuffer

QUERY = data.StructLayout({"mantissa": ELEMENT, "exponent": EXPONENT})
"""An element of a query, 15 bits and a sign, with the query's exponent: a word of the vector unit's READ."""


def attention_layout(positions: int, length: int) -> data.StructLayout:
    """A command.

    ``positions``: how many are seen, at least 1. ``length``: elements of a head, at least two beats of them. ``wide``:
    keys and values have 16 bits, not 8.
    """
    return data.StructLayout({"positions": range(positions + 1), "length": range(length + 1), "wide": 1})


class AttentionUnit(wiring.Component):
    """``golden_models.integer_decoder.attention.attend`` of one token, and of one head of keys and values.

    Takes all queries, a head after the other; then, beat by beat, the key of every position, and then the value of
    every position. Then the heads' results leave. A window is a range of positions that is streamed, no more.

    A beat per cycle, where a row has at least ``queries`` + 12 beats; shorter rows wait for their shares. Before and
    after, an element of a query takes one cycle, and one of a result two; a head takes 52 more at most.

    Parameters
    ----------
    queries
        Query heads that share keys and values.
    lanes
        Bytes of a beat: a power of two, at least 4.
    length
        Most elements of a head: a power of two.
    positions
        Most positions: below 2^16.

    Members
    -------
    command : In(stream.Signature(attention_layout(positions, length)))
    i_queries : In(stream.Signature(QUERY))
    i_exponents : In(stream.Signature(EXPONENTS))
        Exponents of key and value of every position, once for each pass; those of keys are only read in the first.
    i : In(stream.Signature(8 * lanes))
        Elements of keys and values, the first in the lowest bits; a row begins with a beat. Two beats at most are
        taken before they are needed.
    o : Out(stream.Signature(signed(32)))
        Elements of the results, for the vector unit's LOAD.
    o_exponent : Out(signed(12))
        Of the head whose elements leave.
    """

    def __init__(self, queries: int, lanes: int, length: int, positions: int) -> None:
        self._queries, self._lanes, self._length, self._positions = queries, lanes, length, positions
        super().__init__(
            {
                "command": In(stream.Signature(attention_layout(positions, length))),
                "i_queries": In(stream.Signature(QUERY)),
                "i_exponents": In(stream.Signature(EXPONENTS)),
                "i": In(stream.Signature(8 * lanes)),
                "o": Out(stream.Signature(WORD)),
                "o_exponent": Out(EXPONENT),
            }
        )

    def elaborate(self, platform: object) -> Module:
        """Queries, keys, values; then of every head its bits and its results."""
        m = Module()
        m.submodules.products = products = RowProducts(self._queries, self._lanes, self._length)
        m.submodules.shares = shares = Shares(self._queries, self._positions)
        m.submodules.reciprocal = reciprocal = Reciprocal()
        command = Signal(attention_layout(self._positions, self._length))
        head, element = Signal(range(self._queries)), Signal(range(self._length + 1))
        last_head, ends, asking, leaves, begins, through = (Signal() for _ in range(6))
        active, values = Signal(), Signal()  # not decoded from the states: many paths begin with them
        sum_places, seen, known_exponent = Signal(PLACES), Signal(SUM.width - 1), Signal(signed(14))
        seen_bits = bit_length(m, seen)  # all sums are seen three cycles before they are through
        query_places, places = Signal.like(shares.query_places), Signal(QUERY_PLACES)
        entered, entered_head = Signal(), Signal.like(head)  # a cycle late, as the exponent comes from far away
        self._connect(m, products, shares)
        idle = self._leave(m, products, reciprocal.factor, sum_places, asking, leaves, seen)
        beats = Mux(command.wide, command.length << 1, command.length) >> (self._lanes - 1).bit_length()
        m.d.comb += [
            last_head.eq(head == self._queries - 1),
            ends.eq(element == command.length),
            products.start.eq(begins),
            products.active.eq(active),
            products.values.eq(values),
            shares.values.eq(values),
            products.rows.eq(command.positions),
            products.wide.eq(command.wide),
            products.head.eq(head),
            products.element.eq(element),
            products.write.eq(self.i_queries.valid & self.i_queries.ready),
            products.query.eq(self.i_queries.payload.mantissa),
            shares.start.eq(begins),
            shares.rows.eq(command.positions),
            shares.query_places.eq(query_places),
            reciprocal.number.eq(shares.sums[head]),
        ]
        m.d.sync += [
            begins.eq(0),
            # a cycle late, and again only when it speaks of the next rows
            through.eq(products.idle & ~through),
            products.last_beat.eq(beats - 1),
            known_exponent.eq(shares.top + reciprocal.exponent + FACTOR_BITS),
            entered.eq(products.write),
            entered_head.eq(head),
            places.eq(-self.i_queries.payload.exponent - SCORE_FRACTION_BITS),
        ]
        with m.If(entered):
            m.d.sync += query_places[entered_head].eq(places)
        with m.FSM():
            with m.State("IDLE"):
                m.d.comb += self.command.ready.eq(1)
                m.d.sync += [command.eq(self.command.payload), head.eq(0), element.eq(0)]
                with m.If(self.command.valid):
                    m.d.sync += begins.eq(1)
                    m.next = "QUERIES"
            with m.State("QUERIES"):
                m.d.comb += self.i_queries.ready.eq(1)
                with m.If(self.i_queries.valid):
                    m.d.sync += element.eq(element + 1)
                    with m.If(element == command.length - 1):
                        m.d.sync += [element.eq(0), head.eq(Mux(last_head, 0, head + 1))]
                        with m.If(last_head):
                            m.d.sync += active.eq(1)
                            m.next = "KEYS"
            with m.State("KEYS"), m.If(through & shares.idle):
                m.d.sync += values.eq(1)
                m.next = "VALUES"
            with m.State("VALUES"), m.If(through):
                m.d.sync += active.eq(0)
                m.next = "HEAD"
            with m.State("HEAD"):
                m.d.comb += reciprocal.start.eq(1)
                m.next = "BITS"
            with m.State("BITS"):
                m.d.comb += asking.eq(~ends)
                m.d.sync += element.eq(element + asking)
                with m.If(ends & idle & reciprocal.done):
                    m.d.sync += [element.eq(0), sum_places.eq(seen_bits - MANTISSA_BITS)]
                    m.next = "EXPONENT"
            with m.State("EXPONENT"):
                m.d.sync += self.o_exponent.eq(Mux(seen_bits == 0, ZERO_EXPONENT, known_exponent + sum_places))
                m.next = "LEAVE"
            with m.State("LEAVE"):
                m.d.comb += [asking.eq(~ends), leaves.eq(1)]
                m.d.sync += element.eq(element + (asking & products.advance_sum))
                with m.If(ends & idle):
                    m.d.sync += [element.eq(0), head.eq(head + 1)]
                    m.next = "HEAD"
                    with m.If(last_head):
                        m.d.sync += values.eq(0)
                        m.next = "IDLE"
        return m

    def _connect(self, m: Module, products: RowProducts, shares: Shares) -> None:
        # who gives rows and exponents ends no path in here
        m.submodules.rows = rows = SkidBuffer(8 * self._lanes)
        m.submodules.exponents = exponents = SkidBuffer(EXPONENTS)
        wiring.connect(m, wiring.flipped(self.i), rows.i)
        wiring.connect(m, rows.o, products.i)
        wiring.connect(m, wiring.flipped(self.i_exponents), exponents.i)
        wiring.connect(m, exponents.o, shares.exponents)
        wiring.connect(m, products.dots, shares.dots)
        wiring.connect(m, shares.o, products.shares)

    def _leave(
        self,
        m: Module,
        products: RowProducts,
        factor: Signal,
        sum_places: Signal,
        asking: Signal,
        leaves: Signal,
        seen: Signal,
    ) -> Signal:
        """Sums one after the other: first their bits, then themselves at 31 bits, times the reciprocal."""
        m.submodules.shift = shift = RoundingShift(SUM.width)
        under_way, advance, idle = Signal(3 + RoundingShift.LATENCY), Signal(), Signal()
        product = Signal(signed(MANTISSA_BITS + 1 + FACTOR_BITS + 1))
        m.d.comb += [
            advance.eq(~self.o.valid | self.o.ready),
            idle.eq(~under_way.any() & advance),
            products.advance_sum.eq(advance),
            shift.advance.eq(advance),
            shift.i.eq(products.sum),
            shift.places.eq(sum_places),
            shift.bits.eq(MANTISSA_BITS),
        ]
        with m.If(advance):
            m.d.sync += [
                under_way.eq(Cat(asking, under_way)),
                product.eq(shift.o * factor),
                self.o.payload.eq(halves_up(product, FACTOR_BITS)),
                self.o.valid.eq(leaves & under_way[-1]),
            ]
        with m.If(asking & ~leaves & ~under_way.any()):
            m.d.sync += seen.eq(0)
        with m.Elif(~leaves & under_way[1]):
            m.d.sync += seen.eq(seen | abs(products.sum))
        return idle
