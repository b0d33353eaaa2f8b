"""Field memory: words that answer requests of few words, and the sums over all products."""

from collections.abc import Sequence
from dataclasses import dataclass

from amaranth.hdl import Cat, Const, Module, Mux, Signal, Value
from amaranth.lib import memory, wiring
from amaranth.lib.wiring import In, Out

from formats.board_requests import Opcode
from hw.block_ram import read_apart
from hw.request_words import WORD_BITS

IDENTITY, SUMS, RESULT = range(3)
"""Areas of the memory: what IDENTIFY, COUNTERS, and the other requests are answered with."""

_AREA_BITS = 2


@dataclass(frozen=True)
class _Step:
    """A word that is written: its area and place, what it becomes, and whether that is added to what it was."""

    area: int
    place: int
    operand: str
    adds: bool = False


_STEPS = (
    _Step(RESULT, 0, "checksum"),
    _Step(RESULT, 0, "cycles"),
    _Step(RESULT, 1, "port_busy"),
    _Step(SUMS, 0, "cycles", adds=True),
    _Step(SUMS, 1, "carry", adds=True),
    _Step(SUMS, 2, "port_busy", adds=True),
    _Step(SUMS, 3, "carry", adds=True),
    _Step(SUMS, 4, "succeeded", adds=True),
)
_FIRST = {Opcode.CHECKSUM: 0, Opcode.PRODUCT: 1, Opcode.TOKEN: 1}
"""The step that a request begins with; a checksum has no other."""

_FIRST_SUM = next(number for number, step in enumerate(_STEPS) if step.adds)


class FieldMemory(wiring.Component):
    """Keeps fields of responses in one block RAM, so that no word is chosen out of many registers.

    A step takes three cycles: fetch a word, keep it, write what it becomes. A checksum takes one step, a product or
    token seven, and everything else sets the five words of the sums to 0, as a reset does.

    Parameters
    ----------
    identity
        Words that IDENTIFY answers.
    position_bits
        Of a field's position in its area.

    Members
    -------
    start, opcode : In(1), In(8)
        Write what the request of this opcode leaves; both stay until ``done``.
    cycles, port_busy, checksum, succeeded : In
        What is written, or added: of the product or token, whose success counts; of the memory. Stable from ``start``
        to ``done``.
    done : Out(1)
        The last word is written in this cycle.
    area, position, field : In(2), In(position_bits), Out(32)
        A word of an area, two cycles later; only while nothing is written.
    """

    def __init__(self, identity: Sequence[int], position_bits: int) -> None:
        self._identity, self._position_bits = identity, position_bits
        super().__init__(
            {
                "start": In(1),
                "opcode": In(8),
                "cycles": In(WORD_BITS),
                "port_busy": In(WORD_BITS),
                "checksum": In(WORD_BITS),
                "succeeded": In(1),
                "done": Out(1),
                "area": In(_AREA_BITS),
                "position": In(position_bits),
                "field": Out(WORD_BITS),
            }
        )

    def elaborate(self, platform: object) -> Module:
        """An adder beside the memory, and the steps one after the other; the first cycles set the sums to 0."""
        m = Module()
        depth = 1 << _AREA_BITS + self._position_bits
        m.submodules.words = words = memory.Memory(shape=WORD_BITS, depth=depth, init=self._identity)
        write = words.write_port()
        read, word = read_apart(m, words, write.en)
        step, clears = Signal(range(len(_STEPS)), init=_FIRST_SUM), Signal(init=1)
        place, operand, adds, carry = Signal(len(read.addr)), Signal(WORD_BITS), Signal(), Signal()
        operands: dict[str, Value] = {
            "checksum": self.checksum,
            "cycles": self.cycles,
            "port_busy": self.port_busy,
            "carry": carry,
            "succeeded": self.succeeded,
        }
        with m.Switch(step):
            for number, each in enumerate(_STEPS):
                with m.Case(number):
                    m.d.comb += [place.eq(Cat(Const(each.place, self._position_bits), Const(each.area, _AREA_BITS)))]
                    m.d.comb += [operand.eq(Mux(clears, 0, operands[each.operand])), adds.eq(each.adds & ~clears)]
        total = Signal(WORD_BITS + 1)
        m.d.comb += [total.eq(self.field + operand), write.addr.eq(place), write.data.eq(total), read.addr.eq(place)]
        m.d.sync += self.field.eq(Mux(adds, word, 0))  # block RAM answers late in the cycle
        with m.FSM(init="FETCH"):
            with m.State("IDLE"):
                m.d.comb += read.addr.eq(Cat(self.position, self.area))
                m.d.sync += [self.field.eq(word), step.eq(_FIRST_SUM), clears.eq(1)]
                for opcode, first in _FIRST.items():
                    with m.If(self.opcode == opcode):
                        m.d.sync += [step.eq(first), clears.eq(0)]
                with m.If(self.start):
                    m.next = "FETCH"
            with m.State("FETCH"):
                m.next = "READ"
            with m.State("READ"):
                m.next = "WRITE"
            with m.State("WRITE"):
                m.d.comb += write.en.eq(1)
                m.d.sync += [carry.eq(total[-1]), step.eq(step + 1)]
                m.next = "FETCH"
                with m.If((step == 0) | (step == len(_STEPS) - 1)):
                    m.d.comb += self.done.eq(1)
                    m.next = "IDLE"
        return m
