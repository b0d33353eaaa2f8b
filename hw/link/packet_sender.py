"""Packet sender: bytes of a packet out of its header and payload."""

from functools import reduce
from operator import or_

from amaranth.hdl import Cat, Module, Mux, Signal
from amaranth.lib import data, stream, wiring
from amaranth.lib.wiring import In, Out
from amaranth.utils import exact_log2

from hw.crc import Crc32
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
        """Load a word, shift its bytes out, a bit per cycle for the CRC."""
        m = Module()
        m.submodules.crc = check = Crc32(bits=1)
        order, word, read = self.i.payload, Signal(WORD_BITS), Signal(WORD_BITS)
        # bits of a word that have been shifted out
        gone, place, last_word = Signal(range(WORD_BITS)), Signal(range(self._words + 1)), Signal()
        constant = [Signal(name=f"welcome_{number}") for number in range(len(self._welcome))]
        m.d.comb += [
            self.address.eq(Cat(place[: exact_log2(self._words)], order.slot)),
            self.o.payload.data.eq(Mux(last_word, check.crc, word)),
            self.o.payload.last.eq(last_word & (gone == WORD_BITS - 8)),
            check.data.eq(word[0]),
        ]
        with m.FSM():
            with m.State("HEADER"):
                m.d.comb += check.start.eq(1)
                m.d.sync += [read.eq(order.header), place.eq(-1), Cat(constant).eq(0)]
                with m.If(self.i.valid):
                    m.next = "LOAD"
            with m.State("LOAD"):
                m.d.sync += [last_word.eq(place == order.words), place.eq(place + 1)]
                known = (Mux(chosen, welcome, 0) for chosen, welcome in zip(constant, self._welcome, strict=True))
                m.d.sync += word.eq(reduce(or_, known, read))
                m.next = "OFFER"
            with m.State("OFFER"):
                m.d.comb += self.o.valid.eq(1)
                with m.If(self.o.ready):
                    m.d.comb += self.i.ready.eq(self.o.payload.last)
                    m.next = "SHIFT"
            with m.State("SHIFT"):
                m.d.comb += [check.valid.eq(~last_word), check.gives.eq(last_word)]
                m.d.sync += [word.eq(word >> 1), gone.eq(gone + 1)]
                with m.If(gone[:3] == 7):
                    m.next = "OFFER"
                    with m.If(gone[3:] == 3):
                        m.next = "FETCH"
                        with m.If(last_word):
                            m.next = "HEADER"
            with m.State("FETCH"), m.If(~self.data_waits):
                m.next = "READ"
            with m.State("READ"):
                # block RAM answers late in the cycle
                m.d.sync += read.eq(Mux(order.welcome, 0, self.data))
                m.d.sync += [chosen.eq(order.welcome & (place == number)) for number, chosen in enumerate(constant)]
                m.next = "LOAD"
        return m
