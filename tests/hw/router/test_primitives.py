"""Every primitive equals the golden unit, word for word: payload, status, stickies and count."""

from random import Random

import pytest

from formats.router.descriptor import CacheAction, Command, Flag, KeyFormat, Opcode
from formats.router.stream import to_bytes
from hw.router.parameters import UnitParameters
from sw_runtime.device.simulator.library import IDEAL, Traffic
from tests.hw.router.bench import Bench
from tests.hw.router.conftest import ODD
from tests.hw.router.problems import Problem, Problems

ROUNDS = 50
PROBLEMS_A_ROUND = 20
PAUSES = (IDEAL, Traffic(0.5, 0.5, 0.5), Traffic(results=0.25), Traffic(memory=0.2))


@pytest.mark.parametrize("opcode", Opcode, ids=lambda opcode: opcode.name)
def test_a_thousand_random_problems_of_a_small_router(odd: Bench, opcode: Opcode) -> None:
    random = Random(opcode)
    problems = Problems(ODD, random)
    for _ in range(ROUNDS):
        batch = [problems.draw(opcode) for _ in range(PROBLEMS_A_ROUND)]
        between = [problems.draw(random.choice((Opcode.LOAD, Opcode.PUTBM))) for _ in range(PROBLEMS_A_ROUND)]
        odd.check([problem for pair in zip(between, batch, strict=True) for problem in pair], random.choice(PAUSES))


@pytest.mark.parametrize("opcode", Opcode, ids=lambda opcode: opcode.name)
def test_random_problems_of_the_usual_routers(full_size: Bench, opcode: Opcode) -> None:
    random = Random(opcode)
    problems = Problems(full_size.parameters, random)
    for _ in range(4):
        kinds = [Opcode.LOAD, Opcode.PUTBM, *[opcode] * 5]
        full_size.check([problems.draw(kind) for kind in kinds], random.choice(PAUSES))


def test_ties_go_to_the_lowest_index_across_rows(full_size: Bench) -> None:
    n = 100
    load = Command(Opcode.LOAD, flags=KeyFormat.U24 | Flag.DATA, n=n)
    equal = Problem(load, to_bytes([7] * n, load))
    full_size.check([equal, *(Problem(Command(Opcode.TOPK, flags=Flag.OUT, n=n, x=x)) for x in range(n + 1))])


def test_sums_of_256_rows_are_exact_and_the_257th_saturates(odd: Bench) -> None:
    n = 3
    first = Command(Opcode.LOAD, flags=KeyFormat.U16 | Flag.DATA, n=n)
    more = Command(Opcode.LOAD, flags=KeyFormat.U16 | Flag.LOAD_ACCUMULATE | Flag.DATA, n=n)
    rows = [Problem(command, to_bytes([65535] * n, command)) for command in (first, *[more] * 256)]
    odd.check([*rows, Problem(Command(Opcode.READKEYS, flags=Flag.OUT, n=n))])
    assert odd.golden.memory.keys[:n].tolist() == [(1 << 24) - 1] * n


def test_a_result_may_replace_its_operand(odd: Bench) -> None:
    random = Random(3)
    problems = Problems(ODD, random)
    for opcode in (Opcode.TOPK, Opcode.RANGE, Opcode.GATHER):
        in_place = []
        while len(in_place) < 50:
            problem = problems.draw(opcode)
            operands = (problem.command.sa, problem.command.sb)
            if problem.command.dst != 255 and problem.command.dst in operands:
                in_place += [problems.draw(Opcode.PUTBM), problem]
        odd.check(in_place)


def test_a_full_set_with_every_way_pinned_has_no_way_until_one_is_released() -> None:
    parameters = UnitParameters(lanes=8, digit_bits=6, keys=112, slots=5, sets=3, ways=5)
    bench = Bench(parameters)

    def access(experts: list[int], flags: int) -> Problem:
        command = Command(Opcode.LRU, flags=flags | Flag.DATA | Flag.OUT, n=len(experts), x=1)
        return Problem(command, to_bytes(experts, command))

    bench.check(
        [
            access([9, 8, 7, 6, 5], CacheAction.ACCESS | Flag.LRU_PIN),
            access([4], CacheAction.ACCESS),
            access([7], CacheAction.RELEASE),
            access([4, 3], CacheAction.PREFETCH),
            Problem(Command(Opcode.INFO, flags=Flag.OUT)),
        ]
    )
    bench.close()
