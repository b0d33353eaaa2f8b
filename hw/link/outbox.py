"""Outbox: what is to be sent, one packet at a time."""

from amaranth.hdl import Cat, Module, Signal, Value
from amaranth.lib import memory, stream, wiring
from amaranth.lib.wiring import In, Out

from formats.link import Kind
from hw.link.layouts import HEADER_LAYOUT
from hw.link.packet_sender import order_layout
from hw.mux import rotated

WELCOME_WORDS = 2


class Outbox(wiring.Component):
    """Chooses the next packet: a welcome, a refusal, an acknowledgement, or the oldest response that waits.

    Parameters
    ----------
    window, words
        Slots of responses, and words of each.

    Members
    -------
    session, following, missing, welcome, acknowledge, refuse, repeat, repeat_slot, forget : In
        Of the window.
    header : In(HEADER_LAYOUT)
        The header that came, for a refusal.
    finished, slot, response_words : In
        For one cycle: a response has been written to the slot.
    pending : Out(window)
        Slots whose responses wait or are being sent.
    o : Out(stream.Signature(order_layout(window, words)))
    """

    def __init__(self, window: int, words: int) -> None:
        self._window = window
        super().__init__(
            {
                "session": In(16),
                "following": In(8),
                "missing": In(8),
                "welcome": In(1),
                "acknowledge": In(1),
                "refuse": In(1),
                "repeat": In(1),
                "repeat_slot": In(range(window)),
                "forget": In(1),
                "header": In(HEADER_LAYOUT),
                "finished": In(1),
                "slot": In(range(window)),
                "response_words": In(range(words + 1)),
                "pending": Out(window),
                "o": Out(stream.Signature(order_layout(window, words))),
            }
        )

    def elaborate(self, platform: object) -> Module:
        """A flag per notice; a bit and a length per slot."""
        m = Module()
        welcome, acknowledge, refuse, refused = Signal(), Signal(), Signal(), Signal(HEADER_LAYOUT)
        order, oldest = self.o.payload, Signal(range(self._window))
        m.submodules.lengths = lengths = memory.Memory(shape=len(self.response_words), depth=self._window, init=[])
        write, read = lengths.write_port(), lengths.read_port(domain="comb")
        m.d.comb += [
            write.en.eq(self.finished),
            write.addr.eq(self.slot),
            write.data.eq(self.response_words),
            read.addr.eq(oldest),
        ]
        waiting = rotated(self.pending, self.slot)
        for place in reversed(range(self._window)):
            with m.If(waiting[place]):
                m.d.sync += oldest.eq(self.slot + place)
        with m.If(self.o.valid & self.o.ready):
            m.d.sync += self.o.valid.eq(0)
            with m.If(order.header.kind == Kind.RESPONSE):
                m.d.sync += self.pending.bit_select(order.slot, 1).eq(0)
        with m.If(~self.o.valid & ~self.forget):
            m.d.sync += [order.header.session.eq(self.session), order.slot.eq(oldest), order.words.eq(0)]
            m.d.sync += [order.welcome.eq(welcome), self.o.valid.eq(1)]
            with m.If(welcome):
                m.d.sync += [order.header.kind.eq(Kind.WELCOME), order.header.sequence.eq(self.following)]
                m.d.sync += [welcome.eq(0), order.words.eq(WELCOME_WORDS)]
            with m.Elif(refuse):
                m.d.sync += [order.header.eq(refused), order.header.kind.eq(Kind.REFUSED), refuse.eq(0)]
            with m.Elif(acknowledge):
                m.d.sync += [order.header.kind.eq(Kind.ACKNOWLEDGE), order.header.sequence.eq(self.missing)]
                m.d.sync += acknowledge.eq(0)
            with m.Elif(self.pending.bit_select(oldest, 1)):
                m.d.sync += [order.header.kind.eq(Kind.RESPONSE), order.words.eq(read.data)]
                m.d.sync += order.header.sequence.eq(self._latest(oldest))
            with m.Else():
                m.d.sync += self.o.valid.eq(0)
        with m.If(self.finished):
            m.d.sync += self.pending.bit_select(self.slot, 1).eq(1)
        with m.If(self.repeat):
            m.d.sync += self.pending.bit_select(self.repeat_slot, 1).eq(1)
        with m.If(self.forget):
            m.d.sync += [self.pending.eq(0), acknowledge.eq(0)]
        with m.If(self.refuse):
            m.d.sync += [refuse.eq(1), refused.eq(self.header)]
        with m.If(self.welcome):
            m.d.sync += welcome.eq(1)
        with m.If(self.acknowledge):
            m.d.sync += acknowledge.eq(1)
        return m

    def _latest(self, slot: Signal) -> Value:
        """Number of the latest request that has been executed in a slot."""
        turn, place = self.following[len(slot) :], self.following[: len(slot)]
        return Cat(slot, (turn - (slot >= place))[: len(turn)])
