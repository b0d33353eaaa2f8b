"""Core port: a request out of its slot into the core, the core's response into its slot."""

from amaranth.hdl import Cat, Module, Mux, Signal
from amaranth.lib import wiring
from amaranth.lib.wiring import In, Out

from hw.request_words import WORD_BITS, WORDS


class CorePort(wiring.Component):
    """Streams a request to the core and takes its response, both at once: a core may answer early.

    Parameters
    ----------
    window, words
        Slots, and words of each, a power of two.

    Members
    -------
    begin : In(1)
        Starts with ``slot`` and ``words``, which stay until ``finished``.
    slot, words : In
    read_address, read_data, read_waits : Out, In, In(1)
        Of the request memory, a cycle from one to the other, in which it does not wait.
    o_request : Out(WORDS)
    i_response : In(WORDS)
    write, write_address, write_data : Out
        Of the response memory.
    finished : Out(1)
        For one cycle.
    response_words : Out
        Words of the response; 0 for one that is too long for its slot.
    """

    def __init__(self, window: int, words: int) -> None:
        self._words = words
        super().__init__(
            {
                "begin": In(1),
                "slot": In(range(window)),
                "words": In(range(words + 1)),
                "read_address": Out(range(window * words)),
                "read_data": In(WORD_BITS),
                "read_waits": In(1),
                "o_request": Out(WORDS),
                "i_response": In(WORDS),
                "write": Out(1),
                "write_address": Out(range(window * words)),
                "write_data": Out(WORD_BITS),
                "finished": Out(1),
                "response_words": Out(range(words + 1)),
            }
        )

    def elaborate(self, platform: object) -> Module:
        """A place in the request, a place in the response."""
        m = Module()
        place, count = Signal(range(self._words)), Signal(range(self._words + 2))
        following = Signal(range(self._words + 1))
        asked, answering, answered = Signal(), Signal(), Signal()
        taken = self.i_response.valid & self.i_response.ready
        m.d.comb += [
            following.eq(place + 1),
            self.read_address.eq(Cat(place, self.slot)),
            self.i_response.ready.eq(answering),
            self.write.eq(taken & (count < self._words)),
            self.write_address.eq(Cat(count[: len(place)], self.slot)),
            self.write_data.eq(self.i_response.payload.data),
            self.response_words.eq(Mux(count <= self._words, count, 0)),
            self.finished.eq(asked & answered),
        ]
        with m.If(taken):
            m.d.sync += count.eq(count + (count <= self._words))
            with m.If(self.i_response.payload.last):
                m.d.sync += [answering.eq(0), answered.eq(1)]
        with m.FSM():
            with m.State("IDLE"), m.If(self.begin):
                m.d.sync += [place.eq(0), count.eq(0), answering.eq(1)]
                m.next = "FETCH"
            with m.State("FETCH"), m.If(~self.read_waits):
                m.next = "READ"
            with m.State("READ"):
                # block RAM answers late in the cycle
                m.d.sync += self.o_request.payload.data.eq(self.read_data)
                m.d.sync += self.o_request.payload.last.eq(following == self.words)
                m.next = "OFFER"
            with m.State("OFFER"):
                m.d.comb += self.o_request.valid.eq(1)
                with m.If(self.o_request.ready):
                    m.d.sync += place.eq(following)
                    m.next = "FETCH"
                    with m.If(self.o_request.payload.last):
                        m.d.sync += asked.eq(1)
                        m.next = "WAIT"
            with m.State("WAIT"), m.If(answered):
                m.d.sync += [asked.eq(0), answered.eq(0)]
                m.next = "IDLE"
        return m
