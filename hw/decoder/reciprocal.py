"""1/n of a whole number: what the shares of attention are multiplied by."""

from amaranth.hdl import Module, Mux, Signal, signed
from amaranth.lib import wiring
from amaranth.lib.wiring import In, Out

from formats.decoder.tables import FACTOR_BITS, NORMAL_BITS, RECIPROCAL
from hw.decoder.interpolation import Interpolation

NUMBER_BITS = 34
"""Of 2^16 shares of 17 bits, and one to spare."""


class Reciprocal(wiring.Component):
    """``golden_models.integer_decoder.functions.reciprocal``, a place a cycle and at most 31 cycles.

    Members
    -------
    start : In(1)
        Read ``number``; only when no other reciprocal is under way.
    number : In(34)
        At least 1.
    done : Out(1)
        ``factor`` and ``exponent`` are there; until the next start.
    factor, exponent : Out(17), Out(signed(8))
    """

    def __init__(self) -> None:
        super().__init__(
            {
                "start": In(1),
                "number": In(NUMBER_BITS),
                "done": Out(1),
                "factor": Out(FACTOR_BITS),
                "exponent": Out(signed(8)),
            }
        )

    def elaborate(self, platform: object) -> Module:
        """Bring the number to between 1 and 2, round, look up."""
        m = Module()
        m.submodules.line = line = Interpolation((RECIPROCAL,))
        number, half, places, waits = Signal(NUMBER_BITS), Signal(), Signal(signed(7)), Signal(range(line.LATENCY + 1))
        rounded, normal = Signal(NORMAL_BITS + 2), Signal(NORMAL_BITS + 1)
        m.d.comb += [
            rounded.eq(number[: NORMAL_BITS + 1] + half),
            # rounding may reach 2, where the table ends
            normal.eq(Mux(rounded[-1], (1 << NORMAL_BITS + 1) - 1, rounded)),
            line.advance.eq(1),
            line.argument.eq(normal[:NORMAL_BITS]),
            self.factor.eq(line.factor),
            self.exponent.eq(-places - (NORMAL_BITS + FACTOR_BITS)),
        ]
        with m.FSM():
            with m.State("DONE"):
                m.d.comb += self.done.eq(1)
                with m.If(self.start):
                    m.d.sync += [number.eq(self.number), half.eq(0), places.eq(0), waits.eq(line.LATENCY)]
                    m.next = "NORMALISE"
            with m.State("NORMALISE"):
                with m.If(number[NORMAL_BITS + 1 :].any()):
                    m.d.sync += [number.eq(number >> 1), half.eq(number[0]), places.eq(places + 1)]
                with m.Elif(~number[NORMAL_BITS]):
                    m.d.sync += [number.eq(number << 1), places.eq(places - 1)]
                with m.Else():
                    m.d.sync += waits.eq(waits - 1)
                    with m.If(waits == 0):
                        m.next = "DONE"
        return m
