"""Multiplier: 24 by 24 bits on one 18-bit hardware multiplier."""

from amaranth.hdl import Module, Mux, Signal
from amaranth.lib import wiring
from amaranth.lib.wiring import In

from hw.router.frame.ports import Multiplication

LIMB_BITS = 18
STEPS = 4
MULTIPLIER_LATENCY = STEPS + 1


class Multiplier(wiring.Component):
    """Multiplies unsigned numbers limb by limb.

    The latency is ``MULTIPLIER_LATENCY`` cycles from ``start`` to ``done``; the factors must be stable in
    the cycle of ``start`` and the ``STEPS`` - 1 cycles after it. One product every ``STEPS`` cycles.

    Members
    -------
    i : In(Multiplication())
        ``product`` is valid in the cycle of ``done``.
    """

    def __init__(self) -> None:
        super().__init__({"i": In(Multiplication())})

    def elaborate(self, platform: object) -> Module:
        """Low and high limbs of 18 and 6 bits; products pass a register before they are added."""
        m = Module()
        busy = Signal(STEPS)  # one-hot: the step after the first
        step = Signal(STEPS)
        a_high = Signal()
        b_high = Signal()
        m.d.comb += [
            step.eq(self.i.start | (busy << 1)),
            a_high.eq(step[1] | step[3]),
            b_high.eq(step[2] | step[3]),
        ]
        m.d.sync += busy.eq(step)
        limb_a = Signal(LIMB_BITS)
        limb_b = Signal(LIMB_BITS)
        partial = Signal(2 * LIMB_BITS)
        m.d.comb += [
            limb_a.eq(Mux(a_high, self.i.a >> LIMB_BITS, self.i.a)),
            limb_b.eq(Mux(b_high, self.i.b >> LIMB_BITS, self.i.b)),
        ]
        m.d.sync += [partial.eq(limb_a * limb_b), self.i.done.eq(busy[-1])]
        with m.If(busy[0]):
            m.d.sync += self.i.product.eq(partial)
        with m.If(busy[1] | busy[2]):
            m.d.sync += self.i.product.eq(self.i.product + (partial << LIMB_BITS))
        with m.If(busy[3]):
            m.d.sync += self.i.product.eq(self.i.product + (partial << (2 * LIMB_BITS)))
        return m
