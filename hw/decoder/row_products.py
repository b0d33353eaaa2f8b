"""Rows of keys against queries, rows of values times shares: attention's multipliers and its sums."""

from amaranth.hdl import Array, Cat, Module, Mux, Signal, Value, signed, unsigned
from amaranth.lib import data, stream, wiring
from amaranth.lib.memory import Memory
from amaranth.lib.wiring import In, Out

from formats.decoder.tables import PROBABILITY_BITS

ELEMENT = signed(16)
"""Of a query, a key or a value."""

DOT = signed(41)
"""Of 2^10 products of 15 by 15 magnitude bits."""

SUM = signed(50)
"""Of 2^17 products of 17 by 15 magnitude bits."""

_FACTOR = signed(PROBABILITY_BITS + 1)


class RowProducts(wiring.Component):
    """A beat per cycle: ``lanes`` elements of 8 bits, or half as many of 16, for all queries at once.

    While ``values`` is 0, a row is a key: its dot products leave two cycles after its last beat. While it is 1, a
    row is a value: times the shares, it is added to the sums.

    Parameters
    ----------
    queries
        Query heads that share keys and values.
    lanes
        Bytes of a beat: even.
    length
        Most elements of a row.

    Members
    -------
    start : In(1)
        The next row of values is the first; sums begin anew.
    active : In(1)
        Rows are taken.
    values, wide : In(1), In(1)
        Rows are values; elements have 16 bits.
    last_beat : In(range(2 * length // lanes))
        Beats of a row without one; at least 1.
    rows : In(16)
        Rows to take; more wait. Read when ``values`` changes and with ``start``.
    i : In(stream.Signature(8 * lanes))
    write, head, element : In(1), In(range(queries)), In(range(length))
        Store ``query`` at an element of a head; without ``write``, ``sum`` is read there.
    query : In(signed(16))
    advance_sum : In(1)
        Nothing of ``sum`` moves without it.
    sum : Out(signed(50))
        Two cycles late; only while no rows are under way.
    shares : In(stream.Signature(ArrayLayout(17, queries)))
        For a row of values.
    dots : Out(stream.Signature(ArrayLayout(signed(41), queries)))
        For a row of keys.
    idle : Out(1)
        All rows have been taken and added, or left.
    """

    def __init__(self, queries: int, lanes: int, length: int) -> None:
        self._queries, self._lanes, self._beats = queries, lanes, 2 * length // lanes
        super().__init__(
            {
                "start": In(1),
                "active": In(1),
                "values": In(1),
                "wide": In(1),
                "last_beat": In(range(self._beats)),
                "rows": In(16),
                "i": In(stream.Signature(8 * lanes)),
                "write": In(1),
                "head": In(range(queries)),
                "element": In(range(length)),
                "query": In(ELEMENT),
                "advance_sum": In(1),
                "sum": Out(SUM),
                "shares": In(stream.Signature(data.ArrayLayout(unsigned(PROBABILITY_BITS), queries))),
                "dots": Out(stream.Signature(data.ArrayLayout(DOT, queries))),
                "idle": Out(1),
            }
        )

    def elaborate(self, platform: object) -> Module:
        """Take a beat, multiply, add: three stages that wait together for who takes the dot products."""
        m = Module()
        advance, taken, first, last = Signal(), Signal(), Signal(), Signal()
        beat, rows_left, fresh = Signal.like(self.last_beat), Signal.like(self.rows), Signal()
        was_values, needs, wants, ended = Signal(), Signal(), Signal(), Signal()
        under_way, lasts, freshes = Signal(2), Signal(2), Signal(2)
        beats = [Signal.like(beat, name=f"beat_{stage}") for stage in range(2)]
        m.d.comb += [
            # whether those of the row before are taken just now is not asked, as they are taken long before
            advance.eq(~(under_way[1] & lasts[1] & ~self.values & self.dots.valid)),
            first.eq(beat == 0),
            last.eq(beat == self.last_beat),
            wants.eq(self.active & ~ended & (self.values == was_values) & (~needs | self.shares.valid)),
            self.i.ready.eq(wants & advance),
            needs.eq(self.values & first),
            taken.eq(self.i.valid & self.i.ready),
            self.shares.ready.eq(needs & wants & self.i.valid),  # rows of values always advance
            ended.eq(rows_left == 0),
            self.idle.eq(ended & (self.values == was_values) & ~under_way.any() & ~self.dots.valid),
        ]
        with m.If(self.start | (self.values != was_values)):
            m.d.sync += [was_values.eq(self.values), rows_left.eq(self.rows), beat.eq(0)]
        with m.Elif(taken):
            m.d.sync += [beat.eq(Mux(last, 0, beat + 1)), rows_left.eq(rows_left - last)]
        with m.If(self.start):
            m.d.sync += fresh.eq(1)
        with m.Elif(taken & last & self.values):
            m.d.sync += fresh.eq(0)
        products = self._multiply(m, advance, taken, beat)
        with m.If(advance):
            m.d.sync += [
                under_way.eq(Cat(taken, under_way)),
                lasts.eq(Cat(last, lasts)),
                freshes.eq(Cat(fresh, freshes)),
                beats[0].eq(beat),
                beats[1].eq(beats[0]),
            ]
        self._add_keys(m, products, under_way[1] & ~self.values & advance, lasts[1])
        self._add_values(m, products, beats, under_way[1] & self.values & advance, freshes[1], advance)
        return m

    def _place(self) -> tuple[Value, Value]:
        """Beat and lane of ``element``."""
        bits = (self._lanes - 1).bit_length()
        low, wide_low = self.element[:bits], self.element[: bits - 1]
        return (
            Mux(self.wide, self.element[bits - 1 :], self.element[bits:]),
            Mux(self.wide, wide_low, low),
        )

    def _elements(self) -> list[Value]:
        """Elements of a beat; of wide ones the upper half is 0."""
        beat, half = self.i.payload, self._lanes // 2
        narrow = [beat.word_select(lane, 8).as_signed() for lane in range(self._lanes)]
        wide = [beat.word_select(lane, 16).as_signed() for lane in range(half)]
        return [Mux(self.wide, wide[lane] if lane < half else 0, narrow[lane]) for lane in range(self._lanes)]

    def _multiply(self, m: Module, advance: Signal, taken: Signal, beat: Signal) -> list[list[Signal]]:
        """Elements times queries or shares: a product a query and lane, in the third stage."""
        queries, lanes = self._queries, self._lanes
        layout = data.ArrayLayout(ELEMENT, queries * lanes)
        m.submodules.held = held = Memory(shape=layout, depth=self._beats, init=[])
        read, write = held.read_port(), held.write_port(granularity=1)
        place, lane = self._place()
        m.d.comb += [
            read.addr.eq(beat),
            read.en.eq(advance),
            write.addr.eq(place),
            *(write.data[index].eq(self.query) for index in range(queries * lanes)),
            *(
                write.en[head * lanes + index].eq(self.write & (self.head == head) & (lane == index))
                for head in range(queries)
                for index in range(lanes)
            ),
        ]
        shares = Signal(data.ArrayLayout(unsigned(PROBABILITY_BITS), queries))
        elements = [Signal(ELEMENT, name=f"element_{index}") for index in range(lanes)]
        with m.If(self.shares.ready):
            m.d.sync += shares.eq(self.shares.payload)
        with m.If(advance):
            m.d.sync += [signal.eq(element) for signal, element in zip(elements, self._elements(), strict=True)]
        products = []
        for head in range(queries):
            row = [Signal(signed(34), name=f"product_{head}_{index}") for index in range(lanes)]
            for index, product in enumerate(row):
                factor = Signal(_FACTOR, name=f"factor_{head}_{index}")
                m.d.comb += factor.eq(Mux(self.values, shares[head], read.data[head * lanes + index]))
                with m.If(advance):
                    m.d.sync += product.eq(factor * elements[index])
            products.append(row)
        return products

    def _add_keys(self, m: Module, products: list[list[Signal]], enable: Value, last: Value) -> None:
        """Add up a row's products; with the last beat they leave."""
        with m.If(self.dots.ready):
            m.d.sync += self.dots.valid.eq(0)
        with m.If(enable & last):
            m.d.sync += self.dots.valid.eq(1)
        begins = Signal(init=1)  # a row: decided before its sum, not behind it
        with m.If(enable):
            m.d.sync += begins.eq(last)
        for head, row in enumerate(products):
            total, added = Signal(DOT, name=f"total_{head}"), Signal(DOT, name=f"added_{head}")
            m.d.comb += added.eq(Mux(begins, 0, total) + sum(row))
            with m.If(enable):
                m.d.sync += total.eq(added)
                with m.If(last):
                    m.d.sync += self.dots.payload[head].eq(added)

    def _add_values(
        self,
        m: Module,
        products: list[list[Signal]],
        beats: list[Signal],
        enable: Value,
        fresh: Value,
        advance: Signal,
    ) -> None:
        """Add every product to its sum; hand over the one that is asked for."""
        width = self._queries * self._lanes
        m.submodules.sums = sums = Memory(shape=data.ArrayLayout(SUM, width), depth=self._beats, init=[])
        read, write = sums.read_port(), sums.write_port()
        place, lane = self._place()
        chosen = Signal(range(width))
        reads = Signal()  # late by a cycle in which nothing is asked for, as so many begin with it
        m.d.sync += reads.eq(self.idle)
        flat = [product for row in products for product in row]
        m.d.comb += [
            read.addr.eq(Mux(reads, place, beats[0])),
            read.en.eq(Mux(reads, self.advance_sum, advance)),
            write.addr.eq(beats[1]),
            write.en.eq(enable),
            *(write.data[index].eq(Mux(fresh, 0, read.data[index]) + product) for index, product in enumerate(flat)),
        ]
        with m.If(self.advance_sum):
            m.d.sync += [
                chosen.eq(self.head * self._lanes + lane),
                self.sum.eq(Array(read.data[index] for index in range(width))[chosen]),
            ]
