"""The order of a command's beats, and what the sequencer waits for."""

import os
from random import Random

import cocotb
from cocotb.handle import HierarchyObject
from cocotb.triggers import FallingEdge, ReadOnly, Timer

from formats.engine import EngineParameters
from hw.engine.sequencer import command_layout
from tests.hw.streams import PATTERNS, Source, Stream, start

ENGINES = {
    "many-beats-a-word": EngineParameters(
        ("scaled-4bit", "scaled-2bit"), port_bytes=8, batch=2, maximum_columns=60, maximum_rows=16
    ),
    "many-blocks-a-word": EngineParameters(
        ("scaled-4bit", "scaled-2bit"), port_bytes=64, batch=3, maximum_columns=100, maximum_rows=200
    ),
}

Beat = tuple[str, int, int, int, int]
"""("write", vector, address, beat, 0) or ("weights", address, block, first, last)."""

Command = tuple[int, int, int, int]
"""Position of the format, column blocks, row groups, vectors."""


def random_commands(parameters: EngineParameters, random: Random, count: int) -> list[Command]:
    """Commands of any shape the engine takes, the smallest and the largest among them."""
    commands = []
    for index in range(count):
        position = index % 2
        blocks = parameters.weight_formats[position].blocks(parameters.maximum_columns)
        largest = (position, blocks, 5, parameters.batch)
        shape = (position, random.randint(1, blocks), random.randint(1, 5), random.randint(1, parameters.batch))
        commands.append({0: (position, 1, 1, 1), 1: largest}.get(index, shape))
    return commands


def payload(parameters: EngineParameters, command: Command) -> int:
    position, blocks, groups, vectors = command
    fields = {"format": position, "column_blocks": blocks - 1, "row_groups": groups - 1, "vectors": vectors - 1}
    return int(command_layout(parameters).const(fields).as_value().value)


def expected_beats(parameters: EngineParameters, command: Command) -> list[Beat]:
    """Activations, then weights, in order."""
    position, blocks, groups, vectors = command
    weight_format = parameters.weight_formats[position]
    beats = parameters.beats_per_activation_word(weight_format)
    per_word = parameters.blocks_per_activation_word(weight_format)
    words = -(-blocks // per_word)
    writes = [("write", v, word, beat, 0) for v in range(vectors) for word in range(words) for beat in range(beats)]
    weights = [
        ("weights", block // per_word, block % per_word, int(block == 0), int(block == blocks - 1))
        for _ in range(groups)
        for block in range(blocks)
    ]
    return writes + weights


def port(dut: HierarchyObject, name: str) -> int:
    """Value of an output; 0 where it has no bits."""
    return int(getattr(dut, f"dut__{name}").value) if hasattr(dut, f"dut__{name}") else 0


def taken_beat(dut: HierarchyObject) -> Beat | None:
    """What the sequencer says of the beat it takes in this cycle."""
    taken = bool(dut.dut__data_valid.value) and bool(dut.dut__data_ready.value)
    writes, weights = bool(dut.dut__write__enable.value), bool(dut.dut__weights_valid.value)
    assert writes + weights == taken, "every beat taken is of exactly one kind, and nothing else is announced"
    if writes:
        return "write", port(dut, "write__vector"), port(dut, "write__address"), port(dut, "write__beat"), 0
    if weights:
        flags = port(dut, "weights_first"), port(dut, "weights_last")
        return "weights", port(dut, "read__address"), port(dut, "read__block"), *flags
    return None


@cocotb.test()
async def beats_come_in_order_whatever_stalls(dut: HierarchyObject) -> None:
    parameters, random = ENGINES[os.environ["SUBJECT"]], Random(7)
    commands = random_commands(parameters, random, 12)
    expected = [beat for command in commands for beat in expected_beats(parameters, command)]
    await start(dut)
    source = Source(Stream(dut, "dut__i_command"), PATTERNS["half"], random)
    sending = cocotb.start_soon(source.send([payload(parameters, command) for command in commands]))
    seen: list[Beat] = []
    offered = False
    while len(seen) < len(expected):
        await FallingEdge(dut.clk)
        offered = offered or random.random() < 0.7
        dut.dut__data_valid.value = int(offered)
        slot_free = random.random() < 0.5
        dut.dut__slot_free.value = int(slot_free)
        dut.dut__idle.value = int(random.random() < 0.5)
        await ReadOnly()
        beat = taken_beat(dut)
        if beat:
            assert slot_free or beat[0] == "write" or not beat[4], "a row group ended without a slot for its results"
            seen.append(beat)
            offered = False
    assert seen == expected
    await sending


@cocotb.test()
async def beats_are_taken_every_cycle_when_nothing_stalls(dut: HierarchyObject) -> None:
    parameters = ENGINES[os.environ["SUBJECT"]]
    command = (1, 4, 5, 2)
    await start(dut)
    source = Source(Stream(dut, "dut__i_command"), PATTERNS["always"], Random(8))
    dut.dut__idle.value, dut.dut__slot_free.value, dut.dut__data_valid.value = 1, 1, 0
    await source.send([payload(parameters, command)])
    dut.dut__data_valid.value = 1
    for beat in expected_beats(parameters, command):
        await ReadOnly()
        assert taken_beat(dut) == beat
        await FallingEdge(dut.clk)
    await ReadOnly()
    assert not dut.dut__data_ready.value, "a beat more was taken than the command has"


@cocotb.test()
async def the_next_command_waits_until_all_results_have_left(dut: HierarchyObject) -> None:
    parameters = ENGINES[os.environ["SUBJECT"]]
    first, second = (0, 2, 1, 1), (1, 1, 3, 2)
    await start(dut)
    stream = Stream(dut, "dut__i_command")
    dut.dut__idle.value, dut.dut__slot_free.value, dut.dut__data_valid.value = 1, 1, 1
    await Source(stream, PATTERNS["always"], Random(9)).send([payload(parameters, first)])
    stream.valid.value, stream.payload.value = 1, payload(parameters, second)
    dut.dut__idle.value = 0
    for _ in range(40):
        await ReadOnly()
        assert not stream.ready.value
        assert int(dut.dut__command.value) == payload(parameters, first), "results under way need their command"
        await FallingEdge(dut.clk)
    dut.dut__idle.value = 1
    await ReadOnly()
    assert stream.ready.value
    await FallingEdge(dut.clk)
    assert int(dut.dut__command.value) == payload(parameters, second)


@cocotb.test()
async def ready_does_not_depend_on_valid(dut: HierarchyObject) -> None:
    parameters, random = ENGINES[os.environ["SUBJECT"]], Random(10)
    await start(dut)
    source = Source(Stream(dut, "dut__i_command"), PATTERNS["always"], random)
    dut.dut__idle.value, dut.dut__data_valid.value = 1, 0
    await source.send([payload(parameters, (1, 4, 3, 2))])
    for _ in range(60):
        dut.dut__slot_free.value = random.randrange(2)
        ready = []
        for valid in (0, 1):
            dut.dut__data_valid.value = valid
            await Timer(1, unit="ns")
            ready.append(bool(dut.dut__data_ready.value))
        assert ready[0] == ready[1]
        await FallingEdge(dut.clk)
