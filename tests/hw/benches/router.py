"""Packets of a file through one router: in order, complete, whatever stalls."""

import itertools
import os
from collections.abc import Sequence
from random import Random

import cocotb
from cocotb.handle import HierarchyObject
from cocotb.triggers import FallingEdge

from formats.router.answer import TRAILER_WORDS
from golden_models.router.unit import RouterUnit
from hw.router.parameters import UnitParameters
from tests.hw.router.packets import beat_payloads, command_payload, load_packets
from tests.hw.router.problems import Problem
from tests.hw.streams import PATTERNS, Pattern, Sink, Source, Stream, start

BUSY_WORDS = 2
LAST = 1 << 16
"""The flag beside an answer's word."""


async def check(
    dut: HierarchyObject,
    parameters: UnitParameters,
    problems: Sequence[Problem],
    expected: Sequence[tuple[int, ...]],
    inputs: Pattern,
    answers: Pattern,
) -> None:
    """All commands queued as early as may be, all packets behind one another, all answers in order."""
    random = Random(1)
    commands = Source(Stream(dut, "i_cmd"), inputs, random).send([command_payload(problem) for problem in problems])
    beats = [beat for problem in problems for beat in beat_payloads(problem, parameters)]
    sending = [
        cocotb.start_soon(commands),
        cocotb.start_soon(Source(Stream(dut, "i_data"), inputs, random).send(beats)),
    ]
    sink = Sink(Stream(dut, "o_rsp"), answers, random)
    for problem, answer in zip(problems, expected, strict=True):
        words = await sink.receive(len(answer) + BUSY_WORDS)
        assert [word % LAST for word in words[:-BUSY_WORDS]] == list(answer), problem.command
        assert [word >= LAST for word in words] == [False] * (len(words) - 1) + [True], "last ends the trailer"
        assert len(words) >= TRAILER_WORDS
    for task in sending:
        await task
    await sink.refuse(20)
    assert not sink.offered, "a word after the last answer"
    await FallingEdge(dut.clk)


@cocotb.test()
async def answers_are_the_golden_units_whatever_stalls(dut: HierarchyObject) -> None:
    parameters, problems = load_packets(os.environ["SUBJECT"])
    golden = RouterUnit(parameters)
    expected = [golden.execute(p.command, p.data, p.aborted).words() for p in problems]
    await start(dut)
    pairs = list(itertools.product(PATTERNS.values(), PATTERNS.values()))
    for index, (inputs, answers) in enumerate(pairs):
        share = slice(index * len(problems) // len(pairs), (index + 1) * len(problems) // len(pairs))
        await check(dut, parameters, problems[share], expected[share], inputs, answers)
