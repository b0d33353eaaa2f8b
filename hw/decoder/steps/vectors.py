"""Commands of the vector unit alone, with what they read from the memory."""

from amaranth.hdl import Module, Mux, Signal, Value

from formats.decoder.words import Opcode
from hw.decoder.machine import CONSTANT, PARTS, Machine, Read
from hw.decoder.vector_command import Operation


def normalise_states(m: Module, machine: Machine) -> None:
    """NORMALISE: heads are split where the source is, normalised into the destination, and joined there."""

    def field(name: str) -> Value:
        return machine.field(Opcode.NORMALISE, name)

    source, destination = field("source"), field("destination")
    size = {"length": field("width"), "parts": field("heads")}
    places = {"source_at": source, "destination_at": destination}
    whole, count = Signal(), machine.count
    with m.State("NORMALISE"):
        m.d.sync += [count.eq(field("heads")), whole.eq(field("heads") == 1)]
        m.next = "NORMALISE_HEADS"
        with m.If(field("heads") != 1):
            m.next = "NORMALISE_SPLIT"
    with m.State("NORMALISE_SPLIT"), machine.split(m, source, PARTS, **size):
        m.next = "NORMALISE_HEADS"
    with (
        m.State("NORMALISE_HEADS"),
        machine.vector_command(
            m,
            Operation.NORMALISE,
            source=Mux(whole, source, PARTS),
            destination=Mux(whole, destination, PARTS),
            exponents=[field("weights_exponent")],
            eps=field("eps"),
            eps_exponent=field("eps_exponent"),
            **places,
            **size,
        ),
    ):
        m.next = "NORMALISE_WEIGHTS"
    with (
        m.State("NORMALISE_WEIGHTS"),
        machine.read(m, Read.VECTOR, machine.beat(field("weights")), field("width"), bits=16),
    ):
        m.d.sync += count.eq(count - 1)
        with m.If(count == 1):
            m.next = "NORMALISE_JOIN"
            with m.If(whole):
                m.next = "NEXT"
    with m.State("NORMALISE_JOIN"), machine.join(m, destination, **size):
        m.next = "NEXT"


def add_states(m: Module, machine: Machine) -> None:
    """ADD; ADD_CONSTANT: a bias is loaded behind all slots, and added."""

    def field(name: str) -> Value:
        return machine.field(Opcode.ADD_CONSTANT, name)

    with m.State("ADD"):
        source, destination = (machine.field(Opcode.ADD, name) for name in ("source", "destination"))
        with machine.add(m, source, destination, machine.field(Opcode.ADD, "length")):
            m.next = "NEXT"
    with (
        m.State("ADD_CONSTANT"),
        machine.vector_command(
            m,
            Operation.LOAD,
            destination=CONSTANT,
            destination_at=CONSTANT,
            length=field("length"),
            exponents=[field("exponent")],
        ),
    ):
        m.next = "CONSTANT"
    with m.State("CONSTANT"), machine.read(m, Read.VECTOR, machine.beat(field("constant")), field("length")):
        m.next = "ADD_LOADED"
    with m.State("ADD_LOADED"), machine.add(m, CONSTANT, field("destination"), field("length")):
        m.next = "NEXT"


def rotate_states(m: Module, machine: Machine) -> None:
    """ROTATE: heads are split, turned, perhaps scaled, and joined, all where they are."""

    def field(name: str) -> Value:
        return machine.field(Opcode.ROTATE, name)

    size = {"length": field("width"), "parts": field("heads")}
    slot, pairs, count = field("slot"), field("width") >> 1, machine.count
    with m.State("ROTATE"):
        machine.multiply(m, machine.position, pairs)
        m.d.sync += count.eq(field("heads"))
        with machine.split(m, slot, PARTS, **size):
            m.next = "ROTATE_HEADS"
    with (
        m.State("ROTATE_HEADS"),
        machine.vector_command(m, Operation.ROTATE, destination=PARTS, destination_at=slot, **size),
    ):
        m.next = "ANGLES"
    with (
        m.State("ANGLES"),
        machine.read(m, Read.VECTOR, machine.beat(field("rows")) + machine.product, pairs),
    ):
        m.d.sync += count.eq(count - 1)
        with m.If(count == 1):
            m.next = "ROTATE_JOIN"
            with m.If(field("factor") != 0):
                m.next = "SCALE"
    with (
        m.State("SCALE"),
        machine.vector_command(
            m,
            Operation.SCALE,
            source=PARTS,
            destination=PARTS,
            source_at=slot,
            destination_at=slot,
            factor=field("factor"),
            exponents=[field("factor_exponent")],
            **size,
        ),
    ):
        m.next = "ROTATE_JOIN"
    with m.State("ROTATE_JOIN"), machine.join(m, slot, **size):
        m.next = "NEXT"


def gate_states(m: Module, machine: Machine) -> None:
    """GATE: the activation into the destination, which is not the other factor's slot; times that."""

    def field(name: str) -> Value:
        return machine.field(Opcode.GATE, name)

    destination = {"destination": field("destination"), "destination_at": field("destination")}
    with (
        m.State("GATE"),
        machine.vector_command(
            m,
            Operation.ACTIVATE,
            source=field("gate"),
            source_at=field("gate"),
            length=field("length"),
            activation=field("activation"),
            **destination,
        ),
    ):
        m.next = "GATE_UP"
    with (
        m.State("GATE_UP"),
        machine.vector_command(
            m,
            Operation.GATE,
            source=field("up"),
            source_at=field("up"),
            length=field("length"),
            **destination,
        ),
    ):
        m.next = "NEXT"
