"""Plan of a product: its arguments checked, and how many words it reads and writes."""

from collections.abc import Callable, Mapping
from functools import reduce
from math import gcd
from operator import add

from amaranth.hdl import Array, Const, Module, Mux, Signal, Value
from amaranth.lib import data, wiring
from amaranth.lib.wiring import In, Out

from formats.board_requests import REQUESTS, Opcode, Status
from formats.weight_format import WeightFormat
from hw.board.collector import MOST_ARGUMENTS
from hw.board.parameters import BoardParameters
from hw.engine.sequencer import command_layout
from hw.memory.port import address_bits
from hw.memory.words import reading_layout
from hw.mux import choose

ARGUMENTS = {field.name: position for position, field in enumerate(REQUESTS[Opcode.PRODUCT].arguments)}
"""Name → position."""

RESULT_WORDS = 2
"""Words of a result."""


class ProductPlan(wiring.Component):
    """Counts the words of weights, activations and results, one after the other, a bit of a factor a cycle.

    All counts are less one, as who does them counts.

    ``done`` comes with the last of the cycles that ``plan_cycles`` names, for a product that is as it should be.

    Parameters
    ----------
    parameters
        Of the board.

    Members
    -------
    start, arguments : In(1), In(ArrayLayout(32, MOST_ARGUMENTS))
        Arguments of a PRODUCT, stable until ``done``.
    done, status : Out(1), Out(Status)
        What follows is valid from here on, if the status is OK.
    command : Out(command_layout(engine))
    activations, weights : Out(reading_layout(...))
    results_address, results : Out(address_bits), Out
        Where results go, and how many words they are, less one.
    """

    def __init__(self, parameters: BoardParameters) -> None:
        self._parameters = parameters
        engine, memory = parameters.engine, parameters.memory
        reading = reading_layout(memory, engine.port_bytes, parameters.word_bits)
        bits = address_bits(memory, engine.port_bytes)
        super().__init__(
            {
                "start": In(1),
                "arguments": In(data.ArrayLayout(32, MOST_ARGUMENTS)),
                "done": Out(1),
                "status": Out(8),
                "command": Out(command_layout(engine)),
                "activations": Out(reading),
                "weights": Out(reading),
                "results_address": Out(bits),
                "results": Out(bits),
            }
        )

    def elaborate(self, platform: object) -> Module:
        """Check, then for each of three areas: multiply, convert to beats, compare with the memory's size."""
        m = Module()
        engine = self._parameters.engine
        bad_argument, format_ = Signal(), Signal(range(len(engine.formats)))
        m.d.comb += format_.eq(self._argument("format"))
        m.d.sync += bad_argument.eq(self._out_of_range(format_))
        product, rest, shifted = self._factors()
        beats, area, outside = Signal.like(product), Signal(range(3)), Signal()
        address = Signal(32)
        # bound: the last word of an address within the memory and a count
        bits = len(self.results_address)
        last = Signal(max(bits, len(beats)) + 1)
        m.d.comb += [
            address.eq(Array(self._argument(name) for name in ("weights", "activations", "results"))[area]),
            outside.eq(_reaches_past(address, last, bits)),
        ]
        with m.FSM():
            with m.State("IDLE"), m.If(self.start):
                m.next = "CHECK"
            with m.State("CHECK"):  # ``bad_argument`` follows the arguments by a cycle
                m.next = "FACTORS"
            with m.State("FACTORS"):
                self._load(m, format_, area, rest, shifted)
                m.d.sync += [product.eq(-1), self.status.eq(Status.BAD_ARGUMENT)]
                m.next = "MULTIPLY"
                with m.If(bad_argument):
                    m.next = "DONE"
            with m.State("MULTIPLY"):
                m.d.sync += [rest.eq(rest >> 1), shifted.eq(shifted << 1)]
                with m.If(rest[0]):
                    m.d.sync += product.eq(product + shifted)
                with m.If(rest == 0):
                    m.next = "BEATS"
            with m.State("BEATS"):
                m.d.sync += beats.eq(Mux(area == 0, self._beats(format_, product), product))
                m.next = "PLACE"
            with m.State("PLACE"):
                m.d.sync += last.eq(address[2:][:bits] + beats)
                self._keep(m, area, address, product, beats)
                m.next = "COMPARE"
            with m.State("COMPARE"):
                m.d.sync += [area.eq(area + 1), self.status.eq(Status.OK)]
                m.next = "FACTORS"
                with m.If(outside):
                    m.d.sync += self.status.eq(Status.BAD_ADDRESS)
                with m.If(outside | (area == 2)):
                    m.next = "DONE"
            with m.State("DONE"):
                m.d.comb += self.done.eq(1)
                m.d.sync += area.eq(0)
                m.next = "IDLE"
        self._command(m, format_)
        return m

    def _argument(self, name: str) -> Value:
        return self.arguments[ARGUMENTS[name]]

    def _choose(self, format_: Signal, choice: Callable[[WeightFormat], Value]) -> Value:
        """What holds for the product's format."""
        return choose(format_, [choice(each) for each in self._parameters.engine.weight_formats])

    def _out_of_range(self, format_: Signal) -> Value:
        engine = self._parameters.engine
        bad: Value = self._argument("format") >= len(engine.formats)
        for name, most in self._most().items():
            less_one, mosts = self._less_one(name), [Const(most(each)) for each in engine.weight_formats]
            bad |= self._argument(name)[len(less_one) :].any() | (less_one >= choose(format_, mosts))
        return bad

    def _most(self) -> dict[str, Callable[[WeightFormat], int]]:
        """Argument → its largest value, by the format."""
        engine = self._parameters.engine
        return {
            "column_blocks": lambda each: each.blocks(engine.maximum_columns),
            "row_groups": lambda each: engine.row_groups(each, engine.maximum_rows),
            "vectors": lambda _: engine.batch,
        }

    def _less_one(self, name: str) -> Value:
        """An argument less one, in as many bits as its largest value has; 0 becomes larger than all of these."""
        bits = max(map(self._most()[name], self._parameters.engine.weight_formats)).bit_length()
        return (self._argument(name)[:bits] - 1)[:bits]

    def _factors(self) -> tuple[Signal, Signal, Signal]:
        """The product so far, the factor that is looked at bit by bit, and the other, shifted as far."""
        engine, formats = self._parameters.engine, self._parameters.engine.weight_formats
        # bound: what the three areas count, each factor at its most
        groups = max(engine.row_groups(each, engine.maximum_rows) for each in formats)
        blocks = max(each.blocks(engine.maximum_columns) for each in formats)
        lanes = max(map(engine.lanes_for, formats))
        activations = max(engine.beats_per_activation_word(each) for each in formats) * blocks
        most = max(groups * blocks, engine.batch * activations, engine.batch * lanes * groups * RESULT_WORDS)
        product, shifted = Signal(range(most + 1)), Signal(range(most + 1))
        return product, Signal(range(max(blocks, engine.batch * lanes) + 1)), shifted

    def _load(self, m: Module, format_: Signal, area: Signal, rest: Signal, shifted: Signal) -> None:
        """Factors of an area: weights, activations, results."""
        engine = self._parameters.engine
        blocks, groups = self._argument("column_blocks"), self._argument("row_groups")
        vectors = self._argument("vectors")[: engine.batch.bit_length()]

        def activation_beats(each: WeightFormat) -> Value:
            together = engine.blocks_per_activation_word(each)
            words = (blocks + (together - 1)) >> (together - 1).bit_length()
            return _times(words[: len(rest)], engine.beats_per_activation_word(each))

        with m.Switch(area):
            with m.Case(0):
                m.d.sync += [rest.eq(blocks), shifted.eq(groups)]
            with m.Case(1):
                m.d.sync += [rest.eq(vectors), shifted.eq(self._choose(format_, activation_beats))]
            with m.Case(2):
                lanes = self._choose(format_, lambda each: _times(vectors, engine.lanes_for(each)))
                m.d.sync += [rest.eq(lanes), shifted.eq(groups << 1)]

    def _beats(self, format_: Signal, words: Signal) -> Value:
        """Beats less one in which words of the format's width begin; ``words`` is less one too."""
        engine, unit = self._parameters.engine, gcd(*self._parameters.word_bits)

        def last_unit(each: WeightFormat) -> Value:
            units = engine.beat_bits(each) // unit
            return _times(words, units) + (units - 1)

        return self._choose(format_, last_unit) >> (engine.port_bits // unit - 1).bit_length()

    def _keep(self, m: Module, area: Signal, address: Value, words: Signal, beats: Signal) -> None:
        """What becomes of an area."""
        engine, widths = self._parameters.engine, self._parameters.word_bits
        width = self._choose(self.command.format, lambda each: Const(widths.index(engine.beat_bits(each))))
        place = address[2:]
        with m.Switch(area):
            for position, reading in enumerate((self.weights, self.activations)):
                with m.Case(position):
                    m.d.sync += [reading.address.eq(place), reading.beats.eq(beats), reading.words.eq(words)]
            with m.Case(2):
                m.d.sync += [self.results_address.eq(place), self.results.eq(words)]
        m.d.sync += [self.weights.width.eq(width), self.activations.width.eq(widths.index(engine.port_bits))]

    def _command(self, m: Module, format_: Signal) -> None:
        """The engine's own command, which counts from 0."""
        m.d.comb += self.command.format.eq(format_)
        for name in self._most():
            m.d.comb += getattr(self.command, name).eq(self._less_one(name))


def plan_cycles(parameters: BoardParameters, command: Mapping[str, int]) -> int:
    """Cycles from ``start`` to ``done``, both included, for a product of the arguments of that name."""
    engine = parameters.engine
    lanes = engine.lanes_for(engine.weight_formats[command["format"]])
    factors = (command["column_blocks"], command["vectors"], command["vectors"] * lanes)
    return 3 + sum(factor.bit_length() + 5 for factor in factors)


def _times(value: Value, factor: int) -> Value:
    """A multiple by a constant, as a sum: a product would take a multiplier."""
    return reduce(add, (value << place for place in range(factor.bit_length()) if factor >> place & 1))


def _reaches_past(address: Value, last: Value, bits: int) -> Value:
    """Whether the last of the words from a byte's address on is not below ``2 ** bits``, or the first within one."""
    return (address[:2] != 0) | address[2 + bits :].any() | last[bits:].any()
