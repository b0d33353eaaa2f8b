"""The link: bytes of a line on one side, requests and responses of a core on the other."""

from dataclasses import dataclass

from amaranth.hdl import Cat, Module
from amaranth.lib import memory, wiring
from amaranth.lib.wiring import In, Out, connect, flipped

from formats.board_requests import MAXIMUM_WORDS
from formats.errors import InputError
from formats.link import VERSION, WELCOME, word_of
from hw.block_ram import read_apart
from hw.link.cobs import CobsDecoder, CobsEncoder
from hw.link.core_port import CorePort
from hw.link.layouts import LINE_OCTETS, OCTETS
from hw.link.outbox import Outbox
from hw.link.packet_receiver import PacketReceiver
from hw.link.packet_sender import PacketSender
from hw.link.window import Window
from hw.request_words import WORD_BITS, WORDS


@dataclass(frozen=True)
class LinkParameters:
    """Size of a link.

    Parameters
    ----------
    window
        Requests that may wait for their responses: 2, 4 or 8. A request and a response of 1,024 words take 4 block
        RAMs of an ECP5 together.
    words
        Most words of a request and of a response, a power of two up to 1,024.
    pause_cycles
        Cycles without a byte that end a packet.
    build
        Names the hardware's sources; the welcome carries it.

    Raises
    ------
    InputError
        If a size is none of these.
    """

    window: int = 4
    words: int = MAXIMUM_WORDS
    pause_cycles: int = 1 << 20
    build: int = 0

    def __post_init__(self) -> None:
        if self.window not in (2, 4, 8):
            raise InputError(f"window must be 2, 4 or 8, not {self.window!r}")
        if not 2 <= self.words <= MAXIMUM_WORDS or self.words & (self.words - 1):
            raise InputError(f"words must be a power of two from 2 to {MAXIMUM_WORDS}, not {self.words!r}")
        if self.pause_cycles < 2:
            raise InputError(f"pause_cycles must be 2 or more, not {self.pause_cycles!r}")
        _ = self.welcome  # its fields fit

    @property
    def welcome(self) -> list[int]:
        """Payload of its welcome."""
        fields = {"version": VERSION, "window": self.window, "words": self.words, "build": self.build}
        packed = word_of(WELCOME, fields)
        return [packed & ((1 << WORD_BITS) - 1), packed >> WORD_BITS]


class Link(wiring.Component):
    """Carries requests to a core and its responses back, whatever the line does to the bytes.

    Parameters
    ----------
    parameters
        Its size.

    Members
    -------
    i : In(LINE_OCTETS)
    o : Out(OCTETS)
    o_request : Out(WORDS)
        A request begins only when its CRC has been checked, and comes whole.
    i_response : In(WORDS)
        One for each request.
    """

    def __init__(self, parameters: LinkParameters) -> None:
        self._parameters = parameters
        super().__init__({"i": In(LINE_OCTETS), "o": Out(OCTETS), "o_request": Out(WORDS), "i_response": In(WORDS)})

    def elaborate(self, platform: object) -> Module:
        """Join the parts."""
        m, p = Module(), self._parameters
        size = (p.window, p.words)
        m.submodules.decoder = decoder = CobsDecoder(p.pause_cycles)
        m.submodules.receiver = receiver = PacketReceiver(p.words)
        m.submodules.window = window = Window(*size)
        m.submodules.outbox = outbox = Outbox(*size)
        m.submodules.core_port = core_port = CorePort(*size)
        m.submodules.sender = sender = PacketSender(*size, p.welcome)
        m.submodules.encoder = encoder = CobsEncoder()
        m.submodules.requests = requests = memory.Memory(shape=WORD_BITS, depth=p.window * p.words, init=[])
        m.submodules.responses = responses = memory.Memory(shape=WORD_BITS, depth=p.window * p.words, init=[])

        connect(m, flipped(self.i), decoder.i)
        connect(m, decoder.o, receiver.i)
        connect(m, outbox.o, sender.i)
        connect(m, sender.o, encoder.i)
        connect(m, encoder.o, flipped(self.o))
        connect(m, core_port.o_request, flipped(self.o_request))
        connect(m, flipped(self.i_response), core_port.i_response)

        write = requests.write_port()
        read, word = read_apart(m, requests, receiver.word_valid)
        m.d.comb += [
            write.en.eq(receiver.word_valid & window.takes),
            write.addr.eq(Cat(receiver.word_place, window.repeat_slot)),
            write.data.eq(receiver.word),
            read.addr.eq(core_port.read_address),
            core_port.read_data.eq(word),
            core_port.read_waits.eq(receiver.word_valid),
        ]
        write = responses.write_port()
        read, word = read_apart(m, responses, core_port.write)
        m.d.comb += [
            write.en.eq(core_port.write),
            write.addr.eq(core_port.write_address),
            write.data.eq(core_port.write_data),
            read.addr.eq(sender.address),
            sender.data.eq(word),
            sender.data_waits.eq(core_port.write),
        ]
        m.d.comb += [
            window.header.eq(receiver.header),
            window.verdict_valid.eq(receiver.verdict_valid),
            window.verdict.eq(receiver.verdict),
            window.finished.eq(core_port.finished),
            window.pending.eq(outbox.pending),
            window.sending.eq(outbox.o.valid),
            core_port.begin.eq(window.begin),
            core_port.slot.eq(window.slot),
            core_port.words.eq(window.words),
            outbox.header.eq(receiver.header),
            outbox.finished.eq(core_port.finished),
            outbox.slot.eq(window.slot),
            outbox.response_words.eq(core_port.response_words),
        ]
        for name in ("session", "following", "missing", "welcome", "acknowledge", "refuse", "repeat", "forget"):
            m.d.comb += getattr(outbox, name).eq(getattr(window, name))
        m.d.comb += outbox.repeat_slot.eq(window.repeat_slot)
        return m
