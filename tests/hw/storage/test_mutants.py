"""Seeded faults: cards, good and bad, find every one of them."""

from pathlib import Path

import pytest

from tests.hw.storage.cards import FAULTS, check_fault, check_good, check_wrong, wrong_cards
from tests.hw.storage.mutants import MUTANTS, build_mutants, open_mutant


@pytest.fixture(scope="module")
def library(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return build_mutants(tmp_path_factory.mktemp("mutants"))


def run_mutant(library: Path, number: int) -> None:
    """Hold a mutant against the cards.

    Raises
    ------
    AssertionError
        If it is found.
    """
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


def test_the_build_without_a_fault_passes(library: Path) -> None:
    run_mutant(library, 0)


@pytest.mark.parametrize("number", range(1, len(MUTANTS) + 1), ids=lambda number: str(MUTANTS[number - 1]))
def test_a_fault_is_found(library: Path, number: int) -> None:
    with pytest.raises(AssertionError):
        run_mutant(library, number)
