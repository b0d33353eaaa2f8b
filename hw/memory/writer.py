"""Word writer: words from an address up, kept until there are enough for a burst."""

from amaranth.hdl import Module, Mux, Signal
from amaranth.lib import memory, stream, wiring
from amaranth.lib.wiring import In, Out, connect, flipped

from hw.block_ram import read_apart
from hw.memory.chips import BeatMemory
from hw.memory.port import address_bits, run_layout
from hw.memory.skid_buffer import SkidBuffer

BURST_WORDS = 256
"""Words of a run, unless ``flush`` ends it early."""

MOST_BEATS = 2 * BURST_WORDS
"""Of a run: all that is kept."""


class WordWriter(wiring.Component):
    """Gathers words of a port's width and writes them in runs.

    ``burst`` words or more make a run, or any number while ``flush`` is asserted. A run is begun only when all of
    it is here, so that it passes without a pause. Twice as many are kept at once. A skid buffer is behind them, since
    block RAM answers late in the cycle. ``i.ready`` is a register: no path leads from the queue to who gives words.
    A run but the first follows the one before it, so no address is counted here.

    Parameters
    ----------
    chip, port_bytes
        Of the port.
    burst
        Words of a run.

    Members
    -------
    start, address : In(1), In(address_bits)
        Where the next word goes; only while ``empty``.
    flush : In(1)
        Write what is here.
    empty : Out(1)
        Every word that came has been taken by the controller.
    i : In(stream.Signature(8 * port_bytes))
    run : Out(stream.Signature(run_layout(chip, port_bytes, 2 * burst)))
    o : Out(stream.Signature(8 * port_bytes))
        To the port.
    """

    def __init__(self, chip: BeatMemory, port_bytes: int, burst: int = BURST_WORDS) -> None:
        self._burst = burst
        words = stream.Signature(8 * port_bytes)
        super().__init__(
            {
                "start": In(1),
                "address": In(address_bits(chip, port_bytes)),
                "flush": In(1),
                "empty": Out(1),
                "i": In(words),
                "run": Out(stream.Signature(run_layout(chip, port_bytes, 2 * burst))),
                "o": Out(words),
            }
        )

    def elaborate(self, platform: object) -> Module:
        """A queue, and a run of as many words as it holds."""
        m = Module()
        width, depth = len(self.i.payload), 2 * self._burst
        m.submodules.kept = kept = memory.Memory(shape=width, depth=depth, init=[])
        m.submodules.buffer = buffer = SkidBuffer(width)
        connect(m, buffer.o, flipped(self.o))
        # words that are here, those of a run that are left, less one, and whether the next one has been fetched
        level, left, fetched = Signal(range(depth + 1)), Signal.like(self.run.payload.beats), Signal()
        address, first = Signal.like(self.address), Signal()
        enough, begins, given, fetches = Signal(), Signal(), Signal(), Signal()
        write = kept.write_port()
        read, word = read_apart(m, kept, write.en, fetches)
        m.d.comb += [
            write.en.eq(self.i.valid & self.i.ready),
            write.data.eq(self.i.payload),
            buffer.i.payload.eq(word),
            given.eq(buffer.i.valid & buffer.i.ready),
            self.run.payload.address.eq(address),
            self.run.payload.follows.eq(~first),
            self.run.payload.beats.eq(left),
            self.run.payload.write.eq(1),
        ]
        with m.If(write.en):
            m.d.sync += write.addr.eq(write.addr + 1)
        with m.If(fetches & ~write.en):
            m.d.sync += [read.addr.eq(read.addr + 1), fetched.eq(1)]
        with m.Elif(given):
            m.d.sync += fetched.eq(0)
        with m.If(write.en ^ given):
            m.d.sync += level.eq(level + Mux(given, -1, 1))
        m.d.sync += self.i.ready.eq(level < depth - 1)  # one more may come before this is seen
        m.d.sync += enough.eq((level >= self._burst) | (self.flush & (level != 0)))
        with m.If(self.start):
            m.d.sync += [address.eq(self.address), first.eq(1)]
        with m.If(begins | given):
            m.d.sync += left.eq(Mux(begins, level, left) - 1)
        with m.FSM():
            with m.State("GATHER"):
                m.d.comb += self.empty.eq((level == 0) & ~self.i.valid & ~buffer.o.valid)
                with m.If(enough):
                    m.d.comb += begins.eq(1)
                    m.next = "RUN"
            with m.State("RUN"):
                m.d.comb += [self.run.valid.eq(1), fetches.eq(~fetched)]
                with m.If(self.run.ready):
                    m.d.sync += first.eq(0)
                    m.next = "WORDS"
            with m.State("WORDS"):
                m.d.comb += [buffer.i.valid.eq(fetched), fetches.eq(~fetched | (given & (left != 0)))]
                with m.If(given & (left == 0)):
                    m.next = "CLEAR"
            with m.State("CLEAR"):  # ``enough`` still speaks of the run that has left
                m.next = "GATHER"
        return m
