"""Faults to seed into the memory, all in one build, and the switch that chooses one."""

from pathlib import Path

from tests.hw.memory.simulation import MemorySimulation, build
from tests.hw.switched_mutants import Mutant, switch, switch_on, switched_verilog

MUTANTS = (
    Mutant("sdram.py", "page.done & written.done", "page.done"),
    Mutant("sdram.py", "page.done & written.done", "written.done"),
    Mutant("sdram.py", "state.settle.done & state.refresh.done", "Const(0)"),
    Mutant("sdram.py", "state.settle.done & state.waiting", "state.waiting"),
    Mutant("sdram.py", "state.turn.done", "Const(1)"),
    Mutant("sdram.py", "step <= START_REFRESHES", "step < START_REFRESHES"),
    Mutant("sdram.py", "self._timing.cas_latency << 4", "3 << 4"),
    Mutant("sdram.py", "(~started).replicate(len(self.pins.dqm))", "-Const(1)"),
    Mutant("sdram.py", "address[column + bank :][:row]", "address[column + bank + 1 :][:row]"),
    Mutant("sdram.py", "~state.waiting | state.moves", "Const(1)"),
    Mutant("sdram.py", "self.i.payload.address[page] == state.request.address[page]", "Const(1)"),
    Mutant("sdram.py", "under_way[-1]", "under_way[-2]"),
    Mutant("port.py", "room_for_one | (part != 0)", "Const(1)"),
    Mutant("port.py", "run.beats == 1", "run.beats == 2"),
    Mutant("port.py", "run.address + 1", "run.address + 2"),
    Mutant("port.py", "~self.i_run.payload.follows", "Const(1)"),
    Mutant("port.py", "Cat(part, run.address)", "Cat(~part, run.address)"),
    Mutant("port.py", "active & run.write & self.request.ready & last_part", "active & self.request.ready & last_part"),
    Mutant("port.py", "joined[self._chip.data_bits :]", "joined[: -self._chip.data_bits]"),
    Mutant("port.py", "self.o.valid & self.o.ready", "self.o.valid"),
    Mutant("unpacker.py", "level >= word", "level > word"),
    Mutant("unpacker.py", "roomy & (~self.o.valid | self.o.ready) & ~self.clear", "Const(1)"),
    Mutant("unpacker.py", "held >> self._word_bits", "held >> (self._word_bits - 1)"),
    Mutant("unpacker.py", "level - word", "level - word + 1"),
    Mutant("skid_buffer.py", "level < len(places)", "Const(1)"),
    Mutant("skid_buffer.py", "emptying ^ given", "filling ^ given"),
    Mutant("skid_buffer.py", "filling == number", "emptying == number"),
    Mutant("words.py", "reading.words == taken", "reading.words == 0"),
    Mutant("words.py", "taken & last", "last"),
    Mutant("words.py", "~serves[position]", "Const(0)"),
)
"""Number 0 of a build is the memory without a fault, number k has mutant k - 1. Of rules, each by itself, see
``test_sdram.py``: there the chip asks for a cycle more."""

_IMPORTS = "from tests.hw.memory.subject import MemorySubject"


def build_mutants(folder: Path) -> Path:
    """Compile a subject without engine that contains every mutant; returns the library.

    Raises
    ------
    ValueError
        If the text of a mutant does not occur once in its file.
    """

    def verilog() -> str:
        return switched_verilog(MUTANTS, "memory", _IMPORTS, "MemorySubject(None)", folder)

    return build(folder, verilog, switch(MUTANTS, "static_cast<MemorySimulation *>(handle)->simulation.unit"))


def open_mutant(library: Path, number: int) -> MemorySimulation:
    """A simulation with a mutant switched on."""
    simulation = MemorySimulation(library)
    switch_on(library, simulation.handle, number)
    return simulation
