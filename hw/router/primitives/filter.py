"""Filter: marks keys inside an interval, whose lower end may be a table."""

from amaranth.hdl import Cat, Module, Mux, Signal
from amaranth.lib import wiring
from amaranth.lib.wiring import In, Out

from formats.router.descriptor import Bound, Flag
from hw.router.frame.command import DESCRIPTOR, bound, has
from hw.router.frame.ports import RowBits, key_row
from hw.router.parameters import UnitParameters


class Filter(wiring.Component):
    """Compares a row per cycle; the latency is one cycle.

    Parameters
    ----------
    parameters
        The router's size.

    Members
    -------
    descriptor : In(DESCRIPTOR)
    valid : In(1)
    inside : In(lanes)
        Lanes that hold a token.
    stored, streamed : In(ArrayLayout(24, lanes))
        The row of the key memory, and the keys that came with the packet.
    o : Out(RowBits)
    """

    def __init__(self, parameters: UnitParameters) -> None:
        self._lanes = parameters.lanes
        super().__init__(
            {
                "descriptor": In(DESCRIPTOR),
                "valid": In(1),
                "inside": In(parameters.lanes),
                "stored": In(key_row(parameters)),
                "streamed": In(key_row(parameters)),
                "o": Out(RowBits(parameters)),
            }
        )

    def elaborate(self, platform: object) -> Module:
        """Two comparisons a lane."""
        m = Module()
        descriptor = self.descriptor
        without_low = bound(descriptor) == Bound.NONE
        from_table = bound(descriptor) == Bound.TABLE
        passed = []
        for lane in range(self._lanes):
            key = Signal(24, name=f"key_{lane}")
            low = Signal(24, name=f"low_{lane}")
            above = Signal(name=f"above_{lane}")
            below = Signal(name=f"below_{lane}")
            m.d.comb += [
                key.eq(Mux(has(descriptor, Flag.FILTER_KEYS), self.stored[lane], self.streamed[lane])),
                low.eq(Mux(from_table, self.stored[lane], descriptor.x)),
                above.eq(without_low | (key > low) | (has(descriptor, Flag.FILTER_LOW_CLOSED) & (key == low))),
                below.eq(
                    ~has(descriptor, Flag.FILTER_HIGH)
                    | (key < descriptor.y)
                    | (has(descriptor, Flag.FILTER_HIGH_CLOSED) & (key == descriptor.y))
                ),
            ]
            passed.append(above & below ^ has(descriptor, Flag.FILTER_INVERT))
        bits = Signal(self._lanes)
        m.d.comb += bits.eq(Mux(self.valid, Cat(passed) & self.inside, 0))
        m.d.sync += [self.o.valid.eq(self.valid), self.o.bits.eq(bits), self.o.stored.eq(bits)]
        return m
