"""Every primitive under cocotb: stalls on all streams, queued commands, tags, illegal descriptors, broken packets."""

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

LEGAL, MUTILATED = 54, 18
"""Problems a primitive: six and two for each of the nine pairs of stalls."""


def problems_of(opcode: Opcode) -> list[Problem]:
    """Legal ones, and some whose descriptor or packet is damaged, in any order, every tag another."""
    random = Random(opcode)
    problems = Problems(ODD, random)
    drawn = [problems.draw(opcode) for _ in range(LEGAL)]
    drawn += [mutilated(problems.draw(opcode), random) for _ in range(MUTILATED)]
    random.shuffle(drawn)
    return [Problem(Command(**{**vars(p.command), "tag": tag}), p.data, p.aborted) for tag, p in enumerate(drawn)]


@pytest.mark.parametrize("opcode", Opcode, ids=lambda opcode: opcode.name)
def test_every_command_gets_the_golden_answer(opcode: Opcode, tmp_path: Path) -> None:
    problems = problems_of(opcode)
    assert sum(refusal(p.command, ODD) == Status.OK and not p.aborted for p in problems) >= 50
    check_packets(ODD, problems, tmp_path)


def test_damaged_problems_meet_every_refusal() -> None:
    unit = RouterUnit(ODD)
    every = [p for opcode in Opcode for p in problems_of(opcode)]
    assert {unit.execute(p.command, p.data, p.aborted).status for p in every} == set(Status)


def test_a_router_that_answers_otherwise_fails_the_bench(tmp_path: Path) -> None:
    file = write_packets(ODD, problems_of(Opcode.INFO), tmp_path)
    with pytest.raises(SystemExit):
        run_verilog(router_verilog(replace(ODD, slots=ODD.slots + 1)), "router", tmp_path, subject=file)
