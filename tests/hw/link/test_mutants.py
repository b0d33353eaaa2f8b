"""Seeded faults: random packets find every one of them."""

from pathlib import Path

from tests.hw.link.directed import check_repeat_at_work, check_requests_without_a_pause
from tests.hw.link.fuzz import fuzz
from tests.hw.link.mutants import MUTANTS, build_mutants, open_mutant
from tests.hw.mutant_tests import MutantTests


class TestLink(MutantTests):
    MUTANTS = MUTANTS
    build = staticmethod(build_mutants)

    @staticmethod
    def check(library: Path, number: int) -> None:
        line = open_mutant(library, number)
        try:
            fuzz(line, packets=4_000, seed=6)
            check_repeat_at_work(line)
            check_requests_without_a_pause(line)
        finally:
            line.close()
