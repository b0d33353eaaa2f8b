"""LiteDRAM's controller as Verilog, made from its package."""

from dataclasses import dataclass
from enum import Enum
from importlib import import_module
from typing import cast

from formats.errors import DependencyError
from hw.memory.litedram.boards import Ddr3Memory

MODULE = "litedram"
"""Name of the Verilog module."""

REGISTER_ADDRESS_BITS = 10
"""Of the bus of 32-bit registers: two pages of 512, the PHY's and the controller's."""


BITSLIPS, DELAYS = 4, 8
"""Settings that levelling chooses from, at LiteDRAM's PHY for the ECP5."""

LANE = {"first": 3, "last": 3, "bitslip": 2, "detects": 1}
"""What a lane of the model is told, and its bits."""


class Purpose(Enum):
    """What a core is generated for.

    ``BOARD``: with the PHY for the ECP5. ``SIMULATION``: with a model of PHY and chip, the whole chip. ``CHECKS``: with
    the same model of fewer rows, which prints a line for each rule of the chip that is broken.
    """

    BOARD = "board"
    SIMULATION = "simulation"
    CHECKS = "checks"


@dataclass(frozen=True)
class Step:
    """One step of the chip's start.

    Parameters
    ----------
    control
        What the control register is set to; None for a command.
    command, bank, address
        Of a command in the first half of our cycle.
    """

    control: int | None
    command: int
    bank: int
    address: int


@dataclass(frozen=True)
class Core:
    """A controller that was generated.

    Parameters
    ----------
    verilog
        Text of the module ``MODULE``.
    registers
        Name → address on the bus of registers. A register of 64 bits has the names ``…1`` and ``…0``.
    start
        The chip's start as LiteDRAM knows it: reset, clock enable, mode registers, calibration of its drivers.
    read_phase, write_phase
        In which half of our cycle reads and writes are given.
    """

    verilog: str
    registers: dict[str, int]
    start: tuple[Step, ...]
    read_phase: int
    write_phase: int


def core(memory: Ddr3Memory, purpose: Purpose) -> Core:
    """Generate the controller of a memory, the same text every time.

    The module has the clock ``sys_clk`` with ``sys_rst``, the bus ``csr_adr``, ``csr_we``, ``csr_dat_w``,
    ``csr_dat_r``, and the native port ``cmd_…``, ``wdata_…``, ``rdata_…``. For a board it also has the clocks
    and pads of ``generate.py``, for a simulation what ``phy_model.py`` shows and asks for.

    Parameters
    ----------
    memory
        What it is for.
    purpose
        What is behind the controller.

    Raises
    ------
    DependencyError
        If LiteDRAM is missing.
    """
    try:
        generate = import_module("hw.memory.litedram.generate").generate
    except ModuleNotFoundError as missing:
        raise DependencyError(f"{missing.name} is missing; pip install 'seedloom[synth]'") from None
    return cast(Core, generate(memory, purpose))
