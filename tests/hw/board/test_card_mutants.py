"""Seeded faults: two loadings, and requests during the first, find every one of them."""

from pathlib import Path

from tests.hw.board.card_mutants import MUTANTS, build_mutants, open_mutant
from tests.hw.board.slots import check_loading, check_refusals
from tests.hw.mutant_tests import MutantTests


class TestCardSlot(MutantTests):
    MUTANTS = MUTANTS
    build = staticmethod(build_mutants)

    @staticmethod
    def check(library: Path, number: int) -> None:
        board = open_mutant(library, number)
        try:
            check_refusals(board)
            check_loading(board)
            assert board.broken_card_rules == 0
        finally:
            board.close()
