"""Faults to seed into the hardware around LiteDRAM, all in one build, and the switch that chooses one."""

import pickle
from collections.abc import Sequence
from pathlib import Path

from hw.memory.litedram.boards import ORANGECRAB
from hw.memory.litedram.core import Purpose, core
from tests.hw.memory.litedram.simulation import Ddr3Simulation, Lane, build
from tests.hw.switched_mutants import Mutant, switch, switch_on, switched_verilog

MUTANTS = (
    Mutant("bursts.py", "waiting & ~joinable & (~write | written.w_rdy)", "waiting & (~write | written.w_rdy)"),
    Mutant("bursts.py", "joinable & request.write & same & ~(filled & own).any()", "joinable & request.write"),
    Mutant("bursts.py", "read_open & ~request.write & same", "read_open & same"),
    Mutant("bursts.py", "request.write == 0", "Const(1)"),
    Mutant("bursts.py", "(filled & joins.replicate(count)) | own", "filled | own"),
    Mutant("bursts.py", "taken & write", "taken"),
    Mutant("bursts.py", "asked.r_rdy & (rest | came.r_rdy)", "asked.r_rdy & came.r_rdy"),
    Mutant("bursts.py", "Mux(rest, last, came.r_data)", "came.r_data"),
    Mutant("bursts.py", "answers & ~rest", "answers"),
    Mutant("executor.py", "Const(1) << self.lane", "Const(1)"),
    Mutant("executor.py", "left == 1", "Const(1)"),
    Mutant("executor.py", "(self.registers.read & own).any()", "Const(1)"),
    Mutant("executor.py", "~Cat(*octets).any()", "Const(1)"),
    Mutant("sequencer.py", "chosen & (bitslip != best.bitslip)", "Const(0)"),
    Mutant("sequencer.py", "chosen & (delay != best.delay)", "Const(0)"),
    Mutant("sequencer.py", "(best.window - 1) >> 1", "Const(0)"),
    Mutant("sequencer.py", "lane == self._lanes - 1", "Const(1)"),
    Mutant("controller.py", "bursts.i.ready & start.done", "bursts.i.ready"),
)
"""Number 0 of a build is the hardware without a fault, number k has mutant k - 1."""

_IMPORTS = """
import pickle
from hw.memory.litedram.boards import ORANGECRAB
from tests.hw.memory.litedram.simulation import PORT_BYTES
from tests.hw.memory.litedram.subject import Ddr3Subject
core = pickle.load(open("core", "rb"))
"""


def build_mutants(folder: Path) -> Path:
    """Compile a subject that contains every mutant; returns the library.

    Raises
    ------
    ValueError
        If the text of a mutant does not occur once in its file.
    """

    def verilog() -> str:
        made = core(ORANGECRAB, Purpose.CHECKS)
        (folder / "core").write_bytes(pickle.dumps(made))  # takes seconds to make: once is enough
        unit = "Ddr3Subject(ORANGECRAB, core, PORT_BYTES)"
        return switched_verilog(MUTANTS, "memory/litedram", _IMPORTS, unit, folder) + made.verilog

    return build(ORANGECRAB, folder, verilog, switch(MUTANTS, "static_cast<Ddr3Simulation *>(handle)->simulation.unit"))


def open_mutant(library: Path, number: int, lanes: Sequence[Lane]) -> Ddr3Simulation:
    """A simulation with a mutant switched on."""
    simulation = Ddr3Simulation(library, ORANGECRAB, lanes)
    switch_on(library, simulation.handle, number)
    return simulation
