"""A DDR3 controller over LiteDRAM's model of a PHY and a chip, behind the port that every memory has."""

from amaranth.hdl import Module
from amaranth.lib import stream, wiring
from amaranth.lib.wiring import In, Out, connect, flipped

from hw.memory.litedram.boards import Ddr3Memory
from hw.memory.litedram.controller import Ddr3Controller
from hw.memory.litedram.core import LANE, Core
from hw.memory.litedram.sequencer import SETTINGS
from hw.memory.port import MemoryPort, run_layout

DEPTH = 64
"""Beats that the port keeps or has asked for."""

SHOWN = {"control": 2, "command": 8, "bank": 8, "address": 32}
"""What the chip sees, and its bits."""


class Ddr3Subject(wiring.Component):
    """Port and controller.

    Parameters
    ----------
    ddr3, core
        The memory, and the core with its model.
    port_bytes
        Of the port.
    """

    def __init__(self, ddr3: Ddr3Memory, core: Core, port_bytes: int) -> None:
        self._ddr3, self._core, self._port_bytes = ddr3, core, port_bytes
        super().__init__(
            {
                "i_run": In(stream.Signature(run_layout(ddr3, port_bytes))),
                "i": In(stream.Signature(8 * port_bytes)),
                "o": Out(stream.Signature(8 * port_bytes)),
                **{f"lane_{name}_{lane}": In(bits) for name, bits in LANE.items() for lane in range(ddr3.lanes)},
                **{f"dfi_{name}": Out(bits) for name, bits in SHOWN.items()},
                "done": Out(1),
                "failed": Out(1),
                **{f"found_{lane}": Out(SETTINGS) for lane in range(ddr3.lanes)},
            }
        )

    def elaborate(self, platform: object) -> Module:
        m = Module()
        lanes = range(self._ddr3.lanes)
        told = {f"i_lane_{name}_{lane}": getattr(self, f"lane_{name}_{lane}") for name in LANE for lane in lanes}
        shown = {f"o_dfi_{name}": getattr(self, f"dfi_{name}") for name in SHOWN}
        m.submodules.controller = controller = Ddr3Controller(self._ddr3, self._core, {**told, **shown})
        m.submodules.port = port = MemoryPort(self._ddr3, self._port_bytes, DEPTH)
        connect(m, flipped(self.i_run), port.i_run)
        connect(m, flipped(self.i), port.i)
        connect(m, port.o, flipped(self.o))
        connect(m, port.request, controller.i)
        m.d.comb += [
            port.read_valid.eq(controller.read_valid),
            port.read_data.eq(controller.read_data),
            self.done.eq(controller.done),
            self.failed.eq(controller.failed),
        ]
        m.d.comb += [getattr(self, f"found_{lane}").eq(controller.found[lane]) for lane in lanes]
        return m
