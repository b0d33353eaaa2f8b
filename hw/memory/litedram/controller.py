"""Controller of a DDR3 chip: LiteDRAM's, started by our sequencer, with the face of our controller for SDRAM."""

from collections.abc import Mapping
from typing import Any

from amaranth.hdl import ClockSignal, Instance, Module, ResetSignal
from amaranth.lib import data, stream, wiring
from amaranth.lib.wiring import In, Out

from hw.memory.litedram.boards import Ddr3Memory
from hw.memory.litedram.bursts import BurstPort
from hw.memory.litedram.core import MODULE, Core
from hw.memory.litedram.sequencer import SETTINGS, StartSequencer
from hw.memory.sdram import request_layout


class Ddr3Controller(wiring.Component):
    """Reads and writes beats in the order of the requests, a beat per cycle within a page, once the chip is started.

    Until then it takes no request: the start lasts 0.7 ms, and levelling its lanes as long again or less.

    Parameters
    ----------
    ddr3
        Board's memory.
    core
        Generated for it; its module has to be added to the netlist.
    connections
        The module's other ports, as ``Instance`` takes them: clocks and pads, or what a simulation looks at.

    Members
    -------
    i : In(stream.Signature(request_layout(ddr3)))
    read_valid, read_data : Out(1), Out(data_bits)
        Beats read, in order. They do not wait: who asks keeps room for the answer.
    done, failed : Out(1), Out(1)
        Of the start.
    found : Out(data.ArrayLayout(SETTINGS, ddr3.lanes))
        By levelling.
    """

    def __init__(self, ddr3: Ddr3Memory, core: Core, connections: Mapping[str, Any]) -> None:
        self._ddr3, self._core, self._connections = ddr3, core, dict(connections)
        super().__init__(
            {
                "i": In(stream.Signature(request_layout(ddr3))),
                "read_valid": Out(1),
                "read_data": Out(ddr3.data_bits),
                "done": Out(1),
                "failed": Out(1),
                "found": Out(data.ArrayLayout(SETTINGS, ddr3.lanes)),
            }
        )

    def elaborate(self, platform: object) -> Module:
        """Requests pass when the chip is started."""
        m = Module()
        m.submodules.start = start = StartSequencer(self._ddr3, self._core)
        m.submodules.bursts = bursts = BurstPort(self._ddr3)
        native, registers = bursts.native, start.registers
        m.submodules.core = Instance(
            MODULE,
            i_sys_clk=ClockSignal(),
            i_sys_rst=ResetSignal(),
            i_csr_adr=registers.address,
            i_csr_we=registers.write,
            i_csr_dat_w=registers.value,
            o_csr_dat_r=registers.read,
            i_cmd_valid=native.cmd_valid,
            o_cmd_ready=native.cmd_ready,
            i_cmd_we=native.cmd_we,
            i_cmd_addr=native.cmd_addr,
            o_wdata_ready=native.wdata_ready,
            i_wdata_data=native.wdata_data,
            i_wdata_we=native.wdata_we,
            o_rdata_valid=native.rdata_valid,
            o_rdata_data=native.rdata_data,
            **self._connections,
        )
        m.d.comb += [
            bursts.i.valid.eq(self.i.valid & start.done),
            bursts.i.payload.eq(self.i.payload),
            self.i.ready.eq(bursts.i.ready & start.done),
            self.read_valid.eq(bursts.read_valid),
            self.read_data.eq(bursts.read_data),
            self.done.eq(start.done),
            self.failed.eq(start.failed),
            self.found.eq(start.found),
        ]
        return m
