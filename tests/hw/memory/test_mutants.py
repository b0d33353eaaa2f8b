"""Seeded faults: random runs and words find every one of them."""

from functools import cache
from pathlib import Path

from hw.memory.chips import W9825G6KH_6
from tests.hw.memory.mutants import MUTANTS, build_mutants, open_mutant
from tests.hw.memory.traffic import Batch, batches, check, check_words
from tests.hw.mutant_tests import MutantTests


@cache
def traffic() -> list[Batch]:
    return batches(W9825G6KH_6, count=8, runs=30, seed=6)


class TestMemory(MutantTests):
    MUTANTS = MUTANTS
    build = staticmethod(build_mutants)

    @staticmethod
    def check(library: Path, number: int) -> None:
        simulation = open_mutant(library, number)
        try:
            check_words(simulation)  # before anything is written
            check(simulation, traffic())
        finally:
            simulation.close()
