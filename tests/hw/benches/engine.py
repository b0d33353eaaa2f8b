"""Whole products through whole engines."""

import itertools
import os
from collections.abc import Sequence
from random import Random

import cocotb
import torch
from cocotb.handle import HierarchyObject
from cocotb.triggers import FallingEdge

from formats.engine import EngineParameters
from tests.hw.products import Product, make_product, random_activations, random_matrix, random_products
from tests.hw.streams import PATTERNS, Pattern, Sink, Source, Stream, start

ENGINES = {
    "scaled-4bit": EngineParameters(
        ("scaled-4bit",), port_bytes=8, activation_bits=8, batch=2, maximum_columns=64, maximum_rows=32
    ),
    "scaled-2bit": EngineParameters(("scaled-2bit",), port_bytes=16, lanes=3, maximum_columns=100, maximum_rows=32),
    "paper-3bit": EngineParameters(("paper-3bit",), port_bytes=8, maximum_columns=64, maximum_rows=16),
    "palette-4bit": EngineParameters(("palette-4bit",), port_bytes=64, maximum_columns=64, maximum_rows=48),
    "palettes": EngineParameters(
        ("palette-2bit", "scaled-4bit", "palette-4bit", "fp16"),
        port_bytes=8,
        activation_bits=8,
        batch=2,
        maximum_columns=100,
        maximum_rows=40,
    ),
    "trellis": EngineParameters(
        ("trellis-3.5bit", "fp16", "trellis-4bit", "scaled-4bit", "trellis-2bit", "trellis-2.5bit"),
        port_bytes=16,
        lanes=3,
        activation_bits=8,
        batch=2,
        maximum_columns=100,
        maximum_rows=32,
    ),
    "fp16": EngineParameters(("fp16",), port_bytes=16, maximum_columns=64, maximum_rows=16),
    "mixed": EngineParameters(
        ("scaled-2bit", "fp16", "paper-4bit"),
        port_bytes=32,
        lanes=3,
        activation_bits=8,
        batch=2,
        maximum_columns=100,
        maximum_rows=32,
    ),
}
"""Words narrower and wider than a beat of activations, rows padded to lanes and not, one lane and several,
tables of one beat and of several."""


def shapes(parameters: EngineParameters) -> list[tuple[str, int, int, int]]:
    """Format, rows, columns and vectors: one block, one row, a tail, more rows than lanes, in every format."""
    names, columns, batch = itertools.cycle(parameters.formats), parameters.maximum_columns, parameters.batch
    sizes = ((1, 1, 1), (2, 9, batch), (1, columns, batch), (7, columns - 3, 1), (4, 24, batch), (5, 8, 1))
    return [(next(names), rows, size, vectors) for rows, size, vectors in sizes]


class Bench:
    """The engine's three streams with their partners.

    Parameters
    ----------
    dut
        The design.
    data, results
        Patterns of the memory and of the host.
    """

    def __init__(self, dut: HierarchyObject, data: Pattern, results: Pattern, random: Random) -> None:
        self.commands = Source(Stream(dut, "i_command"), PATTERNS["half"], random)
        self.data = Source(Stream(dut, "i_data"), data, random)
        self.results = Sink(Stream(dut, "o_results"), results, random)

    async def run(self, products: Sequence[Product]) -> None:
        """Run products back to back: every command is offered as early as may be. Checks all results."""
        commands = cocotb.start_soon(self.commands.send([product.command for product in products]))
        data = cocotb.start_soon(self.data.send([beat for product in products for beat in product.beats]))
        for product in products:
            received = await self.results.receive(product.result_beats)
            assert torch.equal(product.results(received), product.expected)
        await commands
        await data


def parameters_of_this_run() -> EngineParameters:
    return ENGINES[os.environ["SUBJECT"]]


@cocotb.test()
async def stalls_on_any_port_change_no_result_bit(dut: HierarchyObject) -> None:
    torch.manual_seed(14)
    parameters, random = parameters_of_this_run(), Random(15)
    products = list(random_products(parameters, shapes(parameters)))
    await start(dut)
    for data, results in itertools.product(PATTERNS.values(), PATTERNS.values()):
        # the slowest pairs see the small shapes only
        chosen = products if PATTERNS["rarely"] not in (data, results) else products[:3]
        await Bench(dut, data, results, random).run(chosen)


@cocotb.test()
async def a_beat_is_taken_every_cycle_and_results_follow_after_the_latency(dut: HierarchyObject) -> None:
    torch.manual_seed(16)
    parameters = parameters_of_this_run()
    weight_format = parameters.weight_formats[0]
    rows = 3 * parameters.lanes_for(weight_format)
    await start(dut)
    shape = (parameters.formats[0], rows, parameters.maximum_columns, 1)
    for product in random_products(parameters, [shape]):
        bench = Bench(dut, PATTERNS["always"], PATTERNS["always"], Random(17))
        bench.commands = Source(Stream(dut, "i_command"), PATTERNS["always"], Random(17))
        await bench.run([product])
        first, last = bench.data.cycles[0], bench.data.cycles[-1]
        assert last - first == len(product.beats) - 1
        assert bench.data.cycles == list(range(first, last + 1))
        # the row group's results leave one beat per cycle
        group = parameters.result_beats(weight_format)
        assert bench.results.cycles[-group] - last == parameters.lane_latency(weight_format) + 3


@cocotb.test()
async def results_are_offered_without_waiting_for_ready(dut: HierarchyObject) -> None:
    torch.manual_seed(18)
    parameters = parameters_of_this_run()
    await start(dut)
    (product,) = random_products(parameters, [(parameters.formats[-1], 1, 8, 1)])
    bench = Bench(dut, PATTERNS["always"], PATTERNS["always"], Random(19))
    running = cocotb.start_soon(bench.commands.send([product.command]))
    data = cocotb.start_soon(bench.data.send(product.beats))
    await bench.results.refuse(len(product.beats) + 60)
    assert bench.results.offered
    assert torch.equal(product.results(await bench.results.receive(product.result_beats)), product.expected)
    await running
    await data


@cocotb.test()
async def reset_forgets_a_product_half_done(dut: HierarchyObject) -> None:
    torch.manual_seed(20)
    parameters, random = parameters_of_this_run(), Random(21)
    products = list(random_products(parameters, [(parameters.formats[0], 5, parameters.maximum_columns, 1)] * 2))
    await start(dut)
    for cycles in (3, 20, 45):
        bench = Bench(dut, PATTERNS["always"], PATTERNS["half"], random)
        tasks = [
            cocotb.start_soon(bench.commands.send([products[0].command])),
            cocotb.start_soon(bench.data.send(products[0].beats)),
        ]
        for _ in range(cycles):
            await FallingEdge(dut.clk)
        for task in tasks:
            task.cancel()
        dut.rst.value = 1
        await FallingEdge(dut.clk)
        dut.rst.value = 0
        await Bench(dut, PATTERNS["always"], PATTERNS["always"], random).run(products[1:])


@cocotb.test()
async def a_vector_of_the_limits_leaves_no_trace_in_the_next_product(dut: HierarchyObject) -> None:
    torch.manual_seed(22)
    parameters = parameters_of_this_run()
    name, columns = parameters.formats[0], parameters.maximum_columns
    limits = torch.full((parameters.batch, columns), -(1 << (parameters.activation_bits - 1)))
    products = [
        make_product(parameters, random_matrix(parameters, name, 2, columns), limits),
        make_product(parameters, random_matrix(parameters, name, 2, 9), torch.zeros(1, 9, dtype=torch.int64)),
        make_product(
            parameters, random_matrix(parameters, name, 2, 1), random_activations(1, 1, parameters.activation_bits)
        ),
    ]
    await start(dut)
    await Bench(dut, PATTERNS["always"], PATTERNS["always"], Random(23)).run(products)
