"""One pass over vectors in their memory: read, shift, work on, write."""

from enum import IntEnum
from itertools import pairwise

from amaranth.hdl import Array, Cat, Module, Mux, Signal, Value, signed
from amaranth.lib import data, stream, wiring
from amaranth.lib.memory import Memory, ReadPort, WritePort
from amaranth.lib.wiring import In, Out

from formats.decoder.tables import FACTOR_BITS, GATES, MANTISSA_BITS, ROTARY_BITS, WEIGHT_BITS
from hw.decoder.interpolation import Interpolation
from hw.decoder.reciprocal_root import TOTAL_BITS
from hw.decoder.rounding_shift import PLACES, WORD, RoundingShift, halves_up
from hw.memory.skid_buffer import SkidBuffer
from hw.mux import choose

FACTOR = signed(FACTOR_BITS + 1)

PRODUCT = signed(MANTISSA_BITS + 1 + FACTOR_BITS + 1)

ROTARY_ENTRY_BITS = 16

_PART_BITS = 17
"""Of an element that one multiplier takes: a register lies between both products and their sum."""

_SHIFTED = 2 + RoundingShift.LATENCY
"""Stage in which a shifted element is there: the memory's word goes through two registers before, a sign between."""

ACTIVATIONS = tuple(GATES)
"""What the number of an activation function stands for."""

_RESULTS = (None, None, 0, None, 5, 0, 4, 4, 8, 4)
"""Of every operation that writes what it read: stages from a shifted element to its result."""


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


def pass_layout(words: int, batch: int = 1) -> data.StructLayout:
    """A pass over ``length`` elements, at least 1; of a rotation, pairs.

    ``source``, ``destination``: where the vectors begin. ``places``, ``bits``: by how much elements of the source are
    shifted, and to what; ``own_places``, ``own_bits``: those of the destination, where both are read. ``factor``: of a
    norm, the reciprocal root. ``activation``: a place in ``ACTIVATIONS``. ``keep``: ``seen`` goes on. ``vectors``: of a
    LOAD, vectors less one whose words come by turns, ``length`` each.
    """
    return data.StructLayout(
        {
            "operation": Operation,
            "source": range(batch * words),
            "destination": range(batch * words),
            "length": range(words + 1),
            "places": PLACES,
            "own_places": PLACES,
            "bits": range(MANTISSA_BITS + 1),
            "own_bits": range(MANTISSA_BITS + 1),
            "factor": FACTOR_BITS,
            "activation": range(len(ACTIVATIONS)),
            "keep": 1,
            "vectors": range(batch),
        }
    )


class VectorPass(wiring.Component):
    """An element per cycle; one every other cycle where two are read for it, since the memory is read at one place.

    Parameters
    ----------
    words
        Of the vector memory, for one of the batch.
    batch
        Vectors that are loaded together, at most; each goes to its own part of the memory.

    Members
    -------
    start : In(1)
        Begin; only when no pass is under way.
    settings : In(pass_layout(words, batch))
        From ``start`` on they stay until the pass is done.
    done : Out(1)
        Everything has been written, or taken from ``o``; stays until the next start.
    seen_of, seen : In(range(batch)), Out(31)
        Magnitudes that were written of a vector, or'ed: as long as the largest.
    squares : Out(51)
    i : In(stream.Signature(signed(32)))
        Words to load; weights; angles.
    i_vector : In(range(batch))
        With ``i``: of which vector a word to load is.
    o : Out(stream.Signature(signed(32)))
    """

    def __init__(self, words: int, batch: int = 1) -> None:
        self._words, self._batch = words, batch
        super().__init__(
            {
                "start": In(1),
                "settings": In(pass_layout(words, batch)),
                "done": Out(1),
                "seen_of": In(range(batch)),
                "seen": Out(MANTISSA_BITS),
                "squares": Out(TOTAL_BITS),
                "i": In(stream.Signature(WORD)),
                "i_vector": In(range(batch)),
                "o": Out(stream.Signature(WORD)),
            }
        )

    def elaborate(self, platform: object) -> Module:
        """All stages wait together: for a weight or an angle, or for who takes the elements."""
        m = Module()
        settings = self.settings
        m.submodules.shift = shift = RoundingShift()
        m.submodules.memory = memory = Memory(shape=WORD, depth=self._batch * self._words, init=[])
        # who gives words and who takes them begins no path in here, and ends none
        together = data.StructLayout({"word": WORD, "vector": range(self._batch)})
        m.submodules.words, m.submodules.left = words, left = SkidBuffer(together), SkidBuffer(WORD)
        wiring.connect(m, left.o, wiring.flipped(self.o))
        loaded, of_last = words.o.payload, Signal()
        chosen = Signal(len(Operation))
        loads, reads, adds, squares, normalises, moves, _, rotates, activates, gates = chosen
        under_way = Signal(_SHIFTED + 9)  # a bit a stage: an element is there
        turns = [Signal(2, name=f"turn_{stage}") for stage in range(_SHIFTED + 5)]  # which of a pair's reads it is
        advance, asking, partner, needed = Signal(), Signal(), Signal(), Signal()
        first, normed, result, result_valid = Signal(WORD), Signal(WORD), Signal(WORD), Signal()
        weighted, fetched, element, word = Signal(PRODUCT), Signal(WORD), Signal(WORD), Signal(WORD)
        places, bits, vector = Signal(PLACES), Signal.like(settings.bits), Signal(range(self._batch))
        read = memory.read_port()
        self._ask(m, settings, chosen, read, words.o.valid & of_last, asking, advance, turns[0])
        m.d.comb += [
            words.i.valid.eq(self.i.valid),
            words.i.payload.word.eq(self.i.payload),
            words.i.payload.vector.eq(self.i_vector),
            self.i.ready.eq(words.i.ready),
            of_last.eq(loaded.vector == settings.vectors),
            left.i.valid.eq(reads & under_way[_SHIFTED]),
            left.i.payload.eq(shift.o),
            needed.eq((normalises & under_way[_SHIFTED + 3]) | (rotates & under_way[_SHIFTED - 1])),
            advance.eq(~(left.i.valid & ~left.i.ready) & ~(needed & ~words.o.valid)),
            words.o.ready.eq(Mux(loads, asking, needed & (normalises | (turns[_SHIFTED - 1] == 3)))),
            partner.eq(turns[1][0] ^ turns[1][1]),
            shift.advance.eq(advance),
            shift.i.eq(element),
            shift.places.eq(places),
            shift.bits.eq(bits),
        ]
        product, turned = self._multiply(m, settings, chosen, advance, word, read.data, shift.o, first, turns)
        # where the result of an operation is
        stage = choose(settings.operation, [0 if at is None else _SHIFTED + at for at in _RESULTS])
        second = ~(adds | rotates | gates) | Mux(adds, turns[_SHIFTED][0], turns[_SHIFTED + 4][0])
        with m.If(advance):
            m.d.sync += [
                under_way.eq(Cat(asking & ~loads, under_way)),
                *(later.eq(turn) for turn, later in pairwise(turns)),
                fetched.eq(read.data),
                element.eq(Mux(activates, abs(fetched), fetched)),
                places.eq(Mux(partner, settings.own_places, settings.places)),
                bits.eq(Mux(partner, settings.own_bits, settings.bits)),
                first.eq(shift.o),
                normed.eq(turned),
                word.eq(loaded.word),  # a weight or an angle, a stage before its product
                weighted.eq(normed * word[: WEIGHT_BITS + 1].as_signed()),
                result.eq(normed),
                result_valid.eq(Mux(loads, asking & words.o.valid, under_way.bit_select(stage, 1) & second)),
            ]
            m.d.sync += vector.eq(0)
            with m.If(loads):
                m.d.sync += [result.eq(loaded.word), vector.eq(loaded.vector)]
            with m.If(adds | moves):
                m.d.sync += result.eq(shift.o + Mux(adds, first, 0))
            with m.If(normalises):
                m.d.sync += result.eq(halves_up(weighted, WEIGHT_BITS))
            with m.If(reads | squares):
                m.d.sync += result_valid.eq(0)
        squared, written = squares & under_way[_SHIFTED + 3] & advance, result_valid & advance
        with m.If(self.start):
            m.d.sync += [chosen.eq(1 << settings.operation), self.squares.eq(0)]
        with m.Elif(squared):
            m.d.sync += self.squares.eq(self.squares + product)
        paired = self._write(m, settings, rotates, memory.write_port(), result, vector, written)
        through = written & (vector == settings.vectors) & (~rotates | paired)
        self._count(m, Mux(reads, self.o.valid & self.o.ready, Mux(squares, squared, through)))
        return m

    def _multiply(
        self,
        m: Module,
        settings: data.View,
        chosen: Signal,
        advance: Signal,
        word: Value,
        element: Value,
        shifted: Signal,
        first: Signal,
        turns: list[Signal],
    ) -> tuple[Signal, Value]:
        """The one multiplier, three stages after a shifted element, and what it makes of it, brought to a word.

        Of a rotation that is the sum of its last two products.
        """
        squares, rotates, activates, gates = (
            chosen[operation] for operation in (Operation.SQUARE, Operation.ROTATE, Operation.ACTIVATE, Operation.GATE)
        )
        m.submodules.share = share = Interpolation(tuple(GATES.values()))
        late = [Signal(WORD, name=f"element_{stage}") for stage in range(_SHIFTED + share.LATENCY)]
        product, held, signed_product, total = (Signal(PRODUCT) for _ in range(4))
        factor, multiplicand, minus = Signal(FACTOR), Signal(WORD), Signal()
        factors = Signal(WORD), Signal(FACTOR)  # what is chosen goes through registers
        low, high = Signal(signed(_PART_BITS + FACTOR.width)), Signal(signed(PRODUCT.width - _PART_BITS))
        cosine, sine = (word.word_select(half, ROTARY_ENTRY_BITS).as_signed() for half in (0, 1))
        m.d.comb += [
            share.advance.eq(advance),
            share.table.eq(settings.activation),
            share.argument.eq(shifted),
            multiplicand.eq(Mux(activates, late[-1], shifted)),
            factor.eq(settings.factor),
            signed_product.eq(product ^ minus.replicate(len(product))),
            # a complement, and the one that makes it the opposite, in a single carry
            total.eq((Cat(minus, held) + Cat(minus, signed_product))[1:]),
        ]
        with m.If(squares):
            m.d.comb += factor.eq(shifted)
        with m.If(gates):
            m.d.comb += factor.eq(first)
        with m.If(rotates):
            m.d.comb += factor.eq(Mux(turns[_SHIFTED][0], sine, cosine))
        with m.If(activates):
            # LARGEST_FACTOR less the share, where the argument is below 0
            m.d.comb += factor.eq(share.factor ^ late[-1][-1].replicate(FACTOR_BITS))
        with m.If(advance):
            m.d.sync += [
                factors[0].eq(multiplicand),
                factors[1].eq(factor),
                low.eq(factors[0][:_PART_BITS] * factors[1]),
                high.eq(factors[0][_PART_BITS:].as_signed() * factors[1]),
                product.eq(low + (high << _PART_BITS)),
                held.eq(Mux(rotates, product + (1 << ROTARY_BITS - 1), 1 << FACTOR_BITS - 1)),
                minus.eq(rotates & ~turns[_SHIFTED + 2][1]),
                *(later.eq(earlier) for earlier, later in pairwise([element, *late])),
            ]
        return product, Mux(rotates, total >> ROTARY_BITS, total >> FACTOR_BITS)

    def _ask(
        self,
        m: Module,
        settings: data.View,
        chosen: Signal,
        port: ReadPort,
        comes: Value,
        asking: Signal,
        advance: Signal,
        turned: Signal,
    ) -> None:
        """Read one element after the other, those of a pair in turn, of a rotation twice.

        A load counts what comes of the last vector, whose words come last.
        """
        source, destination = Signal.like(settings.source), Signal.like(settings.destination)  # of the next element
        left, turn = Signal.like(settings.length), Signal(2)
        loads, rotates, last = chosen[Operation.LOAD], chosen[Operation.ROTATE], Signal()
        pairs = chosen[Operation.ADD] | chosen[Operation.GATE]
        m.d.comb += [
            asking.eq(left != 0),
            last.eq(turn == Mux(rotates, 3, pairs)),
            port.addr.eq(Mux(turn[0] ^ turn[1], destination, source)),
            port.en.eq(advance),
        ]
        with m.If(self.start):
            m.d.sync += [
                source.eq(settings.source),
                destination.eq(settings.destination),
                left.eq(self.settings.length),
                turn.eq(0),
            ]
        with m.Elif(advance):
            m.d.sync += turned.eq(turn)
            with m.If(asking & (~loads | comes)):
                m.d.sync += [turn.eq(Mux(last, 0, turn + 1)), left.eq(left - last)]
                m.d.sync += [source.eq(source + last), destination.eq(destination + last)]

    def _write(
        self,
        m: Module,
        settings: data.View,
        rotates: Value,
        port: WritePort,
        result: Signal,
        vector: Signal,
        enable: Value,
    ) -> Signal:
        """Write results in their order, of a rotation to source and destination in turn; note their bits."""
        # where each of the batch goes on, in its own part of the memory
        places = Array(Signal.like(settings.destination, name=f"place_{i}") for i in range(self._batch))
        source = Signal.like(settings.source)
        seen = Array(Signal(MANTISSA_BITS, name=f"seen_{i}") for i in range(self._batch))
        paired = Signal()
        m.d.comb += [
            port.addr.eq(Mux(rotates & ~paired, source, places[vector])),
            port.data.eq(result),
            port.en.eq(enable),
            self.seen.eq(seen[self.seen_of]),
        ]
        with m.If(self.start):
            m.d.sync += [paired.eq(0), source.eq(settings.source)]
            for i in range(self._batch):
                m.d.sync += [
                    places[i].eq(settings.destination + i * self._words),
                    seen[i].eq(Mux(self.settings.keep, seen[i], 0)),
                ]
        with m.Elif(enable):
            m.d.sync += [
                places[vector].eq(places[vector] + (~rotates | paired)),
                source.eq(source + paired),
                paired.eq(~paired),
                seen[vector].eq(seen[vector] | abs(result)),
            ]
        return paired

    def _count(self, m: Module, finishes: Value) -> None:
        """Elements that are not through; registers, as whoever waits for the end begins much with it."""
        left, through = Signal.like(self.settings.length), Signal()
        m.d.sync += through.eq(finishes)
        with m.If(self.start):
            m.d.sync += [left.eq(self.settings.length), self.done.eq(0)]
        with m.Else():
            m.d.sync += [left.eq(left - through), self.done.eq(left == 0)]
