"""Kinds of memory that boards have, and their controllers as a simulation needs them."""

from hw.memory.chips import Sdram
from hw.memory.litedram.boards import Ddr3Memory
from hw.memory.litedram.controller import Ddr3Controller, modelled_lanes
from hw.memory.litedram.core import Purpose, core
from hw.memory.sdram import SdramController

MemoryKind = Sdram | Ddr3Memory


def simulated_controller(memory: MemoryKind) -> SdramController | Ddr3Controller:
    """The controller of a memory, for a board that is simulated.

    An SDRAM chip is for the simulator to play, on the controller's pins. A DDR3 chip is played by LiteDRAM's model
    inside of the controller.

    Raises
    ------
    DependencyError
        If LiteDRAM is missing.
    """
    if isinstance(memory, Sdram):
        return SdramController(memory)
    return Ddr3Controller(memory, core(memory, Purpose.SIMULATION), modelled_lanes(memory))
