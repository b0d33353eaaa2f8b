"""Seeded faults: random runs and words find every one of them."""

from pathlib import Path

import pytest

from hw.memory.chips import W9825G6KH_6
from tests.hw.memory.mutants import MUTANTS, build_mutants, open_mutant
from tests.hw.memory.traffic import Batch, batches, check, check_words


@pytest.fixture(scope="module")
def library(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return build_mutants(tmp_path_factory.mktemp("mutants"))


@pytest.fixture(scope="module")
def traffic() -> list[Batch]:
    return batches(W9825G6KH_6, count=8, runs=30, seed=6)


def run_mutant(library: Path, traffic: list[Batch], number: int) -> None:
    """Hold a mutant against chip and dictionary.

    Raises
    ------
    AssertionError
        If it is found.
    """
    simulation = open_mutant(library, number)
    try:
        check_words(simulation)  # before anything is written
        check(simulation, traffic)
    finally:
        simulation.close()


def test_the_build_without_a_fault_passes(library: Path, traffic: list[Batch]) -> None:
    run_mutant(library, traffic, 0)


@pytest.mark.parametrize("number", range(1, len(MUTANTS) + 1), ids=lambda number: str(MUTANTS[number - 1]))
def test_a_fault_is_found(library: Path, traffic: list[Batch], number: int) -> None:
    with pytest.raises(AssertionError):
        run_mutant(library, traffic, number)
