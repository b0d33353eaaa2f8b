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
        place, roomy, given, taken = Signal(range(capacity + 1)), Signal(), Signal(), Signal()
        m.d.comb += [
            self.o.valid.eq(level >= word),
            self.o.payload.eq(held),
            # a beat goes behind the word that leaves; none comes while a word stays, so no path leads from ready here
            place.eq(Mux(self.o.valid, level - word, level)),
            roomy.eq(place < word),
            self.i.ready.eq(roomy & (~self.o.valid | self.o.ready) & ~self.clear),
            given.eq(self.o.valid & self.o.ready),
            taken.eq(self.i.valid & self.i.ready),
        ]
        places = [self.i.payload << (number * unit) for number in range(word)]
        m.d.sync += [
            held.eq(Mux(given, held >> self._word_bits, held) | Mux(taken, choose(place, places), 0)),
            level.eq(Mux(given, place, level) + Mux(taken, beat, 0)),
        ]
        with m.If(self.clear):
            m.d.sync += [held.eq(0), level.eq(0)]
        return m
