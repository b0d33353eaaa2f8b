"""Gather: any Boolean function of up to four bitmaps, and lists of their members."""

from amaranth.hdl import Cat, Module, Mux, Signal
from amaranth.lib import wiring
from amaranth.lib.fifo import SyncFIFO
from amaranth.lib.wiring import In, Out

from hw.router.frame.command import DESCRIPTOR
from hw.router.frame.ports import RowBits, Words
from hw.router.memories.row_reader import OPERANDS
from hw.router.parameters import UnitParameters

ROWS_UNDER_WAY = 4


class Gather(wiring.Component):
    """Looks every lane up in two truth tables, a row per cycle; the latency is one cycle.

    Parameters
    ----------
    parameters
        The router's size.

    Members
    -------
    descriptor : In(DESCRIPTOR)
        ``z``: table of the answer; ``y``: table of what is stored.
    valid : In(1)
    inside : In(lanes)
        Lanes that hold a token.
    operands : In(lanes).array(4)
    o : Out(RowBits)
    """

    def __init__(self, parameters: UnitParameters) -> None:
        self._lanes = parameters.lanes
        super().__init__(
            {
                "descriptor": In(DESCRIPTOR),
                "valid": In(1),
                "inside": In(parameters.lanes),
                "operands": In(parameters.lanes).array(OPERANDS),
                "o": Out(RowBits(parameters)),
            }
        )

    def elaborate(self, platform: object) -> Module:
        """Two lookups a lane."""
        m = Module()
        answered, stored = [], []
        for lane in range(self._lanes):
            number = Signal(OPERANDS, name=f"number_{lane}")
            m.d.comb += number.eq(Cat(operand[lane] for operand in self.operands))
            answered.append(self.descriptor.z.bit_select(number, 1))
            stored.append(self.descriptor.y[:16].bit_select(number, 1))
        tokens = Signal(self._lanes)
        m.d.comb += tokens.eq(Mux(self.valid, self.inside, 0))
        m.d.sync += [
            self.o.valid.eq(self.valid),
            self.o.bits.eq(Cat(answered) & tokens),
            self.o.stored.eq(Cat(stored) & tokens),
        ]
        return m


class Lister(wiring.Component):
    """Turns rows into the ascending list of the indices of their ones, a word each.

    A row takes as many cycles as it has ones, and one if it has none. Rows queue up while there is
    ``room``.

    Parameters
    ----------
    parameters
        The router's size.

    Members
    -------
    start : In(1)
        Row 0 comes next.
    valid : In(1)
    bits : In(lanes)
    room : Out(1)
        ``ROWS_UNDER_WAY`` more rows may come.
    idle : Out(1)
        Every index is on its way.
    words : Out(Words)
    """

    def __init__(self, parameters: UnitParameters) -> None:
        self._parameters = parameters
        super().__init__(
            {
                "start": In(1),
                "valid": In(1),
                "bits": In(parameters.lanes),
                "room": Out(1),
                "idle": Out(1),
                "words": Out(Words()),
            }
        )

    def elaborate(self, platform: object) -> Module:
        """Take the lowest one off until the row is empty."""
        m = Module()
        lanes = self._parameters.lanes
        m.submodules.queue = queue = SyncFIFO(width=lanes, depth=2 * ROWS_UNDER_WAY)
        m.d.comb += [
            queue.w_data.eq(self.bits),
            queue.w_en.eq(self.valid),
            self.room.eq(queue.level < ROWS_UNDER_WAY),
        ]
        row = Signal(range(self._parameters.rows))
        next_row = Signal.like(row)
        bits = Signal(lanes)
        lowest = Signal(lanes)
        rest = Signal(lanes)
        lane = Signal(range(lanes))
        emit = Signal()
        m.d.comb += [
            lowest.eq(bits & -bits),
            rest.eq(bits & ~lowest),
            emit.eq((bits != 0) & self.words.room),
            queue.r_en.eq((bits == 0) | (emit & (rest == 0))),
            self.words.valid.eq(emit),
            self.words.word.eq(Mux(emit, Cat(lane, row), 0)),
            self.idle.eq((bits == 0) & ~queue.r_rdy),
        ]
        for index in range(lanes):
            with m.If(lowest[index]):
                m.d.comb += lane.eq(index)
        with m.If(emit):
            m.d.sync += bits.eq(rest)
        with m.If(queue.r_en & queue.r_rdy):
            m.d.sync += [bits.eq(queue.r_data), row.eq(next_row), next_row.eq(next_row + 1)]
        with m.If(self.start):
            m.d.sync += next_row.eq(0)
        return m
