"""Seeded faults: the random problems find every one of them."""

from functools import cache
from pathlib import Path
from random import Random

from formats.router.descriptor import Opcode
from tests.hw.mutant_tests import MutantTests
from tests.hw.router.bench import Bench, compare
from tests.hw.router.conftest import ODD
from tests.hw.router.mutants import MUTANTS, build_mutants
from tests.hw.router.problems import Problem, Problems
from tests.hw.switched_mutants import switch_on

BATCHES = 60

Batch = tuple[list[Problem], list[tuple[int, ...]]]


@cache
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


class TestRouter(MutantTests):
    MUTANTS = MUTANTS

    @staticmethod
    def build(folder: Path) -> Path:
        return build_mutants(ODD, folder)

    @staticmethod
    def check(library: Path, number: int) -> None:
        bench = Bench(ODD, library)
        switch_on(library, bench.simulator.handle, number)
        try:
            for problems, expected in batches():
                compare(problems, expected, bench.run(problems, expected))
        finally:
            bench.close()
