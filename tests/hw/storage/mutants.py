"""Faults of the card's loader, all in one build."""

from pathlib import Path

from tests.hw.storage.simulation import CARD_MHZ, CLOCK_MHZ, MEMORY_WORDS, CardSimulation, build
from tests.hw.switched_mutants import Mutant, switch, switch_on, switched_verilog

MUTANTS = (
    Mutant("spi.py", "Cat(arrived, bits[:-1])", "Cat(bits[1:], arrived)"),
    Mutant("spi.py", "(halves == 0) & ~self.o.valid", "halves == 0"),
    Mutant("spi.py", "Mux(self.fast, self._fast - 1, self._slow - 1)", "self._fast - 1"),
    Mutant("spi.py", "halves == 1", "halves == 2"),
    Mutant("card.py", "step >= COMMANDS.index(REGISTER)", "step >= COMMANDS.index(START)"),
    Mutant("card.py", "count == FIRST_CLOCK_BYTES - 1", "count == FIRST_CLOCK_BYTES - 3"),
    Mutant("card.py", "left - (left != 0)", "Const(0)"),
    Mutant("card.py", "(step == COMMANDS.index(STOP)) & (count == 0)", "Const(0)"),
    Mutant("card.py", "count == ANSWER_BYTES - 1", "count == ANSWER_BYTES - 4"),
    Mutant("card.py", "Cat(octet, tail[:-8])", "Cat(tail[8:], octet)"),
    Mutant("card.py", "count == TAIL_BYTES - 1", "count == TAIL_BYTES - 2"),
    Mutant("card.py", "first == _of_commands(step, wanted)", "first[2:] == 0"),
    Mutant("card.py", "tail[:12] != VOLTAGE_CHECK", "Const(0)"),
    Mutant("card.py", "~tail[-1]", "Const(0)"),
    Mutant("card.py", "step - START.back", "step"),
    Mutant("card.py", "(left == 0) & (step == 0)", "Const(0)"),
    Mutant("card.py", "came & (octet == _ONES)", "came"),
    Mutant("card.py", "came & (octet != _ONES)", "Const(0)"),
    Mutant("card.py", "Cat(word[8:], octet)", "Cat(octet, word[:-8])"),
    Mutant("card.py", "count[:2] == 3", "count[:2] == 2"),
    Mutant("card.py", "count == BLOCK_BYTES + 1", "count == BLOCK_BYTES"),
    Mutant("card.py", "~check.match_detected", "Const(0)"),
    Mutant("loader.py", "bad | (left == 0)", "left == 0"),
    Mutant("loader.py", "card.o.valid & (left != 0)", "card.o.valid"),
    Mutant("loader.py", "self.o.ready | (left == 0)", "self.o.ready"),
    Mutant("loader.py", "self.o.ready | (left == 0)", "Const(1)"),
    Mutant("loader.py", "self.words + 1", "self.words"),
    Mutant("loader.py", "check.crc != expected", "Const(0)"),
    Mutant("loader.py", "card.error != CardError.NONE", "Const(0)"),
    Mutant("loader.py", "word != MAGIC", "Const(0)"),
    Mutant("loader.py", "word != VERSION", "Const(0)"),
    Mutant("loader.py", "word != check.crc", "Const(0)"),
    Mutant("loader.py", "(word == 0) | (word > self._memory_words)", "word > self._memory_words"),
    Mutant("loader.py", "(word == 0) | (word > self._memory_words)", "word == 0"),
    Mutant("loader.py", "(word == 0) | (word > self._memory_words)", "(word == 0) | (word[:16] > self._memory_words)"),
)
"""Number 0 of a build is the loader without a fault, number k has mutant k - 1."""


def build_mutants(folder: Path) -> Path:
    """Compile a loader that contains every mutant; returns the library.

    Raises
    ------
    ValueError
        If the text of a mutant does not occur once in its file.
    """

    def verilog() -> str:
        imports = "from hw.storage.loader import ImageLoader"
        unit = f"ImageLoader({CLOCK_MHZ}, {MEMORY_WORDS}, {CARD_MHZ})"
        return switched_verilog(MUTANTS, "storage", imports, unit, folder)

    return build(verilog, switch(MUTANTS, "static_cast<Simulation *>(handle)->unit"))


def open_mutant(library: Path, number: int) -> CardSimulation:
    """A simulation with a mutant switched on."""
    simulation = CardSimulation(library)
    switch_on(library, simulation.handle, number)
    return simulation
