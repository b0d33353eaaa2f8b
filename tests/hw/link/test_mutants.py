"""Seeded faults: random packets find every one of them."""

from pathlib import Path

import pytest

from tests.hw.link.directed import check_repeat_at_work
from tests.hw.link.fuzz import fuzz
from tests.hw.link.mutants import MUTANTS, build_mutants, open_mutant


@pytest.fixture(scope="module")
def library(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return build_mutants(tmp_path_factory.mktemp("mutants"))


def run_mutant(library: Path, number: int) -> None:
    """Hold a mutant against the model.

    Raises
    ------
    AssertionError
        If it is found.
    """
    line = open_mutant(library, number)
    try:
        fuzz(line, packets=4_000, seed=6)
        check_repeat_at_work(line)
    finally:
        line.close()


def test_the_build_without_a_fault_passes(library: Path) -> None:
    run_mutant(library, 0)


@pytest.mark.parametrize("number", range(1, len(MUTANTS) + 1), ids=lambda number: str(MUTANTS[number - 1]))
def test_a_fault_is_found(library: Path, number: int) -> None:
    with pytest.raises(AssertionError):
        run_mutant(library, number)
