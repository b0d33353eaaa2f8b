"""Card slot: a card's image into a board's memory, and how far that is."""

from amaranth.hdl import Module, Mux, Signal
from amaranth.lib import stream, wiring
from amaranth.lib.wiring import In, Out, connect, flipped

from formats.board_requests import Loading
from hw.board.parameters import BoardParameters
from hw.request_words import WORD_BITS
from hw.storage.card import CardPins
from hw.storage.loader import ImageLoader


class CardSlot(wiring.Component):
    """Does a LOAD_CARD, and says what CARD_STATUS answers.

    Parameters
    ----------
    parameters
        Of the board.

    Members
    -------
    start : In(1)
        For one cycle, while not ``loading``, with the memory's writer empty.
    loading : Out(1)
        From the cycle behind ``start`` on; the memory's writer takes what comes from here. A register.
    write_start, write_flush, write_empty, o
        To the memory's writer, as of ``ImageLoader``.
    o_status : Out(stream.Signature(32))
        The answer's four words, again and again. The state comes first, and the others may be later than it: behind
        a state that has ended they are final.
    pins : Out(CardPins())
    """

    def __init__(self, parameters: BoardParameters) -> None:
        self._loader = ImageLoader(parameters.memory.clock_mhz, parameters.memory_words)
        super().__init__(
            {
                "start": In(1),
                "loading": Out(1),
                "write_start": Out(1),
                "write_flush": Out(1),
                "write_empty": In(1),
                "o": Out(stream.Signature(WORD_BITS)),
                "o_status": Out(stream.Signature(WORD_BITS)),
                "pins": Out(CardPins()),
            }
        )

    def elaborate(self, platform: object) -> Module:
        """A loader, and its state word by word."""
        m = Module()
        m.submodules.loader = loader = self._loader
        connect(m, loader.o, flipped(self.o))
        connect(m, loader.pins, flipped(self.pins))
        ended, place = Signal(), Signal(2)
        # a register of its own: the board's decoding of a request comes late in the cycle
        m.d.sync += [
            loader.start.eq(self.start),
            self.loading.eq((self.loading | self.start) & ~loader.done),
            ended.eq(ended | loader.done),
        ]
        m.d.comb += [
            loader.write_empty.eq(self.write_empty),
            self.write_start.eq(loader.write_start),
            self.write_flush.eq(loader.write_flush),
            self.o_status.valid.eq(1),
        ]
        state = Mux(self.loading, Loading.UNDER_WAY, Mux(ended, Loading.ENDED, Loading.NEVER))
        with m.Switch(place):
            for number, word in enumerate((state, loader.error, loader.words, loader.left)):
                with m.Case(number):
                    m.d.comb += self.o_status.payload.eq(word)
        with m.If(self.o_status.ready):
            m.d.sync += place.eq(place + 1)
        return m
