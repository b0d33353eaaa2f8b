"""Packet receiver: words out of a packet's bytes, and a verdict at its end."""

from amaranth.hdl import Cat, Module, Signal
from amaranth.lib import data, wiring
from amaranth.lib.wiring import In, Out

from hw.crc import Crc32
from hw.link.cobs import ITEMS
from hw.link.layouts import HEADER_LAYOUT
from hw.request_words import WORD_BITS


def verdict_layout(words: int) -> data.StructLayout:
    """Whether a packet is whole and has the right CRC, and how many payload words it had."""
    return data.StructLayout({"good": 1, "words": range(words + 1)})


class PacketReceiver(wiring.Component):
    """Joins bytes to words. Payload words are given at once; only the verdict says what they are worth.

    The CRC is given as if it were a further word of the payload.

    Parameters
    ----------
    words
        Most words of a payload; a longer packet is damaged.

    Members
    -------
    i : In(ITEMS)
        With ``LINE_CYCLES`` between bytes, and behind the last of them.
    header : Out(HEADER_LAYOUT)
        Of the packet that comes, from before its first payload word until after its verdict.
    word_valid, word_place, word : Out
        A payload word and its place; none lies beyond the last place. Valid 9 cycles after the word's last byte.
    verdict_valid : Out(1)
        For one cycle, two after the packet's end.
    verdict : Out(verdict_layout(words))
    """

    def __init__(self, words: int) -> None:
        self._words = words
        super().__init__(
            {
                "i": In(ITEMS),
                "header": Out(HEADER_LAYOUT),
                "word_valid": Out(1),
                "word_place": Out(range(words)),
                "word": Out(WORD_BITS),
                "verdict_valid": Out(1),
                "verdict": Out(verdict_layout(words)),
            }
        )

    def elaborate(self, platform: object) -> Module:
        """Shift bits in, a byte at a time; count words with header and CRC."""
        m = Module()
        m.submodules.crc = check = Crc32(bits=1)
        item, count = self.i.payload, Signal(range(self._words + 4))
        # bits of a byte that are left, and bits of a word that are here
        octet, left, here = Signal(8), Signal(range(9)), Signal(range(WORD_BITS))
        arrives, ends, shifts, complete = Signal(), Signal(), Signal(), Signal()
        m.d.comb += [
            arrives.eq(self.i.valid & ~item.end),
            ends.eq(self.i.valid & item.end),
            shifts.eq(left != 0),
            check.data.eq(octet[0]),
            check.valid.eq(shifts),
            check.start.eq(ends),
            self.word_place.eq(count - 1),
            self.word_valid.eq(complete & (count != 0) & (count <= self._words)),
        ]
        m.d.sync += [complete.eq(shifts & (here == WORD_BITS - 1) & ~ends), self.verdict_valid.eq(ends)]
        with m.If(arrives):
            m.d.sync += [octet.eq(item.data), left.eq(8)]
        with m.Elif(shifts):
            m.d.sync += [octet.eq(octet >> 1), self.word.eq(Cat(self.word[1:], octet[0]))]
            m.d.sync += [left.eq(left - 1), here.eq(here + 1)]
        with m.If(complete):
            m.d.sync += count.eq(count + (count != self._words + 3))
            with m.If(count == 0):
                m.d.sync += self.header.eq(self.word)
        with m.If(ends):
            whole = item.good & (here == 0) & (count >= 2) & (count <= self._words + 2)
            m.d.sync += [self.verdict.good.eq(whole & check.matches), self.verdict.words.eq(count - 2)]
            m.d.sync += [left.eq(0), here.eq(0), count.eq(0)]
        return m
