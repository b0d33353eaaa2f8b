"""Busy cycles: functions of the command alone, and within the limits."""

from collections.abc import Callable
from itertools import pairwise
from random import Random

import pytest

from formats.router.descriptor import ALL_SETS, Bound, CacheAction, Command, Flag, Opcode, Quota
from formats.router.legality import elements_due
from formats.router.stream import to_bytes
from hw.router.parameters import UnitParameters
from tests.hw.router.bench import Bench
from tests.hw.router.problems import Problem, Problems

TRAILER = 16
"""What most limits allow for start, pipeline and trailer."""

SIZES = (0, 1, 64, 576, 4096)


def rows(parameters: UnitParameters, n: int) -> int:
    """Rows of n tokens, in whole words."""
    return -(-n // 16) * 16 // parameters.lanes


def topk_limit(parameters: UnitParameters, n: int, key_bits: int = 24, masks: int = 0) -> int:
    """(Z + 1 + max(0, a - 1)) R + Z (D + 6) + 28."""
    passes = -(-key_bits // parameters.digit_bits)
    walks = passes + 1 + max(0, masks - 1)
    return walks * rows(parameters, n) + passes * (parameters.digit_bits + 6) + 28


def problem(command: Command, elements: list[int] | None = None) -> Problem:
    """The command with these elements, or any."""
    if elements_due(command):
        command = Command(**{**vars(command), "flags": command.flags | Flag.DATA})
        random = Random(0)
        elements = elements or [random.getrandbits(16) for _ in range(elements_due(command))]
    return Problem(command, to_bytes(elements or [], command))


def limited(parameters: UnitParameters, n: int) -> list[tuple[Command, int]]:
    """Commands of size n, and the most cycles each may take."""
    lanes, token_rows = parameters.lanes, rows(parameters, n)
    beats = -(-n // lanes)
    all_slots = {"sa": 0, "sb": 1, "sc": 2, "dst": 3}
    cases = [
        (Command(Opcode.LOAD, flags=1, n=n), beats + TRAILER),
        (Command(Opcode.READKEYS, flags=Flag.OUT, n=n), 2 * n + TRAILER),
        (Command(Opcode.TOPK, flags=Flag.OUT, n=n, x=n // 3), topk_limit(parameters, n)),
        (Command(Opcode.TOPK, flags=Flag.OUT, n=n, x=9, sa=0, sb=1, dst=0), topk_limit(parameters, n, masks=2)),
        (Command(Opcode.TOPK, flags=Quota.RATE | 16 << 4, n=n, x=1 << 23), topk_limit(parameters, n, key_bits=16)),
        (Command(Opcode.TOPK, flags=Flag.OUT | 1 << 4, n=n, x=5), topk_limit(parameters, n, key_bits=1)),
        (Command(Opcode.FILTER, flags=Flag.OUT | Bound.FIELD << 3, n=n, x=500), token_rows + TRAILER),
        (Command(Opcode.FILTER, flags=Flag.OUT | Bound.TABLE << 3, n=n), token_rows + TRAILER),
        (Command(Opcode.FILTER, flags=Flag.OUT | Flag.FILTER_KEYS, n=n, dst=1), token_rows + TRAILER),
        (Command(Opcode.RANGE, flags=Flag.OUT, n=n, y=n // 2, sa=1, dst=1), token_rows + TRAILER),
        (Command(Opcode.PUTBM, n=n, dst=1), token_rows + TRAILER),
        (Command(Opcode.RATIO, flags=Flag.OUT, n=n, x=51, dst=1), n + TRAILER),
        (Command(Opcode.GATHER, flags=Flag.OUT, n=n), token_rows + TRAILER),
        (Command(Opcode.GATHER, flags=Flag.OUT, n=n, **all_slots), 4 * token_rows + TRAILER),
        (
            Command(Opcode.GATHER, flags=Flag.OUT | Flag.GATHER_LIST, n=n, z=0xFFFF, sa=0, sb=1),
            2 * token_rows + n + TRAILER,
        ),
        (Command(Opcode.GATHER, flags=Flag.OUT | Flag.GATHER_LIST, n=n, sa=0, sb=1), 2 * token_rows + TRAILER),
        (Command(Opcode.LRU, flags=Flag.OUT, n=min(n, 1)), 3 * min(n, 1) + TRAILER),
        (Command(Opcode.LRU, flags=CacheAction.FLUSH, x=ALL_SETS), parameters.sets + TRAILER),
    ]
    for row in (1, 3, 16, 40):
        count = n // row
        first = Command(Opcode.FIRST, flags=Flag.OUT | Bound.FIELD << 3, n=count * row, z=row, x=40_000)
        cases.append((first, count * max(-(-row // lanes), 2) + TRAILER))
    drafts = min(n, 255)
    cases += [
        (Command(Opcode.PREFIX, flags=Flag.OUT, n=2 * drafts + 1), 2 * drafts + 1 + TRAILER),
        (Command(Opcode.PREFIX, flags=Flag.PREFIX_STOCHASTIC, n=3 * drafts), 6 * drafts + 24),
    ]
    return cases


@pytest.mark.parametrize("n", SIZES)
def test_no_command_takes_more_cycles_than_its_limit(full_size: Bench, n: int) -> None:
    cases = limited(full_size.parameters, n)
    busy = full_size.check([problem(command) for command, _ in cases])
    for (command, limit), cycles in zip(cases, busy, strict=True):
        assert cycles <= limit, command


@pytest.mark.parametrize("pair", [0, Flag.SEGLL_PAIR], ids=["single", "pair"])
def test_segments_take_their_elements_and_at_most_32_cycles_each_however_long(full_size: Bench, pair: int) -> None:
    random = Random(4)
    segments, values = 20, 100
    busy = set()
    for _ in range(5):
        cuts = [0, *sorted(random.sample(range(1, values), segments - 1)), values]
        lengths = [end - begin for begin, end in pairwise(cuts)]
        elements: list[int] = []
        for length in lengths:
            elements += [length, *(random.getrandbits(24) for _ in range(length))]
        command = Command(Opcode.SEGLL, flags=Flag.OUT | pair, n=len(elements), x=segments, z=4096)
        busy |= set(full_size.check([problem(command, elements)]))
    assert len(busy) == 1
    assert busy.pop() <= values + segments + 32 * segments + TRAILER


def _load(keys: list[int]) -> Problem:
    return problem(Command(Opcode.LOAD, flags=1, n=len(keys)), keys)


@pytest.mark.parametrize(
    "arrange",
    [lambda keys: keys, sorted, lambda keys: sorted(keys, reverse=True), lambda keys: [0] * len(keys)],
    ids=["random", "ascending", "descending", "equal"],
)
def test_selecting_from_4096_keys_takes_the_same_cycles_whatever_they_are(
    full_size: Bench, arrange: Callable[[list[int]], list[int]]
) -> None:
    keys = [Random(1).getrandbits(24) for _ in range(4096)]
    select = Command(Opcode.TOPK, flags=Flag.OUT, n=4096, x=1228)
    _, busy = full_size.check([_load(arrange(keys)), problem(select)])
    assert busy == topk_limit(full_size.parameters, 4096) - 13


WHATEVER_THE_DATA = [opcode for opcode in Opcode if opcode != Opcode.SEGLL]
"""SEGLL has nothing to divide after a bad header; its own test is above."""


@pytest.mark.parametrize("opcode", WHATEVER_THE_DATA, ids=lambda opcode: opcode.name)
def test_equal_commands_take_equal_cycles(odd: Bench, opcode: Opcode) -> None:
    problems = Problems(odd.parameters, Random(opcode))
    for _ in range(20):
        drawn = problems.draw(opcode)
        if opcode == Opcode.GATHER and drawn.command.has(Flag.GATHER_LIST):
            continue  # a list takes a cycle an index
        again = [problems.again(drawn) for _ in range(4)]
        between = [problems.draw(Opcode.LOAD), problems.draw(Opcode.PUTBM)]
        busy = odd.check([drawn, *(each for other in again for each in (*between, other))])
        assert set(busy[3::3]) == {busy[0]}, drawn.command
