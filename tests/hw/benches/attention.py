"""Queries, keys and values in, their means out, whatever stalls; and with one fault after the other."""

import itertools
from random import Random

import cocotb
from cocotb.handle import HierarchyObject

from tests.hw.decoder.attention_problems import (
    LANES,
    LENGTH,
    POSITIONS,
    STREAMS,
    AttentionProblem,
    attention_problem,
)
from tests.hw.decoder.exchange import is_exact, reset, silence
from tests.hw.decoder.mutants import ATTENTION_MUTANTS
from tests.hw.streams import PATTERNS, Pattern, Sink, Source, Stream, start

AHEAD = 2
"""Beats that the unit takes before it needs them."""


def problems(random: Random, count: int) -> list[AttentionProblem]:
    shapes = itertools.cycle(itertools.product((LENGTH, 2 * LANES), (False, True)))
    return [attention_problem(random, random.randint(1, POSITIONS), *next(shapes)) for _ in range(count)]


async def all_exact(
    dut: HierarchyObject, problems: list[AttentionProblem], patterns: dict[str, Pattern], random: Random
) -> bool:
    words = {name: [word for problem in problems for word in problem.words[name]] for name in STREAMS}
    expected = [pair for problem in problems for pair in problem.expected]
    return await is_exact(dut, words, expected, patterns, random)


@cocotb.test()
async def means_are_the_golden_models_whatever_stalls(dut: HierarchyObject) -> None:
    random = Random(61)
    silence(dut, STREAMS)
    await start(dut)
    for slow in (*STREAMS, "o", None):
        for pattern in ("half", "rarely"):
            patterns = {name: PATTERNS[pattern if name == slow else "always"] for name in (*STREAMS, "o")}
            assert await all_exact(dut, problems(random, 2 if pattern == "rarely" else 4), patterns, random)
    assert await all_exact(dut, problems(random, 20), dict.fromkeys((*STREAMS, "o"), PATTERNS["half"]), random)


@cocotb.test()
async def a_beat_of_keys_is_taken_every_cycle(dut: HierarchyObject) -> None:
    random, always = Random(64), PATTERNS["always"]
    problem = attention_problem(random, POSITIONS, LENGTH, wide=False)
    silence(dut, STREAMS)
    await start(dut)
    sources = {name: Source(Stream(dut, name), always, random) for name in STREAMS}
    sending = [cocotb.start_soon(source.send(problem.words[name])) for name, source in sources.items()]
    await Sink(Stream(dut, "o"), always, random).receive(len(problem.expected))
    for task in sending:
        await task
    keys = sources["i"].cycles[AHEAD : POSITIONS * LENGTH // LANES]
    assert keys == list(range(keys[0], keys[0] + len(keys)))


@cocotb.test()
async def every_fault_is_found(dut: HierarchyObject) -> None:
    checked = problems(Random(62), 24)
    silence(dut, STREAMS)
    await start(dut)
    patterns = {**dict.fromkeys(STREAMS, PATTERNS["always"]), "o": PATTERNS["half"]}
    survivors = []
    for number, mutant in enumerate(("none", *ATTENTION_MUTANTS)):
        await reset(dut, number)
        if await all_exact(dut, checked, patterns, Random(63)):
            survivors.append(str(mutant))
    assert survivors == ["none"], "\n".join(survivors)
