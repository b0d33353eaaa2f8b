"""Arbiter: one controller for a port that reads and a port that writes."""

from amaranth.hdl import Module, Mux, Signal
from amaranth.lib import stream, wiring
from amaranth.lib.wiring import In, Out

from hw.memory.chips import SdramChip
from hw.memory.sdram import request_layout


class Arbiter(wiring.Component):
    """Passes on requests of two ports, writes first, without a cycle's delay.

    A reader that waits for room asks for nothing, so what it reads can always be answered by writes. Whoever
    changes between pages loses time: a writer offers its beats in bursts.

    Parameters
    ----------
    chip
        Behind the controller.

    Members
    -------
    i_reads, i_writes : In(stream.Signature(request_layout(chip)))
    request : Out(stream.Signature(request_layout(chip)))
    """

    def __init__(self, chip: SdramChip) -> None:
        requests = stream.Signature(request_layout(chip))
        super().__init__({"i_reads": In(requests), "i_writes": In(requests), "request": Out(requests)})

    def elaborate(self, platform: object) -> Module:
        """A choice, kept while what was offered waits."""
        m = Module()
        waiting, chosen, writes = Signal(), Signal(), Signal()
        m.d.comb += [
            writes.eq(Mux(waiting, chosen, self.i_writes.valid)),
            self.request.valid.eq(Mux(writes, self.i_writes.valid, self.i_reads.valid)),
            self.request.payload.as_value().eq(
                Mux(writes, self.i_writes.payload.as_value(), self.i_reads.payload.as_value())
            ),
            self.i_writes.ready.eq(self.request.ready & writes),
            self.i_reads.ready.eq(self.request.ready & ~writes),
        ]
        m.d.sync += [waiting.eq(self.request.valid & ~self.request.ready), chosen.eq(writes)]
        return m
