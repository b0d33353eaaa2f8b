"""One pass over vectors in their memory: read, shift, work on, write."""

from enum import IntEnum
from itertools import pairwise

from amaranth.hdl import Cat, Module, Mux, Signal, Value, signed
from amaranth.lib import data, stream, wiring
from amaranth.lib.memory import Memory, ReadPort, WritePort
from amaranth.lib.wiring import In, Out

from formats.decoder.tables import FACTOR_BITS, GATES, LARGEST_FACTOR, MANTISSA_BITS, ROTARY_BITS, WEIGHT_BITS
from hw.decoder.interpolation import Interpolation
from hw.decoder.reciprocal_root import TOTAL_BITS
from hw.decoder.rounding_shift import PLACES, WORD, RoundingShift, halves_up
from hw.mux import choose

FACTOR = signed(FACTOR_BITS + 1)

PRODUCT = signed(MANTISSA_BITS + 1 + FACTOR_BITS + 1)

ROTARY_ENTRY_BITS = 16

ACTIVATIONS = tuple(GATES)
"""What the number of an activation function stands for."""


class Operation(IntEnum):
    """What is done with every element, after its shift.

    LOAD: it comes from ``i``, unshifted, and is written. READ: it leaves through ``o``. ADD: it is added to its
    partner in the destination. SQUARE: its square is added up. NORMALISE: times factor and weight, it is written.
    MOVE: it is written. SCALE: times factor, it is written. ROTATE: element i of source and of destination are turned
    by an angle, whose cosine and sine come from ``i``, the cosine in the low half of the word. ACTIVATE: it is the
    size of φ's argument; the element itself, unshifted, times φ is written. GATE: times it, its partner in the
    destination is written.
    """

    LOAD = 0
    READ = 1
    ADD = 2
    SQUARE = 3
    NORMALISE = 4
    MOVE = 5
    SCALE = 6
    ROTATE = 7
    ACTIVATE = 8
    GATE = 9


def pass_layout(words: int) -> data.StructLayout:
    """A pass over ``length`` elements, at least 1; of a rotation, pairs.

    ``source``, ``destination``: where the vectors begin. ``places``, ``bits``: by how much elements of the source are
    shifted, and to what; ``own_places``, ``own_bits``: those of the destination, where both are read. ``factor``: of a
    norm, the reciprocal root. ``activation``: a place in ``ACTIVATIONS``. ``keep``: ``seen`` goes on.
    """
    return data.StructLayout(
        {
            "operation": Operation,
            "source": range(words),
            "destination": range(words),
            "length": range(words + 1),
            "places": PLACES,
            "own_places": PLACES,
            "bits": range(MANTISSA_BITS + 1),
            "own_bits": range(MANTISSA_BITS + 1),
            "factor": FACTOR_BITS,
            "activation": range(len(ACTIVATIONS)),
            "keep": 1,
        }
    )


class VectorPass(wiring.Component):
    """An element per cycle; one every other cycle where two are read for it, since the memory is read at one place.

    Parameters
    ----------
    words
        Of the vector memory.

    Members
    -------
    start : In(1)
        Read the settings, and begin; only when no pass is under way.
    settings : In(pass_layout(words))
    done : Out(1)
        Everything has been written, or taken from ``o``; stays until the next start.
    seen : Out(31)
        Magnitudes that were written, or'ed: as long as the largest.
    squares : Out(51)
    i : In(stream.Signature(signed(32)))
        Words to load; weights; angles.
    o : Out(stream.Signature(signed(32)))
    """

    def __init__(self, words: int) -> None:
        self._words = words
        super().__init__(
            {
                "start": In(1),
                "settings": In(pass_layout(words)),
                "done": Out(1),
                "seen": Out(MANTISSA_BITS),
                "squares": Out(TOTAL_BITS),
                "i": In(stream.Signature(WORD)),
                "o": Out(stream.Signature(WORD)),
            }
        )

    def elaborate(self, platform: object) -> Module:
        """All stages wait together: for a weight or an angle, or for who takes the elements."""
        m = Module()
        settings = Signal.like(self.settings)
        m.submodules.shift = shift = RoundingShift()
        m.submodules.memory = memory = Memory(shape=WORD, depth=self._words, init=[])
        (loads, reads, adds, squares, normalises, moves, _, rotates, activates, gates) = (
            settings.operation == operation for operation in Operation
        )
        under_way = Signal(8)  # a bit a stage: an element is there
        turns = [Signal(2, name=f"turn_{stage}") for stage in range(5)]  # which of a pair's reads it comes from
        advance, asking, partner, needed = Signal(), Signal(), Signal(), Signal()
        first, normed, result, result_valid = Signal(WORD), Signal(WORD), Signal(WORD), Signal()
        weighted = Signal(PRODUCT)
        read = memory.read_port()
        self._ask(m, settings, read, asking, advance, turns[0])
        m.d.comb += [
            needed.eq((normalises & under_way[4]) | (rotates & under_way[2])),
            advance.eq(~(self.o.valid & ~self.o.ready) & ~(needed & ~self.i.valid)),
            self.i.ready.eq(Mux(loads, asking, needed & (normalises | (turns[2] == 3)))),
            partner.eq(turns[0][0] ^ turns[0][1]),
            shift.advance.eq(advance),
            shift.i.eq(Mux(activates, abs(read.data), read.data)),
            shift.places.eq(Mux(partner, settings.own_places, settings.places)),
            shift.bits.eq(Mux(partner, settings.own_bits, settings.bits)),
        ]
        product, total = self._multiply(m, settings, advance, read.data, shift.o, first, turns)
        weight = self.i.payload[: WEIGHT_BITS + 1].as_signed()
        stage = choose(settings.operation, [0, 0, 2, 0, 5, 2, 4, 4, 7, 4])  # where the result of an operation is
        second = ~(adds | rotates | gates) | Mux(adds, turns[2][0], turns[4][0])
        with m.If(advance):
            m.d.sync += [
                under_way.eq(Cat(asking & ~loads, under_way)),
                *(later.eq(turn) for turn, later in pairwise(turns)),
                first.eq(shift.o),
                normed.eq(Mux(rotates, halves_up(total, ROTARY_BITS), halves_up(total, FACTOR_BITS))),
                weighted.eq(normed * weight),
                result.eq(normed),
                result_valid.eq(Mux(loads, asking & self.i.valid, under_way.bit_select(stage, 1) & second)),
                self.o.valid.eq(reads & under_way[2]),
                self.o.payload.eq(shift.o),
            ]
            with m.If(loads):
                m.d.sync += result.eq(self.i.payload)
            with m.If(adds | moves):
                m.d.sync += result.eq(shift.o + Mux(adds, first, 0))
            with m.If(normalises):
                m.d.sync += result.eq(halves_up(weighted, WEIGHT_BITS))
            with m.If(reads | squares):
                m.d.sync += result_valid.eq(0)
        squared, written = squares & under_way[3] & advance, result_valid & advance
        with m.If(self.start):
            m.d.sync += [settings.eq(self.settings), self.squares.eq(0)]
        with m.Elif(squared):
            m.d.sync += self.squares.eq(self.squares + product)
        paired = self._write(m, settings, memory.write_port(), result, written)
        self._count(
            m, settings, Mux(reads, self.o.valid & self.o.ready, Mux(squares, squared, written & (~rotates | paired)))
        )
        return m

    def _multiply(
        self,
        m: Module,
        settings: data.View,
        advance: Signal,
        element: Value,
        shifted: Signal,
        first: Signal,
        turns: list[Signal],
    ) -> tuple[Signal, Signal]:
        """The one multiplier, a stage after a shifted element; of a rotation, the sum of its last two products too."""
        (squares, rotates, activates, gates) = (
            settings.operation == operation
            for operation in (Operation.SQUARE, Operation.ROTATE, Operation.ACTIVATE, Operation.GATE)
        )
        m.submodules.share = share = Interpolation(tuple(GATES.values()))
        late = [Signal(WORD, name=f"element_{stage}") for stage in range(RoundingShift.LATENCY + share.LATENCY)]
        product, held, total = (Signal(PRODUCT) for _ in range(3))
        factor, multiplicand = Signal(FACTOR), Signal(WORD)
        cosine, sine = (self.i.payload.word_select(half, ROTARY_ENTRY_BITS).as_signed() for half in (0, 1))
        m.d.comb += [
            share.advance.eq(advance),
            share.table.eq(settings.activation),
            share.argument.eq(shifted),
            multiplicand.eq(Mux(activates, late[-1], shifted)),
            factor.eq(settings.factor),
            total.eq(Mux(rotates, held + Mux(turns[3][1], product, -product), product)),
        ]
        with m.If(squares):
            m.d.comb += factor.eq(shifted)
        with m.If(gates):
            m.d.comb += factor.eq(first)
        with m.If(rotates):
            m.d.comb += factor.eq(Mux(turns[2][0], sine, cosine))
        with m.If(activates):
            m.d.comb += factor.eq(Mux(late[-1] < 0, LARGEST_FACTOR - share.factor, share.factor))
        with m.If(advance):
            m.d.sync += [
                product.eq(multiplicand * factor),
                held.eq(product),
                *(later.eq(earlier) for earlier, later in pairwise([element, *late])),
            ]
        return product, total

    def _ask(
        self, m: Module, settings: data.View, port: ReadPort, asking: Signal, advance: Signal, turned: Signal
    ) -> None:
        """Read one element after the other, those of a pair in turn, of a rotation twice; a load only counts."""
        asked, turn = Signal.like(settings.length), Signal(2)
        loads, rotates, last = settings.operation == Operation.LOAD, settings.operation == Operation.ROTATE, Signal()
        pairs = (settings.operation == Operation.ADD) | (settings.operation == Operation.GATE)
        m.d.comb += [
            asking.eq(asked != settings.length),
            last.eq(turn == Mux(rotates, 3, pairs)),
            port.addr.eq(Mux(turn[0] ^ turn[1], settings.destination, settings.source) + asked),
            port.en.eq(advance),
        ]
        with m.If(self.start):
            m.d.sync += [asked.eq(0), turn.eq(0)]
        with m.Elif(advance):
            m.d.sync += turned.eq(turn)
            with m.If(asking & (~loads | self.i.valid)):
                m.d.sync += [turn.eq(Mux(last, 0, turn + 1)), asked.eq(asked + last)]

    def _write(self, m: Module, settings: data.View, port: WritePort, result: Signal, enable: Value) -> Signal:
        """Write results in their order, of a rotation to source and destination in turn; note their bits."""
        place, paired = Signal.like(settings.length), Signal()
        rotates = settings.operation == Operation.ROTATE
        m.d.comb += [
            port.addr.eq(Mux(rotates & ~paired, settings.source, settings.destination) + place),
            port.data.eq(result),
            port.en.eq(enable),
        ]
        with m.If(self.start):
            m.d.sync += [place.eq(0), paired.eq(0), self.seen.eq(Mux(self.settings.keep, self.seen, 0))]
        with m.Elif(enable):
            m.d.sync += [
                place.eq(place + (~rotates | paired)),
                paired.eq(~paired),
                self.seen.eq(self.seen | abs(result)),
            ]
        return paired

    def _count(self, m: Module, settings: data.View, finishes: Value) -> None:
        """Elements that are through."""
        through = Signal.like(settings.length)
        m.d.comb += self.done.eq(through == settings.length)
        with m.If(self.start):
            m.d.sync += through.eq(0)
        with m.Elif(finishes):
            m.d.sync += through.eq(through + 1)
