"""SPI: a byte each way at a time, mode 0, the highest bit first."""

from amaranth.hdl import Cat, Module, Mux, Signal
from amaranth.lib import stream, wiring
from amaranth.lib.cdc import FFSynchronizer
from amaranth.lib.wiring import In, Out

from formats.errors import InputError
from hw.link.layouts import unstoppable

LEAST_HALF_PERIOD = 2
"""Cycles: what comes passes two registers before it is looked at."""


class SpiPort(wiring.Component):
    """Exchanges bytes at one of two rates.

    A byte takes 16 half periods and 2 cycles. The far end's bits change when the clock falls, and are taken as they
    were two cycles before it falls again: the pins and the far end may take a whole period less two cycles.

    Parameters
    ----------
    slow_half_period, fast_half_period
        Cycles for which the clock stays high or low.

    Members
    -------
    fast : In(1)
        Which rate; changes only between bytes.
    i : In(stream.Signature(8))
        A byte to send; taken when the one before has been exchanged.
    o : Out(unstoppable(8))
        The byte that came for it.
    clk, copi : Out(1)
    cipo : In(1)

    Raises
    ------
    InputError
        If a half period is shorter than 2 cycles.
    """

    def __init__(self, slow_half_period: int, fast_half_period: int) -> None:
        for cycles in (slow_half_period, fast_half_period):
            if cycles < LEAST_HALF_PERIOD:
                raise InputError(f"half a period must last {LEAST_HALF_PERIOD} cycles or more, not {cycles!r}")
        self._slow, self._fast = slow_half_period, fast_half_period
        super().__init__(
            {
                "fast": In(1),
                "i": In(stream.Signature(8)),
                "o": Out(unstoppable(8)),
                "clk": Out(1),
                "copi": Out(1, init=1),
                "cipo": In(1, init=1),
            }
        )

    def elaborate(self, platform: object) -> Module:
        """Shift when the clock falls."""
        m = Module()
        arrived, bits = Signal(init=1), Signal(8, init=-1)
        halves = Signal(range(17))
        wait = Signal(range(max(self._slow, self._fast)))
        m.submodules.synchronizer = FFSynchronizer(self.cipo, arrived, init=1)
        m.d.comb += [
            self.i.ready.eq((halves == 0) & ~self.o.valid),
            self.copi.eq(bits[-1]),
            self.o.payload.eq(bits),
        ]
        m.d.sync += [self.o.valid.eq(0), wait.eq(wait - 1)]
        with m.If(self.i.valid & self.i.ready):
            m.d.sync += [bits.eq(self.i.payload), halves.eq(16)]
        with m.Elif((halves != 0) & (wait == 0)):
            m.d.sync += [halves.eq(halves - 1), self.clk.eq(~self.clk), self.o.valid.eq(halves == 1)]
            with m.If(self.clk):
                m.d.sync += bits.eq(Cat(arrived, bits[:-1]))
        with m.If((halves == 0) | (wait == 0)):
            m.d.sync += wait.eq(Mux(self.fast, self._fast - 1, self._slow - 1))
        return m
