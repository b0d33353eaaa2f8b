"""Image loader: what a card holds for a board, into the board's memory."""

from amaranth.hdl import Module, Mux, Signal
from amaranth.lib import stream, wiring
from amaranth.lib.wiring import In, Out, connect, flipped

from formats.card_image import BLOCK_BYTES, HEADER, MAGIC, VERSION, WORD_BYTES, CardError
from hw.crc import Crc32
from hw.storage.card import CardPins, CardReader

SAFE_MHZ = 12.5
"""The card's clock where nothing else is said: pins and card may take most of a period of 80 ns."""

_BLOCK_WORDS = BLOCK_BYTES // WORD_BYTES
_PLACES = {field.name: place for place, field in enumerate(HEADER)}


class ImageLoader(wiring.Component):
    """Copies the image of a card to a memory, from address 0 on.

    The words go to the memory as they come, so only ``done`` without an error says that the memory holds the image.
    At 100 MHz and the safe rate of the card a word takes 265 cycles: 27 MB take 18 seconds (derived).

    Parameters
    ----------
    clock_mhz
        Of our clock.
    memory_words
        Of the memory, 32 bits each.
    fast_mhz
        Most of the card's clock once it is ready, 0.4 to 25.

    Members
    -------
    start : In(1)
        For one cycle, while not ``busy``.
    busy : Out(1)
    done : Out(1)
        For one cycle.
    error : Out(range(8))
        A ``CardError``, from ``done`` to the next ``start``.
    words, left : Out(range(memory_words + 1))
        That went to ``o`` since ``start``, and that are to come; none are before the header was read.
    write_start, write_flush : Out(1)
        The next word goes to address 0; write what is here. As of ``WordWriter``.
    write_empty : In(1)
        All words have been written.
    o : Out(stream.Signature(32))
    pins : Out(CardPins())

    Raises
    ------
    InputError
        If ``fast_mhz`` is none from 0.4 to 25.
    """

    def __init__(self, clock_mhz: float, memory_words: int, fast_mhz: float = SAFE_MHZ) -> None:
        self._memory_words, self._card = memory_words, CardReader(clock_mhz, fast_mhz)
        super().__init__(
            {
                "start": In(1),
                "busy": Out(1),
                "done": Out(1),
                "error": Out(range(8)),
                "words": Out(range(memory_words + 1)),
                "left": Out(range(memory_words + 1)),
                "write_start": Out(1),
                "write_flush": Out(1),
                "write_empty": In(1),
                "o": Out(stream.Signature(32)),
                "pins": Out(CardPins()),
            }
        )

    def elaborate(self, platform: object) -> Module:
        """The header's block, the data's, and their end."""
        m = Module()
        m.submodules.card = card = self._card
        m.submodules.check = check = Crc32(bits=32)
        connect(m, card.pins, flipped(self.pins))
        place, left, bad = Signal(range(_BLOCK_WORDS)), self.left, Signal()
        expected, taken = Signal(32), Signal()
        m.d.comb += [
            self.busy.eq(1),
            taken.eq(card.o.valid & card.o.ready),
            card.last.eq(bad | (left == 0)),
            check.data.eq(card.o.payload),
            self.o.payload.eq(card.o.payload),
        ]
        with m.FSM():
            with m.State("REST"):
                m.d.comb += [self.busy.eq(0), check.start.eq(1)]
                with m.If(self.start):
                    m.d.comb += [card.start.eq(1), self.write_start.eq(1)]
                    m.d.sync += [place.eq(0), bad.eq(0), self.error.eq(CardError.NONE)]
                    m.d.sync += [self.words.eq(0), left.eq(0)]
                    m.next = "HEADER"
            with m.State("HEADER"):
                m.d.comb += [card.o.ready.eq(1), check.valid.eq(taken)]
                with m.If(taken):
                    m.d.sync += place.eq(place + 1)
                    self._look(m, place, card.o.payload, left, bad, expected, check)
                    with m.If(place == _BLOCK_WORDS - 1):
                        m.d.comb += check.start.eq(1)
                        m.next = "DATA"
                with m.If(card.done):
                    m.next = "FLUSH"
            with m.State("DATA"):
                m.d.comb += [
                    self.o.valid.eq(card.o.valid & (left != 0)),
                    card.o.ready.eq(self.o.ready | (left == 0)),  # what fills the last block up is dropped
                    check.valid.eq(taken & (left != 0)),
                ]
                with m.If(taken & (left != 0)):
                    m.d.sync += [self.words.eq(self.words + 1), left.eq(left - 1)]
                with m.If(card.done):
                    m.next = "FLUSH"
            with m.State("FLUSH"):
                m.d.comb += self.write_flush.eq(1)
                broken = Mux(bad, CardError.BAD_HEADER, Mux(check.crc != expected, CardError.BAD_DATA, CardError.NONE))
                with m.If(self.write_empty):
                    m.d.sync += self.error.eq(Mux(card.error != CardError.NONE, card.error, broken))
                    m.next = "DONE"
            with m.State("DONE"):
                m.d.comb += self.done.eq(1)
                m.next = "REST"
        return m

    def _look(
        self,
        m: Module,
        place: Signal,
        word: Signal,
        left: Signal,
        bad: Signal,
        expected: Signal,
        check: Crc32,
    ) -> None:
        """Judge a word of the header."""
        with m.Switch(place):
            with m.Case(_PLACES["magic"]), m.If(word != MAGIC):
                m.d.sync += bad.eq(1)
            with m.Case(_PLACES["version"]), m.If(word != VERSION):
                m.d.sync += bad.eq(1)
            with m.Case(_PLACES["words"]):
                m.d.sync += left.eq(word)
                with m.If((word == 0) | (word > self._memory_words)):
                    m.d.sync += bad.eq(1)
            with m.Case(_PLACES["data_crc"]):
                m.d.sync += expected.eq(word)
            with m.Case(_PLACES["header_crc"]), m.If(word != check.crc):
                m.d.sync += bad.eq(1)
