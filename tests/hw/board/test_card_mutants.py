"""Seeded faults: two loadings, and requests during the first, find every one of them."""

from pathlib import Path

from tests.hw.board.card_mutants import MUTANTS, build_mutants
from tests.hw.board.mutants import open_mutant
from tests.hw.board.slots import BOARD, check_loading, check_refusals
from tests.hw.mutant_tests import MutantTests


class TestCardSlot(MutantTests):
    MUTANTS = MUTANTS
    build = staticmethod(build_mutants)

    @staticmethod
    def check(library: Path, number: int) -> None:
        board = open_mutant(library, number, 1, BOARD)
        try:
            check_refusals(board)
            check_loading(board)
            assert board.broken_card_rules == 0
        finally:
            board.close()
