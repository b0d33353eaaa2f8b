"""LiteDRAM's model of a PHY with a chip, and what levelling needs beside it: lanes that read right at some settings."""

from typing import Any

from litedram.phy.dfi import Interface
from litedram.phy.model import SDRAM_VERBOSE_OFF, SDRAM_VERBOSE_STD, SDRAMPHYModel
from litex.soc.interconnect.csr import CSR, AutoCSR, CSRStatus, CSRStorage
from migen import Case, Cat, If, Module, Signal

from hw.memory.litedram.boards import Ddr3Memory
from hw.memory.litedram.core import LANE

CHECKED_ROWS = 2048
"""Rows of a bank that a model keeps which prints what is broken, so that it takes 64 MB; higher rows fall on these."""

_TRANSFERS = 8


class ModelPhy(Module, AutoCSR):
    """The face of LiteDRAM's PHY for the ECP5, over LiteDRAM's model.

    The model keeps what is written, answers after the ECP5's latencies, and may print a line for each rule of the chip
    that is broken. A lane reads inverted bits unless its delay is within its window, and the bits of earlier or later
    transfers unless its bitslip is right. A lane that detects bursts does so where the delay is at most a tap outside
    the window.

    Ports
    -----
    lane_first, lane_last : 3 bits per lane, in
        The window: its least and greatest delay.
    lane_bitslip : 2 bits per lane, in
        The right one.
    lane_detects : 1 bit per lane, in
    dfi_control : 2 bits, out
        Clock enable and reset of the chip; a reset is 0.
    dfi_command : 4 bits per phase, out
        Write, column, row and select pin, lowest bit first; 0 when active.
    dfi_bank, dfi_address : 4 and 16 bits per phase, out

    Parameters
    ----------
    memory
        What is simulated.
    chip
        LiteDRAM's record of the chip, with as many rows as are kept.
    settings
        Of the PHY for the ECP5.
    frequency
        Of our clock, in hertz.
    checks
        Whether lines are printed.
    """

    def __init__(self, memory: Ddr3Memory, chip: Any, settings: Any, frequency: float, checks: bool) -> None:
        self.settings, self.addressbits = settings, memory.row_bits
        self._dly_sel = CSRStorage(memory.lanes)
        self._rdly_dq_rst = CSR()  # one a line: their names are read from the code
        self._rdly_dq_inc = CSR()
        self._rdly_dq_bitslip_rst = CSR()
        self._rdly_dq_bitslip = CSR()
        self._burstdet_clr = CSR()
        self._burstdet_seen = CSRStatus(memory.lanes)
        verbosity = SDRAM_VERBOSE_STD if checks else SDRAM_VERBOSE_OFF
        self.submodules.model = model = SDRAMPHYModel(chip, settings, clk_freq=frequency, verbosity=verbosity)
        self.dfi = dfi = Interface(memory.row_bits, memory.BANK_BITS, 1, settings.dfi_databits, settings.nphases)
        self.comb += dfi.connect(model.dfi, omit={"rddata", "rddata_valid"})
        # LiteDRAM's model says in its first phase only that data is there
        self.comb += [phase.rddata_valid.eq(model.dfi.p0.rddata_valid) for phase in dfi.phases]
        self.ios: set[Signal] = set()
        self._show()
        lanes = [self._read(lane, memory.lanes) for lane in range(memory.lanes)]
        for number, phase in enumerate(dfi.phases):
            transfers = range(_TRANSFERS // 2 * number, _TRANSFERS // 2 * (number + 1))
            self.comb += phase.rddata.eq(Cat(*(lane[transfer] for transfer in transfers for lane in lanes)))

    def _show(self) -> None:
        phases = self.dfi.phases
        shown = {
            "dfi_control": Cat(phases[0].cke, phases[0].reset_n),
            "dfi_command": Cat(*(Cat(each.we_n, each.cas_n, each.ras_n, each.cs_n) for each in phases)),
            "dfi_bank": Cat(*(Cat(each.bank, Signal(4 - len(each.bank))) for each in phases)),
            "dfi_address": Cat(*(Cat(each.address, Signal(16 - len(each.address))) for each in phases)),
        }
        for name, value in shown.items():
            outer = Signal(len(value), name=name)
            self.comb += outer.eq(value)
            self.ios.add(outer)

    def _read(self, lane: int, lanes: int) -> list[Any]:
        """A lane's delay and bitslip, set as in the PHY, and what it makes of the model's bits: a byte per transfer."""
        delay, bitslip = Signal(3), Signal(2)
        first, last, right, detects = (Signal(width, name=f"lane_{name}_{lane}") for name, width in LANE.items())
        self.ios |= {first, last, right, detects}
        chosen = self._dly_sel.storage[lane]
        self.sync += [
            If(chosen & self._rdly_dq_inc.re, delay.eq(delay + 1)),
            If(chosen & self._rdly_dq_rst.re, delay.eq(0)),
            If(chosen & self._rdly_dq_bitslip.re, bitslip.eq(bitslip + 1)),
            If(chosen & self._rdly_dq_bitslip_rst.re, bitslip.eq(0)),
            If(detects & self.dfi.p0.rddata_valid & (delay + 1 >= first) & (delay <= last + 1),
                self._burstdet_seen.status[lane].eq(1)),
            If(self._burstdet_clr.re, self._burstdet_seen.status[lane].eq(0)),
        ]  # fmt: skip
        its = Cat(*(phase.rddata for phase in self.model.dfi.phases))
        places = [8 * (lanes * transfer + lane) for transfer in range(_TRANSFERS)]
        octets = [its[place : place + 8] for place in places]
        chosen_octets = [Signal(8) for _ in range(_TRANSFERS)]
        cases = {}
        for slip in range(4):
            for wanted in range(4):
                moved = [transfer + slip - wanted for transfer in range(_TRANSFERS)]
                cases[slip + 4 * wanted] = [
                    octet.eq(octets[place] if 0 <= place < _TRANSFERS else 0)
                    for octet, place in zip(chosen_octets, moved, strict=True)
                ]
        self.comb += Case(Cat(bitslip, right), cases)
        inverted = Signal(8)
        self.comb += If((delay < first) | (delay > last), inverted.eq(0xFF))
        return [octet ^ inverted for octet in chosen_octets]
