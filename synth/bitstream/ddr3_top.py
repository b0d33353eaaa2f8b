"""The top level on boards with DDR3 memory: clocks and pins of a board behind a serial line."""

from fractions import Fraction
from typing import Any

from amaranth.hdl import ClockDomain, ClockSignal, Const, Instance, Module, Signal
from amaranth.lib import io, wiring
from amaranth.lib.cdc import ResetSynchronizer

from hw.board.parameters import BoardParameters
from hw.board.serial_board import SerialBoard
from hw.memory.litedram.boards import Ddr3Memory
from hw.memory.litedram.controller import Ddr3Controller, board_connections
from hw.memory.litedram.core import Purpose, core
from synth.bitstream.ddr3_pins import (
    BUSY,
    BUTTON,
    FAILED,
    HIGH,
    LAMP_NAMES,
    LAMPS,
    LOW,
    MEMORY,
    SERIAL,
    STARTED,
    Ddr3Board,
)
from synth.bitstream.pll import FIRST, VCO_MHZ, pll

SLOW, SLOW_DIVIDER = "CLKOS", 24
"""The PLL's output for the clock that starts the PHY, and its divider: 24 or 25 MHz."""


def chip_clock_dividers(oscillator_mhz: int, clock_mhz: float) -> tuple[int, int, int]:
    """Dividers of input, feedback and the PLL's own oscillator that make a clock twice as fast as ours."""
    ratio = Fraction(2 * clock_mhz) / oscillator_mhz
    return ratio.denominator, ratio.numerator, round(VCO_MHZ / (2 * clock_mhz))


class Ddr3Top(wiring.Component):
    """A board behind a serial line, on the pins of a board with DDR3 memory.

    The PLL makes the chip's clock and a slow one. The PHY is started in the slow one: meanwhile it stops the chip's
    clock and resets the divider by which ours is made from it, so that all pins' cells begin in step. The order of the
    cells is litex-boards' (``targets/gsd_orangecrab.py``, ``targets/lambdaconcept_ecpix5.py``). Our logic, and with it
    the start of the chip, is in reset until that is over.

    Parameters
    ----------
    parameters
        Of the board, with DDR3 memory.
    baud
        Of the serial line; the nearest that whole cycles make.
    board
        Pins and clocks.

    Attributes
    ----------
    modules
        Verilog of the controller, for the netlist.

    Raises
    ------
    DependencyError
        If LiteDRAM is missing.
    """

    def __init__(self, parameters: BoardParameters, baud: int, board: Ddr3Board) -> None:
        assert isinstance(parameters.memory, Ddr3Memory)
        self._parameters, self._memory, self._board = parameters, parameters.memory, board
        self._divisor = round(parameters.memory.clock_mhz * 1e6 / baud)
        self._core = core(parameters.memory, Purpose.BOARD)
        self.modules = self._core.verilog
        super().__init__({})

    def elaborate(self, platform: Any) -> Module:
        """Clocks, memory, link, lamps, and pins that are held at a level."""
        m = Module()
        platform.add_resources(self._board.resources(self._memory))
        stop, reset = Signal(name="sys2x_stop"), Signal(name="sys2x_reset")
        self._clocks(m, platform, stop, reset)
        pads = platform.request(MEMORY, 0, dir=dict.fromkeys(self._board.pads, "-"))
        connections = board_connections({name: getattr(pads, name).io for name in self._board.pads}, stop, reset)
        controller = Ddr3Controller(self._memory, self._core, connections)
        m.submodules.board = board = SerialBoard(self._parameters, controller, self._divisor)
        line = platform.request(SERIAL, 0, dir={"rx": "-", "tx": "-"})
        m.submodules.rx, m.submodules.tx = rx, tx = io.Buffer("i", line.rx), io.Buffer("o", line.tx)
        m.d.comb += [board.rx.eq(rx.i), tx.o.eq(board.tx)]
        lamps = platform.request(LAMPS, 0, dir=dict.fromkeys(LAMP_NAMES, "-"))
        for name, value in ((STARTED, board.done), (FAILED, board.failed), (BUSY, board.busy)):
            m.submodules[f"lamp_{name}"] = lamp = io.Buffer("o", getattr(lamps, name))
            m.d.comb += lamp.o.eq(value)
        self._hold(m, platform)
        return m

    def _hold(self, m: Module, platform: Any) -> None:
        for name, groups, level in ((HIGH, self._board.high, 1), (LOW, self._board.low, 0)):
            for number in range(len(groups)):
                m.submodules[f"{name}_{number}"] = held = io.Buffer("o", platform.request(name, number, dir="-"))
                m.d.comb += held.o.eq(Const(level).replicate(len(held.o)))

    def _clocks(self, m: Module, platform: Any, stop: Signal, reset: Signal) -> None:
        """``sys2x`` is the chip's, ``sync`` ours, ``init`` the slow one."""
        m.submodules.oscillator = oscillator = io.Buffer("i", platform.request(self._board.oscillator, 0, dir="-"))
        before, feedback, divider = chip_clock_dividers(self._board.oscillator_mhz, self._memory.clock_mhz)
        made = pll(oscillator.i, before, feedback, {FIRST: divider, SLOW: SLOW_DIVIDER})
        m.submodules.pll = made.cell
        button = Signal()
        if self._board.button:
            m.submodules.button = pressed = io.Buffer("i", platform.request(BUTTON, 0, dir="-"))
            m.d.comb += button.eq(pressed.i)
        edge = made.clocks[FIRST]
        if self._board.bridge:
            edge = Signal(name="bridged_clock")
            m.submodules.bridge = Instance("ECLKBRIDGECS", i_CLK0=made.clocks[FIRST], i_SEL=Const(0), o_ECSOUT=edge)
        chip_clock, ours = Signal(name="chip_clock"), Signal(name="our_clock")
        m.submodules.stopped = Instance("ECLKSYNCB", i_ECLKI=edge, i_STOP=stop, o_ECLKO=chip_clock)
        m.submodules.halved = Instance(
            "CLKDIVF", p_DIV="2.0", i_CLKI=chip_clock, i_RST=reset, i_ALIGNWD=Const(0), o_CDIVX=ours
        )
        m.domains += [ClockDomain("sync"), ClockDomain("init"), ClockDomain("sys2x", reset_less=True)]
        m.d.comb += [
            ClockSignal().eq(ours),
            ClockSignal("sys2x").eq(chip_clock),
            ClockSignal("init").eq(made.clocks[SLOW]),
        ]
        m.submodules.init_reset = ResetSynchronizer(~made.locked | button, domain="init")
        m.submodules.reset = ResetSynchronizer(~made.locked | button | reset, domain="sync")
