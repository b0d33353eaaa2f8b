"""Responder: a response word by word."""

from amaranth.hdl import Module, Signal
from amaranth.lib import stream, wiring
from amaranth.lib.wiring import In, Out

from formats.board_requests import MAXIMUM_WORDS
from hw.request_words import WORDS


class Responder(wiring.Component):
    """First a header, then fields, then words of data.

    Parameters
    ----------
    fields
        Most fields of a response.

    Members
    -------
    start : In(1)
        Begin a response; the numbers below hold until ``done``.
    header : In(32)
    fields, words : In(range(fields + 1)), In(range(MAXIMUM_WORDS))
        How many of each follow, fields before words.
    position, field : Out(range(fields)), In(32)
        The field at a position is there two cycles later.
    data : In(stream.Signature(32))
    done : Out(1)
        The last word is offered.
    o : Out(WORDS)
        Out of a register.
    """

    def __init__(self, fields: int) -> None:
        super().__init__(
            {
                "start": In(1),
                "header": In(32),
                "fields": In(range(fields + 1)),
                "words": In(range(MAXIMUM_WORDS)),
                "position": Out(range(fields)),
                "field": In(32),
                "data": In(stream.Signature(32)),
                "done": Out(1),
                "o": Out(WORDS),
            }
        )

    def elaborate(self, platform: object) -> Module:
        """One state a kind of word."""
        m = Module()
        free, left = Signal(), Signal.like(self.words)
        m.d.comb += free.eq(~self.o.valid | self.o.ready)
        with m.If(self.o.ready):
            m.d.sync += self.o.valid.eq(0)
        with m.FSM():
            with m.State("IDLE"), m.If(self.start):
                m.next = "HEADER"
            with m.State("HEADER"):
                m.d.sync += [self.position.eq(0), left.eq(self.words)]
                with m.If(free):
                    last = (self.fields == 0) & (self.words == 0)
                    m.d.sync += [self.o.valid.eq(1), self.o.payload.data.eq(self.header), self.o.payload.last.eq(last)]
                    m.next = "DATA"
                    with m.If(self.fields != 0):
                        m.next = "FETCH"
                    with m.Elif(self.words == 0):
                        m.next = "DONE"
            with m.State("FETCH"):
                m.next = "READ"
            with m.State("READ"):
                m.next = "FIELD"
            with m.State("FIELD"), m.If(free):
                m.next = "FETCH"
                last = self.position + 1 == self.fields
                m.d.sync += [self.o.valid.eq(1), self.o.payload.data.eq(self.field)]
                m.d.sync += [self.o.payload.last.eq(last & (self.words == 0)), self.position.eq(self.position + 1)]
                with m.If(last):
                    m.next = "DATA"
                    with m.If(self.words == 0):
                        m.next = "DONE"
            with m.State("DATA"):
                m.d.comb += self.data.ready.eq(free)
                with m.If(free & self.data.valid):
                    m.d.sync += [self.o.valid.eq(1), self.o.payload.data.eq(self.data.payload)]
                    m.d.sync += [self.o.payload.last.eq(left == 1), left.eq(left - 1)]
                    with m.If(left == 1):
                        m.next = "DONE"
            with m.State("DONE"):
                m.d.comb += self.done.eq(1)
                m.next = "IDLE"
        return m
