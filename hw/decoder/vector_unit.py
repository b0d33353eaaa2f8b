"""Vector unit: vectors of 32-bit words that share an exponent, from rounding for a product to norms and gates."""

from amaranth.hdl import Module, Mux, Signal, Value, signed
from amaranth.lib import data, stream, wiring
from amaranth.lib.memory import Memory
from amaranth.lib.wiring import In, Out

from formats.decoder.tables import (
    FACTOR_BITS,
    GATE_FRACTION_BITS,
    MANTISSA_BITS,
    SQUARE_BITS,
    WEIGHT_BITS,
    ZERO_EXPONENT,
)
from hw.decoder import vector_pass
from hw.decoder.reciprocal_root import ReciprocalRoot
from hw.decoder.rounding_shift import WORD, bit_length, limited
from hw.decoder.vector_command import EXPONENT, Operation, command_layout
from hw.decoder.vector_pass import VectorPass

WIDE_EXPONENT = signed(14)

ARGUMENT_BITS = GATE_FRACTION_BITS + 4
"""Of the size of a gate's argument, which is clipped below 16."""


SLOT = data.StructLayout({"exponent": EXPONENT, "bits": range(MANTISSA_BITS + 1)})
"""What is known of a vector: its exponent, and the bits of its largest element."""


class _Known:
    """What is known of a vector, wide enough to calculate with."""

    def __init__(self) -> None:
        self.exponent, self.bits = Signal(WIDE_EXPONENT), Signal(range(MANTISSA_BITS + 1))


class VectorUnit(wiring.Component):
    """Commands one after the other, an element per cycle. ADD, GATE and ROTATE take two; a norm has two passes.

    Equal to ``golden_models.integer_decoder``: READ to ``Vector.to_bits``, SPLIT to ``split``, JOIN to ``merged``, ADD,
    NORMALISE, ROTATE and SCALE to ``operations``, and ACTIVATE and GATE together to ``operations.gate``. A part takes
    26 cycles at most beside its elements; a norm's root takes 112.

    Parameters
    ----------
    words
        Of the vector memory, for one of the batch.
    slots
        Vectors whose exponents are kept for each of the batch, parts among them.
    batch
        Vectors that are loaded together, at most.

    Members
    -------
    command : In(stream.Signature(command_layout(words, slots, batch)))
    i : In(stream.Signature(signed(32)))
        Words of a vector, weights of 15 bits and a sign, or angles; again for every part. Two words at most are taken
        before the command that they are for.
    i_vector : In(range(batch))
        With ``i``: of which vector a word to load is; 0 for other words.
    o : Out(stream.Signature(signed(32)))
    o_exponent : Out(signed(12))
        Of the vector that leaves, until its last word has been taken.
    """

    def __init__(self, words: int, slots: int, batch: int = 1) -> None:
        self._words, self._slots, self._batch = words, slots, batch
        super().__init__(
            {
                "command": In(stream.Signature(command_layout(words, slots, batch))),
                "i": In(stream.Signature(WORD)),
                "i_vector": In(range(batch)),
                "o": Out(stream.Signature(WORD)),
                "o_exponent": Out(EXPONENT),
            }
        )

    def elaborate(self, platform: object) -> Module:
        """Fetch what is known of the vectors, set up the pass, note what it made, and go on to the next part."""
        m = Module()
        m.submodules.passes = passes = VectorPass(self._words, self._batch)
        m.submodules.root = root = ReciprocalRoot()
        command = Signal(command_layout(self._words, self._slots, self._batch))
        known = [{"exponent": ZERO_EXPONENT, "bits": 0}] * (self._batch * self._slots)
        m.submodules.slots = slots = Memory(shape=SLOT, depth=len(known), init=known)
        read, read_own, note = slots.read_port(domain="comb"), slots.read_port(domain="comb"), slots.write_port()
        source, own = _Known(), _Known()
        # exponent and bits together: of the part that was read last, the destination's, of the parts before it
        part_top, own_top, top = Signal(WIDE_EXPONENT), Signal(WIDE_EXPONENT), Signal(WIDE_EXPONENT)
        # what both vectors are brought to, and by which places
        target, places, own_places = Signal(WIDE_EXPONENT), Signal(WIDE_EXPONENT), Signal(WIDE_EXPONENT)
        # the second: what a norm's root and weights add to the first
        made_exponent, weighted = Signal(WIDE_EXPONENT), Signal(WIDE_EXPONENT)
        joins, first, vector = command.operation == Operation.JOIN, Signal(), Signal(range(self._batch))
        ahead, seen_bits = Signal(range(self._slots + 1)), bit_length(m, passes.seen)
        self._connect(m, command, passes, root)
        m.d.comb += [
            read.addr.eq(command.source + ahead),
            read_own.addr.eq(command.destination),
            note.addr.eq(command.destination),
            note.data.exponent.eq(Mux(seen_bits == 0, ZERO_EXPONENT, made_exponent)),
            note.data.bits.eq(seen_bits),
            root.exponent.eq((part_top - SQUARE_BITS) << 1),
            passes.seen_of.eq(vector),
        ]
        m.d.sync += [
            root.start.eq(0),
            passes.start.eq(0),
            # long there when the root is done
            weighted.eq(root.factor_exponent + command.exponents[0] + (FACTOR_BITS + WEIGHT_BITS - MANTISSA_BITS)),
        ]
        with m.FSM():
            with m.State("IDLE"):
                m.d.comb += self.command.ready.eq(1)
                m.d.sync += [command.eq(self.command.payload), first.eq(1)]
                m.d.sync += [top.eq(2 * ZERO_EXPONENT), part_top.eq(2 * ZERO_EXPONENT)]
                with m.If(self.command.valid):
                    m.next = "TOP"
            with m.State("TOP"):
                m.d.sync += [
                    part_top.eq(read.data.exponent + read.data.bits),
                    top.eq(_larger(top, part_top)),
                    ahead.eq(ahead + 1),
                ]
                with m.If(~joins | (ahead + 1 == command.parts)):
                    m.d.sync += ahead.eq(0)
                    m.next = "FETCH"
            with m.State("FETCH"):
                m.d.sync += [
                    top.eq(_larger(top, part_top)),
                    part_top.eq(read.data.exponent + read.data.bits),
                    own_top.eq(read_own.data.exponent + read_own.data.bits),
                    source.exponent.eq(read.data.exponent),
                    source.bits.eq(read.data.bits),
                    own.exponent.eq(read_own.data.exponent),
                    own.bits.eq(read_own.data.bits),
                ]
                m.next = "TARGET"
            with m.State("TARGET"):
                larger = _larger(part_top, own_top)
                m.d.sync += target.eq(Mux(joins, top - MANTISSA_BITS, larger - (MANTISSA_BITS - 1)))
                m.next = "PLACES"
            with m.State("PLACES"):
                m.next = "BEGIN"
                self._place(m, command, source, own, target, places, own_places, made_exponent)
            with m.State("BEGIN"):
                m.d.sync += [
                    passes.start.eq(1),
                    passes.settings.source.eq(command.source_base),
                    passes.settings.destination.eq(command.destination_base),
                    passes.settings.length.eq(command.length),
                    passes.settings.factor.eq(command.factor),
                    passes.settings.activation.eq(command.activation),
                    passes.settings.keep.eq(joins & ~first),
                    passes.settings.vectors.eq(command.vectors),
                ]
                m.next = "STARTED"
                self._begin(m, command, passes, source, places, own_places, made_exponent)
            with m.State("STARTED"):
                m.next = "PASS"
                with m.If(passes.settings.operation == vector_pass.Operation.SQUARE):
                    m.next = "SQUARES"
            with m.State("SQUARES"), m.If(passes.done):
                m.d.sync += root.start.eq(1)
                m.next = "ROOT"
            with m.State("ROOT"), m.If(root.done):
                m.d.sync += [passes.start.eq(1), passes.settings.factor.eq(root.factor)]
                _shift(m, passes, vector_pass.Operation.NORMALISE, source.bits - MANTISSA_BITS, MANTISSA_BITS)
                m.d.sync += made_exponent.eq(part_top + weighted)
                m.next = "STARTED"
            with m.State("PASS"), m.If(passes.done):
                m.next = "NOTE"
            with m.State("NOTE"):
                m.d.comb += note.en.eq(command.operation != Operation.READ)
                m.d.sync += [
                    first.eq(0),
                    command.parts.eq(command.parts - 1),
                    command.source.eq(command.source + (command.operation != Operation.SPLIT)),
                    command.destination.eq(command.destination + ~joins),
                    command.source_base.eq(command.source_base + command.length),
                    command.destination_base.eq(command.destination_base + command.length),
                ]
                m.next = "FETCH"
                with m.If(command.parts == 1):
                    m.next = "IDLE"
                m.d.sync += vector.eq(0)
                with m.If(vector != command.vectors):  # the next of the loaded vectors
                    m.d.sync += [
                        vector.eq(vector + 1),
                        command.parts.eq(command.parts),
                        command.destination.eq(command.destination + self._slots),
                        made_exponent.eq(command.exponents[(vector + 1)[: len(vector)]]),
                    ]
                    m.next = "NEXT_SEEN"
            with m.State("NEXT_SEEN"):  # its bits are two cycles late
                m.next = "NEXT_BITS"
            with m.State("NEXT_BITS"):
                m.next = "NOTE"
        return m

    def _place(
        self,
        m: Module,
        command: data.View,
        source: _Known,
        own: _Known,
        target: Signal,
        places: Signal,
        own_places: Signal,
        made_exponent: Signal,
    ) -> None:
        """By which places a command's pass shifts, a norm's first, and the exponent of what it makes without them."""
        with m.Switch(command.operation):
            with m.Case(Operation.LOAD):
                m.d.sync += made_exponent.eq(command.exponents[0])
            with m.Case(Operation.READ):
                m.d.sync += [places.eq(source.bits - command.bits), made_exponent.eq(source.exponent)]
            with m.Case(Operation.ADD, Operation.JOIN):
                m.d.sync += [places.eq(target - source.exponent), own_places.eq(target - own.exponent)]
                m.d.sync += made_exponent.eq(target)
            with m.Case(Operation.NORMALISE):
                m.d.sync += places.eq(source.bits - SQUARE_BITS)
            with m.Case(Operation.SPLIT):
                m.d.sync += [places.eq(0), made_exponent.eq(source.exponent)]
            with m.Case(Operation.ROTATE):
                rotated = own.bits - (MANTISSA_BITS - 1)
                m.d.sync += [places.eq(rotated), own_places.eq(rotated), made_exponent.eq(own.exponent)]
            with m.Case(Operation.SCALE):
                m.d.sync += [places.eq(0), made_exponent.eq(source.exponent + command.exponents[0] + FACTOR_BITS)]
            with m.Case(Operation.ACTIVATE):
                m.d.sync += places.eq(-source.exponent - GATE_FRACTION_BITS)
                m.d.sync += made_exponent.eq(source.exponent)
            with m.Case(Operation.GATE):
                m.d.sync += [places.eq(source.bits - FACTOR_BITS), own_places.eq(own.bits - MANTISSA_BITS)]
                m.d.sync += made_exponent.eq(own.exponent + source.exponent + FACTOR_BITS)

    def _begin(
        self,
        m: Module,
        command: data.View,
        passes: VectorPass,
        source: _Known,
        places: Signal,
        own_places: Signal,
        made_exponent: Signal,
    ) -> None:
        """Settings of a command's pass, of a norm's first, and the exponent of what it makes."""
        with m.Switch(command.operation):
            with m.Case(Operation.LOAD):
                m.d.sync += passes.settings.operation.eq(vector_pass.Operation.LOAD)
            with m.Case(Operation.READ):
                _shift(m, passes, vector_pass.Operation.READ, places, command.bits)
                m.d.sync += self.o_exponent.eq(Mux(source.bits == 0, ZERO_EXPONENT, made_exponent + places))
            with m.Case(Operation.ADD):
                _shift(m, passes, vector_pass.Operation.ADD, places, MANTISSA_BITS - 1)
                _shift_own(m, passes, own_places, MANTISSA_BITS - 1)
            with m.Case(Operation.NORMALISE):
                _shift(m, passes, vector_pass.Operation.SQUARE, places, SQUARE_BITS)
            with m.Case(Operation.SPLIT, Operation.JOIN):
                _shift(m, passes, vector_pass.Operation.MOVE, places, MANTISSA_BITS)
            with m.Case(Operation.ROTATE):
                half = command.length >> 1
                _shift(m, passes, vector_pass.Operation.ROTATE, places, MANTISSA_BITS - 1)
                _shift_own(m, passes, own_places, MANTISSA_BITS - 1)
                m.d.sync += [
                    passes.settings.source.eq(command.destination_base),
                    passes.settings.destination.eq(command.destination_base + half),
                    passes.settings.length.eq(half),
                ]
                m.d.sync += made_exponent.eq(made_exponent + places)
            with m.Case(Operation.SCALE):
                _shift(m, passes, vector_pass.Operation.SCALE, places, MANTISSA_BITS)
            with m.Case(Operation.ACTIVATE):
                _shift(m, passes, vector_pass.Operation.ACTIVATE, places, ARGUMENT_BITS)
            with m.Case(Operation.GATE):
                _shift(m, passes, vector_pass.Operation.GATE, places, FACTOR_BITS)
                _shift_own(m, passes, own_places, MANTISSA_BITS)
                m.d.sync += made_exponent.eq(made_exponent + places + own_places)

    def _connect(self, m: Module, command: data.View, passes: VectorPass, root: ReciprocalRoot) -> None:
        wiring.connect(m, wiring.flipped(self.i), passes.i)
        m.d.comb += passes.i_vector.eq(self.i_vector)
        wiring.connect(m, passes.o, wiring.flipped(self.o))
        m.d.comb += [
            root.number.eq(passes.squares),
            root.eps.eq(command.eps),
            root.eps_exponent.eq(command.eps_exponent),
        ]


def _shift(m: Module, passes: VectorPass, operation: vector_pass.Operation, places: Value, bits: Value | int) -> None:
    """A pass that shifts its source by so many places, to so many bits."""
    m.d.sync += [
        passes.settings.operation.eq(operation),
        passes.settings.places.eq(limited(places)),
        passes.settings.bits.eq(bits),
    ]


def _shift_own(m: Module, passes: VectorPass, places: Value, bits: int) -> None:
    """The same for what the pass reads of its destination."""
    m.d.sync += [passes.settings.own_places.eq(limited(places)), passes.settings.own_bits.eq(bits)]


def _larger(a: Value, b: Value) -> Value:
    return Mux(a > b, a, b)
