"""Divider: a quotient bit per cycle."""

from amaranth.hdl import Module, Mux, Signal
from amaranth.lib import wiring
from amaranth.lib.wiring import In, Out


class Divider(wiring.Component):
    """Restoring division of unsigned numbers.

    The latency is ``quotient_bits`` + 1 cycles from ``start`` to ``done``.

    Parameters
    ----------
    quotient_bits
        Bits of the quotient, which must fit them.
    divisor_bits
        Bits of the divisor.

    Members
    -------
    start : In(1)
    dividend : In(quotient_bits + divisor_bits)
        Taken over with ``start``.
    divisor : In(divisor_bits)
        Stable from ``start`` to ``done``; not 0.
    done : Out(1)
    quotient : Out(quotient_bits)
        Valid from ``done`` until the next start.
    remainder : Out(divisor_bits)
        Likewise.
    """

    def __init__(self, quotient_bits: int, divisor_bits: int) -> None:
        super().__init__(
            {
                "start": In(1),
                "dividend": In(quotient_bits + divisor_bits),
                "divisor": In(divisor_bits),
                "done": Out(1),
                "quotient": Out(quotient_bits),
                "remainder": Out(divisor_bits),
            }
        )

    def elaborate(self, platform: object) -> Module:
        """The quotient moves in from below as the dividend moves out above."""
        m = Module()
        bits = len(self.quotient)
        left = Signal(range(bits + 1))
        shifted = Signal(len(self.divisor) + 1)
        fits = Signal()
        m.d.comb += [
            shifted.eq((self.remainder << 1) | self.quotient[-1]),
            fits.eq(shifted >= self.divisor),
        ]
        m.d.sync += self.done.eq(left == 1)
        with m.If(self.start):
            m.d.sync += [
                left.eq(bits),
                self.quotient.eq(self.dividend[:bits]),
                self.remainder.eq(self.dividend[bits:]),
            ]
        with m.Elif(left != 0):
            m.d.sync += [
                left.eq(left - 1),
                self.quotient.eq((self.quotient << 1) | fits),
                self.remainder.eq(Mux(fits, shifted - self.divisor, shifted)),
            ]
        return m
