"""A whole router as the cells of an ECP5: every primitive's answers and busy cycles are the hardware's."""

from collections.abc import Iterator
from random import Random

import pytest

from formats.router.descriptor import Opcode
from sw_runtime.device.simulator.library import Traffic
from tests.hw.router.bench import Bench
from tests.hw.router.conftest import ODD
from tests.hw.router.problems import Problems
from tests.synth.netlists.cells import build_cells

PROBLEMS = 1000
PAUSES = Traffic(0.2, 0.2, 0.2)


@pytest.fixture
def benches() -> Iterator[tuple[Bench, Bench]]:
    """The hardware, and its cells, each beside the golden router."""
    both = Bench(ODD), Bench(ODD, build_cells(None, ODD))
    yield both
    for bench in both:
        bench.close()


@pytest.mark.soak
@pytest.mark.parametrize("opcode", Opcode, ids=lambda opcode: opcode.name)
def test_cells_of_a_router_answer_as_the_golden_router(benches: tuple[Bench, Bench], opcode: Opcode) -> None:
    problems = Problems(ODD, Random(opcode))
    kinds = [kind for _ in range(PROBLEMS) for kind in (problems.random.choice((Opcode.LOAD, Opcode.PUTBM)), opcode)]
    drawn = [problems.draw(kind) for kind in kinds]
    busy = [bench.check(drawn, PAUSES) for bench in benches]
    assert busy[0] == busy[1]
