"""Packet sender: bytes of a packet out of its header and payload."""

from amaranth.hdl import Array, Module, Mux, Signal
from amaranth.lib import crc, data, stream, wiring
from amaranth.lib.crc.catalog import CRC32_ISO_HDLC
from amaranth.lib.wiring import In, Out

from hw.link.cobs import PACKET_OCTET
from hw.link.layouts import HEADER_LAYOUT
from hw.request_words import WORD_BITS


def order_layout(window: int, words: int) -> data.StructLayout:
    """A packet to send: its header, the words of its payload, and where they lie."""
    return data.StructLayout({"header": HEADER_LAYOUT, "words": range(words + 1), "slot": range(window), "welcome": 1})


class PacketSender(wiring.Component):
    """Sends one packet an order: header, payload, CRC.

    Parameters
    ----------
    window, words
        Slots of responses, and most words of each.
    welcome
        Payload of a welcome.

    Members
    -------
    i : In(stream.Signature(order_layout(window, words)))
        Is taken when the packet's last byte is.
    address : Out(range(window * words))
        Word of the response memory, whose ``data`` is there a cycle later.
    data, data_waits : In(32), In(1)
        It does not read in a cycle in which it waits.
    o : Out(stream.Signature(PACKET_OCTET))
    """

    def __init__(self, window: int, words: int, welcome: list[int]) -> None:
        self._words, self._welcome = words, welcome
        super().__init__(
            {
                "i": In(stream.Signature(order_layout(window, words))),
                "address": Out(range(window * words)),
                "data": In(WORD_BITS),
                "data_waits": In(1),
                "o": Out(stream.Signature(PACKET_OCTET)),
            }
        )

    def elaborate(self, platform: object) -> Module:
        """Load a word, shift its bytes out."""
        m = Module()
        m.submodules.crc = check = crc.Processor(CRC32_ISO_HDLC(data_width=8))
        order, word, read = self.i.payload, Signal(WORD_BITS), Signal(WORD_BITS)
        octet, place, last_word = Signal(2), Signal(range(self._words + 1)), Signal()
        constant = Array(self._welcome)[place[: (len(self._welcome) - 1).bit_length()]]
        m.d.comb += [
            self.address.eq(order.slot * self._words + place),
            self.o.payload.data.eq(word[:8]),
            self.o.payload.last.eq(last_word & (octet == 3)),
            check.data.eq(word[:8]),
        ]
        with m.FSM():
            with m.State("HEADER"):
                m.d.comb += check.start.eq(1)
                m.d.sync += [word.eq(order.header), place.eq(0), last_word.eq(0)]
                with m.If(self.i.valid):
                    m.next = "SHIFT"
            with m.State("SHIFT"):
                m.d.comb += self.o.valid.eq(1)
                with m.If(self.o.ready):
                    m.d.comb += [check.valid.eq(1), self.i.ready.eq(self.o.payload.last)]
                    m.d.sync += [word.eq(word >> 8), octet.eq(octet + 1)]
                    with m.If(self.o.payload.last):
                        m.next = "HEADER"
                    with m.Elif(octet == 3):
                        m.next = "FETCH"
            with m.State("FETCH"), m.If(~self.data_waits):
                m.next = "READ"
            with m.State("READ"):
                # block RAM answers late in the cycle
                m.d.sync += read.eq(self.data)
                m.next = "LOAD"
            with m.State("LOAD"):
                m.d.sync += [last_word.eq(place == order.words), place.eq(place + 1)]
                m.d.sync += word.eq(Mux(place == order.words, check.crc, Mux(order.welcome, constant, read)))
                m.next = "SHIFT"
        return m
