"""Seeded faults: starts and random runs find every one of them."""

from pathlib import Path

from hw.memory.litedram.boards import ORANGECRAB
from tests.hw.memory.litedram.mutants import MUTANTS, build_mutants, open_mutant
from tests.hw.memory.litedram.simulation import Lane
from tests.hw.memory.litedram.traffic import check
from tests.hw.mutant_tests import MutantTests

LANES = (Lane(2, 5, 1), Lane(1, 3, 2))


class TestDdr3(MutantTests):
    MUTANTS = MUTANTS
    build = staticmethod(build_mutants)

    @staticmethod
    def check(library: Path, number: int) -> None:
        """Against model and dictionary, once from before its start, and once with a lane that sees nothing."""
        for lanes, right in ((LANES, True), ((Lane(), Lane(detects=False)), False)):
            simulation = open_mutant(library, number, lanes)
            try:
                if right:
                    simulation.read(0, 2)  # waits for the start
                found = simulation.start()
                assert bool(found) == right
                if found:
                    assert simulation.cycles >= 700 * ORANGECRAB.clock_mhz
                    assert [settings["delay"] for settings in found] == [4, 2]
                    check(simulation, batches=8, runs=30, seed=4)
            finally:
                simulation.close()
