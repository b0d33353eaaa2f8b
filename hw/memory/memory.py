"""A board's memory before its controller: words read and words written."""

from collections.abc import Sequence

from amaranth.hdl import Module
from amaranth.lib import fifo, stream, wiring
from amaranth.lib.wiring import In, Out, connect, flipped

from hw.memory.arbiter import Arbiter
from hw.memory.chips import ControlledMemory
from hw.memory.port import MemoryPort, address_bits
from hw.memory.sdram import request_layout
from hw.memory.skid_buffer import SkidBuffer
from hw.memory.words import WordReader, reading_layout
from hw.memory.writer import MOST_BEATS, WordWriter

SIDE_DEPTH, SIDE_BURST = 64, 32
"""Beats that the side port keeps, and for how many there must be room before it asks again."""


class Memory(wiring.Component):
    """Reads words of several widths, and in between writes words of the port's.

    A reading that follows ``empty`` finds what was written. Where there is a side, it reads other words meanwhile,
    few for each of the others, in bursts that go before them.

    Parameters
    ----------
    chip
        Behind the controller.
    port_bytes
        Bytes of a beat, which addresses count.
    word_bits
        Widths of the words that are read.
    side_bits
        Of those that the side reads; none for no side.

    Members
    -------
    i_reading : In(stream.Signature(reading_layout(chip, port_bytes, word_bits)))
    o : Out(stream.Signature(max(word_bits)))
        Words read.
    i_side_reading, o_side
        The same for the side, where there is one.
    start, address, flush, empty, i
        As of ``WordWriter``.
    request, read_valid, read_data
        To and from the controller, as of ``MemoryPort``.

    Raises
    ------
    InputError
        If the port's beat is not 1, 2, 4 or 8 of the chip's.
    """

    def __init__(
        self,
        chip: ControlledMemory,
        port_bytes: int,
        word_bits: Sequence[int],
        side_bits: Sequence[int] = (),
    ) -> None:
        self._chip, self._port_bytes, self._word_bits = chip, port_bytes, tuple(word_bits)
        self._side_bits = tuple(side_bits)
        side: dict[str, wiring.Member] = {}
        if side_bits:
            side = {
                "i_side_reading": In(stream.Signature(reading_layout(chip, port_bytes, side_bits))),
                "o_side": Out(stream.Signature(max(side_bits))),
            }
        super().__init__(
            {
                "i_reading": In(stream.Signature(reading_layout(chip, port_bytes, word_bits))),
                "o": Out(stream.Signature(max(word_bits))),
                "start": In(1),
                "address": In(address_bits(chip, port_bytes)),
                "flush": In(1),
                "empty": Out(1),
                "i": In(stream.Signature(8 * port_bytes)),
                "request": Out(stream.Signature(request_layout(chip))),
                "read_valid": In(1),
                "read_data": In(chip.data_bits),
                **side,
            }
        )

    def elaborate(self, platform: object) -> Module:
        """A port each way, so that a reader without room holds up no writer; the controller's ready in a register."""
        m = Module()
        chip, port_bytes = self._chip, self._port_bytes
        m.submodules.arbiter = arbiter = Arbiter(chip)
        m.submodules.read_port = read_port = MemoryPort(chip, port_bytes, chip.reads_ahead)
        m.submodules.write_port = write_port = MemoryPort(chip, port_bytes, most_beats=MOST_BEATS)
        m.submodules.reader = reader = WordReader(chip, port_bytes, self._word_bits)
        m.submodules.writer = writer = WordWriter(chip, port_bytes)
        m.submodules.buffer = buffer = SkidBuffer(request_layout(chip))
        connect(m, arbiter.request, buffer.i)
        connect(m, buffer.o, flipped(self.request))
        connect(m, write_port.request, arbiter.i_writes)
        connect(m, flipped(self.i_reading), reader.i_reading)
        connect(m, reader.run, read_port.i_run)
        connect(m, read_port.o, reader.i)
        connect(m, reader.o, flipped(self.o))
        connect(m, writer.run, write_port.i_run)
        connect(m, writer.o, write_port.i)
        connect(m, flipped(self.i), writer.i)
        m.d.comb += read_port.read_data.eq(self.read_data)
        if self._side_bits:
            self._read_beside(m, arbiter, read_port)
        else:
            connect(m, read_port.request, arbiter.i_reads)
            m.d.comb += read_port.read_valid.eq(self.read_valid)
        m.d.comb += [
            writer.start.eq(self.start),
            writer.address.eq(self.address),
            writer.flush.eq(self.flush),
            self.empty.eq(writer.empty),
        ]
        return m

    def _read_beside(self, m: Module, arbiter: Arbiter, port: MemoryPort) -> None:
        """A second port that reads; whose a beat is, is kept in the order of the requests."""
        chip, port_bytes = self._chip, self._port_bytes
        m.submodules.side_port = side = MemoryPort(chip, port_bytes, SIDE_DEPTH, SIDE_BURST)
        m.submodules.side_reader = reader = WordReader(chip, port_bytes, self._side_bits)
        m.submodules.side_arbiter = readers = Arbiter(chip)
        m.submodules.owners = owners = fifo.SyncFIFO(width=1, depth=chip.most_reads)
        connect(m, port.request, readers.i_reads)
        connect(m, side.request, readers.i_writes)  # what goes first
        connect(m, readers.request, arbiter.i_reads)
        connect(m, flipped(self.i_side_reading), reader.i_reading)
        connect(m, reader.run, side.i_run)
        connect(m, side.o, reader.i)
        connect(m, reader.o, flipped(self.o_side))
        m.d.comb += [
            owners.w_en.eq(readers.request.valid & readers.request.ready),
            owners.w_data.eq(side.request.valid & side.request.ready),
            owners.r_en.eq(self.read_valid),
            port.read_valid.eq(self.read_valid & ~owners.r_data),
            side.read_valid.eq(self.read_valid & owners.r_data),
            side.read_data.eq(self.read_data),
        ]
