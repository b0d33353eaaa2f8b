"""Vector unit: vectors of 32-bit words that share an exponent, normalised, added up and rounded for a product."""

from enum import IntEnum

from amaranth.hdl import Array, Module, Mux, Signal, Value, signed
from amaranth.lib import data, stream, wiring
from amaranth.lib.wiring import In, Out

from formats.decoder.tables import FACTOR_BITS, MANTISSA_BITS, SQUARE_BITS, WEIGHT_BITS, ZERO_EXPONENT
from hw.decoder import vector_pass
from hw.decoder.reciprocal_root import EPS_BITS, ReciprocalRoot
from hw.decoder.rounding_shift import MOST_PLACES, WORD
from hw.decoder.vector_pass import VectorPass

EXPONENT = signed(12)
WIDE_EXPONENT = signed(14)


class Operation(IntEnum):
    """What a command does.

    LOAD: ``length`` words of ``i`` become the destination. READ: the source leaves through ``o``, brought to ``bits``.
    ADD: destination += source. NORMALISE: destination = RMSNorm of the source; its weights come through ``i``.
    """

    LOAD = 0
    READ = 1
    ADD = 2
    NORMALISE = 3


def command_layout(words: int, slots: int) -> data.StructLayout:
    """A command.

    ``source``, ``destination``: slots, of a norm perhaps the same; ``source_base``, ``destination_base``: where they
    begin in the memory. ``length``: elements, at least 1. ``bits``: of a READ. ``exponent``: of a loaded vector, or of
    a norm's weights. ``eps``, ``eps_exponent``: as in ``formats.decoder.program.Normalise``.
    """
    return data.StructLayout(
        {
            "operation": Operation,
            "source": range(slots),
            "destination": range(slots),
            "source_base": range(words),
            "destination_base": range(words),
            "length": range(words + 1),
            "bits": range(MANTISSA_BITS + 1),
            "exponent": EXPONENT,
            "eps": EPS_BITS,
            "eps_exponent": EXPONENT,
        }
    )


class VectorUnit(wiring.Component):
    """Commands one after the other, an element a cycle; a sum takes two, and a norm passes over its vector twice.

    READ equals ``Vector.to_bits`` of ``golden_models.integer_decoder``, ADD ``operations.add``, NORMALISE
    ``operations.rms_norm``. Loading or reading takes 12 cycles at most beside its elements; a norm's root takes 58.

    Parameters
    ----------
    words
        Of the vector memory.
    slots
        Vectors whose exponents are kept.

    Members
    -------
    command : In(stream.Signature(command_layout(words, slots)))
    i : In(stream.Signature(signed(32)))
        Words of a vector, or weights of 15 bits and a sign.
    o : Out(stream.Signature(signed(32)))
    o_exponent : Out(signed(12))
        Of the vector that leaves, until its last word has been taken.
    """

    def __init__(self, words: int, slots: int) -> None:
        self._words, self._slots = words, slots
        super().__init__(
            {
                "command": In(stream.Signature(command_layout(words, slots))),
                "i": In(stream.Signature(WORD)),
                "o": Out(stream.Signature(WORD)),
                "o_exponent": Out(EXPONENT),
            }
        )

    def elaborate(self, platform: object) -> Module:
        """Fetch what is known of the vectors, set up the pass, and note what it made."""
        m = Module()
        m.submodules.passes = passes = VectorPass(self._words)
        m.submodules.root = root = ReciprocalRoot()
        command = Signal(command_layout(self._words, self._slots))
        exponents = Array(Signal(EXPONENT, name=f"exponent_{slot}", init=ZERO_EXPONENT) for slot in range(self._slots))
        lengths = Array(Signal(range(MANTISSA_BITS + 1), name=f"bits_{slot}") for slot in range(self._slots))
        exponent, own_exponent, made_exponent = (Signal(WIDE_EXPONENT) for _ in range(3))
        bits, own_bits = Signal.like(lengths[0]), Signal.like(lengths[0])
        self._connect(m, command, passes, root)
        m.d.comb += root.exponent.eq((exponent + bits - SQUARE_BITS) << 1)
        with m.FSM():
            with m.State("IDLE"):
                m.d.comb += self.command.ready.eq(1)
                with m.If(self.command.valid):
                    m.d.sync += command.eq(self.command.payload)
                    m.next = "FETCH"
            with m.State("FETCH"):
                m.d.sync += [
                    exponent.eq(exponents[command.source]),
                    bits.eq(lengths[command.source]),
                    own_exponent.eq(exponents[command.destination]),
                    own_bits.eq(lengths[command.destination]),
                ]
                m.next = "BEGIN"
            with m.State("BEGIN"):
                m.d.comb += passes.start.eq(1)
                m.next = "PASS"
                with m.Switch(command.operation):
                    with m.Case(Operation.LOAD):
                        m.d.comb += passes.settings.operation.eq(vector_pass.Operation.LOAD)
                        m.d.sync += made_exponent.eq(command.exponent)
                    with m.Case(Operation.READ):
                        places = bits - command.bits
                        _shift(m, passes, vector_pass.Operation.READ, places, command.bits)
                        m.d.sync += self.o_exponent.eq(Mux(bits == 0, ZERO_EXPONENT, exponent + places))
                    with m.Case(Operation.ADD):
                        target = _larger(exponent + bits, own_exponent + own_bits) - (MANTISSA_BITS - 1)
                        _shift(m, passes, vector_pass.Operation.ADD, target - exponent, MANTISSA_BITS - 1)
                        m.d.comb += passes.settings.own_places.eq(_limited(target - own_exponent))
                        m.d.sync += made_exponent.eq(target)
                    with m.Case(Operation.NORMALISE):
                        _shift(m, passes, vector_pass.Operation.SQUARE, bits - SQUARE_BITS, SQUARE_BITS)
                        m.next = "SQUARES"
            with m.State("SQUARES"), m.If(passes.done):
                m.d.comb += root.start.eq(1)
                m.next = "ROOT"
            with m.State("ROOT"), m.If(root.done):
                places = bits - MANTISSA_BITS
                weighted = root.factor_exponent + command.exponent + (FACTOR_BITS + WEIGHT_BITS)
                m.d.comb += passes.start.eq(1)
                _shift(m, passes, vector_pass.Operation.NORMALISE, places, MANTISSA_BITS)
                m.d.sync += made_exponent.eq(exponent + places + weighted)
                m.next = "PASS"
            with m.State("PASS"), m.If(passes.done):
                m.next = "NOTE"
                with m.If(command.operation == Operation.READ):
                    m.next = "IDLE"
            with m.State("NOTE"):
                m.d.sync += [
                    exponents[command.destination].eq(Mux(passes.seen == 0, ZERO_EXPONENT, made_exponent)),
                    lengths[command.destination].eq(_bit_length(passes.seen)),
                ]
                m.next = "IDLE"
        return m

    def _connect(self, m: Module, command: data.View, passes: VectorPass, root: ReciprocalRoot) -> None:
        wiring.connect(m, wiring.flipped(self.i), passes.i)
        wiring.connect(m, passes.o, wiring.flipped(self.o))
        m.d.comb += [
            root.number.eq(passes.squares),
            root.eps.eq(command.eps),
            root.eps_exponent.eq(command.eps_exponent),
            passes.settings.source.eq(command.source_base),
            passes.settings.destination.eq(command.destination_base),
            passes.settings.length.eq(command.length),
            passes.settings.factor.eq(root.factor),
        ]


def _shift(m: Module, passes: VectorPass, operation: vector_pass.Operation, places: Value, bits: Value | int) -> None:
    """A pass that shifts its source by so many places, to so many bits."""
    m.d.comb += [
        passes.settings.operation.eq(operation),
        passes.settings.places.eq(_limited(places)),
        passes.settings.bits.eq(bits),
    ]


def _limited(places: Value) -> Value:
    return Mux(places > MOST_PLACES, MOST_PLACES, Mux(places < -MANTISSA_BITS, -MANTISSA_BITS, places))


def _larger(a: Value, b: Value) -> Value:
    return Mux(a > b, a, b)


def _bit_length(value: Signal) -> Value:
    length: Value | int = 0
    for place in range(len(value)):
        length = Mux(value[place], place + 1, length)
    return Value.cast(length)
