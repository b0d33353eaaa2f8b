"""Faults to seed into a board's card slot, all in one build."""

from pathlib import Path

from sw_runtime.device.simulator.board import BoardSimulator
from sw_runtime.device.simulator.build import build_library
from sw_runtime.device.simulator.build_boards import BOARD_HARNESS, harness_defines
from tests.hw.board.slots import BOARD
from tests.hw.switched_mutants import Mutant, switch, switch_on, switched_verilog

MUTANTS = (
    Mutant("card.py", "ended | loader.done", "Const(0)"),
    Mutant("card.py", "Mux(ended, Loading.ENDED, Loading.NEVER)", "Const(Loading.ENDED)"),
    Mutant("card.py", "place + 1", "place + 3"),
    Mutant("board.py", "card.loading & (opcode in NEEDS_MEMORY)", "Const(0)"),
    Mutant("board.py", "card.loading & (opcode in NEEDS_MEMORY)", "card.loading"),
    Mutant("board.py", "parts.card.loading", "Const(0)"),
    Mutant("board.py", "parts.collector.complete", "Const(1)"),
    Mutant("board.py", "collector.opcode == Opcode.CARD_STATUS", "Const(0)"),
    Mutant("board.py", "card.write_start", "Const(0)"),
    Mutant("board.py", "card.write_flush", "Const(0)"),
)
"""Number 0 of a build is the board without a fault, number k has mutant k - 1."""

_IMPORTS = """
from hw.board.board import Board
from hw.board.parameters import BoardParameters
from hw.memory.chips import Sdram, SdramChip
from hw.memory.sdram import SdramController
from formats.engine import EngineParameters
"""


def build_mutants(folder: Path) -> Path:
    """Compile a board that contains every mutant; returns the library.

    Raises
    ------
    ValueError
        If the text of a mutant does not occur once in its file.
    """
    harness = folder / "harness.cpp"
    switched = switch(MUTANTS, "static_cast<BoardSimulation *>(handle)->simulation.unit")
    harness.write_text(f'#include "{BOARD_HARNESS}"\n{switched}')

    def verilog() -> str:
        unit = f"Board({BOARD!r}, SdramController({BOARD.memory!r}))"
        return switched_verilog(MUTANTS, "board", _IMPORTS, unit, folder)

    return build_library(verilog, (BOARD,), harness, "mutants of a board's card slot", harness_defines(BOARD))


def open_mutant(library: Path, number: int) -> BoardSimulator:
    """A board at power-up with one of the faults."""
    opened = BoardSimulator(library, BOARD)
    switch_on(library, opened._handle, number)
    return opened
