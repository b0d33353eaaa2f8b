"""Word reader: what the engine streams in, out of a memory in which words lie without gaps."""

from collections.abc import Sequence

from amaranth.hdl import Module, Signal
from amaranth.lib import data, stream, wiring
from amaranth.lib.wiring import In, Out, connect, flipped

from hw.memory.chips import BeatMemory
from hw.memory.port import address_bits, run_layout
from hw.memory.skid_buffer import SkidBuffer
from hw.memory.unpacker import Unpacker


def reading_layout(chip: BeatMemory, port_bytes: int, word_bits: Sequence[int]) -> data.StructLayout:
    """Words that lie one after the other.

    ``address``, ``beats``: of the run that holds them, as in ``run_layout``; as many beats as the words
    begin, no more. ``words``: words less one. ``width``: position in ``word_bits``.
    """
    bits = address_bits(chip, port_bytes)
    words_a_beat = -(-8 * port_bytes // min(word_bits))
    return data.StructLayout(
        {
            "address": bits,
            "beats": bits,
            "words": range(words_a_beat << bits),
            "width": range(len(word_bits)),
        }
    )


class WordReader(wiring.Component):
    """Reads words of one of several widths, and drops what the last beat holds beside the last word.

    A word leaves two cycles after the beat that completes it: one in the unpacker, one in the skid buffer of its
    output, by which no ready of the port depends on ``o.ready``. A reading is kept first, and its run begun a cycle
    later. No cycle is lost: a word leaves per cycle, or a beat is taken per cycle where words are wider.

    Parameters
    ----------
    chip, port_bytes
        Of the port.
    word_bits
        Widths; for an engine its activations' beats, and the lanes' words side by side of each format.

    Members
    -------
    i_reading : In(stream.Signature(reading_layout(chip, port_bytes, word_bits)))
    run : Out(stream.Signature(run_layout(chip, port_bytes)))
        To the port.
    i : In(stream.Signature(8 * port_bytes))
        From the port.
    o : Out(stream.Signature(max(word_bits)))
        A narrow word has zeros above it.
    """

    def __init__(self, chip: BeatMemory, port_bytes: int, word_bits: Sequence[int]) -> None:
        self._port_bytes = port_bytes
        self._word_bits = tuple(word_bits)
        super().__init__(
            {
                "i_reading": In(stream.Signature(reading_layout(chip, port_bytes, word_bits))),
                "run": Out(stream.Signature(run_layout(chip, port_bytes))),
                "i": In(stream.Signature(8 * port_bytes)),
                "o": Out(stream.Signature(max(word_bits))),
            }
        )

    def elaborate(self, platform: object) -> Module:
        """Keep the reading, start its run, count the words."""
        m = Module()
        reading = Signal.like(self.i_reading.payload)
        # whether a word is taken, and whether the next one is the last: a register, known before that word comes
        taken, last = Signal(), Signal()
        # of which width words leave; a register a width, as many paths begin with it. Set before the run begins, so
        # that no path leads here from the port's ready
        serves = Signal(len(self._word_bits))
        m.submodules.buffer = buffer = SkidBuffer(max(self._word_bits))
        connect(m, buffer.o, flipped(self.o))
        m.d.comb += [
            self.run.payload.address.eq(reading.address),
            self.run.payload.beats.eq(reading.beats),
            taken.eq(buffer.i.valid & buffer.i.ready),
        ]
        for position, bits in enumerate(self._word_bits):
            m.submodules[f"unpacker_{position}"] = unpacker = Unpacker(self._port_bytes, bits)
            # what the last beat holds beside the last word may look like one
            m.d.comb += [unpacker.clear.eq(~serves[position]), unpacker.i.payload.eq(self.i.payload)]
            with m.If(serves[position]):
                m.d.comb += [
                    unpacker.i.valid.eq(self.i.valid),
                    self.i.ready.eq(unpacker.i.ready),
                    unpacker.o.ready.eq(buffer.i.ready),
                    buffer.i.valid.eq(unpacker.o.valid),
                    buffer.i.payload.eq(unpacker.o.payload),
                ]
        m.d.sync += last.eq(reading.words == taken)
        with m.If(taken):
            m.d.sync += reading.words.eq(reading.words - 1)
        with m.FSM():
            with m.State("IDLE"):
                # who steers words by their reading changes over now: none of the last one's may be left
                m.d.comb += self.i_reading.ready.eq(~buffer.o.valid)
                m.d.sync += reading.eq(self.i_reading.payload)
                with m.If(self.i_reading.valid & self.i_reading.ready):
                    m.next = "RUN"
            with m.State("RUN"):
                m.d.comb += self.run.valid.eq(1)
                m.d.sync += serves.eq(1 << reading.width)
                with m.If(self.run.ready):
                    m.next = "WORDS"
            with m.State("WORDS"), m.If(taken & last):
                m.d.sync += serves.eq(0)
                m.next = "IDLE"
        return m
