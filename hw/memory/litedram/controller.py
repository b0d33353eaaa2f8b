"""Controller of a DDR3 chip: LiteDRAM's, started by our sequencer, with the face of our controller for SDRAM."""

from collections.abc import Mapping
from typing import Any

from amaranth.hdl import ClockSignal, Const, Instance, IOPort, Module, ResetSignal, Signal
from amaranth.lib import data, stream, wiring
from amaranth.lib.wiring import In, Out

from hw.memory.litedram.boards import Ddr3Memory
from hw.memory.litedram.bursts import BurstPort
from hw.memory.litedram.core import LANE, MODULE, Core
from hw.memory.litedram.sequencer import SETTINGS, StartSequencer
from hw.memory.sdram import request_layout

LANE_WINDOW, LANE_BITSLIP = (2, 5), 1
"""At which delays, and at which bitslip, the lanes of a simulated board read right: the middle of what there is."""


class Ddr3Controller(wiring.Component):
    """Reads and writes beats in the order of the requests, a beat per cycle within a page, once the chip is started.

    Until then it takes no request: the start lasts 0.7 ms, and levelling its lanes as long again or less.

    Parameters
    ----------
    ddr3
        Board's memory.
    core
        Generated for it.
    connections
        The module's other ports, as ``Instance`` takes them: clocks and pads, or what a simulation looks at.

    Attributes
    ----------
    modules
        Verilog of the module that it has an instance of.

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
        self.modules = core.verilog
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


def modelled_lanes(ddr3: Ddr3Memory) -> dict[str, Const]:
    """Connections of a core with a model, whose lanes all read right in the same window and detect bursts."""
    first, last = LANE_WINDOW
    told = {"first": first, "last": last, "bitslip": LANE_BITSLIP, "detects": 1}
    return {
        f"i_lane_{name}_{lane}": Const(value, LANE[name]) for lane in range(ddr3.lanes) for name, value in told.items()
    }


def board_connections(pads: Mapping[str, IOPort], stop: Signal, reset: Signal) -> dict[str, Any]:
    """Connections of a core with the PHY.

    Parameters
    ----------
    pads
        Name, as LiteDRAM has it → pad.
    stop, reset
        Driven by the PHY while it starts: the clock of the domain ``sys2x`` has to stand still, and what divides it
        has to be reset. The domain ``init`` is a slow clock that runs meanwhile.
    """
    return {
        "i_sys2x_clk": ClockSignal("sys2x"),
        "i_init_clk": ClockSignal("init"),
        "i_init_rst": ResetSignal("init"),
        "o_sys2x_stop": stop,
        "o_sys2x_reset": reset,
        **{f"io_ddram_{name}": pad for name, pad in pads.items()},
    }
