"""The window of requests: each is executed once, in order, and its response is kept for a while."""

from amaranth.hdl import Module, Signal
from amaranth.lib import memory, wiring
from amaranth.lib.wiring import In, Out

from formats.link import Kind
from hw.link.layouts import HEADER_LAYOUT
from hw.link.packet_receiver import verdict_layout
from hw.mux import rotated


class Window(wiring.Component):
    """Decides what each packet that came means, and when the core begins.

    Request n has slot n modulo ``window``. A slot's request stays until it is executed, its response
    until the slot's next request is executed.

    Parameters
    ----------
    window
        Slots, a power of two.
    words
        Words of a slot.

    Members
    -------
    header, verdict_valid, verdict : In
        Of the packet receiver.
    takes : Out(1)
        The payload of the packet that comes may be written to the slot of its number.
    begin : Out(1)
        For one cycle, out of a register: the core takes the request in ``slot``, of ``words`` words, and responds
        there.
    slot, words : Out
    finished : In(1)
        For one cycle: the core has taken the request and given its response.
    session, following, missing : Out
        The open session, and the numbers of the request to be executed next and of the first that lacks.
    welcome, acknowledge, refuse : Out(1)
        For one cycle: such a packet is to be sent, with the header that came.
    repeat, repeat_slot : Out
        For one cycle: the response in this slot is to be sent again.
    forget : Out(1)
        For one cycle: a new session begins.
    pending : In(window)
        Slots whose responses are to be sent.
    sending : In(1)
        A packet is being sent.
    """

    def __init__(self, window: int, words: int) -> None:
        self._window = window
        super().__init__(
            {
                "header": In(HEADER_LAYOUT),
                "verdict_valid": In(1),
                "verdict": In(verdict_layout(words)),
                "takes": Out(1),
                "begin": Out(1),
                "slot": Out(range(window)),
                "words": Out(range(words + 1)),
                "finished": In(1),
                "session": Out(16),
                "following": Out(8),
                "missing": Out(8),
                "welcome": Out(1),
                "acknowledge": Out(1),
                "refuse": Out(1),
                "repeat": Out(1),
                "repeat_slot": Out(range(window)),
                "forget": Out(1),
                "pending": In(window),
                "sending": In(1),
            }
        )

    def elaborate(self, platform: object) -> Module:
        """One sequence number, two bits and a length a slot."""
        m = Module()
        header = self.header
        greeted, greeting, new_session, busy = Signal(), Signal(), Signal(16), Signal()
        filled, answered = Signal(self._window), Signal(self._window)
        mine, in_window, ahead = Signal(), Signal(), Signal(8)
        lacking, slot, begins = Signal(range(self._window + 1)), self.repeat_slot, Signal()
        m.d.comb += [
            slot.eq(header.sequence),
            ahead.eq(header.sequence - self.following),
            mine.eq(greeted & (header.session == self.session)),
            in_window.eq(mine & (ahead < self._window)),
            self.takes.eq(in_window & (header.kind == Kind.REQUEST) & ~filled.bit_select(slot, 1)),
            self.slot.eq(self.following),
            # a slot whose response is being sent keeps it
            begins.eq((filled & ~self.pending).bit_select(self.slot, 1) & ~busy & ~greeting),
            self.missing.eq(self.following + lacking),
        ]
        in_order = rotated(filled, self.slot)
        m.d.comb += lacking.eq(self._window)
        for place in reversed(range(self._window)):
            with m.If(~in_order[place]):
                m.d.comb += lacking.eq(place)
        self._lengths(m)
        # bound: one of the last ``window`` numbers; an answered slot's own, the next one of all, is in the window
        behind = ahead >= 256 - self._window

        m.d.sync += self.begin.eq(begins)
        with m.If(begins):
            m.d.sync += [busy.eq(1), answered.bit_select(self.slot, 1).eq(0)]
        with m.If(self.finished):
            m.d.sync += [busy.eq(0), self.following.eq(self.following + 1)]
            m.d.sync += [filled.bit_select(self.slot, 1).eq(0), answered.bit_select(self.slot, 1).eq(1)]
        with m.If(self.verdict_valid):
            with m.If(~self.verdict.good):
                m.d.comb += self.acknowledge.eq(greeted)
            with m.Elif(header.kind == Kind.GREETING):
                m.d.comb += self.welcome.eq(mine & ~greeting)
                with m.If(~mine | greeting):
                    m.d.sync += [greeting.eq(1), new_session.eq(header.session)]
            with m.Elif((header.kind == Kind.REQUEST) & (self.verdict.words != 0)):
                with m.If(self.takes):
                    m.d.sync += filled.bit_select(slot, 1).eq(1)
                    m.d.comb += self.acknowledge.eq(lacking < ahead[: len(slot)])
                with m.Elif(in_window):
                    m.d.comb += self.acknowledge.eq(1)
                with m.Elif(mine & behind & answered.bit_select(slot, 1)):
                    m.d.comb += self.repeat.eq(1)
                with m.Else():
                    m.d.comb += self.refuse.eq(1)
        with m.Elif(greeting & ~busy & ~self.sending):
            m.d.comb += [self.forget.eq(1), self.welcome.eq(1)]
            m.d.sync += [greeting.eq(0), greeted.eq(1), self.session.eq(new_session), self.following.eq(0)]
            m.d.sync += [filled.eq(0), answered.eq(0)]
        return m

    def _lengths(self, m: Module) -> None:
        """Keep a length per slot."""
        m.submodules.lengths = lengths = memory.Memory(shape=len(self.words), depth=self._window, init=[])
        write, read = lengths.write_port(), lengths.read_port(domain="comb")
        m.d.comb += [
            write.en.eq(self.verdict_valid & self.verdict.good & self.takes),
            write.addr.eq(self.repeat_slot),
            write.data.eq(self.verdict.words),
            read.addr.eq(self.slot),
        ]
        m.d.sync += self.words.eq(read.data)
