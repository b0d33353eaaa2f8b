"""Bursts: single beats asked for and answered in order, over LiteDRAM's native port, which moves whole bursts."""

from amaranth.hdl import Cat, Const, Module, Mux, Signal
from amaranth.lib import data, fifo, stream, wiring
from amaranth.lib.wiring import In, Out

from hw.memory.litedram.boards import BURST_BITS, MOST_READS, Ddr3Memory
from hw.memory.sdram import request_layout

MOST_WRITES = 16
"""Bursts whose data waits for the controller: 8 of a bank's queue, one in front of it, and the latency of a write, 4
cycles, in which LiteDRAM takes 2 more."""


def native_port(ddr3: Ddr3Memory) -> wiring.Signature:
    """LiteDRAM's native port, seen from who uses it.

    A command is taken when both ``cmd_valid`` and ``cmd_ready`` are 1. Data to write is taken with ``wdata_ready``,
    and must be there then; data read is there with ``rdata_valid`` and does not wait.
    """
    return wiring.Signature(
        {
            "cmd_valid": Out(1),
            "cmd_ready": In(1),
            "cmd_we": Out(1),
            "cmd_addr": Out(ddr3.address_bits - (ddr3.burst_beats - 1).bit_length()),
            "wdata_ready": In(1),
            "wdata_data": Out(BURST_BITS),
            "wdata_we": Out(BURST_BITS // 8),
            "rdata_valid": In(1),
            "rdata_data": In(BURST_BITS),
        }
    )


class BurstPort(wiring.Component):
    """Joins requests for the beats of a burst, and answers as ``SdramController`` does.

    A request is taken per cycle, and offered to LiteDRAM a cycle later. Reads of the burst that was read just before
    ask for nothing. A beat to write waits one cycle for another one of its burst. If none comes, what is there is
    written, and the other bytes are masked. All pins of the mask are then alike, so their order on the board does not
    matter.

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
        self._burst = data.ArrayLayout(ddr3.data_bits, ddr3.burst_beats)
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
        native, request, count = self.native, self.i.payload, self._ddr3.burst_beats
        bits = (count - 1).bit_length()
        place, burst, own = request.address[:bits], request.address[bits:], Signal(count)
        waiting, joinable, taken = Signal(), Signal(), Signal()
        joins, rest_of_read, read_open, accepted = Signal(), Signal(), Signal(), Signal()
        beats, filled = Signal(self._burst), Signal(count)
        address, write = Signal.like(native.cmd_addr), Signal()
        m.submodules.written = written = fifo.SyncFIFO(width=BURST_BITS + count, depth=MOST_WRITES)
        m.submodules.asked = asked = fifo.SyncFIFO(width=bits + 1, depth=MOST_READS)
        same = burst == address
        m.d.comb += [
            own.eq(Const(1) << place),
            native.cmd_valid.eq(waiting & ~joinable & (~write | written.w_rdy)),
            native.cmd_we.eq(write),
            native.cmd_addr.eq(address),
            taken.eq(native.cmd_valid & native.cmd_ready),
            joins.eq(joinable & request.write & same & ~(filled & own).any()),
            rest_of_read.eq(read_open & ~request.write & same),
            self.i.ready.eq((~waiting | taken | joins | rest_of_read) & (request.write | asked.w_rdy)),
            accepted.eq(self.i.valid & self.i.ready),
        ]
        m.d.sync += joinable.eq(0)
        with m.If(taken):
            m.d.sync += waiting.eq(0)
        with m.If(accepted):
            m.d.sync += [
                beats[place].eq(request.data),
                filled.eq((filled & joins.replicate(count)) | own),
                joinable.eq(joins & ~(filled | own).all()),
                read_open.eq(request.write == 0),
            ]
            with m.If(~joins & ~rest_of_read):
                m.d.sync += [waiting.eq(1), joinable.eq(request.write), write.eq(request.write), address.eq(burst)]
        m.d.comb += [
            written.w_en.eq(taken & write),
            written.w_data.eq(Cat(beats, filled)),
            written.r_en.eq(native.wdata_ready),
            Cat(native.wdata_data, filled_bytes := Signal(count)).eq(written.r_data),
            native.wdata_we.eq(Cat(bit.replicate(self._ddr3.data_bits // 8) for bit in filled_bytes)),
            asked.w_en.eq(accepted & ~request.write),
            asked.w_data.eq(Cat(place, rest_of_read)),
        ]
        self._answer(m, asked)
        return m

    def _answer(self, m: Module, asked: fifo.SyncFIFO) -> None:
        """A beat of the burst that comes next, or of the one that came last.

        Bursts come faster than their beats leave, so they are kept: fewer than beats that were asked for, since each
        has one that is not answered.
        """
        place, rest, answers = Signal(range(self._ddr3.burst_beats)), Signal(), Signal()
        last, burst = Signal(self._burst), Signal(self._burst)
        # one burst is in the queue's output register, so its memory is a power of two deep
        m.submodules.came = came = fifo.SyncFIFOBuffered(width=BURST_BITS, depth=MOST_READS + 1)
        m.d.comb += [
            came.w_data.eq(self.native.rdata_data),
            came.w_en.eq(self.native.rdata_valid),
            Cat(place, rest).eq(asked.r_data),
            burst.eq(Mux(rest, last, came.r_data)),
            answers.eq(asked.r_rdy & (rest | came.r_rdy)),
            asked.r_en.eq(answers),
            came.r_en.eq(answers & ~rest),
        ]
        m.d.sync += [self.read_valid.eq(answers), self.read_data.eq(burst[place])]
        with m.If(answers):
            m.d.sync += last.eq(burst)
