"""Seeded faults: cards, good and bad, find every one of them."""

from pathlib import Path

from tests.hw.mutant_tests import MutantTests
from tests.hw.storage.cards import FAULTS, check_fault, check_good, check_wrong, wrong_cards
from tests.hw.storage.mutants import MUTANTS, build_mutants, open_mutant


class TestLoader(MutantTests):
    MUTANTS = MUTANTS
    build = staticmethod(build_mutants)

    @staticmethod
    def check(library: Path, number: int) -> None:
        simulation = open_mutant(library, number)
        try:
            for seed in range(4):
                check_good(simulation, 130 + seed, seed, taken_share=1 if seed else 0.01)
            for name in wrong_cards():
                check_wrong(simulation, name)
            for name in FAULTS:
                check_fault(simulation, name)
        finally:
            simulation.close()
