"""Arbiter: one controller for a port that reads and a port that writes."""

from amaranth.hdl import Module, Mux, Signal
from amaranth.lib import stream, wiring
from amaranth.lib.wiring import In, Out

from hw.memory.chips import BeatMemory
from hw.memory.sdram import request_layout


class Arbiter(wiring.Component):
    """Passes on requests of two ports, writes first.

    Whose turn it is stands in a register, so no path leads from one port's request to the other's answer: the cycle
    in which a writer begins, and the one behind its last beat, are lost. A reader that waits for room asks for
    nothing, so what it reads can always be answered by writes. Whoever changes between pages loses time anyway: a
    writer offers its beats in bursts.

    Parameters
    ----------
    chip
        Behind the controller.

    Members
    -------
    i_reads, i_writes : In(stream.Signature(request_layout(chip)))
        Reads, whose ``data`` goes nowhere; what goes before them.
    request : Out(stream.Signature(request_layout(chip)))
    """

    def __init__(self, chip: BeatMemory) -> None:
        requests = stream.Signature(request_layout(chip))
        super().__init__({"i_reads": In(requests), "i_writes": In(requests), "request": Out(requests)})

    def elaborate(self, platform: object) -> Module:
        """A choice, kept while what was offered waits."""
        m = Module()
        writes = Signal()
        m.d.comb += [
            self.request.valid.eq(Mux(writes, self.i_writes.valid, self.i_reads.valid)),
            self.request.payload.address.eq(Mux(writes, self.i_writes.payload.address, self.i_reads.payload.address)),
            self.request.payload.write.eq(Mux(writes, self.i_writes.payload.write, self.i_reads.payload.write)),
            self.request.payload.data.eq(self.i_writes.payload.data),
            self.i_writes.ready.eq(self.request.ready & writes),
            self.i_reads.ready.eq(self.request.ready & ~writes),
        ]
        with m.If(~self.request.valid | self.request.ready):
            m.d.sync += writes.eq(self.i_writes.valid)
        return m
