"""Unpacker: words of any width out of a stream of beats in which they lie without gaps."""

from math import gcd

from amaranth.hdl import Module, Mux, Signal
from amaranth.lib import stream, wiring
from amaranth.lib.wiring import In, Out

from hw.mux import choose


class Unpacker(wiring.Component):
    """Word n is made of bits ``n * word_bits`` and up of the beats, which count from their lowest bit.

    No cycle is lost: a beat per cycle is taken if words are not narrower than beats, else a word per cycle
    is given. A word follows the beat that completes it by one cycle. ``i.ready`` depends on ``o.ready``.

    Parameters
    ----------
    port_bytes
        Bytes of a beat.
    word_bits
        Bits of a word: a lane's, or those of all lanes together.

    Members
    -------
    clear : In(1)
        Forget the bits that are left: what comes next begins a word. Nothing is taken in this cycle.
    i : In(stream.Signature(8 * port_bytes))
    o : Out(stream.Signature(word_bits))
    """

    def __init__(self, port_bytes: int, word_bits: int) -> None:
        self._port_bits, self._word_bits = 8 * port_bytes, word_bits
        super().__init__(
            {
                "clear": In(1),
                "i": In(stream.Signature(self._port_bits)),
                "o": Out(stream.Signature(word_bits)),
            }
        )

    def elaborate(self, platform: object) -> Module:
        """A shift register that words leave below and beats enter where it ends."""
        m = Module()
        unit = gcd(self._port_bits, self._word_bits)
        beat, word = self._port_bits // unit, self._word_bits // unit
        # a beat comes when less than a word is left
        capacity = word - 1 + beat
        held, level = Signal(capacity * unit), Signal(range(capacity + 1))
        left, rest = Signal.like(held), Signal.like(level)
        given = Signal()
        m.d.comb += [
            self.o.valid.eq(level >= word),
            self.o.payload.eq(held),
            self.i.ready.eq((rest < word) & ~self.clear),
            given.eq(self.o.valid & self.o.ready),
            left.eq(Mux(given, held >> self._word_bits, held)),
            rest.eq(Mux(given, level - word, level)),
        ]
        m.d.sync += [held.eq(left), level.eq(rest)]
        with m.If(self.i.valid & self.i.ready):
            places = [self.i.payload << (place * unit) for place in range(word)]
            m.d.sync += [held.eq(left | choose(rest, places)), level.eq(rest + beat)]
        with m.If(self.clear):
            m.d.sync += [held.eq(0), level.eq(0)]
        return m
