"""Products of a matrix, and the answer: a vector into the engine, its rows times their scales."""

from amaranth.hdl import Module, Mux, Signal, signed

from formats.board_requests import Status
from formats.decoder.tables import ACTIVATION_BITS
from formats.decoder.words import Opcode
from hw.board.plan import ARGUMENTS
from hw.decoder.machine import Leaves, Loads, Machine, Read, Side
from hw.decoder.row_scale import EXPONENT_BIAS
from hw.decoder.vector_unit import Operation


def product_states(m: Module, machine: Machine) -> None:
    """MULTIPLY and ANSWER: plan, command, activations, scales and weights; then a vector, or keys."""
    plan, engine, packer, vector = machine.plan, machine.engine, machine.packer, machine.vector
    # fields of a matrix, and the source, are the same words of both commands
    rows, columns, source = (machine.field(Opcode.MULTIPLY, name) for name in ("rows", "columns", "source"))
    exponent, answers = machine.field(Opcode.MULTIPLY, "exponent"), machine.answers
    key_places = Signal(signed(16))
    beats_left, columns_left = Signal.like(plan.activations.words), Signal.like(columns[:20])
    for name in ("format", "column_blocks", "row_groups", "weights"):
        m.d.comb += plan.arguments[ARGUMENTS[name]].eq(machine.field(Opcode.MULTIPLY, name))
    m.d.comb += plan.arguments[ARGUMENTS["vectors"]].eq(1)
    for opcode in (Opcode.MULTIPLY, Opcode.ANSWER):
        with m.State(opcode.name):
            m.d.comb += plan.start.eq(1)
            m.next = "PLAN"
    with m.State("PLAN"), m.If(plan.done):
        m.d.sync += [beats_left.eq(plan.activations.words), columns_left.eq(columns)]
        m.next = "ENGINE"
        with m.If(plan.status != Status.OK):
            m.d.sync += machine.status.eq(plan.status)
            m.next = "DONE"
    with m.State("ENGINE"):
        m.d.comb += [engine.i_command.valid.eq(1), engine.i_command.payload.eq(plan.command)]
        with m.If(engine.i_command.ready):
            m.d.comb += [machine.rows.start.eq(1), machine.keys.start.eq(1)]
            m.next = "SOURCE"
    m.d.comb += [machine.rows.format.eq(machine.field(Opcode.MULTIPLY, "format")), machine.rows.rows.eq(rows)]
    with (
        m.State("SOURCE"),
        machine.vector_command(
            m,
            Operation.READ,
            leaves=Leaves.PACKER,
            source=source,
            source_at=source,
            length=columns,
            bits=ACTIVATION_BITS,
        ),
    ):
        m.d.sync += answers.eq(machine.words[0] == Opcode.ANSWER)  # the rows of the product before have gone
        m.next = "ACTIVATIONS"
    with m.State("ACTIVATIONS"):  # behind the last column come zeros, up to the end of its block
        m.d.comb += [
            packer.wide.eq(1),
            packer.i.valid.eq(Mux(columns_left == 0, ~packer.o.valid | (beats_left != 0), vector.o.valid)),
            packer.i.payload.eq(Mux(columns_left == 0, 0, vector.o.payload)),
            vector.o.ready.eq(packer.i.ready & (columns_left != 0)),
            machine.engine_words.i.valid.eq(packer.o.valid),
            machine.engine_words.i.payload.eq(packer.o.payload),
            packer.o.ready.eq(machine.engine_words.i.ready),
        ]
        with m.If(vector.o.valid & vector.o.ready):
            m.d.sync += columns_left.eq(columns_left - 1)
        with m.If(packer.o.valid & packer.o.ready):
            m.d.sync += beats_left.eq(beats_left - 1)
            with m.If(beats_left == 0):
                m.next = "EXPONENT"
    with m.State("EXPONENT"):
        answer = machine.field(Opcode.ANSWER, "exponent")
        m.d.sync += key_places.eq(answer[:12].as_signed() - vector.o_exponent + EXPONENT_BIAS)
        m.next = "SCALES"
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
            exponent=vector.o_exponent + exponent[:12].as_signed(),
        ),
    ):
        m.next = "FETCH"
    with m.State("KEYS"), m.If(machine.keys.count == rows):
        m.d.comb += machine.keys.ends.eq(1)
        m.d.sync += machine.status.eq(Status.OK)
        m.next = "DONE"
