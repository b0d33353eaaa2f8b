"""Packer: elements of a vector side by side in beats."""

from amaranth.hdl import Module, Mux, Signal
from amaranth.lib import stream, wiring
from amaranth.lib.wiring import In, Out

from hw.decoder.rounding_shift import WORD


class Packer(wiring.Component):
    """Beats of elements of 8 or 16 bits, the first lowest. A beat is there in the cycle behind its last element.

    Parameters
    ----------
    port_bits
        Of a beat.

    Members
    -------
    wide : In(1)
        Elements have 16 bits; changes between beats only.
    i : In(stream.Signature(signed(32)))
        Elements of no more bits.
    o : Out(stream.Signature(port_bits))
    """

    def __init__(self, port_bits: int) -> None:
        self._port_bits = port_bits
        super().__init__(
            {"wide": In(1), "i": In(stream.Signature(WORD)), "o": Out(stream.Signature(port_bits))},
        )

    def elaborate(self, platform: object) -> Module:
        """Elements enter above; when the first has come down, the beat is complete."""
        m = Module()
        beat, width = self.o.payload, self._port_bits
        octets = Signal(range(width // 8 + 1))
        element, above = self.i.payload, Signal.like(octets)
        m.d.comb += [
            self.i.ready.eq(~self.o.valid | self.o.ready),
            above.eq(octets + Mux(self.wide, 2, 1)),
        ]
        with m.If(self.i.ready):
            m.d.sync += self.o.valid.eq(0)
            with m.If(self.i.valid):
                complete = above == width // 8
                m.d.sync += [
                    beat.eq(
                        Mux(self.wide, beat >> 16 | element[:16] << width - 16, beat >> 8 | element[:8] << width - 8)
                    ),
                    octets.eq(Mux(complete, 0, above)),
                    self.o.valid.eq(complete),
                ]
        return m
