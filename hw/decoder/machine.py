"""What the sequencer's states speak of: the units, the memory's ports, and registers."""

from collections.abc import Iterator, Mapping, Sequence
from contextlib import AbstractContextManager, contextmanager
from dataclasses import dataclass
from enum import IntEnum

from amaranth.hdl import Module, Mux, Signal, Value, signed
from amaranth.lib import data, stream

from formats.board_requests import BEST
from formats.decoder.words import LAYOUTS, SLOTS, Opcode
from hw.board.parameters import BoardParameters
from hw.board.plan import ProductPlan
from hw.decoder.attention_unit import AttentionUnit
from hw.decoder.best_keys import BestKeys
from hw.decoder.handover import Handover
from hw.decoder.packer import Packer
from hw.decoder.row_scale import EXPONENT_BITS, SCALE_BITS, SUM_BITS, RowScale
from hw.decoder.slot_commands import SlotCommands
from hw.decoder.vector_command import EXPONENT, Operation
from hw.decoder.vector_unit import VectorUnit
from hw.engine.engine import Engine
from hw.engine.row_results import RowResults, row_layout
from hw.memory.port import address_bits
from hw.memory.skid_buffer import SkidBuffer
from hw.memory.words import reading_layout

MOST_WORDS = max(1 + len(layout.fields) for layout in LAYOUTS.values())
"""Words of the longest command."""

CONSTANT = len(SLOTS)
"""Slot of a bias while it is added."""

PARTS = CONSTANT + 1
"""The first of the slots of a vector's heads."""


class Read(IntEnum):
    """Who takes what is read."""

    PROGRAM = 0
    VECTOR = 1
    ENGINE = 2
    ATTENTION = 3


class Side(IntEnum):
    """Who takes what the memory's side reads."""

    ROW_SCALE = 0
    ATTENTION = 1


class Loads(IntEnum):
    """Where the vector unit's words come from."""

    MEMORY = 0
    ROW_SCALE = 1
    ATTENTION = 2


class Leaves(IntEnum):
    """Where the vectors go that the vector unit reads out."""

    NOWHERE = 0
    ENGINE = 1
    WRITER = 2
    ATTENTION = 3


@dataclass(frozen=True)
class Writer:
    """Ports of ``hw.memory.writer.WordWriter`` beside its words."""

    start: Value
    address: Value
    flush: Value
    empty: Value


class Machine:
    """Units, ports and registers, and the steps that commands are made of.

    Parameters
    ----------
    parameters
        Of the board; it has a decoder.
    arguments
        Of the TOKEN under way, by their names.
    writer
        To the memory.
    """

    def __init__(
        self,
        parameters: BoardParameters,
        arguments: Mapping[str, Value],
        writer: Writer,
    ) -> None:
        sizes, engine = parameters.decoder, parameters.engine
        assert sizes is not None
        self.parameters, self.sizes = parameters, sizes
        self.arguments, self.writer = arguments, writer
        words, self.batch = sizes.vector_words, engine.batch
        slots = 1 << (PARTS + sizes.parts - 1).bit_length()
        self.vector = VectorUnit(words, slots, self.batch)
        self.slots = SlotCommands(words, slots, PARTS, self.batch)
        self.attention = AttentionUnit(sizes.queries, engine.port_bytes, sizes.width, sizes.positions)
        self.plan, self.engine, self.rows = ProductPlan(parameters), Engine(engine), RowResults(engine)
        self.engine_words = SkidBuffer(engine.port_bits)
        self.engine_commands = Handover(self.plan.command.shape())
        # who gives sums and scales ends no path in the row scale, the memory's writer none in the packer
        members = row_layout(engine).members
        sums = data.StructLayout({"sum": signed(SUM_BITS), "vector": members["vector"], "lane": members["lane"]})
        self.sums, self.scales = SkidBuffer(sums), SkidBuffer(SCALE_BITS)
        self.written = SkidBuffer(engine.port_bits)
        self.row_scale, self.keys = RowScale(self.batch), BestKeys(engine.maximum_rows, BEST)
        self.packer = Packer(engine.port_bits)
        self.readings, self.side_readings = (
            Handover(reading_layout(parameters.memory, engine.port_bytes, bits))
            for bits in (parameters.word_bits, parameters.side_bits)
        )
        self.reading, self.side_reading = self.readings.i, self.side_readings.i

        addresses = address_bits(parameters.memory, engine.port_bytes)
        self.words = Signal(data.ArrayLayout(32, MOST_WORDS))
        self.opcode = Signal(8)
        self.position = Signal(range(sizes.positions + 1))
        self.positions, self.row = Signal.like(self.position), Signal.like(self.position)
        # of the cache of the command under way: the token's position, or its place in a set
        self.cache_row = Mux(self.words[1][0], self.row, self.position)
        # which of a TOKEN's tokens a command is done for, the last of them, and its part of the vector memory
        self.token, self.last_token = Signal(range(self.batch)), Signal(range(self.batch))
        self.part, self.embedding = Signal(range(self.batch * words)), Signal(addresses)
        # of vectors that are loaded, or that are on their way through the engine
        self.exponents = [Signal(EXPONENT, name=f"exponent_{token}") for token in range(self.batch)]
        self.wide = Signal()
        self.status = Signal(8)
        # where the next command begins, and what the command under way reads or writes next
        self.program, self.keys_at, self.values_at, self.exponents_at = (Signal(addresses) for _ in range(4))
        self.step = Signal(range(MOST_WORDS + 1))  # by which the program moves on
        self.stride = Signal(addresses)  # from a head's rows to the next one's
        self.head, self.within = Signal(range(sizes.parts + 1)), Signal.like(self.part)
        self.count = Signal(range(max(sizes.parts, MOST_WORDS) + 1))
        self.exponent = Signal(EXPONENT_BITS)
        self.answers = Signal()
        # what a product's activations still lack; behind the last column come zeros, up to the end of its block
        self.columns_left, self.beats_left = Signal(20), Signal.like(self.plan.activations.words)
        self.pads, self.last_beat = Signal(), Signal()
        self.read_for, self.side_for = Signal(Read), Signal(Side)
        self.loads, self.leaves = Signal(Loads), Signal(Leaves)
        self.factors, self.product = (Signal(16), Signal(16)), Signal(32)
        # words of a command, while read_for is PROGRAM
        self.program_words = stream.Signature(32).create()

    def field(self, opcode: Opcode, name: str) -> Value:
        """A field of the command under way."""
        place, field = next(
            (place, field) for place, field in enumerate(LAYOUTS[opcode].fields, 1) if field.name == name
        )
        word = self.words[place]
        return word.as_signed() if field.signed else word

    def beat(self, address: Value) -> Value:
        """A byte's address in beats."""
        return address >> (self.parameters.engine.port_bytes - 1).bit_length()

    def first_token(self, m: Module) -> None:
        """What follows is done for the first token."""
        m.d.sync += [
            self.position.eq(self.arguments["position"]),
            self.row.eq(self.arguments["row"]),
            self.token.eq(0),
            self.part.eq(0),
            self.within.eq(0),
        ]

    def next_token(self, m: Module) -> None:
        """What follows is done for the next token."""
        following = self.part + self.sizes.vector_words
        m.d.sync += [
            self.position.eq(self.position + 1),
            self.row.eq(self.row + 1),
            self.token.eq(self.token + 1),
            self.part.eq(following),
            self.within.eq(following),
        ]

    def row_beats(self, width: Value) -> Value:
        """Beats of a head's row in the cache."""
        octets = Mux(self.wide, width[:16] << 1, width[:16])
        return self.beat(octets)

    def multiply(self, m: Module, a: Value, b: Value) -> None:
        """Factors of 16 bits; ``product`` has their product two cycles later, and until others follow."""
        m.d.sync += [self.factors[0].eq(a), self.factors[1].eq(b)]

    @contextmanager
    def vector_command(
        self,
        m: Module,
        operation: Operation,
        loads: Loads = Loads.MEMORY,
        leaves: Leaves = Leaves.NOWHERE,
        exponents: Sequence[Value] = (),
        **fields: Value | int,
    ) -> Iterator[None]:
        """Offer the vector unit a command; what stands inside happens when it is taken.

        ``source_at`` and ``destination_at`` are the slots where its vectors lie, ``within`` words behind their begin.
        """
        payload = self.slots.i.payload
        m.d.comb += [self.slots.i.valid.eq(1), payload.operation.eq(operation)]
        m.d.comb += [payload.exponents[number].eq(exponent) for number, exponent in enumerate(exponents)]
        m.d.comb += [getattr(payload, name).eq(value) for name, value in {"parts": 1, **fields}.items()]
        with m.If(self.slots.i.ready):
            m.d.sync += [self.loads.eq(loads), self.leaves.eq(leaves)]
            yield

    def split(
        self, m: Module, slot: Value, first: Value | int, length: Value, parts: Value
    ) -> AbstractContextManager[None]:
        """Heads of a slot get slots of their own, from ``first`` on; they stay where they are."""
        return self._in_place(m, Operation.SPLIT, slot, slot, first, length, parts)

    def join(self, m: Module, slot: Value, length: Value, parts: Value) -> AbstractContextManager[None]:
        """Heads that lie where a slot's vector lies become that vector."""
        return self._in_place(m, Operation.JOIN, slot, PARTS, slot, length, parts)

    def _in_place(
        self,
        m: Module,
        operation: Operation,
        at: Value,
        source: Value | int,
        destination: Value | int,
        length: Value,
        parts: Value,
    ) -> AbstractContextManager[None]:
        return self.vector_command(
            m,
            operation,
            source=source,
            destination=destination,
            source_at=at,
            destination_at=at,
            length=length,
            parts=parts,
        )

    def add(self, m: Module, source: Value | int, destination: Value, length: Value) -> AbstractContextManager[None]:
        """A slot is added to another."""
        return self.vector_command(
            m,
            Operation.ADD,
            source=source,
            destination=destination,
            source_at=source,
            destination_at=destination,
            length=length,
        )

    def place_rows(self, m: Module, opcode: Opcode, row: Value) -> None:
        """The first head's rows from one of them on; ``product`` has the beats before it."""
        m.d.sync += [
            self.keys_at.eq(self.beat(self.field(opcode, "keys")) + self.product),
            self.values_at.eq(self.beat(self.field(opcode, "values")) + self.product),
            self.exponents_at.eq(self.beat(self.field(opcode, "exponents")) + row),
        ]

    def next_rows(self, m: Module) -> None:
        """The next head's rows."""
        m.d.sync += [
            self.keys_at.eq(self.keys_at + self.stride),
            self.values_at.eq(self.values_at + self.stride),
            self.exponents_at.eq(self.exponents_at + self.positions),
        ]

    @contextmanager
    def read_as(self, m: Module, for_: Read, reading: Value) -> Iterator[None]:
        """Offer the memory a reading; what stands inside happens when it is taken."""
        m.d.comb += [self.reading.valid.eq(1), self.reading.payload.eq(reading)]
        with m.If(self.reading.ready):
            m.d.sync += self.read_for.eq(for_)
            yield

    @contextmanager
    def read(self, m: Module, for_: Read, address: Value, words: Value | int, bits: int = 32) -> Iterator[None]:
        """Offer the memory a reading of words; what stands inside happens when it is taken."""
        _reading(m, self.reading, address, words, bits, self.parameters.word_bits)
        with m.If(self.reading.ready):
            m.d.sync += self.read_for.eq(for_)
            yield

    @contextmanager
    def read_side(self, m: Module, for_: Side, address: Value, words: Value, bits: int = 32) -> Iterator[None]:
        """The same for the memory's side."""
        _reading(m, self.side_reading, address, words, bits, self.parameters.side_bits)
        with m.If(self.side_reading.ready):
            m.d.sync += self.side_for.eq(for_)
            yield


def _reading(
    m: Module, reading: stream.Interface, address: Value, words: Value | int, bits: int, widths: tuple[int, ...]
) -> None:
    """Words of 16 bits, or as long as a beat."""
    beats = {16: words + 1 >> 1, 32: words}[bits]
    m.d.comb += [
        reading.valid.eq(1),
        reading.payload.address.eq(address),
        reading.payload.beats.eq(beats - 1),
        reading.payload.words.eq(words - 1),
        reading.payload.width.eq(widths.index(bits)),
    ]
