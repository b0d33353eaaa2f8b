"""The module that is generated, in Migen, LiteDRAM's own language. Needs packages of the extra ``synth``."""

import re
from typing import Any

from litedram import modules
from litedram.core import LiteDRAMCore
from litedram.core.controller import ControllerSettings
from litedram.init import get_sdram_phy_init_sequence
from litedram.phy import ECP5DDRPHY
from litex.gen.fhdl.verilog import convert
from litex.soc.interconnect import csr_bus
from migen import ClockDomain, Instance, Module, Signal
from migen.fhdl.specials import Tristate
from migen.fhdl.structure import DUID

from hw.memory.litedram.boards import Ddr3Memory
from hw.memory.litedram.core import MODULE, REGISTER_ADDRESS_BITS, Core, Purpose, Step
from hw.memory.litedram.phy_model import CHECKED_ROWS, ModelPhy

PAGES = {"phy": 0, "core": 1}
"""Of the bus of registers."""

_COMMANDS = {"CS": 1, "WE": 2, "CAS": 4, "RAS": 8}
_CONTROLS = {"CKE": 2, "ODT": 4, "RESET_N": 8}

OUTPUTS = ("clk_p", "cke", "odt", "ras_n", "cas_n", "we_n", "ba", "a", "dm")
OPTIONAL_OUTPUTS = ("cs_n", "reset_n")
"""Pads that some boards tie."""


class Pads:
    """Signals by the names that the PHY knows."""

    def __init__(self, memory: Ddr3Memory) -> None:
        widths = {"a": memory.row_bits, "ba": memory.BANK_BITS, "dm": memory.lanes}
        names = (*OUTPUTS, *(OPTIONAL_OUTPUTS if memory.select_and_reset else ()))
        for name in names:
            setattr(self, name, Signal(widths.get(name, 1), name=f"{name}_register"))
        self.dq = Signal(memory.CHIP_BITS, name="ddram_dq")
        self.dqs_p = Signal(memory.lanes, name="ddram_dqs_p")
        self.outputs = {name: Signal(widths.get(name, 1), name=f"ddram_{name}") for name in names}

    def drive(self) -> list[Instance]:
        """An output cell between each register and its pad."""
        return [
            Instance("TRELLIS_IO", p_DIR="OUTPUT", i_I=getattr(self, name)[bit], o_B=pad[bit])
            for name, pad in self.outputs.items()
            for bit in range(len(pad))
        ]


class _TristateCell:
    """The cell of a pad that is driven and read; LiteX's own calls the pad an input."""

    @staticmethod
    def lower(pad: Any) -> Module:
        made = Module()
        made.specials += Instance("TRELLIS_IO", p_DIR="BIDIR", io_B=pad.target, i_I=pad.o, i_T=~pad.oe, o_O=pad.i)
        return made


class _Top(Module):
    """Controller, PHY, registers, and one native port, all with the names of ``core``."""

    def __init__(self, memory: Ddr3Memory, purpose: Purpose) -> None:
        frequency = memory.clock_mhz * 1e6
        self.clock_domains.cd_sys = ClockDomain("sys")
        self.ios = {self.cd_sys.clk, self.cd_sys.rst}
        pads = Pads(memory)
        board_phy = ECP5DDRPHY(pads, sys_clk_freq=frequency, cmd_delay=memory.command_delay)
        board_phy.settings.rtt_nom = memory.termination
        self.chip = chip(memory)
        self.settings = board_phy.settings
        if purpose is Purpose.BOARD:
            self.submodules.phy = board_phy
            self._connect_board(board_phy, pads)
        else:
            checks = purpose is Purpose.CHECKS
            its = chip(memory, CHECKED_ROWS if checks else None)
            self.submodules.phy = phy = ModelPhy(memory, its, self.settings, frequency, checks)
            self.ios |= phy.ios
        self.submodules.core = core = LiteDRAMCore(
            self.phy,
            self.chip.geom_settings,
            self.chip.timing_settings,
            frequency,
            controller_settings=ControllerSettings(),
        )
        self._connect_port(core.crossbar.get_port())
        self._connect_registers()

    def _connect_board(self, phy: Any, pads: Pads) -> None:
        """Clocks: ``sys2x`` is the chip's, ``init`` a slow one that starts the PHY, which may stop ``sys2x``."""
        self.clock_domains.cd_sys2x = ClockDomain("sys2x", reset_less=True)
        self.clock_domains.cd_init = ClockDomain("init")
        stop, reset = Signal(name="sys2x_stop"), Signal(name="sys2x_reset")
        self.comb += [stop.eq(phy.init.stop), reset.eq(phy.init.reset)]
        self.specials += pads.drive()
        self.ios |= {self.cd_sys2x.clk, self.cd_init.clk, self.cd_init.rst, stop, reset}
        self.ios |= {pads.dq, pads.dqs_p, *pads.outputs.values()}

    def _connect_port(self, port: Any) -> None:
        inputs = {
            "cmd_valid": port.cmd.valid,
            "cmd_we": port.cmd.we,
            "cmd_addr": port.cmd.addr,
            "wdata_data": port.wdata.data,
            "wdata_we": port.wdata.we,
        }
        outputs = {
            "cmd_ready": port.cmd.ready,
            "wdata_ready": port.wdata.ready,
            "rdata_valid": port.rdata.valid,
            "rdata_data": port.rdata.data,
        }
        self._expose(inputs, outputs)
        self.comb += port.wdata.valid.eq(1)

    def _connect_registers(self) -> None:
        width = {"data_width": 32, "address_width": REGISTER_ADDRESS_BITS, "alignment": 32}
        self.submodules.banks = banks = csr_bus.CSRBankArray(self, lambda name, memory: PAGES[name], **width)
        bus = csr_bus.Interface(**width)
        self.submodules.interconnect = csr_bus.Interconnect(bus, banks.get_buses())
        self.comb += bus.re.eq(0)
        self._expose({"csr_adr": bus.adr, "csr_we": bus.we, "csr_dat_w": bus.dat_w}, {"csr_dat_r": bus.dat_r})
        self.registers = {
            register.name: (page << REGISTER_ADDRESS_BITS - 1) + place
            for _, _, page, bank in banks.banks
            for place, register in enumerate(bank.simple_csrs)
        }

    def _expose(self, inputs: dict[str, Signal], outputs: dict[str, Signal]) -> None:
        for name, inner in inputs.items():
            outer = Signal(len(inner), name=name)
            self.comb += inner.eq(outer)
            self.ios.add(outer)
        for name, inner in outputs.items():
            outer = Signal(len(inner), name=name)
            self.comb += outer.eq(inner)
            self.ios.add(outer)


def chip(memory: Ddr3Memory, rows: int | None = None) -> Any:
    """LiteDRAM's record of the chip for the memory's clock, or of one with other rows.

    Its refresh time is put into nanoseconds. LiteDRAM has it in clocks of the chip's fastest grade, and takes as many
    of the slower clock: at 48 MHz a chip that needs 160 ns would rest for 1,333 ns of every 7,813.
    """
    known = getattr(modules, memory.chip)
    grade = known.speedgrade_timings["1600"]
    mended = modules._SpeedgradeTimings(
        tRP=grade.tRP, tRCD=grade.tRCD, tWR=grade.tWR, tRFC=(None, memory.t_rfc_ns), tFAW=grade.tFAW, tRAS=grade.tRAS
    )
    changed = {"speedgrade_timings": {"1600": mended, "default": mended}, "nrows": rows or known.nrows}
    made = type(memory.chip, (known,), changed)
    return made(memory.clock_mhz * 1e6, "1:2")


def generate(memory: Ddr3Memory, purpose: Purpose) -> Core:
    """As ``core`` says."""
    DUID._DUID__next_uid = 0  # the order of Migen's sets follows numbers that count on from one module to the next
    top = _Top(memory, purpose)
    sequence, _ = get_sdram_phy_init_sequence(top.settings, top.chip.timing_settings)
    text = convert(top, top.ios, name=MODULE, special_overrides={Tristate: _TristateCell}, regular_comb=False)
    return Core(
        # the head has the date, and Amaranth's Verilog no unit of time
        verilog=re.sub(r"^(//|`timescale).*\n", "", str(text), flags=re.MULTILINE),
        registers=top.registers,
        start=tuple(_step(*step) for step in sequence),
        read_phase=top.settings.rdphase,
        write_phase=top.settings.wrphase,
    )


def _step(_comment: str, address: int, bank: int, flags: str, _delay: int) -> Step:
    """A step of LiteDRAM's list; its delays are turns of a loop on a CPU and say nothing of time."""
    names = flags.split("|")
    if names[0].startswith("DFII_CONTROL_"):
        return Step(sum(_CONTROLS[name.removeprefix("DFII_CONTROL_")] for name in names), 0, 0, 0)
    return Step(None, sum(_COMMANDS[name.removeprefix("DFII_COMMAND_")] for name in names), bank, address)
