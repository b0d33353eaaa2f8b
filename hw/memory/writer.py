"""Word writer: words from an address up, kept until there are enough for a burst."""

from amaranth.hdl import Module, Signal
from amaranth.lib import fifo, stream, wiring
from amaranth.lib.wiring import In, Out, connect, flipped

from hw.memory.chips import BeatMemory
from hw.memory.port import address_bits, run_layout
from hw.memory.skid_buffer import SkidBuffer

BURST_WORDS = 256
"""Words of a run, unless ``flush`` ends it early."""


class WordWriter(wiring.Component):
    """Gathers words of a port's width and writes them in runs.

    ``burst`` words or more make a run, or any number while ``flush`` is asserted. A run is begun only when all of
    it is here, so that it passes without a pause. Twice as many are kept at once. A skid buffer is behind them, since
    block RAM answers late in the cycle. ``i.ready`` is a register: no path leads from the queue to who gives words.

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
    run : Out(stream.Signature(run_layout(chip, port_bytes)))
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
                "run": Out(stream.Signature(run_layout(chip, port_bytes))),
                "o": Out(words),
            }
        )

    def elaborate(self, platform: object) -> Module:
        """A queue, and a run of as many words as it holds."""
        m = Module()
        # one word is in the queue's output register, so its memory is a power of two deep
        m.submodules.kept = kept = fifo.SyncFIFOBuffered(width=len(self.i.payload), depth=2 * self._burst + 1)
        m.submodules.buffer = buffer = SkidBuffer(len(self.i.payload))
        connect(m, buffer.o, flipped(self.o))
        address, left = Signal.like(self.address), Signal.like(kept.level)
        enough = Signal()
        m.d.comb += [
            kept.w_data.eq(self.i.payload),
            kept.w_en.eq(self.i.valid & self.i.ready),
            buffer.i.payload.eq(kept.r_data),
            self.run.payload.address.eq(address),
            self.run.payload.beats.eq(left - 1),
            self.run.payload.write.eq(1),
        ]
        m.d.sync += self.i.ready.eq(kept.level < 2 * self._burst - 1)  # one more may come before this is seen
        m.d.sync += enough.eq((kept.level >= self._burst) | (self.flush & (kept.level != 0)))
        with m.If(self.start):
            m.d.sync += address.eq(self.address)
        with m.FSM():
            with m.State("GATHER"):
                m.d.comb += self.empty.eq((kept.level == 0) & ~self.i.valid & ~buffer.o.valid)
                with m.If(enough):
                    m.d.sync += left.eq(kept.level)
                    m.next = "RUN"
            with m.State("RUN"):
                m.d.comb += self.run.valid.eq(1)
                with m.If(self.run.ready):
                    m.d.sync += address.eq(address + left)
                    m.next = "WORDS"
            with m.State("WORDS"):
                m.d.comb += [buffer.i.valid.eq(kept.r_rdy), kept.r_en.eq(buffer.i.ready)]
                with m.If(buffer.i.valid & buffer.i.ready):
                    m.d.sync += left.eq(left - 1)
                    with m.If(left == 1):
                        m.next = "CLEAR"
            with m.State("CLEAR"):  # ``enough`` still speaks of the run that has left
                m.next = "GATHER"
        return m
