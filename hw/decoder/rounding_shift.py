"""Shifter of the vector unit: a vector's mantissas brought to the bits that an operation wants."""

from amaranth.hdl import Module, Mux, Signal, signed
from amaranth.lib import wiring
from amaranth.lib.wiring import In, Out

from formats.decoder.tables import MANTISSA_BITS

WORD = signed(MANTISSA_BITS + 1)

MOST_PLACES = MANTISSA_BITS + 2
"""A shift to the right by more gives the same: zero."""


class RoundingShift(wiring.Component):
    """``golden_models.integer_decoder.vectors.shifted`` on words of 32 bits, one a cycle, two cycles late.

    A shift to the left must not pass 31 bits: a vector is shifted by no more than its largest element bears.

    Members
    -------
    advance : In(1)
        Nothing moves without it.
    i, o : In(signed(32)), Out(signed(32))
    places : In(signed(7))
        To the right, ``MOST_PLACES`` at most; below 0 to the left. With ``i``.
    bits : In(5)
        Of the result; stays while words are under way.
    """

    LATENCY = 2

    def __init__(self) -> None:
        super().__init__({"advance": In(1), "i": In(WORD), "places": In(signed(7)), "bits": In(5), "o": Out(WORD)})

    def elaborate(self, platform: object) -> Module:
        """Shift with one place more, then halves up and clip."""
        m = Module()
        doubled, shifted = Signal(signed(MANTISSA_BITS + 2)), Signal(signed(MANTISSA_BITS + 2))
        rounded, limit = Signal(signed(MANTISSA_BITS + 2)), Signal(WORD)
        left = Signal(range(MANTISSA_BITS + 1))
        m.d.comb += [
            doubled.eq(self.i << 1),
            left.eq(-self.places),
            rounded.eq((shifted + 1) >> 1),
            limit.eq((1 << self.bits) - 1),
        ]
        with m.If(self.advance):
            m.d.sync += [
                shifted.eq(Mux(self.places < 0, doubled << left, doubled >> self.places[:6])),
                self.o.eq(Mux(rounded > limit, limit, Mux(rounded < -limit, -limit, rounded))),
            ]
        return m
