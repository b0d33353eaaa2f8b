"""The words of a command, the next token, and the beginning of one."""

from amaranth.hdl import Module, Mux

from formats.board_requests import BEST, Status
from formats.decoder.words import LAYOUTS, SLOTS, VERSION, Opcode
from hw.decoder.machine import CONSTANT, MOST_WORDS, Machine, Read
from hw.decoder.vector_command import Operation

NO_OPCODE = 255


def fetch_states(m: Module, machine: Machine) -> None:
    """FETCH: the words of the next command, and those behind it that the longest command would have.

    NEXT: the same command for the next token, or the next command for the first.
    """
    count, words, opcode = machine.count, machine.words, machine.opcode
    # a register: the first word is there long before the others, and much begins with it
    m.d.sync += opcode.eq(Mux(words[0][len(opcode) :].any(), NO_OPCODE, words[0]))
    with m.State("FETCH"):
        m.d.sync += count.eq(0)
        with machine.read(m, Read.PROGRAM, machine.program, MOST_WORDS):
            m.next = "WORDS"
    with m.State("WORDS"):
        m.d.comb += machine.program_words.ready.eq(1)
        with m.If(machine.program_words.valid):
            m.d.sync += [words[count].eq(machine.program_words.payload), count.eq(count + 1)]
            with m.If(count == MOST_WORDS - 1):
                m.d.sync += count.eq(0)
                m.next = "OPCODE"
    with m.State("OPCODE"):
        m.d.sync += [machine.status.eq(Status.BAD_ARGUMENT), machine.head.eq(0)]
        m.next = "DONE"
        with m.Switch(opcode):
            for each, layout in LAYOUTS.items():
                with m.Case(each):
                    with m.If(machine.token == 0):
                        m.d.sync += machine.step.eq(1 + len(layout.fields))
                    m.next = each.name
        with m.If((opcode == Opcode.ANSWER) & (machine.token != machine.last_token)):
            m.next = "NEXT"
        with m.If((opcode == Opcode.ANSWER) & (machine.arguments["best"][: BEST.bit_length()] == 0)):
            m.d.sync += machine.status.eq(Status.OK)
            m.next = "DONE"
    with m.State("NEXT"):
        with m.If(machine.token == machine.last_token):
            machine.first_token(m)
            m.next = "FETCH"
        with m.Else():
            machine.next_token(m)
            m.next = "OPCODE"


def begin_states(m: Module, machine: Machine) -> None:
    """BEGIN: where the slots lie in the vector memory; then the embedding becomes the stream.

    An embedding is a word with its exponent, and its elements; the next token's lies behind it.
    """
    count = machine.count
    first = 1 + [field.name for field in LAYOUTS[Opcode.BEGIN].fields].index(f"{SLOTS[0]}_words")
    length = machine.field(Opcode.BEGIN, "dim")
    with m.State("BEGIN"):
        m.d.sync += [
            machine.wide.eq(machine.field(Opcode.BEGIN, "kv_bits") == 16),
            machine.positions.eq(machine.field(Opcode.BEGIN, "positions")),
        ]
        m.next = "SLOTS"
        with m.If(machine.token != 0):
            m.next = "STREAM"
        with m.If(
            (machine.field(Opcode.BEGIN, "version") != VERSION)
            | (machine.arguments["position"] >= machine.field(Opcode.BEGIN, "positions"))
            | ((machine.token != 0) & (machine.position >= machine.field(Opcode.BEGIN, "positions")))
            | (machine.field(Opcode.BEGIN, "positions") > machine.sizes.positions)
        ):
            m.next = "DONE"
    with m.State("SLOTS"):
        slots = machine.slots
        m.d.comb += [
            slots.write.eq(1),
            slots.slot.eq(count + 1),
            slots.place.eq(machine.within + machine.words[first + count]),
        ]
        m.d.sync += [machine.within.eq(slots.place), count.eq(count + 1)]
        with m.If(count == CONSTANT - 1):
            m.d.sync += machine.within.eq(0)
            m.next = "STREAM"
    with m.State("STREAM"), machine.read(m, Read.PROGRAM, machine.embedding, length + 1):
        m.next = "STREAM_EXPONENT"
    with m.State("STREAM_EXPONENT"):
        m.d.comb += machine.program_words.ready.eq(1)
        m.d.sync += machine.exponents[0].eq(machine.program_words.payload)
        with m.If(machine.program_words.valid):
            m.d.sync += machine.read_for.eq(Read.VECTOR)  # all words but the first
            m.next = "STREAM_LOAD"
    with (
        m.State("STREAM_LOAD"),
        machine.vector_command(m, Operation.LOAD, length=length, exponents=machine.exponents[:1]),
    ):
        with m.If(machine.token != machine.last_token):
            m.d.sync += machine.embedding.eq(machine.embedding + length + 1)
        m.next = "NEXT"
