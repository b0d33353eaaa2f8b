"""Bursts: single beats asked for and answered in order, over LiteDRAM's native port, which moves whole bursts."""

from amaranth.hdl import Cat, Module, Mux, Signal
from amaranth.lib import data, fifo, stream, wiring
from amaranth.lib.wiring import In, Out

from hw.memory.litedram.boards import BURST_BEATS, Ddr3Memory
from hw.memory.sdram import request_layout

MOST_WRITES = 16
"""Bursts whose data waits for the controller: 8 of a bank's queue, one in front of it, and the latency of a write, 4
cycles, in which LiteDRAM takes 2 more."""

MOST_READS = 64
"""Beats asked for and not answered: two per burst of a bank's queue, and of those within the latency of a read, 16
cycles at most, which are 8 bursts."""


def native_port(ddr3: Ddr3Memory) -> wiring.Signature:
    """LiteDRAM's native port, seen from who uses it.

    A command is taken when both ``cmd_valid`` and ``cmd_ready`` are 1. Data to write is taken with ``wdata_ready``,
    and must be there then; data read is there with ``rdata_valid`` and does not wait.
    """
    bits = BURST_BEATS * ddr3.data_bits
    return wiring.Signature(
        {
            "cmd_valid": Out(1),
            "cmd_ready": In(1),
            "cmd_we": Out(1),
            "cmd_addr": Out(ddr3.address_bits - 1),
            "wdata_ready": In(1),
            "wdata_data": Out(bits),
            "wdata_we": Out(bits // 8),
            "rdata_valid": In(1),
            "rdata_data": In(bits),
        }
    )


class BurstPort(wiring.Component):
    """Joins requests for the two beats of a burst, and answers as ``SdramController`` does.

    A request is taken per cycle, which is as fast as the chip moves beats, and offered to LiteDRAM a cycle later. A
    read of the other beat of the burst that was read just before asks for nothing. A beat to write waits one cycle
    for the burst's other beat. If that does not come it is written alone and the other's bytes are masked. All pins
    of the mask are then alike, so their order on the board does not matter.

    Parameters
    ----------
    ddr3
        What is behind the port.

    Members
    -------
    i : In(stream.Signature(request_layout(ddr3)))
    read_valid, read_data : Out(1), Out(ddr3.data_bits)
        Beats read, in order. They do not wait: who asks keeps room for the answer.
    native : Out(native_port(ddr3))
    """

    def __init__(self, ddr3: Ddr3Memory) -> None:
        self._ddr3 = ddr3
        super().__init__(
            {
                "i": In(stream.Signature(request_layout(ddr3))),
                "read_valid": Out(1),
                "read_data": Out(ddr3.data_bits),
                "native": Out(native_port(ddr3)),
            }
        )

    def elaborate(self, platform: object) -> Module:
        """A command of one burst, kept until LiteDRAM takes it."""
        m = Module()
        native, request = self.native, self.i.payload
        half, burst = request.address[0], request.address[1:]
        waiting, joinable, taken = Signal(), Signal(), Signal()
        joins, rest_of_read, read_open, accepted = Signal(), Signal(), Signal(), Signal()
        beats = Signal(data.ArrayLayout(self._ddr3.data_bits, BURST_BEATS))
        filled, address, write = Signal(BURST_BEATS), Signal.like(native.cmd_addr), Signal()
        m.submodules.written = written = fifo.SyncFIFO(width=len(beats.as_value()) + BURST_BEATS, depth=MOST_WRITES)
        m.submodules.asked = asked = fifo.SyncFIFO(width=2, depth=MOST_READS)
        same = burst == address
        m.d.comb += [
            native.cmd_valid.eq(waiting & ~joinable & (~write | written.w_rdy)),
            native.cmd_we.eq(write),
            native.cmd_addr.eq(address),
            taken.eq(native.cmd_valid & native.cmd_ready),
            joins.eq(joinable & request.write & same & ~filled.bit_select(half, 1)),
            rest_of_read.eq(read_open & ~request.write & same & ~filled.bit_select(half, 1)),
            self.i.ready.eq((~waiting | taken | joins | rest_of_read) & (request.write | asked.w_rdy)),
            accepted.eq(self.i.valid & self.i.ready),
        ]
        m.d.sync += joinable.eq(0)
        with m.If(taken):
            m.d.sync += waiting.eq(0)
        with m.If(accepted):
            m.d.sync += [
                beats[half].eq(request.data),
                filled.bit_select(half, 1).eq(1),
                read_open.eq(~request.write & ~rest_of_read),
            ]
            with m.If(~joins & ~rest_of_read):
                m.d.sync += [waiting.eq(1), joinable.eq(request.write), write.eq(request.write), address.eq(burst)]
                m.d.sync += filled.eq(Mux(half, 0b10, 0b01))
        m.d.comb += [
            written.w_en.eq(taken & write),
            written.w_data.eq(Cat(beats, filled)),
            written.r_en.eq(native.wdata_ready),
            Cat(native.wdata_data, filled_bytes := Signal(BURST_BEATS)).eq(written.r_data),
            native.wdata_we.eq(Cat(bit.replicate(self._ddr3.data_bits // 8) for bit in filled_bytes)),
            asked.w_en.eq(accepted & ~request.write),
            asked.w_data.eq(Cat(half, rest_of_read)),
        ]
        self._answer(m, asked)
        return m

    def _answer(self, m: Module, asked: fifo.SyncFIFO) -> None:
        """A beat of the burst that comes, or of the one that came last.

        A burst comes every second cycle at most and has two answers at most, so none is pushed aside.
        """
        half, rest, answers = Signal(), Signal(), Signal()
        kept, came = (Signal(data.ArrayLayout(self._ddr3.data_bits, BURST_BEATS)) for _ in range(2))
        m.d.comb += [
            Cat(half, rest).eq(asked.r_data),
            came.eq(Mux(rest, kept, self.native.rdata_data)),
            answers.eq(asked.r_rdy & (rest | self.native.rdata_valid)),
            asked.r_en.eq(answers),
        ]
        m.d.sync += [self.read_valid.eq(answers), self.read_data.eq(came[half])]
        with m.If(self.native.rdata_valid):
            m.d.sync += kept.eq(self.native.rdata_data)
