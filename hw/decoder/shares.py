"""Scores of attention, and each position's share: a power of two of its score below the largest."""

from itertools import pairwise

from amaranth.hdl import Array, Cat, Module, Mux, Signal, signed, unsigned
from amaranth.lib import data, stream, wiring
from amaranth.lib.memory import Memory
from amaranth.lib.wiring import In, Out

from formats.decoder.tables import MANTISSA_BITS, POWER, PROBABILITY_BITS, SCORE_FRACTION_BITS, ZERO_EXPONENT
from hw.decoder.interpolation import Interpolation
from hw.decoder.reciprocal import NUMBER_BITS
from hw.decoder.rounding_shift import WORD, RoundingShift, limited
from hw.decoder.row_products import DOT

EXPONENT = signed(12)

EXPONENTS = data.StructLayout({"key": EXPONENT, "value": EXPONENT})
"""Of a position's key and value."""

QUERY_PLACES = signed(14)

_LOOKED_UP = 3 + Interpolation.LATENCY
"""Stage in which a power is there: a score goes through a register before it is subtracted."""

_SHARE_LATENCY = _LOOKED_UP + 2 * RoundingShift.LATENCY


class Shares(wiring.Component):
    """Takes the dot products of every position, then hands over its shares, aligned to the values' exponents.

    A score or a share a cycle; a position's shares are there 11 cycles after the first of them was begun, and those of
    the next are begun when they are taken.

    Parameters
    ----------
    queries
        Heads, each with a score a position.
    positions
        Most positions.

    Members
    -------
    start : In(1)
        Forget all scores; only when nothing is under way.
    values : In(1)
        Hand over shares, from the first position's on; all scores are there.
    rows : In(16)
        Positions whose shares are handed over; read with ``start``.
    query_places : In(ArrayLayout(signed(14), queries))
        By how much a dot product is shifted to the right for a score, if its key's exponent is 0. They stay while
        there are keys.
    exponents : In(stream.Signature(EXPONENTS))
        Of every position, first for its scores and then for its shares; a key's may be anything then.
    dots : In(stream.Signature(ArrayLayout(signed(41), queries)))
    o : Out(stream.Signature(ArrayLayout(17, queries)))
    idle : Out(1)
        All scores that were begun are kept.
    top : Out(signed(12))
        Largest exponent of a value.
    sums : Out(ArrayLayout(34, queries))
        Of the shares that were handed over, before they were aligned.
    """

    def __init__(self, queries: int, positions: int) -> None:
        self._queries, self._positions = queries, positions
        super().__init__(
            {
                "start": In(1),
                "values": In(1),
                "rows": In(16),
                "query_places": In(data.ArrayLayout(QUERY_PLACES, queries)),
                "exponents": In(stream.Signature(EXPONENTS)),
                "dots": In(stream.Signature(data.ArrayLayout(DOT, queries))),
                "o": Out(stream.Signature(data.ArrayLayout(unsigned(PROBABILITY_BITS), queries))),
                "idle": Out(1),
                "top": Out(EXPONENT),
                "sums": Out(data.ArrayLayout(unsigned(NUMBER_BITS), queries)),
            }
        )

    def elaborate(self, platform: object) -> Module:
        """One walk over the heads of a position, either way."""
        m = Module()
        depth = self._queries * self._positions
        m.submodules.scores = scores = Memory(shape=WORD, depth=depth, init=[])
        head, begun, last, waits = Signal(range(self._queries)), Signal(), Signal(), Signal()
        rows_left, more, finished = Signal.like(self.rows), Signal(), Signal()
        heads = [Signal.like(head, name=f"head_{stage}") for stage in range(_SHARE_LATENCY)]
        stages = Signal(_SHARE_LATENCY)  # a bit a stage: something is there
        largest = Array(Signal(WORD, name=f"largest_{index}") for index in range(self._queries))
        m.d.comb += [
            last.eq(head == self._queries - 1),
            begun.eq(self.exponents.valid & Mux(self.values, more, self.dots.valid)),
            more.eq((rows_left != 0) & ~self.o.valid & ~waits),
            self.dots.ready.eq(~self.values & self.exponents.valid & self.dots.valid & last),
            self.idle.eq(~stages.any()),
        ]
        m.d.sync += [
            stages.eq(Cat(begun, stages)),
            heads[0].eq(head),
            *(later.eq(earlier) for earlier, later in pairwise(heads)),
        ]
        with m.If(begun):
            m.d.sync += head.eq(Mux(last, 0, head + 1))
        with m.If(begun & last & self.values):
            m.d.sync += waits.eq(1)  # the exponent stays until the shares are aligned to it
        with m.If(self.start):
            m.d.sync += [head.eq(0), stages.eq(0), rows_left.eq(self.rows), self.top.eq(2 * ZERO_EXPONENT + 1)]
        with m.Elif(self.dots.ready & (self.exponents.payload.value > self.top)):
            m.d.sync += self.top.eq(self.exponents.payload.value)
        self._keep(m, scores, stages, heads, largest, head)
        self._share(m, scores, begun, stages, heads, largest, finished)
        m.d.comb += self.exponents.ready.eq(Mux(self.values, finished, self.dots.ready))
        with m.If(finished):
            m.d.sync += [waits.eq(0), self.o.valid.eq(1), rows_left.eq(rows_left - 1)]
        with m.Elif(self.o.ready):
            m.d.sync += self.o.valid.eq(0)
        return m

    def _keep(
        self, m: Module, scores: Memory, stages: Signal, heads: list[Signal], largest: Array, head: Signal
    ) -> None:
        """Scores of the dot products, in their order, and the largest of each head."""
        m.submodules.shift = shift = RoundingShift(DOT.width)
        write, place = scores.write_port(), Signal(range(scores.depth))
        places = self.query_places[head] - self.exponents.payload.key
        difference, dot, stage = Signal(places.shape()), Signal(DOT), 1 + RoundingShift.LATENCY
        kept = ~self.values & stages[stage]
        # registers before the shift, as exponents come straight from the memory
        m.d.sync += [
            dot.eq(self.dots.payload[head]),
            difference.eq(places),
            shift.i.eq(dot),
            shift.places.eq(limited(difference, DOT.width)),
        ]
        m.d.comb += [
            shift.advance.eq(1),
            shift.bits.eq(MANTISSA_BITS),
            write.addr.eq(place),
            write.data.eq(shift.o),
            write.en.eq(kept),
        ]
        kept_head = heads[stage]
        with m.If(self.start):
            m.d.sync += [place.eq(0), *(number.eq(-(1 << MANTISSA_BITS)) for number in largest)]
        with m.Elif(kept):
            m.d.sync += place.eq(place + 1)
            with m.If(shift.o > largest[kept_head]):
                m.d.sync += largest[kept_head].eq(shift.o)

    def _share(
        self,
        m: Module,
        scores: Memory,
        begun: Signal,
        stages: Signal,
        heads: list[Signal],
        largest: Array,
        finished: Signal,
    ) -> None:
        """Read a score, subtract, look up the power, shift it, add it up and align it."""
        m.submodules.line = line = Interpolation((POWER,))
        m.submodules.power = power = RoundingShift()
        m.submodules.align = align = RoundingShift()
        read, place = scores.read_port(), Signal(range(scores.depth))
        below, score, most, lower = Signal(MANTISSA_BITS + 2), Signal(WORD), Signal(WORD), Signal(signed(13))
        wholes = [Signal(len(below) - SCORE_FRACTION_BITS, name=f"whole_{stage}") for stage in range(line.LATENCY - 1)]
        shared = _LOOKED_UP + RoundingShift.LATENCY - 1  # the stage in which a share is there
        m.d.comb += [
            read.addr.eq(place),
            line.advance.eq(1),
            line.argument.eq(below[:SCORE_FRACTION_BITS]),
            power.advance.eq(1),
            power.i.eq(line.factor),
            power.bits.eq(PROBABILITY_BITS),
            align.advance.eq(1),
            align.i.eq(power.o),
            align.bits.eq(PROBABILITY_BITS),
            finished.eq(self.values & stages[-1] & (heads[-1] == self._queries - 1)),
        ]
        m.d.sync += [
            # two cycles late: the exponent stays until its shares are aligned
            lower.eq(self.top - self.exponents.payload.value),
            align.places.eq(limited(lower)),
            power.places.eq(limited(wholes[-1])),
            score.eq(read.data),
            most.eq(largest[heads[0]]),
            below.eq(most - score),
            wholes[0].eq(below[SCORE_FRACTION_BITS:]),
            *(later.eq(earlier) for earlier, later in pairwise(wholes)),
        ]
        with m.If(self.start):
            m.d.sync += [place.eq(0), self.sums.eq(0)]
        with m.Elif(self.values):
            m.d.sync += place.eq(place + begun)
            with m.If(stages[shared]):
                m.d.sync += self.sums[heads[shared]].eq(self.sums[heads[shared]] + power.o)
            with m.If(stages[-1]):
                m.d.sync += self.o.payload[heads[-1]].eq(align.o)
