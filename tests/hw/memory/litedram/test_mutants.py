"""Seeded faults: starts and random runs find every one of them."""

from pathlib import Path

import pytest

from hw.memory.litedram.boards import ORANGECRAB
from tests.hw.memory.litedram.mutants import MUTANTS, open_mutant
from tests.hw.memory.litedram.simulation import Lane
from tests.hw.memory.litedram.traffic import check

LANES = (Lane(2, 5, 1), Lane(1, 3, 2))


def run_mutant(library: Path, number: int) -> None:
    """Hold a mutant against model and dictionary, once from before its start, and once with a lane that sees nothing.

    Raises
    ------
    AssertionError
        If it is found.
    """
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


def test_the_build_without_a_fault_passes(library: Path) -> None:
    run_mutant(library, 0)


@pytest.mark.parametrize("number", range(1, len(MUTANTS) + 1), ids=lambda number: str(MUTANTS[number - 1]))
def test_a_fault_is_found(library: Path, number: int) -> None:
    with pytest.raises(AssertionError):
        run_mutant(library, number)
