"""The vector unit with one fault after the other: random commands must fail on each, and pass without one."""

from random import Random

import cocotb
from cocotb.handle import HierarchyObject
from cocotb.triggers import FallingEdge, ReadOnly

from tests.hw.decoder.mutants import VECTOR_MUTANTS
from tests.hw.decoder.vector_commands import LENGTHS, VectorCommand, VectorCommands
from tests.hw.streams import start

LONGEST = 400
"""Cycles in which the longest command of a check ends."""


async def runs(dut: HierarchyObject, command: VectorCommand, random: Random) -> bool:
    """Whether a command ends in time, takes all of its words and hands over what it must, its partners slow at times."""
    dut.command__payload.value, dut.command__valid.value = command.bits, 1
    await FallingEdge(dut.clk)
    dut.command__valid.value = 0
    words, left, offered = list(reversed(command.words)), [], False
    for _ in range(LONGEST):
        offered, taken = bool(words) and (offered or random.random() < 0.7), random.random() < 0.7
        dut.i__valid.value, dut.o__ready.value = int(offered), int(taken)
        dut.i__payload.value = words[-1] if offered else random.getrandbits(32)
        await ReadOnly()
        if dut.command__ready.value:
            break
        if offered and dut.i__ready.value:
            words.pop()
            offered = False
        if taken and dut.o__valid.value:
            left.append((dut.o__payload.value.to_unsigned(), dut.o_exponent.value.to_signed()))
        await FallingEdge(dut.clk)
    ended = bool(dut.command__ready.value)
    await FallingEdge(dut.clk)
    dut.i__valid.value = 0
    return ended and not words and left == command.expected


async def is_exact(dut: HierarchyObject, sequences: list[list[VectorCommand]]) -> bool:
    """Whether all commands run as they must, from a reset on."""
    dut.rst.value = 1
    await FallingEdge(dut.clk)
    dut.rst.value, random = 0, Random(44)
    for command in (command for sequence in sequences for command in sequence):
        if not await runs(dut, command, random):
            return False
    return True


@cocotb.test()
async def every_fault_is_found(dut: HierarchyObject) -> None:
    random = Random(45)
    sequences = [VectorCommands(random, length).sequence(60) for length in (LENGTHS[3], LENGTHS[1], LENGTHS[2])]
    dut.command__valid.value, dut.i__valid.value, dut.o__ready.value, dut.mutant.value = 0, 0, 0, 0
    await start(dut)
    assert await is_exact(dut, sequences)
    survivors = []
    for number, mutant in enumerate(VECTOR_MUTANTS, start=1):
        dut.mutant.value = number
        if await is_exact(dut, sequences):
            survivors.append(str(mutant))
    assert not survivors, "\n".join(survivors)
