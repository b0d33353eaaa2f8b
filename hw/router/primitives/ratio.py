"""Ratio: marks the elements whose hits reach a share of their total, without dividing."""

from amaranth.hdl import Module, Mux, Signal
from amaranth.lib import wiring
from amaranth.lib.wiring import In, Out

from formats.router.descriptor import Flag
from hw.router.frame.command import command_layout, has
from hw.router.frame.ports import Elements, RowBits
from hw.router.parameters import UnitParameters

COUNT_BITS = 12


class Ratio(wiring.Component):
    """RATIO: an element per cycle; a row of bits leaves two cycles after the element that completes it.

    Parameters
    ----------
    parameters
        The router's size.

    Members
    -------
    command : In(command_layout(parameters))
    start : In(1)
    elements : Out(Elements)
    room : In(1)
        There is room for words of the bitmap.
    o : Out(RowBits)
        ``command.rows`` rows.
    """

    def __init__(self, parameters: UnitParameters) -> None:
        self._parameters = parameters
        super().__init__(
            {
                "command": In(command_layout(parameters)),
                "start": In(1),
                "elements": Out(Elements(parameters)),
                "room": In(1),
                "o": Out(RowBits(parameters)),
            }
        )

    def elaborate(self, platform: object) -> Module:
        """Multiply; compare and collect; fill the last word up with rows of zeros."""
        m = Module()
        parameters, descriptor = self._parameters, self.command.descriptor
        lanes = parameters.lanes
        hits = self.elements.elements[0][:COUNT_BITS]
        total = self.elements.elements[0][COUNT_BITS:]
        left = Signal(range(parameters.keys + 1))
        lane = Signal(range(lanes))
        rows_left = Signal(range(parameters.rows + 1))
        taken = Signal()
        m.d.comb += [
            self.elements.ready.eq((left != 0) & self.room),
            taken.eq(self.elements.ready & self.elements.valid),
        ]
        arrived = Signal()
        lane_then = Signal.like(lane)
        last = Signal()
        scaled_hits = Signal(COUNT_BITS + 8)
        share = Signal(COUNT_BITS + 9)  # thr8 is at most 256
        empty = Signal()
        m.d.sync += [
            arrived.eq(taken),
            lane_then.eq(lane),
            last.eq(left == 1),
            scaled_hits.eq(hits << 8),
            share.eq(total * descriptor.x[:9]),
            empty.eq(total == 0),
        ]
        with m.If(self.start):
            m.d.sync += [left.eq(descriptor.n), lane.eq(0), rows_left.eq(self.command.rows)]
        with m.Elif(taken):
            m.d.sync += [left.eq(left - 1), lane.eq(lane + 1)]
        keep = Signal()
        held = Signal(lanes)
        collected = Signal(lanes)
        emit = Signal()
        filling = Signal()
        m.d.comb += [
            keep.eq(Mux(empty, has(descriptor, Flag.RATIO_KEEP_EMPTY), scaled_hits >= share)),
            collected.eq(held | Mux(arrived, keep << lane_then, 0)),
            emit.eq((arrived & (last | (lane_then == lanes - 1))) | (filling & (rows_left != 0))),
        ]
        m.d.sync += held.eq(Mux(emit, 0, collected))
        with m.If(arrived & last):
            m.d.sync += filling.eq(1)
        with m.Elif(rows_left == 0):
            m.d.sync += filling.eq(0)
        with m.If(emit):
            m.d.sync += rows_left.eq(rows_left - 1)
        bits = Signal(lanes)
        m.d.comb += bits.eq(Mux(emit, collected, 0))
        m.d.sync += [self.o.valid.eq(emit), self.o.bits.eq(bits), self.o.stored.eq(bits)]
        return m
