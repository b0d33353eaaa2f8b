"""Seeded faults: the random problems find every one of them."""

from pathlib import Path
from random import Random

import pytest

from formats.errors import DeviceError
from formats.router.descriptor import Opcode
from tests.hw.router.bench import Bench, compare
from tests.hw.router.conftest import ODD
from tests.hw.router.mutants import MUTANTS, build_mutants
from tests.hw.router.problems import Problem, Problems
from tests.hw.switched_mutants import switch_on

BATCHES = 60

Batch = tuple[list[Problem], list[tuple[int, ...]]]


@pytest.fixture(scope="module")
def library(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return build_mutants(ODD, tmp_path_factory.mktemp("mutants"))


@pytest.fixture(scope="module")
def batches() -> list[Batch]:
    """Problems of every kind and the golden unit's answers; the golden unit works once for all mutants."""
    bench, random = Bench(ODD), Random(6)
    problems = Problems(ODD, random)
    drawn = []
    for _ in range(BATCHES):
        batch = [
            problems.draw(opcode) for kind in Opcode for opcode in (kind, random.choice((Opcode.LOAD, Opcode.PUTBM)))
        ]
        drawn.append((batch, [bench.golden.execute(p.command, p.data).words() for p in batch]))
    bench.close()
    return drawn


def run_mutant(library: Path, batches: list[Batch], number: int) -> None:
    """Hold a mutant against the golden answers.

    Raises
    ------
    AssertionError, DeviceError
        If an answer differs or does not come.
    """
    bench = Bench(ODD, library)
    switch_on(library, bench.simulator.handle, number)
    try:
        for problems, expected in batches:
            compare(problems, expected, bench.run(problems, expected))
    finally:
        bench.close()


def test_the_build_without_a_fault_passes(library: Path, batches: list[Batch]) -> None:
    run_mutant(library, batches, 0)


@pytest.mark.parametrize("number", range(1, len(MUTANTS) + 1), ids=lambda number: str(MUTANTS[number - 1]))
def test_a_fault_is_found(library: Path, batches: list[Batch], number: int) -> None:
    with pytest.raises((AssertionError, DeviceError)):
        run_mutant(library, batches, number)
