"""A board's memory: one controller, words read and words written."""

from collections.abc import Sequence

from amaranth.hdl import Module
from amaranth.lib import stream, wiring
from amaranth.lib.wiring import In, Out, connect, flipped

from hw.memory.arbiter import Arbiter
from hw.memory.chips import SdramChip
from hw.memory.port import MemoryPort, address_bits
from hw.memory.sdram import SdramController, SdramPins
from hw.memory.words import WordReader, reading_layout
from hw.memory.writer import WordWriter


class Memory(wiring.Component):
    """Reads words of several widths, and in between writes words of the port's.

    A reading that follows ``empty`` finds what was written.

    Parameters
    ----------
    chip, clock_mhz, cas_latency
        Of the controller.
    port_bytes
        Bytes of a beat, which addresses count.
    word_bits
        Widths of the words that are read.

    Members
    -------
    i_reading : In(stream.Signature(reading_layout(chip, port_bytes, word_bits)))
    o : Out(stream.Signature(max(word_bits)))
        Words read.
    start, address, flush, empty, i
        As of ``WordWriter``.
    pins : Out(SdramPins(chip))

    Raises
    ------
    InputError
        If the chip cannot run so, or the port's beat is not 1, 2, 4 or 8 of the chip's.
    """

    def __init__(
        self, chip: SdramChip, clock_mhz: float, cas_latency: int, port_bytes: int, word_bits: Sequence[int]
    ) -> None:
        self._chip, self._port_bytes, self._word_bits = chip, port_bytes, tuple(word_bits)
        self._controller = SdramController(chip, clock_mhz, cas_latency)
        super().__init__(
            {
                "i_reading": In(stream.Signature(reading_layout(chip, port_bytes, word_bits))),
                "o": Out(stream.Signature(max(word_bits))),
                "start": In(1),
                "address": In(address_bits(chip, port_bytes)),
                "flush": In(1),
                "empty": Out(1),
                "i": In(stream.Signature(8 * port_bytes)),
                "pins": Out(SdramPins(chip)),
            }
        )

    def elaborate(self, platform: object) -> Module:
        """A port each way, so that a reader without room holds up no writer."""
        m = Module()
        chip, port_bytes = self._chip, self._port_bytes
        m.submodules.controller = controller = self._controller
        m.submodules.arbiter = arbiter = Arbiter(chip)
        m.submodules.read_port = read_port = MemoryPort(chip, port_bytes)
        m.submodules.write_port = write_port = MemoryPort(chip, port_bytes)
        m.submodules.reader = reader = WordReader(chip, port_bytes, self._word_bits)
        m.submodules.writer = writer = WordWriter(chip, port_bytes)
        connect(m, flipped(self.pins), controller.pins)
        connect(m, arbiter.request, controller.i)
        connect(m, read_port.request, arbiter.i_reads)
        connect(m, write_port.request, arbiter.i_writes)
        connect(m, flipped(self.i_reading), reader.i_reading)
        connect(m, reader.run, read_port.i_run)
        connect(m, read_port.o, reader.i)
        connect(m, reader.o, flipped(self.o))
        connect(m, writer.run, write_port.i_run)
        connect(m, writer.o, write_port.i)
        connect(m, flipped(self.i), writer.i)
        m.d.comb += [
            read_port.read_valid.eq(controller.read_valid),
            read_port.read_data.eq(controller.read_data),
            writer.start.eq(self.start),
            writer.address.eq(self.address),
            writer.flush.eq(self.flush),
            self.empty.eq(writer.empty),
        ]
        return m
