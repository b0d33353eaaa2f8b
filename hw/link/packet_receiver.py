"""Packet receiver: words out of a packet's bytes, and a verdict at its end."""

from amaranth.hdl import Cat, Module, Signal
from amaranth.lib import crc, data, wiring
from amaranth.lib.crc.catalog import CRC32_ISO_HDLC
from amaranth.lib.wiring import In, Out

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
    header : Out(HEADER_LAYOUT)
        Of the packet that comes, from before its first payload word until after its verdict.
    word_valid, word_place, word : Out
        A payload word and its place; none lies beyond the last place.
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
        """Shift bytes in; count words with header and CRC."""
        m = Module()
        m.submodules.crc = check = crc.Processor(CRC32_ISO_HDLC(data_width=8))
        item, begun = self.i.payload, Signal(WORD_BITS - 8)
        octet, count = Signal(2), Signal(range(self._words + 4))
        arrives, ends, joined = Signal(), Signal(), Cat(begun, item.data)
        m.d.comb += [
            arrives.eq(self.i.valid & ~item.end),
            ends.eq(self.i.valid & item.end),
            check.data.eq(item.data),
            check.valid.eq(arrives),
            check.start.eq(ends),
        ]
        m.d.sync += [self.word_valid.eq(0), self.verdict_valid.eq(ends)]
        with m.If(arrives):
            m.d.sync += [begun.eq(joined[8:]), octet.eq(octet + 1)]
            with m.If(octet == 3):
                m.d.sync += count.eq(count + (count != self._words + 3))
                m.d.sync += [self.word.eq(joined), self.word_place.eq(count - 1)]
                m.d.sync += self.word_valid.eq((count != 0) & (count <= self._words))
                with m.If(count == 0):
                    m.d.sync += self.header.eq(joined)
        with m.If(ends):
            whole = item.good & (octet == 0) & (count >= 2) & (count <= self._words + 2)
            m.d.sync += [self.verdict.good.eq(whole & check.match_detected), self.verdict.words.eq(count - 2)]
            m.d.sync += [octet.eq(0), count.eq(0)]
        return m
