"""Every primitive under cocotb: stalls on all streams, queued commands, tags, illegal descriptors, broken packets."""

from collections import Counter
from dataclasses import replace
from pathlib import Path
from random import Random

import pytest

from formats.router.descriptor import Command, Opcode, Status
from formats.router.legality import refusal
from golden_models.router.unit import RouterUnit
from tests.hw.router.conftest import ODD
from tests.hw.router.packets import check_packets, router_verilog, write_packets
from tests.hw.router.problems import Problem, Problems, mutilated
from tests.hw.simulate import run_verilog
from tests.hw.streams import PATTERNS

LEGAL, MUTILATED = 27, 9
"""Problems a primitive: three and one for each of the nine pairs of stalls."""

PAIRS = len(PATTERNS) ** 2


def problems_of(opcode: Opcode) -> list[Problem]:
    """Legal ones, and some whose descriptor or packet is damaged, in any order."""
    random = Random(opcode)
    problems = Problems(ODD, random)
    drawn = [problems.draw(opcode) for _ in range(LEGAL)]
    drawn += [mutilated(problems.draw(opcode), random) for _ in range(MUTILATED)]
    random.shuffle(drawn)
    return drawn


def problems_of_every_opcode() -> list[Problem]:
    """As many of each for every pair of stalls; of 256 that follow one another, every tag is another."""
    drawn = {opcode: problems_of(opcode) for opcode in Opcode}
    ordered = [p for pair in range(PAIRS) for problems in drawn.values() for p in problems[pair::PAIRS]]
    return [
        Problem(Command(**{**vars(p.command), "tag": index % 256}), p.data, p.aborted)
        for index, p in enumerate(ordered)
    ]


def test_every_command_gets_the_golden_answer(tmp_path: Path) -> None:
    problems = problems_of_every_opcode()
    legal = Counter(p.command.opcode for p in problems if refusal(p.command, ODD) == Status.OK and not p.aborted)
    assert all(legal[opcode] >= LEGAL for opcode in Opcode)
    check_packets(ODD, problems, tmp_path)


def test_damaged_problems_meet_every_refusal() -> None:
    unit = RouterUnit(ODD)
    assert {unit.execute(p.command, p.data, p.aborted).status for p in problems_of_every_opcode()} == set(Status)


def test_a_router_that_answers_otherwise_fails_the_bench(tmp_path: Path) -> None:
    file = write_packets(replace(ODD, slots=ODD.slots + 1), problems_of(Opcode.INFO), tmp_path)
    with pytest.raises(SystemExit):
        run_verilog(router_verilog(ODD), "router", tmp_path, subject=file)
