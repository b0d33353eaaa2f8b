"""Refused commands, and packets that are not what the command said."""

from random import Random

import pytest

from formats.router.descriptor import (
    ALL_SETS,
    NO_SLOT,
    Bound,
    CacheAction,
    Command,
    Flag,
    KeyFormat,
    Opcode,
    Quota,
    Status,
)
from formats.router.legality import MAXIMUM_ELEMENTS, elements_due, refusal
from sw_runtime.device.transport import Packet
from tests.hw.router.bench import Bench
from tests.hw.router.conftest import ODD
from tests.hw.router.problems import Problem, Problems

WITH_DATA = [opcode for opcode in Opcode if elements_due(Command(opcode, n=1))]

TABLE = Bound.TABLE << 3
RESERVED_BOUND = 3 << 3

REFUSED = {
    Status.BAD_OP: [Command(0x02), Command(0x18), Command(0xFF), Command(0x24, flags=0x3FFF, n=1 << 23)],
    Status.BAD_ARG: [
        Command(Opcode.NOP, flags=1),
        Command(Opcode.INFO, flags=Flag.DATA),
        Command(Opcode.LOAD, n=3),
        Command(Opcode.LOAD, flags=Flag.DATA),
        Command(Opcode.LOAD, flags=Flag.DATA | Flag.LOAD_ACCUMULATE | KeyFormat.S16, n=1),
        Command(Opcode.LOAD, flags=Flag.DATA | Flag.LOAD_ACCUMULATE | KeyFormat.S24, n=1),
        Command(Opcode.LOAD, flags=Flag.DATA | 1 << 13, n=1),
        Command(Opcode.READKEYS, flags=Flag.DATA, n=1),
        Command(Opcode.TOPK, flags=3, n=1),
        Command(Opcode.TOPK, flags=Quota.KEEP | 25 << 4, n=1),
        Command(Opcode.FILTER, flags=Flag.FILTER_KEYS | TABLE, n=1),
        Command(Opcode.FILTER, flags=Flag.FILTER_KEYS | RESERVED_BOUND, n=1),
        Command(Opcode.FILTER, flags=Flag.FILTER_KEYS | Flag.DATA, n=1),
        Command(Opcode.FIRST, flags=Flag.FIRST_NONE | Flag.DATA, n=1),
        Command(Opcode.FIRST, flags=RESERVED_BOUND | Flag.DATA, n=1),
        Command(Opcode.FIRST, flags=1 << 2 | Flag.DATA, n=1),
        Command(Opcode.RANGE, flags=2),
        Command(Opcode.GATHER, flags=Flag.GATHER_WRITE, n=1),
        Command(Opcode.PUTBM, flags=1 | Flag.DATA, n=1),
        Command(Opcode.PREFIX, flags=2 | Flag.DATA, n=1),
        Command(Opcode.RATIO, flags=Flag.DATA, n=1, x=257),
        Command(Opcode.SEGLL, flags=2 | Flag.DATA, n=1),
        Command(Opcode.LRU, flags=CacheAction.FLUSH | Flag.DATA, n=1),
        Command(Opcode.LRU, flags=1 << 3 | Flag.DATA, n=1),
    ],
    Status.BAD_SLOT: [
        Command(Opcode.TOPK, n=1, sa=ODD.slots),
        Command(Opcode.TOPK, n=1, sb=NO_SLOT - 1),
        Command(Opcode.FILTER, flags=Flag.FILTER_KEYS, n=1, dst=ODD.slots),
        Command(Opcode.RANGE, n=1, sa=ODD.slots),
        Command(Opcode.GATHER, n=1, sc=ODD.slots),
        Command(Opcode.GATHER, n=1, dst=ODD.slots),
        Command(Opcode.PUTBM, flags=Flag.DATA, n=1, dst=ODD.slots),
        Command(Opcode.RATIO, flags=Flag.DATA, n=1, dst=ODD.slots),
    ],
    Status.BAD_N: [
        Command(Opcode.LOAD, flags=Flag.DATA, n=ODD.keys + 1),
        Command(Opcode.LOAD, flags=Flag.DATA, n=17, base=ODD.keys // 16 - 1),
        Command(Opcode.READKEYS, base=ODD.keys // 16 + 1),
        Command(Opcode.TOPK, n=1 << 23),
        Command(Opcode.FILTER, flags=Flag.DATA | TABLE, n=ODD.keys, base=1),
        Command(Opcode.FILTER, flags=Flag.DATA, n=ODD.keys + 1),
        Command(Opcode.FIRST, flags=Flag.DATA, n=10, z=3),
        Command(Opcode.FIRST, flags=Flag.DATA, n=2, z=3),
        Command(Opcode.FIRST, flags=Flag.DATA, n=MAXIMUM_ELEMENTS + 1),
        Command(Opcode.FIRST, flags=Flag.DATA | TABLE, n=ODD.keys + 1),
        Command(Opcode.RANGE, n=10, x=4, y=7),
        Command(Opcode.RANGE, n=10, x=(1 << 24) - 1, y=2),
        Command(Opcode.GATHER, n=ODD.keys + 1),
        Command(Opcode.PUTBM, flags=Flag.DATA, n=ODD.keys + 1),
        Command(Opcode.PREFIX, flags=Flag.DATA, n=2),
        Command(Opcode.PREFIX, n=0),
        Command(Opcode.PREFIX, flags=Flag.DATA, n=513),
        Command(Opcode.PREFIX, flags=Flag.DATA | Flag.PREFIX_STOCHASTIC, n=4),
        Command(Opcode.PREFIX, flags=Flag.DATA | Flag.PREFIX_STOCHASTIC, n=768),
        Command(Opcode.RATIO, flags=Flag.DATA, n=ODD.keys + 1),
        Command(Opcode.SEGLL, flags=Flag.DATA, n=MAXIMUM_ELEMENTS + 1, x=1),
        Command(Opcode.SEGLL, flags=Flag.DATA, n=300, x=ODD.keys + 1),
        Command(Opcode.SEGLL, flags=Flag.DATA | Flag.SEGLL_PAIR, n=300, x=2 * ODD.keys + 2),
        Command(Opcode.LRU, flags=Flag.DATA, n=17),
        Command(Opcode.LRU, flags=Flag.DATA, n=1, x=ODD.sets),
        Command(Opcode.LRU, flags=Flag.DATA, n=1, x=ALL_SETS),
        Command(Opcode.LRU, flags=CacheAction.FLUSH, x=ODD.sets),
    ],
}


@pytest.mark.parametrize("status", REFUSED, ids=lambda status: status.name)
def test_a_refused_command_drains_its_packet_and_changes_nothing(odd: Bench, status: Status) -> None:
    random = Random(status)
    problems = Problems(ODD, random)
    batch = [problems.draw(opcode) for opcode in (Opcode.LOAD, Opcode.PUTBM, Opcode.LRU)]
    for command in REFUSED[status]:
        assert refusal(command, ODD) == status
        asked = Command(**{**vars(command), "flags": command.flags | Flag.OUT, "tag": random.randrange(256)})
        data = random.randbytes(random.randint(1, 100)) if command.has(Flag.DATA) else b""
        batch.append(Problem(asked, data, aborted=bool(data) and random.random() < 0.3))
    everything = [Problem(Command(Opcode.READKEYS, flags=Flag.OUT, n=ODD.keys)), *_all_bitmaps()]
    odd.check([*batch, *everything])


def _all_bitmaps() -> list[Problem]:
    table = 0xAAAA  # operand a itself
    return [Problem(Command(Opcode.GATHER, flags=Flag.OUT, n=ODD.keys, sa=slot, z=table)) for slot in range(ODD.slots)]


@pytest.mark.parametrize("opcode", WITH_DATA, ids=lambda opcode: opcode.name)
def test_packets_too_short_too_long_or_aborted(bench: Bench, opcode: Opcode) -> None:
    random = Random(opcode)
    problems = Problems(bench.parameters, random)
    batch: list[Problem] = []
    while len(batch) < 60:
        problem = problems.draw(opcode)
        length = len(problem.data)
        if not 0 < length < 400:
            continue
        data = random.choice(
            (
                problem.data,
                problem.data[: random.randint(1, length)],
                problem.data + random.randbytes(random.randint(1, 200)),
            )
        )
        batch += [Problem(problem.command, data, aborted=random.random() < 0.4), problems.draw(Opcode.READKEYS)]
    bench.check(batch)
    statuses = {bench.golden.execute(problem.command, problem.data, problem.aborted).status for problem in batch}
    assert {Status.OK, Status.SHORT, Status.LONG, Status.ABORT} <= statuses


@pytest.mark.parametrize("opcode", WITH_DATA, ids=lambda opcode: opcode.name)
def test_a_packet_aborted_before_its_first_beat_is_short(odd: Bench, opcode: Opcode) -> None:
    command = Command(opcode, tag=5, flags=Flag.DATA, n=3)
    words, _ = odd.simulator.route([Packet(command, aborted=True)], word_limit=7, cycle_limit=10_000)
    assert words[:2] == [Status.SHORT | 5 << 8, opcode]
