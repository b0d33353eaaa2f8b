"""Memory card: blocks from block 0 on, each checked."""

from collections.abc import Sequence
from math import ceil

from amaranth.hdl import Cat, Const, Module, Mux, Signal, Value
from amaranth.lib import crc, stream, wiring
from amaranth.lib.wiring import In, Out

from formats.card_image import BLOCK_BYTES, CardError
from formats.errors import InputError
from hw.storage.commands import CHECK, COMMANDS, READ, REGISTER, START, STOP, TAIL_BYTES, TOKEN, VOLTAGE_CHECK
from hw.storage.spi import LEAST_HALF_PERIOD, SpiPort

SLOW_MHZ = 0.4
"""Highest rate before a card is ready, as the standard has it."""

FASTEST_MHZ = 25.0
"""Highest rate of any card, as the standard has it."""

POWER_SECONDS, START_SECONDS, BLOCK_SECONDS = 1e-3, 1.0, 0.1
"""What a card may take for its supply to settle, to become ready, and to find a block: the standard's figures."""

FIRST_CLOCK_BYTES = 10
"""Clocks before the first command: 74 or more."""

ANSWER_BYTES = 10
"""In which the first byte of an answer comes: 8, and one skipped after CMD12, rounded up."""

_PLACES = 8
"""Of a command in the table: a byte of ones before it, its six, and one that is never sent."""

_ONES = 0xFF


class CardPins(wiring.Signature):
    """Pins of a card in SPI mode; all are 1 when active, so a board inverts cs."""

    def __init__(self) -> None:
        super().__init__({"cs": Out(1), "clk": Out(1), "copi": Out(1, init=1), "cipo": In(1, init=1)})


def half_periods(clock_mhz: float, fast_mhz: float) -> tuple[int, int]:
    """Cycles of half a period of the card's clock, before and after it is ready.

    Raises
    ------
    InputError
        If ``fast_mhz`` is none from 0.4 to 25.
    """
    if not SLOW_MHZ <= fast_mhz <= FASTEST_MHZ:
        raise InputError(f"fast_mhz of a memory card must be {SLOW_MHZ} to {FASTEST_MHZ:g}, not {fast_mhz!r}")
    slow, fast = (max(LEAST_HALF_PERIOD, ceil(clock_mhz / (2 * rate))) for rate in (SLOW_MHZ, fast_mhz))
    return slow, fast


class CardReader(wiring.Component):
    """Starts a card and reads its blocks from block 0 on, until it is told that one was the last.

    The words of a block leave before its CRC-16 is known: what they were for counts only after ``done`` without an
    error. A card is started anew each time. A word takes 64 half periods of the card's clock and 9 cycles; a
    consumer that pauses stops the clock.

    Source: SD Physical Layer Simplified Specification, section 7 (SPI mode).

    Parameters
    ----------
    clock_mhz
        Of our clock.
    fast_mhz
        Most of the card's clock once it is ready, 0.4 to 25.

    Members
    -------
    start : In(1)
        For one cycle, while it is at rest.
    last : In(1)
        The block that ends is the last; looked at behind each block's last word.
    o : Out(stream.Signature(32))
        Words of blocks, the lowest byte first.
    done : Out(1)
        For one cycle.
    error : Out(range(8))
        A ``CardError``, from ``done`` to the next ``start``.
    pins : Out(CardPins())

    Raises
    ------
    InputError
        If ``fast_mhz`` is none from 0.4 to 25.
    """

    def __init__(self, clock_mhz: float, fast_mhz: float) -> None:
        self._spi = SpiPort(*half_periods(clock_mhz, fast_mhz))
        self._power, self._start, self._block = (
            ceil(clock_mhz * 1e6 * seconds) for seconds in (POWER_SECONDS, START_SECONDS, BLOCK_SECONDS)
        )
        super().__init__(
            {
                "start": In(1),
                "last": In(1),
                "o": Out(stream.Signature(32)),
                "done": Out(1),
                "error": Out(range(8)),
                "pins": Out(CardPins()),
            }
        )

    def elaborate(self, platform: object) -> Module:
        """One state a step; ``step`` is the command under way, ``left`` the cycles until we wait no longer."""
        m = Module()
        m.submodules.spi = spi = self._spi
        m.submodules.check = check = crc.catalog.CRC16_XMODEM(data_width=8).create()
        step, count, left = Signal(range(len(COMMANDS))), Signal(range(BLOCK_BYTES + 2)), Signal(range(self._start + 1))
        first, tail, word = Signal(8), Signal(8 * TAIL_BYTES), Signal(32)
        came, octet = spi.o.valid, spi.o.payload
        m.d.comb += [
            self.pins.clk.eq(spi.clk),
            self.pins.copi.eq(spi.copi),
            spi.cipo.eq(self.pins.cipo),
            spi.fast.eq(step >= COMMANDS.index(REGISTER)),
            spi.i.payload.eq(_ONES),
            self.o.payload.eq(word),
            check.data.eq(octet),
        ]
        m.d.sync += left.eq(left - (left != 0))
        with m.FSM():
            with m.State("REST"), m.If(self.start):
                m.d.sync += [step.eq(0), count.eq(0), left.eq(self._power), self.error.eq(CardError.NONE)]
                m.next = "POWER"
            with m.State("POWER"), m.If(left == 0):
                m.next = "CLOCKS"
            with m.State("CLOCKS"):
                m.d.comb += spi.i.valid.eq(1)
                with m.If(came):
                    m.d.sync += count.eq(count + 1)
                    with m.If(count == FIRST_CLOCK_BYTES - 1):
                        m.d.sync += [count.eq(0), left.eq(self._start), self.pins.cs.eq(1)]
                        m.next = "SEND"
            with m.State("SEND"):
                m.d.comb += [spi.i.valid.eq(1), spi.i.payload.eq(_command_octet(step, count))]
                with m.If(came):
                    m.d.sync += count.eq(count + 1)
                    with m.If(count == _PLACES - 2):
                        m.d.sync += count.eq(0)
                        m.next = "ANSWER"
            self._answer(m, step, count, first, tail)
            with m.State("JUDGE"):
                self._judge(m, step, first, tail, left)
            self._block_states(m, step, count, left, word, check)
            with m.State("BUSY"):
                m.d.comb += spi.i.valid.eq(1)
                with m.If(came & (octet == _ONES)):
                    m.next = "RELEASE"
                with m.Elif(came & (left == 0)):
                    self._fail(m, CardError.TIMEOUT)
            with m.State("RELEASE"):  # a card lets go of its pin with the next byte's clocks
                m.d.sync += self.pins.cs.eq(0)
                m.d.comb += [spi.i.valid.eq(1), self.done.eq(came)]
                with m.If(came):
                    m.next = "REST"
        return m

    def _fail(self, m: Module, error: CardError, following: str = "RELEASE") -> None:
        """Keep the first error."""
        with m.If(self.error == CardError.NONE):
            m.d.sync += self.error.eq(error)
        m.next = following

    def _answer(self, m: Module, step: Signal, count: Signal, first: Signal, tail: Signal) -> None:
        """The first byte whose highest bit is 0, and the bytes behind it."""
        spi = self._spi
        came, octet = spi.o.valid, spi.o.payload
        with m.State("ANSWER"):
            m.d.comb += spi.i.valid.eq(1)
            # the byte behind CMD12 is a piece of the block that was cut off
            skipped = (step == COMMANDS.index(STOP)) & (count == 0)
            with m.If(came):
                m.d.sync += [first.eq(octet), count.eq(count + 1)]
                with m.If((~octet[-1] & ~skipped) | (count == ANSWER_BYTES - 1)):
                    m.d.sync += count.eq(0)
                    m.next = "JUDGE"
                    with m.If(~octet[-1] & _of_commands(step, [command.has_tail for command in COMMANDS])):
                        m.next = "TAIL"
        with m.State("TAIL"):
            m.d.comb += spi.i.valid.eq(1)
            with m.If(came):
                m.d.sync += [tail.eq(Cat(octet, tail[:-8])), count.eq(count + 1)]
                with m.If(count == TAIL_BYTES - 1):
                    m.d.sync += count.eq(0)
                    m.next = "JUDGE"

    def _judge(self, m: Module, step: Signal, first: Signal, tail: Signal, left: Signal) -> None:
        """Go on, go back, or give up."""
        wanted = [command.answer for command in COMMANDS]
        good = Signal()
        m.d.comb += good.eq(first == _of_commands(step, wanted))
        with m.If((step == COMMANDS.index(CHECK)) & (tail[:12] != VOLTAGE_CHECK)):
            m.d.comb += good.eq(0)
        with m.If((step == COMMANDS.index(REGISTER)) & ~tail[-1]):  # still at work on its supply
            m.d.comb += good.eq(0)
        with m.If(good):
            m.d.sync += step.eq(step + 1)
            m.next = "SEND"
            with m.If(step == COMMANDS.index(READ)):
                m.d.sync += left.eq(self._block)
                m.next = "TOKEN"
            with m.If(step == COMMANDS.index(STOP)):
                m.d.sync += left.eq(self._block)
                m.next = "BUSY"
        with m.Elif(_of_commands(step, [command.repeats for command in COMMANDS])):
            m.d.sync += step.eq(Mux(step == COMMANDS.index(START), step - START.back, step))
            m.next = "SEND"
            with m.If((left == 0) & (step == 0)):
                self._fail(m, CardError.NO_CARD)
            with m.Elif(left == 0):
                self._fail(m, CardError.TIMEOUT)
        with m.Else():
            self._fail(m, CardError.REFUSED)

    def _block_states(
        self, m: Module, step: Signal, count: Signal, left: Signal, word: Signal, check: crc.Processor
    ) -> None:
        """A block: its token, its words, its CRC-16. A fault ends the reading as the last block does."""
        spi = self._spi
        came, octet = spi.o.valid, spi.o.payload
        with m.State("TOKEN"):
            m.d.comb += [spi.i.valid.eq(1), check.start.eq(1)]
            with m.If(came & (octet == TOKEN)):
                m.next = "BYTES"
            with m.Elif(came & (octet != _ONES)):
                self._fail(m, CardError.BAD_BLOCK, "SEND")
            with m.Elif(came & (left == 0)):
                self._fail(m, CardError.TIMEOUT, "SEND")
        with m.State("BYTES"):
            m.d.comb += [spi.i.valid.eq(1), check.valid.eq(came)]
            with m.If(came):
                m.d.sync += [word.eq(Cat(word[8:], octet)), count.eq(count + 1)]
                with m.If(count[:2] == 3):  # which no byte of the CRC has
                    m.next = "WORD"
                with m.If(count == BLOCK_BYTES + 1):
                    m.next = "VERDICT"
        with m.State("WORD"):
            m.d.comb += self.o.valid.eq(1)
            with m.If(self.o.ready):
                m.next = "BYTES"
        with m.State("VERDICT"):
            m.d.sync += [count.eq(0), left.eq(self._block)]
            m.next = "TOKEN"
            with m.If(~check.match_detected):
                self._fail(m, CardError.BAD_BLOCK, "SEND")
            with m.Elif(self.last):
                m.next = "SEND"


def _of_commands(step: Signal, values: Sequence[int]) -> Value:
    """The value of the command under way."""
    bits = max(1, *(int(value).bit_length() for value in values))
    packed = sum(int(value) << bits * place for place, value in enumerate(values))
    return Const(packed, bits * len(values)).word_select(step, bits)


def _command_octet(step: Signal, place: Signal) -> Value:
    """A byte of the command under way."""
    table = b"".join(bytes((_ONES, *command.octets, _ONES)) for command in COMMANDS)
    return Const(int.from_bytes(table, "little"), 8 * len(table)).word_select(Cat(place[:3], step), 8)
