"""The accumulators under Verilator, and their width at its very bound."""

from pathlib import Path

import pytest
from amaranth.hdl import Value
from amaranth.sim import Simulator, SimulatorContext

from formats.engine import EngineParameters, format_names
from formats.fp16 import Fp16Format
from hw.engine.accumulators import Accumulators
from tests.hw.benches import accumulators
from tests.hw.packed import Packed
from tests.hw.simulate import run_bench


def test_totals_leave_exact_in_order_and_complete(tmp_path: Path) -> None:
    run_bench(Packed(**accumulators.subjects()), "accumulators", tmp_path)


def total_of(parameters: EngineParameters, block_sum: int, blocks: int) -> int:
    """What an engine's accumulator makes of the same sum ``blocks`` times."""
    dut = Accumulators(parameters, block_sum.bit_length() + 1)
    totals: list[int] = []

    async def bench(context: SimulatorContext) -> None:
        context.set(dut.sums[0][0], block_sum)
        context.set(dut.valid, 1)
        for block in range(blocks):
            context.set(dut.last, block == blocks - 1)
            context.set(dut.reserve, block == blocks - 1)
            await context.tick()
        context.set(dut.valid, 0)
        context.set(dut.reserve, 0)
        await context.tick().until(dut.o.valid)
        totals.append(context.get(Value.cast(dut.o.payload).as_signed()))

    simulator = Simulator(dut)
    simulator.add_clock(1e-6)
    simulator.add_testbench(bench)
    simulator.run()
    return totals[0]


@pytest.mark.parametrize("activation_bits", [8, 16])
@pytest.mark.parametrize("name", format_names())
def test_a_row_at_the_bound_of_every_sum_fits_exactly(name: str, activation_bits: int) -> None:
    parameters = EngineParameters((name,), port_bytes=8, lanes=1, activation_bits=activation_bits, maximum_columns=2048)
    weight_format = parameters.weight_formats[0]
    largest = 2047 << 21 if isinstance(weight_format, Fp16Format) else weight_format.maximum_weight
    block_sum = weight_format.block_size * largest << (activation_bits - 1)
    blocks = weight_format.blocks(parameters.maximum_columns)
    for sign in (1, -1):
        total = total_of(parameters, sign * block_sum, blocks)
        assert total == sign * block_sum * blocks
        limit = 1 << (parameters.accumulator_bits - 1)
        assert limit // 2 <= abs(total) < limit, "wide enough, and not a bit too wide"
