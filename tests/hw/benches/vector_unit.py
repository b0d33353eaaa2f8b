"""Commands and words in, vectors out, whatever stalls."""

import itertools
from random import Random

import cocotb
from cocotb.handle import HierarchyObject
from cocotb.triggers import FallingEdge

from tests.hw.decoder.vector_commands import LENGTHS, VectorCommand, VectorCommands, unsigned
from tests.hw.streams import PATTERNS, Pattern, Sink, Source, Stream, start


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
    await start(dut)
    for patterns in itertools.product(PATTERNS.values(), repeat=3):
        length = 2 if PATTERNS["rarely"] in patterns else random.choice(LENGTHS)
        await run(dut, VectorCommands(random, length).sequence(8), patterns, random)


@cocotb.test()
async def vectors_of_every_length_are_the_golden_models(dut: HierarchyObject) -> None:
    random = Random(42)
    await start(dut)
    for length in LENGTHS:
        await run(dut, VectorCommands(random, length).sequence(30), (PATTERNS["always"],) * 3, random)


@cocotb.test()
async def words_are_taken_and_given_every_cycle(dut: HierarchyObject) -> None:
    random, always = Random(43), PATTERNS["always"]
    await start(dut)
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
    for stream in (source, sink):
        assert stream.cycles == list(range(stream.cycles[0], stream.cycles[0] + LENGTHS[-1]))
    assert issue.cycles[1] - issue.cycles[0] <= LENGTHS[-1] + 12
    await FallingEdge(dut.clk)
