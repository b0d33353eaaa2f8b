"""Commands and words in, vectors out, whatever stalls; and with one fault after the other."""

import itertools
from random import Random

import cocotb
from cocotb.handle import HierarchyObject
from cocotb.triggers import FallingEdge

from tests.hw.decoder.exchange import is_exact, reset, silence
from tests.hw.decoder.mutants import VECTOR_MUTANTS
from tests.hw.decoder.vector_commands import LENGTHS, VectorCommand, VectorCommands, unsigned
from tests.hw.streams import PATTERNS, Pattern, Sink, Source, Stream, start

AHEAD = 2
"""Words that the unit takes before the command that they are for."""


async def begin(dut: HierarchyObject) -> None:
    """The unit without a fault."""
    silence(dut, ("command", "i"))
    await start(dut)


async def run(
    dut: HierarchyObject, commands: list[VectorCommand], patterns: tuple[Pattern, ...], random: Random
) -> int:
    """Run commands, and check every word and exponent that leaves; returns the cycles taken."""
    words, given, taken = patterns
    source, sink = Source(Stream(dut, "i"), words, random), Sink(Stream(dut, "o"), taken, random)
    issue = Source(Stream(dut, "command"), given, random)
    sending = [
        cocotb.start_soon(source.send([word for command in commands for word in command.words])),
        cocotb.start_soon(issue.send([command.bits for command in commands])),
    ]
    for command in commands:
        for part in command.leaves:
            expected = unsigned(part.mantissas)
            assert await sink.receive(len(expected) - 1) == expected[:-1]
            while not dut.o__valid.value:
                await sink.refuse(1)
            assert dut.o_exponent.value.to_signed() == int(part.exponent)
            assert await sink.receive(1) == expected[-1:]
    for task in sending:
        await task
    return issue.cycles[-1]


@cocotb.test()
async def vectors_are_the_golden_models_whatever_stalls(dut: HierarchyObject) -> None:
    random = Random(41)
    await begin(dut)
    for patterns in itertools.product(PATTERNS.values(), repeat=3):
        length = 2 if PATTERNS["rarely"] in patterns else random.choice(LENGTHS)
        await run(dut, VectorCommands(random, length).sequence(8), patterns, random)


@cocotb.test()
async def vectors_of_every_length_are_the_golden_models(dut: HierarchyObject) -> None:
    random = Random(42)
    await begin(dut)
    for length in LENGTHS:
        await run(dut, VectorCommands(random, length).sequence(30), (PATTERNS["always"],) * 3, random)


@cocotb.test()
async def words_are_taken_and_given_every_cycle(dut: HierarchyObject) -> None:
    random, always = Random(43), PATTERNS["always"]
    await begin(dut)
    load, *_, read = VectorCommands(random, LENGTHS[-1]).sequence(0)
    source, sink, issue = (
        Source(Stream(dut, "i"), always, random),
        Sink(Stream(dut, "o"), always, random),
        Source(Stream(dut, "command"), always, random),
    )
    sending = [cocotb.start_soon(source.send(load.words)), cocotb.start_soon(issue.send([load.bits, read.bits]))]
    await sink.receive(LENGTHS[-1])
    for task in sending:
        await task
    for cycles in (source.cycles[AHEAD:], sink.cycles):
        assert cycles == list(range(cycles[0], cycles[0] + len(cycles)))
    assert issue.cycles[1] - issue.cycles[0] <= LENGTHS[-1] + 12
    await FallingEdge(dut.clk)


@cocotb.test()
async def every_fault_is_found(dut: HierarchyObject) -> None:
    random = Random(45)
    counts = {LENGTHS[3]: 80, LENGTHS[1]: 30, LENGTHS[2]: 30}
    commands = [command for length in counts for command in VectorCommands(random, length).sequence(counts[length])]
    words = {"command": [command.bits for command in commands], "i": [w for command in commands for w in command.words]}
    expected = [pair for command in commands for pair in command.expected]
    patterns = dict.fromkeys((*words, "o"), PATTERNS["half"])
    await begin(dut)
    survivors = []
    for number, mutant in enumerate(("none", *VECTOR_MUTANTS)):
        await reset(dut, number)
        if await is_exact(dut, words, expected, patterns, Random(44)):
            survivors.append(str(mutant))
    assert survivors == ["none"], "\n".join(survivors)
