"""Keys and values into the cache, and attention over it."""

from amaranth.hdl import Cat, Module, Mux, Signal, Value

from formats.decoder.tables import ACTIVATION_BITS
from formats.decoder.words import Opcode
from hw.decoder.machine import PARTS, Leaves, Loads, Machine, Read, Side
from hw.decoder.vector_command import EXPONENT, Operation

KEY_BITS, WIDE_KEY_BITS = 7, 15
"""Magnitude bits of a cached element."""


def store_states(m: Module, machine: Machine) -> None:
    """STORE: heads of keys and of values are split; of every head a row of each, and their exponents."""

    def field(name: str) -> Value:
        return machine.field(Opcode.STORE, name)

    vector, writer, words = machine.vector, machine.writer, machine.written.i
    flushed = Signal()  # a cycle late, as much begins when the writer is empty
    m.d.sync += flushed.eq(writer.flush & writer.empty)
    size = {"length": field("width"), "parts": field("heads")}
    row_beats, beats_left = machine.row_beats(field("width")), Signal(16)
    exponents = {name: Signal(EXPONENT, name=f"{name}_exponent") for name in ("key", "value")}
    with m.State("STORE"), machine.split(m, field("key_slot"), PARTS, **size):
        m.next = "STORE_SPLIT"
    with m.State("STORE_SPLIT"):
        machine.multiply(m, machine.cache_row, row_beats)
        with machine.split(m, field("value_slot"), PARTS + field("heads"), **size):
            m.next = "STORE_PLACE"
    with m.State("STORE_PLACE"):
        machine.multiply(m, machine.positions, row_beats)
        m.next = "STORE_ROWS"
    with m.State("STORE_ROWS"):
        machine.place_rows(m, Opcode.STORE, machine.cache_row)
        m.next = "STORE_STRIDE"
    with m.State("STORE_STRIDE"):
        m.d.sync += machine.stride.eq(machine.product)
        m.next = "KEY_START"
    for name, at, first_part, following in (
        ("key", machine.keys_at, PARTS, "VALUE_START"),
        ("value", machine.values_at, PARTS + field("heads"), "EXPONENTS_START"),
    ):
        state = name.upper()
        with m.State(f"{state}_START"):
            m.d.comb += [writer.start.eq(1), writer.address.eq(at)]
            m.d.sync += beats_left.eq(row_beats)
            m.next = f"{state}_READ"
        with (
            m.State(f"{state}_READ"),
            machine.vector_command(
                m,
                Operation.READ,
                leaves=Leaves.WRITER,
                source=first_part + machine.head,
                source_at=field(f"{name}_slot"),
                length=field("width"),
                bits=Mux(machine.wide, WIDE_KEY_BITS, KEY_BITS),
            ),
        ):
            m.next = f"{state}_ROW"
        with m.State(f"{state}_ROW"), m.If(words.valid & words.ready):
            m.d.sync += beats_left.eq(beats_left - 1)
            with m.If(beats_left == 1):
                m.d.sync += exponents[name].eq(vector.o_exponent)
                m.next = f"{state}_FLUSH"
        with m.State(f"{state}_FLUSH"):
            m.d.comb += writer.flush.eq(1)
            with m.If(flushed):
                m.next = following
    with m.State("EXPONENTS_START"):
        m.d.comb += [writer.start.eq(1), writer.address.eq(machine.exponents_at)]
        machine.next_rows(m)
        m.next = "EXPONENTS"
    with m.State("EXPONENTS"):
        halves = [Signal(16, name=f"{name}_half") for name in exponents]
        m.d.comb += [half.eq(exponent) for half, exponent in zip(halves, exponents.values(), strict=True)]
        m.d.comb += [words.valid.eq(1), words.payload.eq(Cat(*halves))]
        with m.If(words.ready):
            m.next = "EXPONENTS_FLUSH"
    with m.State("EXPONENTS_FLUSH"):
        m.d.comb += writer.flush.eq(1)
        with m.If(flushed):
            m.d.sync += [machine.head.eq(machine.head + 1), machine.within.eq(machine.within + field("width"))]
            m.next = "KEY_START"
            with m.If(machine.head + 1 == field("heads")):
                m.next = "NEXT"


def attend_states(m: Module, machine: Machine) -> None:
    """ATTEND: of every head of keys and values its queries, keys, values and means."""

    def field(name: str) -> Value:
        return machine.field(Opcode.ATTEND, name)

    attention, count = machine.attention, machine.count
    size = {"length": field("width"), "parts": field("heads")}
    source, destination = field("source"), field("destination")
    row_beats = machine.row_beats(field("width"))
    first, seen = Signal.like(machine.position), Signal.like(machine.position)
    beats, query = Signal.like(machine.stride), Signal(range(machine.sizes.queries + 1))
    with m.State("ATTEND"):
        past = machine.position + 1 - field("window")
        m.d.sync += first.eq(Mux((field("window") != 0) & (machine.position >= field("window")), past, 0))
        with machine.split(m, source, PARTS, **size):
            m.next = "WINDOW"
    with m.State("WINDOW"):
        m.d.sync += seen.eq(machine.cache_row + 1 - first)
        machine.multiply(m, first, row_beats)
        m.next = "ATTEND_PLACE"
    with m.State("ATTEND_PLACE"):
        machine.multiply(m, machine.positions, row_beats)
        m.next = "ATTEND_ROWS"
    with m.State("ATTEND_ROWS"):
        machine.place_rows(m, Opcode.ATTEND, first)
        machine.multiply(m, seen, row_beats)
        m.next = "ATTEND_STRIDE"
    with m.State("ATTEND_STRIDE"):
        m.d.sync += [machine.stride.eq(machine.product), count.eq(field("kv_heads"))]
        m.next = "ATTEND_BEATS"
    with m.State("ATTEND_BEATS"):
        m.d.sync += beats.eq(machine.product)
        m.next = "ATTENTION"
    with m.State("ATTENTION"):
        m.d.sync += query.eq(0)
        m.d.comb += [
            attention.command.valid.eq(1),
            attention.command.payload.positions.eq(seen),
            attention.command.payload.length.eq(field("width")),
            attention.command.payload.wide.eq(machine.wide),
        ]
        with m.If(attention.command.ready):
            m.next = "QUERIES"
    with (
        m.State("QUERIES"),
        machine.vector_command(
            m,
            Operation.READ,
            leaves=Leaves.ATTENTION,
            source=PARTS + machine.head,
            source_at=source,
            length=field("width"),
            parts=machine.sizes.queries,
            bits=ACTIVATION_BITS,
        ),
    ):
        m.next = "KEY_EXPONENTS"
    for state, at, following in (("KEY", machine.keys_at, "VALUE_EXPONENTS"), ("VALUE", machine.values_at, "MEANS")):
        with (
            m.State(f"{state}_EXPONENTS"),
            machine.read_side(m, Side.ATTENTION, machine.exponents_at, seen),
        ):
            m.next = f"{state}_ROWS"
        with m.State(f"{state}_ROWS"), machine.read(m, Read.ATTENTION, at, beats):
            if state == "VALUE":
                machine.next_rows(m)
            m.next = following
    with (
        m.State("MEANS"),
        m.If(attention.o.valid),
        machine.vector_command(
            m,
            Operation.LOAD,
            loads=Loads.ATTENTION,
            destination=PARTS + machine.head,
            destination_at=destination,
            length=field("width"),
            exponents=[attention.o_exponent],
        ),
    ):
        m.d.sync += [
            machine.head.eq(machine.head + 1),
            machine.within.eq(machine.within + field("width")),
            query.eq(query + 1),
        ]
        with m.If(query == machine.sizes.queries - 1):
            m.d.sync += count.eq(count - 1)
            m.next = "ATTENTION"
            with m.If(count == 1):
                m.d.sync += machine.within.eq(machine.part)
                m.next = "ATTEND_JOIN"
    with m.State("ATTEND_JOIN"), machine.join(m, destination, **size):
        m.next = "NEXT"
