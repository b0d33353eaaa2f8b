"""Collector: a request word by word, whatever it is."""

from amaranth.hdl import Module, Signal
from amaranth.lib import data, stream, wiring
from amaranth.lib.wiring import In, Out

from formats.board_requests import REQUESTS, Opcode
from hw.request_words import WORDS

MOST_ARGUMENTS = max(len(request.arguments) for request in REQUESTS.values())


class Collector(wiring.Component):
    """Keeps a request's opcode and arguments, counts its words, and hands on the data of a WRITE.

    Words that no request has are taken and counted. After the last word nothing is taken until ``clear``.

    Members
    -------
    i : In(WORDS)
    opcode, arguments : Out(32), Out(ArrayLayout(32, MOST_ARGUMENTS))
    words : Out(range(MOST_ARGUMENTS + 3))
        Words so far; more than any request's arguments count as one more.
    complete : Out(1)
        The last word has come.
    clear : In(1)
        Begin anew; only while ``complete``.
    data : Out(stream.Signature(32))
    """

    def __init__(self) -> None:
        super().__init__(
            {
                "i": In(WORDS),
                "opcode": Out(32),
                "arguments": Out(data.ArrayLayout(32, MOST_ARGUMENTS)),
                "words": Out(range(MOST_ARGUMENTS + 3)),
                "complete": Out(1),
                "clear": In(1),
                "data": Out(stream.Signature(32)),
            }
        )

    def elaborate(self, platform: object) -> Module:
        """Registers, filled in order."""
        m = Module()
        is_write, is_data = Signal(), Signal()
        m.d.comb += [
            is_data.eq(is_write & (self.words >= 2)),
            self.data.payload.eq(self.i.payload.data),
            self.data.valid.eq(self.i.valid & is_data & ~self.complete),
            self.i.ready.eq(~self.complete & (~is_data | self.data.ready)),
        ]
        with m.If(self.i.valid & self.i.ready):
            m.d.sync += self.complete.eq(self.i.payload.last)
            with m.If(self.words != MOST_ARGUMENTS + 2):
                m.d.sync += self.words.eq(self.words + 1)
            with m.Switch(self.words):
                with m.Case(0):
                    m.d.sync += self.opcode.eq(self.i.payload.data)
                    m.d.sync += is_write.eq(self.i.payload.data == Opcode.WRITE)  # what is ready follows from it
                for position in range(MOST_ARGUMENTS):
                    with m.Case(position + 1):
                        m.d.sync += self.arguments[position].eq(self.i.payload.data)
        with m.If(self.clear):
            m.d.sync += [self.complete.eq(0), self.words.eq(0)]
        return m
