"""Runs of beats: in order, without gaps, as wide as the port."""

import numpy as np
import pytest
from amaranth.sim import Simulator, SimulatorContext

from formats.errors import InputError
from hw.memory.chips import W9825G6KH_6
from hw.memory.port import MemoryPort, run_layout
from tests.hw.memory.simulation import MemorySimulation, at_power_up
from tests.hw.memory.subject import LARGEST, PORT_BYTES

PARTS = 8 * PORT_BYTES // LARGEST.data_bits
"""Cycles that the chip needs for a beat of the port."""


def test_short_runs_follow_each_other_without_a_gap(simulation: MemorySimulation) -> None:
    answer = simulation.runs([(10 * run, 10, False) for run in range(2_000)])
    assert (answer.payloads == at_power_up(np.arange(20_000))).all()
    assert PARTS * 20_000 / (answer.last - answer.first + PARTS) >= 0.96


def test_a_run_goes_on_at_address_0_behind_the_last_beat(simulation: MemorySimulation) -> None:
    size = simulation.chip.size_bytes // PORT_BYTES
    simulation.write(size - 3, np.arange(6, dtype=np.uint32))
    assert simulation.read(0, 3).payloads.tolist() == [3, 4, 5]
    assert simulation.read(size - 3, 3).payloads.tolist() == [0, 1, 2]


def test_a_read_finds_what_the_run_before_it_wrote(simulation: MemorySimulation) -> None:
    data = np.array([1, 2, 3, 4], dtype=np.uint32)
    runs = [(7, 1, True), (7, 1, False), (7, 3, True), (7, 3, False)]
    assert simulation.runs(runs, data).payloads.tolist() == [1, 2, 3, 4]
    assert simulation.broken() == {}


def test_addresses_reach_over_the_whole_chip_and_no_further() -> None:
    for port_bytes in (2, 4, 8, 16):
        fields = run_layout(W9825G6KH_6, port_bytes).members
        assert port_bytes << fields["address"] == 32 << 20
        assert fields["beats"] == fields["address"]


@pytest.mark.parametrize("port_bytes", [1, 3, 32])
def test_a_port_that_is_no_multiple_of_the_chips_beat_is_refused(port_bytes: int) -> None:
    message = f"port_bytes over W9825G6KH-6 must be 2, 4, 8 or 16, not {port_bytes}"
    with pytest.raises(InputError, match=message):
        run_layout(W9825G6KH_6, port_bytes)


def test_a_port_that_had_no_room_asks_again_when_there_is_room_for_a_burst() -> None:
    port, depth, burst = MemoryPort(W9825G6KH_6, 2, depth=8, burst=3), 8, 3
    asked: list[int] = []

    async def cycles(context: SimulatorContext, count: int, takes: bool) -> int:
        """Beats that are asked for, and answered at once."""
        found = 0
        context.set(port.o.ready, takes)
        for _ in range(count):
            asks = context.get(port.request.valid)
            await context.tick()
            context.set(port.read_valid, asks)
            found += asks
        return found

    async def bench(context: SimulatorContext) -> None:
        context.set(port.i_run.payload, {"address": 0, "beats": 99, "write": 0})
        context.set(port.request.ready, 1)
        context.set(port.i_run.valid, 1)
        await context.tick()
        context.set(port.i_run.valid, 0)
        asked.append(await cycles(context, 20, takes=False))
        for taken in (burst - 1, 1):
            now = await cycles(context, taken, takes=True)
            asked.append(now + await cycles(context, 10, takes=False))

    simulator = Simulator(port)
    simulator.add_clock(1e-6)
    simulator.add_testbench(bench)
    simulator.run()
    assert asked == [depth, 0, burst]
