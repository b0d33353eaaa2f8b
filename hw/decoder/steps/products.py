"""Products of a matrix, and the answer: a vector into the engine, its rows times their scales."""

from amaranth.hdl import Array, Module, Mux, Signal, signed

from formats.board_requests import Status
from formats.decoder.tables import ACTIVATION_BITS
from formats.decoder.words import Opcode
from hw.board.plan import ARGUMENTS
from hw.decoder.machine import Leaves, Loads, Machine, Read, Side
from hw.decoder.row_scale import EXPONENT_BIAS
from hw.decoder.vector_command import Operation


def product_states(m: Module, machine: Machine) -> None:
    """MULTIPLY and ANSWER: plan, command, activations, scales and weights; then vectors, or keys.

    A product has a vector of every token, an answer the last token's.
    """
    plan, commands, packer, vector = machine.plan, machine.engine_commands.i, machine.packer, machine.vector
    # fields of a matrix, and the source, are the same words of both commands
    rows, columns, source = (machine.field(Opcode.MULTIPLY, name) for name in ("rows", "columns", "source"))
    exponent, answers = machine.field(Opcode.MULTIPLY, "exponent"), machine.answers
    key_places, looked_at = Signal(signed(16)), Signal()
    vectors = Mux(machine.opcode == Opcode.ANSWER, 0, machine.last_token)
    m.d.sync += looked_at.eq(machine.keys.count == rows)
    for name in ("format", "column_blocks", "row_groups", "weights"):
        m.d.comb += plan.arguments[ARGUMENTS[name]].eq(machine.field(Opcode.MULTIPLY, name))
    m.d.comb += plan.arguments[ARGUMENTS["vectors"]].eq(1)  # it counts what one of them takes
    for opcode in (Opcode.MULTIPLY, Opcode.ANSWER):
        with m.State(opcode.name):
            m.d.comb += plan.start.eq(1)
            m.next = "PLAN"
    with m.State("PLAN"), m.If(plan.done):
        m.next = "ENGINE"
        with m.If(plan.status != Status.OK):
            m.d.sync += machine.status.eq(plan.status)
            m.next = "DONE"
    with m.State("ENGINE"):
        m.d.comb += [commands.valid.eq(1), commands.payload.eq(plan.command), commands.payload.vectors.eq(vectors)]
        with m.If(commands.ready):
            m.d.comb += [machine.rows.start.eq(1), machine.keys.start.eq(1)]
            m.next = "SOURCE"
    m.d.comb += [
        machine.rows.format.eq(machine.field(Opcode.MULTIPLY, "format")),
        machine.rows.rows.eq(rows),
        machine.rows.vectors.eq(vectors),
    ]
    with (
        m.State("SOURCE"),
        machine.vector_command(
            m,
            Operation.READ,
            leaves=Leaves.ENGINE,
            source=source,
            source_at=source,
            length=columns,
            bits=ACTIVATION_BITS,
        ),
    ):
        m.d.sync += [
            answers.eq(machine.opcode == Opcode.ANSWER),  # the rows of the product before have gone
            machine.columns_left.eq(columns),
            machine.pads.eq(0),
            machine.beats_left.eq(plan.activations.words),
            machine.last_beat.eq(plan.activations.words == 0),
        ]
        m.next = "ACTIVATIONS"
    with m.State("ACTIVATIONS"), m.If(packer.o.valid & packer.o.ready & machine.last_beat):
        m.d.sync += machine.leaves.eq(Leaves.NOWHERE)
        m.next = "EXPONENT"
    with m.State("EXPONENT"):
        answer = machine.field(Opcode.ANSWER, "exponent")
        m.d.sync += key_places.eq(answer[:12].as_signed() - vector.o_exponent + EXPONENT_BIAS)
        m.d.sync += Array(machine.exponents)[machine.token].eq(vector.o_exponent)
        machine.first_token(m)
        m.next = "SCALES"
        with m.If(machine.token != machine.last_token):
            machine.next_token(m)
            m.next = "SOURCE"
    with m.State("SCALES"):
        most = (1 << len(machine.exponent)) - 1  # of a vector of zeros
        places = Mux(key_places > most, most, key_places)
        m.d.sync += machine.exponent.eq(Mux(answers, places, exponent[:12].as_signed() + EXPONENT_BIAS))
        scales = machine.field(Opcode.MULTIPLY, "scales")
        with machine.read_side(m, Side.ROW_SCALE, machine.beat(scales), rows, bits=16):
            m.next = "WEIGHTS"
    with m.State("WEIGHTS"), machine.read_as(m, Read.ENGINE, plan.weights):
        m.next = "RESULT"
        with m.If(answers):
            m.next = "KEYS"
    destination = machine.field(Opcode.MULTIPLY, "destination")
    with (
        m.State("RESULT"),
        machine.vector_command(
            m,
            Operation.LOAD,
            loads=Loads.ROW_SCALE,
            destination=destination,
            destination_at=destination,
            length=rows,
            exponents=[each + exponent[:12].as_signed() for each in machine.exponents],
            vectors=machine.last_token,
        ),
    ):
        m.next = "FETCH"
    with m.State("KEYS"), m.If(looked_at):
        m.d.comb += machine.keys.ends.eq(1)
        m.d.sync += machine.status.eq(Status.OK)
        m.next = "DONE"
