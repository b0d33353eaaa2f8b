"""Range: marks the tokens outside or inside a run of tokens."""

from amaranth.hdl import Module, Mux, Signal
from amaranth.lib import wiring
from amaranth.lib.wiring import In, Out

from formats.router.descriptor import NO_SLOT, Flag
from hw.router.arithmetic.lanes import lanes_below
from hw.router.frame.command import DESCRIPTOR, has
from hw.router.frame.ports import RowBits
from hw.router.parameters import UnitParameters


class RangeMask(wiring.Component):
    """Handles a row per cycle; the latency is one cycle.

    Parameters
    ----------
    parameters
        The router's size.

    Members
    -------
    descriptor : In(DESCRIPTOR)
    valid : In(1)
    row : In(range(rows))
    inside : In(lanes)
        Lanes that hold a token.
    mask : In(lanes)
        Operand sa.
    o : Out(RowBits)
    """

    def __init__(self, parameters: UnitParameters) -> None:
        self._parameters = parameters
        super().__init__(
            {
                "descriptor": In(DESCRIPTOR),
                "valid": In(1),
                "row": In(range(parameters.rows)),
                "inside": In(parameters.lanes),
                "mask": In(parameters.lanes),
                "o": Out(RowBits(parameters)),
            }
        )

    def elaborate(self, platform: object) -> Module:
        """Two limits."""
        m = Module()
        lanes, descriptor = self._parameters.lanes, self.descriptor
        limit = range(self._parameters.keys + 1)  # a legal run ends at n or before
        begin = Signal(limit)
        end = Signal(limit)
        m.d.comb += [begin.eq(descriptor.x), end.eq(descriptor.x + descriptor.y)]
        before = lanes_below(m, "before_begin", self.row, begin, lanes)
        up_to_end = lanes_below(m, "before_end", self.row, end, lanes)
        run = Signal(lanes)
        mask = Signal(lanes)
        bits = Signal(lanes)
        m.d.comb += [
            run.eq(up_to_end & ~before),
            mask.eq(self.inside & Mux(descriptor.sa == NO_SLOT, -1, self.mask)),
            bits.eq(Mux(self.valid, mask & Mux(has(descriptor, Flag.RANGE_INVERT), run, ~run), 0)),
        ]
        m.d.sync += [self.o.valid.eq(self.valid), self.o.bits.eq(bits), self.o.stored.eq(bits)]
        return m
