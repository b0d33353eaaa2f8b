"""The controller on a chip that stores every beat and checks every rule."""

from collections.abc import Callable, Iterator
from pathlib import Path

import numpy as np
import pytest

from tests.hw.memory.simulation import MemorySimulation, at_power_up
from tests.hw.memory.subject import CONFIGURATIONS, LARGEST, PORT_BYTES
from tests.hw.memory.traffic import batches, check

Opened = Callable[..., MemorySimulation]

PARTS = 8 * PORT_BYTES // LARGEST.data_bits
"""Cycles that the chip needs for a beat of the port."""

KEPT = {
    "start": 20_001,  # the pins' registers
    "t_rcd": 2,
    "t_rp": 2,
    "t_ras": 5,
    "t_rc": 7,  # t_ras + t_rp, a cycle more than the chip asks for
    "t_rrd": 7,  # one page is open at a time
    "t_rfc": 6,
    "t_wr": 2,
    "t_mrd": 2,
}
"""Least distances that the controller keeps at the first configuration."""


@pytest.fixture
def opened(library: Path) -> Iterator[Opened]:
    """Open a subject with a chip."""
    simulations: list[MemorySimulation] = []

    def open_one(controller: int = 0, **rules: int) -> MemorySimulation:
        simulations.append(MemorySimulation(library, controller, **rules))
        return simulations[-1]

    yield open_one
    for simulation in simulations:
        simulation.close()


@pytest.mark.parametrize("controller", range(len(CONFIGURATIONS)))
@pytest.mark.parametrize("share", [1, 0.7])
def test_a_long_run_reads_every_beat_at_96_percent_of_peak(opened: Opened, controller: int, share: float) -> None:
    simulation, beats = opened(controller), 50_000
    answer = simulation.read(12_345, beats, share)
    assert (answer.payloads == at_power_up(np.arange(12_345, 12_345 + beats))).all()
    assert PARTS * beats / (answer.last - answer.first + PARTS) >= 0.96
    assert simulation.broken() == {}


@pytest.mark.parametrize("controller", range(len(CONFIGURATIONS)))
def test_a_long_run_is_written_at_96_percent_of_peak(opened: Opened, controller: int) -> None:
    simulation, beats = opened(controller), 50_000
    simulation.read(0, 1)
    written = np.arange(beats, dtype=np.uint32) * np.uint32(2_654_435_761)
    before = simulation.counted()
    simulation.write(99, written)
    after = simulation.counted()
    assert (
        after["write"] - before["write"] >= PARTS * beats - 3
    )  # the last may still lie in the controller and the pins' registers
    assert PARTS * beats / (sum(after.values()) - sum(before.values())) >= 0.96
    assert (simulation.read(99, beats).payloads == written).all()
    assert simulation.broken() == {}


@pytest.mark.parametrize("controller", range(len(CONFIGURATIONS)))
def test_random_reads_find_what_was_written_last(opened: Opened, controller: int) -> None:
    simulation = opened(controller)
    check(simulation, batches(simulation.chip, count=40, runs=30, seed=controller))


@pytest.mark.parametrize("controller", range(len(CONFIGURATIONS)))
def test_refreshes_are_never_late_and_hardly_early(opened: Opened, controller: int) -> None:
    simulation = opened(controller)
    check(simulation, batches(simulation.chip, count=40, runs=30, seed=3))
    simulation.read(0, 50_000)
    assert simulation.timing.refresh - 2 <= simulation.longest_gap() <= simulation.timing.refresh


@pytest.mark.parametrize("rule", KEPT)
def test_a_rule_is_kept_to_the_cycle_and_the_chip_notices_one_less(opened: Opened, rule: str) -> None:
    satisfied, dissatisfied = opened(**{rule: KEPT[rule]}), opened(**{rule: KEPT[rule] + 1})
    made = batches(satisfied.chip, count=4, runs=30, seed=5)
    check(satisfied, made)
    with pytest.raises(AssertionError):
        check(dissatisfied, made)
    assert set(dissatisfied.broken()) == {rule}


def test_the_chip_notices_a_refresh_that_comes_late(opened: Opened) -> None:
    simulation = opened(refresh=700)
    simulation.read(0, 5_000)
    assert set(simulation.broken()) == {"refresh"}


def test_the_chip_notices_another_cas_latency(opened: Opened) -> None:
    simulation = opened(cas_latency=3)
    beats = simulation.read(0, 100).payloads
    assert (beats != at_power_up(np.arange(100))).any()
    assert set(simulation.broken()) == {"init"}  # the mode register's value


def test_the_first_beat_of_a_page_that_is_closed_comes_after_14_cycles(opened: Opened) -> None:
    simulation = opened()
    simulation.read(0, 1)
    assert simulation.read(1 << 20, 1).first == 14
