"""One pass over vectors in their memory: read, shift, work on, write."""

from enum import IntEnum

from amaranth.hdl import Cat, Module, Mux, Signal, Value, signed
from amaranth.lib import data, stream, wiring
from amaranth.lib.memory import Memory, ReadPort, WritePort
from amaranth.lib.wiring import In, Out

from formats.decoder.tables import FACTOR_BITS, MANTISSA_BITS, WEIGHT_BITS
from hw.decoder.reciprocal_root import TOTAL_BITS
from hw.decoder.rounding_shift import WORD, RoundingShift

PLACES = signed(7)

PRODUCT_BITS = MANTISSA_BITS + 1 + FACTOR_BITS + 1


class Operation(IntEnum):
    """What is done with every element, after its shift.

    LOAD: it comes from ``i``, unshifted, and is written. READ: it leaves through ``o``. ADD: it is added to its
    partner in the destination. SQUARE: its square is added up. NORMALISE: times factor and weight, it is written.
    """

    LOAD = 0
    READ = 1
    ADD = 2
    SQUARE = 3
    NORMALISE = 4


def pass_layout(words: int) -> data.StructLayout:
    """A pass over ``length`` elements, at least 1.

    ``source``, ``destination``: where the vectors begin. ``places``, ``own_places``: by how much elements of the source
    are shifted, and in a sum those of the destination; ``bits``: to what. ``factor``: of a norm, the reciprocal root.
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
            "factor": FACTOR_BITS,
        }
    )


class VectorPass(wiring.Component):
    """An element a cycle; in a sum one every other cycle, since the memory is read at one place a cycle.

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
        Words to load; weights.
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
        """All stages wait together: for a weight, or for who takes the elements."""
        m = Module()
        settings = Signal.like(self.settings)
        m.submodules.shift = shift = RoundingShift()
        m.submodules.memory = memory = Memory(shape=WORD, depth=self._words, init=[])
        loads, reads, adds, squares, normalises = (settings.operation == operation for operation in Operation)
        under_way, second = Signal(6), Signal(3)  # a bit a stage: an element is there; it is a sum's second
        advance, asking = Signal(), Signal()
        product, weighted = Signal(signed(PRODUCT_BITS)), Signal(signed(PRODUCT_BITS))
        normed, first, result, result_valid = Signal(WORD), Signal(WORD), Signal(WORD), Signal()
        read = memory.read_port()
        self._ask(m, settings, read, asking, advance, second)
        m.d.comb += [
            advance.eq(~(self.o.valid & ~self.o.ready) & ~(normalises & under_way[4] & ~self.i.valid)),
            self.i.ready.eq(Mux(loads, asking, normalises & under_way[4])),
            shift.advance.eq(advance),
            shift.i.eq(read.data),
            shift.places.eq(Mux(second[0], settings.own_places, settings.places)),
            shift.bits.eq(settings.bits),
        ]
        factor = Mux(squares, shift.o[: FACTOR_BITS + 1], settings.factor).as_signed()
        weight = self.i.payload[: WEIGHT_BITS + 1].as_signed()
        with m.If(advance):
            m.d.sync += [
                under_way.eq(Cat(asking & ~loads, under_way)),
                first.eq(shift.o),
                product.eq(shift.o * factor),
                normed.eq(_halves_up(product, FACTOR_BITS)),
                weighted.eq(normed * weight),
                result.eq(Mux(loads, self.i.payload, Mux(adds, first + shift.o, _halves_up(weighted, WEIGHT_BITS)))),
                result_valid.eq(
                    Mux(loads, asking & self.i.valid, Mux(adds, under_way[2] & second[2], normalises & under_way[5]))
                ),
                self.o.valid.eq(reads & under_way[2]),
                self.o.payload.eq(shift.o),
            ]
        squared, written = squares & under_way[3] & advance, result_valid & advance
        with m.If(self.start):
            m.d.sync += [settings.eq(self.settings), self.squares.eq(0)]
        with m.Elif(squared):
            m.d.sync += self.squares.eq(self.squares + product)
        self._write(m, settings, memory.write_port(), result, written)
        self._count(m, settings, Mux(reads, self.o.valid & self.o.ready, Mux(squares, squared, written)))
        return m

    def _ask(
        self, m: Module, settings: data.View, port: ReadPort, asking: Signal, advance: Signal, second: Signal
    ) -> None:
        """Read one element after the other, of a sum those of both vectors in turn; a load only counts."""
        asked, turn = Signal.like(settings.length), Signal()
        loads, adds = settings.operation == Operation.LOAD, settings.operation == Operation.ADD
        m.d.comb += [
            asking.eq(asked != settings.length),
            port.addr.eq(Mux(turn, settings.destination, settings.source) + asked),
            port.en.eq(advance),
        ]
        with m.If(self.start):
            m.d.sync += [asked.eq(0), turn.eq(0)]
        with m.Elif(advance):
            m.d.sync += second.eq(Cat(turn, second))
            with m.If(asking & (~loads | self.i.valid)):
                m.d.sync += [turn.eq(adds & ~turn), asked.eq(asked + (~adds | turn))]

    def _write(self, m: Module, settings: data.View, port: WritePort, result: Signal, enable: Value) -> None:
        """Write results in their order, and note their bits."""
        place = Signal.like(settings.length)
        m.d.comb += [port.addr.eq(settings.destination + place), port.data.eq(result), port.en.eq(enable)]
        with m.If(self.start):
            m.d.sync += [place.eq(0), self.seen.eq(0)]
        with m.Elif(enable):
            m.d.sync += [place.eq(place + 1), self.seen.eq(self.seen | abs(result))]

    def _count(self, m: Module, settings: data.View, finishes: Value) -> None:
        """Elements that are through."""
        through = Signal.like(settings.length)
        m.d.comb += self.done.eq(through == settings.length)
        with m.If(self.start):
            m.d.sync += through.eq(0)
        with m.Elif(finishes):
            m.d.sync += through.eq(through + 1)


def _halves_up(value: Value, places: int) -> Value:
    return (value + (1 << places - 1)) >> places
