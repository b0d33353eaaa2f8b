"""Keep pass: marks the keys above the threshold and the first of those equal to it."""

from amaranth.hdl import Cat, Module, Mux, Signal
from amaranth.lib import wiring
from amaranth.lib.wiring import In, Out

from formats.router.descriptor import KEY_BITS
from hw.router.frame.ports import RowBits, key_row
from hw.router.parameters import UnitParameters

KEEP_LATENCY = 3


class KeepPass(wiring.Component):
    """Takes rows in order; the latency is ``KEEP_LATENCY`` cycles and the throughput one row per cycle.

    Parameters
    ----------
    parameters
        The router's size.

    Members
    -------
    start : In(1)
        Take over ``quota``; row 0 comes next.
    quota : In(range(keys + 1))
        Keys equal to the threshold that stay, those of lowest index.
    threshold : In(24)
    valid : In(1)
    keys : In(ArrayLayout(24, lanes))
    active, fixed : In(lanes)
        Tokens to choose from; tokens that stay in any case.
    o : Out(RowBits)
    """

    def __init__(self, parameters: UnitParameters) -> None:
        self._parameters = parameters
        super().__init__(
            {
                "start": In(1),
                "quota": In(range(parameters.keys + 1)),
                "threshold": In(KEY_BITS),
                "valid": In(1),
                "keys": In(key_row(parameters)),
                "active": In(parameters.lanes),
                "fixed": In(parameters.lanes),
                "o": Out(RowBits(parameters)),
            }
        )

    def elaborate(self, platform: object) -> Module:
        """Compare; count equals; choose."""
        m = Module()
        lanes = range(self._parameters.lanes)
        compared = Signal()
        certain = Signal(len(lanes))
        equal = Signal(len(lanes))
        m.d.sync += [
            compared.eq(self.valid),
            certain.eq(self.fixed | (self.active & Cat(self.keys[lane] > self.threshold for lane in lanes))),
            equal.eq(self.active & Cat(self.keys[lane] == self.threshold for lane in lanes)),
        ]
        counted = Signal()
        certain_then = Signal.like(certain)
        equal_then = Signal.like(equal)
        m.d.sync += [counted.eq(compared), certain_then.eq(certain), equal_then.eq(equal)]
        before = self._equals_before(m, equal)
        left = Signal.like(self.quota)  # places for equal keys from this row on
        fits = Signal(len(lanes))
        kept = Signal(len(lanes))
        m.d.comb += [fits.eq(Cat(before[lane] < left for lane in lanes)), kept.eq(certain_then | (equal_then & fits))]
        with m.If(self.start):
            m.d.sync += left.eq(self.quota)
        with m.Elif(counted):
            m.d.sync += left.eq(Mux(left > before[-1], left - before[-1], 0))
        m.d.sync += [
            self.o.valid.eq(counted),
            self.o.bits.eq(Mux(counted, kept, 0)),
            self.o.stored.eq(Mux(counted, kept, 0)),
        ]
        return m

    def _equals_before(self, m: Module, equal: Signal) -> list[Signal]:
        """Registers with the equals in lanes below each lane, and last in all lanes: a parallel prefix sum."""
        lanes = self._parameters.lanes
        sums = [equal[lane] for lane in range(lanes)]
        distance = 1
        while distance < lanes:
            wider = []
            for lane in range(lanes):
                total = Signal(range(2 * distance + 1), name=f"equals_{distance}_{lane}")
                m.d.comb += total.eq(sums[lane] + (sums[lane - distance] if lane >= distance else 0))
                wider.append(total)
            sums, distance = wider, 2 * distance
        before = [Signal(range(lanes + 1), name=f"before_{lane}") for lane in range(lanes + 1)]
        m.d.sync += [signal.eq(total) for signal, total in zip(before[1:], sums, strict=True)]
        return before
