"""Runs of beats: in order, without gaps, as wide as the port."""

import numpy as np
import pytest

from formats.errors import InputError
from hw.memory.chips import W9825G6KH_6
from hw.memory.port import run_layout
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
