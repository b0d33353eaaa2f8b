"""The vector unit with one fault after the other: random commands must fail on each, and pass without one."""

from random import Random

import cocotb
from cocotb.handle import HierarchyObject

from tests.hw.decoder.exchange import is_exact, reset, silence
from tests.hw.decoder.mutants import VECTOR_MUTANTS
from tests.hw.decoder.vector_commands import LENGTHS, VectorCommands
from tests.hw.streams import PATTERNS, start

STREAMS = ("command", "i")


@cocotb.test()
async def every_fault_is_found(dut: HierarchyObject) -> None:
    random = Random(45)
    lengths = (LENGTHS[3], LENGTHS[1], LENGTHS[2])
    commands = [command for length in lengths for command in VectorCommands(random, length).sequence(60)]
    words = {"command": [command.bits for command in commands], "i": [w for command in commands for w in command.words]}
    expected = [pair for command in commands for pair in command.expected]
    patterns = dict.fromkeys((*STREAMS, "o"), PATTERNS["half"])
    silence(dut, STREAMS)
    await start(dut)
    survivors = []
    for number, mutant in enumerate(("none", *VECTOR_MUTANTS)):
        await reset(dut, number)
        if await is_exact(dut, words, expected, patterns, Random(44)):
            survivors.append(str(mutant))
    assert survivors == ["none"], "\n".join(survivors)
