"""Rounded results: results out of the memory as 24 bits each, for a link that is slower than the board."""

from amaranth.hdl import Cat, Module, Mux, Signal, Value, signed
from amaranth.lib import stream, wiring
from amaranth.lib.wiring import In, Out

from formats.board_requests import PLACES_BITS, ROUNDED_BITS
from hw.request_words import WORD_BITS


class RoundedResults(wiring.Component):
    """Takes results of two words, the lower first, and hands over 24 bits of each: four results in three words.

    A result loses ``places`` low bits, halves up, and is clipped. It takes ``places`` and 28 cycles: it moves by a
    bit per cycle, which needs few cells: 91 at most, where a link needs 120 or more. Equal to
    ``golden_models.seedlm.rounded_results.rounded``.

    Parameters
    ----------
    sum_bits
        Bits of a result, its sign among them; those above repeat it.

    Members
    -------
    places : In(6)
        Stable while results come.
    i, o : In(stream.Signature(32)), Out(stream.Signature(32))
        Words. Between groups of four results nothing is kept.
    """

    def __init__(self, sum_bits: int) -> None:
        self._sum_bits = sum_bits
        super().__init__(
            {
                "places": In(PLACES_BITS),
                "i": In(stream.Signature(WORD_BITS)),
                "o": Out(stream.Signature(WORD_BITS)),
            }
        )

    def elaborate(self, platform: object) -> Module:
        """Two words come, their places go, and the bits that are left go out one by one, a carry added."""
        m = Module()
        number, carry, clipped = Signal(signed(self._sum_bits)), Signal(), Signal()
        left, filled = Signal(PLACES_BITS), Signal(range(WORD_BITS))
        sign = number[-1]
        last = Signal()  # of a result's bits, which is its sign's where it is clipped
        bit = Mux(clipped, sign ^ ~last, number[0] ^ carry)
        m.d.comb += last.eq(left == 1)
        with m.If(self.o.ready):
            m.d.sync += self.o.valid.eq(0)
        with m.FSM():
            with m.State("LOWER"):
                m.d.comb += self.i.ready.eq(1)
                m.d.sync += [number[:WORD_BITS].eq(self.i.payload), carry.eq(0), left.eq(self.places)]
                with m.If(self.i.valid):
                    m.next = "UPPER"
            with m.State("UPPER"):
                m.d.comb += self.i.ready.eq(1)
                with m.If(self.i.valid):
                    m.d.sync += number[WORD_BITS:].eq(self.i.payload)
                    m.next = "SHIFT"
            with m.State("SHIFT"):
                with m.If(left == 0):
                    m.d.sync += [left.eq(ROUNDED_BITS), clipped.eq(_is_clipped(number, carry))]
                    m.next = "BITS"
                with m.Else():  # the last bit that goes is half of what stays
                    m.d.sync += [number.eq(number >> 1), carry.eq(number[0]), left.eq(left - 1)]
            with m.State("BITS"), m.If(~self.o.valid):
                m.d.sync += [
                    number.eq(number >> 1),
                    carry.eq(carry & number[0]),
                    left.eq(left - 1),
                    self.o.payload.eq(Cat(self.o.payload[1:], bit)),
                    filled.eq(filled + 1),
                    self.o.valid.eq(filled == WORD_BITS - 1),
                ]
                with m.If(last):
                    m.next = "LOWER"
        return m


def _is_clipped(number: Signal, half: Signal) -> Value:
    """Whether a number that is still to be rounded leaves 24 bits."""
    sign, magnitude = number[-1], number[: ROUNDED_BITS - 1]
    leaves = number[ROUNDED_BITS - 1 : -1] != sign.replicate(len(number) - ROUNDED_BITS)
    rounds_past = ~sign & magnitude.all() & half
    return leaves | rounds_past
