"""Answer: payload words as they come, then the trailer."""

from amaranth.hdl import Cat, Const, Module, Mux, Signal
from amaranth.lib import data, stream, wiring
from amaranth.lib.fifo import SyncFIFO
from amaranth.lib.wiring import In, Out

from formats.router.answer import TRAILER_WORDS
from formats.router.descriptor import WORD_BITS
from hw.router.frame.command import STATUS_BITS
from hw.router.frame.ports import Words
from hw.router.parameters import WORDS_UNDER_WAY

ANSWER_WORD = data.StructLayout({"word": WORD_BITS, "last": 1})
"""A word of the answer; ``last`` marks the end of a trailer."""

TRAILER = data.StructLayout(
    {"status": STATUS_BITS, "tag": 8, "opcode": 8, "sticky": 8, "count": 2 * WORD_BITS, "cycles": 2 * WORD_BITS}
)


class Answer(wiring.Component):
    """Queues payload words and, on demand, six words of trailer.

    A word takes a cycle to pass the queue, one can pass a cycle.

    Parameters
    ----------
    words_under_way
        Payload words that may still come once there is no room; a router's own are ``WORDS_UNDER_WAY``.

    Members
    -------
    words : In(Words)
        The payload.
    trailer : In(TRAILER)
        Stable from ``close`` to ``done``.
    close : In(1)
        Send the trailer; no payload word comes any more.
    done : Out(1)
        The trailer's last word enters the queue in this cycle.
    o : Out(stream.Signature(ANSWER_WORD))
    """

    def __init__(self, words_under_way: int = WORDS_UNDER_WAY) -> None:
        self._words_under_way = words_under_way
        super().__init__(
            {
                "words": In(Words()),
                "trailer": In(TRAILER),
                "close": In(1),
                "done": Out(1),
                "o": Out(stream.Signature(ANSWER_WORD)),
            }
        )

    def elaborate(self, platform: object) -> Module:
        """A queue with credit for the words under way."""
        m = Module()
        width = len(Cat(self.o.payload))
        m.submodules.queue = queue = SyncFIFO(width=width, depth=2 * self._words_under_way)
        position = Signal(range(TRAILER_WORDS))
        send = Signal()
        m.d.comb += [
            send.eq(self.close & queue.w_rdy),
            self.done.eq(send & (position == TRAILER_WORDS - 1)),
            queue.w_en.eq(self.words.valid | send),
            queue.w_data.eq(
                Mux(
                    self.close,
                    Cat(Cat(self.trailer).word_select(position, WORD_BITS), position == TRAILER_WORDS - 1),
                    Cat(self.words.word, Const(0, 1)),
                )
            ),
            Cat(self.o.payload).eq(queue.r_data),
            self.o.valid.eq(queue.r_rdy),
            queue.r_en.eq(self.o.ready),
        ]
        m.d.sync += self.words.room.eq(queue.level < self._words_under_way)
        with m.If(send):
            m.d.sync += position.eq(Mux(self.done, 0, position + 1))
        return m
