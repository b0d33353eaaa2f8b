"""Faults to seed into a board's card slot, all in one build."""

from pathlib import Path

from tests.hw.board.mutants import build_board_mutants
from tests.hw.board.slots import BOARD
from tests.hw.switched_mutants import Mutant

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


def build_mutants(folder: Path) -> Path:
    """Compile a board that contains every mutant; returns the library.

    Raises
    ------
    ValueError
        If the text of a mutant does not occur once in its file.
    """
    return build_board_mutants(MUTANTS, "board", BOARD, "mutants of a board's card slot", folder)
