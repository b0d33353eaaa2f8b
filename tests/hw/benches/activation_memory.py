"""Vectors written as the host lays them out, read back block by block."""

import itertools

import cocotb
import torch
from cocotb.handle import HierarchyObject
from cocotb.triggers import FallingEdge
from torch import Tensor

from formats.engine import EngineParameters
from formats.weight_format import WeightFormat
from hw.engine.activation_memory import ActivationMemory
from sw_runtime.device.layout import activation_beats
from tests.hw.packed import to_fields
from tests.hw.pipeline import Feed, Tap, run_pipeline
from tests.hw.products import random_activations
from tests.hw.streams import start

COLUMNS = 100  # neither 8 nor 12 divides it
BATCH = 2

ENGINES = {
    f"port_{8 * port_bytes}_bits_{bits}": EngineParameters(
        ("scaled-4bit", "scaled-2bit"), port_bytes, activation_bits=bits, batch=BATCH, maximum_columns=COLUMNS
    )
    for port_bytes, bits in itertools.product((4, 8, 16, 32, 64), (8, 16))
}
"""Every port width with blocks of 8 and of 12: words of six beats up to words of eight blocks."""


def subjects() -> dict[str, ActivationMemory]:
    """Memories by name."""
    return {name: ActivationMemory(parameters) for name, parameters in ENGINES.items()}


def drive(dut: HierarchyObject, port: str, value: int) -> None:
    """Set a port, unless there is only one value and so no port."""
    if hasattr(dut, port):
        getattr(dut, port).value = value
    else:
        assert value == 0, port


async def write(dut: HierarchyObject, name: str, weight_format: WeightFormat, activations: Tensor, vector: int) -> None:
    """Write one vector, a beat per cycle; the port is noise afterwards."""
    parameters = ENGINES[name]
    beats_per_word = parameters.beats_per_activation_word(weight_format)
    for beat, octets in enumerate(activation_beats(activations, weight_format, parameters)):
        await FallingEdge(dut.clk)
        getattr(dut, f"{name}__write__enable").value = 1
        getattr(dut, f"{name}__data").value = int.from_bytes(octets.tobytes(), "little")
        drive(dut, f"{name}__write__vector", vector)
        drive(dut, f"{name}__write__address", beat // beats_per_word)
        drive(dut, f"{name}__write__beat", beat % beats_per_word)
    await FallingEdge(dut.clk)
    getattr(dut, f"{name}__write__enable").value = 0
    getattr(dut, f"{name}__data").value = (1 << parameters.port_bits) - 1


async def read_all(dut: HierarchyObject, name: str, weight_format: WeightFormat) -> Tensor:
    """Read every block of all vectors, a block a cycle: int64 [blocks, vectors, C]."""
    parameters = ENGINES[name]
    blocks, per_word = weight_format.blocks(COLUMNS), parameters.blocks_per_activation_word(weight_format)
    feeds = {f"{name}__read__address": Feed([block // per_word for block in range(blocks)])}
    if hasattr(dut, f"{name}__read__block"):
        feeds[f"{name}__read__block"] = Feed([block % per_word for block in range(blocks)])
    seen = await run_pipeline(dut, feeds, {f"{name}__activations": Tap(blocks, ActivationMemory.LATENCY)})
    size = parameters.maximum_block_size
    fields = to_fields(seen[f"{name}__activations"], BATCH * size, parameters.activation_bits)
    return torch.from_numpy(fields).view(blocks, BATCH, size)


@cocotb.test()
async def a_block_is_read_every_cycle_as_it_was_written(dut: HierarchyObject) -> None:
    torch.manual_seed(5)
    await start(dut)
    for name, parameters in ENGINES.items():
        for index, weight_format in enumerate(parameters.weight_formats):
            getattr(dut, f"{name}__format").value = index
            activations = random_activations(BATCH, COLUMNS, parameters.activation_bits)
            for vector in range(BATCH):
                await write(dut, name, weight_format, activations[vector : vector + 1], vector)
            read = await read_all(dut, name, weight_format)
            padded = torch.zeros(BATCH, len(read) * weight_format.block_size, dtype=torch.int64)
            padded[:, :COLUMNS] = activations
            expected = padded.view(BATCH, len(read), -1).transpose(0, 1)
            assert torch.equal(read[..., : weight_format.block_size], expected), (name, weight_format.name)
            assert not read[..., weight_format.block_size :].any(), "past the block size there is nothing"


@cocotb.test()
async def a_beat_is_readable_in_the_cycle_after_it_was_written(dut: HierarchyObject) -> None:
    torch.manual_seed(6)
    await start(dut)
    name = "port_128_bits_16"
    getattr(dut, f"{name}__format").value = 0
    getattr(dut, f"{name}__read__address").value = 0
    for _ in range(8):
        activations = random_activations(1, 8, 16)
        await write(dut, name, ENGINES[name].weight_formats[0], activations, vector=1)
        for _ in range(ActivationMemory.LATENCY):  # of the read in this very cycle
            await FallingEdge(dut.clk)
        fields = to_fields([int(getattr(dut, f"{name}__activations").value)], BATCH * 12, 16)
        assert fields[0, 12:20].tolist() == activations[0].tolist()
